"""The employer judges the work, or his silence does as agreed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import due, hourly
from handlers.decision import Decision, Moment
from handlers.guards import (
    height_seconds,
    need_evidence,
    need_role,
    need_state,
)
from handlers.policy import DAY
from handlers.task import Dispute, Task, holder
from handlers.transitions import Cause, move
from kinds.codes import Told
from kinds.commands import Approve, Reject
from kinds.inputs import Proven, Said
from kinds.states import DisputeState, LogType, Role, TaskState, WorkState
from kinds.units import Pubkey

W = WorkState


def approve(task: Task, said: Said, command: Approve, moment: Moment) -> Decision:
    """The work is accepted, also after a reject or in a dispute: the worker is paid."""
    need_role(task, said, Role.EMPLOYER)
    if task.state is TaskState.CLAIMED:
        need_state(task, said, TaskState.CLAIMED, work=(W.SUBMITTED, W.REJECTED))
    else:
        need_state(task, said, TaskState.DISPUTED)
    proof = task.current.proof
    need_evidence(task, said, LogType.PROOF_SUBMITTED if proof else None)
    if proof and said.evidence.proven is Proven.ATTESTED and not _saw(task, said):
        return show_again(task)
    disputed = task.state is TaskState.DISPUTED
    cause = Cause.DISPUTE_APPROVED if disputed else Cause.APPROVED
    facts: dict[str, Any] = {"how": "approve", "percent": 100} if disputed else {}
    done = end_dispute(Decision(task).say(said.by, Told.APPROVAL_NOTED, amount_msat=task.share_amount))
    facts |= {"verified_by": said.by, "proof": proof.number if proof else None}
    return due.approved(done, cause, moment, command.feedback, **facts)


def reject(task: Task, said: Said, command: Reject, moment: Moment) -> Decision:
    """The work is refused: to dispute, or with another try where the terms allow one."""
    need_role(task, said, Role.EMPLOYER)
    need_state(task, said, TaskState.CLAIMED, work=(W.SUBMITTED,))
    need_evidence(task, said, LogType.PROOF_SUBMITTED)
    if said.evidence.proven is Proven.ATTESTED and not _saw(task, said):
        return show_again(task)
    milestone, now, terms = task.current, moment.now, task.terms
    again = terms.on_reject == "revise" and milestone.rejects < terms.max_rejects
    if not again:
        done = move(Decision(task), Cause.REJECTED_DISPUTED, moment, by=said.by)
        return disputed(done, said.by, moment, command.reason)
    until = max(now.heard + DAY, task.deadline)
    if task.hold and not terms.outlasts_hold:
        until = min(until, height_seconds(now, task.last_safe_height))
    done = move(Decision(task), Cause.REJECTED, moment, until=until + now.deaf)
    done = done.on(done.task.with_milestone(rejects=milestone.rejects + 1, resubmit_until=until, review_until=0))
    return done.say(task.worker, Told.REJECTED, reason=command.reason, until=until + now.deaf).say(
        said.by, Told.REJECTION_NOTED, until=until + now.deaf
    )


def silence(task: Task, moment: Moment) -> Decision:
    """The review is over without a word. An employer who could not be reached gets more time, a few times."""
    milestone, now = task.current, moment.now
    more = now.heard + DAY
    proof = milestone.proof
    assert proof is not None, "only a proof is under review"
    unreached = not any(ref.startswith(f"review/{proof.number}/") for ref in task.reached)
    before_l = not task.hold or height_seconds(now, task.last_safe_height) >= more
    if unreached and not proof.shown and milestone.prolonged < 3 and before_l:
        done = move(Decision(task), Cause.PROLONGED, moment, until=more + now.deaf)
        done = done.on(done.task.with_milestone(review_until=more, prolonged=milestone.prolonged + 1))
        for who in (task.employer, task.worker):
            done = done.say(who, Told.REVIEW_PROLONGED, until=more + now.deaf)
        return done
    if task.terms.on_silence == "dispute":
        return disputed(move(Decision(task), Cause.SILENCE_DISPUTED, moment, by="silence"), None, moment, "")
    done = Decision(task).say(task.employer, Told.APPROVAL_NOTED, amount_msat=task.share_amount, silence=True)
    return due.approved(done, Cause.SILENCE, moment, verified_by="silence", proof=proof.number)


def disputed(done: Decision, by: Pubkey | None, moment: Moment, reason: str) -> Decision:
    """The dispute's record, and both sides told. `by` None: it was opened by silence, as agreed."""
    task = done.task
    opened = Dispute(state=DisputeState.OPEN, by=by or task.employer, opened=moment.now.heard)
    done = done.on(
        replace(task, dispute=opened, offers=()).with_milestone(review_until=0, resubmit_until=0, arriving=None)
    )
    until = _until(done.task, moment)
    for who in (task.employer, task.worker):
        done = done.say(
            who,
            Told.DISPUTE_OPENED,
            by=by,
            reason=reason,
            until=until + moment.now.deaf if until else None,
            custody=holder(task),
            last_safe_height=task.last_safe_height or None,
        )
    return done


def _until(task: Task, moment: Moment) -> int | None:
    """When a dispute that nobody ends gives the money back, on the hearing clock; None: not before the money is in the books."""
    if limit := due.dispute_limit(task):
        return moment.now.heard + limit
    return None if task.terms.outlasts_hold else height_seconds(moment.now, task.last_safe_height)


def end_dispute(done: Decision) -> Decision:
    dispute = done.task.dispute
    return done.change(dispute=replace(dispute, state=DisputeState.RESOLVED)) if dispute else done


def show_again(task: Task) -> Decision:
    """The employer judges a proof that he has not been shown: show him the newest one and ask again."""
    proof = task.current.proof
    assert proof is not None, "only a proof can be shown"
    return Decision(task).say(
        task.employer,
        Told.PROOF_CHANGED,
        ref=f"shown/{proof.number}",
        url=proof.url,
        sha256=proof.sha256,
        mime=proof.mime,
        notes=proof.notes,
        key_hash=proof.key_hash or None,
        check=str(proof.check),
        check_reason=proof.check_reason,
        basis_seq=proof.seq,
        **hourly.told(task, proof.hours),
    )


def _saw(task: Task, said: Said) -> bool:
    """Was the newest proof's card with him when he spoke? With a single proof, sending it is enough."""
    proof = task.current.proof
    if proof is None or proof.number == 1:
        return True
    return proof.shown and said.evidence.created_at >= proof.time
