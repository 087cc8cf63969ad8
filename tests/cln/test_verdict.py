"""Which HTLCs are kept, and by which code of BOLT 4 the others are failed: every check that `resolve` makes lightningd skip."""

from __future__ import annotations

from typing import Any

import pytest

from bot.nodes.cln.plugin.verdict import Htlc, read_htlc
from bot.nodes.cln.wire import State
from tests.cln.ledger import recorded
from tests.cln.town import AMOUNT, CLTV, EXPIRY, HEIGHT, Town, said

DETAILS, AMOUNT_CODE, EXPIRY_CODE, TEMPORARY = "400f", "0013", "0012", "2002"


def test_a_payment_as_it_should_be_is_kept() -> None:
    town = Town()
    _, asked = town.pay()
    assert (said(asked), town.state, town.stored.state) == ([""], State.HELD, State.HELD)


def test_a_payment_of_somebody_elses_invoice_passes_untouched() -> None:
    town = Town()
    [asked] = town.arrive(town.htlc(payment_hash="ab" * 32, payment_secret="00" * 32, total=1))
    assert asked.said == "continue"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"final": False}, TEMPORARY),
        ({"payment_secret": "5f" * 32}, DETAILS),
        ({"payment_secret": ""}, DETAILS),
        ({"total": AMOUNT - 1}, DETAILS),
        ({"total": 0}, DETAILS),
        ({"total": 2 * AMOUNT + 1}, DETAILS),
        ({"amount": AMOUNT - 1, "forward_amount": AMOUNT}, AMOUNT_CODE),
        ({"forward_expiry": HEIGHT + CLTV + 11}, EXPIRY_CODE),
        ({"expiry": HEIGHT + CLTV - 1, "forward_expiry": HEIGHT}, DETAILS),
        ({"amount": AMOUNT + 1, "forward_amount": AMOUNT + 1}, DETAILS),
    ],
)
def test_refused(changes: dict[str, Any], code: str) -> None:
    town = Town()
    [asked] = town.arrive(town.htlc(**changes))
    assert asked.said.startswith(f"fail {code}")
    assert (town.state, town.sight.parts) == (State.OPEN, ())
    assert said(town.pay()[1]) == [""], "the hold is still there to be paid"


def test_the_failure_names_amount_and_height() -> None:
    town = Town()
    assert said(town.arrive(town.htlc(payment_secret="00" * 32))) == [town.details()]


def test_expired_invoices_take_nothing_more() -> None:
    town = Town()
    town.now += EXPIRY
    assert said(town.arrive(town.htlc())) == [town.details()]
    town.later(1)
    assert (town.state, town.stored.reason) == (State.CANCELLED, "expired")


def test_expiries_are_compared_with_the_height_of_now() -> None:
    town = Town()
    town.mine_to(HEIGHT + 50)
    assert said(town.arrive(town.htlc(expiry=HEIGHT + CLTV + 49, forward_expiry=HEIGHT))) == [
        town.details(height=HEIGHT + 50)
    ]
    assert said(town.arrive(town.htlc(id=2, expiry=HEIGHT + CLTV + 50, forward_expiry=HEIGHT))) == [""]


def test_overpayment_up_to_the_double_is_held_and_shown() -> None:
    town = Town()
    town.arrive(town.htlc(amount=2 * AMOUNT, total=2 * AMOUNT))
    assert (town.state, town.sight.parts[0].amount) == (State.HELD, 2 * AMOUNT)


def test_a_wrong_amount_is_remembered_for_the_employer() -> None:
    town = Town()
    town.arrive(town.htlc(amount=AMOUNT - 5, total=AMOUNT - 5))
    assert town.sight.refused == AMOUNT - 5


def test_parts_must_agree_on_the_total() -> None:
    town = Town()
    first, second = town.htlc(1, AMOUNT // 2), town.htlc(2, AMOUNT // 2 + 7, total=AMOUNT + 7)
    assert said(town.arrive(first, second)) == ["", f"fail 0013{AMOUNT // 2 + 7:016x}"]
    assert town.state is State.OPEN


def test_parts_are_one_payment_when_they_reach_the_total() -> None:
    town = Town()
    htlcs = [town.htlc(n, AMOUNT // 4) for n in range(4)]
    assert said(town.arrive(*htlcs[:3])) == ["", "", ""]
    assert (town.state, len(town.sight.parts)) == (State.OPEN, 3)
    town.arrive(htlcs[3])
    assert (town.state, town.stored.received, len(town.stored.parts)) == (State.HELD, AMOUNT, 4)


def test_a_part_too_much_is_refused_and_the_set_goes_on() -> None:
    town = Town()
    first, much = town.htlc(1, AMOUNT // 2), town.htlc(2, AMOUNT // 2 + 1)
    assert said(town.arrive(first, much)) == ["", town.details(AMOUNT // 2 + 1)]
    town.arrive(town.htlc(3, AMOUNT // 2))
    assert town.state is State.HELD


@pytest.mark.parametrize("end", ["settle", "cancel"])
def test_nothing_more_is_taken_for_a_hold_that_is_over(end: str) -> None:
    town = Town()
    town.pay()
    (town.keeper.settle if end == "settle" else town.keeper.cancel)(town.hash)
    assert said(town.arrive(town.htlc(9))) == [town.details()]


def test_a_second_payment_of_a_held_invoice_goes_back() -> None:
    town = Town()
    town.pay()
    assert said(town.arrive(town.htlc(9))) == [town.details()]
    assert (town.state, len(town.sight.parts)) == (State.HELD, 1)


def _recorded() -> list[tuple[dict[str, Any], Htlc]]:
    questions = [pair["request"]["params"] for pair in recorded("hooks")]
    return [
        (q, read_htlc(q["onion"], q["htlc"], {k: v for k, v in q.items() if k not in ("onion", "htlc")}))
        for q in questions
    ]


def test_recorded_questions_are_read() -> None:
    read = _recorded()
    assert {htlc.final for _, htlc in read} == {True, False}
    for question, htlc in read:
        assert htlc.final is ("forward_to" not in question)
        assert htlc.key == (question["htlc"]["short_channel_id"], question["htlc"]["id"])
        assert (htlc.amount, htlc.expiry) == (question["htlc"]["amount_msat"], question["htlc"]["cltv_expiry"])
        if htlc.final:
            assert (htlc.total, htlc.forward_amount) == (
                question["onion"]["total_msat"],
                question["onion"]["forward_msat"],
            )


@pytest.mark.parametrize("missing", ["payment_secret", "total_msat"])
def test_without_secret_or_total_it_is_no_payment_to_us(missing: str) -> None:
    question, _ = next(pair for pair in _recorded() if pair[1].final)
    onion = {name: value for name, value in question["onion"].items() if name != missing}
    assert not read_htlc(onion, question["htlc"], {}).final


@pytest.mark.parametrize("onwards", ["short_channel_id", "next_node_id"])
def test_an_onion_that_goes_on_is_no_payment_to_us(onwards: str) -> None:
    question, _ = next(pair for pair in _recorded() if pair[1].final)
    assert not read_htlc({**question["onion"], onwards: "1x1x1"}, question["htlc"], {}).final
