"""Which hashes may have changed: lightningd and the plugin are asked in long polls, and every listener is told.

A broken poll is begun anew; what it missed is hinted at as a whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine

from bot.nodes.cln.rpc import NoAnswer, Refused, Rpc, rows
from bot.nodes.cln.wire import LIST, WAIT, WAIT_SECONDS, State
from kinds.units import PaymentHash, is_hex64

_PAUSE = 1.0  # seconds before a broken poll is begun anew
_KEPT = 4096  # hints that a slow listener may leave waiting; more are dropped, and hints may be lost
_FOREVER = 30 * 86400.0
LIVE = (State.OPEN, State.HELD, State.WAITING, State.SETTLING)


class Stream(AsyncIterator[PaymentHash]):
    def __init__(self) -> None:
        self._queue: asyncio.Queue[PaymentHash | None] = asyncio.Queue()

    def put(self, payment_hash: PaymentHash | None) -> None:
        if payment_hash is None or self._queue.qsize() < _KEPT:
            self._queue.put_nowait(payment_hash)

    async def __anext__(self) -> PaymentHash:
        found = await self._queue.get()
        if found is None:
            self.put(None)  # for whoever asks again
            raise StopAsyncIteration
        return found


class Hints:
    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._listeners: list[Stream] = []
        self._polls: list[asyncio.Task[None]] = []
        self._closed = False

    def listen(self) -> AsyncIterator[PaymentHash]:
        stream = Stream()
        if self._closed:
            stream.put(None)
            return stream
        self._listeners.append(stream)
        if not self._polls:
            self._polls = [asyncio.create_task(_again(poll)) for poll in (self._holds, self._payments)]
        return stream

    def tell(self, payment_hash: PaymentHash) -> None:
        for stream in self._listeners:
            stream.put(payment_hash)

    async def aclose(self) -> None:
        self._closed = True
        for poll in self._polls:
            poll.cancel()
        await asyncio.gather(*self._polls, return_exceptions=True)
        for stream in self._listeners:
            stream.put(None)

    async def _holds(self) -> None:
        """Raises NoAnswer, Refused."""
        since = 0
        while True:
            news = await self._rpc.call(WAIT, {"since": since}, 2.0 * WAIT_SECONDS)
            changed = news.get("changed", [])
            if news.get("missed") and since:
                holds = rows(await self._rpc.call(LIST), "holds")
                changed = [hold.get("payment_hash") for hold in holds if hold.get("state") in LIVE]
            self._tell_all(changed if isinstance(changed, list) else [])
            since = int(str(news.get("next", 0)))

    async def _payments(self) -> None:
        """lightningd counts the changes of its payments' parts. Raises NoAnswer, Refused."""
        seen = await self._changes(0)
        while True:
            count = await self._changes(seen + 1)
            fresh = await self._rpc.call("listsendpays", {"index": "updated", "start": seen + 1})
            self._tell_all([part.get("payment_hash") for part in rows(fresh, "payments")])
            seen = max(seen, count)

    async def _changes(self, at_least: int) -> int:
        wanted = {"subsystem": "sendpays", "indexname": "updated", "nextvalue": at_least}
        answer = await self._rpc.call("wait", wanted, _FOREVER)
        return int(str(answer.get("updated", 0)))

    def _tell_all(self, hashes: list[object]) -> None:
        for payment_hash in dict.fromkeys(hashes):
            if is_hex64(payment_hash):
                self.tell(PaymentHash(str(payment_hash)))


async def _again(poll: Callable[[], Coroutine[None, None, None]]) -> None:
    while True:
        try:
            await poll()
        except (NoAnswer, Refused, ValueError):
            await asyncio.sleep(_PAUSE)
