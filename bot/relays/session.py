"""One live socket to one relay, from its first frame to its last: messages in, questions out (NIP-01, NIP-77).

Why not the SDK's client: its notification channel drops events in a burst, a CLOSED leaves it deaf, and `send_event`
holds its caller for seconds while a relay is away. Here the reader puts each verified event where it belongs before it
reads the next frame, so that a slow daemon slows the relay's socket down and loses nothing.

Every wait ends: with an answer, by its timeout, or when the connection is over (`end`). Cancelling a caller leaves the
session usable: a frame is handed to the socket whole or not at all.
"""

from __future__ import annotations

import asyncio
import json
import socket as net
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from bot.relays.filters import Sieve
from bot.relays.genuine import Dropped, Gate
from bot.relays.outgoing import Outgoing, wants_proof
from bot.relays.signer import Signer
from bot.relays.values import Drop, Filter, LineDown, NoAnswer, Refused
from kinds.events import Event

PING_EVERY = 20.0  # seconds
PING_WAIT = 20.0
ANSWER_WAIT = 20.0  # seconds without a word on a REQ after which the relay counts as stalled
FAREWELL_WAIT = 0.2
HELD_UP = 0.01  # seconds that a delivery takes only when it has to wait
MAX_UNREAD = 50  # NIP-77 messages of one exchange
MAX_MESSAGE = 2**20  # bytes; larger ones are not even decoded. 1 MiB: strfry's NEG-MSG holds up to 1,000,000 hex digits
MAX_WORDS = 200  # letters kept of a relay's remark

_QUICKACK: int | None = getattr(net, "TCP_QUICKACK", None)  # Linux

Deliver = Callable[[Event], Awaitable[None]]


