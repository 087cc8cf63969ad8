"""The verdict at boot: is our memory as old as the world? Until it is known nothing is decided, signed for ever, paid or given back.

A relay that shows more of our own chains than we know, or a node that has done more, is proof, and one is enough. That nothing is missing
takes the answers of half of the listed relays, as hearing does; the others are asked as soon as they can be reached, also later. While
no relay answers, what is approved is still settled when its hold comes to E - M: that needs no word in the log, is safe by
whatever the world may know beyond us, and the tick at E - M finds it done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from sqlalchemy import Connection, select

from bot.memory import node, relays
from bot.memory.relays import Read
from bot.world import World
from handlers import safety
from handlers.task import Task
from kinds.lightning import HoldRef, HoldStatus
from storage import memory
from storage.codec import read_task
from storage.memory import Missing
from storage.schema import tasks
from storage.statements import Statement, word

_VERIFIED = Statement(select(tasks.c.document).where(tasks.c.state == word("Verified")))
_FIRST, _MOST = 0.5, 10.0  # seconds between two tries
_PATIENCE = 5.0  # seconds without a verdict after which it is said that there is none
_REST = 30.0  # between two tries at a relay that was away at boot
_SETTLE_EVERY = 30.0
log = structlog.get_logger()


class Older(Exception):
    """The world knows more of us than we do."""

    def __init__(self, missing: list[Missing]) -> None:
        super().__init__(f"{len(missing)} things are missing")
        self.missing = missing


class Verdict:
    def __init__(self, world: World) -> None:
        self._world = world
        self._left = set(world.relays.urls)  # relays that have not answered yet

    async def wait(self, waiting: Callable[[], None]) -> None:
        """Returns when nothing is missing. `waiting` is called once when no verdict can be had for the moment: also a relay that takes the
        question and never answers must not keep anybody from being told. Raises Older."""
        world = self._world

        def tell() -> None:
            log.warning("no relay says what we have published: nothing is decided until half of them do")
            waiting()

        late = asyncio.get_running_loop().call_later(_PATIENCE, tell)
        try:
            await self._until_enough_answer()
        finally:
            late.cancel()
        missing = await node.look(world)
        if missing:
            raise Older(missing)

    async def _until_enough_answer(self) -> None:
        world, pause = self._world, _FIRST
        enough = len(self._left) // 2  # so many may still be silent
        settled = float("-inf")
        while True:
            await self._ask(self._left)
            if len(self._left) <= enough:
                return
            if world.clock() - settled >= _SETTLE_EVERY:
                settled = world.clock()
                await settle_what_must_be(world)
            await asyncio.sleep(pause)
            pause = min(_MOST, pause * 1.5)

    async def later(self) -> None:
        """The relays that were away at boot, as soon as they are there. Raises Older."""
        while self._left:
            await asyncio.sleep(_REST)
            await self._ask(self._left)
        await asyncio.Event().wait()

    async def _ask(self, urls: set[str]) -> None:
        world = self._world
        await world.relays.speaking(2.0)
        reads = await relays.read_all(world, sorted(urls))
        self._left -= {read.url for read in reads if read.entries is not None}
        missing = await signs(world, reads)
        if missing:
            raise Older(missing)


async def signs(world: World, reads: list[Read]) -> list[Missing]:
    """What the relays' answers say about our memory."""
    entries = {entry.id: entry for read in reads for entry in read.entries or ()}
    if not entries:
        return []
    return relays.missing(entries.values(), await world.writer.do(memory.heads))


async def settle_what_must_be(world: World) -> None:
    """The last resort: approved work whose hold is at E - M, and holds whose settlement was decided. Nothing is written."""
    facts = await world.node.facts()
    world.moments.node(facts)
    for task in await world.writer.do(_verified):
        if not safety.must_settle(task, world.moments.height):
            continue
        for hold in task.holds:
            ref = HoldRef(hold.ref, hold.payment_hash)
            if (await world.node.hold(ref)).status is HoldStatus.HELD:
                log.warning("a hold is settled at its last moment, without a word from any relay", task=task.id)
                await world.node.settle(ref)


def _verified(tx: Connection) -> list[Task]:
    return [read_task(row.document) for row in _VERIFIED.rows(tx)]
