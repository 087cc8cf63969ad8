"""A milestone's money may rest on two holds: one of a deposit over a part of it, and one over the rest. Whatever order the node's words come
in: both go the same way, the end waits for both, and it adds up to the msat."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers import safety
from handlers.check import Broken, check
from handlers.decision import CancelHold, Pay, SettleHold
from handlers.task import Funding, Task
from kinds.lightning import Fault, HoldStatus, HoldView, PaymentStatus, PaySpec
from kinds.states import FundingState, LogType, PayoutState, Phase, TaskState
from kinds.units import Msat, sats
from tests.handlers import builders
from tests.handlers.life import Life, hash_of, preimage_of
from tests.handlers.town import MOODS, Town

F, H, L, PS = FundingState, HoldStatus, LogType, PaymentStatus
PART = 20_000  # sats of the reward that have a deposit


def backed(start: Callable[..., Life] = builders.claimed, longer: int = 100, **given: Any) -> Life:
    """The money that was held, as two holds; that of the deposit lasts so many blocks longer than the other."""
    life = start(**given)
    task = life.task
    whole = next(f for f in task.fundings if f.state is F.ACCEPTED)
    ref = f"{task.id}/h99"
    cover = replace(
        whole, ref=ref, payment_hash=hash_of(preimage_of(ref)), covers=PART, amount=sats(PART), salt="5a" * 16,
        expiry_height=whole.expiry_height + longer,
    )  # fmt: skip
    rest = replace(whole, amount=Msat(whole.amount - cover.amount))
    life.remembered = replace(task, fundings=(*(f for f in task.fundings if f != whole), cover, rest))
    check(life.task)
    return life


def cover(life: Life) -> Funding:
    return next(f for f in life.task.fundings if f.covers)


def rest(life: Life) -> Funding:
    return next(f for f in life.task.fundings if not f.covers)


WHICH: dict[str, Callable[[Life], Funding]] = {"cover": cover, "rest": rest}
OTHER = {"cover": "rest", "rest": "cover"}


def see(life: Life, which: str, status: HoldStatus) -> None:
    life.see(status, WHICH[which](life))


def ordered(life: Life, kind: type[SettleHold] | type[CancelHold]) -> set[str]:
    return {effect.ref for effect in life.ordered(kind)}


def both(life: Life) -> set[str]:
    return {cover(life).ref, rest(life).ref}


def opened(funding: Funding) -> dict[str, Any]:
    return {
        "funding": funding.ref, "amount_msat": funding.amount, "payment_hash": funding.payment_hash, "hash_salt": funding.salt,
    }  # fmt: skip


def balance(life: Life) -> int:
    """What came less what went, to accounts and the house too; a loss of the house is below zero."""
    task = life.task
    came = sum(f.amount for f in task.fundings if f.state is F.SETTLED)
    went = sum(p.amount + p.fee for p in task.payouts if p.state is PayoutState.COMPLETE)
    return came - went - sum(entry.amount for entry in task.credits) - task.fee - task.insurance


def in_flight(**given: Any) -> Life:
    life = backed(lambda: builders.claimed(True), **given)
    life.submit()
    life.approve()
    life.leave()
    life.pay(PS.IN_FLIGHT)
    return life


def settling(**given: Any) -> Life:
    """The worker has his share."""
    life = in_flight(**given)
    life.pay(PS.COMPLETE)
    return life


def at_margin(start: Callable[..., Life] = in_flight, **given: Any) -> Life:
    life = start(**given)
    life.to_height(life.task.settle_height).ticks()
    assert life.stands == "Verified/settling:APPROVED"
    return life


ORDERS = list(itertools.permutations(WHICH))
LONGER = (-100, 0, 100)


@pytest.mark.parametrize("longer", LONGER)
def test_the_one_that_ends_first_gives_the_heights(longer: int) -> None:
    life = backed(longer=longer)
    task = life.task
    first = min(cover(life).expiry_height, rest(life).expiry_height)
    assert task.hold
    assert task.hold.expiry_height == first
    assert set(task.holds) == {cover(life), rest(life)}
    assert task.settle_height == first - task.terms.margin
    assert task.last_safe_height == task.terms.last_safe(first)


def test_a_part_alone_is_not_the_money() -> None:
    alone = backed(lambda: builders.claimed()).task
    alone = replace(alone, fundings=tuple(f for f in alone.fundings if f.covers))
    assert alone.hold is None
    later = replace(alone, terms=replace(alone.terms, funding="on_approval"))
    assert later.unfunded
    assert later.last_safe_height == later.settle_height == 0
    check(later)


# ------------------------------------------------------------------ settled


@pytest.mark.parametrize("longer", LONGER)
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_settled_when_both_are(order: tuple[str, str], longer: int) -> None:
    life = settling(longer=longer)
    assert ordered(life, SettleHold) == both(life)
    assert life.last(L.SETTLEMENT_STARTED).facts["funding"] == rest(life).ref
    see(life, order[0], H.SETTLED)
    assert life.stands == "Verified/settling:APPROVED"
    life.wait(86_400).ticks()  # the node says nothing of the other for a day
    see(life, order[0], H.SETTLED)
    assert life.stands == "Verified/settling:APPROVED"
    see(life, order[1], H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    facts = life.last(L.SETTLEMENT_COMPLETED).facts
    assert facts["hold_msat"] == life.task.hold_amount
    assert (facts["funding"], facts["payment_hash"]) == (rest(life).ref, rest(life).payment_hash)
    assert facts["other_holds"] == [opened(cover(life))]
    assert balance(life) == 0


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_an_agreed_share_gives_the_rest_back(percent: int) -> None:
    life = backed().agree(percent)
    life.payout("part")
    life.leave()
    life.pay(PS.COMPLETE)
    for which in WHICH:
        see(life, which, H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    change = life.task.hold_amount - life.share.amount - life.share.fee - life.task.fee - life.task.insurance
    assert life.task.credit(life.task.employer) == change
    assert balance(life) == 0


def test_what_a_deposit_has_above_what_is_due_goes_back() -> None:
    life = backed(builders.covered, longer=0)
    task = life.task
    big = Msat(cover(life).amount + sats(7))
    life.remembered = replace(
        task.with_milestone(asked=100), fundings=tuple(replace(f, amount=big) if f.covers else f for f in task.fundings)
    )
    with pytest.raises(Broken, match="are held, and"):
        check(life.task)
    alone = tuple(replace(f, amount=Msat(task.hold_amount + sats(7))) for f in task.fundings if f.covers)
    life.remembered = replace(task, fundings=alone)
    check(life.task)
    life.payout()
    life.leave()
    life.pay(PS.COMPLETE)
    see(life, "cover", H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    assert life.task.credit(life.task.employer) == sats(7)
    assert "other_holds" not in life.last(L.SETTLEMENT_COMPLETED).facts
    assert balance(life) == 0


@pytest.mark.parametrize("longer", LONGER)
@pytest.mark.parametrize("order", list(itertools.permutations(("cover", "rest", "payout"))), ids="-".join)
@pytest.mark.parametrize("arrives", [True, False])
def test_at_the_margin_of_the_first_both_are_settled(arrives: bool, order: tuple[str, ...], longer: int) -> None:
    life = at_margin(longer=longer)
    assert ordered(life, SettleHold) == both(life)
    for which in WHICH.values():
        view = life.hold_view(H.HELD, which(life))
        assert safety.may_settle(life.task, which(life), view, life.facts()) is None
        assert safety.may_settle(life.task, which(life), view, life.facts(height=life.height - 1)) == safety.NOT_PAID
    for n, each in enumerate(order):
        if each != "payout":
            see(life, each, H.SETTLED)
        elif arrives:
            life.pay(PS.COMPLETE)
        else:
            life.fail(Fault.OURS)
        assert life.task.state is (TaskState.PAID if n == 2 else TaskState.VERIFIED)
        if n < 2 and life.task.hold:
            waiting = life.task.hold
            held = life.hold_view(H.HELD, waiting)
            assert safety.may_settle(life.task, waiting, held, life.facts()) is None, "the first one was settled before"
            assert safety.must_settle(life.task, life.height)
    worker = life.task.credit(life.share.to)
    assert worker == (0 if arrives else life.task.share_amount + life.task.budget)
    assert balance(life) == 0


# ------------------------------------------------------------------ given back


@pytest.mark.parametrize("start", [builders.funded, builders.claimed, builders.disputed])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("ends", list(itertools.product((H.CANCELLED, H.SETTLED), repeat=2)))
def test_given_back_when_both_are(
    ends: tuple[HoldStatus, HoldStatus], order: tuple[str, str], start: Callable[..., Life]
) -> None:
    life = builders.refunding(lambda: backed(start))
    assert ordered(life, CancelHold) == both(life)
    assert life.last(L.REFUND_STARTED).facts["funding"] == rest(life).ref
    see(life, order[0], ends[0])
    life.wait(86_400).ticks()
    assert life.task.phase is Phase.REFUNDING
    see(life, order[1], ends[1])
    assert life.task.state is TaskState.REFUNDED
    facts = life.last(L.REFUND_COMPLETED).facts
    given = {
        each: sum(WHICH[o](life).amount for o, end in zip(order, ends, strict=True) if end is each) for each in ends
    }
    assert facts["amount_msat"] == given.get(H.CANCELLED, 0)
    assert sum(each["amount_msat"] for each in facts.get("credited", [])) == given.get(H.SETTLED, 0)
    assert life.task.credit(life.task.employer) == given.get(H.SETTLED, 0)
    assert (facts["funding"], facts["other_holds"]) == (rest(life).ref, [opened(cover(life))])
    assert balance(life) == 0


# ------------------------------------------------------------------ lost


@pytest.mark.parametrize(
    "start", [builders.funded, builders.claimed, builders.submitted, builders.disputed, builders.verified]
)
@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("end", [H.CANCELLED, H.SETTLED])
def test_one_is_lost_and_the_other_goes_back(end: HoldStatus, which: str, start: Callable[..., Life]) -> None:
    life = backed(start)
    see(life, which, H.CANCELLED)
    assert life.task.state is TaskState.EXPIRED
    there = WHICH[OTHER[which]](life)
    assert (there.goal, ordered(life, CancelHold)) == ("stray", {there.ref})
    for kind in (L.HOLD_LOST, L.TASK_EXPIRED):
        facts = life.last(kind).facts
        assert (facts["funding"], facts["other_holds"]) == (WHICH[which](life).ref, [opened(there)])
    see(life, OTHER[which], end)
    assert life.task.credit(life.task.employer) == (there.amount if end is H.SETTLED else 0)
    assert balance(life) == 0
    see(life, which, H.HELD)  # it is there again, and goes back
    assert WHICH[which](life).goal == "stray"


@pytest.mark.parametrize("which", WHICH)
def test_lost_under_a_payout_that_fails(which: str) -> None:
    life = in_flight()
    see(life, which, H.CANCELLED)
    assert life.stands == "Verified:APPROVED"
    assert not ordered(life, CancelHold)
    life.fail(Fault.THEIRS)
    assert life.task.state is TaskState.EXPIRED
    there = WHICH[OTHER[which]](life)
    assert (there.goal, ordered(life, CancelHold)) == ("stray", {there.ref})
    assert life.last(L.TASK_EXPIRED).facts["other_holds"] == [opened(there)]
    see(life, OTHER[which], H.CANCELLED)
    assert balance(life) == 0


@pytest.mark.parametrize("which", WHICH)
def test_lost_under_a_payout_that_arrives(which: str) -> None:
    life = in_flight()
    see(life, which, H.CANCELLED)
    life.pay(PS.COMPLETE)
    there = WHICH[OTHER[which]](life)
    assert life.stands == "Verified/settling:APPROVED"
    assert (life.last(L.SETTLEMENT_STARTED).facts["funding"], ordered(life, SettleHold)) == (there.ref, {there.ref})
    see(life, OTHER[which], H.SETTLED)
    _lost_paid(life, there)


def _lost_paid(life: Life, *settled: Funding) -> None:
    assert life.stands == "Paid:RELEASED"
    facts = life.last(L.SETTLEMENT_COMPLETED).facts
    loss = life.share.amount + life.share.fee - sum(f.amount for f in settled)
    assert facts["loss_msat"] == max(0, loss)
    assert facts["hold_msat"] == life.task.hold_amount
    assert (facts["funding"], facts["other_holds"]) == (rest(life).ref, [opened(cover(life))])
    assert (life.task.fee, life.task.insurance, life.task.credits) == (0, max(0, -loss), ())
    assert balance(life) == -max(0, loss)
    assert [found.facts["amount_msat"] for found in life.incidents if found.code == "loss"] == (
        [loss] if loss > 0 else []
    )


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("lost_first", [True, False])
def test_one_is_lost_while_the_other_is_being_settled(lost_first: bool, which: str) -> None:
    life = settling()
    there = WHICH[OTHER[which]](life)
    for each, status in [(which, H.CANCELLED), (OTHER[which], H.SETTLED)][:: 1 if lost_first else -1]:
        assert life.task.state is TaskState.VERIFIED
        see(life, each, status)
    _lost_paid(life, there)


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
@pytest.mark.parametrize("start", [in_flight, settling])
def test_both_are_lost_under_a_payout(start: Callable[..., Life], order: tuple[str, str]) -> None:
    life = start()
    for which in order:
        see(life, which, H.CANCELLED)
    if start is in_flight:
        life.pay(PS.COMPLETE)
    _lost_paid(life)
    assert life.types.count("hold.lost") == 2


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_a_deposit_that_is_enough_leaves_no_loss(order: tuple[str, str]) -> None:
    """The rest is lost, and of the agreed share the deposit has all."""
    life = backed().agree(10)
    life.payout("part")
    life.leave()
    life.pay(PS.COMPLETE)
    for which in order:
        see(life, which, H.SETTLED if which == "cover" else H.CANCELLED)
    _lost_paid(life, cover(life))
    assert life.task.insurance > 0


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("payout", ["fails before", "fails after", "never sent"])
def test_lost_at_the_margin_with_the_other_settled(payout: str, which: str) -> None:
    """What was settled for a worker who was not paid is the employer's."""
    life = at_margin((lambda: backed(builders.verified)) if payout == "never sent" else in_flight)
    there = OTHER[which]
    see(life, there, H.SETTLED)
    if payout == "fails before":
        life.fail(Fault.OURS)
    see(life, which, H.CANCELLED)
    if payout == "fails after":
        assert life.task.state is TaskState.VERIFIED
        life.fail(Fault.OURS)
    assert life.task.state is TaskState.EXPIRED
    facts = life.last(L.TASK_EXPIRED).facts
    assert facts["other_holds"] == [opened(WHICH[there](life))]
    assert [each["amount_msat"] for each in facts["credited"]] == [WHICH[there](life).amount]
    assert life.task.credit(life.task.employer) == WHICH[there](life).amount
    assert WHICH[there](life).goal == "cancel", "receipts show it as the employer's"
    assert balance(life) == 0


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("end", [H.CANCELLED, H.SETTLED])
def test_lost_at_the_margin_with_the_other_ordered_to_be_settled(end: HoldStatus, which: str) -> None:
    life = at_margin(lambda: backed(builders.verified))
    see(life, which, H.CANCELLED)
    there = WHICH[OTHER[which]](life)
    assert (life.task.state, there.goal) == (TaskState.EXPIRED, "stray")
    held = life.hold_view(H.HELD, there)
    assert safety.may_settle(life.task, there, held, life.facts()) == safety.NotNow("not_wanted")
    see(life, OTHER[which], end)
    assert life.task.credit(life.task.employer) == (there.amount if end is H.SETTLED else 0)
    assert balance(life) == 0


