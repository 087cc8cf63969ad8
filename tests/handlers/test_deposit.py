"""Money ahead: which milestones it covers, what its holds come to, and what becomes of them, to the msat."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest

from handlers.decision import CancelHold, MakeHold
from handlers.policy import DAY
from handlers.task import Funding
from kinds.codes import Told
from kinds.inputs import HoldMade
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import FundingState
from kinds.units import Secret, sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, NODE_KEY, POLICY, STRANGER, WORKER, Life, invoice

H, PS = HoldStatus, PaymentStatus
LARGE = dataclasses.replace(POLICY, deposit_above=sats(3_000), deposit_above_price=3_000)
PARTS = ((5_000, 20), (8_000, 40), (5_000, 60), (2_000, 75))  # the module's example, in sats


def example(**given: Any) -> Life:
    """The module's four milestones, agreed on, paid on approval: the work on the first has begun."""
    terms: dict[str, Any] = {"policy": LARGE, "sizes": PARTS, "reward": sats(20_000)}
    return builders.cut_later(**terms | given)


def answer(life: Life, answer: str = "accept", by: str = EMPLOYER) -> Any:
    return life.said(by, life.command("deposit", answer=answer))  # type: ignore[arg-type]


def make_all(life: Life) -> list[Funding]:
    """The node makes every invoice that was ordered and is not there yet."""
    for wish in life.ordered(MakeHold):
        funding = life.task.funding(wish.ref)
        if funding and funding.state is FundingState.MAKING:
            words = invoice(wish.ref, wish.amount, life.time, expiry=wish.expiry, final_cltv=wish.cltv, key=NODE_KEY)
            view = life.hold_view(H.OPEN, funding, invoice=Secret(words), expires_at=life.time + wish.expiry)
            life.did(HoldMade(wish.ref, view, wish.expiry))
    return [f for f in life.task.fundings if f.covers]


def locked(**given: Any) -> Life:
    """The deposit is held."""
    life = example(**given)
    life.did(answer(life))
    for cover in make_all(life):
        life.see(H.HELD, life.task.funding(cover.ref))
    return life


def pay(life: Life) -> Life:
    """The milestone under way is delivered, approved, paid for as far as it is not, and paid out."""
    life.submit()
    seen = life.task.current.proof
    if seen and seen.number > 1:
        life.reach(Told.PROOF_ARRIVED)
        life.wait(60)
    life.approve()
    if life.task.awaits_payment:
        life.make()
        life.see(H.HELD)
    return pay_out(life)


def pay_out(life: Life) -> Life:
    life.payout(f"share {life.task.at}")
    life.leave()
    life.pay(PS.COMPLETE)
    for each in life.task.holds:
        life.see(H.SETTLED, life.task.funding(each.ref))
    return life


