"""Projects among people who do not mean well, and on a node that does what nobody asked for."""

from __future__ import annotations

from typing import Any

from handlers.guards import fitting
from handlers.policy import DAY
from kinds.cards import card
from kinds.codes import Told
from kinds.inputs import Reached
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import LogType, TaskState
from kinds.units import sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, STRANGER, WORKER, Life

H, PS, S = HoldStatus, PaymentStatus, TaskState


def funded(life: Life) -> Life:
    """The money of the next milestone is held."""
    life.fund()
    life.make()
    life.see(H.HELD)
    return life


def paid(life: Life) -> Life:
    """What is approved is sent, and its hold settled."""
    life.payout()
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    return life


# ---------------------------------------------------------------------- who agreed to what


def test_a_proposal_goes_with_the_worker_who_made_it() -> None:
    """The one who comes after him has agreed to nothing, so the employer cannot agree with him either."""
    life = builders.proposed(WORKER)
    plan = life.task.proposal.hash if life.task.proposal else ""
    life.say(WORKER, life.command("abandon"))
    life.claim(STRANGER)
    assert life.refuses(life.said(EMPLOYER, life.command("agree", plan=plan))) == "no_plan"


def test_an_approval_signed_twice_pays_one_milestone() -> None:
    """The second signature, kept by whoever wants to use it, is worth nothing where no work was delivered."""
    life = builders.begun()
    life.submit()
    first, second = (life.said(EMPLOYER, life.command("approve"), signed=True) for _ in range(2))
    life.did(first)
    funded(paid(life))
    life.dispute(WORKER)
    assert life.refuses(second) == "basis_stale"
    basis = life.basis(life.command("dispute"))
    assert basis.type is LogType.DISPUTE_OPENED
    life.approve(signed=True, basis=basis)


def test_an_end_offered_in_one_milestone_is_none_of_the_next() -> None:
    life = builders.begun()
    offer = life.said(EMPLOYER, life.command("cancel", percent=10), signed=True)
    builders.release(life)
    assert life.refuses(offer) == "basis_stale"
    assert life.task.state is S.DRAFT


def test_an_agreed_end_that_the_worker_disputes_is_none() -> None:
    life = builders.begun()
    life.agree(100)
    life.dispute(WORKER)
    life.approve()
    paid(life)
    assert life.stands == "Draft:PENDING"


# ---------------------------------------------------------------------- time


def test_somebody_is_hired_for_a_project_that_no_single_hold_carries() -> None:
    terms = {"payment_type": "MILESTONE", "deadline": 60 * DAY, "on_hold_end": "refund"}
    life = builders.planned(sizes=((20_000, 5), (30_000, 10)), **terms)
    builders.release(funded(life))
    assert life.stands == "Draft:PENDING"


def test_two_milestones_are_not_due_at_once() -> None:
    """The second one would be over when the first is released at its date."""
    life = builders.hired()
    same = life.command("milestones", milestones=builders.parts((20_000, 20), (30_000, 20)))
    assert life.refuses(life.said(EMPLOYER, same)) == "bad_plan"


# ---------------------------------------------------------------------- money


def test_strays_that_the_node_settles_are_owed_in_full() -> None:
    """Two in the first milestone, and one of it that comes and is settled when it is long released."""
    life, early = builders.planned(), []
    for _ in range(3):
        life.fund()
        life.make()
        early.append(life.hold)
        life.see(H.CANCELLED)
    life.wait(DAY)
    funded(life)
    for each in early[:2]:
        life.see(H.HELD, each)
        life.see(H.SETTLED, life.task.funding(each.ref))
    builders.release(life)
    life.see(H.HELD, early[2])
    builders.release(funded(life))
    life.see(H.SETTLED, life.task.funding(early[2].ref))
    builders.release(funded(life))
    assert life.task.state is S.PAID
    assert life.task.credit(EMPLOYER) == 3 * early[0].amount


