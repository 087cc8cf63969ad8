"""From one milestone to the next: what is left of the one that is over, and what the next one begins with.

A milestone is one more hold, not a second system: the task goes through the same states again, from Draft, with the same worker.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import binding
from handlers.decision import Decision, Moment
from handlers.plan import listed
from handlers.task import Funding, Milestone, Patience, Task
from kinds.codes import Told
from kinds.states import FundingState, PayoutState
from kinds.units import Msat


def goes_on(task: Task) -> bool:
    """Another milestone follows when this one is released; not when both have agreed on an end, or money was lost."""
    over = task.closing or task.lost or task.current.short is not None
    return task.at + 1 < len(task.milestones) and not over


def next_due(task: Task, heard: int) -> int:
    """The next milestone's deadline: as planned, or as much later as the present one is released late; while it is frozen no time passes."""
    return task.milestones[task.at + 1].due + max(0, (task.frozen_at or heard) - task.deadline)


def go_on(done: Decision, moment: Moment) -> Decision:
    """The released milestone becomes a record, and the next one waits for its money."""
    task = done.task
    done = done.on(advanced(task, task.seq, moment.now.heard, next_due(task, moment.now.heard)))
    facts: dict[str, Any] = {"released": task.current.number, "of": len(task.milestones), "total_msat": task.total}
    covered = bool(done.task.own_covers) and not done.task.still_asked
    facts |= {"funding": "covered" if covered else task.terms.funding}
    upcoming = listed(done.task.current, moment.now, secret=True)
    for who in (task.employer, task.worker):
        done = done.say(who, Told.MILESTONE_RELEASED, upcoming=upcoming, hold_msat=done.task.still_asked, **facts)
    return binding.begin_unfunded(done, moment)


def advanced(task: Task, seq: int, heard: int, due: int) -> Task:
    """The task at its next milestone, which is due then; the dates behind it move by as much. `seq`: of the entry of the release, which
    binds the worker to it: nothing that was signed before counts for it."""
    number = task.current.number  # whose payments are kept once more; older ones only while something may come of them
    later = due - task.milestones[task.at + 1].due
    rest = tuple(replace(each, due=each.due + later) for each in task.milestones[task.at + 1 :])
    rest = (replace(rest[0], proofs=task.current.proofs), *rest[1:])  # numbers of proofs run on
    return replace(
        task,
        milestones=(*task.milestones[: task.at], _record(task, heard), *rest),
        terms=replace(task.terms, deadline=task.terms.deadline + later),
        at=task.at + 1,
        ending="", reason="", marked=False, bound_seq=seq, consented=heard, rushed=False, claimed_at=0, funded_until=0, destination=None,
        dest_hash=None, dispute=None, offers=(), split=100, patience=Patience(), warned=(), reached=(),
        fundings=tuple(each for each in task.fundings if each.milestone >= number or each.state is not FundingState.SETTLED),
        payouts=tuple(each for each in task.payouts if each.milestone == number or each.state is PayoutState.FAILED),
    )  # fmt: skip


def came_late(task: Task, funding: Funding) -> Task:
    """A stray hold of a released milestone was settled after all: its record has that, too."""
    at = funding.milestone - 1
    if at >= task.at:
        return task
    record = replace(task.milestones[at], came=Msat(task.milestones[at].came + funding.amount))
    return replace(task, milestones=(*task.milestones[:at], record, *task.milestones[at + 1 :]))


def _record(task: Task, heard: int) -> Milestone:
    """What is kept of a released milestone: its money to the msat, and where its work lies. The rows of its payments stay in the database."""
    milestone = task.current
    paid = [each for each in task.own_payouts if each.state is PayoutState.COMPLETE]
    return replace(
        milestone,
        proof=replace(milestone.proof, event=None, notes="") if milestone.proof else None,
        arriving=None, proof_times=(), review_until=0, resubmit_until=0,
        came=Msat(sum(each.amount for each in task.own_fundings if each.state is FundingState.SETTLED)),
        share=Msat(sum(each.amount for each in paid)),
        routing=Msat(sum(each.fee for each in paid)),
        released=heard,
    )  # fmt: skip
