"""Projects: milestones proposed, agreed on, and lived through one after the other, to the msat."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.fees import Fees
from handlers.policy import DAY
from kinds.codes import Told
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import LogType, Payer, TaskState, WorkState
from kinds.units import Msat, Pubkey, sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, OTHER, STRANGER, WORKER, Life

H, PS, S, W = HoldStatus, PaymentStatus, TaskState, WorkState


def propose(life: Life, by: Pubkey = EMPLOYER, sizes: tuple[tuple[int, int], ...] = builders.PARTS) -> Any:
    return life.said(by, life.command("milestones", milestones=builders.parts(*sizes)))


def agree(life: Life, by: Pubkey = WORKER, plan: str = "") -> Any:
    wanted = life.task.proposal
    return life.said(by, life.command("agree", plan=plan or (wanted.hash if wanted else "ab" * 32)))


# ---------------------------------------------------------------------- deciding together


def test_both_are_shown_the_two_ways_of_being_paid_once_somebody_is_hired() -> None:
    life = builders.hired()
    for who in (EMPLOYER, WORKER):
        (shown,) = life.told(Told.OPTIONS, who)
        assert (shown.facts["total_msat"], shown.facts["recommended"]) == (sats(50_000), "FIXED_PRICE")
    large = builders.hired(reward=sats(200_000))
    assert large.told(Told.OPTIONS, WORKER)[0].facts["recommended"] == "MILESTONE"


def test_either_side_proposes_and_the_other_agrees() -> None:
    for by, other in ((EMPLOYER, WORKER), (WORKER, EMPLOYER)):
        life = builders.proposed(by)
        assert life.refuses(agree(life, by)) == "plan_yours"
        life.did(agree(life, other))
        task = life.task
        assert [each.reward for each in task.milestones] == [sats(20_000), sats(10_000), sats(20_000)]
        assert (task.terms.payment_type, task.terms.review_window, task.terms.on_reject) == (
            "MILESTONE",
            5 * DAY,
            "revise",
        )
        assert life.refuses(propose(life)) == "plan_locked"
        assert life.refuses(agree(life, by)) == "plan_locked"
        assert [say.to for say in life.told(Told.PLAN_AGREED)] == [EMPLOYER, WORKER]


def test_a_plan_changed_after_one_side_agreed_is_another_plan() -> None:
    life = builders.proposed(EMPLOYER)
    old = life.task.proposal
    assert old is not None
    life.did(propose(life, sizes=((25_000, 20), (25_000, 60))))
    assert life.refuses(agree(life, plan=old.hash)) == "plan_changed"
    life.did(agree(life))
    assert [each.reward for each in life.task.milestones] == [sats(25_000)] * 2


def test_both_sides_proposing_at_once_is_no_agreement() -> None:
    life = builders.proposed(EMPLOYER)
    life.did(propose(life, WORKER))
    assert len(life.task.milestones) == 1
    assert life.refuses(agree(life, WORKER)) == "plan_yours"
    life.did(agree(life, EMPLOYER))
    assert len(life.task.milestones) == 3


@pytest.mark.parametrize(
    ("sizes", "code"),
    [
        (((20_000, 20), (29_999, 40)), "plan_sum"),
        (((20_000, 20), (30_001, 40)), "plan_sum"),
        (((50_000, 20),), "bad_plan"),
        ((), "bad_plan"),
        (((20_000, 40), (30_000, 20)), "bad_plan"),
        (((20_000, 20), (30_000, 81)), "bad_plan"),
        (((20_000, 0), (30_000, 20)), "bad_plan"),
        (((50, 20), (49_950, 20)), "below_minimum"),
    ],
)
def test_plans_that_cannot_be_used(sizes: tuple[tuple[int, int], ...], code: str) -> None:
    assert builders.hired().refuses(propose(builders.hired(), sizes=sizes)) == code


def test_nobody_else_has_a_say() -> None:
    life = builders.proposed()
    for who in (STRANGER, OTHER):
        assert life.refuses(propose(life, who)) == "not_your_task"
        assert life.refuses(agree(life, who)) == "not_your_task"
    unhired = builders.draft(order="hire_first")
    assert unhired.refuses(propose(unhired)) == "not_hired"
    first = builders.draft()
    assert first.refuses(propose(first)) == "wrong_state"
    assert builders.hired().refuses(agree(builders.hired())) == "no_plan"


def test_proposals_have_a_limit() -> None:
    life = builders.hired()
    for _ in range(20):
        life.did(propose(life))
    assert life.refuses(propose(life)) == "rate_limited"
    life.wait(DAY + 1)
    life.did(propose(life))


def test_a_plan_whose_first_date_has_passed_is_not_agreed_to() -> None:
    life = builders.proposed()
    life.wait(21 * DAY)
    assert life.refuses(agree(life)) == "bad_plan"


def test_an_invoice_over_the_whole_is_dropped_when_milestones_are_agreed_on() -> None:
    life = builders.proposed()
    life.fund()
    life.did(agree(life))
    life.make()
    assert life.task.state is S.DRAFT
    assert life.task.fundings[0].goal == "cancel"
    life.fund()
    life.make()
    assert life.hold.amount == life.task.hold_amount == sats(20_000 + 200)


def test_asking_for_the_whole_is_choosing_to_pay_in_one_go() -> None:
    life = builders.proposed()
    life.fund()
    life.make()
    assert life.refuses(agree(life)) == "wrong_state"
    assert life.hold.amount == sats(50_500)


def test_terms_of_milestones_want_a_plan_before_the_money() -> None:
    life = builders.hired(payment_type="MILESTONE")
    assert life.refuses(life.said(EMPLOYER, life.command("fund"))) == "plan_needed"
    life.did(propose(life))
    life.did(agree(life))
    life.fund()


def test_an_event_may_name_the_milestones() -> None:
    parts = builders.parts(*builders.PARTS)
    terms: dict[str, Any] = {"payment_type": "MILESTONE", "milestones": parts, "on_hold_end": "rollover then ledger"}
    life = builders.draft(policy=builders.BOOKS, deadline=80 * DAY, **terms)
    assert [each.reward for each in life.task.milestones] == [sats(20_000), sats(10_000), sats(20_000)]
    assert [part["reward_msat"] for part in life.last(LogType.TASK_CREATED).facts["milestones"]] == [
        20_000_000,
        10_000_000,
        20_000_000,
    ]
    life.fund()
    life.make()
    life.see(H.HELD)
    life.claim()
    builders.release(life)
    assert (life.stands, life.task.worker) == ("Draft:PENDING", WORKER)


def test_an_event_with_wrong_milestones_is_refused() -> None:
    parts = builders.parts((20_000, 20), (29_000, 40))
    with pytest.raises(AssertionError, match="plan_sum"):
        builders.draft(deadline=80 * DAY, payment_type="MILESTONE", milestones=parts)
    with pytest.raises(AssertionError, match="bad_plan"):
        builders.draft(deadline=80 * DAY, payment_type="MILESTONE")
    with pytest.raises(AssertionError, match="bad_plan"):
        builders.draft(milestones=builders.parts(*builders.PARTS))


# ---------------------------------------------------------------------- one after the other


def test_three_milestones_one_after_the_other() -> None:
    life = builders.released(3)
    assert life.stands == "Paid:RELEASED"
    task = life.task
    assert [each.state for each in task.milestones] == [W.RELEASED] * 3
    paid = [line.facts["payouts"][0]["amount_msat"] for line in life.lines if line.type is LogType.SETTLEMENT_COMPLETED]
    assert paid == [sats(20_000), sats(10_000), sats(20_000)]
    assert [line.facts["milestone"] for line in life.lines if line.type is LogType.TASK_CLAIMED] == [1, 2, 3]
    assert len(life.told(Told.MILESTONE_RELEASED, WORKER)) == 2
    (done,) = life.told(Told.PROJECT_COMPLETED, EMPLOYER)
    assert len(done.facts["files"]) == 3
    assert "files" not in life.told(Told.PROJECT_COMPLETED, WORKER)[0].facts


def test_no_milestone_is_skipped() -> None:
    """Nothing of the next one can be funded, delivered or approved before this one is released, nor this one before it is delivered."""
    life = builders.begun()
    assert life.refuses(life.said(EMPLOYER, life.command("approve"))) == "wrong_state"
    assert life.refuses(life.said(EMPLOYER, life.command("fund"))) == "wrong_state"
    after = builders.released()
    assert after.refuses(after.said(EMPLOYER, after.command("approve"))) == "wrong_state"
    assert after.refuses(after.said(WORKER, after.command("submit"))) == "wrong_state"
    assert after.refuses(after.said(STRANGER, after.command("claim"))) == "taken"


def test_a_second_approval_is_not_one_of_the_next_milestone() -> None:
    """The same word, said again and heard late: the next milestone's work was not shown to him when he said it."""
    life = builders.released()
    again = life.said(EMPLOYER, life.command("approve"))
    life.fund()
    life.make()
    life.see(H.HELD)
    life.submit()
    life.did(again)
    assert life.stands == "Claimed:SUBMITTED"
    assert life.told(Told.PROOF_CHANGED)


