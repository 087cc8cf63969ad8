"""Work before money: nothing is held while it is done, and when it is approved the employer is asked for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from handlers.answers import status
from handlers.due import PAY_WINDOW
from handlers.fees import Fees
from handlers.liquidity import Room
from handlers.policy import DAY
from kinds.codes import Told
from kinds.inputs import Proven
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import LogType, Payer
from kinds.units import Msat, Pubkey, sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, POLICY, START, STRANGER, WORKER, Life

H, PS, L = HoldStatus, PaymentStatus, LogType
FEES = dataclasses.replace(
    POLICY, fees=Fees(ppm=20_000, base=Msat(0), minimum=Msat(0), payer=Payer.SPLIT, insurance_percent=10)
)


def asks(life: Life, by: Pubkey, action: str, **fields: Any) -> Any:
    return life.said(by, life.command(action, **fields))


def pays_out(life: Life) -> Life:
    life.payout()
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    return life


# ---------------------------------------------------------------------- how it begins


def test_the_employer_selects_full_payment_and_the_work_begins_without_money() -> None:
    life = builders.accepted(**builders.LATER)
    assert life.refuses(asks(life, EMPLOYER, "fund")) == "pays_later"
    assert life.refuses(asks(life, WORKER, "select", structure="full")) == "not_your_task"
    assert life.refuses(asks(life, STRANGER, "select", structure="full")) == "not_your_task"
    assert life.refuses(asks(life, EMPLOYER, "select", structure="milestones")) == "plan_needed"
    life.did(asks(life, EMPLOYER, "select", structure="full"))
    assert (life.stands, life.task.fundings) == ("Claimed:IN_PROGRESS", ())
    assert (life.lines[-1].type, life.lines[-1].by) == (L.TASK_CLAIMED, EMPLOYER)
    assert life.told(Told.CLAIMED, WORKER)[-1].facts["how"] == "begun"
    assert life.refuses(asks(life, EMPLOYER, "select", structure="full")) == "wrong_state"
    assert life.refuses(asks(life, EMPLOYER, "milestones")) == "wrong_state"


def test_the_employer_is_reminded_that_nothing_has_begun() -> None:
    life = builders.accepted(**builders.LATER)
    life.until(life.task.deadline - 3600).ticks()
    assert [(say.to, say.facts["what"]) for say in life.told(Told.WARNING)] == [(EMPLOYER, "unbegun")]
    life.wait(3600).ticks()
    assert life.stands == "Expired:PENDING"


def test_nobody_is_there_to_begin() -> None:
    life = builders.draft(order="hire_first", **builders.LATER)
    assert life.refuses(asks(life, EMPLOYER, "select", structure="full")) == "not_hired"


def test_selecting_full_payment_with_the_money_up_front_is_the_wish_for_the_invoice() -> None:
    life = builders.accepted()
    life.did(asks(life, EMPLOYER, "select", structure="full"))
    life.make()
    assert life.stands == "PendingFunding:PENDING"


@pytest.mark.parametrize("terms", [{"order": "fund_first"}, {"custody_mode": "ledger", "policy": builders.BOOKS}])
def test_it_goes_with_a_worker_who_is_hired_first_and_a_held_payment(terms: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="bad_field"):
        builders.draft(**{"order": "hire_first"} | builders.LATER | terms)


def test_both_agree_on_milestones_that_are_paid_for_when_they_are_approved() -> None:
    """A plan may say so where the task did not, and the other way round."""
    life = builders.hired()
    life.say(EMPLOYER, life.command("milestones", milestones=builders.parts(*builders.PARTS), funding="on_approval"))
    assert life.last(L.PLAN_PROPOSED).facts["funding"] == "on_approval"
    proposal = life.task.proposal
    assert proposal is not None
    life.say(WORKER, life.command("agree", plan=proposal.hash))
    assert life.types[-2:] == ["plan.agreed", "task.claimed"]
    assert (life.stands, life.lines[-1].by) == ("Claimed:IN_PROGRESS", "clock")

    other = builders.hired(**builders.LATER)
    other.say(EMPLOYER, other.command("milestones", milestones=builders.parts(*builders.PARTS), funding="upfront"))
    assert "funding" not in other.last(L.PLAN_PROPOSED).facts
    proposal = other.task.proposal
    assert proposal is not None
    other.say(WORKER, other.command("agree", plan=proposal.hash))
    other.fund()
    other.make()
    assert other.stands == "PendingFunding:PENDING"


def test_money_that_goes_into_the_books_at_the_claim_is_not_asked_for_later() -> None:
    life = builders.hired(custody_mode="ledger")
    assert life.refuses(asks(life, EMPLOYER, "milestones", funding="on_approval")) == "bad_plan"


def test_milestones_in_the_offer_begin_with_the_worker() -> None:
    parts = builders.parts(*builders.PARTS)
    life = builders.draft(
        order="hire_first", deadline=80 * DAY, payment_type="MILESTONE", milestones=parts, **builders.LATER
    )
    life.claim()
    assert life.types[-2:] == ["task.accepted", "task.claimed"]
    assert life.stands == "Claimed:IN_PROGRESS"


# ---------------------------------------------------------------------- how it is paid for


def test_approved_work_is_paid_for_and_paid_out() -> None:
    life = builders.owing()
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    assert life.last(L.PROOF_VERIFIED).facts["pay_until"] == life.task.current.pay_until == life.time + PAY_WINDOW
    for who, amount in ((EMPLOYER, life.task.hold_amount), (WORKER, sats(50_000))):
        assert life.told(Told.AWAITING_PAYMENT, who)[-1].facts["amount_msat"] == amount
    life.make()
    assert life.types[-1] == "invoice.created"
    life.see(H.HELD)
    assert (life.stands, life.types[-1]) == ("Verified:APPROVED", "invoice.accepted")
    pays_out(life)
    assert life.stands == "Paid:RELEASED"
    final = life.last(L.SETTLEMENT_COMPLETED).facts
    assert (final["hold_msat"], final["payouts"][0]["amount_msat"]) == (sats(50_500), sats(50_000))


def test_a_destination_that_was_named_before_is_paid_at_once() -> None:
    starts: tuple[Callable[[], Life], ...] = (builders.started, lambda: builders.owing(True))
    for start in starts:
        life = start()
        life.payout("mine")
        if life.task.phase:
            life.see(H.HELD)
        else:
            life.submit()
            life.approve()
            life.make()
            life.see(H.HELD)
        assert life.share.ordered
        assert life.share.amount == sats(50_000)


def test_a_project_goes_through_its_milestones_without_waiting_for_money() -> None:
    life = builders.cut_later()
    for number in (1, 2):
        builders.pay_later(life)
        assert life.types[-2:] == ["settlement.completed", "task.claimed"]
        assert (life.stands, life.task.current.number) == ("Claimed:IN_PROGRESS", number + 1)
        assert life.task.hold is None
    builders.pay_later(life)
    assert life.stands == "Paid:RELEASED"
    assert sum(line.type is L.INVOICE_ACCEPTED for line in life.lines) == 3
    assert sum(each.share for each in life.task.milestones[:2]) == sats(30_000)


@pytest.mark.parametrize("percent", [1, 30, 99, 100])
@pytest.mark.parametrize(
    "start", [builders.started, builders.handed_in, builders.at_odds], ids=lambda each: str(each.__name__)
)
def test_a_share_that_both_agree_on_is_all_that_is_asked_for(start: Callable[..., Life], percent: int) -> None:
    life = start(policy=FEES).agree(percent)
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    share, fee = sats(50_000 * percent // 100 - 500 * percent // 100), sats(1_000 * percent // 100)
    assert life.task.hold_amount == share + fee + sats(500)
    life.make()
    assert life.told(Told.INVOICE)[-1].facts["net_msat"] == share
    life.see(H.HELD)
    pays_out(life)
    final = life.last(L.SETTLEMENT_COMPLETED).facts
    change = sum(each["amount_msat"] for each in final["credited"])
    paid = final["payouts"][0]
    assert paid["amount_msat"] == share
    assert final["hold_msat"] == share + paid["fee_msat"] + change + final["fee_msat"] + final["insurance_msat"]
    assert (change > 0) == (percent < 100)
    assert life.stands == "Paid:RELEASED"


def test_an_agreed_end_costs_nothing() -> None:
    for start in (builders.started, builders.handed_in, builders.sent_back, builders.at_odds):
        life = start().agree(0)
        assert life.stands.startswith("Refunded:")
        assert life.last(L.REFUND_COMPLETED).facts["amount_msat"] == 0


def test_the_invoice_runs_out_and_is_asked_for_again() -> None:
    life = builders.owing(True)
    life.see(H.CANCELLED)
    assert (life.stands, life.types[-1]) == ("Claimed/awaiting_payment:APPROVED", "invoice.expired")
    for _ in range(2):
        life.fund()
        life.make()
        life.see(H.CANCELLED)
    assert life.refuses(asks(life, EMPLOYER, "fund")) == "too_many_quotes"
    life.wait(DAY)
    life.fund()
    life.make()
    assert life.refuses(asks(life, STRANGER, "fund")) == "not_your_task"
    life.see(H.HELD)
    assert life.stands == "Verified:APPROVED"


def parts_of(life: Life, **changes: Any) -> dict[str, Any]:
    """What arrives, otherwise than it was asked for."""
    return {"parts": tuple(dataclasses.replace(part, **changes) for part in life.hold_view(H.HELD).parts)}


@pytest.mark.parametrize("wrong", ["amount", "expires_too_soon", "off_channel"])
def test_the_wrong_payment_goes_back_and_the_task_waits_on(wrong: str) -> None:
    life = builders.owing(True)
    last = life.height + POLICY.margin + POLICY.payout_limit + 6 + POLICY.reserve
    changes: dict[str, dict[str, Any]] = {
        "amount": {"amount": Msat(life.task.hold_amount - 1)},
        "expires_too_soon": {"expiry": last},
        "off_channel": {"on_channel": False},
    }
    life.see(H.HELD, **parts_of(life, **changes[wrong]))
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    assert life.last(L.FUNDING_FAILED).facts["reason"] == wrong
    assert life.task.fundings[0].goal == "stray"
    life.fund()
    life.make()
    life.see(H.HELD, **parts_of(life, expiry=last + 1))
    assert life.stands == "Verified:APPROVED"


def test_a_full_or_closed_house_takes_the_money_for_approved_work() -> None:
    for house in (
        {"paused_at": START},
        {"room": Room(inbound=Msat(0), outbound=Msat(0), slots=0, held=Msat(0), approved=Msat(0))},
        {"banned": frozenset({EMPLOYER})},
    ):
        life = builders.owing()
        life.make(H.ABSENT)
        life.house = dataclasses.replace(life.house, **house)
        life.fund()
        life.make()
        assert life.told(Told.INVOICE)


# ---------------------------------------------------------------------- when it is not


def test_what_is_not_paid_in_time_is_on_record_for_the_employer() -> None:
    life = builders.owing(True)
    life.wait(7200)
    life.see(H.CANCELLED)
    life.until(life.task.current.pay_until - 1).ticks()
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    assert [say.facts["what"] for say in life.told(Told.WARNING, EMPLOYER)][-2:] == ["payment", "payment"]
    life.wait(1).ticks()
    assert (life.stands, life.types[-2:]) == ("Expired:APPROVED", ["payment.missed", "task.expired"])
    assert life.last(L.PAYMENT_MISSED).facts["mark"] == EMPLOYER
    assert life.last(L.TASK_EXPIRED).facts == {"reason": "unpaid", "mark": EMPLOYER, "due_msat": sats(50_500)}
    assert life.refuses(asks(life, EMPLOYER, "fund")) == "wrong_state" or life.task.state is not None


def test_an_open_invoice_may_still_be_paid_behind_the_window() -> None:
    """The payment was on its way: nothing is missed before the node has said that it is not."""
    life = builders.owing()
    life.make(H.ABSENT)
    life.until(life.task.current.pay_until - 120)
    life.fund()
    life.make()
    assert life.asked.expiry == 120, "it does not outlive the window"
    life.wait(600).ticks()
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    late = life.copy()
    late.see(H.HELD)
    assert late.stands == "Verified:APPROVED"
    life.see(H.CANCELLED)
    life.ticks()
    assert life.stands == "Expired:APPROVED"
    life.see(H.HELD, life.task.fundings[-1])
    assert life.types[-1] == "funding.stray", "what comes then goes back"


def test_no_invoice_is_made_at_the_very_end() -> None:
    life = builders.owing()
    life.make(H.ABSENT)
    life.until(life.task.current.pay_until - 30)
    assert life.refuses(asks(life, EMPLOYER, "fund")) == "too_late"


def test_an_invoice_that_comes_behind_the_window_is_shown_to_nobody() -> None:
    life = builders.owing()
    life.make(H.ABSENT)
    life.until(life.task.current.pay_until - 120)
    life.fund()
    life.wait(300).ticks()
    assert life.stands == "Claimed/awaiting_payment:APPROVED", "it is being made, and might have been paid"
    life.make()
    assert not life.told(Told.INVOICE)
    life.ticks()
    assert life.stands == "Expired:APPROVED"


@pytest.mark.parametrize("action", ["approve", "reject", "dispute", "cancel", "abandon", "submit", "select", "claim"])
def test_nothing_else_is_decided_while_it_is_to_be_paid_for(action: str) -> None:
    life = builders.owing(True)
    by = WORKER if action in ("abandon", "submit") else EMPLOYER
    fields = {"structure": "full"} if action == "select" else {}
    assert life.refuses(asks(life, by, action, **fields)) in ("wrong_state", "own_task")


def test_the_worker_gives_it_back_and_another_one_takes_it() -> None:
    for start in (builders.started, builders.handed_in, builders.sent_back):
        life = start()
        life.say(WORKER, life.command("abandon"))
        assert (life.stands, life.task.worker) == ("Draft:PENDING", None)
        life.claim(STRANGER)
        life.did(asks(life, EMPLOYER, "select", structure="full"))
        assert (life.stands, life.task.worker) == ("Claimed:IN_PROGRESS", STRANGER)


def test_a_worker_is_replaced_in_the_middle_of_a_project() -> None:
    life = builders.pay_later(builders.cut_later())
    life.say(WORKER, life.command("abandon"))
    assert (life.stands, life.task.current.number) == ("Draft:PENDING", 2)
    life.claim(STRANGER)
    assert (life.stands, life.task.worker, life.task.current.number) == ("Claimed:IN_PROGRESS", STRANGER, 2)


def test_ends_by_time_without_money() -> None:
    life = builders.started()
    life.until(life.task.deadline).ticks()
    assert (life.stands, life.last(L.TASK_EXPIRED).facts["mark"]) == ("Expired:IN_PROGRESS", WORKER)
    refused = builders.sent_back()
    refused.until(refused.task.current.resubmit_until).ticks()
    assert refused.stands == "Refunded:REJECTED"
    quarrel = builders.at_odds()
    assert quarrel.told(Told.DISPUTE_OPENED)[-1].facts["until"] == quarrel.time + quarrel.task.terms.dispute_limit
    quarrel.until(quarrel.now.heard + quarrel.task.terms.dispute_limit - 1).ticks()
    assert quarrel.stands.startswith("Disputed")
    quarrel.wait(1).ticks()
    assert quarrel.stands.startswith("Refunded")
    assert quarrel.last(L.DISPUTE_RESOLVED).facts["how"] == "dispute_limit"


def test_silence_is_approval_here_too_and_the_money_is_asked_for() -> None:
    life = builders.handed_in()
    life.reach(Told.PROOF_ARRIVED)
    life.until(life.task.current.review_until).ticks()
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    life.make()
    life.see(H.HELD)
    assert life.stands == "Verified:APPROVED"


def test_a_dispute_behind_the_payment_is_about_held_money() -> None:
    """From then on it is a task like any other: a hold's end gives back, an agreed share leaves change."""
    life = builders.covered()
    life.dispute(WORKER)
    assert life.stands == "Disputed:SUBMITTED"
    again = life.copy()
    again.agree(40)
    assert (again.stands, again.hold.amount) == ("Verified:APPROVED", sats(50_500))
    pays_out(again)
    assert again.stands == "Paid:RELEASED"
    life.wait(0, blocks=life.task.last_safe_height - life.height).ticks()
    assert life.stands == "Disputed/refunding:SUBMITTED"


