"""The one table that says which state may follow which, and `move`, the only way to a new state.

A row: in this state and phase, for this cause, the task goes to that state and phase, and the log gains these entries, one of
each, in this order. The database's trigger and the docs' diagram are made from the same rows; the public verifier has a
table of its own, which a test compares with this one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any

from handlers import pricing
from handlers.crediting import out_of_the_books, public_credits, tell_credits
from handlers.decision import CancelHold, Decision, LogLine, Moment
from handlers.invoices import drop_invoice
from handlers.task import Funding
from kinds.inputs import Proven
from kinds.states import LogType, Phase, TaskState, WorkState
from kinds.units import Pubkey, is_hex64

S, L, P, W = TaskState, LogType, Phase, WorkState


class Cause(StrEnum):
    """Why a task moves."""

    CREATED = "a valid offer"
    INVOICE_MADE = "the node made the hold invoice"
    INVOICE_VOID = "the invoice expired unpaid"
    FUNDING_REFUSED = "what was paid does not fit the invoice"
    HELD = "every part is held"
    STRAY_HELD = "a hold that nobody wants any more was paid"
    ROLLOVER_ASKED = "the node made the invoice of a fresh hold"
    ROLLED_OVER = "a fresh hold takes over from the old one"
    ROLLOVER_VOID = "the invoice of a fresh hold expired unpaid"
    ROLLOVER_REFUSED = "what was paid does not fit the invoice of a fresh hold"
    CANCEL = "the employer takes it back"
    CANCEL_UNFUNDED = "the employer takes it back before any money is held"
    UNFUNDED_END = "the deadline passed without money"
    HOLD_TIMEOUT = "nobody claimed it in time"
    UNCLAIMED_END = "the deadline passed without a claim"
    CLAIMED = "a worker claims it"
    APPLIED = "somebody offers to do it"
    WITHDRAWN = "he takes that back"
    HIRED = "the employer picks a worker"
    ACCEPTED = "a worker takes it before the money"
    CHOSEN = "the employer picks a worker before the money"
    GIVEN_UP = "the worker gives it back before the money"
    PLAN_PROPOSED = "one side proposes milestones"
    PLAN_AGREED = "the other side agrees to them"
    HELD_FOR_WORKER = "every part is held, and the work begins"
    SELECTED = "the employer chooses full payment, and the work begins without money"
    BEGUN = "the work begins without money, as agreed"
    ABANDONED = "the worker gives it back"
    ABANDONED_LATE = "the worker gives it back, too late for another"
    PROOF = "the worker delivers"
    APPROVED = "the work is accepted"
    SILENCE = "the review ended in silence, which approves"
    SILENCE_DISPUTED = "the review ended in silence, which disputes"
    PROLONGED = "the employer could not be reached"
    REJECTED = "the work is refused, another try is allowed"
    REJECTED_DISPUTED = "the work is refused"
    DISPUTED = "one side disputes"
    WORKER_DISPUTED = "the worker disputes after the approval"
    OFFERED_END = "one side offers to end it"
    AGREED_REFUND = "both agree that the money goes back"
    AGREED_SPLIT = "both agree on a share"
    DISPUTE_APPROVED = "the employer approves in a dispute"
    NO_PROOF = "the deadline passed without a proof"
    NO_RESUBMISSION = "no other try came in time"
    HOLD_END = "the hold comes to its end"
    LOCKED = "the hold is settled into the books, as agreed"
    DISPUTE_LIMIT = "a dispute about money in the books has lasted too long"
    UNREACHED = "the worker's side could not be paid, and his money waits in the books"
    APPROVED_UNPAID = "the work is accepted, and its money asked for"
    SILENCE_UNPAID = "the review ended in silence, which approves, and the money is asked for"
    AGREED_UNPAID = "both agree on a share, and it is asked for"
    DISPUTE_APPROVED_UNPAID = "the employer approves in a dispute, and the money is asked for"
    ENDED_UNPAID = "both agree to end it, and nothing is held"
    NO_PROOF_UNPAID = "the deadline passed without a proof, and nothing is held"
    NO_RESUBMISSION_UNPAID = "no other try came in time, and nothing is held"
    LIMIT_UNPAID = "a dispute without money has lasted too long"
    MISSED = "the employer has not paid for approved work"
    MISSED_COVERED = "the employer has not paid for approved work, and the worker gets what the deposit has for it"
    SETTLED_SHORT = "what the deposit had is paid, and the rest was missed"
    SHARE_PAID = "the worker's share arrived"
    MARGIN = "not paid yet, and the hold must be settled now"
    UNREACHABLE = "the worker's side could not be paid"
    RELEASED = "the hold is settled and paid, and another milestone follows"
    SETTLED = "the hold is settled and every share paid or credited"
    REFUNDED = "the node has given the money back"
    ENDED = "the node has given the money back, time is over"
    LOST = "the hold vanished before any payout"
    LOST_PAYING = "the hold vanished under a payout"
    LOST_UNPAID = "the hold vanished and the payout failed"
    LOST_PAID = "the hold vanished and the payout arrived"
    COMPENSATED = "the insurance makes good for a loss"
    FROZEN = "the operator freezes it"
    UNFROZEN = "the operator lets it go on"


@dataclass(frozen=True, slots=True)
class Row:
    """`by`: who may be the reason: roles of people, or the node, or the clock. `state` and `work` before and after."""

    source: TaskState | None
    cause: Cause
    target: TaskState
    log: tuple[LogType, ...]
    by: str  # "employer", "worker", "party", "applicant", "anybody" else, "node", "clock", "operator", or several with "|"
    work: tuple[WorkState, ...]  # of the current milestone before the move
    work_after: WorkState | None = None  # None: the same
    phase: Phase = Phase.NONE  # before
    phase_after: Phase = Phase.NONE


_ALL_WORK = (W.IN_PROGRESS, W.SUBMITTED, W.REJECTED)
_REF = (L.REFUND_STARTED,)
_ENDED = (L.REFUND_COMPLETED,)
_SET, _BACK, _DUE = P.SETTLING, P.REFUNDING, P.AWAITING
_OPEN = (
    *((s, P.NONE) for s in S if not s.is_final),
    *((s, _BACK) for s in (S.FUNDED, S.CLAIMED, S.DISPUTED, S.VERIFIED)),
    (S.VERIFIED, _SET),
    (S.CLAIMED, _DUE),
)  # wherever a task that is not over can stand
_EVERYWHERE = (*_OPEN, *((s, P.NONE) for s in S if s.is_final))

ROWS: tuple[Row, ...] = (
    Row(None, Cause.CREATED, S.DRAFT, (L.TASK_CREATED,), "employer", (W.PENDING,)),
    # money
    Row(S.DRAFT, Cause.INVOICE_MADE, S.PENDING_FUNDING, (L.INVOICE_CREATED,), "node", (W.PENDING,)),
    Row(S.PENDING_FUNDING, Cause.INVOICE_VOID, S.DRAFT, (L.INVOICE_EXPIRED,), "node", (W.PENDING,)),
    Row(S.PENDING_FUNDING, Cause.FUNDING_REFUSED, S.DRAFT, (L.FUNDING_FAILED,), "node", (W.PENDING,)),
    Row(S.PENDING_FUNDING, Cause.HELD, S.FUNDED, (L.INVOICE_ACCEPTED,), "node", (W.PENDING,)),
    # before the claim
    Row(S.DRAFT, Cause.CANCEL_UNFUNDED, S.REFUNDED, (L.REFUND_COMPLETED,), "employer", (W.PENDING,)),
    Row(S.PENDING_FUNDING, Cause.CANCEL_UNFUNDED, S.REFUNDED, (L.REFUND_COMPLETED,), "employer", (W.PENDING,)),
    Row(S.DRAFT, Cause.UNFUNDED_END, S.EXPIRED, (L.TASK_EXPIRED,), "clock", (W.PENDING,)),
    Row(S.PENDING_FUNDING, Cause.UNFUNDED_END, S.EXPIRED, (L.TASK_EXPIRED,), "clock", (W.PENDING,)),
    Row(S.FUNDED, Cause.CANCEL, S.FUNDED, _REF, "employer", (W.PENDING,), phase_after=_BACK),
    Row(S.FUNDED, Cause.HOLD_TIMEOUT, S.FUNDED, _REF, "clock", (W.PENDING,), phase_after=_BACK),
    Row(S.FUNDED, Cause.UNCLAIMED_END, S.FUNDED, _REF, "clock", (W.PENDING,), phase_after=_BACK),
    # who does the work
    *(Row(s, Cause.APPLIED, s, (L.CLAIM_OFFERED,), "anybody", (W.PENDING,)) for s in (S.DRAFT, S.FUNDED)),
    *(
        Row(s, Cause.WITHDRAWN, s, (L.TASK_ABANDONED,), "applicant", _ALL_WORK if s is S.CLAIMED else (W.PENDING,))
        for s in (S.DRAFT, S.PENDING_FUNDING, S.FUNDED, S.CLAIMED)
    ),
    Row(S.DRAFT, Cause.ACCEPTED, S.DRAFT, (L.TASK_ACCEPTED,), "worker", (W.PENDING,)),
    Row(S.DRAFT, Cause.CHOSEN, S.DRAFT, (L.TASK_ACCEPTED,), "employer", (W.PENDING,)),
    Row(S.DRAFT, Cause.GIVEN_UP, S.DRAFT, (L.TASK_ABANDONED,), "worker", (W.PENDING,)),
    Row(S.PENDING_FUNDING, Cause.GIVEN_UP, S.DRAFT, (L.TASK_ABANDONED,), "worker", (W.PENDING,)),
    # a project is cut into milestones
    Row(S.DRAFT, Cause.PLAN_PROPOSED, S.DRAFT, (L.PLAN_PROPOSED,), "party", (W.PENDING,)),
    Row(S.DRAFT, Cause.PLAN_AGREED, S.DRAFT, (L.PLAN_AGREED,), "party", (W.PENDING,)),
    Row(S.FUNDED, Cause.HIRED, S.CLAIMED, (L.TASK_CLAIMED,), "employer", (W.PENDING,), W.IN_PROGRESS),
    Row(
        S.PENDING_FUNDING,
        Cause.HELD_FOR_WORKER,
        S.CLAIMED,
        (L.INVOICE_ACCEPTED, L.TASK_CLAIMED),
        "node",
        (W.PENDING,),
        W.IN_PROGRESS,
    ),
    # the work
    Row(S.FUNDED, Cause.CLAIMED, S.CLAIMED, (L.TASK_CLAIMED,), "worker", (W.PENDING,), W.IN_PROGRESS),
    Row(S.CLAIMED, Cause.ABANDONED, S.FUNDED, (L.TASK_ABANDONED,), "worker", _ALL_WORK, W.PENDING),
    Row(S.CLAIMED, Cause.ABANDONED_LATE, S.CLAIMED, (L.TASK_ABANDONED, *_REF), "worker", _ALL_WORK, phase_after=_BACK),
    Row(S.CLAIMED, Cause.PROOF, S.CLAIMED, (L.PROOF_SUBMITTED,), "worker", _ALL_WORK, W.SUBMITTED),
    # the judgement
    Row(S.CLAIMED, Cause.APPROVED, S.VERIFIED, (L.PROOF_VERIFIED,), "employer", (W.SUBMITTED, W.REJECTED), W.APPROVED),
    Row(S.CLAIMED, Cause.SILENCE, S.VERIFIED, (L.PROOF_VERIFIED,), "clock", (W.SUBMITTED,), W.APPROVED),
    Row(S.CLAIMED, Cause.SILENCE_DISPUTED, S.DISPUTED, (L.DISPUTE_OPENED,), "clock", (W.SUBMITTED,)),
    Row(S.CLAIMED, Cause.PROLONGED, S.CLAIMED, (L.REVIEW_PROLONGED,), "clock", (W.SUBMITTED,)),
    Row(S.CLAIMED, Cause.REJECTED, S.CLAIMED, (L.PROOF_REJECTED,), "employer", (W.SUBMITTED,), W.REJECTED),
    Row(
        S.CLAIMED,
        Cause.REJECTED_DISPUTED,
        S.DISPUTED,
        (L.PROOF_REJECTED, L.DISPUTE_OPENED),
        "employer",
        (W.SUBMITTED,),
        W.REJECTED,
    ),
    Row(S.CLAIMED, Cause.DISPUTED, S.DISPUTED, (L.DISPUTE_OPENED,), "party", _ALL_WORK),
    Row(S.VERIFIED, Cause.WORKER_DISPUTED, S.DISPUTED, (L.DISPUTE_OPENED,), "worker", (W.APPROVED,), W.SUBMITTED),
    # ends that both want, and ends by time
    Row(S.CLAIMED, Cause.OFFERED_END, S.CLAIMED, (L.CANCEL_OFFERED,), "party", _ALL_WORK),
    Row(S.DISPUTED, Cause.OFFERED_END, S.DISPUTED, (L.CANCEL_OFFERED,), "party", _ALL_WORK),
    Row(S.CLAIMED, Cause.AGREED_REFUND, S.CLAIMED, _REF, "party", _ALL_WORK, phase_after=_BACK),
    Row(
        S.DISPUTED, Cause.AGREED_REFUND, S.DISPUTED, (L.DISPUTE_RESOLVED, *_REF), "party", _ALL_WORK, phase_after=_BACK
    ),
    Row(S.CLAIMED, Cause.AGREED_SPLIT, S.VERIFIED, (L.PROOF_VERIFIED,), "party", _ALL_WORK, W.APPROVED),
    Row(S.DISPUTED, Cause.AGREED_SPLIT, S.VERIFIED, (L.DISPUTE_RESOLVED,), "party", _ALL_WORK, W.APPROVED),
    Row(S.DISPUTED, Cause.DISPUTE_APPROVED, S.VERIFIED, (L.DISPUTE_RESOLVED,), "employer", _ALL_WORK, W.APPROVED),
    Row(S.CLAIMED, Cause.NO_PROOF, S.CLAIMED, _REF, "clock", (W.IN_PROGRESS,), phase_after=_BACK),
    Row(S.CLAIMED, Cause.NO_RESUBMISSION, S.CLAIMED, _REF, "clock", (W.REJECTED,), phase_after=_BACK),
    Row(S.CLAIMED, Cause.HOLD_END, S.CLAIMED, _REF, "clock", (W.IN_PROGRESS, W.REJECTED), phase_after=_BACK),
    Row(S.DISPUTED, Cause.HOLD_END, S.DISPUTED, (L.DISPUTE_RESOLVED, *_REF), "clock", _ALL_WORK, phase_after=_BACK),
    # a fresh hold, while the agreement outlasts the old one
    *(
        Row(state, cause, state, (entry,), "node", _ALL_WORK)
        for state in (S.CLAIMED, S.DISPUTED)
        for cause, entry in (
            (Cause.ROLLOVER_ASKED, L.ROLLOVER_ASKED),
            (Cause.ROLLED_OVER, L.ROLLOVER_COMPLETED),
            (Cause.ROLLOVER_VOID, L.INVOICE_EXPIRED),
            (Cause.ROLLOVER_REFUSED, L.FUNDING_FAILED),
        )
    ),
    # the money goes into the books, and the task on
    *(
        Row(S.FUNDED, Cause.LOCKED, S.FUNDED, (L.LEDGER_LOCKED,), "node", (W.PENDING,), phase=p, phase_after=p)
        for p in (P.NONE, _BACK)
    ),
    *(
        Row(s, Cause.LOCKED, s, (L.LEDGER_LOCKED,), "node", _ALL_WORK, phase=p, phase_after=p)
        for s in (S.CLAIMED, S.DISPUTED)
        for p in (P.NONE, _BACK)
    ),
    Row(S.VERIFIED, Cause.LOCKED, S.VERIFIED, (L.LEDGER_LOCKED,), "node", (W.APPROVED,)),
    Row(
        S.DISPUTED, Cause.DISPUTE_LIMIT, S.DISPUTED, (L.DISPUTE_RESOLVED, *_REF), "clock", _ALL_WORK, phase_after=_BACK
    ),
    Row(S.VERIFIED, Cause.UNREACHED, S.VERIFIED, (L.SETTLEMENT_STARTED,), "clock", (W.APPROVED,), phase_after=_SET),
    # without money until the work is approved
    Row(S.DRAFT, Cause.SELECTED, S.CLAIMED, (L.TASK_CLAIMED,), "employer", (W.PENDING,), W.IN_PROGRESS),
    Row(S.DRAFT, Cause.BEGUN, S.CLAIMED, (L.TASK_CLAIMED,), "clock", (W.PENDING,), W.IN_PROGRESS),
    Row(S.CLAIMED, Cause.GIVEN_UP, S.DRAFT, (L.TASK_ABANDONED,), "worker", _ALL_WORK, W.PENDING),
    *(
        Row(source, cause, S.CLAIMED, (entry,), by, work, W.APPROVED, phase_after=_DUE)
        for source, cause, entry, by, work in (
            (S.CLAIMED, Cause.APPROVED_UNPAID, L.PROOF_VERIFIED, "employer", (W.SUBMITTED, W.REJECTED)),
            (S.CLAIMED, Cause.SILENCE_UNPAID, L.PROOF_VERIFIED, "clock", (W.SUBMITTED,)),
            (S.CLAIMED, Cause.AGREED_UNPAID, L.PROOF_VERIFIED, "party", _ALL_WORK),
            (S.DISPUTED, Cause.AGREED_UNPAID, L.DISPUTE_RESOLVED, "party", _ALL_WORK),
            (S.DISPUTED, Cause.DISPUTE_APPROVED_UNPAID, L.DISPUTE_RESOLVED, "employer", _ALL_WORK),
        )
    ),
    *(
        Row(source, cause, target, entries, by, work)
        for source, cause, target, entries, by, work in (
            (S.CLAIMED, Cause.ENDED_UNPAID, S.REFUNDED, _ENDED, "party", _ALL_WORK),
            (S.DISPUTED, Cause.ENDED_UNPAID, S.REFUNDED, (L.DISPUTE_RESOLVED, *_ENDED), "party", _ALL_WORK),
            (S.DISPUTED, Cause.LIMIT_UNPAID, S.REFUNDED, (L.DISPUTE_RESOLVED, *_ENDED), "clock", _ALL_WORK),
            (S.CLAIMED, Cause.NO_RESUBMISSION_UNPAID, S.REFUNDED, _ENDED, "clock", (W.REJECTED,)),
            (S.CLAIMED, Cause.NO_PROOF_UNPAID, S.EXPIRED, (L.TASK_EXPIRED,), "clock", (W.IN_PROGRESS,)),
        )
    ),
    *(
        Row(S.CLAIMED, cause, S.CLAIMED, (entry,), "node", (W.APPROVED,), phase=_DUE, phase_after=_DUE)
        for cause, entry in (
            (Cause.INVOICE_MADE, L.INVOICE_CREATED),
            (Cause.INVOICE_VOID, L.INVOICE_EXPIRED),
            (Cause.FUNDING_REFUSED, L.FUNDING_FAILED),
        )
    ),
    Row(S.CLAIMED, Cause.HELD, S.VERIFIED, (L.INVOICE_ACCEPTED,), "node", (W.APPROVED,), phase=_DUE),
    Row(S.CLAIMED, Cause.MISSED, S.EXPIRED, (L.PAYMENT_MISSED, L.TASK_EXPIRED), "clock", (W.APPROVED,), phase=_DUE),
    Row(S.CLAIMED, Cause.MISSED_COVERED, S.VERIFIED, (L.PAYMENT_MISSED,), "clock", (W.APPROVED,), phase=_DUE),
    Row(
        S.VERIFIED,
        Cause.SETTLED_SHORT,
        S.EXPIRED,
        (L.SETTLEMENT_COMPLETED, L.TASK_EXPIRED),
        "node",
        (W.APPROVED,),
        phase=_SET,
    ),
    # paying
    Row(S.VERIFIED, Cause.SHARE_PAID, S.VERIFIED, (L.SETTLEMENT_STARTED,), "node", (W.APPROVED,), phase_after=_SET),
    Row(S.VERIFIED, Cause.MARGIN, S.VERIFIED, (L.SETTLEMENT_STARTED,), "clock", (W.APPROVED,), phase_after=_SET),
    Row(S.VERIFIED, Cause.UNREACHABLE, S.VERIFIED, (L.PAYOUT_FAILED, *_REF), "clock", (W.APPROVED,), phase_after=_BACK),
    Row(S.VERIFIED, Cause.SETTLED, S.PAID, (L.SETTLEMENT_COMPLETED,), "node", (W.APPROVED,), W.RELEASED, phase=_SET),
    Row(S.VERIFIED, Cause.RELEASED, S.DRAFT, (L.SETTLEMENT_COMPLETED,), "node", (W.APPROVED,), W.RELEASED, phase=_SET),
    # the node's word on a refund
    Row(S.FUNDED, Cause.REFUNDED, S.REFUNDED, (L.REFUND_COMPLETED,), "node", (W.PENDING,), phase=_BACK),
    Row(S.FUNDED, Cause.ENDED, S.EXPIRED, (L.TASK_EXPIRED,), "node", (W.PENDING,), phase=_BACK),
    Row(S.CLAIMED, Cause.REFUNDED, S.REFUNDED, (L.REFUND_COMPLETED,), "node", _ALL_WORK, phase=_BACK),
    Row(S.CLAIMED, Cause.ENDED, S.EXPIRED, (L.TASK_EXPIRED,), "node", _ALL_WORK, phase=_BACK),
    Row(S.DISPUTED, Cause.REFUNDED, S.REFUNDED, (L.REFUND_COMPLETED,), "node", _ALL_WORK, phase=_BACK),
    Row(S.VERIFIED, Cause.ENDED, S.EXPIRED, (L.TASK_EXPIRED,), "node", (W.APPROVED,), phase=_BACK),
    # the hold vanished, not by us
    Row(S.FUNDED, Cause.LOST, S.EXPIRED, (L.HOLD_LOST, L.TASK_EXPIRED), "node", (W.PENDING,)),
    Row(S.CLAIMED, Cause.LOST, S.EXPIRED, (L.HOLD_LOST, L.TASK_EXPIRED), "node", _ALL_WORK),
    Row(S.DISPUTED, Cause.LOST, S.EXPIRED, (L.HOLD_LOST, L.TASK_EXPIRED), "node", _ALL_WORK),
    Row(S.VERIFIED, Cause.LOST, S.EXPIRED, (L.HOLD_LOST, L.TASK_EXPIRED), "node", (W.APPROVED,)),
    Row(S.VERIFIED, Cause.LOST_PAYING, S.VERIFIED, (L.HOLD_LOST,), "node", (W.APPROVED,)),
    Row(S.VERIFIED, Cause.LOST_PAYING, S.VERIFIED, (L.HOLD_LOST,), "node", (W.APPROVED,), phase=_SET, phase_after=_SET),
    Row(S.VERIFIED, Cause.LOST_UNPAID, S.EXPIRED, (L.TASK_EXPIRED,), "node", (W.APPROVED,)),
    Row(S.VERIFIED, Cause.LOST_UNPAID, S.EXPIRED, (L.TASK_EXPIRED,), "node", (W.APPROVED,), phase=_SET),
    Row(S.VERIFIED, Cause.LOST_PAID, S.PAID, (L.SETTLEMENT_COMPLETED, L.INCIDENT), "node", (W.APPROVED,), W.RELEASED),
    Row(
        S.VERIFIED,
        Cause.LOST_PAID,
        S.PAID,
        (L.SETTLEMENT_COMPLETED, L.INCIDENT),
        "node",
        (W.APPROVED,),
        W.RELEASED,
        phase=_SET,
    ),
    # a stray payment changes nothing but is on record, in any state; so is a freeze, and a compensation behind a loss
    *(
        Row(s, Cause.STRAY_HELD, s, (L.FUNDING_STRAY,), "node", tuple(W), phase=p, phase_after=p)
        for s, p in _EVERYWHERE
    ),
    *(Row(s, Cause.FROZEN, s, (L.TASK_FROZEN,), "operator", tuple(W), phase=p, phase_after=p) for s, p in _OPEN),
    *(Row(s, Cause.UNFROZEN, s, (L.TASK_UNFROZEN,), "operator", tuple(W), phase=p, phase_after=p) for s, p in _OPEN),
    *(Row(s, Cause.COMPENSATED, s, (L.COMPENSATION,), "operator", tuple(W)) for s in (S.PAID, S.EXPIRED)),
)

TABLE: dict[tuple[TaskState | None, Phase, Cause], Row] = {(row.source, row.phase, row.cause): row for row in ROWS}


class IllegalMove(AssertionError):
    """A handler asked for a move that the table does not allow: a bug of ours, never a person's fault."""


