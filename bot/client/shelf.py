"""What came, by key, and who waits for it: a waiter is woken by what comes under his key and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Waited(Exception):
    """It did not come in time; the text says what was waited for."""


class Shelf(Generic[T]):
    """Keeps everything that it was given, in the order in which it came."""

    def __init__(self) -> None:
        self._items: dict[str, list[T]] = {}
        self._waiting: dict[str, list[tuple[Callable[[T], bool], asyncio.Future[T]]]] = {}

    def put(self, keys: Iterable[str], item: T) -> None:
        for key in keys:
            self._items.setdefault(key, []).append(item)
            for wanted, future in self._waiting.get(key, ()):
                if not future.done() and wanted(item):
                    future.set_result(item)

    def under(self, key: str) -> list[T]:
        return list(self._items.get(key, ()))

    async def first(self, key: str, wanted: Callable[[T], bool], within: float, what: str) -> T:
        """The first item under the key that is wanted, whether it is here already or comes later. Raises Waited."""
        here = next((item for item in self._items.get(key, ()) if wanted(item)), None)
        if here is not None:
            return here
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        waiter = (wanted, future)
        self._waiting.setdefault(key, []).append(waiter)
        try:
            async with asyncio.timeout(within):
                return await future
        except TimeoutError:
            raise Waited(f"nothing came within {within:g} s: {what}") from None
        finally:
            self._waiting[key].remove(waiter)
            if not self._waiting[key]:
                del self._waiting[key]