def test_rejected_work_is_delivered_again() -> None:
    life = builders.begun()
    life.submit()
    life.reject()
    assert life.stands == "Claimed:REJECTED"
    builders.release(life)
    assert life.stands == "Draft:PENDING"


def test_a_refund_in_a_later_milestone_ends_the_project_and_what_was_released_stays_paid() -> None:
    life = builders.released()
    life.fund()
    life.make()
    life.see(H.HELD)
    life.agree(0)
    life.see(H.CANCELLED)
    assert life.task.state is S.REFUNDED
    assert life.task.milestones[0].share == sats(20_000)


def test_a_split_ends_the_project() -> None:
    life = builders.begun()
    life.agree(50)
    life.payout()
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    assert life.task.state is S.PAID
    assert [each.state for each in life.task.milestones] == [W.RELEASED, W.PENDING, W.PENDING]
    assert not life.told(Told.PROJECT_COMPLETED)


def test_the_employer_takes_back_what_has_not_begun() -> None:
    life = builders.released()
    life.cancel(EMPLOYER)
    assert life.task.state is S.REFUNDED


def test_a_milestone_that_is_never_funded_ends_at_its_date_without_a_mark() -> None:
    life = builders.released()
    life.until(life.task.deadline).ticks()
    assert life.task.state is S.EXPIRED
    assert life.last(LogType.TASK_EXPIRED).facts["mark"] is None


