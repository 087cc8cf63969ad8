"""What every commit asks before it writes. Only here are tasks broken by hand: no decision makes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from handlers.check import Broken, check
from handlers.task import CreditEntry, Payout, Task
from kinds.states import FundingState, PayoutState, Phase, Role, TaskState, WorkState
from kinds.units import Msat, Secret, sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, OTHER, WORKER

F, P, S = FundingState, PayoutState, TaskState


def another_hold(task: Task) -> Task:
    twin = replace(task.fundings[0], ref="twin", payment_hash=type(task.fundings[0].payment_hash)("ab" * 32))
    return replace(task, fundings=(*task.fundings, twin))


def another_payout(task: Task, **changes: Any) -> Task:
    words: dict[str, Any] = {"ref": "twin", "role": Role.WORKER, "to": WORKER, "amount": sats(1), "budget": Msat(0)}
    return replace(task, payouts=(*task.payouts, Payout(**(words | changes))))


def credit(task: Task, amount: int, role: Role = Role.WORKER) -> Task:
    entry = CreditEntry(role=role, to=WORKER, amount=Msat(amount), why="by hand")
    return replace(task, credits=(*task.credits, entry))


def refunding_under_a_payout() -> Task:
    task = builders.in_flight().task
    return task.with_funding(task.fundings[0].ref, goal="cancel")


BROKEN: dict[str, Callable[[], Task]] = {
    "a task without a state": lambda: replace(builders.draft().task, state=None),
    "Draft with SUBMITTED": lambda: builders.draft().task.with_milestone(state=WorkState.SUBMITTED),
    "Verified with SUBMITTED": lambda: builders.verified().task.with_milestone(state=WorkState.SUBMITTED),
    "Funded without a hold": lambda: replace(builders.funded().task, fundings=()),
    "Claimed without a worker": lambda: replace(builders.claimed().task, worker=None),
    "Funded with a worker": lambda: replace(builders.funded().task, worker=OTHER),
    "PendingFunding without an open invoice": lambda: replace(builders.pending().task, fundings=()),
    "Disputed with a payout under way": lambda: another_payout(builders.disputed().task, state=P.CLAIMED),
    "final and not at rest": lambda: replace(builders.paid().task, phase=Phase.SETTLING),
    "the employer is his own worker": lambda: replace(builders.claimed().task, worker=EMPLOYER),
    "two accepted holds": lambda: another_hold(builders.funded().task),
    "two open invoices": lambda: another_hold(builders.pending().task),
    "two payouts for the worker": lambda: another_payout(builders.in_flight().task),
    "a payment hash is used twice": lambda: another_payout(
        builders.funded().task, payment_hash=builders.funded().hold.payment_hash
    ),
    "refunding after a payout started": refunding_under_a_payout,
    "twin: amounts do not fit": lambda: another_payout(builders.verified().task, amount=Msat(0), role=Role.EMPLOYER),
    "twin: complete without a preimage": lambda: another_payout(
        builders.verified().task, state=P.COMPLETE, role=Role.EMPLOYER
    ),
    "a credit of nothing or less": lambda: credit(builders.credited().task, -1),
    "money does not add up": lambda: credit(builders.paid().task, 1),
    "the worker did not get his share": lambda: replace(builders.paid().task, split=50),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_named(rule: str) -> None:
    with pytest.raises(Broken, match=rule):
        check(BROKEN[rule]())


def test_money_that_vanishes_is_noticed_at_every_end() -> None:
    for life in (builders.paid(), builders.credited(), builders.split(33)):
        task = life.task
        check(task)
        for wrong in (task.insurance - 1, task.insurance + 1):
            with pytest.raises(Broken, match="money does not add up"):
                check(task.with_milestone(insurance=Msat(wrong)))
    refunded = builders.refunded().task
    kept = refunded.with_funding(refunded.fundings[0].ref, state=F.SETTLED, preimage=Secret("aa" * 32))
    with pytest.raises(Broken, match="money does not add up"):
        check(kept)
    assert refunded.state is S.REFUNDED
