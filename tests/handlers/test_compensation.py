"""The insurance makes good for lost holds: to whom, how much, out of what, and never twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handlers.decision import Refusal
from handlers.house import House
from kinds.codes import Refused, Told
from kinds.inputs import BY_HAND
from kinds.lightning import Fault, PaymentStatus
from kinds.states import LogType
from kinds.units import Msat, sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, OTHER, POLICY, WORKER, Life


@pytest.mark.parametrize(
    ("start", "who"),
    [
        (lambda: builders.lost(builders.funded), EMPLOYER),
        (builders.lost, WORKER),
        (lambda: builders.lost(builders.disputed), WORKER),
        (lambda: builders.lost(builders.verified), WORKER),
        (builders.lost_after_payout, EMPLOYER),
    ],
)
def test_the_one_who_lost_is_credited(start: Callable[[], Life], who: str) -> None:
    life = start()
    before = life.stands
    builders.compensate(life, amount=5_000, reason="the channel was closed")
    budget = POLICY.budget(sats(5_000))
    assert life.stands == before
    assert life.task.credit(who) == sats(5_000)  # type: ignore[arg-type]
    assert life.task.compensated == sats(5_000) + budget
    line = life.last(LogType.COMPENSATION)
    role = "worker" if who == WORKER else "employer"
    assert line.facts == {"role": role, "to": who, "amount_msat": sats(5_000), "budget_msat": budget}
    assert (line.by, line.proven) == ("operator", "operator")
    told = life.told(Told.CREDITED)[-1]
    assert (told.to, told.facts["reason"]) == (who, "the channel was closed")
    assert life.told(Told.OPERATED)[-1].to == BY_HAND


def test_it_is_paid_like_any_credit_and_what_sending_spares_goes_back() -> None:
    life = builders.compensate(builders.lost())
    life.payout("made good")
    payout = life.task.payouts[-1]
    assert life.task.credit(WORKER) == 0
    life.pay(PaymentStatus.FAILED, payout, fault=Fault.THEIRS)
    assert life.task.credit(WORKER) == sats(5_000), "it is owed again"
    life.payout("made good at last")
    life.pay(PaymentStatus.COMPLETE, life.task.payouts[-1], fee=Msat(3_000))
    assert life.task.credit(WORKER) == 0
    assert life.task.insurance == payout.budget - 3_000
    assert life.types[-1] == "receipt"


def test_more_than_once_as_long_as_the_account_has_it() -> None:
    life = builders.compensate(builders.lost())
    life.payout("first")
    builders.compensate(life, amount=700)
    assert life.task.credit(WORKER) == sats(700)
    life.pay(PaymentStatus.COMPLETE, life.task.payouts[-1])
    life.payout("second")
    life.pay(PaymentStatus.COMPLETE, life.task.payouts[-1])
    assert life.task.compensated == sats(5_700) + POLICY.budget(sats(5_000)) + POLICY.budget(sats(700))


@pytest.mark.parametrize(("insured", "allowed"), [(5_049_999, False), (5_050_000, True), (0, False)])
def test_never_more_than_the_account_covers(insured: int, allowed: bool) -> None:
    """5,000 sats and a budget of 50 sats for sending them."""
    life = builders.lost()
    life.house = House(insured=Msat(insured))
    outcome = life.hear(life.said(BY_HAND, life.command("compensate", amount=5_000)))
    if allowed:
        assert life.task.compensated == insured
    else:
        facts = {"wanted_msat": sats(5_000), "budget_msat": sats(50), "covered_msat": POLICY.affordable(Msat(insured))}
        assert outcome == Refusal(Refused.NOT_COVERED, facts)


@pytest.mark.parametrize(
    "start", [builders.paid, builders.refunded, builders.expired, builders.claimed, builders.in_flight]
)
def test_where_nothing_was_lost_nothing_is_made_good(start: Callable[[], Life]) -> None:
    life = start()
    life.house = House(insured=sats(1_000_000))
    assert life.refuses(life.said(BY_HAND, life.command("compensate"))) is Refused.NO_LOSS


def test_not_before_the_end() -> None:
    life = builders.in_flight()
    life.see(builders.H.CANCELLED)
    life.house = House(insured=sats(1_000_000))
    assert life.stands.startswith("Verified")
    assert life.refuses(life.said(BY_HAND, life.command("compensate"))) is Refused.WRONG_STATE


@pytest.mark.parametrize("who", [EMPLOYER, WORKER, OTHER])
def test_only_at_the_machine(who: str) -> None:
    life = builders.lost()
    life.house = House(insured=sats(1_000_000))
    assert life.refuses(life.said(who, life.command("compensate"))) is Refused.BAD_USAGE  # type: ignore[arg-type]
