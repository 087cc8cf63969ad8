"""Who gets how much, to the msat: splits, change, budgets, what is left, and the small ledger of what is owed."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds.codes import Refused, Told
from kinds.lightning import PaymentStatus
from kinds.states import LogType, PayoutState
from kinds.units import Msat, Secret, sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, POLICY, WORKER, H, Life, invoice

PS = PaymentStatus


def came(life: Life) -> int:
    return sum(f.amount for f in life.task.fundings if f.preimage)


def went(life: Life) -> int:
    paid = [p for p in life.task.payouts if p.state is PayoutState.COMPLETE]
    return sum(p.amount + p.fee for p in paid)


def owed(life: Life) -> int:
    return sum(entry.amount for entry in life.task.credits)


def adds_up(life: Life) -> bool:
    """In = out + still owed + what the house keeps, all three as this test counts them."""
    waiting = sum(p.amount + p.budget for p in life.task.payouts if not p.state.is_final)
    return came(life) == went(life) + owed(life) + waiting + life.task.fee + life.task.insurance


@pytest.mark.parametrize(
    ("reward", "percent", "share", "change"),
    [
        # hold = reward + max(10 sat, 1 %); change = the largest whole-sat amount that the rest pays with its own budget
        (50_000, 1, 500, 49_503),  # rest 50,500 - 500 - 1 = 49,999 = 49,503 + budget 496; 49,504 would need 50,000
        (50_000, 33, 16_500, 33_662),
        (50_000, 99, 49_500, 989),
        (50_001, 33, 16_500, 33_664),
        (101, 33, 33, 67),
        (101, 99, 99, 1),
        (1_000, 50, 500, 499),
    ],
)
def test_an_agreed_share(reward: int, percent: int, share: int, change: int) -> None:
    life = builders.split(percent, reward=sats(reward))
    assert life.stands == "Paid:RELEASED"
    assert life.task.share_amount == sats(share)
    rest = life.task.hold_amount - sats(share) - 1000  # the routing fee of the worker's payout was 1 sat
    got = life.task.credit(EMPLOYER)
    assert got == rest, "all that is left of the hold is his, to the msat"
    assert POLICY.affordable(got) == sats(change), "what of it can be sent to him at once"
    assert adds_up(life)
    done = life.last(LogType.SETTLEMENT_COMPLETED).facts
    shown = {"role": "employer", "to": EMPLOYER, "amount_msat": got}
    assert done["credited"] == [shown]
    assert done["percent"] == percent
    assert life.told(Told.CHANGE_OWED, EMPLOYER)[-1].facts["payable_msat"] == sats(change)
    assert life.task.insurance == 0


@pytest.mark.parametrize(("reward", "percent"), [(100, 0), (101, 0), (50_000, 0)])
def test_nothing_for_the_worker_cancels_the_hold(reward: int, percent: int) -> None:
    life = builders.claimed(reward=sats(reward)).agree(percent)
    life.see(H.CANCELLED)
    assert life.task.insurance == came(life) == owed(life) == 0


def test_a_share_below_one_sat_is_nothing() -> None:
    policy = dataclasses.replace(POLICY, min_reward=sats(1))
    life = builders.claimed(policy=policy, reward=sats(50)).agree(1)
    assert life.stands == "Claimed/refunding:IN_PROGRESS"


def test_agreeing_on_everything_is_the_whole_reward() -> None:
    life = builders.split(100, reward=sats(50_001))
    assert life.task.share_amount == sats(50_001)
    assert life.task.credits == ()
    assert life.task.insurance == life.task.budget - 1000
    assert adds_up(life)


@given(reward=st.integers(100, 1_000_000), percent=st.integers(1, 99), fee=st.integers(0, 20_000))
def test_every_split_adds_up(reward: int, percent: int, fee: int) -> None:
    life = builders.claimed(reward=sats(reward)).agree(percent)
    share = life.task.share_amount
    assert share == sats(reward * percent // 100)
    life.payout("part")
    life.leave()
    life.pay(PS.COMPLETE, fee=Msat(min(fee, life.task.budget)))
    life.see(H.SETTLED)
    assert adds_up(life)
    assert life.task.insurance == 0, "what is left over a split is the employer's"


@given(st.integers(0, 3_000_000_000))
def test_the_most_that_a_rest_can_pay(rest: int) -> None:
    share = POLICY.affordable(Msat(rest))
    assert share % 1000 == 0
    assert share >= 0
    assert share == 0 or share + POLICY.budget(share) <= rest
    more = Msat(share + 1000)
    assert more + POLICY.budget(more) > rest, "one sat more would not fit"


@pytest.mark.parametrize("start", [builders.verified, builders.leaving, builders.resting])
def test_what_could_not_be_paid_in_time_is_owed(start: object) -> None:
    assert callable(start)
    life = builders.margin(start)
    if life.share.ordered:  # perhaps sent: only the node's word ends it
        life.see(H.SETTLED)
        assert life.stands == "Verified/settling:APPROVED"
        life.pay(PS.ABSENT)
    else:
        life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    assert life.task.credit(WORKER) == life.task.reward + life.task.budget
    assert life.told(Told.CREDITED, WORKER)[-1].facts["payable_msat"] == life.task.reward
    assert adds_up(life)


def test_share_and_change_may_both_be_owed() -> None:
    life = builders.claimed().agree(33)
    life.to_height(life.task.settle_height).ticks()
    life.see(H.SETTLED)
    assert life.task.credit(WORKER) == sats(16_500) + life.task.budget
    assert life.task.credit(EMPLOYER) == life.task.hold_amount - sats(16_500) - life.task.budget
    assert adds_up(life)


def test_a_fee_above_the_budget_is_the_houses_loss_and_the_hold_is_still_settled() -> None:
    life = builders.in_flight()
    life.pay(PS.COMPLETE, fee=Msat(life.task.budget + 5))
    assert life.stands == "Verified/settling:APPROVED"
    assert [found.code for found in life.incidents] == ["fee_above_budget"]
    life.see(H.SETTLED)
    assert life.task.insurance == 0
    assert adds_up(life)


@pytest.mark.parametrize("shown", ["", "ff" * 32, "no hex at all"])
def test_a_preimage_that_is_none_is_no_proof_of_payment(shown: str) -> None:
    """The node says that the hold is settled and shows something else, or nothing: the end stands, and nobody is told a lie."""
    life = builders.settling()
    life.see(H.SETTLED, preimage=Secret(shown))
    assert life.stands == "Paid:RELEASED"
    assert life.hold.preimage == ""
    assert [say.facts["preimage"] for say in life.told(Told.PAID_EMPLOYER)] == [""]
    assert [found.code for found in life.incidents] == ["hold_preimage_unknown"]


def test_nobody_else_is_owed_anything() -> None:
    life = builders.paid()
    for who in (EMPLOYER, WORKER):
        code = life.refuses(life.said(who, life.command("payout", destination=invoice("more", life.task.reward))))
        assert code in (Refused.NOTHING_OWED, Refused.WRONG_STATE)
