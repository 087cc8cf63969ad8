"""What a task puts to somebody's account, for ever; the commit books it there, and what becomes of it is no longer the task's affair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from handlers.decision import Decision, Moment
from handlers.task import CreditEntry, Funding
from kinds.codes import Told
from kinds.states import Role
from kinds.units import Msat


def credit(done: Decision, role: Role, amount: Msat, why: str, milestone: int = 0) -> Decision:
    """Puts money of this task to somebody's account. `milestone`: 0 for the current one."""
    to = done.task.worker if role is Role.WORKER else done.task.employer
    if amount <= 0 or to is None:
        return done
    number = milestone or done.task.current.number
    entry = CreditEntry(role=role, to=to, amount=amount, why=why, milestone=number)
    return done.change(credits=(*done.task.credits, entry))


def out_of_the_books(done: Decision, kept: Iterable[Funding]) -> Decision:
    """Money of the task that is in the books is the employer's again."""
    for each in kept:
        task = done.task.with_funding(each.ref, goal="cancel")
        freed = done.on(replace(task, locked=Msat(task.locked - each.amount)))
        done = credit(freed, Role.EMPLOYER, each.amount, "back from the books", each.milestone)
    return done


def public_credits(entries: Iterable[CreditEntry]) -> list[dict[str, Any]]:
    """What the log shows of them."""
    return [{"role": str(entry.role), "to": entry.to, "amount_msat": entry.amount} for entry in entries]


def tell_credits(done: Decision, entries: Iterable[CreditEntry], moment: Moment) -> Decision:
    """Who was credited learns of it."""
    for entry in entries:
        code = Told.CREDITED if entry.role is Role.WORKER else Told.CHANGE_OWED
        payable = moment.policy.affordable(entry.amount)
        done = done.say(entry.to, code, amount_msat=entry.amount, payable_msat=payable, reason=entry.why)
    return done
