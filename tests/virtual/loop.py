"""An event loop whose time jumps: when nothing is ready, the next timer is due at once. The code under test stays as it is."""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
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


class _Moment(float):
    """When a timer is due, in the heap of timers: two numbers are compared many times faster than two handles."""

    __slots__ = ("handle",)
    handle: asyncio.TimerHandle


class _Call(asyncio.Handle):
    """As asyncio's own, made in one step: half a million of them are made in the life of a city."""

    __slots__ = ()

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], loop: Any, context: Context) -> None:
        self._context = context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = self._source_traceback = None


class _Timer(_Call, asyncio.TimerHandle):
    __slots__ = ()

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None  # type: ignore[assignment]


class LonelyLoop(VirtualLoop):
    """The same where nobody outside the loop can have something ready, no thread and no socket. What asyncio's own loop does at each
    turn, and no more."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[_Moment]  # a heap

    def get_debug(self) -> bool:
        return False

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Call(callback, args, self, context or copy_context())
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._jumping.now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        moment = _Moment(when)
        moment.handle = handle = _Timer(callback, args, self, context or copy_context())
        handle._when = when  # type: ignore[attr-defined]
        heappush(self._scheduled, moment)
        return handle

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled
        while timers and timers[0].handle._cancelled:
            heappop(timers)
        if not ready:
            if not timers:
                raise Stalled("nothing is ready and no timer is set")
            self._jumping.now = max(self._jumping.now, float(timers[0]))
        now = self._jumping.now
        while timers and timers[0] <= now:
            ready.append(heappop(timers).handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            try:
                handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                self.call_exception_handler({"message": "a callback failed", "exception": error, "handle": handle})


def run_virtually(main: Coroutine[Any, Any, T], threads: bool = True) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop if threads else LonelyLoop) as runner:
        return runner.run(main)