def test_a_stray_that_the_node_settles_does_not_end_a_refund() -> None:
    life = builders.planned()
    life.fund()
    life.make()
    stray = life.hold
    life.see(H.CANCELLED)
    funded(life)
    own = life.hold
    life.see(H.HELD, stray)
    life.agree(0)
    life.see(H.SETTLED, life.task.funding(stray.ref))
    assert life.stands == "Claimed/refunding:IN_PROGRESS"
    life.see(H.CANCELLED, own)
    assert life.task.state is S.REFUNDED


def test_a_stray_that_the_node_settles_is_not_the_money_in_the_books() -> None:
    life = builders.planned(custody_mode="ledger")
    life.fund()
    life.make()
    stray = life.hold
    life.see(H.CANCELLED)
    funded(life)
    own = life.hold
    life.see(H.HELD, stray)
    life.see(H.SETTLED, life.task.funding(stray.ref))
    life.see(H.SETTLED, own)
    assert life.task.kept == (life.task.funding(own.ref),)
    builders.release(life)
    assert life.stands == "Draft:PENDING"


def test_whoever_was_paid_for_a_milestone_has_a_receipt() -> None:
    life = builders.released()
    life.cancel(EMPLOYER)
    assert "receipt" in fitting(life.task, WORKER)


def test_a_milestone_whose_money_never_came_has_no_rate_of_its_own() -> None:
    life = builders.released(sizes=((1_600, 20), (800, 40), (1_600, 60)), reward=sats(1), **builders.RUPEES)
    life.until(life.task.deadline).ticks()
    assert life.task.state is S.EXPIRED
    assert life.task.indicative


def test_a_letter_of_an_earlier_milestone_starts_no_clock() -> None:
    """That the worker was asked then, as a relay says much later, does not mean that he has been asked now."""
    life = builders.begun()
    life.submit()
    life.approve()
    asked = life.told(Told.APPROVED)[-1].ref
    funded(paid(life))
    life.submit()
    life.reach(Told.PROOF_ARRIVED).wait(60)
    life.approve()
    life.did(Reached(asked))
    assert not life.task.patience.since
    life.did(Reached(life.told(Told.APPROVED)[-1].ref))
    assert life.task.patience.since == life.now.heard


def test_a_release_in_a_freeze_moves_the_dates_by_the_freeze_alone() -> None:
    life = builders.begun()
    life.submit()
    life.approve()
    life.payout()
    life.leave()
    life.pay(PS.COMPLETE)
    builders.freeze(life)
    planned, since = life.task.milestones[1].due, life.now.heard
    life.until(life.task.deadline + 5 * DAY)
    life.see(H.SETTLED)
    life.wait(DAY)
    builders.unfreeze(life)
    assert life.task.deadline - planned == life.now.heard - since


def test_a_plan_is_shown_whole_to_whoever_agrees_to_it() -> None:
    """Also what the thirteenth milestone asks for."""
    life = builders.hired()
    parts = builders.parts(*((2_500, days) for days in range(1, 21)))
    parts[12]["description"] = "all of it for free"
    life.say(WORKER, life.command("milestones", milestones=parts))
    shown = card(Told.PLAN_PROPOSED, life.told(Told.PLAN_PROPOSED, EMPLOYER)[-1].facts, life.time)
    assert "13. Part 13" in shown
    assert "20. Part 20" in shown
    assert "all of it for free" in shown
    parts[0]["description"], parts[1]["description"], parts[2]["description"] = ("long" * 250,) * 3
    parts[3]["description"] = "long" * 249
    assert life.refuses(life.said(WORKER, life.command("milestones", milestones=parts))) == "bad_plan"


def test_the_log_tells_no_sum_that_the_next_rate_changes() -> None:
    """A sum of the rewards is for cards; the log has the milestones themselves."""
    priced = builders.released(sizes=((1_600, 20), (2_400, 40)), **builders.RUPEES)
    funded(priced)
    named: dict[str, Any] = {"payment_type": "MILESTONE", "milestones": builders.parts((20_000, 2), (30_000, 4))}
    lines = [*priced.lines, *builders.draft(deadline=9 * DAY, **named).lines]
    assert not [line.type for line in lines if "total_msat" in line.facts]