def test_an_unreachable_worker_and_a_lost_hold_end_as_ever() -> None:
    life = builders.covered().reach()
    life.wait(DAY).ticks()
    assert life.stands == "Verified/refunding:APPROVED"
    gone = builders.covered()
    gone.see(H.CANCELLED)
    assert gone.stands == "Expired:APPROVED"
    paid = builders.covered()
    paid.to_height(paid.task.settle_height).ticks()
    paid.see(H.SETTLED)
    assert (paid.stands, paid.task.credit(WORKER)) == ("Paid:RELEASED", sats(50_500))


def test_a_freeze_stops_the_window_and_deafness_too() -> None:
    life = builders.owing()
    life.make(H.ABSENT)
    until = life.task.current.pay_until
    builders.freeze(life)
    life.wait(3 * DAY).ticks()
    assert life.stands == "Claimed/awaiting_payment:APPROVED"
    assert life.refuses(asks(life, EMPLOYER, "fund")) == "frozen"
    builders.unfreeze(life)
    assert life.task.current.pay_until == until + 3 * DAY
    life.wait(3 * DAY, deaf=3 * DAY).ticks()
    assert life.stands == "Claimed/awaiting_payment:APPROVED"


def test_an_invoice_that_comes_while_it_is_frozen_is_shown_to_nobody() -> None:
    life = builders.owing()
    builders.freeze(life)
    life.make()
    assert not life.told(Told.INVOICE)


