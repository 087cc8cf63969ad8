"""Every way in which a life ends, as a story each: what is logged, who is told, what the node is asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from handlers.decision import CancelHold, MakeHold, Pay, SettleHold
from handlers.policy import DAY, HOUR
from kinds.codes import Refused, Told
from kinds.inputs import Basis, Check
from kinds.lightning import PaymentStatus
from kinds.states import LogType, PayoutState, TaskState, WorkState
from kinds.units import sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, OTHER, POLICY, STRANGER, WORKER, H, Life, invoice

PS = PaymentStatus
FUNDED = ["task.created", "invoice.created", "invoice.accepted"]


def short(hold: int = 864) -> dict[str, Any]:
    """Terms under which the hold's end is not far behind the deadline."""
    return {"policy": dataclasses.replace(POLICY, hold_cltv=hold)}


def test_the_whole_way() -> None:
    life = builders.paid()
    assert life.types == [
        *FUNDED, "task.claimed", "proof.submitted", "proof.verified", "settlement.started", "settlement.completed",
    ]  # fmt: skip
    assert [type(effect) for effect in life.effects] == [MakeHold, Pay, SettleHold]
    done = life.last(LogType.SETTLEMENT_COMPLETED).facts
    assert done["payouts"][0]["amount_msat"] == life.task.reward
    assert done["credited"] == []
    assert life.told(Told.PAID_WORKER, WORKER)
    assert life.told(Told.PAID_EMPLOYER, EMPLOYER)
    assert life.task.insurance == life.task.budget - 1000


@pytest.mark.parametrize("start", [builders.draft, builders.making, builders.pending])
def test_taken_back_before_money_is_held(start: Callable[[], Life]) -> None:
    life = start()
    open_invoice = life.task.state is TaskState.PENDING_FUNDING
    life.cancel(EMPLOYER)
    assert life.stands == "Refunded:PENDING"
    assert life.types[-1] == "refund.completed"
    assert bool(life.ordered(CancelHold)) == open_invoice


def test_taken_back_while_the_invoice_is_being_made() -> None:
    life = builders.making()
    life.cancel(EMPLOYER)
    life.make()  # too late: it must not live on
    assert [type(effect) for effect in life.effects] == [MakeHold, CancelHold]
    assert not life.told(Told.INVOICE)
    life.see(H.CANCELLED)
    assert life.stands == "Refunded:PENDING"


def test_taken_back_after_funding_waits_for_the_node() -> None:
    life = builders.funded()
    life.cancel(EMPLOYER)
    assert life.stands == "Funded/refunding:PENDING"
    assert life.ordered(CancelHold)
    life.see(H.HELD)
    assert life.stands == "Funded/refunding:PENDING"
    life.see(H.CANCELLED)
    assert life.stands == "Refunded:PENDING"
    assert life.types == [*FUNDED, "refund.started", "refund.completed"]


@pytest.mark.parametrize("start", [builders.draft, builders.making, builders.pending])
def test_the_deadline_passes_without_money(start: Callable[[], Life]) -> None:
    life = start()
    life.until(life.task.terms.deadline).ticks()
    assert life.stands == "Expired:PENDING"
    assert life.types[-1] == "task.expired"


@pytest.mark.parametrize(
    ("deadline", "reason"), [(2 * DAY, "hold_timeout"), (20 * HOUR, "unclaimed")], ids=["timeout", "deadline"]
)
def test_nobody_claims_it(deadline: int, reason: str) -> None:
    life = builders.funded(deadline=deadline)
    until = min(life.now.heard + DAY, life.task.terms.deadline)
    life.until(until - 1).ticks()
    assert life.stands == "Funded:PENDING"
    assert len(life.told(Told.WARNING, EMPLOYER)) == 1
    life.until(until).ticks()
    assert life.stands == "Funded/refunding:PENDING"
    assert life.last(LogType.REFUND_STARTED).facts["reason"] == reason
    assert life.refuses(life.said(WORKER, life.command("claim"))) is Refused.WRONG_STATE
    life.see(H.CANCELLED)
    assert life.stands == "Expired:PENDING"
    assert life.last(LogType.TASK_EXPIRED).facts["mark"] is None


def test_the_hold_timeout_runs_only_while_funded() -> None:
    life = builders.claimed()
    life.wait(DAY + HOUR).ticks()
    assert life.stands == "Claimed:IN_PROGRESS"
    life.say(WORKER, life.command("abandon"))
    assert life.task.funded_until == min(life.now.heard + DAY, life.task.terms.deadline)


def test_a_claim_in_the_last_moment_and_one_too_late() -> None:
    life = builders.funded()
    life.until(life.task.funded_until - 1)
    early = life.copy()
    early.claim()
    assert early.stands == "Claimed:IN_PROGRESS"
    life.wait(1)
    assert life.refuses(life.said(WORKER, life.command("claim"))) is Refused.TOO_LATE


