"""An event loop whose time jumps: when nothing is ready, the next timer is due at once. The code under test stays as it is."""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import partial
from heapq import heappop, heappush
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Stalled(RuntimeError):
    """Everything waits and no timer is set: the test would never end."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise Stalled("nothing is ready and no timer is set")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 0: at 1.7e9, floats lose the resolution that asyncio needs."""

    def __init__(self) -> None:
        self._jumping = _Selector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class _Call(partial[object]):
    """A handle that is called itself, and made in one step of C: half a million of them are made in the life of a city."""

    __slots__ = ()

    def cancel(self) -> None:
        self.__setstate__((_nothing, (), {}, {}))  # type: ignore[attr-defined]


class _Timer(float):
    """When it is due, in the heap of timers, and the handle of it: two numbers are compared many times faster than two handles."""

    __slots__ = ("call",)
    call: Callable[[], object]

    def __call__(self) -> None:
        self.call()

    def cancel(self) -> None:
        self.call = _nothing


def _nothing() -> None:
    """What is left of a call that was cancelled."""


class LonelyLoop(VirtualLoop):
    """The same where nobody outside the loop can have something ready, no thread and no socket. What asyncio's own loop does at each
    turn, and no more."""

    _ready: deque[Callable[[], object]]
    _scheduled: list[_Timer]  # a heap
    _stopping: bool

    get_debug = staticmethod(bool)  # False, without a step in Python: each future asks

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> Any:
        call = _Call((context or copy_context()).run, callback, *args)
        self._ready.append(call)
        return call

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Any:
        return self.call_at(self._jumping.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Any:
        timer = _Timer(when)
        timer.call = partial((context or copy_context()).run, callback, *args)
        heappush(self._scheduled, timer)
        return timer

    def _run_once(self) -> None:
        """As many turns as there are until somebody stops the loop."""
        ready, timers = self._ready, self._scheduled
        while True:
            while timers and timers[0].call is _nothing:
                heappop(timers)
            if not ready:
                if not timers:
                    raise Stalled("nothing is ready and no timer is set")
                self._jumping.now = max(self._jumping.now, float(timers[0]))
            now = self._jumping.now
            while timers and timers[0] <= now:
                ready.append(heappop(timers))
            for _ in range(len(ready)):
                try:
                    ready.popleft()()
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:
                    self.call_exception_handler({"message": "a callback failed", "exception": error})
            if self._stopping:
                return


def run_virtually(main: Coroutine[Any, Any, T], threads: bool = True) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop if threads else LonelyLoop) as runner:
        return runner.run(main)
