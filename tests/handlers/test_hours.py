"""Work that is paid by the hour, to the msat: what is agreed, what is delivered, what it comes to, and what goes back."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import answers, plan
from handlers.check import Broken, check
from handlers.fees import Fees
from handlers.hours import Hourly
from kinds.codes import BadWord, Refused, Told
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import LogType, Payer
from kinds.task import offer
from kinds.units import Msat, sats
from tests.handlers import builders
from tests.handlers.builders import HOURS, settled, worked
from tests.handlers.life import EMPLOYER, POLICY, STRANGER, WORKER, Life, invoice

H, PS = HoldStatus, PaymentStatus
FEE = Fees(ppm=10_000, minimum=sats(100), payer=Payer.SPLIT, insurance_percent=20)


def named(life: Life, hours: str, by: Any = WORKER, **how: Any) -> Any:
    return life.said(by, life.command("hours", hours=hours), **how)


def delivered(life: Life, **fields: Any) -> Any:
    return life.said(WORKER, life.command("submit", **{"hours": None} | fields))


def adds_up(life: Life) -> bool:
    """The hold is what the worker got and what that cost, what is credited, and what the house keeps."""
    task = life.task
    paid = sum(each.amount + each.fee for each in task.payouts if each.state == "complete")
    came = sum(each.amount for each in task.fundings if each.preimage)
    return came == paid + sum(each.amount for each in task.credits) + task.fee + task.insurance


# ---------------------------------------------------------------------- what is agreed


def test_the_reward_is_rate_times_cap_and_all_of_it_is_held() -> None:
    life = builders.funded(**HOURS)
    task = life.task
    assert (task.reward, task.terms.hourly) == (sats(50_000), Hourly(rate=1_250, cap=40))
    assert life.hold.amount == task.hold_amount == sats(50_500)
    facts = life.last(LogType.TASK_CREATED).facts
    assert (facts["payment_type"], facts["hourly_rate"], facts["hours_cap"]) == ("HOURLY_RATE", "1250", 40)
    assert "hourly_unit" not in facts


def test_a_price_in_a_currency() -> None:
    terms: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": "100.00", "cap": 40}
    life = builders.draft(**builders.RUPEES, **terms)
    assert life.task.reward == sats(50_000)
    assert life.last(LogType.TASK_CREATED).facts["hourly_rate"] == "100.00"
    assert answers.status(life.task, WORKER, life.now)["hourly_unit"] == "INR"


BAD_RATES: list[Any] = [0, -1, 1.5, True, None, "", "0", "-5", "1e3", "NaN", "\u0661\u0662", "1,5", " 5", [], 10**30]
BAD_CAPS: list[Any] = [0, -1, 1.5, True, None, "10", 10_001, 10**30, float("nan"), []]
WORDS: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": 100, "cap": 10}


@pytest.mark.parametrize("amount", ["", "1000", 1000])
def test_the_amount_may_be_left_out(amount: str | int) -> None:
    found = offer("Work", amount, 2_000_000_000, WORDS)
    assert (found.reward, found.hour_rate, found.cap) == (sats(1_000), 100, 10)


@pytest.mark.parametrize(
    ("amount", "currency", "words", "code"),
    [
        ("999", "sats", {}, "bad_amount"), ("1001", "sats", {}, "bad_amount"), ("0", "sats", {}, "bad_amount"),
        ("", "INR", {"rate": "12.555"}, "bad_field"), ("", "JPY", {"rate": "1.5"}, "bad_field"),
        ("", "XXX", {}, "bad_field"), ("", "sats", {"rate": "1.5"}, "bad_field"),
        ("", "INR", {"rate": 10**13}, "bad_field"), ("", "INR", {"rate": 9 * 10**12, "cap": 10_000}, "bad_amount"),
        ("", "sats", {"rate": 21_000_000 * 10**8}, "bad_amount"),
        *(("", "sats", {"rate": bad}, "bad_field") for bad in BAD_RATES),
        *(("", "sats", {"cap": bad}, "bad_field") for bad in BAD_CAPS),
        ("", "sats", {"payment_type": "FIXED_PRICE"}, "bad_field"),
        ("", "sats", {"payment_type": "MILESTONE"}, "bad_field"),
        ("1000", "sats", {"payment_type": "FIXED_PRICE", "rate": None}, "bad_field"),
    ],
)  # fmt: skip
def test_terms_that_do_not_go_together(amount: str, currency: str, words: dict[str, Any], code: str) -> None:
    with pytest.raises(BadWord) as caught:
        offer("Work", amount, 2_000_000_000, WORDS | words, currency)
    assert caught.value.code == code, caught.value.facts


def test_without_hours_an_amount_is_needed() -> None:
    with pytest.raises(BadWord) as caught:
        offer("Work", "", 2_000_000_000, {})
    assert caught.value.code == "bad_amount"


def test_the_limits_of_rewards_are_those_of_the_whole() -> None:
    for rate, cap in ((9, 11), (1_000_001, 1)):
        with pytest.raises(AssertionError, match=r"below_minimum|above_maximum"):
            builders.draft(reward=sats(rate * cap), payment_type="HOURLY_RATE", rate=rate, cap=cap)


# ---------------------------------------------------------------------- how many hours


def test_hours_are_named_before_the_delivery_and_the_last_word_counts() -> None:
    life = builders.claimed(**HOURS)
    assert life.refuses(delivered(life)) == Refused.HOURS_NEEDED
    for hours in ("40", "12.5"):
        life.did(named(life, hours))
    (_, noted) = life.told(Told.HOURS_NOTED, WORKER)
    assert (noted.facts["hours"], noted.facts["most"], noted.facts["amount_msat"]) == (1250, 4000, sats(15_625))
    assert answers.status(life.task, WORKER, life.now)["hours_named"] == 1250
    assert "hours_named" not in answers.status(life.task, EMPLOYER, life.now)
    life.did(delivered(life))
    facts = life.last(LogType.PROOF_SUBMITTED).facts
    assert facts["hours"] == 1250
    (card,) = life.told(Told.PROOF_ARRIVED, EMPLOYER)
    assert (card.facts["hours"], card.facts["amount_msat"]) == (1250, sats(15_625))
    shown = answers.status(life.task, EMPLOYER, life.now)
    assert (shown["hours"], shown["amount_msat"], shown["most"]) == (1250, sats(15_625), 4000)
    assert life.refuses(named(life, "20")) == Refused.WRONG_STATE


def test_hours_in_the_delivery_itself_count_before_those_that_were_named() -> None:
    life = builders.claimed(**HOURS)
    life.did(named(life, "40"))
    life.did(delivered(life, hours="3"))
    assert life.task.current.delivered_hours == life.task.current.hours == 300


def test_after_a_rejection_they_may_be_named_anew_or_left() -> None:
    for again, wanted in (("", 1000), ("8", 800)):
        life = worked("10", on_reject="revise")
        life.reject()
        assert "hours" in answers.status(life.task, WORKER, life.now)["may"]
        if again:
            life.did(named(life, again))
        life.did(delivered(life))
        assert life.task.current.delivered_hours == wanted


def test_who_may_name_hours_and_when() -> None:
    life = builders.claimed(**HOURS)
    for who in (EMPLOYER, STRANGER):
        assert life.refuses(named(life, "1", who)) == Refused.NOT_YOUR_TASK
    assert life.refuses(named(life, "1", signed=True)) == Refused.BAD_USAGE
    fixed = builders.claimed()
    assert fixed.refuses(named(fixed, "1")) == fixed.refuses(delivered(fixed, hours="1")) == Refused.NOT_HOURLY
    for late in (worked("1"), builders.disputed(**HOURS), builders.verified(**HOURS), builders.paid(**HOURS)):
        assert late.refuses(named(late, "1")) == Refused.WRONG_STATE
    waiting = builders.claimed(policy=dataclasses.replace(POLICY, fetch=True), **HOURS)
    waiting.did(delivered(waiting, hours="2"))
    assert waiting.refuses(named(waiting, "1")) == Refused.WRONG_STATE


@pytest.mark.parametrize("hours", ["40.01", "41", "99999.99"])
def test_hours_above_the_cap_are_refused(hours: str) -> None:
    life = builders.claimed(**HOURS)
    assert life.refuses(named(life, hours)) == life.refuses(delivered(life, hours=hours)) == Refused.BAD_HOURS


def test_hours_that_come_to_nothing_are_refused() -> None:
    life = builders.claimed(reward=sats(100), payment_type="HOURLY_RATE", rate=10, cap=10)
    assert life.refuses(named(life, "0.09")) == Refused.BAD_HOURS
    life.did(named(life, "0.1"))
    assert life.told(Told.HOURS_NOTED)[-1].facts["amount_msat"] == sats(1)


def test_where_only_signatures_count_the_hours_stand_in_the_signed_delivery() -> None:
    life = builders.draft(min_evidence="signed", **HOURS)
    life.say(EMPLOYER, life.command("fund"), signed=True)
    life.make()
    life.see(H.HELD)
    life.say(WORKER, life.command("claim"), signed=True)
    assert life.refuses(named(life, "5")) == Refused.HOURS_NEEDED
    assert life.refuses(life.said(WORKER, life.command("submit", hours=None), signed=True)) == Refused.HOURS_NEEDED
    life.say(WORKER, life.command("submit", hours="5"), signed=True)
    assert life.task.current.delivered_hours == 500


def test_another_worker_begins_with_no_hours() -> None:
    life = worked("10")
    life.say(WORKER, life.command("abandon"))
    life.claim(STRANGER)
    assert life.task.current.hours == life.task.current.delivered_hours == 0


# ---------------------------------------------------------------------- what they come to


def test_fewer_hours_are_that_part_and_the_rest_goes_back() -> None:
    life = worked("10", policy=dataclasses.replace(POLICY, fees=FEE))
    life.approve()
    assert life.told(Told.APPROVAL_NOTED)[-1].facts["amount_msat"] == life.share.amount
    task = life.task
    assert (task.service_fee, task.terms.fees.of_worker(task.reward)) == (sats(500), sats(250))
    assert life.share.amount == sats(12_500 - 62)
    settled(life)
    assert life.stands == "Paid:RELEASED"
    done = life.last(LogType.SETTLEMENT_COMPLETED).facts
    assert (done["fee_msat"], done["insurance_msat"], done["percent"]) == (sats(100), sats(25), 100)
    assert life.task.credit(EMPLOYER) == life.hold.amount - sats(12_438) - 1000 - sats(125)
    assert life.told(Told.CHANGE_OWED, EMPLOYER)
    assert adds_up(life)


def test_all_hours_are_a_fixed_price_to_the_msat() -> None:
    policy = dataclasses.replace(POLICY, fees=FEE)
    ends = []
    for life in (worked("40", policy=policy), worked("40.00", policy=policy), builders.submitted(policy=policy)):
        life.approve()
        settled(life)
        task = life.task
        ends.append(
            (life.share.amount, task.fee, task.insurance, task.credits, life.last(LogType.SETTLEMENT_COMPLETED).facts)
        )
    assert ends[0] == ends[1] == ends[2]
    assert ends[0][3] == ()


def test_silence_pays_the_delivered_hours() -> None:
    life = worked("10").reach()
    life.until(life.task.current.review_until).ticks()
    assert life.share.amount == sats(12_500)
    assert life.told(Told.APPROVAL_NOTED)[-1].facts["amount_msat"] == sats(12_500)


@pytest.mark.parametrize(("deliver", "percent", "share"), [(True, 50, 6_250), (False, 50, 25_000), (True, 100, 12_500)])
def test_a_percentage_is_of_the_delivered_hours_or_of_the_whole(deliver: bool, percent: int, share: int) -> None:
    life = worked("10") if deliver else builders.claimed(**HOURS)
    life.agree(percent)
    assert life.told(Told.CANCEL_OFFERED)[-1].facts["share_msat"] == life.share.amount == sats(share)
    assert adds_up(settled(life))
    assert life.task.insurance == 0


@pytest.mark.parametrize(("deliver", "share"), [(True, 12_500), (False, 50_000)])
def test_an_approval_in_a_dispute(deliver: bool, share: int) -> None:
    life = worked("10") if deliver else builders.claimed(**HOURS)
    life.did(named(life, "20")) if not deliver else None
    life.dispute()
    life.approve()
    assert life.share.amount == sats(share)
    assert adds_up(settled(life))


def test_an_offer_to_end_it_does_not_outlive_other_hours() -> None:
    life = worked("10")
    life.cancel(EMPLOYER, 50)
    life.wait(60)
    life.did(delivered(life, hours="40"))
    assert life.told(Told.PROOF_ARRIVED)[-1].facts["offers_dropped"]
    life.cancel(WORKER, 50)
    assert life.stands == "Claimed:SUBMITTED", "half of what ten hours come to is not half of forty"


def test_a_destination_is_asked_for_over_what_the_hours_come_to() -> None:
    life = worked("10")
    assert (
        life.refuses(life.said(WORKER, life.command("payout", destination=_invoice(life, 50_000)))) == "amount_mismatch"
    )
    life.say(WORKER, life.command("payout", destination=_invoice(life, 12_500)))
    life.approve()
    assert life.share.invoice
    early = builders.worked("10", lambda **given: builders.claimed(True, **given))
    early.approve()
    assert not early.share.invoice, "that was over the whole"
    assert early.told(Told.APPROVED)[-1].facts["needs_destination"]


def _invoice(life: Life, sat: int) -> str:
    return invoice("hours", sats(sat), life.time)


@pytest.mark.parametrize("start", ["margin", "books", "lost"])
def test_other_ends_know_the_hours(start: str) -> None:
    match start:
        case "margin":  # the worker could not be paid in time
            life = worked("10")
            life.approve()
            life.to_height(life.task.settle_height).ticks()
            life.see(H.SETTLED)
            assert life.task.credit(WORKER) == sats(12_500) + life.task.budget
            assert life.task.credit(EMPLOYER) == sats(37_500)
        case "books":
            life = worked("10", lambda **given: builders.in_books(**given))
            life.approve()
            life.payout("hours")
            life.leave()
            life.pay(PS.COMPLETE)
            assert life.stands == "Paid:RELEASED"
        case _:
            life = worked("10")
            life.approve()
            life.payout("hours")
            life.leave()
            life.pay(PS.IN_FLIGHT)
            life.see(H.CANCELLED)
            life.pay(PS.COMPLETE)
            assert life.told(Told.PAID_EMPLOYER)[-1].facts["amount_msat"] == sats(12_500)
            return
    assert adds_up(life)


# ---------------------------------------------------------------------- milestones


def hourly_project(**given: Any) -> Life:
    """Three milestones of 20, 10 and 20 thousand sats, at 1,250 an hour; the money of the first is held."""
    return builders.begun(**HOURS | given)


def test_a_milestone_has_room_for_its_own_amount() -> None:
    life = hourly_project()
    assert life.task.most_hours == 1600
    assert life.refuses(named(life, "16.01")) == Refused.BAD_HOURS
    life.did(named(life, "4"))
    life.did(delivered(life))
    life.approve()
    assert life.share.amount == sats(5_000)
    settled(life)
    assert life.stands == "Draft:PENDING"
    first = life.task.milestones[0]
    assert (first.share, life.task.credit(EMPLOYER)) == (sats(5_000), first.came - first.share - first.routing)
    assert life.task.current.hours == 0
    shown = answers.status(life.task, WORKER, life.now)
    assert [each["hours"] for each in shown["milestones"]] == [400, None, None]
    for _ in range(2):
        life.fund()
        life.make()
        life.see(H.HELD)
        life.say(WORKER, life.command("submit", hours="2"))
        life.reach(Told.PROOF_ARRIVED)
        life.wait(60)
        life.approve()
        life.payout(f"part {life.task.at}")
        life.leave()
        life.pay(PS.COMPLETE)
        life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    assert life.told(Told.PROJECT_COMPLETED, EMPLOYER)[-1].facts["total_msat"] == sats(5_000 + 2 * 2_500)


def test_both_are_shown_that_it_is_paid_by_the_hour() -> None:
    life = builders.hired(**HOURS)
    facts = life.told(Told.OPTIONS, WORKER)[-1].facts
    assert (facts["recommended"], facts["hourly_rate"], facts["hours_cap"]) == ("HOURLY_RATE", "1250", 40)
    assert plan.options(life.task, POLICY)["selected"] is None


def test_milestones_may_stand_in_the_offer() -> None:
    parts = builders.parts((20_000, 20), (30_000, 60))
    terms: dict[str, Any] = HOURS | {"milestones": parts, "on_hold_end": "rollover then ledger"}
    life = builders.claimed(deadline=80 * 86400, policy=builders.BOOKS, **terms)
    assert (life.task.terms.on_reject, life.task.most_hours) == ("revise", 1600)


def test_a_milestone_with_no_room_for_work_is_refused() -> None:
    life = builders.hired(reward=sats(300_000), payment_type="HOURLY_RATE", rate=150_000, cap=2)
    tiny = builders.parts((1_000, 20), (299_000, 60))
    assert life.refuses(life.said(WORKER, life.command("milestones", milestones=tiny))) == "bad_plan"


# ---------------------------------------------------------------------- for all of them


@settings(deadline=None)
@given(
    rate=st.integers(1, 5_000), cap=st.integers(1, 200), part=st.fractions(0, 1), percent=st.integers(1, 100),
    routing=st.integers(0, 30_000), payer=st.sampled_from(Payer), ppm=st.sampled_from((0, 777, 50_000)),
)  # fmt: skip
def test_for_every_rate_cap_hours_and_percentage_the_hold_is_accounted_for(
    rate: int, cap: int, part: Fraction, percent: int, routing: int, payer: Payer, ppm: int
) -> None:
    fees = Fees(ppm=ppm, minimum=sats(3) if ppm else Msat(0), payer=payer, insurance_percent=10)
    policy = dataclasses.replace(POLICY, min_reward=sats(10), fees=fees, max_reward=sats(10_000_000))
    if rate * cap < 10:
        return
    hours = max(1, int(part * cap * 100))
    life = builders.claimed(policy=policy, reward=sats(rate * cap), payment_type="HOURLY_RATE", rate=rate, cap=cap)
    task = life.task
    f = Fraction(hours, cap * 100)
    whole, bears = int(task.reward * f) // 1000 * 1000, int(fees.of_worker(task.reward) * f) // 1000 * 1000
    if whole == bears:
        assert life.refuses(delivered(life, hours=f"{hours // 100}.{hours % 100:02}")) == Refused.BAD_HOURS
        return
    life.did(delivered(life, hours=f"{hours // 100}.{hours % 100:02}"))
    life.agree(percent)
    cut = [amount if percent == 100 else amount * percent // 100_000 * 1000 for amount in (whole, bears)]
    if cut[0] == cut[1]:
        assert life.stands == "Claimed/refunding:SUBMITTED"
        return
    share, due = life.share.amount, life.task.fee_due
    assert share == cut[0] - cut[1] <= task.net
    assert due <= task.service_fee
    life.payout("hours")
    life.leave()
    routed = Msat(min(routing, task.budget))
    life.pay(PS.COMPLETE, fee=routed)
    life.see(H.SETTLED)
    change = life.task.credit(EMPLOYER)
    insurance = 0 if percent != 100 or hours != cap * 100 else task.budget - routed
    assert task.hold_amount == share + routed + due + change + insurance
    assert (change == 0) == (insurance > 0 or life.task.takes_all)
    assert adds_up(life)


@settings(deadline=None)
@given(
    price=st.integers(1, 10**14), rate=st.integers(1, 10**12), whole=st.integers(1, 10**12), hours=st.integers(1, 10**6)
)
def test_the_arithmetic_is_exact(price: int, rate: int, whole: int, hours: int) -> None:
    hourly, amount = Hourly(rate=rate, cap=1), Msat(whole * 1000)
    most = hourly.most(price)
    assert most * rate <= price * 100 < (most + 1) * rate
    if 0 < hours <= most:
        exact = Fraction(amount * hours * rate, price * 100)
        found = hourly.part(amount, hours, price)
        assert 0 <= exact - found < 1000
        assert found % 1000 == 0
        assert found <= amount


@settings(deadline=None)
@given(
    rupees=st.integers(1_000, 900_000),
    cap=st.integers(1, 60),
    market=st.integers(1_000_000, 9_000_000),
    part=st.fractions(0, 1),
)
def test_in_a_currency_the_frozen_rate_decides(rupees: int, cap: int, market: int, part: Fraction) -> None:
    rate = f"{rupees // cap // 100}.{rupees // cap % 100:02}"
    terms: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": rate, "cap": cap}
    policy = dataclasses.replace(POLICY, max_reward=sats(100_000_000))
    whole = rupees // cap * cap
    price = f"{whole // 100}.{whole % 100:02}"
    if not whole:
        return
    life = builders.claimed(policy=policy, rupees=price, market=Decimal(market) + Decimal("0.07"), **terms)
    hours = max(1, int(part * cap * 100))
    if life.task.reward * hours // (cap * 100) < 1000:
        assert life.refuses(delivered(life, hours=f"{hours // 100}.{hours % 100:02}")) == Refused.BAD_HOURS
        return
    life.did(delivered(life, hours=f"{hours // 100}.{hours % 100:02}"))
    assert life.task.share_amount == life.task.reward * hours // (cap * 100) // 1000 * 1000
    life.approve()
    assert adds_up(settled(life))


@pytest.mark.parametrize("hours", [0, 4001, -1])
def test_no_other_hours_are_ever_stored(hours: int) -> None:
    task = worked("10").task
    proof = task.current.proof
    assert proof is not None
    with pytest.raises(Broken, match="hundredths"):
        check(task.with_milestone(proof=dataclasses.replace(proof, hours=hours)))
    fixed = builders.submitted().task
    proof = fixed.current.proof
    assert proof is not None
    with pytest.raises(Broken, match="hundredths"):
        check(fixed.with_milestone(proof=dataclasses.replace(proof, hours=100)))
