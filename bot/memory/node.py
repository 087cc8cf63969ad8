"""The node's word on our memory: holds and payouts of ours that the node has carried further than we remember.

Only names and hashes of ours are asked for, so that whatever else the operator does with his node never counts. What an interrupted
step of our own explains (its order stands in the outbox) is no sign; an order that was committed is never the end of what we know.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from bot.world import World
from handlers import safety
from handlers.task import Funding, Task
from kinds.lightning import HoldRef, HoldStatus, PaymentStatus
from kinds.states import FundingState, PayoutState
from kinds.units import PaymentHash
from storage import house
from storage.codec import read_task
from storage.memory import Missing
from storage.schema import fundings, tasks
from storage.statements import Statement, listed, present, word

_AT_ONCE = 50
_UNENDED = Statement(
    select(tasks.c.document).where(tasks.c.state.not_in((word("Paid"), word("Refunded"), word("Expired"))))
)
_REF = re.compile(r"[0-9a-z]{13}/h[1-9][0-9]*")
_KNOWN = present(fundings.c.ref, "refs")
SPAN = 90 * 86400  # seconds back in which a hold that we do not know may have been made
_OPEN = (FundingState.CREATED, FundingState.PENDING, FundingState.ACCEPTED)


@dataclass(frozen=True, slots=True)
class _Hold:
    task: Task
    funding: Funding


@dataclass(frozen=True, slots=True)
class _Payment:
    task: str
    payment_hash: PaymentHash


async def look(world: World) -> list[Missing]:
    """Whatever the node does not answer is no sign."""
    open_ones = await world.writer.do(_open_tasks)
    asked: list[_Hold | _Payment] = [*_holds(open_ones), *_payments(open_ones)]
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(each: _Hold | _Payment) -> Missing | None:
        async with room:
            return await (_hold(world, each) if isinstance(each, _Hold) else _payment(world, each))

    found = [sign for sign in await asyncio.gather(*map(one, asked)) if sign]
    return [*found, *await _strange(world)]


def _open_tasks(tx: Connection) -> list[Task]:
    return [read_task(row.document) for row in _UNENDED.rows(tx)]


def _holds(found: list[Task]) -> Iterator[_Hold]:
    for task in found:
        for funding in task.fundings:
            if funding.state in _OPEN and funding.payment_hash and not funding.goal:
                yield _Hold(task, funding)


def _payments(found: list[Task]) -> Iterator[_Payment]:
    """Destinations that we know and, as far as we know, have never been given leave to pay."""
    for task in found:
        if task.destination:
            yield _Payment(task.id, task.destination.payment_hash)
        for payout in task.payouts:
            if payout.state is PayoutState.PLANNED and payout.payment_hash:
                yield _Payment(task.id, payout.payment_hash)


async def _hold(world: World, each: _Hold) -> Missing | None:
    """Settled, though we never wanted it to be; at E - M it is settled without a word of ours when no relay answers."""
    funding, task = each.funding, each.task
    view = await world.node.hold(HoldRef(funding.ref, funding.payment_hash))
    if view.status is not HoldStatus.SETTLED or safety.must_settle(task, world.moments.height):
        return None
    known = await world.writer.do(lambda tx: _on_record(tx, task.id, funding.ref))
    return None if known else Missing("settled", task.id, f"the hold {funding.ref} is settled, and not by us")


def _on_record(tx: Connection, task: str, ref: str) -> bool:
    facts = {"task": task, "funding": ref}
    return any(house.is_known(tx, code, task, facts) for code in ("settled_unasked", "settled_unheld"))


async def _payment(world: World, each: _Payment) -> Missing | None:
    view = await world.node.payment(each.payment_hash)
    if view.status not in (PaymentStatus.COMPLETE, PaymentStatus.IN_FLIGHT):
        return None
    return Missing("paid", each.task, "a payout is on its way or has arrived, and we never sent it")


async def _strange(world: World) -> list[Missing]:
    """Holds under names of ours that we have never given."""
    held = await world.node.own_holds(max(0, world.moments.time - SPAN))
    if not held:
        return []
    refs = {hold.ref for hold in held if _REF.fullmatch(hold.ref)}
    known = await world.writer.do(lambda tx: _known(tx, refs))
    return [
        Missing("unknown_hold", ref.partition("/")[0], f"the node has a hold {ref}, which is not known here")
        for ref in sorted(refs - known)
    ]


def _known(tx: Connection, refs: set[str]) -> set[str]:
    return {row.ref for row in _KNOWN.rows(tx, {"refs": listed(refs)})}
