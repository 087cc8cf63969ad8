"""The worker says how many hours he has worked, before he delivers or with it. What they come to is the agreement's (`Task.share_of`)."""

from __future__ import annotations

from typing import Any

from handlers.decision import Decision, Moment, refuse
from handlers.guards import need_private, need_role, need_state, wrong_state
from handlers.task import Task, by_hour
from kinds.codes import Refused, Told
from kinds.commands import HoursWorked, Submit
from kinds.hours import hours_text, read_hours
from kinds.inputs import Said
from kinds.states import Role, TaskState


def note(task: Task, said: Said, command: HoursWorked, moment: Moment) -> Decision:
    """How many hours the next delivery is about; until then the newest word counts. Raises Refusal."""
    need_private(said, "say it by message, or put it into the signed delivery itself")
    need_role(task, said, Role.WORKER)
    _need_hourly(task)
    need_state(task, said, TaskState.CLAIMED)
    if not task.names_hours:
        raise wrong_state(task, said.by, command)
    if _only_signed(task):
        raise _needed(task)
    hours = _fitting(task, command.hours)
    return Decision(task.with_milestone(hours=hours)).say(said.by, Told.HOURS_NOTED, **told(task, hours))


def named(task: Task, command: Submit) -> int:
    """The hours of this delivery, in hundredths: its own, or those that the worker has named before; 0 where it is not paid by the hour.
    Raises Refusal."""
    if command.hours is not None:
        _need_hourly(task)
        return _fitting(task, command.hours)
    if task.terms.hourly is None:
        return 0
    if _only_signed(task) or not task.current.hours:
        raise _needed(task)
    return task.current.hours


def told(task: Task, hours: int) -> dict[str, Any]:
    """Of work that is paid by the hour: so many hours, how many there may be, and what the worker gets for them."""
    if task.terms.hourly is None:
        return {}
    return {**by_hour(task), "hours": hours, "most": task.most_hours, "amount_msat": task.share_of(100, hours)}


def _only_signed(task: Task) -> bool:
    """Nothing counts here that is not signed, so the hours stand in the delivery."""
    return task.terms.min_evidence == "signed"


def _need_hourly(task: Task) -> None:
    if task.terms.hourly is None:
        raise refuse(Refused.NOT_HOURLY, task=task.id)


def _needed(task: Task) -> Exception:
    return refuse(Refused.HOURS_NEEDED, task=task.id, most=task.most_hours, signed=_only_signed(task))


def _fitting(task: Task, text: str) -> int:
    """Raises Refusal when there is no room for so many, or when they come to nothing."""
    hours, most = read_hours(text) or 0, task.most_hours
    if not 0 < hours <= most:
        problem = f"there is room for {hours_text(most)} hours at most"
        raise refuse(Refused.BAD_HOURS, task=task.id, problem=problem, most=most)
    if task.share_of(100, hours) == 0:
        raise refuse(Refused.BAD_HOURS, task=task.id, problem="so few come to less than a sat", most=most)
    return hours
