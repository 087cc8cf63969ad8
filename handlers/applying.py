"""Where the employer picks: people offer to do the work, with a note for him, and he hires one of them.

Nobody is bound by an offer but its author, and he only until he takes it back. Those who were passed over stay on the list: if the worker
gives the task back, the employer may pick again at once. A list has an end, and so has what one person may add to it in a day,
since the task is read and written whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import binding
from handlers.decision import Decision, Moment, refuse
from handlers.guards import need_evidence, need_role
from handlers.policy import DAY
from handlers.task import Applicant, Destination, Task
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.commands import Hire
from kinds.inputs import Said
from kinds.legible import one_line
from kinds.states import LogType, Role

MOST = 50  # applicants at a time
A_DAY = 3  # offers of one person
_SHOWN, _NOTE = 20, 200  # of a status: so many applicants, and letters of what each wrote; it must fit into a letter


def apply(
    task: Task, said: Said, note: str, destination: Destination | None, dest_hash: str | None, moment: Moment, dropped: bool = False,
) -> Decision:  # fmt: skip
    """A claim, where the employer picks. A new one replaces the last of the same person. `dropped`: he named a destination too early."""
    now = moment.now
    today = tuple(each for each in task.applied if each[1] > now.time - DAY)
    own = [at for who, at in today if who == said.by]
    if len(own) >= A_DAY:
        raise refuse(Refused.TOO_MANY_CLAIMS, task=task.id, limit=A_DAY, wait=own[0] + DAY - now.time)
    others = tuple(each for each in task.applicants if each.who != said.by)
    if len(others) >= MOST or len(today) >= MOST * A_DAY:
        raise refuse(Refused.TOO_MANY_APPLICANTS, task=task.id, limit=MOST)
    if destination and any(destination.payment_hash == o.destination.payment_hash for o in others if o.destination):
        raise refuse(Refused.HASH_USED)
    new = Applicant(
        who=said.by, seq=task.seq + 1, heard=now.heard, note=note, destination=destination, dest_hash=dest_hash
    )
    listed = replace(task, applicants=(*others, new), applied=(*today, (said.by, now.time)))
    shown = binding.shown(destination, dest_hash)
    done = move(Decision(listed), Cause.APPLIED, moment, worker=said.by, dest_hash=shown)
    done = done.say(said.by, Told.APPLIED, **binding.reward(task, destination, moment), dropped_destination=dropped)
    return done.say(task.employer, Told.PROPOSED, worker=said.by, note=note, applicants=len(listed.applicants))


def withdraw(task: Task, said: Said, moment: Moment) -> Decision:
    """Somebody who has offered to do it takes that back."""
    need_evidence(task, said)
    left = tuple(each for each in task.applicants if each.who != said.by)
    done = move(Decision(task), Cause.WITHDRAWN, moment, worker=said.by).change(applicants=left)
    facts: dict[str, Any] = {"worker": said.by, "applicants": len(left)}
    return done.say(said.by, Told.WITHDRAWN, **facts).say(task.employer, Told.WITHDRAWN, **facts)


def hire(task: Task, said: Said, command: Hire, moment: Moment) -> Decision:
    """The employer's choice binds one who stands on the list, with the destination that he named."""
    need_role(task, said, Role.EMPLOYER)
    if task.worker is not None and task.state is not None and not task.state.is_final:
        raise refuse(Refused.ALREADY_HIRED, task=task.id, worker=task.worker)
    binding.need_place(task, said)
    need_evidence(task, said, LogType.TASK_CREATED)
    chosen = task.applicant(command.npub)
    if chosen is None or chosen.who in moment.house.banned:
        raise refuse(
            Refused.NOT_AN_APPLICANT, task=task.id, who=command.npub, claim=task.terms.claim, gone=chosen is not None
        )
    binding.need_time(task, moment)
    return binding.bind(
        task,
        chosen.who,
        moment,
        note=chosen.note,
        destination=chosen.destination,
        dest_hash=chosen.dest_hash,
        consented=chosen.heard,
    )


def proposals(task: Task) -> list[dict[str, Any]]:
    """Who has offered to do it, for the employer's eyes, the first of them on top."""
    return [{"who": each.who, "note": one_line(each.note, _NOTE)} for each in task.applicants[:_SHOWN]]
