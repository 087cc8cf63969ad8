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
from handlers.guards import next_ref
from handlers.recovery import money, work
from handlers.task import CreditEntry, Payout, Task
from kinds.lightning import HoldView
from kinds.record import Entry
from kinds.states import FundingState, LogType, PayoutState, Phase, TaskState, WorkState
from kinds.units import Msat, PaymentHash

L, P = LogType, PayoutState
SPARE = 16  # names of fundings and payouts that are passed over: the lost memory may have used them


class Unreadable(ValueError):
    """An entry does not follow from what is known of the task; the text says why."""


def adopt(task: Task | None, entry: Entry) -> Task:
    """The task after this entry, which is the next of its log. Raises Unreadable."""
    if (task.seq if task else 0) + 1 != entry.seq or (task is None) != (entry.type == L.TASK_CREATED):
        raise Unreadable(f"entry {entry.seq} ({entry.type}) does not follow")
    kind = LogType(entry.type)
    change = TABLE.get(kind)
    if change is None:
        raise Unreadable(f"entries of the type {kind} are not built")
    try:
        after = change(task, entry) if task else work.created(entry)
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise Unreadable(f"entry {entry.seq} ({entry.type}): {type(error).__name__}") from error
    state = TaskState(entry.state)
    phase = _PHASES.get(kind, Phase.NONE if state.is_final else after.phase)
    after = after.with_milestone(state=WorkState(entry.work))
    return replace(
        after, state=state, phase=phase, seq=entry.seq, latest=tuple((dict(after.latest) | {kind: entry.seq}).items()),
        frozen_at=0 if state.is_final else after.frozen_at,
    )  # fmt: skip


def finish(task: Task) -> Task:
    """After the last entry: names are not used twice, and nobody is paid before the operator has looked."""
    planned = task.share is not None and task.share.state is P.PLANNED
    owed = any(task.credit(entry.to) for entry in task.credits)
    return replace(task, counter=task.counter + SPARE, unsure=planned or owed)


def seen(task: Task, ref: str, view: HoldView, salt: str) -> Task:
    """A funding that the log names, as the node shows it: its hash and invoice are private until the end."""
    funding = task.funding(ref)
    assert funding is not None, "the log has named it"
    return task.with_funding(
        ref,
        payment_hash=funding.payment_hash or view.payment_hash,
        invoice=view.invoice or funding.invoice,
        salt=funding.salt or salt,
    )


def effects(task: Task) -> list[Effect]:
    """What the node is to be asked once more, whatever the lost memory has asked of it: each is done once, by its hash."""
    wanted: list[Effect] = []
    for funding in task.fundings:
        if not funding.payment_hash or funding.state not in (FundingState.CREATED, FundingState.ACCEPTED):
            continue
        if funding.goal in ("cancel", "stray"):
            wanted.append(CancelHold(funding.ref, funding.payment_hash))
        elif funding.goal == "settle":
            wanted.append(SettleHold(funding.ref, funding.payment_hash))
    return wanted


def paid(task: Task, payment_hash: PaymentHash) -> tuple[Task, Effect]:
    """The operator has found the payment that this task's worker (or whoever is owed a credit) got: it is followed to its end like one
    of ours. Raises Unreadable when nothing is owed."""
    share = task.share
    if share is not None and share.state is P.PLANNED:
        task = task.with_payout(share.ref, payment_hash=payment_hash, state=P.CLAIMED, ordered=True, next_try=0)
        return replace(task, unsure=False), Pay(share.ref, payment_hash)
    entry = next((each for each in task.credits if task.credit(each.to)), None)
    if entry is None:
        raise Unreadable("nothing is owed in this task")
    amount = task.credit(entry.to)
    budget = Msat(sum(each.budget for each in task.credits if each.to == entry.to))
    ref, counter = next_ref(task, "p")
    payout = Payout(
        ref=ref, role=entry.role, to=entry.to, amount=amount, budget=budget, from_credit=True, state=P.CLAIMED,
        payment_hash=payment_hash, ordered=True,
    )  # fmt: skip
    line = CreditEntry(role=entry.role, to=entry.to, amount=Msat(-amount), budget=Msat(-budget), why=ref)
    after = replace(task, payouts=(*task.payouts, payout), credits=(*task.credits, line), counter=counter, unsure=False)
    return after, Pay(ref, payment_hash)


TABLE: dict[LogType, Callable[[Task, Entry], Task]] = {
    L.TASK_CREATED: work.incident,
    L.INVOICE_CREATED: money.invoiced,
    L.INVOICE_EXPIRED: money.void,
    L.FUNDING_FAILED: money.stray,
    L.FUNDING_STRAY: money.stray,
    L.INVOICE_ACCEPTED: money.accepted,
    L.ROLLOVER_ASKED: money.invoiced,
    L.ROLLOVER_COMPLETED: money.rolled_over,
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
    L.PAYOUT_FAILED: work.unreachable,
    L.REFUND_STARTED: money.refunding,
    L.REFUND_COMPLETED: money.refunded,
    L.SETTLEMENT_STARTED: money.settling,
    L.SETTLEMENT_COMPLETED: money.settled,
    L.HOLD_LOST: money.hold_lost,
    L.INCIDENT: work.incident,
    L.COMPENSATION: money.compensated,
    L.RECEIPT: money.receipt,
}
"""Every type of entry that `handlers.transitions` writes; a test holds the two against each other."""
_PHASES = {L.REFUND_STARTED: Phase.REFUNDING, L.SETTLEMENT_STARTED: Phase.SETTLING}
