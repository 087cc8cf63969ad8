"""A deposit that goes into the books: before the turn of its milestone comes, and as the one of two parts of a milestone's money. To the msat."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from handlers import safety
from handlers.check import Broken, check
from handlers.decision import CancelHold, MakeHold, Pay, SettleHold
from handlers.policy import DAY
from handlers.safety import NotNow
from handlers.task import LOCK, Funding
from kinds.codes import Told
from kinds.lightning import Fault, HoldStatus, PaymentStatus, PaySpec
from kinds.states import FundingState, LogType, Phase, TaskState
from kinds.units import Msat
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, WORKER, Life
from tests.handlers.test_deposit import LARGE, answer, example, make_all, pay, pay_out
from tests.handlers.test_two_holds import OTHER, WHICH, backed, balance, opened, ordered

H, L, PS = HoldStatus, LogType, PaymentStatus
BOOKS = replace(LARGE, custody_modes=("lightning_self", "ledger"))
AT_END = {"policy": BOOKS, "on_hold_end": "ledger"}


def covers(life: Life) -> list[Funding]:
    return [f for f in life.task.fundings if f.covers and f.is_booked]


def facts_of(life: Life, kind: str) -> list[Mapping[str, Any]]:
    return [line.facts for line in life.lines if line.type == kind]


def ahead(**given: Any) -> Life:
    """The deposit of a project that is paid on approval is held."""
    life = example(**AT_END | given)
    life.did(answer(life))
    for cover in make_all(life):
        life.see(H.HELD, life.task.funding(cover.ref))
    return life


def ended(life: Life) -> Life:
    """The holds of the deposit have come to their last safe height, and the node has settled them."""
    life.to_height(max(life.task.terms.last_safe(cover.expiry_height) for cover in life.task.covers)).ticks()
    for cover in life.task.covers:
        life.see(H.SETTLED, cover)
    return life


def booked(**given: Any) -> Life:
    return ended(ahead(**given))


# ---------------------------------------------------------------------- beside the work


def test_at_its_last_safe_height_a_cover_goes_into_the_books() -> None:
    life = ahead()
    first = min(life.task.terms.last_safe(cover.expiry_height) for cover in life.task.covers)
    life.to_height(first - 1).ticks()
    assert not life.ordered(SettleHold)
    life.to_height(first).ticks()
    assert {effect.ref for effect in life.ordered(SettleHold)} == {cover.ref for cover in life.task.covers}
    for cover in life.task.covers:
        view = life.hold_view(H.HELD, cover)
        assert safety.may_settle(life.task, cover, view, life.facts()) is None
        assert safety.may_settle(life.task, cover, view, life.facts(height=first - 1)) == safety.NOT_YET
    stood, asked = life.stands, life.task.still_asked
    for cover in life.task.covers:
        life.see(H.SETTLED, cover)
        assert (life.last(L.LEDGER_LOCKED).facts["covers"], life.last(L.LEDGER_LOCKED).facts["funding"]) == (
            str(cover.covers), cover.ref,
        )  # fmt: skip
    assert (life.stands, life.task.still_asked) == (stood, asked)
    assert life.task.locked == sum(cover.amount for cover in life.task.covers) == sum(f.amount for f in covers(life))
    assert life.told(Told.LOCKED, EMPLOYER)
    life.wait(2 * DAY).ticks()
    assert "deposit.returned" not in life.types


def test_with_custody_in_the_books_it_goes_there_at_once() -> None:
    """Where the money comes before the work: the deposit, and then each milestone's rest."""
    life = builders.planned(
        **{"policy": BOOKS, "custody_mode": "ledger", "on_hold_end": "ledger", "deposit_percent": 60}
    )
    life.did(answer(life))
    for cover in make_all(life):
        life.see(H.HELD, life.task.funding(cover.ref))
        life.see(H.SETTLED, life.task.funding(cover.ref))
    ahead = life.task.locked
    assert ahead == sum(f.amount for f in covers(life)) > 0
    for number in range(len(life.task.milestones)):
        if life.task.state is TaskState.DRAFT:
            life.fund()
            life.make()
            life.see(H.HELD)
            assert life.task.locking
            life.see(H.SETTLED)
        assert life.stands == "Claimed:IN_PROGRESS"
        assert (life.task.in_books, life.task.custody, life.task.last_safe_height) == (True, "ledger", 0)
        pay(life)
        assert life.task.locked == sum(f.amount for f in covers(life) if f.milestone > number + 1)
    assert life.stands == "Paid:RELEASED"
    assert "deposit.returned" not in life.types
    assert not life.ordered(CancelHold)


