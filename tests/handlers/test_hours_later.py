"""Work that is paid by the hour and on approval: the employer is asked for what the delivered hours come to, and for no more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import answers
from handlers.due import PAY_WINDOW
from handlers.fees import Fees
from kinds.codes import Refused, Told
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import LogType, Payer
from kinds.units import Msat, sats
from tests.handlers import builders
from tests.handlers.builders import HOURS, settled, worked
from tests.handlers.life import EMPLOYER, POLICY, WORKER, Life, invoice
from tests.handlers.test_hours import FEE, adds_up, delivered, named

H, PS, L = HoldStatus, PaymentStatus, LogType
FEES = dataclasses.replace(POLICY, fees=FEE)
BUDGET = sats(500)  # of the whole, for routing


def later(hours: str = "10", **given: Any) -> Life:
    """So many hours are delivered, and nothing is held."""
    return worked(hours, builders.started, **given)


def covered(life: Life) -> Life:
    """The employer pays what he is asked for."""
    life.make()
    life.see(H.HELD)
    return life


def test_only_what_the_hours_come_to_is_asked_for() -> None:
    life = later(policy=FEES)
    assert answers.status(life.task, EMPLOYER, life.now)["hold_msat"] == life.task.hold_amount
    assert life.task.hold_amount == sats(50_000 + 250) + BUDGET, "the whole, as long as nothing is approved"
    life.approve()
    share, fee = sats(12_500 - 62), sats(125)
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    assert life.task.hold_amount == life.task.fundings[-1].amount == share + fee + BUDGET
    for who, amount in ((EMPLOYER, life.task.hold_amount), (WORKER, share)):
        assert life.told(Told.AWAITING_PAYMENT, who)[-1].facts["amount_msat"] == amount
    covered(life)
    card = life.told(Told.INVOICE, EMPLOYER)[-1].facts
    assert (card["net_msat"], card["service_fee_msat"], card["budget_msat"]) == (share, fee, BUDGET)
    assert card["amount_msat"] == card["hold_msat"] == share + fee + BUDGET
    settled(life)
    assert life.stands == "Paid:RELEASED"
    final = life.last(L.SETTLEMENT_COMPLETED).facts
    assert final["payouts"][0]["amount_msat"] == share
    assert (final["credited"], final["insurance_msat"]) == ([], sats(25) + BUDGET - 1000)
    assert adds_up(life)


def test_all_hours_are_a_fixed_price_to_the_msat() -> None:
    ends = []
    for life in (later("40", policy=FEES), builders.handed_in(policy=FEES)):
        life.approve()
        settled(covered(life))
        ends.append((life.task.fundings[-1].amount, life.task.fee, life.task.insurance, life.task.credits))
    assert ends[0] == ends[1]


def test_the_newest_hours_count() -> None:
    life = later("10", on_reject="revise")
    life.reject()
    life.did(named(life, "30"))
    life.did(delivered(life))
    life.reach(Told.PROOF_ARRIVED)
    life.wait(60)
    life.did(delivered(life, hours="20"))
    life.reach(Told.PROOF_ARRIVED)
    life.wait(60)
    assert life.refuses(life.said(WORKER, life.command("hours", hours="5"))) == Refused.WRONG_STATE
    life.approve()
    assert life.task.hold_amount == sats(25_000) + BUDGET
    settled(covered(life))
    assert (life.stands, life.task.credits) == ("Paid:RELEASED", ())


@pytest.mark.parametrize("hours", ["40.01", "0.0001", "41"])
def test_the_cap_is_the_cap(hours: str) -> None:
    life = builders.started(**HOURS)
    with pytest.raises((AssertionError, ValueError)):
        life.say(WORKER, life.command("submit", hours=hours))


def test_silence_asks_for_the_delivered_hours() -> None:
    life = later().reach()
    life.until(life.task.current.review_until).ticks()
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    assert life.task.hold_amount == sats(12_500) + BUDGET
    settled(covered(life))
    assert life.stands == "Paid:RELEASED"


@pytest.mark.parametrize(
    ("start", "percent", "share"),
    [
        (builders.started, 50, 25_000), (later, 50, 6_250), (later, 1, 125), (later, 100, 12_500), (builders.started, 100, 50_000),
        (lambda **given: _at_odds(**given), 50, 6_250), (lambda **given: _at_odds(**given), 100, 12_500),
    ],
)  # fmt: skip
def test_an_agreed_share_is_of_what_the_hours_come_to(start: Callable[..., Life], percent: int, share: int) -> None:
    life = start(**HOURS).agree(percent)
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    assert life.task.hold_amount == sats(share) + BUDGET
    settled(covered(life))
    spare = BUDGET - 1000  # what was not needed of the budget is change where it was a share, and insurance else
    assert (life.task.credit(EMPLOYER), life.task.insurance) == ((0, spare) if percent == 100 else (spare, 0))
    assert adds_up(life)


def _at_odds(**given: Any) -> Life:
    life = later(**given)
    life.dispute()
    return life


@pytest.mark.parametrize(("deliver", "share"), [(True, 12_500), (False, 50_000)])
def test_an_approval_in_a_dispute(deliver: bool, share: int) -> None:
    life = later() if deliver else builders.started(**HOURS)
    life.dispute()
    life.approve()
    assert life.task.hold_amount == sats(share) + BUDGET
    settled(covered(life))
    assert (life.stands, life.task.credit(EMPLOYER)) == ("Paid:RELEASED", 0)
    assert adds_up(life)


@pytest.mark.parametrize(("percent", "share"), [(40, 5_000), (100, 12_500)])
def test_a_dispute_about_what_is_paid_for_gives_back_what_is_not_shared(percent: int, share: int) -> None:
    """The employer has paid for ten hours; the worker disputes, and both agree on a part of them."""
    life = later()
    life.approve()
    covered(life)
    life.dispute()
    life.agree(percent)
    settled(life)
    assert life.stands == "Paid:RELEASED"
    assert life.task.credit(EMPLOYER) == (sats(12_500 - share) + BUDGET - 1000 if percent < 100 else 0)
    assert adds_up(life)


def test_a_destination_is_over_what_the_hours_come_to() -> None:
    """Named after the delivery it is paid at once; one from before it is over the whole, and another one is asked for."""
    for when in ("delivered", "approved"):
        life = later()
        if when == "approved":
            life.approve()
        for amount in (50_000, 12_501):
            wrong = invoice("wrong", sats(amount), life.time, expiry=90 * 86400)
            assert life.refuses(life.said(WORKER, life.command("payout", destination=wrong))) == "amount_mismatch"
        right = invoice("right", sats(12_500), life.time, expiry=90 * 86400)
        life.say(WORKER, life.command("payout", destination=right))
        if when == "delivered":
            life.approve()
        covered(life)
        assert life.share.ordered
    early = builders.started(**HOURS)
    early.say(
        WORKER, early.command("payout", destination=invoice("early", sats(50_000), early.time, expiry=90 * 86400))
    )
    early.say(WORKER, early.command("submit", hours="10"))
    early.approve()
    covered(early)
    assert not early.share.invoice, "that was over the whole"
    assert early.told(Told.APPROVED)[-1].facts["needs_destination"]


def test_what_is_not_paid_for_is_named_to_the_msat() -> None:
    life = later()
    life.approve()
    life.make()
    life.see(H.CANCELLED)
    life.until(life.time - life.now.deaf + PAY_WINDOW).ticks()
    assert life.stands == "Expired:APPROVED"
    facts = life.last(L.PAYMENT_MISSED).facts
    assert (facts["mark"], facts["due_msat"]) == (EMPLOYER, sats(12_500) + BUDGET)
    assert life.told(Told.EXPIRED, WORKER)[-1].facts["unpaid_msat"] == sats(12_500)


def test_a_worker_who_cannot_be_paid_has_his_hours_in_his_account() -> None:
    life = later(policy=FEES)
    life.approve()
    covered(life)
    life.to_height(life.task.settle_height).ticks()
    life.see(H.SETTLED)
    assert life.task.credit(WORKER) == sats(12_438) + BUDGET
    assert life.task.credit(EMPLOYER) == 0
    assert adds_up(life)


def test_another_worker_begins_anew() -> None:
    life = later()
    life.say(WORKER, life.command("abandon"))
    assert (life.stands, life.task.current.delivered_hours) == ("Draft:PENDING", 0)
    assert not life.task.asks_for_due


def test_the_rate_is_frozen_with_the_invoice() -> None:
    """Ten of forty hours are a quarter of the price, whatever that comes to when it is approved."""
    terms: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": "100.00", "cap": 40}
    life = builders.accepted(**builders.RUPEES, **builders.LATER, **terms)
    life.say(EMPLOYER, life.command("select", structure="full"))
    life.say(WORKER, life.command("submit", hours="10"))
    life.market = Decimal(4_000_000)  # a rupee is worth twice as much
    life.approve()
    life.make()
    facts = life.last(L.INVOICE_CREATED).facts
    assert (facts["price"], facts["reward_msat"], facts["budget_msat"]) == ("4000.00", sats(100_000), sats(1_000))
    assert facts["amount_msat"] == life.task.hold_amount == sats(25_000 + 1_000)
    life.see(H.CANCELLED)
    life.market = Decimal(8_000_000)
    life.fund()
    life.make()
    assert life.task.hold_amount == life.last(L.INVOICE_CREATED).facts["amount_msat"] == sats(12_500) + BUDGET
    life.see(H.HELD)
    settled(life)
    assert (life.stands, life.task.credits) == ("Paid:RELEASED", ())


# ---------------------------------------------------------------------- milestones


def test_each_milestone_is_paid_for_by_its_own_hours() -> None:
    life = builders.cut_later(**HOURS)
    assert (life.stands, life.task.most_hours) == ("Claimed:IN_PROGRESS", 1600)
    for number, (hours, sat, budget) in enumerate((("4", 5_000, 200), ("8", 10_000, 100), ("0.5", 625, 200)), 1):
        life.say(WORKER, life.command("submit", hours=hours))
        life.reach(Told.PROOF_ARRIVED)
        life.wait(60)
        life.approve()
        assert life.task.hold_amount == sats(sat + budget)
        covered(life)
        life.payout(f"part {number}")
        life.leave()
        life.pay(PS.COMPLETE)
        life.see(H.SETTLED)
    assert (life.stands, life.task.credits) == ("Paid:RELEASED", ())
    assert [each.came for each in life.task.milestones[:2]] == [sats(5_200), sats(10_100)]
    assert life.told(Told.PROJECT_COMPLETED, EMPLOYER)[-1].facts["total_msat"] == sats(15_625)


def test_a_plan_may_say_so_where_the_task_did_not() -> None:
    life = builders.hired(**HOURS)
    life.say(EMPLOYER, life.command("milestones", milestones=builders.parts(*builders.PARTS), funding="on_approval"))
    proposal = life.task.proposal
    assert proposal is not None
    life.say(WORKER, life.command("agree", plan=proposal.hash))
    assert (life.stands, life.task.on_approval) == ("Claimed:IN_PROGRESS", True)


# ---------------------------------------------------------------------- for all of them


@settings(deadline=None)
@given(
    rate=st.integers(1, 5_000), cap=st.integers(1, 200), part=st.fractions(0, 1), percent=st.integers(1, 100),
    routing=st.integers(0, 30_000), payer=st.sampled_from(Payer), ppm=st.sampled_from((0, 777, 50_000)),
)  # fmt: skip
def test_for_every_rate_cap_hours_and_percentage_exactly_what_is_due_is_asked_for(
    rate: int, cap: int, part: Fraction, percent: int, routing: int, payer: Payer, ppm: int
) -> None:
    fees = Fees(ppm=ppm, minimum=sats(3) if ppm else Msat(0), payer=payer, insurance_percent=10)
    policy = dataclasses.replace(POLICY, min_reward=sats(10), fees=fees, max_reward=sats(10_000_000))
    if rate * cap < 10:
        return
    hours = max(1, int(part * cap * 100))
    life = builders.started(policy=policy, reward=sats(rate * cap), payment_type="HOURLY_RATE", rate=rate, cap=cap)
    task, f = life.task, Fraction(hours, cap * 100)
    whole, bears, fee = (
        int(each * f) // 1000 * 1000 for each in (task.reward, fees.of_worker(task.reward), task.service_fee)
    )
    text = f"{hours // 100}.{hours % 100:02}"
    if whole == bears:
        assert life.refuses(delivered(life, hours=text)) == Refused.BAD_HOURS
        return
    life.did(delivered(life, hours=text))
    life.agree(percent)
    cut = [amount if percent == 100 else amount * percent // 100_000 * 1000 for amount in (whole, bears, fee)]
    if cut[0] == cut[1]:
        assert life.stands == "Refunded:SUBMITTED"
        return
    assert life.task.hold_amount == cut[0] - cut[1] + cut[2] + task.budget
    covered(life)
    life.payout("hours")
    life.leave()
    routed = Msat(min(routing, task.budget))
    life.pay(PS.COMPLETE, fee=routed)
    life.see(H.SETTLED)
    spare = task.budget - routed
    insured = fees.insured(Msat(cut[2]))
    assert life.task.credit(EMPLOYER) == (0 if percent == 100 else spare)
    assert life.task.insurance == insured + (spare if percent == 100 else 0)
    assert adds_up(life)
