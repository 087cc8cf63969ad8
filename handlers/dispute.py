"""Disputes, and the two ways in which the parties end an agreement by themselves: taking it back and agreeing on a share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import due, ending, review
from handlers.decision import Decision, Moment, refuse
from handlers.guards import need_evidence, need_role, need_state, wrong_state
from handlers.invoices import drop_invoice
from handlers.task import Task
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.commands import Cancel, Dispute
from kinds.inputs import Basis, Proven, Said
from kinds.states import LogType, PayoutState, Role, TaskState


def dispute(task: Task, said: Said, command: Dispute, moment: Moment) -> Decision:
    """Freezes the money. The worker may still do it after the approval, as long as no payout may be on its way."""
    need_role(task, said, Role.EMPLOYER, Role.WORKER)
    states = (TaskState.CLAIMED, TaskState.VERIFIED) if said.by == task.worker else (TaskState.CLAIMED,)
    need_state(task, said, *states)
    need_evidence(task, said)
    if task.state is TaskState.CLAIMED:
        done = move(Decision(task), Cause.DISPUTED, moment, by=said.by)
        return review.disputed(done, said.by, moment, command.reason)
    share = task.share
    decided = task.lost or task.current.short is not None or task.split != 100
    if decided or share is None or share.state is not PayoutState.PLANNED:
        raise wrong_state(task, said.by, command)
    dropped = task.with_payout(share.ref, state=PayoutState.ABANDONED, ordered=False, next_try=0)
    done = move(Decision(replace(dropped, closing=False)), Cause.WORKER_DISPUTED, moment, by=said.by)
    return review.disputed(done, said.by, moment, command.reason)


def cancel(task: Task, said: Said, command: Cancel, moment: Moment) -> Decision:
    """By the employer before the claim; after it, an offer, and an agreement when both have offered the same."""
    need_role(task, said, Role.EMPLOYER, Role.WORKER)
    need_state(
        task, said, TaskState.DRAFT, TaskState.PENDING_FUNDING, TaskState.FUNDED, TaskState.CLAIMED, TaskState.DISPUTED
    )
    unclaimed = task.state in (TaskState.DRAFT, TaskState.PENDING_FUNDING, TaskState.FUNDED)
    if unclaimed and said.by != task.employer:
        raise wrong_state(task, said.by, command)
    need_evidence(task, said)
    if task.state in (TaskState.DRAFT, TaskState.PENDING_FUNDING):
        ended = drop_invoice(Decision(task), task.quote)
        done = move(ended, Cause.CANCEL_UNFUNDED, moment, amount_msat=0, reason="cancelled")
        for who in (task.employer, task.worker):
            done = done.say(who, Told.REFUNDED, amount_msat=0, reason="cancelled")
        return done
    if task.state is TaskState.FUNDED:
        done = ending.begin_refund(Decision(task), Cause.CANCEL, moment, "cancelled", Cause.REFUNDED)
        return done if task.in_books else done.say(task.employer, Told.REFUNDING, reason="cancelled")
    percent = command.percent or 0
    others = tuple(offer for offer in task.offers if offer[0] != said.by)
    for _, offered, seq in others:
        if offered == percent:
            return _agreed(task, said, percent, seq, moment)
    done = move(Decision(task), Cause.OFFERED_END, moment, by=said.by, percent=percent)
    done = done.change(offers=(*others, (said.by, percent, done.task.seq)))
    facts: dict[str, Any] = {"by": said.by, "percent": percent, "share_msat": replace(task, split=percent).share_amount}
    for who in (task.employer, task.worker):
        done = done.say(who, Told.CANCEL_OFFERED, reason=command.reason, basis_seq=done.task.seq, **facts)
    return done


def _agreed(task: Task, said: Said, percent: int, offer: int, moment: Moment) -> Decision:
    """The other side's offer is accepted; signed, that must rest on the offer's entry."""
    if said.evidence.proven is Proven.SIGNED and said.evidence.basis != Basis(LogType.CANCEL_OFFERED, offer):
        raise refuse(
            Refused.BASIS_STALE, task=task.id, action="cancel", needs=str(LogType.CANCEL_OFFERED), latest=offer
        )
    split = replace(task, split=percent, offers=(), closing=True)
    disputed = task.state is TaskState.DISPUTED
    facts: dict[str, Any] = {"how": "agreement", "percent": percent}
    if split.share_amount == 0:
        done = Decision(replace(split, split=0))
        if task.unfunded:
            return due.end(review.end_dispute(done), Cause.ENDED_UNPAID, moment, "agreed", **facts)
        done = ending.begin_refund(done, Cause.AGREED_REFUND, moment, "agreed", Cause.REFUNDED, **facts)
        for who in (task.employer, task.worker) if disputed or not task.in_books else ():
            done = done.say(who, Told.DISPUTE_ENDED if disputed else Told.REFUNDING, reason="agreed", **facts)
        return review.end_dispute(done)
    done = Decision(split).say(task.employer, Told.DISPUTE_ENDED, share_msat=split.share_amount, **facts)
    return due.approved(review.end_dispute(done), Cause.AGREED_SPLIT, moment, verified_by="agreement", **facts)
