"""Making good for a loss, out of the insurance account: a credit like any other, booked against what the house has kept for it.

An answer that is lost makes people say things twice, and this one gives money: the same sats for the same words are given once, unless he
says that they are meant again.

Who it is for is no choice of the operator's: the worker, unless he was paid or there was none; then the employer. How much is his choice,
up to what the account holds.
"""

from __future__ import annotations

from dataclasses import replace

from handlers.decision import Decision, Moment, refuse
from handlers.guards import wrong_state
from handlers.task import CreditEntry, Task
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.commands import Compensate
from kinds.inputs import BY_HAND, Said
from kinds.states import LogType, Role
from kinds.units import Msat, sats


def compensate(task: Task, said: Said, command: Compensate, moment: Moment) -> Decision:
    """Credits a party of a task whose hold was lost. Raises Refusal."""
    if said.by != BY_HAND:  # a key that is stolen may stop business, and moves nobody's money
        raise refuse(
            Refused.BAD_USAGE,
            action=command.action,
            usage=f"holdfast {command.example}",
            problem="money of the insurance is given at the machine only",
        )
    if not task.seq_of(LogType.HOLD_LOST):
        raise refuse(Refused.NO_LOSS, task=task.id)
    if task.state is None or not task.state.is_final:
        raise wrong_state(task, said.by, command)
    said_so = (command.amount, command.reason)
    if said_so in task.compensations and not command.again:
        raise refuse(Refused.ALREADY, action=command.action, again=True)
    amount = sats(command.amount)
    budget = moment.policy.budget(amount)
    if amount + budget > moment.house.insured:
        raise refuse(
            Refused.NOT_COVERED,
            wanted_msat=amount,
            budget_msat=budget,
            covered_msat=moment.policy.affordable(moment.house.insured),
        )
    role = Role.WORKER if task.worker and not task.paid_share else Role.EMPLOYER
    to = task.worker if role is Role.WORKER and task.worker else task.employer
    given = Msat(amount + budget)
    entry = CreditEntry(role=role, to=to, amount=given, why="compensation", milestone=task.current.number)
    credited = replace(
        task,
        credits=(*task.credits, entry),
        compensated=Msat(task.compensated + given),
        compensations=(*task.compensations, said_so),
    )
    facts = {"role": str(role), "to": to, "amount_msat": given}
    done = move(
        Decision(credited), Cause.COMPENSATED, replace(moment, by="operator", evidence=None), **facts
    )  # why, in words, is for the person and the operator's own record
    return done.say(to, Told.CREDITED, amount_msat=given, payable_msat=amount, reason=command.reason).say(
        said.by, Told.OPERATED, action=command.action
    )