def move(done: Decision, cause: Cause, moment: Moment, **facts: Any) -> Decision:
    """The task after this cause, with its log lines. Facts are public; they stand in the last line, shared ones in all."""
    task = done.task
    row = TABLE.get((task.state, task.phase, cause))
    if row is None or task.current.state not in row.work:
        raise IllegalMove(f"{task.state}/{task.phase}/{task.current.state}: {cause}")
    _check_author(row, done, moment)
    if row.target.is_final:
        done = _without_covers(done, moment)
        task = done.task
    work = row.work_after or task.current.state
    proven, event = _provenance(moment)
    if task.is_project:
        facts = {"milestone": task.current.number, **facts}
    lines, seq, latest = [], task.seq, dict(task.latest)
    for kind in row.log:
        seq += 1
        latest[kind] = seq
        lines.append(LogLine(kind, seq, row.target, work, moment.by, proven, facts, event))
    moved = replace(
        task.with_milestone(state=work), state=row.target, phase=row.phase_after, seq=seq, latest=tuple(latest.items()),
        frozen_at=0 if row.target.is_final else task.frozen_at,
    )  # fmt: skip
    return replace(done, task=moved, log=done.log + tuple(lines))


def note(done: Decision, kind: LogType, moment: Moment, **facts: Any) -> Decision:
    """An entry that moves nothing, while the task is not over: what becomes of a deposit stands beside the task's own way."""
    task = done.task
    if task.state is None or task.state.is_final:
        raise IllegalMove(f"{task.state}: {kind} has no place here")
    proven, event = _provenance(moment)
    line = LogLine(kind, task.seq + 1, task.state, task.current.state, moment.by, proven, facts, event)
    noted = replace(task, seq=line.seq, latest=tuple((dict(task.latest) | {kind: line.seq}).items()))
    return replace(done, task=noted, log=(*done.log, line))


