"""Eyes on the node: its height and health, and every hold that may still change. Hints make it quick, a slow poll makes it sure."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress

import structlog
from sqlalchemy import Connection

from bot.world import World
from kinds.inputs import HoldSeen, PaymentSeen, RemitSeen
from kinds.lightning import HoldStatus, HoldView, PaymentStatus, PaymentView
from kinds.units import PaymentHash, Pubkey
from storage import accounts, inbox, outbox, reads
from storage.codec import body_of
from storage.inbox import NewInput
from storage.reads import Watched

_POLL = 60.0
_REST = 4.0  # so many times as long as a poll took there is none: a node with many holds has other work, too
_FACTS = 5.0
_AT_ONCE = 50
log = structlog.get_logger()


class Watch:
    def __init__(self, world: World) -> None:
        self._world = world
        self._reread = asyncio.Event()
        self._room = asyncio.Semaphore(_AT_ONCE)  # looks for hints

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
        """A hint is only a reason to look: at a hold that we know, and for the money worker at its payments. A stream tells
        nothing of what happened before it was opened, so each new one is a reason to look at every hold. Many are looked at side
        by side: a hundred that are paid at once would wait for each other."""
        world = self._world
        while True:
            try:
                self._reread.set()
                async with asyncio.TaskGroup() as looks:
                    async for payment_hash in world.node.hints():
                        await self._room.acquire()
                        looks.create_task(self._look_at(payment_hash)).add_done_callback(lambda _: self._room.release())
            except* Exception as errors:
                log.warning("the node's stream of hints broke off", error=type(errors.exceptions[0]).__name__)
            await asyncio.sleep(1.0)  # the stream ended: open another one

    async def poll(self) -> None:
        """Every hold that may still change: at start, whenever a stream of hints is opened, and now and then."""
        while True:
            self._reread.clear()
            loop = asyncio.get_running_loop()
            began = loop.time()
            await self._look_at_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(_POLL, _REST * (loop.time() - began))):
                    await self._reread.wait()

    async def _look_at_all(self) -> None:
        """Page by page: between two pages everybody else has his turn at the database."""
        after = ""
        while True:
            page = await self._world.writer.do(lambda tx, after=after: reads.watched_holds(tx, after, _AT_ONCE))  # type: ignore[misc]
            await asyncio.gather(*(self._look(hold) for hold in page))
            if len(page) < _AT_ONCE:
                return
            after = page[-1].hold.ref

    async def _look_at(self, payment_hash: PaymentHash) -> None:
        world = self._world

        def job(tx: Connection) -> tuple[list[Watched], tuple[str, str] | None, tuple[str, Pubkey] | None]:
            outbox.look_again(tx, payment_hash)
            holds, given_up = reads.holds_of(tx, payment_hash), reads.given_up_payout(tx, payment_hash)
            return holds, given_up, accounts.given_up(tx, payment_hash)

        holds, payout, withdrawal = await world.writer.do(job)
        world.wakes.money.ring()
        for hold in holds:
            await self._look(hold)
        if payout:
            ref, task = payout
            await self._look_back(payment_hash, "payment_seen", lambda view: PaymentSeen(ref, view), task)
        if withdrawal:
            named, owner = withdrawal
            await self._look_back(payment_hash, "remit_seen", lambda view: RemitSeen(owner, named, view))

    async def _look(self, watched: Watched) -> None:
        view = await self._world.node.hold(watched.hold)
        seen = digest(view)
        if view.status is HoldStatus.UNKNOWN or seen == watched.seen or not self._world.absences.believe(view):
            return
        if view.status is HoldStatus.OPEN and not view.refused:
            return
        await self._world.writer.do(lambda tx: self._report(tx, watched, view, seen))
        self._world.wakes.inputs.ring()

    def _report(self, tx: Connection, watched: Watched, view: HoldView, seen: str) -> None:
        if reads.looked(tx, watched, seen):
            key = f"hold:{watched.hold.payment_hash}:{watched.looks + 1}"
            report_hold(tx, self._world, watched.hold.ref, watched.task, view, key)

    async def _look_back(
        self,
        payment_hash: PaymentHash,
        sort: str,
        word: Callable[[PaymentView], PaymentSeen | RemitSeen],
        task: str | None = None,
    ) -> None:
        """A payment that was given up must not arrive; if it does, that goes on record."""
        view = await self._world.node.payment(payment_hash)
        if view.status is PaymentStatus.COMPLETE:
            fresh = NewInput(f"late:{payment_hash}", sort, body_of(word(view)), task)
            world = self._world
            await world.writer.do(lambda tx: inbox.add(tx, fresh, world.moments.now(), world.policy_id))
            world.wakes.inputs.ring()


def report_hold(tx: Connection, world: World, ref: str, task: str, view: HoldView, key: str) -> None:
    """The node's word on a hold becomes an input."""
    fresh = NewInput(key, "hold_seen", body_of(HoldSeen(ref, view)), task)
    inbox.add(tx, fresh, world.moments.now(), world.policy_id)


def digest(view: HoldView) -> str:
    """What of a view matters; the same word twice in a row is one input."""
    parts = [(part.channel, part.htlc, part.amount, part.expiry, part.on_channel) for part in view.parts]
    return hashlib.sha256(repr((view.status.value, sorted(parts), int(view.refused))).encode()).hexdigest()
