"""A task is brought to where its public log says that it stands: one entry after the other, by a literal table. Pure.

This is for a memory that was restored from a backup. The log tells states, times, amounts and who did what; what it keeps private is
looked up at the node (the hold of a funding, by its name) or asked anew (where a worker wants to be paid). What was paid out meanwhile
to a destination that nobody knows any more cannot be told from the log: such a task is `unsure`, and pays nobody until the operator has
looked at his node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from handlers.decision import CancelHold, Effect, Pay, SettleHold
from handlers.recovery import deposits, money, projects, work
from handlers.task import LOCK, Funding, Task
from kinds.bolt11 import BadInvoice, decode
from kinds.lightning import HoldStatus, HoldView
from kinds.record import Entry
from kinds.states import FundingState, LogType, PayoutState, Phase, TaskState, WorkState
from kinds.units import Msat, PaymentHash, Secret

L, P = LogType, PayoutState
SPARE = 16  # names of fundings and payouts that are passed over: the lost memory may have used them


class Unreadable(ValueError):
    """An entry does not follow from what is known of the task; the text says why."""


def adopt(task: Task | None, entry: Entry) -> Task:
    """The task after this entry, which is the next of its log. Raises Unreadable."""
    if (task.seq if task else 0) + 1 != entry.seq or (task is None) != (entry.type == L.TASK_CREATED):
        raise Unreadable(f"entry {entry.seq} ({entry.type}) does not follow")
    kind = LogType(entry.type)
    if task is not None and deposits.is_beside(entry):
        return _beside(task, kind, entry)
    change = TABLE.get(kind)
    if change is None:
        raise Unreadable(f"entries of the type {kind} are not built")
    try:
        after = change(task, entry) if task else work.created(entry)
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise Unreadable(f"entry {entry.seq} ({entry.type}): {type(error).__name__}") from error
    state = TaskState(entry.state)
    after = after.with_milestone(state=WorkState(entry.work))
    if kind is L.SETTLEMENT_COMPLETED and not state.is_final:
        after = replace(projects.next_one(after, entry), phase=Phase.NONE)
    if state.is_final:
        after = money.unwanted(after, lambda funding: bool(funding.covers))
    phase = _PHASES.get((kind, state), _PHASES.get((kind, None), Phase.NONE if state.is_final else after.phase))
    return replace(
        after, state=state, phase=phase, seq=entry.seq, latest=tuple((dict(after.latest) | {kind: entry.seq}).items()),
        frozen_at=0 if state.is_final else after.frozen_at,
    )  # fmt: skip


def _beside(task: Task, kind: LogType, entry: Entry) -> Task:
    """What becomes of a deposit moves nothing."""
    try:
        after = deposits.adopt(task, entry)
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise Unreadable(f"entry {entry.seq} ({entry.type}): {type(error).__name__}") from error
    return replace(after, seq=entry.seq, latest=tuple((dict(after.latest) | {kind: entry.seq}).items()))


def _half_ended(task: Task) -> Task:
    """The log begins an end out of the books and breaks off: the node's word on the old holds will be the end of it."""
    if task.phase not in (Phase.REFUNDING, Phase.SETTLING):
        return task
    goal = "cancel" if task.phase is Phase.REFUNDING else "settle"
    for kept in task.kept:
        again = task.with_funding(kept.ref, state=FundingState.ACCEPTED, goal=goal)
        task = replace(again, locked=Msat(task.locked - kept.amount))
    return task


def finish(task: Task) -> Task:
    """After the last entry: names are not used twice, and nobody is paid before the operator has looked."""
    task = _half_ended(task)
    planned = task.share is not None and task.share.state is P.PLANNED
    return replace(task, counter=task.counter + SPARE, unsure=planned)


def _may_be_booked(task: Task, funding: Funding) -> bool:
    """The terms allow that the lost memory has settled it into the books, without a public word yet. Of approved work it may as well have
    been settled since the worker was paid: then the operator must look."""
    decided = task.state in (None, TaskState.VERIFIED) or (task.state is not None and task.state.is_final)
    undecided = task.phase in (Phase.NONE, Phase.AWAITING) and not decided
    held = funding.state is FundingState.ACCEPTED and not funding.goal
    return held and undecided and task.terms.outlasts_hold