def amounts(life: Life) -> dict[int, int]:
    return {f.milestone: f.amount // 1000 for f in life.task.fundings if f.covers}


# ---------------------------------------------------------------------- what it covers


def test_the_suggestion_comes_with_the_work_and_only_above_the_threshold() -> None:
    life = example()
    told = life.told(Told.DEPOSIT_OFFERED)
    assert [(say.to, say.facts["percent"], say.facts["deposit_msat"]) for say in told] == [(EMPLOYER, 25, sats(5_000))]
    assert (life.types[-1], life.lines[-1].by, life.lines[-1].facts) == (
        "deposit.offered", "clock", {"percent": 25, "price": "5000"},
    )  # fmt: skip
    quiet = example(policy=dataclasses.replace(LARGE, deposit_above=sats(20_000)))
    assert not quiet.told(Told.DEPOSIT_OFFERED)
    asked = example(policy=dataclasses.replace(LARGE, deposit_above=sats(20_000)), deposit_percent=10)
    assert asked.told(Told.DEPOSIT_OFFERED)[0].facts["deposit_msat"] == sats(2_000)


def test_the_covers_of_the_example_to_the_msat() -> None:
    """5,000 of 5/8/5/2 thousand: all of the fourth with what sending it may cost, and 3,000 of the third."""
    life = example()
    life.did(answer(life))
    assert life.last_facts("deposit.accepted")["covers"] == [
        {"milestone": 3, "price": "3000"},
        {"milestone": 4, "price": "2000"},
    ]
    budget = life.task.milestones[3].budget // 1000
    assert amounts(life) == {3: 3_000, 4: 2_000 + budget}
    assert life.stands == "Claimed:IN_PROGRESS"


@pytest.mark.parametrize(
    ("sizes", "percent", "covers"),
    [
        (((5_001, 20), (7_999, 40), (5_003, 60), (1_997, 75)), 25, {3: 3_003, 4: 1_997}),
        (PARTS, 100, {1: 5_000, 2: 8_000, 3: 5_000, 4: 2_000}),
        (PARTS, 10, {4: 2_000}),
        (PARTS, 1, {4: 200}),
        (((10_000, 20), (10_000, 75)), 75, {1: 5_000, 2: 10_000}),
    ],
)
def test_odd_amounts_and_percentages(sizes: Any, percent: int, covers: dict[int, int]) -> None:
    life = example(sizes=sizes, deposit_percent=percent)
    life.did(answer(life))
    assert life.task.deposit
    assert dict(life.task.deposit.parts) == covers
    for number, price in covers.items():
        part = life.task.milestones[number - 1]
        whole = price == part.reward // 1000
        assert amounts(life)[number] == price + (part.budget // 1000 if whole else 0)


def test_a_full_payment_is_covered_in_part() -> None:
    life = builders.started(policy=LARGE)
    assert life.told(Told.DEPOSIT_OFFERED)
    life.did(answer(life))
    (cover,) = make_all(life)
    assert cover.amount == sats(12_500)
    life.see(H.HELD, life.task.funding(cover.ref))
    assert life.task.unfunded
    life.submit()
    life.approve()
    assert life.told(Told.AWAITING_PAYMENT, EMPLOYER)[0].facts["amount_msat"] == sats(38_000)
    life.make()
    assert life.hold.amount == life.task.hold_amount - sats(12_500) == sats(38_000)
    life.see(H.HELD)
    assert len(life.task.holds) == 2
    pay_out(life)
    assert life.stands == "Paid:RELEASED"
    facts = life.last_facts("settlement.completed")
    assert facts["hold_msat"] == sats(50_500)
    assert len(facts["other_holds"]) == 1


def test_the_example_from_end_to_end() -> None:
    life = locked()
    due = []
    for _ in range(4):
        before = len(life.ordered(MakeHold))
        pay(life)
        due += [wish.amount // 1000 for wish in life.ordered(MakeHold)[before:]] or [0]
    budget = [each.budget // 1000 for each in life.task.milestones]
    assert due == [5_000 + budget[0], 8_000 + budget[1], 2_000 + budget[2], 0]
    assert life.stands == "Paid:RELEASED"
    assert "deposit.returned" not in life.types


# ---------------------------------------------------------------------- saying no, and saying it wrongly


def test_a_decline_ends_the_question_and_later_leaves_it_open() -> None:
    life = example()
    life.did(answer(life, "later"))
    pay(life)
    assert len(life.told(Told.DEPOSIT_OFFERED)) == 2
    life.did(answer(life, "decline"))
    assert life.types[-1] == "deposit.declined"
    pay(life)
    assert len(life.told(Told.DEPOSIT_OFFERED)) == 2
    life.did(answer(life))  # he may still change his mind
    assert amounts(life)[4]


def test_who_may_answer_and_when() -> None:
    life = example()
    for who in (WORKER, STRANGER):
        assert life.refuses(answer(life, by=who)) == "not_your_task"
    early = builders.hired(policy=LARGE, on_hold_end="refund", **builders.LATER)
    assert early.refuses(answer(early)) == "no_deposit"
    up_front = builders.claimed(policy=LARGE)
    assert up_front.refuses(answer(up_front)) == "no_deposit"
    over = builders.paid()
    assert over.refuses(answer(over)) == "wrong_state"


def test_accepting_twice_shows_the_same_invoices() -> None:
    life = example()
    life.did(answer(life))
    make_all(life)
    wishes = len(life.ordered(MakeHold))
    life.did(answer(life))
    assert len(life.ordered(MakeHold)) == wishes
    assert len(life.told(Told.DEPOSIT_INVOICE)) == 4
    assert life.types.count("deposit.accepted") == 1


def test_what_has_run_out_is_asked_for_again() -> None:
    life = example()
    life.did(answer(life))
    for cover in make_all(life):
        life.see(H.CANCELLED, life.task.funding(cover.ref))
    assert life.types[-2:] == ["invoice.expired"] * 2
    life.did(answer(life))
    assert [f.milestone for f in life.task.cover_invoices] == [3, 4]


def test_more_than_is_left_covers_what_is_left() -> None:
    """A deposit larger than what remains."""
    life = example(deposit_percent=60)
    for _ in range(2):
        pay(life)
    life.did(answer(life))
    assert life.task.deposit
    assert dict(life.task.deposit.parts) == {3: 5_000, 4: 2_000}


# ---------------------------------------------------------------------- what becomes of it


def returned(life: Life) -> list[tuple[int, str]]:
    return [(line.facts["milestone"], line.facts["reason"]) for line in life.lines if line.type == "deposit.returned"]


def test_it_goes_back_when_the_project_ends_before() -> None:
    life = locked()
    life.agree(0)
    assert life.stands == "Refunded:IN_PROGRESS"
    assert returned(life) == [(3, "over"), (4, "over")]
    assert life.types[-1] == "refund.completed"
    assert {wish.ref for wish in life.ordered(CancelHold)} == {f.ref for f in life.task.fundings if f.covers}
    for cover in [f for f in life.task.fundings if f.covers]:
        life.see(H.CANCELLED, cover)
    assert all(f.state is FundingState.CANCELLED for f in life.task.fundings)


def test_it_goes_back_at_its_last_safe_height_and_the_task_is_the_same() -> None:
    life = locked()
    cover = life.task.covers[0]
    life.to_height(life.task.terms.last_safe(cover.expiry_height)).ticks()
    assert returned(life) == [(3, "hold_end"), (4, "hold_end")]
    assert life.stands == "Claimed:IN_PROGRESS"
    pay(life)
    assert life.stands == "Claimed:IN_PROGRESS"


def test_it_is_renewed_where_the_terms_say_so() -> None:
    life = locked(on_hold_end="rollover then refund")
    old = life.task.covers
    life.to_height(life.task.renews_at(old[0])).ticks()
    make_all(life)
    renewals = [f for f in life.task.fundings if f.replaces]
    assert [f.replaces for f in renewals] == [f.ref for f in old]
    for renewal in renewals:
        life.see(H.HELD, life.task.funding(renewal.ref))
    assert [f.replaces for f in life.task.covers] == [f.ref for f in old]
    assert [life.task.funding(f.ref).goal for f in old] == ["stray", "stray"]  # type: ignore[union-attr]
    assert life.types[-2:] == ["rollover.completed"] * 2
    assert life.stands == "Claimed:IN_PROGRESS"


def test_a_renewal_that_ran_out_is_asked_for_again() -> None:
    life = locked(on_hold_end="rollover then refund")
    old = life.task.covers
    life.to_height(life.task.renews_at(old[0])).ticks()
    make_all(life)
    life.did(answer(life))  # what is open is shown once more
    assert [say.facts["renews"] for say in life.told(Told.DEPOSIT_INVOICE)] == [False, False, *[True] * 4]
    for cover in old:
        life.see(H.CANCELLED, life.task.renewal(cover.ref))
    assert len(life.told(Told.DEPOSIT_EXPIRED)) == 2
    life.ticks()
    assert not any(life.task.renewal(cover.ref) for cover in old)
    life.did(answer(life))
    make_all(life)
    for cover in old:
        life.see(H.HELD, life.task.renewal(cover.ref))
    assert life.types[-2:] == ["rollover.completed"] * 2
    assert {f.replaces for f in life.task.covers} == {f.ref for f in old}


def test_what_is_open_is_shown_though_no_more_is_made_today() -> None:
    life = example(policy=dataclasses.replace(LARGE, quotes_a_day=1))
    life.did(answer(life))
    third, fourth = make_all(life)
    life.see(H.CANCELLED, life.task.funding(third.ref))
    shown = len(life.told(Told.DEPOSIT_INVOICE))
    life.did(answer(life))
    assert [say.facts["milestone"] for say in life.told(Told.DEPOSIT_INVOICE)[shown:]] == [4]
    life.see(H.CANCELLED, life.task.funding(fourth.ref))
    assert life.refuses(answer(life)) == "too_many_quotes"


def test_a_lost_cover_changes_nothing_but_the_deposit() -> None:
    life = locked()
    third, fourth = life.task.covers
    life.see(H.CANCELLED, third)
    assert (life.types[-1], life.stands) == ("hold.lost", "Claimed:IN_PROGRESS")
    assert life.task.covers == (fourth,)
    due = []
    for _ in range(4):
        before = len(life.ordered(MakeHold))
        pay(life)
        due += [wish.amount // 1000 for wish in life.ordered(MakeHold)[before:]] or [0]
    assert due[2:] == [5_000 + life.task.milestones[2].budget // 1000, 0]
    assert life.stands == "Paid:RELEASED"


def test_a_lost_cover_that_is_there_again_goes_back() -> None:
    life = locked()
    third = life.task.covers[0]
    life.see(H.CANCELLED, third)
    life.see(H.HELD, life.task.funding(third.ref))
    assert life.types[-1] == "funding.stray"
    assert [wish.ref for wish in life.ordered(CancelHold)] == [third.ref]


def test_no_proof_gives_the_cover_of_its_milestone_back() -> None:
    life = locked()
    for _ in range(3):
        pay(life)
    assert life.task.hold
    assert not life.task.unfunded
    life.until(life.task.deadline).ticks()
    life.see(H.CANCELLED, life.task.holds[0])
    assert life.task.state
    assert life.task.state.is_final
    assert life.last_facts("refund.started")["reason"] in ("no_proof", "hold_end")


def test_a_worker_who_leaves_leaves_the_deposit() -> None:
    life = locked()
    life.say(WORKER, life.command("abandon"))
    assert len(life.task.covers) == 2
    life.claim(STRANGER)
    assert life.task.milestones[3].covered == 2_000


# ---------------------------------------------------------------------- a price in a currency


def test_of_every_price_in_a_currency_a_deposit_may_be_suggested() -> None:
    every = dataclasses.replace(LARGE, deposit_above_price=0, milestones_above_price=0)
    life = example(policy=every, rupees="20000", market=Decimal(8_000_000))
    assert life.told(Told.DEPOSIT_OFFERED)


def test_each_part_keeps_the_rate_of_its_own_money() -> None:
    """20,000 rupees: 3,000 of the third milestone at the rate of the deposit, 2,000 at that of its approval."""
    sizes = [{"title": f"Part {n}", "amount": price, "due": f"{days}d"} for n, (price, days) in enumerate(PARTS, 1)]
    terms: dict[str, Any] = {"policy": LARGE, "on_hold_end": "refund", "rupees": "20000", "market": Decimal(8_000_000)}
    life = builders.hired(**terms | builders.LATER)
    life.say(EMPLOYER, life.command("milestones", milestones=sizes))
    life.say(WORKER, life.command("agree", plan=life.task.proposal.hash if life.task.proposal else ""))
    life.did(answer(life))
    for cover in make_all(life):
        life.see(H.HELD, life.task.funding(cover.ref))
    assert life.last_facts("deposit.accepted")["price"] == "5000.00"
    assert amounts(life)[3] == 37_500
    life.market = Decimal(5_000_000)  # sats are cheaper now: the rest takes more of them
    pay(life)
    pay(life)
    pay(life)
    third = life.task.milestones[2]
    assert third.reward == sats(37_500 + 40_000)
    life.market = Decimal(16_000_000)
    pay(life)
    assert life.task.milestones[3].reward == sats(25_000)
    assert life.stands == "Paid:RELEASED"


# ---------------------------------------------------------------------- more than is due


def test_what_few_hours_leave_of_it_goes_back() -> None:
    """An hour of forty: 1,250 of the 12,500 that were locked ahead are due, with the fee budget; no other payment is asked for."""
    life = builders.locked_ahead(**builders.HOURS)
    life.say(WORKER, life.command("submit", hours="1"))
    wishes = len(life.ordered(MakeHold))
    life.approve()
    assert life.stands == "Verified:APPROVED"
    assert len(life.ordered(MakeHold)) == wishes
    pay_out(life)
    assert life.stands == "Paid:RELEASED"
    facts = life.last_facts("settlement.completed")
    assert facts["payouts"][0]["amount_msat"] == sats(1_250)
    budget = life.task.budget
    assert facts["credited"] == [
        {"role": "employer", "to": EMPLOYER, "amount_msat": sats(12_500) - sats(1_250) - budget}
    ]
    assert facts["insurance_msat"] == budget - 1_000  # what routing did not take


@pytest.mark.parametrize(("percent", "asked"), [(20, False), (50, True)])
def test_an_agreed_share_is_paid_from_it_as_far_as_it_goes(percent: int, asked: bool) -> None:
    life = builders.locked_ahead()
    (cover,) = life.task.covers
    life.agree(percent)
    assert (life.stands == "Claimed/awaiting_payment:APPROVED") == asked
    share = sats(500 * percent)
    if asked:
        life.make()
        assert life.hold.amount == share + life.task.budget - cover.amount
        life.see(H.HELD)
    pay_out(life)
    assert life.stands == "Paid:RELEASED"
    facts = life.last_facts("settlement.completed")
    came, went = facts["hold_msat"], share + 1_000
    assert came - went == sum(each["amount_msat"] for each in facts["credited"])


def test_money_for_a_cover_that_is_gone_meanwhile_goes_back() -> None:
    """The rest was asked for, and the cover is lost before it is paid: what comes is too little, and the whole is asked for."""
    life = builders.locked_ahead()
    (cover,) = life.task.covers
    life.submit()
    life.approve()
    life.make()
    rest = life.hold
    life.see(H.CANCELLED, life.task.funding(cover.ref))
    life.see(H.HELD, rest)
    assert life.last_facts("funding.failed")["reason"] == "deposit_gone"
    life.fund()
    life.make()
    assert life.hold.amount == life.task.hold_amount
    life.see(H.HELD)
    pay_out(life)
    assert life.stands == "Paid:RELEASED"


def test_what_is_missed_is_paid_out_of_the_cover_first() -> None:
    life = builders.locked_ahead()
    (cover,) = life.task.covers
    life.submit()
    life.approve()
    life.make()
    life.see(H.CANCELLED)
    life.wait(2 * DAY).ticks()
    assert life.stands == "Verified:APPROVED"
    facts = life.last_facts("payment.missed")
    assert (facts["mark"], facts["short_msat"]) == (EMPLOYER, sats(50_000) - (cover.amount - life.task.budget))
    assert life.refuses(life.said(WORKER, life.command("dispute"))) == "wrong_state"
    pay_out(life)
    assert life.stands == "Expired:APPROVED"
    assert life.types[-2:] == ["settlement.completed", "task.expired"]