def test_the_whole_way_of_a_project() -> None:
    """Each milestone is paid out of what is in the books and what is held for the rest, and nothing is left."""
    life = booked()
    asked = []
    for _ in range(4):
        before = len(life.ordered(MakeHold))
        pay(life)
        asked += [wish.amount // 1000 for wish in life.ordered(MakeHold)[before:]] or [0]
    budget = [each.budget // 1000 for each in life.task.milestones]
    assert asked == [5_000 + budget[0], 8_000 + budget[1], 2_000 + budget[2], 0]
    assert life.stands == "Paid:RELEASED"
    assert (life.task.locked, life.task.credits) == (0, ())
    third = facts_of(life, "settlement.completed")[2]
    assert [each["amount_msat"] for each in third["other_holds"]] == [3_000_000]


@pytest.mark.parametrize("end", ["cancel", "deadline", "lost"])
def test_out_of_the_books_it_goes_to_the_employers_account(end: str) -> None:
    life = booked()
    whole, parts = life.task.locked, covers(life)
    match end:
        case "cancel":
            life.agree(0)
        case "deadline":
            life.until(life.task.deadline).ticks()
        case "lost":
            life.submit()
            life.approve()
            life.make()
            life.see(H.HELD)
            life.see(H.CANCELLED)
    assert life.task.state is not None
    assert life.task.state.is_final
    assert (life.task.locked, life.task.credit(EMPLOYER)) == (0, whole)
    said = facts_of(life, "deposit.returned")
    assert [(facts["funding"], facts["reason"], facts["credited"]) for facts in said] == [
        (each.ref, "over", [{"role": "employer", "to": EMPLOYER, "amount_msat": each.amount}]) for each in parts
    ]
    told = [say.facts["amount_msat"] for say in life.told(Told.CHANGE_OWED, EMPLOYER)]
    assert told == [each.amount for each in parts]
    assert not {effect.ref for effect in life.ordered(CancelHold)} & {each.ref for each in parts}


@pytest.mark.parametrize("end", [H.SETTLED, H.CANCELLED])
def test_the_task_ends_while_a_cover_is_on_its_way_into_the_books(end: HoldStatus) -> None:
    life = ahead()
    life.to_height(max(life.task.terms.last_safe(cover.expiry_height) for cover in life.task.covers)).ticks()
    parts = life.task.covers
    life.agree(0)
    assert facts_of(life, "deposit.returned")
    for each in parts:
        view = life.hold_view(H.HELD, life.task.funding(each.ref))
        assert safety.may_settle(life.task, life.task.funding(each.ref) or each, view, life.facts()) == NotNow(
            "not_wanted"
        )
        life.see(end, life.task.funding(each.ref))
    assert life.task.locked == 0
    assert life.task.credit(EMPLOYER) == (sum(each.amount for each in parts) if end is H.SETTLED else 0)


def test_one_that_the_node_gave_back_on_its_way_is_lost() -> None:
    life = ahead()
    life.to_height(max(life.task.terms.last_safe(cover.expiry_height) for cover in life.task.covers)).ticks()
    gone, kept = life.task.covers
    life.see(H.CANCELLED, gone)
    life.see(H.SETTLED, kept)
    assert life.last_facts("hold.lost")["covers"] == str(gone.covers)
    assert life.task.covers == (life.task.funding(kept.ref),)
    assert life.task.locked == kept.amount


def test_a_renewal_is_not_wanted_any_more() -> None:
    life = ahead(on_hold_end="rollover then ledger")
    cover = life.task.covers[0]
    life.to_height(life.task.renews_at(cover)).ticks()
    renewals = [f for f in make_all(life) if f.replaces]
    assert renewals
    life.to_height(max(life.task.terms.last_safe(each.expiry_height) for each in life.task.covers)).ticks()
    for each in life.task.covers:
        life.see(H.SETTLED, each)
    assert life.task.locked
    for each in renewals:
        now = life.task.funding(each.ref)
        assert now
        assert now.goal == "cancel"
        life.see(H.HELD, now)
        assert life.last(L.FUNDING_STRAY).facts["funding"] == each.ref
    assert "rollover.completed" not in life.types


def test_a_whole_cover_alone_pays_for_approved_work_and_for_a_missed_rest() -> None:
    alone = booked(deposit_percent=100)
    pay(alone)
    assert alone.stands == "Claimed:IN_PROGRESS"
    assert alone.types.count("invoice.created") == 4
    life = builders.locked_ahead(deadline=60 * DAY, **AT_END)
    ended(life)
    life.submit()
    life.approve()
    life.make(H.ABSENT)
    life.until(life.task.current.pay_until).ticks()
    assert life.stands == "Verified:APPROVED"
    assert life.task.in_books
    pay_out(life)
    assert life.task.state is TaskState.EXPIRED
    assert (life.task.locked, life.last_facts("payment.missed")["short_msat"] > 0) == (0, True)


def test_terms_without_books_know_no_such_thing() -> None:
    task = booked().task
    with pytest.raises(Broken, match="against its terms"):
        check(replace(task, terms=replace(task.terms, on_hold_end="refund")))
    for locked in (0, task.locked - 1, task.locked + 1):
        with pytest.raises(Broken, match="did not come from"):
            check(replace(task, locked=Msat(locked)))


# ---------------------------------------------------------------------- one in the books, the other held


def mixed(start: Callable[..., Life] = builders.claimed, which: str = "cover", longer: int = 100, **given: Any) -> Life:
    """Of the two holds that the money rests on, one is in the books."""
    life = backed(start, longer, **AT_END | given)
    kept = WHICH[which](life)
    life.remembered = replace(
        life.task.with_funding(kept.ref, state=FundingState.SETTLED, goal=LOCK),
        locked=Msat(life.task.locked + kept.amount),
    )
    check(life.task)
    return life


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("longer", [-100, 100])
def test_only_what_is_held_has_heights(longer: int, which: str) -> None:
    life = mixed(builders.disputed, which, longer)
    held = WHICH[OTHER[which]](life)
    assert (life.task.hold, life.task.in_books, life.task.custody) == (held, False, "ledger")
    assert life.task.last_safe_height == life.task.terms.last_safe(held.expiry_height)
    life.to_height(life.task.last_safe_height).ticks()
    assert ordered(life, SettleHold) == {held.ref}
    life.see(H.SETTLED, life.task.funding(held.ref))
    assert life.last(L.LEDGER_LOCKED).facts["funding"] == held.ref
    assert "covers" not in life.last(L.LEDGER_LOCKED).facts
    assert (life.task.in_books, life.task.locked) == (True, life.task.hold_amount)


@pytest.mark.parametrize("which", WHICH)
def test_paid_out_of_both(which: str) -> None:
    life = mixed(lambda **given: builders.verified(True, **given), which)
    held = WHICH[OTHER[which]](life)
    share, facts = life.share, life.facts()
    view = safety.together([life.hold_view(H.HELD, held)])
    assert isinstance(safety.may_pay(life.task, share, view, facts, 60), PaySpec)
    assert safety.may_pay(life.task, share, None, facts, 60) == NotNow("hold_not_on_channel")
    short = replace(life.task, locked=Msat(share.amount + share.budget - held.amount - 1))
    assert safety.may_pay(short, share, view, facts, 60) == NotNow("hold_too_small")
    life.leave()
    life.pay(PS.COMPLETE)
    assert ordered(life, SettleHold) == {held.ref}
    assert life.stands == "Verified/settling:APPROVED"
    life.see(H.SETTLED, life.task.funding(held.ref))
    assert life.stands == "Paid:RELEASED"
    done = life.last_facts("settlement.completed")
    assert (done["hold_msat"], done["other_holds"]) == (life.task.hold_amount, [opened(WHICH["cover"](life))])
    assert (life.task.locked, balance(life)) == (0, 0)


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("arrives", [True, False])
def test_at_the_margin_of_what_is_held(arrives: bool, which: str) -> None:
    life = mixed(lambda **given: builders.verified(True, **given), which)
    life.leave()
    life.pay(PS.IN_FLIGHT)
    held = WHICH[OTHER[which]](life)
    life.to_height(held.expiry_height - life.task.terms.margin).ticks()
    assert ordered(life, SettleHold) == {held.ref}
    life.see(H.SETTLED, life.task.funding(held.ref))
    assert life.stands == "Verified/settling:APPROVED"
    if arrives:
        life.pay(PS.COMPLETE)
    else:
        life.fail(Fault.OURS)
    assert life.stands == "Paid:RELEASED"
    owed = 0 if arrives else life.task.share_amount + life.task.budget
    assert (life.task.credit(WORKER), life.task.locked, balance(life)) == (owed, 0, 0)


@pytest.mark.parametrize("start", [builders.claimed, builders.submitted, builders.disputed])
@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("end", [H.CANCELLED, H.SETTLED])
def test_given_back_out_of_both(end: HoldStatus, which: str, start: Callable[..., Life]) -> None:
    life = mixed(start, which)
    kept, held = WHICH[which](life), WHICH[OTHER[which]](life)
    life.agree(0)
    assert (ordered(life, CancelHold), life.task.credit(EMPLOYER)) == ({held.ref}, kept.amount)
    assert life.task.phase is Phase.REFUNDING
    life.see(end, life.task.funding(held.ref))
    assert life.task.state is TaskState.REFUNDED
    facts = life.last_facts("refund.completed")
    back = held.amount if end is H.CANCELLED else 0
    assert facts["amount_msat"] == back
    assert sum(each["amount_msat"] for each in facts["credited"]) == life.task.hold_amount - back
    assert (life.task.locked, balance(life)) == (0, 0)


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("end", [H.CANCELLED, H.SETTLED])
def test_given_back_while_the_other_is_on_its_way_into_the_books(end: HoldStatus, which: str) -> None:
    life = mixed(builders.disputed, which)
    held = WHICH[OTHER[which]](life)
    life.to_height(life.task.last_safe_height).ticks()
    assert life.task.locking
    life.agree(0)
    assert not ordered(life, CancelHold)
    life.see(end, life.task.funding(held.ref))
    assert life.task.state is TaskState.REFUNDED
    credited = life.task.hold_amount if end is H.SETTLED else life.task.hold_amount - held.amount
    assert (life.task.locked, life.task.credit(EMPLOYER), balance(life)) == (0, credited, 0)


@pytest.mark.parametrize("start", [builders.claimed, builders.submitted, builders.disputed, builders.verified])
@pytest.mark.parametrize("which", WHICH)
def test_the_held_one_is_lost(which: str, start: Callable[..., Life]) -> None:
    life = mixed(start, which)
    kept, held = WHICH[which](life), WHICH[OTHER[which]](life)
    life.see(H.CANCELLED, held)
    assert life.task.state is TaskState.EXPIRED
    for kind in ("hold.lost", "task.expired"):
        facts = life.last_facts(kind)
        assert (facts["funding"], facts["other_holds"]) == (held.ref, [opened(kept)])
        assert facts["credited"] == [{"role": "employer", "to": EMPLOYER, "amount_msat": kept.amount}]
    assert (life.task.locked, life.task.credit(EMPLOYER), balance(life)) == (0, kept.amount, 0)


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("arrives", [True, False])
def test_the_held_one_is_lost_under_a_payout(arrives: bool, which: str) -> None:
    life = mixed(lambda **given: builders.verified(True, **given), which)
    kept, held = WHICH[which](life), WHICH[OTHER[which]](life)
    life.leave()
    life.pay(PS.IN_FLIGHT)
    life.see(H.CANCELLED, held)
    assert life.stands == "Verified:APPROVED"
    if not arrives:
        life.fail(Fault.THEIRS)
        assert life.task.state is TaskState.EXPIRED
        assert (life.task.locked, life.task.credit(EMPLOYER), balance(life)) == (0, kept.amount, 0)
        return
    life.pay(PS.COMPLETE)
    assert life.stands == "Paid:RELEASED"
    loss = life.last_facts("settlement.completed")["loss_msat"]
    assert loss == max(0, life.share.amount + life.share.fee - kept.amount)
    assert (life.task.locked, balance(life)) == (0, -loss)


@pytest.mark.parametrize("which", WHICH)
def test_a_worker_who_cannot_be_reached(which: str) -> None:
    """With a part still held it goes back; with all in the books it is his."""
    held = mixed(builders.verified, which)
    held.reach(Told.APPROVED)
    held.wait(DAY).ticks()
    assert held.stands == "Verified/refunding:APPROVED"
    all_there = mixed(builders.disputed, which)
    all_there.to_height(all_there.task.last_safe_height).ticks()
    all_there.see(H.SETTLED, WHICH[OTHER[which]](all_there))
    all_there.say(EMPLOYER, all_there.command("approve"))
    all_there.reach(Told.APPROVED)
    all_there.wait(DAY).ticks()
    assert all_there.stands == "Paid:RELEASED"
    assert all_there.task.credit(WORKER) == all_there.task.share_amount + all_there.task.budget


@pytest.mark.parametrize("order", list(itertools.permutations(WHICH)), ids="-".join)
def test_both_go_into_the_books_each_at_its_own_end(order: tuple[str, str]) -> None:
    life = backed(builders.disputed, 50 if order[0] == "rest" else -50, **AT_END)
    for n, which in enumerate(order, 1):
        each = WHICH[which](life)
        assert life.task.hold == each
        life.to_height(life.task.terms.last_safe(each.expiry_height)).ticks()
        assert len(life.ordered(SettleHold)) == n
        life.see(H.SETTLED, life.task.funding(each.ref))
    assert life.task.in_books
    life.wait(life.task.terms.dispute_limit).ticks()
    assert life.task.state is TaskState.REFUNDED
    assert sorted(c["amount_msat"] for c in life.last_facts("refund.completed")["credited"]) == sorted(
        WHICH[which](life).amount for which in WHICH
    )
    assert (life.task.credit(EMPLOYER), life.task.locked, balance(life)) == (life.task.hold_amount, 0, 0)
    assert not life.ordered(Pay)
