"""What time and height do. The hard heights first (design: lifecycle, Two heights), then deadlines, retries, warnings.

`moves` finds the first rule that is over and follows it; `due` says when to look again, so that nobody arms a timer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from handlers import deposit, ending, ledger, payout, review, rollover
from handlers import due as dues
from handlers.decision import Decision, Moment
from handlers.invoices import drop_invoice
from handlers.policy import DAY, HOUR
from handlers.task import Task
from handlers.transitions import Cause, move
from kinds.codes import Told
from kinds.states import PayoutState, Phase, TaskState, WorkState
from kinds.units import Pubkey

S, W, P = TaskState, WorkState, PayoutState
_WARN_BLOCKS = 72
_CHECK_BLOCKS = 6  # so long a deliverable that is being checked may keep L waiting, never longer


@dataclass(frozen=True, slots=True)
class Warning:
    """A word ahead of a deadline. `at` on the hearing clock, or a height when `by_height`."""

    key: str
    at: int
    to: Pubkey
    what: str
    until: int  # hearing clock
    by_height: bool = False


def tick(task: Task, moment: Moment) -> Decision:
    """The first thing that is over, or the warnings that are due, or nothing."""
    return _ended(task, moment) or _retried(task, moment) or _warned(task, moment)


@dataclass(frozen=True, slots=True)
class Due:
    """When a task next needs a tick; None for never."""

    heard: int | None = None  # hearing clock
    time: int | None = None  # unix seconds: payouts are retried though we are deaf
    height: int | None = None


def due(task: Task) -> Due:
    heard: list[int] = []
    heights: list[int] = []
    if _runs(task):
        heard += [at for at, _ in _deadlines(task)]
        heights += [at for at, _ in _heights(task)]
        for warning in _warnings(task):
            (heights if warning.by_height else heard).append(warning.at)
    retries = [p.next_try for p in task.payouts if p.next_try and not task.frozen]
    return Due(min(heard, default=None), min(retries, default=None), min(heights, default=None))


def next_deadline(task: Task) -> tuple[int, str] | None:
    """The next thing that runs out by time: (hearing clock, what)."""
    if not _runs(task):
        return None
    if task.awaits_payment and not task.frozen:
        return task.current.pay_until, "missed"
    return min(_deadlines(task), default=None)


def _runs(task: Task) -> bool:
    """Time may end something: the task is not over, and the node is not at work for it."""
    return task.state is not None and not task.state.is_final and (task.phase is Phase.NONE or task.awaits_payment)


def _heights(task: Task) -> Iterator[tuple[int, str]]:
    yield from _hold_heights(task)
    yield from deposit.heights(task)


def _hold_heights(task: Task) -> Iterator[tuple[int, str]]:
    if task.hold is None:
        return
    if task.state is S.VERIFIED:
        yield task.settle_height, "margin"
    elif task.state in (S.FUNDED, S.CLAIMED, S.DISPUTED) and not task.locking:
        yield task.last_safe_height + (_CHECK_BLOCKS if task.current.arriving else 0), "hold_end"
        if task.rollover_height and not rollover.was_asked(task) and task.state is not S.FUNDED:
            yield task.rollover_height, "rollover"


def _deadlines(task: Task) -> Iterator[tuple[int, str]]:
    """What runs out by time, which stands still while the task is frozen; heights do not."""
    if task.frozen:
        return
    milestone = task.current
    if task.awaits_payment:
        if task.quote is None:  # else it may be paid just now: first the node's word on it
            yield milestone.pay_until, "missed"
        return
    match task.state:
        case S.DRAFT | S.PENDING_FUNDING:
            yield task.deadline, "unfunded"
        case S.FUNDED:
            yield task.funded_until, "unclaimed"
        case S.CLAIMED if milestone.arriving is not None:
            return
        case S.CLAIMED if milestone.state is W.IN_PROGRESS:
            yield task.deadline, "no_proof"
        case S.CLAIMED if milestone.state is W.REJECTED:
            yield milestone.resubmit_until, "no_resubmission"
        case S.CLAIMED:
            yield milestone.review_until, "silence"
        case S.DISPUTED if task.dispute and (limit := dues.dispute_limit(task)):
            yield task.dispute.opened + limit, "dispute_limit"
        case S.VERIFIED if task.share and task.patience.since and not (_on_its_way(task) or task.locking):
            yield _out_of_patience(task), "unreachable"


def _out_of_patience(task: Task) -> int:
    return max(task.patience.since, task.patience.ours_at) + DAY


def _on_its_way(task: Task) -> bool:
    share = task.share
    return share is not None and (share.ordered or share.state is P.IN_FLIGHT)


def _ended(task: Task, moment: Moment) -> Decision | None:
    now = moment.now
    if not _runs(task):
        return None
    over = [what for at, what in _heights(task) if now.height >= at]
    over += [what for at, what in _deadlines(task) if now.heard >= at]
    return _follow(task, over[0], moment) if over else None


def _follow(task: Task, what: str, moment: Moment) -> Decision | None:
    done, work = Decision(task), task.current.state
    match what:
        case "cover_end":
            return deposit.end(task, moment)
        case "cover_renewal":
            return rollover.renew(done, deposit.due_for_renewal(task, moment.now.height), moment)
        case "margin":
            return _at_margin(task, moment)
        case "hold_end" if task.state is S.FUNDED:
            return ending.begin_refund(done, Cause.HOLD_TIMEOUT, moment, "hold_end", Cause.ENDED)
        case "hold_end" if task.state is S.CLAIMED and work is W.SUBMITTED:
            return review.silence(task, moment)
        case "hold_end" if task.terms.outlasts_hold:
            return ledger.begin(done, filter(None, [task.hold]))
        case "missed":
            return dues.missed(task, moment)
        case "dispute_limit" if task.unfunded:
            facts = {"how": "dispute_limit", "percent": 0}
            ended = review.end_dispute(done.change(split=0))
            return dues.end(ended, Cause.LIMIT_UNPAID, moment, "dispute_limit", **facts)
        case "no_proof" if task.unfunded:
            return dues.end(done, Cause.NO_PROOF_UNPAID, moment, "no_proof")
        case "no_resubmission" if task.unfunded:
            return dues.end(done, Cause.NO_RESUBMISSION_UNPAID, moment, "no_resubmission")
        case "dispute_limit":
            facts = {"how": "dispute_limit", "percent": 0}
            return review.end_dispute(
                ending.begin_refund(done, Cause.DISPUTE_LIMIT, moment, "dispute_limit", Cause.REFUNDED, **facts)
            )
        case "hold_end" if task.state is S.DISPUTED:
            facts = {"how": "hold_end", "percent": 0}
            return review.end_dispute(
                ending.begin_refund(done, Cause.HOLD_END, moment, "hold_end", Cause.REFUNDED, **facts)
            )
        case "hold_end":
            return ending.begin_refund(done, Cause.HOLD_END, moment, "hold_end", Cause.REFUNDED)
        case "rollover":
            return rollover.ask(task, moment)
        case "unfunded":
            done = move(drop_invoice(done, task.quote), Cause.UNFUNDED_END, moment, reason="unfunded", mark=None)
            for who in (task.employer, task.worker):
                done = done.say(who, Told.EXPIRED, reason="unfunded", marked=False)
            return done
        case "unclaimed":
            late = moment.now.heard >= task.deadline
            cause, reason = (Cause.UNCLAIMED_END, "unclaimed") if late else (Cause.HOLD_TIMEOUT, "hold_timeout")
            return ending.begin_refund(done, cause, moment, reason, Cause.ENDED)
        case "no_proof":
            return ending.begin_refund(
                done.change(marked=not task.rushed), Cause.NO_PROOF, moment, "no_proof", Cause.ENDED
            )
        case "no_resubmission":
            return ending.begin_refund(done, Cause.NO_RESUBMISSION, moment, "no_resubmission", Cause.REFUNDED)
        case "silence":
            return review.silence(task, moment)
        case "unreachable" if task.in_books:
            return ending.begin_settle(done, Cause.UNREACHED, moment, "unreached")
        case "unreachable":
            done = done.change(marked=True)
            return ending.begin_refund(done, Cause.UNREACHABLE, moment, "worker_unreachable", Cause.ENDED)
    return None


def _at_margin(task: Task, moment: Moment) -> Decision:
    """E - M: the hold must be settled or cancelled now. Failures of the worker's side alone end in a refund; else he is owed, as ever
    where both agreed that the money may go into the books."""
    patience = task.patience
    theirs_alone = patience.since and not patience.ours_at and not _on_its_way(task)
    if theirs_alone and not task.terms.outlasts_hold:
        done = Decision(task).change(marked=True)
        return ending.begin_refund(done, Cause.UNREACHABLE, moment, "worker_unreachable", Cause.ENDED)
    return ending.begin_settle(Decision(task), Cause.MARGIN, moment, "margin")


def _retried(task: Task, moment: Moment) -> Decision | None:
    if task.frozen or not any(0 < p.next_try <= moment.now.time for p in task.payouts):
        return None
    return payout.retry(task, moment)


def _warned(task: Task, moment: Moment) -> Decision:
    now, done = moment.now, Decision(task)
    for warning in _warnings(task):
        if (now.height if warning.by_height else now.heard) < warning.at:
            continue
        facts: dict[str, Any] = {
            "what": warning.what,
            "until": warning.until + now.deaf,
            "height": task.last_safe_height,
        }
        if warning.what == "hold_end":
            facts["custody"] = task.terms.outlasts_hold
        if warning.what == "judgement":
            facts["on_silence"] = task.terms.on_silence
        done = done.change(warned=(*done.task.warned, warning.key)).say(
            warning.to, Told.WARNING, ref=warning.key, **facts
        )
    return done


def _warnings(task: Task) -> list[Warning]:
    """The warnings that have not been given yet."""
    told = (warning for warning in _all_warnings(task) if warning.by_height or not task.frozen)
    return [warning for warning in told if warning.key not in task.warned]


def _all_warnings(task: Task) -> Iterator[Warning]:
    milestone, terms = task.current, task.terms
    if not _runs(task):
        return
    if task.awaits_payment:
        yield from _payment_due(task)
        return
    if task.state in (S.DRAFT, S.PENDING_FUNDING):
        until = task.deadline
        what = "unbegun" if task.on_approval else "unfunded"
        yield Warning(f"unfunded/{until}", until - HOUR, task.employer, what, until)
        yield from _next_unfunded(task)
        if task.worker and not task.on_approval:
            yield Warning(f"unpaid/{until}/{task.worker[:8]}", until - HOUR, task.worker, "unpaid", until)
    if task.state is S.FUNDED:
        until = task.funded_until
        yield Warning(f"unclaimed/{until}", until - HOUR, task.employer, "unclaimed", until)
    if task.state is S.CLAIMED and milestone.state is W.IN_PROGRESS and task.worker:
        span = task.deadline - task.claimed_at
        for name, at in (("early", task.deadline - span // 4), ("last", task.deadline - min(HOUR, span // 8))):
            for who in (task.worker, task.employer):
                yield Warning(f"deadline/{task.claimed_at}/{name}/{who[:8]}", at, who, "deadline", task.deadline)
    if task.state is S.CLAIMED and milestone.state is W.REJECTED and task.worker:
        until = milestone.resubmit_until
        for who in (task.worker, task.employer):
            yield Warning(f"resubmit/{until}/{who[:8]}", until - HOUR, who, "resubmit", until)
    if task.state is S.CLAIMED and milestone.state is W.SUBMITTED and milestone.proof:
        until, window = milestone.review_until, terms.review_window
        for name, at in (("half", until - window // 2), ("last", until - window // 8)):
            key = f"review/{milestone.proof.number}/{milestone.prolonged}/{name}"
            yield Warning(key, at, task.employer, "review", until)
        if task.worker:  # under another name: that he was reached says nothing of the employer
            key = f"judgement/{milestone.proof.number}/{milestone.prolonged}"
            yield Warning(key, until - window // 8, task.worker, "judgement", until)
    if task.state is S.VERIFIED and task.worker and task.share and task.patience.since and not _on_its_way(task):
        until = _out_of_patience(task)
        for name, at in (("early", until - DAY // 4), ("last", until - HOUR)):
            for who in (task.worker, task.employer):
                what = "unreachable_owed" if task.in_books else "unreachable"
                yield Warning(f"unreachable/{until}/{name}/{who[:8]}", at, who, what, until)
    if task.dispute and (limit := dues.dispute_limit(task)):
        until = task.dispute.opened + limit
        for who in filter(None, (task.employer, task.worker)):
            yield Warning(f"dispute/{until}/{who[:8]}", until - DAY, who, "dispute_limit", until)
    if task.hold and not task.locking and task.state in (S.CLAIMED, S.DISPUTED):
        for who in filter(None, (task.employer, task.worker)):
            at = task.last_safe_height - _WARN_BLOCKS
            yield Warning(f"height/{task.hold.ref}/{task.state}/{who[:8]}", at, who, "hold_end", task.deadline, True)


def _payment_due(task: Task) -> Iterator[Warning]:
    until = task.current.pay_until
    for name, at in (("half", until - dues.PAY_WINDOW // 2), ("last", until - dues.PAY_WINDOW // 8)):
        yield Warning(f"pay/{until}/{name}", at, task.employer, "payment", until)


def _next_unfunded(task: Task) -> Iterator[Warning]:
    """A project stands still between two milestones: the employer is reminded, and after two days the worker is told that he may go."""
    if task.at == 0 or task.worker is None:
        return
    since, until = task.milestones[task.at - 1].released, task.deadline
    for days in (1, 2):
        yield Warning(f"next/{since}/{days}", since + days * DAY, task.employer, "next_unfunded", until)
    yield Warning(f"next/{since}/leave", since + 2 * DAY, task.worker, "next_unpaid", until)


def reached(task: Task, ref: str, moment: Moment) -> Decision:
    """A relay that the person reads has a message which the task waits for."""
    if ref == task.waits_for:
        waiting = task.state is S.VERIFIED and task.phase is Phase.NONE and not task.patience.since
        if waiting and task.share and (task.patience.told or not task.share.invoice):
            return Decision(replace(task, patience=replace(task.patience, since=moment.now.heard)))
        return Decision(task)
    proof = task.current.proof
    if proof and ref == f"shown/{proof.number}":
        return Decision(task.with_milestone(proof=replace(proof, shown=True)))
    if ref in task.warned and ref not in task.reached:
        return Decision(replace(task, reached=(*task.reached, ref)))
    return Decision(task)
