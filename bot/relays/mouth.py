"""Speaking to one relay, over a connection of its own: answers to what we say never stand behind the events that we hear,
so that a slow reader may wait for a publication and neither waits for ever.

A connection is replaced by a fresh one before it is worn out: LocalRelay cuts a connection off, in the middle of its
answers, after 6,000 messages without a pause. Until the fresh one is there the old one goes on, up to FULL; it stays until
its last answers are here. When no second connection is to be had, the old one has to do.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from websockets.asyncio.client import ClientConnection

from bot.relays.dial import RETRY_FIRST, RETRY_MOST, TROUBLE, conversation
from bot.relays.genuine import Gate
from bot.relays.patience import Patience
from bot.relays.session import Session
from bot.relays.signer import Signer
from bot.relays.values import NOT_CONNECTED, Ack, Drop, NoAnswer

WORN = 4000  # frames sent over one connection, after which another one is opened
FULL = 5500  # frames, after which nothing is sent until it is there
LAST_ANSWERS = 30.0  # seconds that a replaced connection is kept at most

log = logging.getLogger(__name__)


class Mouth:
    """`run` until cancelled; everything else may be called at any time."""

    def __init__(
        self,
        url: str,
        gate: Gate,
        signer: Signer | None,
        clock: Callable[[], int],
        jitter: Callable[[], float],
        dropped: Counter[Drop],
    ) -> None:
        self.url = url
        self._gate = gate
        self._signer = signer
        self._clock = clock
        self._dropped = dropped
        self._patience = Patience(RETRY_FIRST, RETRY_MOST, jitter)
        self._session: Session | None = None
        self._full = FULL  # for the present session
        self._replaced: Session | None = None  # the one for which a replacement was asked
        self._replace = asyncio.Event()
        self._changed = asyncio.Event()  # set, and made anew, when there is reason to look at the session again
        self._kicked = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self._session is not None

    async def opened(self) -> None:
        """Returns once there is a connection."""
        while self._session is None:
            await self._changed.wait()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._replace.clear()
                self._kicked.clear()
                self._patience.begin()
                holding = tasks.create_task(self._hold())
                worn = tasks.create_task(self._replace.wait())
                await asyncio.wait([holding, worn], return_when=asyncio.FIRST_COMPLETED)
                worn.cancel()
                if not holding.done():
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._patience.pause()):
                        await self._kicked.wait()

    async def publish(self, event_json: str, event_id: str, within: float) -> Ack:
        """Never raises, and does not wait for a relay that is away."""
        session = self._session
        if session is not None and session.sent < WORN:  # as it mostly is: nothing to wait for
            return await session.outgoing.publish(event_json, event_id, within)
        end = asyncio.get_running_loop().time() + within
        try:
            async with asyncio.timeout_at(end):
                session = await self.session()
        except TimeoutError:
            return Ack(None, "no answer in time")
        except NoAnswer as trouble:
            return Ack(None, str(trouble))
        return await session.outgoing.publish(event_json, event_id, end - asyncio.get_running_loop().time())

    async def session(self) -> Session:
        """For the next words, at once but for a worn out connection. Raises NoAnswer when there is none."""
        while (session := self._session) is not None:
            if session.sent >= WORN and self._replaced is not session:
                self._replaced = session
                self._replace.set()
            if session.sent < self._full:
                return session
            await self._changed.wait()
        raise NoAnswer(NOT_CONNECTED)

    def kick(self) -> None:
        """Cuts the connection and connects again at once."""
        self._patience.reset()
        self._kicked.set()
        if self._session is not None:
            self._session.abort()

    async def _hold(self) -> None:
        """One connection, from its opening until it is lost or was replaced."""
        session = None
        try:
            async with conversation(self.url, self._over) as (session, reading):
                self._take(session, FULL)
                while self._session is session and not reading.done():
                    await asyncio.wait([reading], timeout=1.0)
                end = asyncio.get_running_loop().time() + LAST_ANSWERS
                while session.outgoing.pending and not reading.done() and asyncio.get_running_loop().time() < end:
                    await asyncio.wait([reading], timeout=1.0)
        except TROUBLE as trouble:
            log.info("relay %s: %s", self.url, str(trouble)[:200] or type(trouble).__name__)
        except Exception:  # a defect of ours must not silence the daemon
            log.exception("relay %s", self.url)
        finally:
            if session is None:
                self._take(self._session, self._full + WORN)
            elif self._session is session:
                self._take(None, FULL)

    def _take(self, session: Session | None, full: int) -> None:
        self._session, self._full = session, full
        self._changed.set()
        self._changed = asyncio.Event()

    def _over(self, socket: ClientConnection) -> Session:
        return Session(socket, self.url, self._gate, self._dropped, self._signer, self._clock)