def test_the_employer_is_reminded_of_the_next_invoice_and_the_worker_may_go() -> None:
    life = builders.released()
    life.wait(2 * DAY + 1).ticks()
    reminded = [say.facts["what"] for say in life.told(Told.WARNING) if say.to == EMPLOYER]
    assert reminded.count("next_unfunded") == 2
    assert [say.facts["what"] for say in life.told(Told.WARNING, WORKER)] == ["next_unpaid"]
    life.say(WORKER, life.command("abandon"))
    assert life.task.worker is None
    assert life.task.is_open


def test_a_worker_who_left_is_replaced_and_the_plan_stays() -> None:
    life = builders.released()
    life.say(WORKER, life.command("abandon"))
    life.claim(STRANGER)
    assert life.refuses(propose(life)) == "wrong_state"
    life.fund()
    life.make()
    life.see(H.HELD)
    assert (life.stands, life.task.worker, life.task.current.number) == ("Claimed:IN_PROGRESS", STRANGER, 2)


def test_before_any_work_a_new_worker_may_agree_on_other_milestones() -> None:
    life = builders.planned()
    life.say(WORKER, life.command("abandon"))
    life.claim(STRANGER)
    life.did(propose(life, STRANGER, ((25_000, 20), (25_000, 60))))
    life.did(agree(life, EMPLOYER))
    assert len(life.task.milestones) == 2


