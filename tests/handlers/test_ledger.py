"""Money in the books, by the terms that both agreed to: when it goes there, what it changes, and that nobody loses a msat by it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from handlers import safety
from handlers.decision import CancelHold, Pay, SettleHold
from handlers.policy import DAY
from handlers.safety import NOT_YET, NotNow
from handlers.tick import due, next_deadline
from kinds.codes import Told
from kinds.lightning import Fault, PaymentStatus, PaySpec
from kinds.states import FundingState, LogType
from kinds.units import Msat, sats
from tests.handlers import builders
from tests.handlers.builders import BOOKS, in_books
from tests.handlers.life import EMPLOYER, OTHER, STRANGER, WORKER, H, Life, invoice

PS, L = PaymentStatus, LogType
AT_END: dict[str, Any] = {"policy": BOOKS, "on_hold_end": "ledger"}
RENEWED: dict[str, Any] = {"policy": BOOKS, "on_hold_end": "rollover then ledger"}
AT_ONCE: dict[str, Any] = {"policy": BOOKS, "custody_mode": "ledger"}


def at_last_safe_height(life: Life) -> Life:
    return life.wait(60, blocks=life.task.last_safe_height - life.height).ticks()


def may_settle(life: Life, **facts: Any) -> NotNow | None:
    """The last question before the settle goes out."""
    hold = life.task.hold
    assert hold
    return safety.may_settle(life.task, hold, life.hold_view(H.HELD, hold), life.facts(**facts) if facts else None)


def reached_and_late(life: Life) -> None:
    life.reach(Told.PAYOUT_FAILED).wait(2 * DAY).ticks()


# when it goes there


def test_a_hold_stays_a_hold_until_a_worker_is_bound() -> None:
    life = builders.funded(**AT_ONCE)
    assert not life.ordered(SettleHold)
    life.claim()
    assert [order.ref for order in life.ordered(SettleHold)] == [life.hold.ref]
    assert may_settle(life) is None
    assert life.task.locked == 0
    life.see(H.SETTLED)
    facts = life.last(L.LEDGER_LOCKED).facts
    assert facts["amount_msat"] == life.task.locked == life.task.hold_amount
    assert life.stands == "Claimed:IN_PROGRESS"
    assert [say.facts["preimage"].reveal() for say in life.told(Told.LOCKED, EMPLOYER)] == [life.hold.preimage.reveal()]
    assert [bool(say.facts["preimage"]) for say in life.told(Told.LOCKED, WORKER)] == [False]


@pytest.mark.parametrize("terms", [{}, {"on_hold_end": "refund"}, {"on_hold_end": "rollover then refund"}])
def test_nothing_goes_there_that_was_not_agreed(terms: dict[str, Any]) -> None:
    life = builders.disputed(policy=BOOKS, **terms)
    at_last_safe_height(life)
    assert not life.ordered(SettleHold)
    life.see(H.CANCELLED)
    assert life.stands.startswith("Refunded")


@pytest.mark.parametrize("start", [builders.claimed, builders.disputed, builders.rejected])
@pytest.mark.parametrize("terms", [AT_END, RENEWED])
def test_what_is_undecided_at_the_last_safe_height_goes_there(
    start: Callable[..., Life], terms: dict[str, Any]
) -> None:
    life = start(**terms, deadline=20 * DAY)
    before = life.stands
    life.wait(60, blocks=life.task.last_safe_height - life.height - 1).ticks()
    assert not life.ordered(SettleHold)
    assert may_settle(life, height=life.height) == NotNow("not_wanted")
    life.wait(60, blocks=1).ticks()
    assert len(life.ordered(SettleHold)) == 1
    assert may_settle(life) == NOT_YET, "by this term the node must say that the height has come"
    assert may_settle(life, height=life.height - 1) == NOT_YET
    assert may_settle(life, height=life.height) is None
    life.ticks()
    assert len(life.ordered(SettleHold)) == 1
    life.see(H.SETTLED, life.task.hold)
    assert life.stands == before
    assert life.task.locked == life.task.hold_amount


def test_a_fresh_hold_that_comes_in_time_keeps_it_a_hold() -> None:
    life = builders.disputed(**RENEWED)
    life.wait(0, blocks=life.task.rollover_height - life.height).ticks()
    life.make()
    life.see(H.HELD)
    old = life.task.fundings[0]
    assert [order.ref for order in life.ordered(CancelHold)] == [old.ref]
    life.see(H.CANCELLED, old)
    at_last_safe_height(life)
    assert [order.ref for order in life.ordered(SettleHold)] == [life.hold.ref]


def test_an_open_invoice_of_a_fresh_hold_is_dropped_when_the_money_goes_there() -> None:
    life = builders.disputed(**RENEWED)
    life.wait(0, blocks=life.task.rollover_height - life.height).ticks()
    life.make()
    fresh = life.hold
    at_last_safe_height(life)
    assert [order.ref for order in life.ordered(CancelHold)] == [fresh.ref]
    life.see(H.SETTLED, life.task.fundings[0])
    life.see(H.HELD, fresh)
    assert life.types[-1] == "funding.stray"


def test_work_under_review_is_judged_by_silence_and_not_kept() -> None:
    life = builders.submitted(**AT_END, review_window=60 * DAY, deadline=60 * DAY)
    at_last_safe_height(life)
    assert life.stands == "Verified:APPROVED"
    assert not life.ordered(SettleHold)


def test_nobody_is_bound_at_the_last_safe_height() -> None:
    life = builders.funded(**AT_END, hold_timeout=60 * DAY, deadline=60 * DAY)
    at_last_safe_height(life)
    assert life.stands == "Funded/refunding:PENDING"


# what it changes


def test_no_height_matters_any_more() -> None:
    life = in_books(deadline=60 * DAY)
    assert (life.task.last_safe_height, life.task.settle_height, life.task.rollover_height) == (0, 0, 0)
    assert due(life.task).height is None
    life.wait(60, blocks=5000).ticks()
    assert life.stands == "Claimed:IN_PROGRESS"


@pytest.mark.parametrize("terms", [AT_ONCE, AT_END, RENEWED])
def test_a_deadline_may_be_longer_than_any_hold(terms: dict[str, Any]) -> None:
    life = builders.claimed(**terms, deadline=60 * DAY)
    assert life.stands == "Claimed:IN_PROGRESS"


def test_a_payment_that_would_reach_its_last_safe_height_at_once_is_refused() -> None:
    life = builders.pending(**AT_END, deadline=60 * DAY)
    part = dataclasses.replace(life.hold_view(H.HELD).parts[0], expiry=life.height + 400)
    life.see(H.HELD, parts=(part,))
    assert life.last(L.FUNDING_FAILED).facts["reason"] == "expires_too_soon"


def test_approved_work_is_paid_out_of_the_books_and_that_is_the_end() -> None:
    life = in_books(lambda **given: builders.leaving(**given))
    spec = safety.may_pay(life.task, life.share, None, life.facts(), 60)
    assert isinstance(spec, PaySpec)
    assert spec.cltv_limit == life.task.terms.payout_limit
    life.pay(PS.COMPLETE)
    assert life.stands == "Paid:RELEASED"
    assert life.types[-2:] == ["settlement.started", "settlement.completed"]
    assert life.task.locked == 0
    assert life.task.insurance == life.task.budget - 1000


@pytest.mark.parametrize(
    ("facts", "why"),
    [({"synced": False}, "node_not_synced"), ({"outbound": sats(50_000)}, "no_outbound_liquidity")],
)
def test_a_payout_out_of_the_books_asks_the_node_first(facts: dict[str, Any], why: str) -> None:
    life = in_books(lambda **given: builders.verified(True, **given))
    assert safety.may_pay(life.task, life.share, None, life.facts(**facts), 60) == NotNow(why)


def test_before_the_money_is_there_a_payout_rests_on_the_hold() -> None:
    life = builders.verified(True, **AT_ONCE)
    assert safety.may_pay(life.task, life.share, None, life.facts(), 60) == NotNow("hold_not_on_channel")
    assert isinstance(safety.may_pay(life.task, life.share, life.hold_view(H.HELD), life.facts(), 60), PaySpec)


def test_a_worker_who_cannot_be_reached_is_owed_and_not_marked() -> None:
    life = in_books(lambda **given: builders.resting(Fault.THEIRS, **given))
    reached_and_late(life)
    assert life.stands == "Paid:RELEASED"
    assert life.last(L.SETTLEMENT_STARTED).facts["reason"] == "unreached"
    assert life.task.credit(WORKER) == life.task.net + life.task.budget
    assert "refund.started" not in life.types


# everything that can happen while the node settles it


@pytest.mark.parametrize("percent", [0, 40])
def test_both_end_it_while_it_is_on_its_way_there(percent: int) -> None:
    life = builders.claimed(**AT_ONCE).agree(percent)
    assert not life.ordered(CancelHold), "the settle may be with the node already"
    life.see(H.SETTLED)
    if percent:
        assert life.stands == "Verified:APPROVED"
        return
    assert life.stands == "Refunded:IN_PROGRESS"
    assert life.task.credit(EMPLOYER) == life.task.hold_amount
    assert life.types[-3:] == ["refund.started", "ledger.locked", "refund.completed"]


def test_it_ends_while_it_is_on_its_way_there_and_the_node_gave_it_back() -> None:
    life = builders.claimed(**AT_ONCE).agree(0)
    life.see(H.CANCELLED)
    assert life.stands == "Refunded:IN_PROGRESS"
    assert life.last(L.REFUND_COMPLETED).facts["amount_msat"] == life.task.hold_amount
    assert not life.task.credits


@pytest.mark.parametrize("start", [builders.claimed, builders.disputed])
def test_it_vanishes_on_its_way_there(start: Callable[..., Life]) -> None:
    life = start(**AT_ONCE)
    life.see(H.CANCELLED)
    assert life.stands.startswith("Expired")
    assert life.hold.state is FundingState.LOST
    assert life.task.locked == 0


def test_the_worker_is_paid_while_it_is_on_its_way_there() -> None:
    life = builders.in_flight(**AT_ONCE)
    life.pay(PS.COMPLETE)
    assert life.stands == "Verified/settling:APPROVED"
    life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    assert "ledger.locked" not in life.types


def test_it_is_there_while_the_worker_is_being_paid() -> None:
    life = builders.in_flight(**AT_ONCE)
    life.see(H.SETTLED)
    assert life.task.locked
    life.pay(PS.COMPLETE)
    assert life.stands == "Paid:RELEASED"


def test_the_margin_comes_while_it_is_on_its_way_there() -> None:
    life = builders.verified(**AT_ONCE)
    life.to_height(life.task.settle_height).ticks()
    assert life.stands == "Verified/settling:APPROVED"
    life.see(H.SETTLED)
    assert life.task.credit(WORKER) == life.task.net + life.task.budget


@pytest.mark.parametrize("status", [H.HELD, H.UNKNOWN, H.OPEN])
def test_other_news_changes_nothing(status: Any) -> None:
    life = builders.claimed(**AT_ONCE)
    before = life.task
    life.see(status)
    assert life.task == before


def test_it_is_settled_twice_by_the_nodes_word() -> None:
    life = in_books()
    before = life.task
    life.see(H.SETTLED)
    assert life.task == before


# what goes back


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (builders.claimed, lambda life: life.until(life.task.terms.deadline).ticks()),
        (builders.rejected, lambda life: life.until(life.task.current.resubmit_until).ticks()),
        (builders.claimed, lambda life: life.agree(0)),
        (builders.disputed, lambda life: life.agree(0)),
        (builders.disputed, lambda life: life.until(life.task.dispute.opened + 30 * DAY).ticks()),
        (
            builders.submitted,
            lambda life: life.until(life.task.terms.deadline).say(WORKER, life.command("abandon")),
        ),
    ],
)
def test_what_goes_back_is_put_to_the_employers_account(
    start: Callable[..., Life], end: Callable[[Life], object]
) -> None:
    life = in_books(start)
    end(life)
    assert life.task.state is not None
    assert life.task.state.is_final
    assert life.task.credit(EMPLOYER) == life.task.hold_amount
    assert (life.task.locked, life.task.fee, life.task.insurance) == (0, 0, 0)
    assert not life.ordered(CancelHold)
    assert life.told(Told.CHANGE_OWED, EMPLOYER)


def test_an_agreed_share_is_paid_and_the_rest_put_to_the_employers_account() -> None:
    life = in_books().agree(40)
    life.payout("part")
    life.leave()
    life.pay(PS.COMPLETE)
    assert life.stands == "Paid:RELEASED"
    assert life.task.credit(EMPLOYER) == life.task.hold_amount - sats(20_000) - 1000


def test_a_task_that_is_given_back_waits_for_another_worker() -> None:
    life = in_books(deadline=20 * DAY)
    life.say(WORKER, life.command("abandon"))
    assert life.stands == "Funded:PENDING"
    life.claim(OTHER)
    assert life.stands == "Claimed:IN_PROGRESS"
    assert len(life.ordered(SettleHold)) == 1, "the money is there already"
    life.say(OTHER, life.command("abandon"))
    life.until(life.task.funded_until).ticks()
    assert life.stands == "Expired:PENDING"
    assert life.task.credit(EMPLOYER) == life.task.hold_amount


def test_the_employer_takes_it_back_while_nobody_is_bound() -> None:
    life = in_books()
    life.say(WORKER, life.command("abandon"))
    life.cancel(EMPLOYER)
    assert life.stands == "Refunded:PENDING"
    assert life.task.credit(EMPLOYER) == life.task.hold_amount
    assert not life.told(Told.REFUNDING)


def test_a_dispute_is_warned_of_its_end_and_stands_still_while_it_is_frozen() -> None:
    life = in_books(builders.disputed)
    until = next_deadline(life.task)
    assert until == (life.task.dispute.opened + 30 * DAY, "dispute_limit") if life.task.dispute else False
    builders.freeze(life)
    life.wait(40 * DAY).ticks()
    builders.unfreeze(life)
    life.ticks()
    assert life.stands.startswith("Disputed")
    life.wait(29 * DAY + 60).ticks()
    assert {say.to for say in life.told(Told.WARNING) if say.facts["what"] == "dispute_limit"} == {EMPLOYER, WORKER}
    life.wait(DAY).ticks()
    assert life.stands.startswith("Refunded")


def test_a_second_invoice_for_a_task_in_the_books_is_no_share() -> None:
    """A stray payment goes back, and what is locked stays what it was."""
    life = builders.pending(**AT_ONCE)
    first = life.hold
    life.see(H.CANCELLED)
    life.fund()
    life.make()
    life.see(H.HELD)
    life.claim()
    life.see(H.SETTLED)
    life.see(H.HELD, first)
    assert life.types[-1] == "funding.stray"
    assert life.task.locked == life.task.hold_amount
    life.see(H.CANCELLED, life.task.fundings[0])
    assert life.task.locked == life.task.hold_amount


# what is offered


@pytest.mark.parametrize(
    "term", [{"custody_mode": "ledger"}, {"on_hold_end": "ledger"}, {"on_hold_end": "rollover then ledger"}]
)
def test_an_operator_who_keeps_nobodys_money_says_so(term: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=f"not_offered.*{next(iter(term))}"):
        builders.draft(**term)


def test_everybody_is_told_who_will_have_the_money() -> None:
    life = in_books()
    assert [say.facts["custody"] for say in life.told(Told.CREATED)] == ["ledger_at_claim"]
    assert [say.facts["custody"] for say in life.told(Told.CLAIMED)] == ["ledger_at_claim"]
    life.say(WORKER, life.command("abandon"))
    life.claim(OTHER)
    assert [say.facts["custody"] for say in life.told(Told.CLAIMED, OTHER)] == ["ledger"]


def test_a_payout_is_never_more_than_what_is_there() -> None:
    life = in_books(lambda **given: builders.verified(True, **given))
    short = dataclasses.replace(life.task, locked=Msat(life.share.amount))
    assert safety.may_pay(short, life.share, None, life.facts(), 60) == NotNow("hold_too_small")


def test_strangers_have_no_part_in_it() -> None:
    life = in_books(lambda **given: builders.verified(True, **given))
    assert life.ordered(Pay)
    assert (
        life.refuses(life.said(STRANGER, life.command("payout", destination=invoice("theirs", life.task.net))))
        == "not_your_task"
    )
