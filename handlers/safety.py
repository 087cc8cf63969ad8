"""The last question right before a node call, asked on a view read just then: may this still be done? Pure.

Money rule 2: a payout that rests on a hold starts an attempt only if every part of it is on an open channel, the node is synced
and the attempt's cltv_limit fits. A settle needs the worker's share complete, or the last moment; a cancel needs that no
payout can be on its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from handlers.ledger import may_lock
from handlers.task import LOCK, Funding, Payout, Task
from kinds.lightning import HoldStatus, HoldView, NodeFacts, PaySpec
from kinds.states import PayoutState, Phase, TaskState
from kinds.units import Msat

TOO_CLOSE = "too_close_to_the_hold's_end"


@dataclass(frozen=True, slots=True)
class NotNow:
    """Why not, in a word for the operator. `ours`: it is our side that is not well."""

    reason: str


NOT_PAID = NotNow("not_paid_yet")
NOT_YET = NotNow("not_time_to_lock")
ASKS_FOR_FACTS = (NOT_PAID, NOT_YET)  # a refusal for want of the node's facts, where none were given


def together(views: Sequence[HoldView]) -> HoldView | None:
    """What the node says of all holds that an agreement rests on, as if they were one: held when each of them is, with the parts of all. None
    when there is none."""
    if not views:
        return None
    worst = next((view for view in views if view.status is not HoldStatus.HELD), views[0])
    return replace(worst, parts=tuple(part for view in views for part in view.parts))


def may_pay(
    task: Task, payout: Payout, hold: HoldView | None, facts: NodeFacts | None, timeout: int
) -> PaySpec | NotNow:
    """The attempt that may start now, or why none may. `hold`: all that the agreement rests on (`together`)."""
    if facts is None or not facts.synced:
        return NotNow("node_not_synced")
    if facts.outbound < payout.amount + payout.budget:
        return NotNow("no_outbound_liquidity")
    if task.in_books:
        return _out_of_the_books(task, payout, timeout)
    if hold is None or hold.status is not HoldStatus.HELD or not all(part.on_channel for part in hold.parts):
        return NotNow("hold_not_on_channel")
    if hold.received + _kept(task) < payout.amount + payout.budget:
        return NotNow("hold_too_small")
    limit = min(task.terms.payout_limit, hold.expiry_height - task.terms.margin - facts.height - 6)
    if limit < payout.final_cltv + 3:
        return NotNow(TOO_CLOSE)
    return _spec(payout, limit, timeout)


def _out_of_the_books(task: Task, payout: Payout, timeout: int) -> PaySpec | NotNow:
    """It rests on what is booked to the task, and no height presses."""
    if _kept(task) < payout.amount + payout.budget:
        return NotNow("hold_too_small")
    return _spec(payout, task.terms.payout_limit, timeout)


def _kept(task: Task) -> Msat:
    """Of the milestone's money, what is in the books."""
    return min(task.locked, Msat(sum(each.amount for each in task.kept)))


def _spec(payout: Payout, limit: int, timeout: int) -> PaySpec:
    return PaySpec(
        ref=payout.ref,
        payment_hash=payout.payment_hash,
        invoice=payout.invoice,
        amount=payout.amount,
        fee_limit=payout.budget,
        cltv_limit=limit,
        timeout=timeout,
    )


def may_settle(task: Task, funding: Funding, hold: HoldView, facts: NodeFacts | None) -> NotNow | None:
    """None when the settle may go out. Once the worker is paid, the node's facts do not matter; before, the hold that ends first decides
    for all of them."""
    if funding.goal == LOCK:
        if hold.status is not HoldStatus.HELD:
            return NotNow("not_held")
        return None if may_lock(task, funding, facts.height if facts else None) else NOT_YET
    if funding.goal != "settle" or task.phase is not Phase.SETTLING:
        return NotNow("not_wanted")
    if hold.status is not HoldStatus.HELD:
        return NotNow("not_held")
    paid = task.paid_share is not None
    last = task.settle_height or funding.expiry_height - task.terms.margin
    if not paid and (facts is None or facts.height < last):
        return NOT_PAID
    return None


def must_settle(task: Task, height: int) -> bool:
    """Approved, and the hold is at E - M: it is settled whatever else is known, unless only the worker's side has kept his payout from
    arriving; then it goes back."""
    patience, share = task.patience, task.share
    on_its_way = share is not None and (share.ordered or share.state is PayoutState.IN_FLIGHT)
    theirs_alone = bool(patience.since) and not patience.ours_at and not on_its_way
    open_still = task.state is TaskState.VERIFIED and task.phase in (Phase.NONE, Phase.SETTLING)
    return open_still and 0 < task.settle_height <= height and not (theirs_alone and task.phase is Phase.NONE)


def may_cancel(task: Task, funding: Funding) -> NotNow | None:
    """None when the cancel may go out."""
    if funding.goal not in ("cancel", "stray"):
        return NotNow("not_wanted")
    if funding.goal == "cancel" and any(
        p.state in (PayoutState.IN_FLIGHT, PayoutState.COMPLETE) or (p.ordered and not p.state.is_final)
        for p in task.payouts
        if p.milestone == funding.milestone
    ):
        return NotNow("payout_on_its_way")
    return None
