"""The insurance makes good for lost holds: to whom, how much, out of what, and never twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handlers.decision import Refusal
from handlers.house import House
from kinds.codes import Refused, Told
from kinds.inputs import BY_HAND
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
    assert life.task.credit(who) == life.task.compensated == sats(5_000) + budget  # type: ignore[arg-type]
    line = life.last(LogType.COMPENSATION)
    role = "worker" if who == WORKER else "employer"
    assert line.facts == {"role": role, "to": who, "amount_msat": sats(5_000) + budget}
    assert (line.by, line.proven) == ("operator", "operator")
    told = life.told(Told.CREDITED)[-1]
    assert (told.to, told.facts["reason"]) == (who, "the channel was closed")
    assert told.facts["payable_msat"] == sats(5_000)
    assert life.told(Told.OPERATED)[-1].to == BY_HAND


def test_the_same_words_give_once_unless_they_are_meant_again() -> None:
    life = builders.compensate(builders.lost())
    same = life.said(BY_HAND, life.command("compensate"))
    assert life.hear(same) == Refusal(Refused.ALREADY, {"action": "compensate", "again": True})
    given = sats(5_000) + POLICY.budget(sats(5_000))
    assert life.task.credit(WORKER) == given
    builders.compensate(life, amount=700)
    builders.compensate(life, reason="something else")
    builders.compensate(life, again="yes")
    assert life.task.credit(WORKER) == 3 * given + sats(700) + POLICY.budget(sats(700)) == life.task.compensated


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
