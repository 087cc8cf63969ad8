"""Deliverables are looked at before the employer is told of them: the task waits for the answer, so there always is one.

The order's row is the intent; the report finishes the row and inserts the input in one write. If the process dies before that
write, wherever it is, nothing of the fetch was kept and the next start simply does it again; it dies after it and nothing is
left to do. Trouble that may pass is given three tries within five minutes; then it is reported as it is, and so is a defect of
ours.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog
from sqlalchemy import Connection

from bot.web import Found, Matched, Mismatched, Unchecked, Why
from bot.world import World
from handlers.decision import Fetch
from kinds.inputs import Check, Fetched
from storage import inbox, outbox
from storage.codec import body_of
from storage.inbox import NewInput
from storage.outbox import Order
from storage.schema import effects

TRIES = 3
_SORTS = ("fetch",)
_AT_ONCE = 4
_FIRST_WAIT, _LONGEST_WAIT = 30.0, 90.0  # seconds between two tries
log = structlog.get_logger()


class Finder(Protocol):
    """`bot.web.Web`, or something of that shape."""

    async def sha256_of(self, url: str, wanted: str) -> Found: ...


class Fetcher:
    def __init__(self, world: World, web: Finder) -> None:
        self._world = world
        self._web = web
        self._busy: set[str] = set()  # tasks whose file is being fetched

    async def run(self) -> None:
        """At most four at once and one of each task, its newest first: an older one is of a proof that was superseded."""
        world = self._world
        async with asyncio.TaskGroup() as fetches:
            while True:
                found, soonest = await world.writer.do(
                    lambda tx: (
                        outbox.open_orders(tx, _SORTS, world.moments.time),
                        outbox.next_try(tx, effects, world.moments.time, _SORTS),
                    )
                )
                for order in {order.task: order for order in found}.values():
                    if len(self._busy) < _AT_ONCE and order.task not in self._busy:
                        self._busy.add(order.task)
                        fetches.create_task(self._carry_out(order))
                await world.idle(world.wakes.fetches, soonest)

    async def _carry_out(self, order: Order) -> None:
        try:
            wish = order.effect
            assert isinstance(wish, Fetch), "only these were asked for"
            found = await self._look(order, wish)
            if isinstance(found, Unchecked) and found.passing and order.tries + 1 < TRIES:
                await self._later(order)
            else:
                await self._report(order, _fact(wish, found))
        finally:
            self._busy.discard(order.task)
            self._world.wakes.fetches.ring()

    async def _look(self, order: Order, wish: Fetch) -> Found | None:
        """None when the operator has switched fetching off meanwhile."""
        if not self._world.policy.fetch:
            return None
        try:
            return await self._web.sha256_of(wish.url, wish.sha256)
        except Exception as error:  # its text may hold the link, which is not for the log
            log.error("fetching failed by a defect of ours", order=order.n, task=order.task, error=type(error).__name__)
            return Unchecked(Why.UNREACHABLE)

    async def _later(self, order: Order) -> None:
        again = self._world.backoff(order.tries, first=_FIRST_WAIT, most=_LONGEST_WAIT)
        await self._world.writer.do(lambda tx: outbox.order_later(tx, order.n, order.tries + 1, again))

    async def _report(self, order: Order, what: Fetched) -> None:
        """One write: the order is done and what it found out is an input."""
        world = self._world
        fact = NewInput(f"effect:{order.n}:fetched", "fetched", body_of(what), order.task)

        def record(tx: Connection) -> None:
            outbox.order_done(tx, order.n)
            inbox.add(tx, fact, world.moments.now(), world.policy_id)

        await world.writer.do(record)
        world.wakes.inputs.ring()


def _fact(wish: Fetch, found: Found | None) -> Fetched:
    match found:
        case None:
            return Fetched(wish.ref, Check.UNCHECKED, reason="fetching_off")
        case Matched():
            return Fetched(wish.ref, Check.MATCHED, sha256=wish.sha256)
        case Mismatched(sha256):
            return Fetched(wish.ref, Check.MISMATCHED, sha256=sha256)
        case Unchecked(why):
            return Fetched(wish.ref, Check.UNCHECKED, reason=str(why))
