"""A worker takes a funded task, or gives it back."""

from __future__ import annotations

from dataclasses import replace

from handlers import ending, ledger, rollover
from handlers.decision import Decision, Moment, refuse
from handlers.destination import check_destination
from handlers.guards import (
    SLACK_BLOCKS,
    latest_deadline,
    need_evidence,
    need_fit,
    need_role,
    need_state,
    need_unbanned,
    salt,
    wrong_state,
)
from handlers.policy import DAY
from handlers.task import Milestone, Task, holder
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.commands import Abandon, Claim
from kinds.inputs import Proven, Said
from kinds.states import LogType, Phase, Role, TaskState
from kinds.units import commitment


def claim(task: Task, said: Said, command: Claim, moment: Moment) -> Decision:
    """The first valid claim binds the worker. A destination, if given, is checked now and kept private."""
    if said.by == task.employer:
        raise refuse(Refused.OWN_TASK, task=task.id)
    need_unbanned(moment)
    open_still = task.state is not None and not task.state.is_final
    if open_still and task.worker is not None and task.worker != said.by:
        raise refuse(Refused.TAKEN, task=task.id)
    if task.state is not TaskState.FUNDED or task.phase is not Phase.NONE or not (task.hold or task.locked):
        raise wrong_state(task, said.by, command)
    need_evidence(task, said, LogType.TASK_CREATED)
    if moment.now.heard >= min(task.terms.deadline, task.funded_until):
        raise refuse(Refused.TOO_LATE, task=task.id, what="deadline", since=task.terms.deadline + moment.now.deaf)
    if task.hold:
        need_fit(task, moment, task.hold.expiry_height, SLACK_BLOCKS)
    signed = said.evidence.proven is Proven.SIGNED
    if command.dest_hash and not signed:
        problem = "only a signed claim promises a payment by its hash; here, send the invoice itself, now or later"
        raise refuse(Refused.BAD_USAGE, action="claim", usage=command.example, problem=problem)
    destination = None
    if command.destination is not None:
        if signed:
            raise refuse(
                Refused.BAD_USAGE,
                action="claim",
                usage='{"v":1,"action":"claim","task":"...","dest_hash":"..."}',
                problem="a signed claim is public and must not hold an invoice: name its dest_hash and send the invoice by DM",
            )
        live_until = task.terms.deadline + task.terms.review_window + DAY + moment.now.deaf
        named = check_destination(task, command.destination, task.net, live_until, moment)
        destination = replace(named, salt=salt(moment.now, f"{task.id}/claim"))
    dest_hash = None if destination else command.dest_hash  # a destination that is known is its own commitment
    bound = replace(
        task,
        worker=said.by,
        claimed_at=moment.now.heard,
        funded_until=0,
        destination=destination,
        dest_hash=dest_hash,
    )
    shown = commitment(destination.salt, destination.payment_hash) if destination else dest_hash
    done = ledger.on_claim(move(Decision(bound), Cause.CLAIMED, moment, worker=said.by, dest_hash=shown))
    deadline = task.terms.deadline + moment.now.deaf
    return done.say(
        said.by,
        Told.CLAIMED,
        deadline=deadline,
        reward_msat=task.reward,
        net_msat=task.net,
        worker_fee_msat=task.reward - task.net,
        needs_destination=destination is None,
        description=task.description,
        custody=holder(task),
        dest_salt=destination.salt if destination else None,
    ).say(task.employer, Told.CLAIMED_BY, worker=said.by, deadline=deadline, custody=holder(task))


def abandon(task: Task, said: Said, command: Abandon, moment: Moment) -> Decision:
    """Back to Funded when the hold can still carry another worker, else the money goes back. Never a mark."""
    need_role(task, said, Role.WORKER)
    need_state(task, said, TaskState.CLAIMED)
    need_evidence(task, said)
    if not _has_room_for_another(task, moment):
        done = ending.begin_refund(Decision(task), Cause.ABANDONED_LATE, moment, "abandoned", Cause.ENDED)
        return done.say(said.by, Told.ABANDONED, refunding=True).say(task.employer, Told.ABANDONED, refunding=True)
    done = rollover.drop(move(Decision(task), Cause.ABANDONED, moment, worker=said.by))
    until = min(moment.now.heard + task.terms.hold_timeout, task.terms.deadline)
    now_open = task.current
    fresh = Milestone(number=now_open.number, title=now_open.title, reward=now_open.reward, proofs=now_open.proofs)
    freed = replace(
        done.task,
        worker=None,
        claimed_at=0,
        funded_until=until,
        destination=None,
        dest_hash=None,
        offers=(),
        milestones=(fresh,),
    )
    return (
        done.on(freed)
        .say(said.by, Told.ABANDONED, refunding=False)
        .say(task.employer, Told.ABANDONED, refunding=False, until=until + moment.now.deaf)
    )


def _has_room_for_another(task: Task, moment: Moment) -> bool:
    """Somebody else can still do it before the deadline, and the hold would carry that a day longer; money in the books carries it."""
    if moment.now.heard >= task.terms.deadline:
        return False
    if task.hold is None or task.terms.outlasts_hold:
        return True
    expiry = task.hold.expiry_height
    latest = latest_deadline(moment.now, task.terms.review_window, expiry, moment.policy, task.terms)
    return task.terms.deadline + DAY <= latest