@pytest.mark.parametrize("which", WHICH)
def test_the_margin_of_what_is_left_comes_while_the_payout_is_waited_for(which: str) -> None:
    life = in_flight()
    see(life, which, H.CANCELLED)
    there = WHICH[OTHER[which]](life)
    life.to_height(there.expiry_height - life.task.terms.margin).ticks()
    assert ordered(life, SettleHold) == {there.ref}
    see(life, OTHER[which], H.SETTLED)
    assert life.stands == "Verified/settling:APPROVED", "the payout may still arrive"
    paid = life.copy()
    paid.pay(PS.COMPLETE)
    _lost_paid(paid, there)
    life.fail(Fault.OURS)
    assert life.task.state is TaskState.EXPIRED
    assert life.task.credit(life.task.employer) == there.amount
    assert balance(life) == 0


@pytest.mark.parametrize("which", WHICH)
def test_a_lost_one_that_is_back_while_the_other_is_settled(which: str) -> None:
    life = settling()
    see(life, which, H.CANCELLED)
    see(life, which, H.HELD)
    assert [found.code for found in life.incidents][-1] == "lost_hold_is_back"
    there = WHICH[OTHER[which]](life)
    see(life, OTHER[which], H.SETTLED)
    _lost_paid(life, there)


# ------------------------------------------------------------------ right before a call