def test_what_is_late_moves_the_dates_behind_it() -> None:
    life = builders.begun()
    life.submit()
    life.until(life.task.deadline + 3 * DAY)
    planned = [each.due for each in life.task.milestones]
    life.approve()
    life.payout()
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    late = life.now.heard - planned[0]
    assert [each.due for each in life.task.milestones[1:]] == [due + late for due in planned[1:]]
    assert life.last(LogType.SETTLEMENT_COMPLETED).facts["next_deadline"] == planned[1] + late + life.deaf


def test_a_late_acknowledgement_of_the_milestone_before_shows_nothing_of_this_one() -> None:
    life = builders.begun()
    life.submit()
    first = life.told(Told.PROOF_ARRIVED)[-1].ref
    life.approve()
    life.payout()
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    life.fund()
    life.make()
    life.see(H.HELD)
    life.submit()
    assert life.told(Told.PROOF_ARRIVED)[-1].ref != first


def test_a_lost_hold_behind_a_paid_share_ends_the_project() -> None:
    life = builders.begun()
    life.submit()
    life.approve()
    life.payout()
    life.leave()
    life.pay(PS.IN_FLIGHT)
    life.see(H.CANCELLED)
    life.pay(PS.COMPLETE)
    assert life.task.state is S.PAID
    assert any(found.code == "loss" for found in life.incidents)


@settings(max_examples=40, deadline=None)
@given(
    amounts=st.lists(st.integers(150, 40_000), min_size=2, max_size=4),
    payer=st.sampled_from(list(Payer)),
    ppm=st.integers(0, 50_000),
    routing=st.integers(0, 500),
)
def test_every_msat_of_every_milestone_is_accounted_for(
    amounts: list[int], payer: Payer, ppm: int, routing: int
) -> None:
    """`check` says so at each step; here the sum over the whole project."""
    fees = Fees(ppm=ppm, base=sats(3), minimum=sats(5), payer=payer, insurance_percent=10)
    policy = dataclasses.replace(builders.BOOKS, fees=fees)
    sizes = tuple((amount, 20 + 10 * n) for n, amount in enumerate(amounts))
    life = builders.begun(policy=policy, reward=sats(sum(amounts)), sizes=sizes)
    for number in range(len(amounts)):
        if number:
            life.fund()
            life.make()
            life.see(H.HELD)
        life.submit()
        life.reach(Told.PROOF_ARRIVED).wait(60)
        life.approve()
        life.payout(f"share {number}")
        life.leave()
        life.pay(PS.COMPLETE, fee=Msat(min(routing * 1000, life.task.budget)))
        life.see(H.SETTLED)
    task = life.task
    assert task.state is S.PAID
    held = [line.facts["hold_msat"] for line in life.lines if line.type is LogType.SETTLEMENT_COMPLETED]
    out = [p for line in life.lines if line.type is LogType.SETTLEMENT_COMPLETED for p in line.facts["payouts"]]
    assert sum(held) == sum(p["amount_msat"] + p["fee_msat"] for p in out) + task.fee + task.insurance


# ---------------------------------------------------------------------- words to each other


def test_what_one_side_says_the_other_hears_and_the_log_does_not() -> None:
    life = builders.hired()
    entries = len(life.lines)
    life.say(WORKER, life.command("say", text="shall we begin with the design?"))
    (heard,) = life.told(Told.SAID)
    assert (heard.to, heard.facts["words"]) == (EMPLOYER, "shall we begin with the design?")
    assert len(life.lines) == entries
    assert life.refuses(life.said(STRANGER, life.command("say"))) == "not_your_task"
    alone = builders.draft()
    assert alone.refuses(alone.said(EMPLOYER, alone.command("say"))) == "nobody_there"
    assert life.refuses(life.said(WORKER, life.command("say"), signed=True)) == "bad_usage"


def test_a_description_is_for_the_two_sides_alone() -> None:
    life = builders.hired()
    said = [part | {"description": "the secret sauce"} for part in builders.parts(*builders.PARTS)]
    life.say(WORKER, life.command("milestones", milestones=said))
    assert "sauce" not in str(life.last(LogType.PLAN_PROPOSED).facts)
    assert "sauce" in str(life.told(Told.PLAN_PROPOSED, EMPLOYER)[-1].facts)