def seen(task: Task, ref: str, view: HoldView, salt: str) -> Task:
    """A funding that the log names, as the node shows it: its hash and invoice are private until the end. How long it was made to last, on
    which its renewal rests, stands in the invoice. One that the node has settled already was on its way into the books."""
    funding = task.funding(ref)
    assert funding is not None, "the log has named it"
    if view.status is HoldStatus.SETTLED and _may_be_booked(task, funding):
        task = money.unwanted(task.with_funding(ref, goal=LOCK), lambda other: other.replaces == ref)
    invoice = view.invoice or funding.invoice
    return task.with_funding(
        ref,
        payment_hash=funding.payment_hash or view.payment_hash,
        invoice=invoice,
        salt=funding.salt or salt,
        cltv=funding.cltv or _lasts(invoice),
    )


def _lasts(invoice: Secret) -> int:
    """For how many blocks a hold was to be made; 0 where its invoice cannot be read."""
    try:
        return decode(invoice.reveal()).final_cltv
    except BadInvoice:
        return 0


def effects(task: Task) -> list[Effect]:
    """What the node is to be asked once more, whatever the lost memory has asked of it: each is done once, by its hash."""
    wanted: list[Effect] = []
    for funding in task.fundings:
        if not funding.payment_hash or funding.state not in (FundingState.CREATED, FundingState.ACCEPTED):
            continue
        if funding.goal in ("cancel", "stray"):
            wanted.append(CancelHold(funding.ref, funding.payment_hash))
        elif funding.goal in ("settle", LOCK):
            wanted.append(SettleHold(funding.ref, funding.payment_hash))
    return wanted


def paid(task: Task, payment_hash: PaymentHash) -> tuple[Task, Effect]:
    """The operator has found the payment that this task's worker got: it is followed to its end like one of ours. Raises Unreadable when
    nothing is owed."""
    share = task.share
    if share is None or share.state is not P.PLANNED:
        raise Unreadable("nothing is owed in this task")
    task = task.with_payout(share.ref, payment_hash=payment_hash, state=P.CLAIMED, ordered=True, next_try=0)
    return replace(task, unsure=False), Pay(share.ref, payment_hash)


TABLE: dict[LogType, Callable[[Task, Entry], Task]] = {
    L.TASK_CREATED: work.incident,
    L.INVOICE_CREATED: money.invoiced,
    L.INVOICE_EXPIRED: money.void,
    L.FUNDING_FAILED: money.stray,
    L.FUNDING_STRAY: money.stray,
    L.INVOICE_ACCEPTED: work.held,
    L.ROLLOVER_ASKED: money.invoiced,
    L.ROLLOVER_COMPLETED: money.rolled_over,
    L.CLAIM_OFFERED: work.offered,
    L.TASK_ACCEPTED: work.accepted,
    L.PLAN_PROPOSED: projects.proposed,
    L.PLAN_AGREED: projects.agreed,
    L.TASK_CLAIMED: work.claimed,
    L.TASK_ABANDONED: work.abandoned,
    L.TASK_EXPIRED: money.expired,
    L.TASK_FROZEN: work.frozen,
    L.TASK_UNFROZEN: work.unfrozen,
    L.PROOF_SUBMITTED: work.proof,
    L.PROOF_VERIFIED: work.verified,
    L.PROOF_REJECTED: work.rejected,
    L.REVIEW_PROLONGED: work.prolonged,
    L.CANCEL_OFFERED: work.offered_end,
    L.DISPUTE_OPENED: work.disputed,
    L.DISPUTE_RESOLVED: work.resolved,
    L.PAYMENT_MISSED: work.missed,
    L.PAYOUT_FAILED: work.unreachable,
    L.REFUND_STARTED: money.refunding,
    L.REFUND_COMPLETED: money.refunded,
    L.LEDGER_LOCKED: money.locked,
    L.SETTLEMENT_STARTED: money.settling,
    L.SETTLEMENT_COMPLETED: money.settled,
    L.HOLD_LOST: money.hold_lost,
    L.INCIDENT: work.incident,
    L.COMPENSATION: money.compensated,
}
"""Every type of entry that `handlers.transitions` writes; a test holds the two against each other."""
_PHASES: dict[tuple[LogType, TaskState | None], Phase] = {
    (L.REFUND_STARTED, None): Phase.REFUNDING,
    (L.SETTLEMENT_STARTED, None): Phase.SETTLING,
    (L.PROOF_VERIFIED, TaskState.CLAIMED): Phase.AWAITING,
    (L.DISPUTE_RESOLVED, TaskState.CLAIMED): Phase.AWAITING,
    (L.INVOICE_ACCEPTED, TaskState.VERIFIED): Phase.NONE,
    (L.PAYMENT_MISSED, TaskState.VERIFIED): Phase.NONE,
}
"""The phase behind an entry of this type, in this state or any; behind all others it stays, or ends with the task."""
