"""Pauses between attempts: doubling, spread by chance, starting small again when something held for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

STEADY = 60.0  # seconds after which an attempt counts as good


class Patience:
    """Call `begin` before each attempt and sleep for `pause` seconds after it."""

    def __init__(self, first: float, most: float, jitter: Callable[[], float]) -> None:
        self._first = first
        self._most = most
        self._jitter = jitter
        self._next = first
        self._began = 0.0

    def begin(self) -> None:
        self._began = asyncio.get_running_loop().time()

    def reset(self) -> None:
        self._next = self._first

    def pause(self) -> float:
        if asyncio.get_running_loop().time() - self._began > STEADY:
            self.reset()
        pause, self._next = self._next, min(self._next * 2, self._most)
        return pause * (0.5 + self._jitter())
