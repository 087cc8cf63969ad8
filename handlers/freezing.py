"""The operator's brake on one task (design: lifecycle, the last row of the Task's table).

While it is frozen nobody but the operator is heard about it, no money is asked for and no payout starts; what is in flight, held, or being
given back goes on by the node's word, and the heights L and E - M hold as ever. A hold that ends soon is still renewed where the
terms say so: that keeps the agreement as it is, while its refund at L would decide it. Deadlines by time stand still: whoever may not act
must not be late. So unfreezing moves them all by the time that it took, and the entry that says so is public.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers.decision import Decision, Moment, refuse
from handlers.guards import need_operator, wrong_state
from handlers.task import Task
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.inputs import Said


def freeze(task: Task, said: Said, moment: Moment) -> Decision:
    """From now on only the node and the heights move this task."""
    _need_open(task, said, moment)
    if task.frozen:
        raise refuse(Refused.ALREADY, action="freeze")
    done = move(Decision(task), Cause.FROZEN, _as_operator(moment)).change(frozen_at=moment.now.heard)
    return _tell(done, said, Told.TASK_FROZEN)


def unfreeze(task: Task, said: Said, moment: Moment) -> Decision:
    """The task goes on as if no time had passed, as far as deadlines go."""
    _need_open(task, said, moment)
    if not task.frozen:
        raise refuse(Refused.ALREADY, action="unfreeze")
    seconds = max(0, moment.now.heard - task.frozen_at)
    moved = later(replace(task, frozen_at=0), seconds)
    facts = {"seconds": seconds, "deadline": moved.deadline + moment.now.deaf}
    done = move(Decision(moved), Cause.UNFROZEN, _as_operator(moment), **facts)
    return _tell(done, said, Told.TASK_UNFROZEN, **facts)


def _need_open(task: Task, said: Said, moment: Moment) -> None:
    need_operator(said, moment)
    if task.state is None or task.state.is_final:
        raise wrong_state(task, said.by, said.command)


def _as_operator(moment: Moment) -> Moment:
    """The public log says that it was the operator, not through which door he spoke."""
    return replace(moment, by="operator", evidence=None)


def later(task: Task, seconds: int) -> Task:
    """Every time of the task that still runs, so much later."""

    def moved(at: int) -> int:
        return at + seconds if at else 0

    milestone, patience, dispute = task.current, task.patience, task.dispute
    return replace(
        task,
        milestones=tuple(replace(each, due=moved(each.due)) for each in task.milestones),
        terms=replace(task.terms, deadline=task.terms.deadline + seconds),
        funded_until=moved(task.funded_until),
        dispute=replace(dispute, opened=moved(dispute.opened)) if dispute else None,
        patience=replace(patience, since=moved(patience.since), ours_at=moved(patience.ours_at)),
    ).with_milestone(
        review_until=moved(milestone.review_until),
        resubmit_until=moved(milestone.resubmit_until),
        pay_until=moved(milestone.pay_until),
    )


def _tell(done: Decision, said: Said, code: Told, **facts: Any) -> Decision:
    for who in (done.task.employer, done.task.worker):
        if who != said.by:
            done = done.say(who, code, **facts)
    return done.say(said.by, Told.OPERATED, action=said.command.action)