def test_the_deadline_passes_without_a_proof() -> None:
    life = builders.claimed()
    life.until(life.task.terms.deadline).ticks()
    assert life.refuses(life.said(WORKER, life.command("submit"))) is Refused.WRONG_STATE
    life.see(H.CANCELLED)
    assert life.stands == "Expired:IN_PROGRESS"
    assert life.last(LogType.TASK_EXPIRED).facts["mark"] == WORKER


def test_a_proof_after_the_deadline_is_too_late_even_before_the_timer() -> None:
    life = builders.claimed()
    life.until(life.task.terms.deadline)
    assert life.refuses(life.said(WORKER, life.command("submit"))) is Refused.TOO_LATE


def test_each_side_is_warned_once_before_the_deadline() -> None:
    life = builders.claimed()
    for _ in range(40):
        life.until(min(life.now.heard + 2 * HOUR, life.task.terms.deadline - 1)).ticks()
    assert [len(life.told(Told.WARNING, who)) for who in (EMPLOYER, WORKER)] == [2, 2]


@pytest.mark.parametrize("start", [builders.draft, builders.pending])
def test_the_employer_is_warned_before_an_unfunded_task_expires(start: Callable[[], Life]) -> None:
    life = start()
    life.until(life.task.terms.deadline - HOUR - 1).ticks()
    assert life.told(Told.WARNING) == []
    life.wait(1).ticks().wait(60).ticks()
    assert [(say.to, say.facts["what"]) for say in life.told(Told.WARNING)] == [(EMPLOYER, "unfunded")]


def test_a_worker_gives_it_back_early_and_another_takes_it() -> None:
    life = builders.submitted(destination=True)
    life.cancel(WORKER, 30)
    life.say(WORKER, life.command("abandon"))
    assert life.stands == "Funded:PENDING"
    assert (life.task.worker, life.task.offers, life.task.destination) == (None, (), None)
    life.claim(OTHER)
    assert life.refuses(life.said(WORKER, life.command("claim"))) is Refused.TAKEN
    assert life.refuses(life.said(EMPLOYER, life.command("approve"))) is Refused.WRONG_STATE
    life.submit(OTHER)
    assert life.stands == "Claimed:SUBMITTED"


def test_the_next_workers_proof_is_not_the_first_ones() -> None:
    """The employer's word about the first worker's proof, on its way for long, does not pay the second worker."""
    life = builders.submitted()
    life.reach()
    seen_at = life.time
    life.say(WORKER, life.command("abandon"))
    life.claim(OTHER)
    life.wait(HOUR)
    life.submit(OTHER)
    assert life.task.current.proof
    assert life.task.current.proof.number == 2
    life.approve(created_at=seen_at + 60)
    assert life.stands == "Claimed:SUBMITTED"
    assert life.told(Told.PROOF_CHANGED, EMPLOYER)


def test_a_late_download_is_not_taken_for_the_next_workers() -> None:
    life = builders.claimed(policy=dataclasses.replace(POLICY, fetch=True))
    life.submit(WORKER)
    life.say(WORKER, life.command("abandon"))
    life.claim(OTHER)
    life.submit(OTHER)
    life.fetched(Check.MATCHED, number=1)
    assert life.stands == "Claimed:IN_PROGRESS"
    life.fetched(Check.MATCHED, number=2)
    assert life.stands == "Claimed:SUBMITTED"


def test_given_back_too_late_for_another() -> None:
    life = builders.claimed(deadline=30 * HOUR, **short())
    life.wait(20 * HOUR)
    life.say(WORKER, life.command("abandon"))
    assert life.stands == "Claimed/refunding:IN_PROGRESS"
    assert life.types[-2:] == ["task.abandoned", "refund.started"]
    life.see(H.CANCELLED)
    assert life.stands == "Expired:IN_PROGRESS"
    assert life.last(LogType.TASK_EXPIRED).facts["mark"] is None


def test_given_back_after_the_deadline() -> None:
    life = builders.submitted()
    life.until(life.task.terms.deadline)
    life.say(WORKER, life.command("abandon"))
    assert life.stands == "Claimed/refunding:SUBMITTED"


@pytest.mark.parametrize("work", [WorkState.IN_PROGRESS, WorkState.SUBMITTED, WorkState.REJECTED])
def test_a_dispute_keeps_the_money_frozen_until_the_hold_ends(work: WorkState) -> None:
    life = builders.disputed(work)
    held = len(life.effects)
    life.to_height(life.task.last_safe_height - 1).ticks()
    assert life.task.state is TaskState.DISPUTED
    assert len(life.effects) == held, "no settle, no cancel while it is disputed"
    life.to_height(life.task.last_safe_height).ticks()
    assert life.types[-2:] == ["dispute.resolved", "refund.started"]
    life.see(H.CANCELLED)
    assert life.stands == f"Refunded:{work}"
    assert not life.task.marked