# ---------------------------------------------------------------------- a price in a currency


def test_the_rate_is_frozen_when_the_money_is_asked_for() -> None:
    life = builders.handed_in(**builders.RUPEES)
    assert life.told(Told.CLAIMED, WORKER)[-1].facts["indicative"]
    assert life.refuses(asks(life, WORKER, "payout", destination="lnplay1x")) == "wrong_state", "not known in sats yet"
    life.market = Decimal(4_000_000)
    life.approve()
    life.make()
    assert life.task.reward == sats(100_000)
    assert not life.told(Told.INVOICE)[-1].facts["indicative"]
    created = life.last(L.INVOICE_CREATED).facts
    assert (created["reward_msat"], created["currency"]) == (sats(100_000), "INR")
    life.see(H.HELD)
    pays_out(life)
    assert life.stands == "Paid:RELEASED"


def test_without_a_rate_the_employer_asks_when_there_is_one() -> None:
    life = builders.handed_in(**builders.RUPEES)
    life.market = None
    life.approve()
    assert (life.stands, life.task.fundings) == ("Claimed/awaiting_payment:APPROVED", ())
    assert life.refuses(asks(life, EMPLOYER, "fund")) == "no_rate"
    life.market = Decimal(8_000_000)
    life.fund()
    life.make()
    life.see(H.HELD)
    assert life.stands == "Verified:APPROVED"


