"""A fresh hold in time: when it is asked for, what it must be, when it takes over, and everything that comes too late or unasked."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.decision import CancelHold, MakeHold
from handlers.task import ROLLOVER_BLOCKS
from kinds.codes import Refused, Told
from kinds.inputs import HoldSeen
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import FundingState, LogType, WorkState
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, H, Life

TERMS: dict[str, Any] = {"on_hold_end": "rollover then refund"}
F = FundingState


def dispute(**given: Any) -> Life:
    return builders.disputed(**TERMS, **given)


def asked(life: Life | None = None) -> Life:
    """The time has come, and the invoice is with the employer."""
    life = life or dispute()
    life.to_height(life.task.rollover_height).ticks()
    life.make()
    return life


def renewed(life: Life | None = None) -> Life:
    life = asked(life)
    life.see(H.HELD)
    return life


def old_hold(life: Life) -> Any:
    return life.task.fundings[0]


def test_it_is_asked_for_a_day_before_l_and_once() -> None:
    life = dispute()
    assert life.task.rollover_height == life.task.last_safe_height - ROLLOVER_BLOCKS
    life.to_height(life.task.rollover_height - 1).ticks()
    assert len(life.ordered(MakeHold)) == 1
    life.to_height(life.task.rollover_height).ticks().ticks()
    assert len(life.ordered(MakeHold)) == 2
    wish = life.ordered(MakeHold)[-1]
    assert (wish.amount, wish.cltv) == (life.task.hold_amount, life.policy.hold_cltv)
    assert wish.expiry == 24 * 3600
    life.make()
    assert life.stands == "Disputed:SUBMITTED"
    assert life.last(LogType.ROLLOVER_ASKED).facts["replaces"] == old_hold(life).ref
    assert life.told(Told.INVOICE, EMPLOYER)[-1].facts["renews"] is True
    assert len(life.told(Told.ROLLOVER_ASKED)) == 1
    life.to_height(life.task.rollover_height + 20).ticks()
    assert len(life.ordered(MakeHold)) == 2


def test_terms_without_it_ask_for_nothing() -> None:
    life = builders.disputed()
    life.to_height(life.task.last_safe_height - 1).ticks()
    assert len(life.ordered(MakeHold)) == 1
    assert life.refuses(life.said(EMPLOYER, life.command("fund"))) is Refused.WRONG_STATE


def test_a_short_hold_is_not_renewed_before_a_fresh_one_lasts_longer() -> None:
    life = dispute()
    short = life.task.with_funding(old_hold(life).ref, cltv=500, expiry_height=old_hold(life).expiry_height - 1500)
    assert short.rollover_height == old_hold(life).expiry_height - 1500 - 500 + ROLLOVER_BLOCKS + 3
    assert short.last_safe_height - ROLLOVER_BLOCKS < short.rollover_height < short.last_safe_height


def test_the_fresh_hold_takes_over_and_the_old_one_goes_back() -> None:
    life = renewed()
    old, fresh = life.task.fundings
    assert life.task.hold == fresh
    assert (old.state, old.goal) == (F.ACCEPTED, "stray")
    assert life.ordered(CancelHold)[-1].ref == old.ref
    assert life.stands == "Disputed:SUBMITTED"
    facts = life.last(LogType.ROLLOVER_COMPLETED).facts
    assert (facts["funding"], facts["replaces"]) == (fresh.ref, old.ref)
    assert facts["last_safe_height"] == life.task.last_safe_height > old.expiry_height - 500
    assert len(life.told(Told.ROLLED_OVER)) == 2
    before = len(life.lines)
    life.see(H.CANCELLED, old)
    assert old_hold(life).state is F.CANCELLED
    assert len(life.lines) == before
    life.to_height(old.expiry_height - life.task.terms.margin).ticks()
    assert life.stands == "Disputed:SUBMITTED", "the old hold's end is nobody's concern any more"
    life.approve()
    life.payout()
    life.leave()
    life.pay(PaymentStatus.COMPLETE)
    life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    assert life.last(LogType.SETTLEMENT_COMPLETED).facts["funding"] == fresh.ref


def test_it_can_be_renewed_again() -> None:
    life = renewed(renewed())
    assert [f.replaces for f in life.task.fundings] == ["", life.task.fundings[0].ref, life.task.fundings[1].ref]
    assert life.task.hold == life.task.fundings[-1]


def test_without_a_fresh_hold_it_ends_as_agreed() -> None:
    life = asked()
    life.to_height(life.task.last_safe_height).ticks()
    assert life.stands == "Disputed/refunding:SUBMITTED"
    assert {order.ref for order in life.ordered(CancelHold)} == {f.ref for f in life.task.fundings}
    fresh = life.task.fundings[-1]
    life.see(H.HELD, fresh)  # paid in the last moment
    assert life.types[-1] == "funding.stray"
    assert life.task.hold == old_hold(life)
    life.see(H.CANCELLED, old_hold(life))
    assert life.stands == "Refunded:SUBMITTED"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"parts": ()}, "amount"), ({"expiry": ROLLOVER_BLOCKS - 1}, "expires_too_soon")],
    ids=["another amount", "hardly longer"],
)
def test_what_does_not_fit_goes_back_and_nothing_has_changed(changes: dict[str, Any], problem: str) -> None:
    life = asked()
    old, fresh = life.task.fundings
    if "expiry" in changes:
        view = life.hold_view(H.HELD, fresh)
        part = view.parts[0].__class__("1x1x1", 0, fresh.amount, old.expiry_height + changes["expiry"], True)
        changes = {"parts": (part,)}
    life.did(HoldSeen(fresh.ref, life.hold_view(H.HELD, fresh, **changes)))
    assert life.last(LogType.FUNDING_FAILED).facts == {"funding": fresh.ref, "reason": problem}
    assert life.task.hold == old_hold(life)
    assert life.stands == "Disputed:SUBMITTED"
    assert life.ordered(CancelHold)[-1].ref == fresh.ref


def test_an_invoice_that_expired_is_made_anew_when_he_asks() -> None:
    life = asked()
    life.see(H.CANCELLED)
    assert life.types[-1] == "invoice.expired"
    assert life.stands == "Disputed:SUBMITTED"
    life.ticks()
    assert len(life.ordered(MakeHold)) == 2
    life.fund()
    assert len(life.ordered(MakeHold)) == 3
    life.make()
    life.fund()  # the same again
    assert len(life.ordered(MakeHold)) == 3
    assert life.told(Told.INVOICE)[-1].facts["invoice"] == life.task.fundings[-1].invoice
    life.see(H.HELD)
    assert life.types[-1] == "rollover.completed"


def test_nobody_else_can_ask_and_not_before_its_time() -> None:
    life = dispute()
    assert life.refuses(life.said(EMPLOYER, life.command("fund"))) is Refused.WRONG_STATE
    life = asked()
    assert life.refuses(life.said(life.task.worker or EMPLOYER, life.command("fund"))) is Refused.NOT_YOUR_TASK


@pytest.mark.parametrize(
    "decided",
    [lambda life: life.approve(), lambda life: life.agree(0), lambda life: life.agree(40)],
    ids=["approved", "taken back", "split"],
)
def test_what_is_decided_wants_no_fresh_hold(decided: Any) -> None:
    life = asked()
    fresh = life.task.fundings[-1]
    decided(life)
    assert life.task.fundings[-1].goal == "cancel"
    assert fresh.ref in {order.ref for order in life.ordered(CancelHold)}
    state = life.task.state
    life.see(H.HELD, fresh)
    assert life.types[-1] == "funding.stray"
    assert life.task.state is state
    assert life.task.hold == old_hold(life)


def test_given_back_it_wants_none_either() -> None:
    life = builders.rejected(**TERMS)
    life = life.wait(0, blocks=life.task.rollover_height - life.height).ticks()
    life.make()
    life.say(life.task.worker or EMPLOYER, life.command("abandon"))
    assert life.task.fundings[-1].goal == "cancel"


def test_the_node_that_makes_it_too_late_makes_a_stray_invoice() -> None:
    life = dispute()
    life.to_height(life.task.rollover_height).ticks()
    life.approve()
    life.make()
    assert life.task.fundings[-1].goal == "cancel"
    assert "rollover.asked" not in life.types


def test_the_hold_lost_while_a_fresh_one_is_asked_for() -> None:
    life = asked()
    fresh = life.task.fundings[-1]
    life.see(H.CANCELLED, old_hold(life))
    assert life.stands == "Expired:SUBMITTED"
    assert life.task.fundings[-1].goal == "cancel"
    life.see(H.HELD, fresh)
    assert life.types[-1] == "funding.stray"


def test_refused_work_waits_for_a_fresh_hold_too() -> None:
    life = builders.rejected(**TERMS)
    life = life.wait(0, blocks=life.task.rollover_height - life.height).ticks()
    life.make()
    life.see(H.HELD)
    assert life.stands == f"Claimed:{WorkState.REJECTED}"
    assert life.types[-1] == "rollover.completed"


def test_the_old_hold_settled_behind_our_back_is_owed() -> None:
    life = renewed()
    old = old_hold(life)
    life.did(HoldSeen(old.ref, life.hold_view(HoldStatus.SETTLED, old)))
    assert life.task.credit(EMPLOYER) > 0
    assert life.stands == "Disputed:SUBMITTED"
