"""The index: one `match` from what happened to the function that decides it. mypy proves it complete."""

from __future__ import annotations

from typing import assert_never

from handlers import (
    account,
    applying,
    choice,
    compensation,
    deposit,
    dispute,
    doors,
    freezing,
    funding,
    hire,
    hourly,
    offer,
    payout,
    plan,
    review,
    talk,
    tick,
    work,
)
from handlers.account import Account, Movement
from handlers.decision import Decision, Moment, Refusal, refuse
from handlers.doors import Ruling
from handlers.guards import need_thawed
from handlers.house import OPEN, House
from handlers.policy import Policy
from handlers.task import Task
from kinds.codes import Refused
from kinds.commands import (
    Abandon,
    Agree,
    Approve,
    Cancel,
    Claim,
    Compensate,
    Deposit,
    Dispute,
    Freeze,
    Fund,
    Hire,
    HoursWorked,
    Milestones,
    Payout,
    Reject,
    Say,
    Select,
    Submit,
    Unfreeze,
    Withdraw,
)
from kinds.inputs import (
    AccountDue,
    Fetched,
    HoldMade,
    HoldSeen,
    Now,
    OfAccount,
    Offered,
    PaymentSeen,
    PayWanted,
    Reached,
    RemitSeen,
    RemitWanted,
    Said,
    Tick,
    What,
)


def decide(task: Task | None, what: What, now: Now, policy: Policy, house: House = OPEN) -> Decision | Refusal:
    """What follows from this input. Pure; a Refusal changes nothing."""
    try:
        if isinstance(what, Offered):
            if task is not None:
                return refuse(Refused.ADDRESS_TAKEN, task=task.id)
            return offer.create(what, Moment(now, policy, what.by, what.evidence, house))
        if task is None:
            return refuse(Refused.UNKNOWN_TASK)
        if isinstance(what, Said):
            return _said(task, what, Moment(now, policy, what.by, what.evidence, house))
        return _happened(task, what, now, policy)
    except Refusal as refusal:
        return refusal


def rule(house: House, said: Said, now: Now, policy: Policy) -> Ruling | Refusal:
    """What follows from the operator's word about the house. Pure; a Refusal changes nothing."""
    try:
        return doors.rule(house, said, Moment(now, policy, said.by, said.evidence, house))
    except Refusal as refusal:
        return refusal


def settle_account(there: Account, what: Said | OfAccount, now: Now, policy: Policy) -> Movement | Refusal:
    """What follows for somebody's account. Pure; a Refusal changes nothing."""
    try:
        return _of_account(there, what, now, policy)
    except Refusal as refusal:
        return refusal


def _of_account(there: Account, what: Said | OfAccount, now: Now, policy: Policy) -> Movement:
    match what:
        case Said(command=Withdraw() as command):
            return account.withdraw(there, command, Moment(now, policy, what.by, what.evidence))
        case Said():
            raise AssertionError(f"{what.command.action} is not about an account")
        case RemitWanted():
            return account.wanted(there, what)
        case RemitSeen():
            return account.seen(there, what, Moment(now, policy, "node"))
        case AccountDue():
            return account.due(there, Moment(now, policy, "clock"))
        case _:
            assert_never(what)


def _happened(
    task: Task, what: HoldMade | HoldSeen | PayWanted | PaymentSeen | Fetched | Reached | Tick, now: Now, policy: Policy
) -> Decision:
    node, clock = Moment(now, policy, "node"), Moment(now, policy, "clock")
    match what:
        case HoldMade():
            return funding.made(task, what, node)
        case HoldSeen():
            return funding.seen(task, what, node)
        case PayWanted():
            return payout.wanted(task, what, node)
        case PaymentSeen():
            return payout.seen(task, what, node)
        case Fetched():
            return work.fetched(task, what, clock)
        case Reached():
            return tick.reached(task, what.ref, clock)
        case Tick():
            return tick.tick(task, clock)
        case _:
            assert_never(what)


def _said(task: Task, said: Said, moment: Moment) -> Decision:
    need_thawed(task, said)
    match said.command:
        case Freeze():
            return freezing.freeze(task, said, moment)
        case Unfreeze():
            return freezing.unfreeze(task, said, moment)
        case Compensate() as command:
            return compensation.compensate(task, said, command, moment)
        case Fund() as command:
            return funding.fund(task, said, command, moment)
        case Cancel() as command:
            return dispute.cancel(task, said, command, moment)
        case Milestones() as command:
            return plan.propose(task, said, command, moment)
        case Select() as command:
            return choice.select(task, said, command, moment)
        case Agree() as command:
            return choice.agree(task, said, command, moment)
        case Deposit() as command:
            return deposit.deposit(task, said, command, moment)
        case Say() as command:
            return talk.say(task, said, command, moment)
        case Claim() as command:
            return hire.claim(task, said, command, moment)
        case Hire() as command:
            return applying.hire(task, said, command, moment)
        case Abandon() as command:
            return hire.abandon(task, said, command, moment)
        case HoursWorked() as command:
            return hourly.note(task, said, command, moment)
        case Submit() as command:
            return work.submit(task, said, command, moment)
        case Approve() as command:
            return review.approve(task, said, command, moment)
        case Reject() as command:
            return review.reject(task, said, command, moment)
        case Dispute() as command:
            return dispute.dispute(task, said, command, moment)
        case Payout() as command:
            return payout.payout(task, said, command, moment)
        case other:
            raise AssertionError(f"{other.action} is a question, not a decision")
