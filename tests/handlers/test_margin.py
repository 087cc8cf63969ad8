"""The last heights of a hold, a hold that is lost under a payout, and the last question before a call to the node."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from handlers import safety
from handlers.decision import CancelHold, Pay, SettleHold
from handlers.policy import DAY, HOUR
from kinds.codes import Refused, Told
from kinds.inputs import PaymentSeen, PayWanted
from kinds.lightning import Fault, HoldStatus, Part, PaymentStatus, PaySpec
from kinds.states import LogType, PayoutState
from kinds.units import Msat, sats
from tests.handlers import builders
from tests.handlers.life import WORKER, H, Life, hash_of

PS = PaymentStatus
OURS, THEIRS = Fault.OURS, Fault.THEIRS
REWARD = sats(50_000)


# ---------------------------------------------------------------------- E - M


@pytest.mark.parametrize(
    "start",
    [builders.verified, lambda: builders.verified(True), builders.leaving, builders.resting, builders.in_flight],
    ids=["asked where", "planned", "claimed, not sent", "resting", "in flight"],
)
def test_at_the_margin_the_hold_is_settled(start: Callable[[], Life]) -> None:
    life = start()
    life.to_height(life.task.settle_height - 1).ticks()
    assert not life.ordered(SettleHold)
    life.to_height(life.task.settle_height).ticks()
    assert life.stands == "Verified/settling:APPROVED"
    assert life.last(LogType.SETTLEMENT_STARTED).facts["reason"] == "margin"
    assert life.ordered(SettleHold)


def test_complete_just_before_the_margin() -> None:
    life = builders.settling()
    life.to_height(life.task.settle_height + 5).ticks()
    assert life.types.count("settlement.started") == 1


def test_at_the_margin_in_flight_it_is_the_node_who_ends_it() -> None:
    life = builders.margin(builders.in_flight)
    life.see(H.SETTLED)
    assert life.stands == "Verified/settling:APPROVED"
    arrived, failed = life.copy(), life.copy()
    arrived.pay(PS.COMPLETE)
    assert arrived.stands == "Paid:RELEASED"
    assert arrived.task.credits == ()
    failed.fail(OURS)
    assert failed.stands == "Paid:RELEASED"
    assert failed.task.credit(WORKER) == REWARD + failed.task.budget


def test_at_the_margin_complete_may_come_before_the_settle() -> None:
    life = builders.margin(builders.in_flight)
    life.pay(PS.COMPLETE)
    assert life.stands == "Verified/settling:APPROVED"
    life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    assert len(life.ordered(SettleHold)) == 1


def test_at_the_margin_his_side_alone_is_refunded_with_a_mark() -> None:
    life = builders.verified()
    life.to_height(life.task.settle_height - 6).reach(Told.APPROVED)
    life.to_height(life.task.settle_height).ticks()
    assert life.stands == "Verified/refunding:APPROVED"
    assert life.task.marked


def test_an_attempt_that_comes_too_late_is_nobodys_failure() -> None:
    """What failed before decides: his side alone, then the time for attempts was over."""
    life = builders.verified(True)
    life.to_height(life.task.settle_height - 60)
    life.leave()
    life.fail(THEIRS)
    life.reach(Told.PAYOUT_FAILED)
    life.to_height(life.task.settle_height - 20).ticks()
    life.fail(OURS, safety.TOO_CLOSE)
    life.to_height(life.task.settle_height).ticks()
    assert life.stands == "Verified/refunding:APPROVED"


def test_at_the_margin_mixed_is_ours() -> None:
    life = builders.verified(True)
    life.to_height(life.task.settle_height - 40)
    life.leave()
    life.fail(THEIRS)
    life.reach()
    life.wait(HOUR, blocks=6).ticks()
    life.leave()
    life.fail(OURS)
    life.to_height(life.task.settle_height).ticks()
    assert life.stands == "Verified/settling:APPROVED"


def test_a_payout_under_way_is_never_refunded() -> None:
    for start in (builders.leaving, builders.in_flight):
        life = start().reach()
        life.task.patience.since or life.wait(10 * DAY).ticks()
        assert not life.ordered(CancelHold)
        assert life.refuses(life.said(WORKER, life.command("cancel"))) is Refused.WRONG_STATE


# ---------------------------------------------------------------------- the hold is lost


def test_lost_while_planned() -> None:
    for start in (builders.verified, builders.resting):
        life = start()
        life.see(H.CANCELLED)
        assert life.stands == "Expired:APPROVED"
        assert life.types[-2:] == ["hold.lost", "task.expired"]
        assert life.last(LogType.TASK_EXPIRED).facts["mark"] is None


@pytest.mark.parametrize("start", [lambda: builders.verified(True), builders.leaving, builders.in_flight])
def test_lost_under_a_payout_that_fails(start: Callable[[], Life]) -> None:
    life = start()
    life.see(H.CANCELLED)
    assert life.stands == "Verified:APPROVED"
    assert life.types[-1] == "hold.lost"
    assert life.refuses(PayWanted(life.share.ref)) is Refused.PAYOUT_BUSY
    life.wait(20 * DAY).ticks()
    assert life.stands == "Verified:APPROVED"
    life.pay(PS.FAILED if life.share.state is PayoutState.IN_FLIGHT else PS.ABSENT)
    assert life.stands == "Expired:APPROVED"


def test_lost_under_a_payout_that_arrives() -> None:
    life = builders.in_flight()
    life.see(H.CANCELLED)
    life.pay(PS.COMPLETE)
    assert life.stands == "Paid:RELEASED"
    assert life.types[-2:] == ["settlement.completed", "incident"]
    assert life.last(LogType.INCIDENT).facts["loss_msat"] == REWARD + 1000
    assert [found.code for found in life.incidents] == ["hold_lost", "loss"]


def test_lost_after_the_share_arrived() -> None:
    life = builders.settling()
    life.see(H.CANCELLED)
    assert life.stands == "Paid:RELEASED"
    assert life.types[-3:] == ["hold.lost", "settlement.completed", "incident"]


@pytest.mark.parametrize("sent", [False, True])
def test_lost_while_it_is_settled_at_the_margin(sent: bool) -> None:
    life = builders.margin(builders.in_flight if sent else builders.verified)
    life.see(H.CANCELLED)
    if sent:
        assert life.stands == "Verified/settling:APPROVED"
        arrived = life.copy()
        arrived.pay(PS.COMPLETE)
        assert arrived.stands == "Paid:RELEASED"
        life.fail(OURS)
    assert life.stands == "Expired:APPROVED"


# ---------------------------------------------------------------------- the node's words


@pytest.mark.parametrize("end", [PS.COMPLETE, PS.FAILED])
def test_late_and_repeated_words_change_nothing(end: PaymentStatus) -> None:
    life = builders.in_flight()
    ref, view = life.share.ref, life.payment_view(life.share, end)
    life.did(PaymentSeen(ref, view))
    if end is PS.FAILED:
        life.payout("another")
    before = life.task
    for late in (PS.IN_FLIGHT, PS.UNKNOWN, PS.ABSENT, PS.FAILED, PS.COMPLETE):
        life.did(PaymentSeen(ref, dataclasses.replace(view, status=late)))
    assert life.task == before
    given_up = ["paid_after_given_up"] if end is PS.FAILED else []
    assert [found.code for found in life.incidents] == given_up


def test_unknown_changes_nothing_and_another_hash_neither() -> None:
    life = builders.leaving()
    before = life.task
    life.pay(PS.UNKNOWN)
    life.pay(PS.COMPLETE, payment_hash=hash_of("00" * 32))
    assert life.task == before


def test_in_flight_after_all_is_watched_to_its_end() -> None:
    life = builders.resting()
    life.pay(PS.IN_FLIGHT)
    assert isinstance(life.effects[-1], Pay)
    assert life.share.next_try == 0
    life.wait(HOUR).ticks()
    life.pay(PS.COMPLETE)
    assert life.stands == "Verified/settling:APPROVED"


def test_complete_without_leave_counts_as_paid() -> None:
    """A restored backup: the node has paid what we remember as planned."""
    life = builders.verified(True)
    life.pay(PS.COMPLETE)
    assert life.stands == "Verified/settling:APPROVED"


# ---------------------------------------------------------------------- the last question before the call


def may_pay(life: Life, status: HoldStatus = H.HELD, **facts: object) -> PaySpec | safety.NotNow:
    return safety.may_pay(life.task, life.share, life.hold_view(status), life.facts(**facts), 60)


def test_an_attempt_needs_the_hold_on_an_open_channel_and_a_well_node() -> None:
    life = builders.verified(True)
    spec = may_pay(life)
    assert isinstance(spec, PaySpec)
    assert (spec.amount, spec.fee_limit, spec.cltv_limit) == (REWARD, life.task.budget, 288)
    gone = (Part("1x1x1", 0, life.hold.amount, life.hold.expiry_height, False),)
    off = safety.may_pay(life.task, life.share, life.hold_view(H.HELD, parts=gone), life.facts(), 60)
    assert off == safety.NotNow("hold_not_on_channel")
    for status in (H.OPEN, H.CANCELLED, H.ABSENT, H.UNKNOWN, H.SETTLED):
        assert may_pay(life, status) == safety.NotNow("hold_not_on_channel")
    assert may_pay(life, synced=False) == safety.NotNow("node_not_synced")
    assert may_pay(life, outbound=Msat(REWARD + life.task.budget - 1)) == safety.NotNow("no_outbound_liquidity")
    assert safety.may_pay(life.task, life.share, None, None, 60) == safety.NotNow("node_not_synced")


def test_every_attempt_ends_before_the_margin() -> None:
    life = builders.verified(True)
    margin = life.task.settle_height
    for height in (margin - 6 - 288, margin - 6 - 100, margin - 6 - 43):
        spec = may_pay(life, height=height)
        assert isinstance(spec, PaySpec)
        assert height + spec.cltv_limit <= margin - 6
    assert may_pay(life, height=margin - 6 - 42) == safety.NotNow("too_close_to_the_hold's_end")  # final CLTV 40 + 3


def test_a_settle_needs_the_share_paid_or_the_last_moment() -> None:
    life = builders.settling()
    assert safety.may_settle(life.task, life.hold, life.hold_view(H.HELD), None) is None
    last = builders.margin()
    held = last.hold_view(H.HELD)
    assert safety.may_settle(last.task, last.hold, held, last.facts()) is None
    for facts in (None, last.facts(height=last.task.settle_height - 1)):
        assert safety.may_settle(last.task, last.hold, held, facts) == safety.NotNow("not_paid_yet")
    assert safety.may_settle(last.task, last.hold, last.hold_view(H.OPEN), last.facts()) == safety.NotNow("not_held")
    for start in (builders.funded, builders.submitted, builders.in_flight, builders.disputed):
        other = start()
        refused = safety.may_settle(other.task, other.hold, other.hold_view(H.HELD), other.facts())
        assert refused == safety.NotNow("not_wanted")


def test_a_cancel_needs_that_nothing_is_on_its_way() -> None:
    for start in (builders.funded, builders.submitted, builders.in_flight, builders.disputed, builders.settling):
        life = start()
        assert safety.may_cancel(life.task, life.hold) == safety.NotNow("not_wanted")
    back = builders.refunding(builders.submitted)
    assert safety.may_cancel(back.task, back.hold) is None
    sent = builders.in_flight()
    forced = dataclasses.replace(sent.hold, goal="cancel")
    assert safety.may_cancel(sent.task, forced) == safety.NotNow("payout_on_its_way")