class Subscription:
    """A REQ that stands. `answer`: None after EOSE, else why not; `closed`: the relay's reason, once it ended it."""

    def __init__(self, sub_id: str, filters: list[Filter], deliver: Deliver, now: float) -> None:
        loop = asyncio.get_running_loop()
        self.id = sub_id
        self.sieve = Sieve(filters)
        self.deliver = deliver
        self.heard_at = now
        self.answer: asyncio.Future[str | None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()

    def close(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_result(reason)
        if not self.closed.done():
            self.closed.set_result(reason)


class Session:
    """Everything said over one connection. `read` runs as a task beside whoever asks questions."""

    def __init__(
        self,
        socket: ClientConnection,
        url: str,
        gate: Gate,
        dropped: Counter[Drop],
        signer: Signer | None,
        clock: Callable[[], int],
    ) -> None:
        self.url = url
        self.outgoing = Outgoing(url, self.send, signer, clock)
        self.negentropy: bool | None = None  # whether the relay speaks NIP-77; None: not tried yet
        self.sent = 0  # frames
        self.turn = asyncio.Lock()  # one catch-up at a time: relays limit the number of open REQs
        self._socket = socket
        self._wire = socket.transport.get_extra_info("socket")
        self._gate = gate
        self._dropped = dropped
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._subscriptions: dict[str, Subscription] = {}
        self._talks: dict[str, asyncio.Queue[list[str]]] = {}
        self._over = False
        self._reason = ""  # why we cut the connection
        self._delivering = False
        self._heard_at = self._loop.time()
        self._held_up_at = 0.0  # when a delivery last had to wait for the daemon

    # Frames in

    async def read(self) -> None:
        """Reads until the connection ends, and pings beside it. Raises LineDown."""
        pinging = asyncio.create_task(self._keep_alive())
        try:
            while True:
                frame = await self._socket.recv(decode=False)
                self._heard_at = self._loop.time()
                self._acknowledge()
                await self._hear(frame)
        except ConnectionClosed as error:
            if error.sent is not None and error.sent.code == CloseCode.MESSAGE_TOO_BIG and not error.rcvd_then_sent:
                self._dropped[Drop.OVERSIZED] += 1
                raise LineDown("a message above the size limit") from error
            raise LineDown(self._reason or f"connection lost: {str(error)[:MAX_WORDS]}") from error
        finally:
            pinging.cancel()

    def _acknowledge(self) -> None:
        """Tells the relay's kernel now that we have this frame. A relay that leaves Nagle's algorithm on (LocalRelay does) keeps
        its next small frame back until then, and Linux takes up to 40 ms for it unless it is told anew each time."""
        if _QUICKACK is not None and self._wire is not None:
            with suppress(OSError):  # the connection is over: whoever reads will notice
                self._wire.setsockopt(net.IPPROTO_TCP, _QUICKACK, 1)

    async def _hear(self, frame: bytes) -> None:
        if len(frame) > MAX_MESSAGE:
            self._dropped[Drop.OVERSIZED] += 1
            return
        try:
            message = json.loads(frame)
        except (ValueError, RecursionError):
            self._dropped[Drop.MALFORMED] += 1
            return
        match message:
            case ["EVENT", str(sub_id), raw]:
                await self._event(sub_id, raw)
            case ["EOSE", str(sub_id)]:
                if (ended := self._subscriptions.get(sub_id)) and not ended.answer.done():
                    ended.answer.set_result(None)
            case ["CLOSED", str(sub_id), *rest]:
                if closed := self._subscriptions.pop(sub_id, None):
                    closed.close(_words(rest))
                self._tell(sub_id, ["CLOSED", _words(rest)])
            case ["OK", str(event_id), bool(accepted), *rest]:
                self.outgoing.answered(event_id, accepted, _words(rest))
            case ["AUTH", str(challenge)] if len(challenge) <= 1024:
                self.outgoing.challenged(challenge)
            case ["NEG-MSG" | "NEG-ERR" as word, str(sub_id), str(payload), *_]:
                self._tell(sub_id, [word, payload])
            case ["NOTICE", *rest]:
                for sub_id in self._talks:  # a relay without NIP-77 answers NEG-OPEN like this
                    self._tell(sub_id, ["NOTICE", _words(rest)])
            case _:
                self._dropped[Drop.UNKNOWN_MESSAGE] += 1

    async def _event(self, sub_id: str, raw: object) -> None:
        subscription = self._subscriptions.get(sub_id)
        if subscription is None:
            self._dropped[Drop.UNKNOWN_SUBSCRIPTION] += 1
            return
        subscription.heard_at = self._loop.time()
        try:
            event = self._gate.admit(raw)
        except Dropped as dropped:
            self._dropped[dropped.reason] += 1
            return
        if not subscription.sieve.passes(event):
            self._dropped[Drop.UNWANTED] += 1
            return
        self._delivering = True
        try:
            await subscription.deliver(event)
        finally:
            self._delivering = False
        self._heard_at = self._loop.time()
        if self._heard_at - subscription.heard_at > HELD_UP:
            self._held_up_at = self._heard_at

    # Life and death

    async def _keep_alive(self) -> None:
        """Finds dead sockets by pings of its own: websockets' pings would take our own back-pressure for death."""
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(PING_EVERY)
                try:
                    async with asyncio.timeout(PING_WAIT):
                        await (await self._socket.ping())
                except TimeoutError:
                    if not self._alive_within(PING_WAIT):
                        self._reason = "no answer to a ping"
                        self.abort()

    def _alive_within(self, seconds: float) -> bool:
        return self._delivering or self._loop.time() - self._heard_at < seconds

    def abort(self) -> None:
        """Cuts the connection now; `read` notices."""
        self._socket.transport.abort()

    def end(self) -> None:
        """Lets everyone go who still waits for an answer over this connection."""
        self._over = True
        for subscription in self._subscriptions.values():
            subscription.close("connection lost")
        self.outgoing.end()
        for sub_id in self._talks:
            self._tell(sub_id, ["CLOSED", "connection lost"])

    async def send(self, text: str) -> None:
        """Raises NoAnswer when the connection is over."""
        if self._over:
            raise NoAnswer("connection lost")
        try:
            self.sent += 1
            await self._socket.send(text)
        except ConnectionClosed as error:
            raise NoAnswer("connection lost") from error

    # Questions

    async def subscribe(self, name: str, filters: list[Filter], deliver: Deliver) -> Subscription:
        """Sends a REQ and returns when its stored events were delivered (EOSE). Raises Refused or NoAnswer."""
        try:
            return await self._subscribe(name, filters, deliver)
        except Refused as refused:
            if not (wants_proof(str(refused)) and await self.outgoing.prove()):
                raise
        try:
            return await self._subscribe(name, filters, deliver)
        except Refused as refused:
            if wants_proof(str(refused)):
                self.outgoing.forget_proof()
            raise

    async def _subscribe(self, name: str, filters: list[Filter], deliver: Deliver) -> Subscription:
        sub_id = f"{name}-{next(self._numbers)}"  # new each time: late events of an old REQ are not taken for its own
        subscription = self._subscriptions[sub_id] = Subscription(sub_id, filters, deliver, self._loop.time())
        try:
            await self.send(json.dumps(["REQ", sub_id, *filters], separators=(",", ":")))
            refusal = await self._answer(subscription)
        except BaseException:
            await self.unsubscribe(subscription)
            raise
        if refusal is not None:
            self._subscriptions.pop(sub_id, None)
            raise NoAnswer(refusal) if self._over else Refused(refusal)
        return subscription

    async def _answer(self, subscription: Subscription) -> str | None:
        """Waits for EOSE or CLOSED as long as something comes; the time that we ourselves hold the reader up is not counted."""
        while True:
            done, _ = await asyncio.wait([subscription.answer], timeout=ANSWER_WAIT)
            if done:
                return subscription.answer.result()
            last = max(subscription.heard_at, self._held_up_at)
            if not self._delivering and self._loop.time() - last >= ANSWER_WAIT:
                raise NoAnswer("no answer to a REQ")

    async def unsubscribe(self, subscription: Subscription) -> None:
        if self._subscriptions.pop(subscription.id, None):
            await self._farewell(["CLOSE", subscription.id])

    async def _farewell(self, words: list[str]) -> None:
        """A courtesy: it neither fails nor, on a stalled socket, holds up a caller who is being cancelled."""
        with suppress(NoAnswer, TimeoutError):
            async with asyncio.timeout(FAREWELL_WAIT):
                await self.send(json.dumps(words))

    async def query(self, filters: list[Filter], deliver: Deliver) -> None:
        """Delivers what the relay has stored. Raises Refused or NoAnswer."""
        await self.unsubscribe(await self.subscribe("ask", filters, deliver))

    @asynccontextmanager
    async def talk(self, opening: Filter, first: str) -> AsyncIterator[Talk]:
        """A NIP-77 exchange; closed on leaving."""
        sub_id = f"neg-{next(self._numbers)}"
        heard = self._talks[sub_id] = asyncio.Queue(MAX_UNREAD)
        try:
            await self.send(json.dumps(["NEG-OPEN", sub_id, opening, first], separators=(",", ":")))
            yield Talk(self, sub_id, heard)
        finally:
            del self._talks[sub_id]
            await self._farewell(["NEG-CLOSE", sub_id])

    def _tell(self, sub_id: str, said: list[str]) -> None:
        if (talk := self._talks.get(sub_id)) and not talk.full():
            talk.put_nowait(said)


class Talk:
    """The relay's side of one NIP-77 exchange."""

    def __init__(self, session: Session, sub_id: str, heard: asyncio.Queue[list[str]]) -> None:
        self._session = session
        self._sub_id = sub_id
        self._heard = heard

    async def hear(self) -> list[str]:
        """[word, payload], the word being NEG-MSG, NEG-ERR, CLOSED or NOTICE."""
        return await self._heard.get()

    async def say(self, message: str) -> None:
        await self._session.send(json.dumps(["NEG-MSG", self._sub_id, message]))


def _words(rest: list[Any]) -> str:
    """A relay's remark, cut short and without control letters."""
    text = rest[0][:MAX_WORDS] if rest and isinstance(rest[0], str) else ""
    return "".join(letter if letter.isprintable() else " " for letter in text)
