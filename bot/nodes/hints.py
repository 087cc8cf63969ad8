"""Hint streams: every listener hears every hash about which something may have changed, once for any number of changes.

A listener that nobody holds any more is forgotten. A cancelled wait loses no hint.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Iterable

from kinds.units import PaymentHash


class Listener:
    """One stream. It ends on its own `aclose`, and when the node closes it."""

    def __init__(self, look: Callable[[], float | None]) -> None:
        self._look = look
        self._waiting: dict[PaymentHash, None] = {}
        self._stirred = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> Listener:
        return self

    async def __anext__(self) -> PaymentHash:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._stirred.clear()
            pause = self._look()  # what was due may stir us at once
            if not self._stirred.is_set():
                try:
                    async with asyncio.timeout(pause):
                        await self._stirred.wait()
                except TimeoutError:
                    continue
        payment_hash = next(iter(self._waiting))
        del self._waiting[payment_hash]
        return payment_hash

    async def aclose(self) -> None:
        self.close()

    def hear(self, payment_hash: PaymentHash) -> None:
        if not self._closed:
            self._waiting[payment_hash] = None
            self._stirred.set()

    def close(self) -> None:
        self._closed = True
        self._waiting.clear()
        self._stirred.set()


class Hints:
    """All listeners of a node. `look` brings it up to its clock and says in how many seconds the next thing is due (None: never)."""

    def __init__(self, look: Callable[[], float | None] = lambda: None) -> None:
        self._look = look
        self._listeners: weakref.WeakSet[Listener] = weakref.WeakSet()

    def listen(self) -> Listener:
        listener = Listener(self._look)
        self._listeners.add(listener)
        return listener

    def say(self, payment_hashes: Iterable[PaymentHash]) -> None:
        for listener in tuple(self._listeners):
            for payment_hash in payment_hashes:
                listener.hear(payment_hash)

    def close(self) -> None:
        for listener in tuple(self._listeners):
            listener.close()
        self._listeners.clear()