def give_back(done: Decision, cover: Funding, reason: str, moment: Moment) -> Decision:
    """A hold of a deposit goes back, and is not renewed: its milestone costs again what it did before. Out of the books it is put to the
    employer's account."""
    done = drop_invoice(done, done.task.renewal(cover.ref))
    known = len(done.task.credits)
    done = done.on(pricing.cover(done.task, cover.milestone, 0))
    if cover.is_booked:
        done = out_of_the_books(done, [cover])
        done = tell_credits(done, done.task.credits[known:], moment)
    else:
        done = done.on(done.task.with_funding(cover.ref, goal="stray")).do(CancelHold(cover.ref, cover.payment_hash))
    task = done.task
    facts: dict[str, Any] = {
        **({"milestone": cover.milestone} if task.is_project else {}),
        "funding": cover.ref,
        "amount_msat": cover.amount,
        "reason": reason,
        "payment_hash": cover.payment_hash,
        "hash_salt": cover.salt,
        **({"credited": public_credits(task.credits[known:])} if cover.is_booked else {}),
    }
    return note(done, LogType.DEPOSIT_RETURNED, moment, **facts)


def _without_covers(done: Decision, moment: Moment) -> Decision:
    """The task ends here, whichever way: what is held ahead for it goes back, and what was asked for is not wanted any more."""
    for cover in done.task.covers:
        done = give_back(done, cover, "over", moment)
    for asked in done.task.cover_invoices:
        done = drop_invoice(done, asked)
    return done


def _check_author(row: Row, done: Decision, moment: Moment) -> None:
    role = done.task.role_of(Pubkey(moment.by))
    words = {role.value, "party"} if role else {moment.by}
    if role is None and is_hex64(moment.by):
        words |= {"anybody", "applicant"} if done.task.applicant(moment.by) else {"anybody"}
    if not words & set(row.by.split("|")):
        raise IllegalMove(f"{row.cause} by {moment.by[:8]}, but it takes {row.by}")


def _provenance(moment: Moment) -> tuple[str, Any]:
    if moment.evidence is None:
        return moment.by, None
    event = moment.evidence.event if moment.evidence.proven is Proven.SIGNED else None
    return moment.evidence.proven.value, event


@cache
def pairs() -> frozenset[tuple[str, str]]:
    """(state, next state) over all rows, for the database's trigger; '' is 'none yet'. A release and the begin of what follows are one step."""
    at_once = {
        (str(row.source), str(after.target))
        for row in ROWS
        for after in ROWS
        if (row.cause, after.cause) == (Cause.RELEASED, Cause.BEGUN)
    }
    return frozenset((str(row.source or ""), str(row.target)) for row in ROWS) | at_once
