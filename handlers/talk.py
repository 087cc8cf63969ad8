"""The two sides talk through the daemon: each hears what the other says, and nobody else does."""

from __future__ import annotations

from handlers.decision import Decision, Moment, refuse
from handlers.guards import need_private, need_role
from handlers.task import Task
from kinds.codes import Refused, Told
from kinds.commands import Say
from kinds.inputs import Said
from kinds.states import Role


def say(task: Task, said: Said, command: Say, moment: Moment) -> Decision:
    """Passes words on, also when the task is over. Raises Refusal when there is nobody to hear them."""
    need_private(said, "what is said here is private: send it by DM")
    need_role(task, said, Role.EMPLOYER, Role.WORKER)
    other = task.worker if said.by == task.employer else task.employer
    if other is None:
        raise refuse(Refused.NOBODY_THERE, task=task.id)
    return Decision(task).say(other, Told.SAID, by=said.by, words=command.text).say(said.by, Told.PASSED_ON)
