"""Eyes on the node: its height and health, and every hold that may still change. Hints make it quick, a slow poll makes it sure."""

from __future__ import annotations

import asyncio
import hashlib

import structlog
from sqlalchemy import Connection, update

from bot.world import World
from kinds.inputs import HoldSeen
from kinds.lightning import HoldRef, HoldStatus, HoldView
from kinds.units import PaymentHash
from storage import inbox, reads
from storage.codec import body_of
from storage.inbox import NewInput
from storage.schema import fundings

_POLL = 60.0
_FACTS = 5.0
_AT_ONCE = 50
log = structlog.get_logger()


class Watch:
    def __init__(self, world: World) -> None:
        self._world = world

    async def facts(self) -> None:
        """The node's word about itself, often: blocks are a clock too."""
        world = self._world
        while True:
            before = world.moments.height
            world.moments.node(await world.node.facts())
            if world.moments.height != before:
                world.wakes.timers.ring()
                world.wakes.money.ring()
            await asyncio.sleep(_FACTS)

    async def hints(self) -> None:
        """A hint is only a reason to look: at a hold that we know, and for the money worker at its payments."""
        world = self._world
        while True:
            try:
                async for payment_hash in world.node.hints():
                    world.wakes.money.ring()
                    await self._look_at(payment_hash)
            except Exception:
                log.exception("the node's stream of hints broke off")
            await asyncio.sleep(1.0)  # the stream ended: open another one

    async def poll(self) -> None:
        """Every hold that may still change, at start and then again and again, hints or no hints."""
        while True:
            holds = await self._world.writer.do(lambda tx: reads.watched_holds(tx))
            for start in range(0, len(holds), _AT_ONCE):
                await asyncio.gather(*(self._look(*hold) for hold in holds[start : start + _AT_ONCE]))
            await asyncio.sleep(_POLL)

    async def _look_at(self, payment_hash: PaymentHash) -> None:
        found = await self._world.writer.do(lambda tx: reads.watched_holds(tx, payment_hash))
        for hold in found:
            await self._look(*hold)

    async def _look(self, hold: HoldRef, task: str, last: str) -> None:
        view = await self._world.node.hold(hold)
        seen = digest(view)
        if view.status is HoldStatus.UNKNOWN or seen == last:
            return
        if view.status is HoldStatus.OPEN and not view.refused:
            return
        await self._world.writer.do(lambda tx: self._report(tx, hold, task, view, seen))
        self._world.wakes.inputs.ring()

    def _report(self, tx: Connection, hold: HoldRef, task: str, view: HoldView, seen: str) -> None:
        tx.execute(update(fundings).where(fundings.c.ref == hold.ref).values(seen=seen))
        report_hold(tx, self._world, hold.ref, task, view, f"hold:{hold.payment_hash}:{seen}")


def report_hold(tx: Connection, world: World, ref: str, task: str, view: HoldView, key: str) -> None:
    """The node's word on a hold becomes an input."""
    fresh = NewInput(key, "hold_seen", body_of(HoldSeen(ref, view)), task)
    inbox.add(tx, fresh, world.moments.now(), world.policy_id)


def digest(view: HoldView) -> str:
    """What of a view matters; the same answer twice is one input."""
    parts = [(part.channel, part.htlc, part.amount, part.expiry, part.on_channel) for part in view.parts]
    return hashlib.sha256(repr((view.status.value, sorted(parts), int(view.refused))).encode()).hexdigest()