def test_a_payout_rests_on_both() -> None:
    life = backed(lambda: builders.verified(True), longer=100)
    a, b = (life.hold_view(H.HELD, which(life)) for which in WHICH.values())

    def asked(*views: HoldView, **facts: Any) -> PaySpec | safety.NotNow:
        return safety.may_pay(life.task, life.share, safety.together(views), life.facts(**facts), 60)

    for views in ((a, b), (b, a)):
        assert isinstance(asked(*views), PaySpec)
    assert asked(a) == asked(b) == safety.NotNow("hold_too_small")
    assert asked() == safety.NotNow("hold_not_on_channel")
    for status in set(H) - {H.HELD}:
        for views in ((a, life.hold_view(status, rest(life))), (life.hold_view(status, cover(life)), b)):
            assert asked(*views) == safety.NotNow("hold_not_on_channel")
    gone = replace(a, parts=tuple(replace(part, on_channel=False) for part in a.parts))
    assert asked(gone, b) == safety.NotNow("hold_not_on_channel")
    height = life.task.settle_height - 6 - 60
    spec = asked(a, b, height=height)
    assert isinstance(spec, PaySpec)
    assert spec.cltv_limit == 60, "the one that ends first"
    assert asked(b, a, height=life.task.settle_height - 6 - 42) == safety.NotNow(safety.TOO_CLOSE)


