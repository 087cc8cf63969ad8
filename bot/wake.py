"""How parts that do not know each other wake each other: one bell per table of work. A bell is a reason to look, no more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


class Bell:
    """Rung any number of times, heard once."""

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        self._rung = True
        if self._waiter is not None:
            _end(self._waiter)

    async def wait(self, at_most: float) -> None:
        """Returns when rung since the last time, or after that many seconds. For one who waits: a bell is of one worker."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        timer = loop.call_later(at_most, _end, waiter)
        try:
            if not self._rung:
                self._waiter = waiter
                await waiter
        finally:
            timer.cancel()
            self._waiter = None
        self._rung = False


def _end(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


@dataclass(slots=True)
class Wakes:
    inputs: Bell = field(default_factory=Bell)
    sealed: Bell = field(default_factory=Bell)
    events: Bell = field(default_factory=Bell)
    letters: Bell = field(default_factory=Bell)
    money: Bell = field(default_factory=Bell)
    fetches: Bell = field(default_factory=Bell)
    timers: Bell = field(default_factory=Bell)

    def ring_outbox(self) -> None:
        """Anything may have been queued."""
        for bell in (self.events, self.letters, self.money, self.fetches, self.timers):
            bell.ring()
