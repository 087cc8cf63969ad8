"""The operator's brake: what a freeze stops, what it never stops, and what unfreezing gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from handlers.answers import tasks
from handlers.decision import CancelHold, Pay, SettleHold
from handlers.guards import fitting
from handlers.policy import DAY, HOUR
from handlers.tick import due, next_deadline
from kinds.codes import Refused, Told
from kinds.inputs import BY_HAND, Check, PayWanted
from kinds.lightning import Fault, PaymentStatus
from kinds.states import FundingState, LogType, PayoutState, TaskState
from kinds.units import Pubkey
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, POLICY, STRANGER, WORKER, H, Life, invoice

PS = PaymentStatus
OPERATOR = Pubkey("0e" * 32)
PEOPLE_SAY = ("fund", "claim", "submit", "abandon", "approve", "reject", "dispute", "cancel", "payout")


def fields(action: str, life: Life) -> dict[str, Any]:
    return {"destination": invoice("anything", life.task.reward)} if action == "payout" else {}


@pytest.mark.parametrize("place", builders.OPEN)
def test_nobody_but_the_operator_is_heard_about_a_frozen_task(place: str) -> None:
    life = builders.freeze(builders.OPEN[place]())
    for who in (EMPLOYER, WORKER, STRANGER):
        for action in PEOPLE_SAY:
            assert life.refuses(life.said(who, life.command(action, **fields(action, life)))) is Refused.FROZEN
    assert fitting(life.task, EMPLOYER) == fitting(life.task, WORKER) == ["status"]
    builders.unfreeze(life)
    assert not life.task.frozen


@pytest.mark.parametrize("place", builders.OPEN)
def test_a_freeze_and_its_end_leave_everything_where_it_was(place: str) -> None:
    before = builders.OPEN[place]()
    life = builders.unfreeze(builders.freeze(before.copy()))
    same = dataclasses.replace(life.task, seq=before.task.seq, latest=before.task.latest)
    assert same == before.task
    assert life.types[-2:] == ["task.frozen", "task.unfrozen"]
    assert [(line.by, line.proven) for line in life.lines[-2:]] == [("operator", "operator")] * 2
    assert life.effects == before.effects


@pytest.mark.parametrize("place", builders.OPEN)
def test_both_parties_are_told(place: str) -> None:
    life = builders.unfreeze(builders.freeze(builders.OPEN[place]()))
    parties = {life.task.employer, life.task.worker} - {None}
    for code in (Told.TASK_FROZEN, Told.TASK_UNFROZEN):
        assert {say.to for say in life.told(code)} == parties
    assert [say.to for say in life.told(Told.OPERATED)] == [BY_HAND, BY_HAND]


# Who may say it: the one at the machine, and the key that the settings name, if they name one.
@pytest.mark.parametrize(
    ("named", "who", "may"),
    [
        ("", BY_HAND, True), (OPERATOR, BY_HAND, True), (OPERATOR, OPERATOR, True), ("", OPERATOR, False), ("", "", False),
        (OPERATOR, EMPLOYER, False), (OPERATOR, WORKER, False), (OPERATOR, "", False),
    ],
)  # fmt: skip
def test_who_may_freeze(named: str, who: str, may: bool) -> None:
    life = builders.claimed(policy=dataclasses.replace(POLICY, operator=named))
    said = life.said(Pubkey(who), life.command("freeze"))
    if may:
        life.did(said)
        assert life.refuses(life.said(EMPLOYER, life.command("unfreeze"))) is Refused.NOT_OPERATOR
    else:
        assert life.refuses(said) is Refused.NOT_OPERATOR


def test_what_is_so_already_is_not_done_again() -> None:
    life = builders.claimed()
    assert life.refuses(life.said(BY_HAND, life.command("unfreeze"))) is Refused.ALREADY
    builders.freeze(life)
    assert life.refuses(life.said(BY_HAND, life.command("freeze"))) is Refused.ALREADY


@pytest.mark.parametrize("end", [builders.paid, builders.refunded, builders.expired, builders.credited])
def test_what_is_over_cannot_be_frozen(end: Callable[[], Life]) -> None:
    for action in ("freeze", "unfreeze"):
        life = end()
        assert life.refuses(life.said(BY_HAND, life.command(action))) is Refused.WRONG_STATE


# ---------------------------------------------------------------------- time


TIMED: dict[str, Callable[[], Life]] = {
    "unfunded": builders.draft,
    "unclaimed": builders.funded,
    "no proof": builders.claimed,
    "no resubmission": builders.rejected,
    "silence": lambda: builders.submitted().reach(),
    "unreachable": lambda: builders.verified().reach(),
}


@pytest.mark.parametrize("name", TIMED)
def test_deadlines_stand_still_and_move_by_the_time_that_it_took(name: str) -> None:
    """However late it is: nothing ends by time while nobody may act, and afterwards as much time is left as before."""
    life = TIMED[name]().wait(HOUR, blocks=0).ticks()
    before = next_deadline(life.task)
    assert before
    builders.freeze(life)
    assert (due(life.task).heard, due(life.task).time, next_deadline(life.task)) == (None, None, None)
    stood = life.stands
    life.wait(5 * DAY, blocks=0).ticks()
    assert life.stands == stood
    builders.unfreeze(life)
    assert next_deadline(life.task) == (before[0] + 5 * DAY, before[1])
    facts = life.last(LogType.TASK_UNFROZEN).facts
    assert (facts["seconds"], facts["deadline"]) == (5 * DAY, life.task.terms.deadline)
    life.until(before[0] + 5 * DAY - 1).ticks()
    assert life.stands == stood
    life.wait(1, blocks=0).ticks()
    assert life.stands != stood


def test_deaf_time_in_a_freeze_counts_once() -> None:
    life = builders.freeze(builders.claimed())
    deadline = life.task.terms.deadline
    life.wait(DAY, blocks=0, deaf=HOUR)
    builders.unfreeze(life)
    assert life.task.terms.deadline == deadline + DAY - HOUR  # on the clock that stood still while we were deaf
    assert life.last(LogType.TASK_UNFROZEN).facts["deadline"] == deadline + DAY


def test_no_warning_ahead_of_a_deadline_that_stands_still() -> None:
    life = builders.freeze(builders.claimed()).until(builders.claimed().task.terms.deadline).ticks()
    assert not life.told(Told.WARNING)


@pytest.mark.parametrize("place", ["Funded", "Claimed", "Disputed"])
def test_at_its_last_safe_height_a_frozen_hold_goes_back(place: str) -> None:
    life = builders.freeze(builders.OPEN[place]())
    life.to_height(life.task.last_safe_height).ticks()
    assert life.ordered(CancelHold)
    life.see(H.CANCELLED)
    assert life.task.state in (TaskState.REFUNDED, TaskState.EXPIRED)
    assert not life.task.frozen
    assert not life.task.marked, "nobody is to blame for what he was not allowed to do"


def test_work_under_review_is_decided_at_the_last_safe_height_and_owed_at_the_margin() -> None:
    life = builders.freeze(builders.submitted(destination=True))
    life.to_height(life.task.last_safe_height).ticks()
    assert life.stands == "Verified:APPROVED"
    assert life.refuses(PayWanted(life.share.ref)) is Refused.FROZEN
    life.pay(PS.ABSENT)
    life.to_height(life.task.settle_height).ticks()
    life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    assert life.task.credit(WORKER) == life.task.reward + life.task.budget
    assert not life.task.frozen


# ---------------------------------------------------------------------- money


def test_a_payout_that_has_not_started_waits() -> None:
    life = builders.freeze(builders.verified(destination=True))
    assert life.refuses(PayWanted(life.share.ref)) is Refused.FROZEN
    life.pay(PS.ABSENT)  # what the money worker reports when it gets no leave
    life.wait(DAY, blocks=0).ticks()
    assert len(life.ordered(Pay)) == 1
    builders.unfreeze(life).ticks()
    assert len(life.ordered(Pay)) == 2
    life.leave()
    life.pay(PS.COMPLETE)
    assert life.ordered(SettleHold)


@pytest.mark.parametrize("start", [builders.leaving, builders.in_flight])
def test_a_payout_under_way_arrives_and_its_hold_is_settled(start: Callable[[], Life]) -> None:
    life = builders.freeze(start())
    life.pay(PS.COMPLETE)
    assert life.ordered(SettleHold)
    life.see(H.SETTLED)
    assert life.task.state is TaskState.PAID


def test_a_payout_that_failed_is_not_tried_again_while_frozen() -> None:
    life = builders.freeze(builders.in_flight())
    life.fail(Fault.OURS)
    life.wait(DAY, blocks=0).ticks()
    assert life.share.state is PayoutState.CLAIMED
    assert len(life.ordered(Pay)) == 1
    builders.unfreeze(life).ticks()
    assert len(life.ordered(Pay)) == 2


@pytest.mark.parametrize("start", [builders.settling, builders.margin])
def test_a_settle_under_way_ends(start: Callable[[], Life]) -> None:
    life = builders.freeze(start())
    life.see(H.SETTLED)
    assert life.task.state is TaskState.PAID


def test_a_refund_under_way_ends() -> None:
    life = builders.freeze(builders.refunding(builders.submitted))
    life.see(H.CANCELLED)
    assert life.task.state is TaskState.REFUNDED


@pytest.mark.parametrize("place", ["Funded", "Claimed", "Disputed", "Verified"])
def test_a_lost_hold_is_seen(place: str) -> None:
    life = builders.freeze(builders.OPEN[place]())
    life.see(H.CANCELLED)
    assert life.task.state is TaskState.EXPIRED


def test_an_invoice_that_is_made_meanwhile_is_dropped() -> None:
    life = builders.freeze(builders.making())
    life.make()
    assert life.task.state is TaskState.DRAFT
    assert life.ordered(CancelHold)
    assert not life.told(Told.INVOICE)
    life.see(H.CANCELLED)
    assert life.task.fundings[-1].state is FundingState.CANCELLED
    builders.unfreeze(life)
    life.fund()


def test_an_open_invoice_may_still_be_paid_and_then_nobody_claims_it() -> None:
    life = builders.freeze(builders.pending())
    life.see(H.HELD)
    assert life.task.state is TaskState.FUNDED
    assert life.refuses(life.said(WORKER, life.command("claim"))) is Refused.FROZEN
    builders.unfreeze(life)
    life.claim()


def test_work_that_was_delivered_before_is_still_looked_at() -> None:
    life = builders.claimed(policy=dataclasses.replace(POLICY, fetch=True))
    life.submit()
    builders.freeze(life)
    life.fetched(Check.MATCHED)
    assert life.types[-1] == "proof.submitted"


def test_a_frozen_task_is_not_offered_for_a_claim() -> None:
    open_now, frozen = builders.funded(), builders.freeze(builders.funded())
    listed = tasks((), [open_now.task, frozen.task], STRANGER)["open"]
    assert len(listed) == 1


def test_a_hold_that_ends_soon_is_renewed_though_the_task_is_frozen() -> None:
    """Its refund at L would decide what the freeze is to keep as it is."""
    life = builders.freeze(builders.disputed(on_hold_end="rollover then refund"))
    before = life.task.last_safe_height
    life.to_height(life.task.rollover_height).ticks()
    life.make()
    assert life.told(Told.INVOICE, EMPLOYER)
    assert life.refuses(life.said(EMPLOYER, life.command("fund"))) is Refused.FROZEN
    life.see(H.HELD)
    assert life.types[-2:] == ["rollover.asked", "rollover.completed"]
    assert life.task.last_safe_height > before
    assert life.task.frozen