def test_both_must_be_settled_at_the_margin_of_the_first() -> None:
    life = backed(lambda: builders.verified(True), longer=100)
    height = life.task.settle_height
    assert height == rest(life).expiry_height - life.task.terms.margin
    assert safety.must_settle(life.task, height)
    assert not safety.must_settle(life.task, height - 1)
    half = at_margin()
    see(half, "rest", H.SETTLED)
    assert half.task.settle_height == height, "it does not wait for its own margin"
    assert safety.must_settle(half.task, height)


def _third(task: Task) -> Task:
    twin = replace(task.fundings[-1], ref="twin", payment_hash=hash_of(preimage_of("twin")))
    return replace(task, fundings=(*task.fundings, twin))


def test_what_may_not_be() -> None:
    life = backed()
    task = life.task
    second = replace(cover(life), ref="twin", payment_hash=hash_of(preimage_of("twin")))
    for wrong in (_third(task), replace(task, fundings=(*task.fundings, second))):
        with pytest.raises(Broken, match="two accepted holds"):
            check(wrong)
    for more in (sats(-1), sats(1)):
        changed = Msat(rest(life).amount + more)
        with pytest.raises(Broken, match=r"are held, and|without a hold"):
            check(task.with_funding(rest(life).ref, amount=changed))


# ------------------------------------------------------------------ by chance

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("work"), st.integers(0, 4), st.sampled_from((*MOODS, "complete"))),
        st.tuples(st.just("lose"), st.sampled_from(sorted(WHICH)), st.just("")),
        st.tuples(st.just("tell"), st.sampled_from(sorted(WHICH)), st.just("")),
        st.tuples(st.just("resolve"), st.just(0), st.sampled_from(("complete", "ours", "theirs"))),
        st.tuples(st.just("wait"), st.sampled_from((600, 7_200, 86_400)), st.just("")),
        st.tuples(st.just("margin"), st.just(0), st.just("")),
    ),
    max_size=14,
)
STARTS: dict[str, Callable[[], Life]] = {
    "approved": lambda: backed(lambda: builders.verified(True)),
    "approved, the deposit ends first": lambda: backed(lambda: builders.verified(True), longer=-50),
    "delivered": lambda: backed(lambda: builders.submitted(True)),
    "given back": lambda: builders.refunding(lambda: backed(builders.submitted)),
}


