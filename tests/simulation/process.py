"""One process of the daemon, which may die at every await: each door to the outside is passed through `Mortal.step`.

After its death nothing of it reaches the outside any more: every door is shut, whatever its tasks still do until they are gone. What
was on its way to the node when it died arrives all the same.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from bot.findings import Finding
from bot.nodes.base import Node
from bot.relays.values import Ack, Filter
from bot.writer import Writer
from kinds.events import Event
from kinds.lightning import HoldRef, HoldSpec, HoldView, NodeFacts, PaymentView, PaySpec
from kinds.units import PaymentHash
from tests.simulation.sea import Sea

T = TypeVar("T")
Ps = ParamSpec("Ps")


class Mortal:
    """The life of one process. `dies_at`: the passage through a door in which it dies; 0 for never."""

    def __init__(self) -> None:
        self.steps = 0
        self.dies_at = 0
        self.died = asyncio.Event()
        self._dead = False  # the same, for the many steps

    def step(self) -> None:
        """Called before and after whatever touches the outside."""
        if self._dead:
            raise asyncio.CancelledError("this process is dead")
        self.steps += 1
        if self.steps == self.dies_at:
            self.die()
            raise asyncio.CancelledError("this process dies here")

    def die(self) -> None:
        self._dead = True
        self.died.set()

    async def through(self, call: Callable[Ps, Awaitable[T]], *args: Ps.args, **named: Ps.kwargs) -> T:
        """The answer of the outside, unless we die before the question or before the answer."""
        self.step()
        answer = await call(*args, **named)
        self.step()
        return answer


@dataclass(slots=True)
class Disk:
    """What the disk does to commits: one of them fails halfway, or every one as long as it is full."""

    fails_in: int = 0  # commits from now on; 0: none fails
    full: bool = False

    def write(self) -> None:
        """Called before each commit. Raises OperationalError, as the driver does."""
        self.fails_in -= self.fails_in > 0
        if self.full:
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("database or disk is full"))
        if self.fails_in == 1:
            self.fails_in = 0
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))


def is_of_disk(error: BaseException | None) -> bool:
    """That alone, from however many parts of the daemon."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_of_disk(each) for each in error.exceptions)
    return isinstance(error, OperationalError)


class _Turn:
    """Waits for the next turn of the loop, as `asyncio.sleep(0)` does in three steps."""

    def __await__(self) -> Generator[None]:
        yield


class DiskWriter(Writer):
    """The writer without its thread; `committed` looks at the database after each commit. Core begins once and for all, and each job in
    words of its own: to begin and to commit costs Core more than most jobs do."""

    def __init__(self, engine: Engine, disk: Disk, life: Mortal, committed: Callable[[], None]) -> None:
        self._disk, self._life, self._committed = engine.connect(), life, committed
        self._disk.begin()
        driver: Any = self._disk.connection.dbapi_connection
        self._sql: sqlite3.Connection = driver
        self._sql.execute("ROLLBACK")
        self._health = disk
        self._closed = False
        self.commits = 0

    async def do(self, job: Callable[[Connection], T]) -> T:
        await _Turn()
        self._life.step()
        self._sql.execute("BEGIN")
        try:
            result = job(self._disk)
            self._health.write()
            self._sql.execute("COMMIT")
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self.commits += 1
        self._committed()
        self._life.step()
        await _Turn()
        return result

    async def close(self) -> None:
        self._closed = True
        self._disk.close()


class WireNode:
    """The way to the node and back: calls take time, and arrive though their caller has died."""

    def __init__(self, node: Node, life: Mortal, chance: random.Random, slow: Callable[[], float]) -> None:
        """`slow`: the seconds that a call may take each way at most, now."""
        self._node, self._life, self._chance, self._slow = node, life, chance, slow
        self._under_way: set[asyncio.Task[Any]] = set()

    async def _call(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        there, back = (self._chance.random() * self._slow() for _ in range(2))
        self._life.step()
        if not there:  # it is there at once, and nothing can come between
            await asyncio.sleep(0)
            answer = await call()
            self._life.step()
            return answer

        async def travel() -> T:
            await asyncio.sleep(there)
            return await call()

        task = asyncio.ensure_future(travel())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        answer = await asyncio.shield(task)
        if back:
            await asyncio.sleep(back)
        self._life.step()
        return answer

    async def facts(self) -> NodeFacts | None:
        return await self._call(self._node.facts)

    async def make_hold(self, spec: HoldSpec) -> HoldView:
        return await self._call(lambda: self._node.make_hold(spec))

    async def hold(self, hold: HoldRef) -> HoldView:
        return await self._call(lambda: self._node.hold(hold))

    async def settle(self, hold: HoldRef) -> HoldView:
        return await self._call(lambda: self._node.settle(hold))

    async def cancel(self, hold: HoldRef) -> HoldView:
        return await self._call(lambda: self._node.cancel(hold))

    async def pay(self, spec: PaySpec) -> PaymentView:
        return await self._call(lambda: self._node.pay(spec))

    async def payment(self, payment_hash: PaymentHash) -> PaymentView:
        return await self._call(lambda: self._node.payment(payment_hash))

    async def find(self, ref: str) -> HoldView:
        return await self._call(lambda: self._node.find(ref))

    async def own_holds(self, since: int) -> tuple[HoldRef, ...] | None:
        return await self._call(lambda: self._node.own_holds(since))

    async def hints(self) -> AsyncIterator[PaymentHash]:
        async for payment_hash in self._node.hints():
            self._life.step()
            yield payment_hash

    async def examine(self) -> list[Finding]:
        return []

    async def aclose(self) -> None:
        pass


class Line:
    """What `bot.relays.client.Relays` is to the daemon: the sea, as far as this process lives."""

    def __init__(self, sea: Sea, life: Mortal) -> None:
        self._sea, self._life = sea, life

    @property
    def urls(self) -> tuple[str, ...]:
        return self._sea.urls

    async def run(self) -> None:
        await self._sea.run()

    async def batch(self, limit: int) -> list[Any]:
        return await self._life.through(self._sea.batch, limit)

    async def speaking(self, within: float) -> bool:
        return True

    async def publish(self, url: str, event_json: str, event_id: str, within: float = 10.0) -> Ack:
        return await self._life.through(self._sea.publish, url, event_json, event_id, within)

    async def publish_to(
        self, urls: Sequence[str], event_json: str, event_id: str, within: float = 10.0
    ) -> dict[str, Ack]:
        return {url: await self.publish(url, event_json, event_id, within) for url in urls if url in self._sea.urls}

    async def fetch(self, url: str, filters: Sequence[Filter], within: float = 10.0) -> list[Event]:
        return await self._life.through(self._sea.fetch, url, filters, within)

    def kick(self, url: str) -> None:
        self._sea.kick(url)

    def status(self) -> dict[str, Any]:
        return self._sea.status()
