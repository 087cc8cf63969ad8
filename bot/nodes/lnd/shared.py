"""One question, many who ask: each gets an answer that was asked for after he asked.

A hundred holds looked at together need LND's list of channels once, not a hundred times; and a decision about money never
rests on a list that is older than its own question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """`ask` never raises. Somebody who is cancelled takes nothing from the others."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asked: asyncio.Task[T] | None = None  # its question is on the wire: too late to join
        self._next: asyncio.Task[T] | None = None  # will be asked when that one has its answer

    async def __call__(self) -> T:
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._asked))
        return await asyncio.shield(self._next)

    async def _after(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._asked, self._next = self._next, None
        return await self._ask()