@settings(max_examples=120, deadline=None)
@given(start=st.sampled_from(sorted(STARTS)), steps=_STEPS)
def test_any_order_of_events_ends_and_adds_up(start: str, steps: list[tuple[str, Any, str]]) -> None:
    life = STARTS[start]()
    town = Town(life)
    town.holds = {f.ref: life.hold_view(H.HELD, f) for f in life.task.holds}
    town.orders, town.taken = [], len(life.effects)
    for effect in life.effects:
        if isinstance(effect, Pay | CancelHold):
            town.taken -= 1
    life.effects.sort(key=lambda effect: isinstance(effect, Pay | CancelHold))
    for what, which, mood in steps:
        match what:
            case "work":
                town.work(which, mood)
            case "lose" if town.holds[WHICH[which](life).ref].status is H.HELD:
                town.lose(WHICH[which](life).ref)
            case "tell":
                town.report_hold(WHICH[which](life).ref)
            case "resolve":
                for payment_hash in town.sent:
                    town.resolve(payment_hash, mood)
            case "wait":
                life.wait(which).ticks()
                town.age()
            case "margin" if life.task.settle_height > life.height:
                life.to_height(life.task.settle_height).ticks()
                town.age()
        _never_too_early(life)
    town.go_on_fairly()
    has, should = town.balance()
    losses = [found.facts["amount_msat"] for found in life.incidents if found.code == "loss"]
    assert has == should - sum(losses)
    assert (
        life.types.count("settlement.completed")
        + life.types.count("task.expired")
        + life.types.count("refund.completed")
        == 1
    )


def _never_too_early(life: Life) -> None:
    if life.task.state is TaskState.PAID:
        assert not life.task.holds
        assert {f.state for f in life.task.backing} <= {F.SETTLED, F.LOST}
    if life.task.state is TaskState.REFUNDED:
        assert not life.task.holds
