"""Hearing one relay: connect, subscribe, catch up, listen, and begin again whenever it ends.

Each want has its own course: its live REQ stands before its catch-up starts, so that nothing falls between; a CLOSED
re-opens it, with growing pauses and for ever (Mostro #874: one CLOSED left the daemon deaf), and each re-opening catches
up again. While the line is up, the catch-up is repeated now and then, and soon after we kept the relay waiting: a relay
may lose live events without a word (LocalRelay does when a reader falls 1,024 events behind).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.relays.catchup import catch_up
from bot.relays.dial import LARGEST_FRAME, MAX_FRAME, RETRY_FIRST, RETRY_MOST, TROUBLE, dial
from bot.relays.genuine import Gate
from bot.relays.intray import Intray
from bot.relays.patience import Patience
from bot.relays.session import Session, Subscription
from bot.relays.signer import Signer
from bot.relays.values import (
    CaughtUp,
    Drop,
    Have,
    Heard,
    LineDown,
    NoAnswer,
    Refused,
    RelayStatus,
    RelayTrouble,
    Want,
)
from kinds.events import Event

REOPEN_FIRST, REOPEN_MOST = 0.3, 60.0  # seconds between REQs that the relay closes, doubling
LOOK_EVERY = 2.0  # seconds
SOON = 0.05  # of the time between two catch-ups: the least, when the relay had to wait for us
REMEMBERED = 20_000  # ids already delivered over this connection

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Common:
    """What all ears share."""

    wants: Sequence[Want]
    intray: Intray
    gate: Gate
    signer: Signer | None
    since: Callable[[str, str], int]
    have: Have | None
    clock: Callable[[], int]
    jitter: Callable[[], float]
    repeat_catch_up: float


class Ear:
    """`run` until cancelled; everything else may be called at any time."""

    def __init__(self, url: str, common: Common, dropped: Counter[Drop]) -> None:
        self.url = url
        self._common = common
        self._dropped = dropped
        self._patience = Patience(RETRY_FIRST, RETRY_MOST, common.jitter)
        self._session: Session | None = None
        self._open: set[str] = set()
        self._connects = 0
        self._since: int | None = None
        self._trouble = ""
        self._max_frame = MAX_FRAME
        self._kicked = asyncio.Event()

    async def run(self) -> None:
        while True:
            self._kicked.clear()
            self._patience.begin()
            try:
                await self._whole_connection()
            except* (RelayTrouble, *TROUBLE) as group:
                self._trouble = _first(group)
                log.info("relay %s: %s", self.url, self._trouble)
            except* Exception:  # a defect of ours must not leave the daemon deaf on this relay
                self._trouble = "internal error"
                log.exception("relay %s", self.url)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience.pause()):
                    await self._kicked.wait()

    async def _whole_connection(self) -> None:
        """A task of its own: a TaskGroup that fails in the moment in which its task is cancelled swallows that (until 3.13)."""
        connection = asyncio.create_task(self._connection())
        try:
            await asyncio.wait([connection])
        finally:
            connection.cancel()
            await asyncio.wait([connection])
            trouble = None if connection.cancelled() else connection.exception()
        if trouble is not None:
            raise trouble

    async def _connection(self) -> None:
        async with dial(self.url, max_frame=self._max_frame) as socket:
            common = self._common
            session = Session(socket, self.url, common.gate, self._dropped, common.signer, common.clock)
            hearing = _Hearing(self.url, common.intray, self._dropped)
            self._session, self._since = session, common.clock()
            self._connects += 1
            oversized = self._dropped[Drop.OVERSIZED]
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(session.read())
                    for want in common.wants:
                        tasks.create_task(self._follow(session, want, hearing))
            finally:
                if self._dropped[Drop.OVERSIZED] > oversized:
                    # A stored giant would cut us off each time we page past it: take it in next time, and drop it unread.
                    self._max_frame = min(self._max_frame * 4, LARGEST_FRAME)
                self._session, self._since = None, None
                self._open.clear()
                session.end()
                session.abort()

    async def _follow(self, session: Session, want: Want, hearing: _Hearing) -> None:
        """Keeps one want open for the life of the connection."""
        patience = Patience(REOPEN_FIRST, REOPEN_MOST, self._common.jitter)
        while True:
            patience.begin()
            try:
                await self._listen(session, want, hearing)
            except Refused as refused:
                self._trouble = f"{want.name}: {refused}"
                log.info("relay %s closed %s", self.url, self._trouble)
            except NoAnswer as trouble:
                raise LineDown(f"{want.name}: {trouble}") from trouble
            finally:
                self._open.discard(want.name)
            await asyncio.sleep(patience.pause())

    async def _listen(self, session: Session, want: Want, hearing: _Hearing) -> None:
        """Opens the live REQ, catches up, and returns by Refused when the relay closes it."""
        common = self._common
        at = common.clock()
        filters = want.filters(common.since(self.url, want.name))
        live = await session.subscribe(want.name, [{**each, "limit": 1} for each in filters], hearing.deliver)
        self._open.add(want.name)
        try:
            while True:  # also when it is closed already: a relay that keeps no REQ open is read by catching up
                held_up = hearing.held_up
                await catch_up(session, filters, hearing.deliver, common.have, self._crowded)
                await common.intray.put(CaughtUp(self.url, want.name, at))
                await self._rest(live, hearing, held_up)
                if live.closed.done():
                    raise Refused(live.closed.result())
                at = common.clock()
                filters = want.filters(common.since(self.url, want.name))
        finally:
            await session.unsubscribe(live)

    async def _rest(self, live: Subscription, hearing: _Hearing, held_up: int) -> None:
        """Until the live REQ is closed or a catch-up is due: by time, or since the relay had to wait for us meanwhile."""
        loop = asyncio.get_running_loop()
        soon, end = (loop.time() + self._common.repeat_catch_up * part for part in (SOON, 1))
        while not live.closed.done() and loop.time() < end:
            if loop.time() > soon and hearing.held_up > held_up and self._common.intray.empty():
                return
            await asyncio.wait([live.closed], timeout=min(LOOK_EVERY, end - loop.time()))

    def _crowded(self) -> None:
        self._dropped[Drop.CROWDED] += 1
        log.warning("relay %s may hide events: more of them share one second than it gives at once", self.url)

    def kick(self) -> None:
        """Cuts the connection and connects again at once."""
        self._patience.reset()
        self._kicked.set()
        if self._session is not None:
            self._session.abort()

    def status(self, *, speaking: bool) -> RelayStatus:
        session = self._session
        return RelayStatus(
            hearing=session is not None,
            speaking=speaking,
            since=self._since,
            connects=self._connects,
            open_wants=tuple(sorted(self._open)),
            negentropy=session.negentropy if session is not None else None,
            dropped=dict(self._dropped),
            trouble=self._trouble,
        )


class _Hearing:
    """Puts what one connection brings into the intray, each event once: live and stored events overlap by design."""

    def __init__(self, url: str, intray: Intray, dropped: Counter[Drop]) -> None:
        self._url = url
        self._intray = intray
        self._dropped = dropped
        self._delivered: OrderedDict[str, None] = OrderedDict()
        self.held_up = 0  # how often the relay had to wait for us

    async def deliver(self, event: Event) -> None:
        if event.id in self._delivered:
            self._dropped[Drop.DUPLICATE] += 1
            return
        if self._intray.full():
            self.held_up += 1
        await self._intray.put(Heard(event, self._url))
        self._delivered[event.id] = None  # only now: before, a cancelled put would have lost it
        if len(self._delivered) > REMEMBERED:
            self._delivered.popitem(last=False)


def _first(trouble: BaseExceptionGroup[BaseException]) -> str:
    """The first cause in a group of exceptions, in a few words."""
    first: BaseException = trouble
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return f"{str(first)[:200] or type(first).__name__}"
