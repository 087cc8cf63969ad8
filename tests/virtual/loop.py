"""An event loop whose time jumps: when nothing is ready, the next timer is due at once. The code under test stays as it is."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stalled(RuntimeError):
    """Everything waits and no timer is set: the test would never end."""


class _Selector(selectors.DefaultSelector):
    def __init__(self, threads: bool) -> None:
        super().__init__()
        self.now = 0.0
        self._threads = threads

    def select(self, timeout: float | None = None) -> Any:
        if timeout == 0.0 and not self._threads:
            return []
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise Stalled("nothing is ready and no timer is set")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 0: at 1.7e9, floats lose the resolution that asyncio needs. Without `threads` nobody outside the loop can
    have something ready, and it is hardly looked for."""

    def __init__(self, threads: bool = True) -> None:
        self._jumping = _Selector(threads)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(main: Coroutine[Any, Any, T], threads: bool = True) -> T:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(threads)) as runner:
        return runner.run(main)