def test_a_dispute_ends_by_approval() -> None:
    life = builders.disputed()
    life.approve()
    assert life.stands == "Verified:APPROVED"
    assert life.last(LogType.DISPUTE_RESOLVED).facts["percent"] == 100


@pytest.mark.parametrize("start", [builders.submitted, builders.disputed])
def test_both_want_the_money_back(start: Callable[[], Life]) -> None:
    life = start()
    life.cancel(WORKER, 0)
    life.cancel(EMPLOYER)  # no percentage is none
    assert life.task.phase == "refunding"
    life.see(H.CANCELLED)
    assert life.task.state is TaskState.REFUNDED


def test_offers_replace_and_only_the_same_one_agrees() -> None:
    life = builders.claimed()
    life.cancel(EMPLOYER, 30)
    life.cancel(WORKER, 50)
    life.cancel(EMPLOYER, 40)
    life.cancel(EMPLOYER, 40)  # his own offer again is no agreement
    assert life.stands == "Claimed:IN_PROGRESS"
    life.cancel(WORKER, 30)  # was replaced by 40
    assert life.stands == "Claimed:IN_PROGRESS"
    assert {offer[:2] for offer in life.task.offers} == {(EMPLOYER, 40), (WORKER, 30)}
    life.cancel(WORKER, 40)
    assert life.stands == "Verified:APPROVED"
    assert life.task.split == 40


def test_a_signed_agreement_rests_on_the_offer_that_it_accepts() -> None:
    life = builders.claimed()
    life.cancel(EMPLOYER, 30, signed=True)
    offer = life.basis(life.command("cancel"))
    life.cancel(WORKER, 50, signed=True)
    accept = life.command("cancel", percent=30)
    for basis in (Basis(LogType.TASK_CLAIMED, 4), Basis(LogType.CANCEL_OFFERED, offer.seq + 1)):
        assert life.refuses(life.said(WORKER, accept, signed=True, basis=basis)) is Refused.BASIS_STALE
    life.say(WORKER, accept, signed=True, basis=offer)
    assert life.stands == "Verified:APPROVED"
    assert life.told(Told.CANCEL_OFFERED)[0].facts["basis_seq"] == offer.seq


@pytest.mark.parametrize("start", [builders.verified, lambda: builders.verified(True)], ids=["asked where", "ordered"])
def test_the_worker_disputes_while_the_payout_is_planned(start: Callable[[], Life]) -> None:
    life = start()
    life.dispute(WORKER)
    assert life.stands == "Disputed:SUBMITTED"
    assert [p.state for p in life.task.payouts] == [PayoutState.ABANDONED]
    life.approve()
    life.payout("another")
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"


def test_the_invoice_of_an_abandoned_payout_cannot_come_again() -> None:
    life = builders.verified(True)
    life.dispute(WORKER)
    life.approve()
    again = life.command("payout", destination=invoice("share", life.task.reward))
    assert life.refuses(life.said(WORKER, again)) is Refused.HASH_USED


def test_what_both_agreed_on_is_not_disputed() -> None:
    life = builders.claimed().agree(50)
    assert life.refuses(life.said(WORKER, life.command("dispute"))) is Refused.WRONG_STATE


def test_who_is_nobody_may_do_nothing_at_the_end() -> None:
    life = builders.refunded()
    assert life.refuses(life.said(STRANGER, life.command("claim"))) is Refused.WRONG_STATE


@pytest.mark.parametrize(
    "start", [builders.funded, builders.claimed, builders.submitted, builders.rejected, builders.disputed]
)
def test_a_hold_that_vanishes_before_any_payout(start: Callable[[], Life]) -> None:
    life = start()
    life.see(H.ABSENT if start is builders.disputed else H.CANCELLED)
    assert life.task.state is TaskState.EXPIRED
    assert life.types[-2:] == ["hold.lost", "task.expired"]
    assert not life.ordered(CancelHold)
    assert [found.code for found in life.incidents] == ["hold_lost"]


def test_the_node_may_stay_silent_at_any_point() -> None:
    for life in (builders.pending(), builders.funded(), builders.settling(), builders.refunding(builders.funded)):
        before = life.task
        life.see(H.UNKNOWN)
        life.see(H.OPEN)
        assert life.task == before


@pytest.mark.parametrize("reward", [sats(1000), sats(50_000)])
def test_settled_though_it_should_go_back_is_owed_to_the_employer(reward: int) -> None:
    life = builders.refunding(builders.submitted, reward=reward)
    life.see(H.SETTLED)
    assert life.task.state is TaskState.REFUNDED
    assert life.task.credit(EMPLOYER) == life.task.hold_amount > reward
    assert [found.code for found in life.incidents] == ["settled_instead_of_refunded"]
    told = life.told(Told.CHANGE_OWED, EMPLOYER)[-1].facts
    assert (told["amount_msat"], told["payable_msat"]) == (life.task.hold_amount, reward)