def test_a_rate_that_has_moved_far_does_not_unbind_the_employer() -> None:
    """The limits of rewards are for what is agreed to; what is approved is owed whatever it comes to."""
    life = builders.handed_in(**builders.RUPEES)
    life.market = Decimal(8_000_000) / 10_000
    life.approve()
    life.make()
    assert life.task.reward > life.policy.max_reward
    assert life.told(Told.INVOICE)


def test_no_money_is_held_for_a_share_that_the_rate_has_made_nothing() -> None:
    life = builders.started(**builders.RUPEES)
    life.cancel(EMPLOYER, 1)
    life.market = Decimal(8_000_000) * 1000
    life.cancel(WORKER, 1)
    assert (life.stands, life.task.fundings) == ("Claimed/awaiting_payment:APPROVED", ())
    assert life.refuses(asks(life, EMPLOYER, "fund")) == "below_minimum"
    life.market = Decimal(8_000_000)
    life.fund()
    life.make()
    life.see(H.HELD)
    assert life.stands == "Verified:APPROVED"


# ---------------------------------------------------------------------- what people see


def test_each_side_sees_what_to_do() -> None:
    life = builders.owing(True)
    mine, theirs = (status(life.task, who, life.now) for who in (EMPLOYER, WORKER))
    assert (mine["may"], theirs["may"]) == (["fund", "status"], ["payout", "status"])
    assert mine["until"] == life.task.current.pay_until
    assert (mine["until_what"], mine["phase"]) == ("missed", "awaiting_payment")
    begun = builders.started()
    assert status(begun.task, EMPLOYER, begun.now)["custody"] == "nobody_yet"


def test_signed_words_rest_on_what_they_answer() -> None:
    life = builders.accepted(**builders.LATER)
    done = life.say(EMPLOYER, life.command("select", structure="full"), signed=True)
    assert done.log[0].proven == Proven.SIGNED
    life.submit(signed=True)
    life.approve(signed=True)
    assert life.last(L.PROOF_VERIFIED).proven == Proven.SIGNED
