"""Requests to a wallet service and its answers, over the relays of the connection (NIP-47).

An answer counts when the wallet's key signed it, it names our request, we can open it, and it speaks of the method that was
asked; the first one counts. All else is as good as silence, and silence means nothing: the request may have been carried
out. A request carries an `expiration`, after which relays and the wallet shall drop it, so that none is carried out when it
has long been given up; what we do not hear within our patience may still come, and is then told to `late`.
The relays' part (reconnecting, re-subscribing, catching up, verifying) is that of bot.relays.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from bot.nodes.nwc import wire
from bot.nodes.nwc.connection import Connection
from bot.nodes.nwc.wire import ANSWER, INFO, NIP04, NOTICE, NOTICE_NIP04, REQUEST, Answer, Offer
from bot.relays.client import Relays
from bot.relays.signer import KeySigner, Unreadable
from bot.relays.values import Filter, Heard, Want
from kinds.events import Event, Unsigned
from kinds.units import PaymentHash

LIFE = 120  # seconds for which a request may be carried out, by the wallet's clock
REMEMBERED = 1000  # requests whose answers may still come
SILENCES = 3  # questions in a row without an answer, after which the connections are made anew
KICK_EVERY = 60.0  # seconds between that, at least
OVERLAP = 60  # seconds that are read again after a new connection: answers that a relay has kept for us
log = structlog.get_logger()


@dataclass(slots=True)
class Asked:
    """A request that was sent."""

    method: str
    about: str  # the payment hash that it is about, or ''
    at: float  # loop time
    answer: asyncio.Future[Answer]
    waited_for: bool = True


class Talk:
    """`run` until cancelled; `ask` at any time."""

    def __init__(
        self,
        connection: Connection,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        *,
        notice: Callable[[PaymentHash], None],
        late: Callable[[Asked, Answer], None],
    ) -> None:
        """`notice`: something has changed about this hash, says the wallet; `late`: an answer for which nobody waits any more."""
        self.offer: Offer | None = None  # the newest info event, once one was heard
        self._wallet, self._clock = connection.wallet, clock
        self._signer = KeySigner(connection.secret)
        self._notice, self._late = notice, late
        self._asked: OrderedDict[str, Asked] = OrderedDict()
        self._offered_at = -1
        self._silences = 0
        self._kicked_at = -KICK_EVERY  # loop time
        self._changed = asyncio.Event()  # there is reason to look again whether we hear
        self._relays = Relays(
            connection.relays,
            (Want("wallet", self._info), Want("answers", self._answers)),
            signer=self._signer,
            since=lambda _relay, _want: int(clock()) - OVERLAP,
            clock=lambda: int(clock()),
            jitter=jitter,
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._relays.run())
            tasks.create_task(self._listen())

    async def ready(self, within: float) -> bool:
        """Whether the wallet's info event is here and a relay hears and speaks, now or within so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._relays.speaking(within)
                while not self._hears():
                    self._changed.clear()
                    await self._changed.wait()
        return self._hears()

    async def ask(self, method: str, params: dict[str, Any], *, within: float, about: str = "") -> Answer | None:
        """The wallet's answer, or None when none came: the request may have been carried out, or may still be within LIFE."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        if not await self.ready(within) or self.offer is None or not self.offer.encryption:
            return None
        event = await self._request(method, params)
        asked = Asked(method, about, loop.time(), loop.create_future())
        self._asked[event.id] = asked
        while len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        sending = asyncio.create_task(self._relays.publish_to(self._relays.urls, event.as_json(), event.id, within))
        waits: list[asyncio.Future[Any]] = [asked.answer, sending]
        try:
            await asyncio.wait(waits, timeout=end - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            if (
                not asked.answer.done()
                and sending.done()
                and all(ack.accepted is False for ack in sending.result().values())
            ):
                log.warning("no relay of the wallet takes a request", method=method)
                return None
            await asyncio.wait([asked.answer], timeout=max(0.0, end - loop.time()))
        finally:
            asked.waited_for = False
            sending.cancel()
        if asked.answer.done():
            return asked.answer.result()
        self._unheard(method)
        return None

    def _unheard(self, method: str) -> None:
        """A connection can be dead though its relay still answers pings; a payment alone may take its time."""
        now = asyncio.get_running_loop().time()
        self._silences += method != "pay_invoice"
        if self._silences >= SILENCES and now - self._kicked_at >= KICK_EVERY:
            log.warning("the wallet does not answer; its relays are connected anew")
            self._silences, self._kicked_at = 0, now
            for url in self._relays.urls:
                self._relays.kick(url)

    async def _request(self, method: str, params: dict[str, Any]) -> Event:
        text = json.dumps({"method": method, "params": params}, separators=(",", ":"), ensure_ascii=False)
        assert self.offer is not None, "nothing is said before the wallet has introduced itself"
        old = self.offer.encryption == NIP04
        content = await (self._signer.nip04_encrypt if old else self._signer.encrypt44)(self._wallet, text)
        now = int(self._clock())
        tags = [("p", self._wallet), ("expiration", str(now + LIFE))]
        if not old:  # a wallet that is older than the tag may not know it
            tags.append(("encryption", self.offer.encryption))
        return await self._signer.sign(Unsigned(self._signer.pubkey, now, REQUEST, tuple(tags), content))

    def away(self) -> list[str]:
        """The relays over which no answer can be heard now."""
        return [url for url, each in self._relays.status().items() if "answers" not in each.open_wants]

    def _hears(self) -> bool:
        """An answer that nobody hears is lost: its kind is one that relays need not keep."""
        return self.offer is not None and len(self.away()) < len(self._relays.urls)

    def _info(self, _since: int) -> list[Filter]:
        return [{"kinds": [INFO], "authors": [self._wallet]}]

    def _answers(self, since: int) -> list[Filter]:
        kinds = [ANSWER, NOTICE, NOTICE_NIP04]
        return [{"kinds": kinds, "authors": [self._wallet], "#p": [self._signer.pubkey], "since": since}]

    async def _listen(self) -> None:
        while True:
            for heard in await self._relays.batch(100):
                try:
                    if isinstance(heard, Heard):
                        await self._hear(heard.event)
                except Exception as error:  # a defect of ours that one event found must not leave us deaf
                    log.error("an event of the wallet was not understood", error=type(error).__name__)
                self._changed.set()

    async def _hear(self, event: Event) -> None:
        if event.kind == INFO:
            if event.created_at > self._offered_at:
                self._offered_at, self.offer = event.created_at, wire.offer_of(event)
            return
        text = await self._open(event)
        if text is None:
            return
        if event.kind != ANSWER:
            payment_hash = wire.notice_of(text)
            if payment_hash:
                self._notice(payment_hash)
            return
        request = event.tag("e") or ""
        asked = self._asked.get(request)
        answer = wire.answer_of(text, asked.method) if asked else None
        if asked is None or answer is None:
            return
        del self._asked[request]
        self._silences = 0
        if asked.waited_for:
            asked.answer.set_result(answer)
        else:
            self._late(asked, answer)

    async def _open(self, event: Event) -> str | None:
        """An answer comes in the form of its request, but for the error that this form is not known."""
        old = "?iv=" in event.content
        try:
            return await (self._signer.nip04_decrypt if old else self._signer.decrypt44)(self._wallet, event.content)
        except Unreadable:
            log.warning("an event of the wallet cannot be opened", kind=event.kind)
            return None
