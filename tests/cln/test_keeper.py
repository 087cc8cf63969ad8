"""Holding, settling, cancelling: what is saved before what is said, and what a death at any step leaves behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.nodes.cln.plugin.keeper import GRACE, LOOK, Trouble
from bot.nodes.cln.plugin.records import KEPT_BLOCKS, KEPT_SECONDS, BadRecord, decode, encode
from bot.nodes.cln.plugin.verdict import CANCEL_BLOCKS, MPP_SECONDS
from bot.nodes.cln.wire import State
from tests.cln.town import AMOUNT, CLTV, EXPIRY, HEIGHT, Town, said


def test_settle_answers_every_part_with_the_preimage() -> None:
    town = Town()
    _, asked = town.pay(parts=2)
    town.keeper.settle(town.hash)
    assert said(asked) == [town.resolved] * 2
    assert (town.state, town.stored.state) == (State.SETTLING, State.SETTLING)
    town.keeper.credit(town.hash, AMOUNT // 2)
    assert town.state is State.SETTLING
    town.keeper.credit(town.hash, AMOUNT // 2)
    assert (town.state, town.stored.state) == (State.SETTLED, State.SETTLED)


def test_settle_twice_says_nothing_twice() -> None:
    town = Town()
    _, asked = town.pay()
    town.keeper.settle(town.hash)
    town.keeper.settle(town.hash)
    assert said(asked) == [town.resolved]


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_settle_never_takes_less_than_the_whole(parts: int) -> None:
    town = Town()
    asked = town.arrive(*(town.htlc(n, AMOUNT // 4) for n in range(parts)))
    town.keeper.settle(town.hash)
    assert (said(asked), town.state) == ([""] * parts, State.OPEN)


def test_cancel_gives_every_part_back() -> None:
    town = Town()
    _, asked = town.pay(parts=2)
    town.mine_to(HEIGHT + 5)
    town.keeper.cancel(town.hash)
    assert said(asked) == [town.details(AMOUNT // 2)] * 2, "with the height at which they came: no new attempt"
    assert (town.state, town.stored.state, town.sight.parts) == (State.CANCELLED, State.CANCELLED, ())


def test_the_first_of_settle_and_cancel_wins() -> None:
    settled, cancelled = Town(), Town()
    _, taken = settled.pay()
    _, given = cancelled.pay()
    settled.keeper.settle(settled.hash)
    settled.keeper.cancel(settled.hash)
    cancelled.keeper.cancel(cancelled.hash)
    cancelled.keeper.settle(cancelled.hash)
    assert (said(taken), settled.state) == ([settled.resolved], State.SETTLING)
    assert (said(given), cancelled.state) == ([cancelled.details()], State.CANCELLED)


def test_half_a_payment_goes_back_after_a_minute() -> None:
    town = Town()
    first = town.arrive(town.htlc(1, AMOUNT // 4))
    town.later(MPP_SECONDS - 1)
    second = town.arrive(town.htlc(2, AMOUNT // 4))
    assert said(first + second) == ["", ""]
    town.later(1)
    assert said(first + second) == ["fail 0017", "fail 0017"]
    assert (town.state, town.sight.parts) == (State.OPEN, ())
    assert said(town.pay()[1]) == [""]


def test_a_whole_payment_outlives_the_minute_and_the_invoice() -> None:
    town = Town()
    _, asked = town.pay()
    town.later(EXPIRY + 10)
    assert (said(asked), town.state) == ([""], State.HELD)


def test_it_goes_back_by_itself_before_its_first_htlc_expires() -> None:
    town = Town()
    first, second = town.htlc(1, AMOUNT // 2), town.htlc(2, AMOUNT // 2, expiry=HEIGHT + 205)
    asked = town.arrive(first, second)
    town.mine_to(HEIGHT + 205 - CANCEL_BLOCKS - 1)
    assert (said(asked), town.state) == (["", ""], State.HELD)
    town.mine_to(HEIGHT + 205 - CANCEL_BLOCKS)
    assert said(asked) == [town.details(AMOUNT // 2)] * 2
    assert (town.state, town.stored.reason) == (State.CANCELLED, "height")


def test_what_was_decided_to_be_taken_never_goes_back_by_itself() -> None:
    town = Town()
    htlcs, _ = town.pay()
    town.keeper.settle(town.hash)
    town.mine_to(HEIGHT + 500)
    assert town.state is State.SETTLING
    assert said(town.arrive(*htlcs)) == [town.resolved]


# --- replay: lightningd starts anew and asks again ---------------------------------------------------------------


def test_a_held_payment_is_held_again_after_a_restart() -> None:
    town = Town()
    htlcs, _ = town.pay(parts=4)
    town.restart()
    assert town.state is State.WAITING
    town.arrive(*htlcs[:3])
    assert town.state is State.WAITING, "a part of it is not the whole yet"
    again = town.arrive(htlcs[3])
    assert (said(again), town.state, len(town.sight.parts)) == ([""], State.HELD, 4)


def test_replay_skips_the_checks_of_a_first_arrival() -> None:
    town = Town()
    htlcs, _ = town.pay()
    town.now += EXPIRY * 5
    town.keeper.height += 100
    town.restart()
    assert (said(town.arrive(*htlcs)), town.state) == ([""], State.HELD)


def test_an_htlc_of_the_same_name_but_another_size_is_no_replay() -> None:
    town = Town()
    town.pay()
    town.restart()
    assert said(town.arrive(town.htlc(0, AMOUNT - 1))) == [town.details(AMOUNT - 1)]


def test_the_same_question_twice_in_one_life_gets_one_answer_each() -> None:
    town = Town()
    [htlc], first = town.pay()
    second = town.arrive(htlc)
    assert (said(second), town.state, len(town.sight.parts)) == ([""], State.HELD, 1)
    town.keeper.settle(town.hash)
    assert said(first + second) == [town.resolved] * 2


def test_a_repeated_part_does_not_complete_a_set() -> None:
    town = Town()
    half = town.htlc(1, AMOUNT // 2)
    town.arrive(half, half)
    assert town.state is State.OPEN


def test_death_between_the_decision_to_settle_and_its_answers() -> None:
    town = Town()
    htlcs, _ = town.pay(parts=2)
    town.lightning.save(town.stored.turned(State.SETTLING))
    town.restart()
    assert said(town.arrive(*htlcs)) == [town.resolved] * 2


def test_death_between_the_decision_to_cancel_and_its_answers() -> None:
    town = Town()
    htlcs, _ = town.pay(parts=2)
    town.lightning.save(town.stored.turned(State.CANCELLED))
    town.restart()
    assert said(town.arrive(*htlcs)) == [town.details(AMOUNT // 2)] * 2


def test_settle_waits_until_all_of_it_was_replayed() -> None:
    town = Town()
    htlcs, _ = town.pay(parts=2)
    town.restart()
    again = town.arrive(htlcs[0])
    town.keeper.settle(town.hash)
    assert (said(again), town.stored.state) == ([""], State.HELD)
    again += town.arrive(htlcs[1])
    town.keeper.settle(town.hash)
    assert said(again) == [town.resolved] * 2


def test_cancel_does_not_wait_for_the_replay() -> None:
    town = Town()
    htlcs, _ = town.pay()
    town.restart()
    town.keeper.cancel(town.hash)
    assert (town.state, said(town.arrive(*htlcs))) == (State.CANCELLED, [town.details()])


def test_an_incomplete_set_is_collected_anew_after_a_restart() -> None:
    town = Town()
    half = town.htlc(1, AMOUNT // 2)
    town.arrive(half)
    town.restart()
    again = town.arrive(half, town.htlc(2, AMOUNT // 2))
    assert (said(again), town.state) == (["", ""], State.HELD)


# --- a hold that is gone -----------------------------------------------------------------------------------------


def test_held_on_record_and_on_no_channel_is_lost() -> None:
    """This process died, lightningd gave the payment back, and nothing is replayed."""
    town = Town()
    town.pay()
    town.restart()
    town.lightning.there.clear()
    town.later(GRACE - 1)
    assert town.state is State.WAITING
    town.later(LOOK)
    town.later(LOOK)
    assert (town.state, town.stored.state) == (State.LOST, State.LOST)


def test_not_replayed_but_still_on_a_channel_is_not_called_lost() -> None:
    town = Town()
    town.pay()
    town.restart()
    for _ in range(20):
        town.later(GRACE)
    assert town.state is State.WAITING


def test_on_a_channel_but_already_given_back_is_lost() -> None:
    """lightningd gave it back by itself, and the peer is away."""
    town = Town()
    town.pay()
    town.restart()
    town.lightning.there.clear()
    town.lightning.leaving.add(town.hash)
    town.later(GRACE)
    town.later(LOOK)
    assert town.state is State.LOST


def test_a_settle_on_the_chain_loses_less_than_a_sat_a_part() -> None:
    town = Town()
    town.pay(parts=2)
    town.keeper.settle(town.hash)
    town.keeper.credit(town.hash, AMOUNT // 2 - 999)
    town.keeper.credit(town.hash, AMOUNT // 2 - 999)
    assert town.stored.state is State.SETTLED


def test_a_settle_that_waits_for_peer_or_chain_is_not_over() -> None:
    town = Town()
    town.pay(parts=2)
    town.keeper.settle(town.hash)
    town.lightning.there.clear()
    town.lightning.leaving.add(town.hash)
    for _ in range(5):
        town.later(GRACE)
    assert town.stored.state is State.SETTLING
    town.lightning.credits[town.hash] = AMOUNT // 2
    town.later(LOOK)
    assert town.stored.state is State.SETTLING, "half of it"
    town.lightning.leaving.clear()
    town.later(LOOK)
    assert town.state is State.SETTLED, "all that there will be"


def test_what_is_left_of_a_payment_can_still_be_settled() -> None:
    town = Town()
    htlcs, _ = town.pay(parts=2)
    town.restart()
    again = town.arrive(htlcs[0])
    town.later(GRACE)
    assert (town.state, len(town.sight.parts)) == (State.HELD, 1)
    town.keeper.settle(town.hash)
    assert said(again) == [town.resolved]


def _settled_and_dead() -> Town:
    town = Town()
    town.pay()
    town.keeper.settle(town.hash)
    town.restart()
    return town


def test_a_settle_is_confirmed_from_lightningds_books_when_its_credit_was_not_heard() -> None:
    town = _settled_and_dead()
    town.later(GRACE + LOOK)
    assert town.stored.state is State.SETTLING, "it is still on the channel"
    town.lightning.there.clear()
    town.lightning.credits[town.hash] = AMOUNT
    town.later(LOOK)
    assert town.state is State.SETTLED


def test_a_settle_that_lightningd_never_heard_is_not_called_settled() -> None:
    town = _settled_and_dead()
    town.lightning.there.clear()
    town.later(LOOK)
    town.later(LOOK)
    assert town.state is State.SETTLING
    town.later(GRACE)
    assert (town.state, town.stored.reason) == (State.LOST, "not credited")


# --- lightningd does not do what it is asked ---------------------------------------------------------------------


def test_a_payment_that_cannot_be_saved_goes_back() -> None:
    town = Town()
    town.lightning.broken.add("save")
    _, asked = town.pay(parts=2)
    assert said(asked) == ["fail 2002"] * 2
    assert (town.state, town.stored.state) == (State.OPEN, State.OPEN)
    town.lightning.broken.clear()
    assert said(town.arrive(town.htlc(7))) == [""]


def test_a_payment_that_was_saved_without_an_answer_goes_back_and_counts_as_lost_later() -> None:
    town = Town()
    town.lightning.late.add("save")
    _, asked = town.pay()
    assert said(asked) == ["fail 2002"]
    town.lightning.late.clear()
    town.lightning.there.clear()
    town.restart()
    town.later(GRACE)
    town.later(LOOK)
    assert town.state is State.LOST


@pytest.mark.parametrize("broken", ["save", "secret", "moves"])
def test_a_settle_that_cannot_be_saved_changes_nothing(broken: str) -> None:
    town = Town()
    _, asked = town.pay()
    town.lightning.broken.add(broken)
    with pytest.raises(Trouble):
        town.keeper.settle(town.hash)
    assert (said(asked), town.state, town.stored.state) == ([""], State.HELD, State.HELD)
    town.lightning.broken.clear()
    town.keeper.settle(town.hash)
    assert said(asked) == [town.resolved]


def test_a_cancel_that_cannot_be_saved_changes_nothing() -> None:
    town = Town()
    _, asked = town.pay()
    town.lightning.broken.add("save")
    with pytest.raises(Trouble):
        town.keeper.cancel(town.hash)
    assert (said(asked), town.state) == ([""], State.HELD)


def test_another_hsm_secret_settles_nothing() -> None:
    town = Town()
    _, asked = town.pay()
    town.lightning.hsm = "another"
    with pytest.raises(Trouble, match="another preimage"):
        town.keeper.settle(town.hash)
    assert (said(asked), town.state) == ([""], State.HELD)


def test_a_replayed_settle_without_a_preimage_is_kept_and_answered_later() -> None:
    town = Town()
    htlcs, _ = town.pay()
    town.keeper.settle(town.hash)
    town.restart()
    town.lightning.broken.add("secret")
    with pytest.raises(Trouble):
        town.arrive(*htlcs)
    assert town.keeper.keeps(htlcs[0])
    town.later(1)
    town.lightning.broken.clear()
    town.keeper.sweep()
    town.later(1)
    assert not town.keeper.keeps(htlcs[0])


def test_trouble_in_a_sweep_is_tried_again() -> None:
    town = Town()
    _, asked = town.pay()
    town.lightning.broken.add("save")
    town.mine_to(HEIGHT + 300)
    assert said(asked) == [""]
    town.lightning.broken.clear()
    town.later(1)
    assert said(asked) == [town.details()]


# --- holds of long ago are forgotten ------------------------------------------------------------------------------


def settled(town: Town) -> None:
    town.pay()
    town.keeper.settle(town.hash)
    town.keeper.credit(town.hash, AMOUNT)
    town.lightning.there.clear()


def cancelled(town: Town) -> None:
    town.pay()
    town.keeper.cancel(town.hash)
    town.lightning.there.clear()


def much_later(town: Town, seconds: float = EXPIRY + KEPT_SECONDS, blocks: int = CLTV + 10 + KEPT_BLOCKS) -> None:
    town.later(seconds)
    town.mine_to(HEIGHT + blocks)


def is_kept(town: Town) -> bool:
    known = town.keeper.find(town.hash) is not None
    assert known == (town.hash in town.lightning.store)
    return known


@pytest.mark.parametrize(("end", "spent"), [(settled, True), (cancelled, False)])
def test_a_finished_hold_is_forgotten_and_that_its_preimage_is_known_is_not(
    end: Callable[[Town], None], spent: bool
) -> None:
    town = Town()
    end(town)
    much_later(town)
    assert not is_kept(town)
    assert (town.hash in town.lightning.spent) == spent
    assert said(town.arrive(town.htlc(9))) == ["continue"], "lightningd knows no such invoice"


@pytest.mark.parametrize("less", [{"seconds": EXPIRY + KEPT_SECONDS - 1}, {"blocks": CLTV + 10 + KEPT_BLOCKS - 1}])
def test_it_is_kept_for_30_days_of_time_and_of_blocks(less: dict[str, int]) -> None:
    town = Town()
    settled(town)
    much_later(town, **less)
    assert is_kept(town)


def test_what_is_not_finished_or_still_on_a_channel_is_kept() -> None:
    open, settling, leaving, held = (Town() for _ in range(4))
    settling.pay()
    settling.keeper.settle(settling.hash)
    settled(leaving)
    leaving.lightning.leaving.add(leaving.hash)
    for town in (settling, leaving):
        much_later(town)
        assert is_kept(town)
    open.mine_to(HEIGHT + CLTV + 10 + KEPT_BLOCKS)
    assert is_kept(open)
    held.pay()
    held.later(EXPIRY + KEPT_SECONDS)
    held.mine_to(HEIGHT + 100)
    assert is_kept(held)


def test_an_invoice_that_nobody_paid_is_forgotten_by_its_time_alone() -> None:
    town = Town()
    town.later(EXPIRY)
    assert town.state is State.CANCELLED
    much_later(town, KEPT_SECONDS, blocks=1)
    assert not is_kept(town)


@pytest.mark.parametrize("broken", ["hashes", "forget"])
def test_what_cannot_be_forgotten_now_is_forgotten_at_another_block(broken: str) -> None:
    town = Town()
    settled(town)
    town.lightning.broken.add(broken)
    much_later(town)
    assert is_kept(town)
    town.lightning.broken.clear()
    town.mine_to(town.keeper.height + 1)
    town.later(1)
    assert not is_kept(town)


# --- records -----------------------------------------------------------------------------------------------------


def test_a_record_survives_the_datastore_and_holds_no_preimage() -> None:
    town = Town()
    town.pay(parts=2)
    text = encode(town.stored)
    assert decode(text) == town.stored
    assert town.preimage.hex() not in text


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"form":2}', '{"form":1,"state":"held","parts":[]}'])
def test_what_is_no_record_is_not_guessed_at(text: str) -> None:
    with pytest.raises(BadRecord):
        decode(text)


def test_every_change_is_told() -> None:
    town = Town()
    town.touched.clear()
    town.pay()
    town.keeper.settle(town.hash)
    assert set(town.touched) == {town.hash}
