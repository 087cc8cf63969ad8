"""How parts that do not know each other wake each other: one bell per table of work. A bell is a reason to look, no more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


class Bell:
    """Rung any number of times, heard once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, at_most: float) -> None:
        """Returns when rung since the last time, or after that many seconds."""
        try:
            async with asyncio.timeout(at_most):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


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
