"""How a project is paid, once somebody is hired: in full, which the employer selects, or by milestones, on which both agree."""

from __future__ import annotations

from dataclasses import replace

from handlers import binding, funding, plan
from handlers.decision import Decision, Moment, refuse
from handlers.guards import need_evidence, need_role, need_state, need_welcome
from handlers.task import Task
from handlers.transitions import Cause
from kinds.codes import Refused
from kinds.commands import Agree, Fund, Select
from kinds.inputs import Said
from kinds.states import Role, TaskState


def select(task: Task, said: Said, command: Select, moment: Moment) -> Decision:
    """Full payment. With the money up front that is the wish for its invoice; else the work begins."""
    need_role(task, said, Role.EMPLOYER)
    if command.structure == "milestones":
        raise refuse(Refused.PLAN_NEEDED, task=task.id)
    if task.is_project:
        raise refuse(Refused.PLAN_LOCKED, task=task.id)
    if not task.on_approval:
        return funding.fund(task, said, Fund(task=command.task), moment)
    need_state(task, said, TaskState.DRAFT)
    if task.worker is None:
        raise refuse(Refused.NOT_HIRED, task=task.id, claim=task.terms.claim)
    plan.need_plan(task)
    need_evidence(task, said)
    need_welcome(moment)
    if moment.now.heard >= task.deadline:
        raise refuse(Refused.TOO_LATE, task=task.id, what="deadline", since=task.deadline + moment.now.deaf)
    return binding.begin(Decision(replace(task, proposal=None)), Cause.SELECTED, "begun", moment)


def agree(task: Task, said: Said, command: Agree, moment: Moment) -> Decision:
    """Both agree on milestones; the work on the first begins, where it does not wait for money."""
    return binding.begin_unfunded(plan.agree(task, said, command, moment), moment)
