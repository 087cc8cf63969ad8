"""A person's account: what he may withdraw, what the node's word does to it, and that nothing is lost or paid twice."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from handlers import account
from handlers.account import AT_ONCE
from handlers.check import Broken, check_account
from handlers.decision import Refusal, Remit
from handlers.policy import DAY, HOUR
from handlers.safety import NotNow
from kinds.codes import Refused, Told
from kinds.inputs import RemitWanted
from kinds.lightning import Fault, NodeFacts, PaySpec
from kinds.states import PayoutState
from kinds.units import Msat, Secret, sats
from tests.handlers.life import NODE_KEY, POLICY, WORKER, Life, invoice
from tests.handlers.purse import PS, Purse, purse

P = PayoutState


def test_what_is_withdrawn_is_reserved_with_its_fee_budget() -> None:
    mine = purse()
    paid = mine.withdraw(sats(40_000))
    assert (paid.state, paid.ordered, paid.budget) == (P.PLANNED, True, sats(400))
    assert mine.account.available == sats(50_500 - 40_400)
    assert mine.account.under_way == sats(40_400)
    assert mine.done[-1].effects == (Remit(WORKER, paid.ref, paid.payment_hash),)
    assert mine.told == [Told.WITHDRAWAL_NOTED]


@pytest.mark.parametrize(("amount", "fits"), [(50_000_000, True), (50_000_001, False), (50_500_000, False), (1, True)])
def test_never_more_than_stands_there_with_what_sending_costs(amount: int, fits: bool) -> None:
    mine = purse()
    outcome = mine.hear(mine.asks(invoice("mine", Msat(amount), mine.time)))
    assert isinstance(outcome, Refusal) is not fits
    if isinstance(outcome, Refusal):
        assert outcome.code is Refused.TOO_MUCH
        assert outcome.facts["payable_msat"] == sats(50_000)
        assert outcome.facts["available_msat"] == sats(50_500)


def test_an_empty_account_owes_nothing() -> None:
    assert Purse().refused(1000) is Refused.NOTHING_OWED
    mine = purse()
    mine.withdraw(sats(50_000))
    refusal = mine.refuses(mine.asks(invoice("more", sats(1), mine.time)))
    assert (refusal.code, refusal.facts) == (Refused.NOTHING_OWED, {"under_way_msat": sats(50_500)})


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ({"expiry": 60}, Refused.BAD_INVOICE),  # too short for an attempt
        ({"key": NODE_KEY}, Refused.OWN_NODE),
        ({"final_cltv": 145}, Refused.BAD_INVOICE),
    ],
)
def test_an_invoice_is_checked_like_any_destination(shape: dict[str, Any], why: Refused) -> None:
    assert purse().refused(sats(1), **shape) is why


@pytest.mark.parametrize("text", ["", "lnbc1nonsense", "me@example.org", "lno1qqq", "lnplay1", "💸"])
def test_nonsense_is_no_destination(text: str) -> None:
    mine = purse()
    if text:
        assert mine.refuses(mine.asks(text)).code in (Refused.BAD_INVOICE, Refused.NOT_BUILT)
    assert mine.refused(None) is Refused.BAD_INVOICE  # an invoice without an amount


def test_so_many_at_once_and_no_more() -> None:
    mine = purse()
    for number in range(AT_ONCE):
        mine.withdraw(sats(100), f"number {number}")
    assert mine.refused(sats(100), "one more") is Refused.TOO_MANY_WITHDRAWALS
    mine.sees(PS.COMPLETE)
    mine.withdraw(sats(100), "room again")


def test_it_is_sent_once_paid_once_and_published() -> None:
    mine = purse()
    paid = mine.withdraw(sats(40_000))
    mine.leave()
    assert mine.stands == P.CLAIMED
    mine.sees(PS.IN_FLIGHT)
    assert mine.done[-1].effects == (), "the order that sent it goes on watching"
    mine.sees(PS.COMPLETE, fee=Msat(7_000))
    assert mine.stands == P.COMPLETE
    assert mine.account.available == sats(50_500 - 40_000) - 7_000, "what routing did not use is his again"
    assert mine.outside == sats(40_000) + 7_000
    [entry] = mine.done[-1].published
    assert (entry.type, entry.facts) == (
        "account.paid",
        {
            "to": WORKER, "amount_msat": sats(40_000), "fee_msat": 7_000, "payment_hash": paid.payment_hash, "preimage": "f" * 64,
            "credits": 1, "credited_msat": sats(50_500),
        },
    )  # fmt: skip
    assert mine.told[-1] is Told.CREDIT_PAID
    before = mine.account
    for status in PS:  # late, repeated and contradictory words about what is over
        mine.sees(status, paid)
    assert mine.account == before
    assert mine.refuses(RemitWanted(WORKER, paid.ref)).code is Refused.ALREADY


def test_a_failure_of_his_side_puts_everything_back_at_once() -> None:
    mine = purse()
    mine.withdraw(sats(40_000))
    mine.leave()
    mine.fails(Fault.THEIRS)
    assert (mine.last.state, mine.account.available, mine.outside) == (P.FAILED, sats(50_500), 0)
    assert mine.told[-1] is Told.WITHDRAWAL_FAILED
    assert mine.done[-1].published == ()
    assert mine.refused(sats(60_000), "again") is Refused.TOO_MUCH
    mine.withdraw(sats(50_000), "again")


def test_our_own_failures_are_tried_again_for_a_day() -> None:
    mine = purse()
    mine.withdraw(sats(40_000), expiry=30 * DAY)
    tries = 0
    while mine.stands != P.FAILED:
        mine.leave()
        mine.fails(Fault.OURS)
        assert mine.account.under_way == (0 if mine.stands == P.FAILED else sats(40_400))
        if mine.stands == P.FAILED:
            break
        assert mine.wait(mine.last.next_try - mine.time - 1).effects == (), "not before its time"
        tries += 1
        mine.wait(1)
    assert tries > 20
    assert mine.account.available == sats(50_500)
    assert DAY - POLICY.retry_most <= mine.time - mine.last.asked <= DAY + POLICY.retry_most
    assert mine.told.count(Told.WITHDRAWAL_DELAYED) == 1, "he is told once"


def test_not_longer_than_its_invoice_lives() -> None:
    mine = purse()
    mine.withdraw(sats(40_000), expiry=HOUR)
    mine.leave()
    mine.fails(Fault.OURS)
    mine.time = mine.last.expires_at
    assert mine.wait(0).effects == ()
    assert (mine.last.state, mine.account.available) == (P.FAILED, sats(50_500))


def test_never_sent_is_no_fault_and_tried_again() -> None:
    mine = purse()
    mine.withdraw(sats(40_000))
    mine.sees(PS.ABSENT)
    assert (mine.last.state, mine.last.reason) == (P.PLANNED, "not_sent")
    assert mine.wait(POLICY.retry_first).effects == (Remit(WORKER, mine.last.ref, mine.last.payment_hash),)


def test_an_unknown_answer_changes_nothing() -> None:
    mine = purse()
    mine.withdraw(sats(40_000))
    mine.leave()
    before = mine.account
    mine.sees(PS.UNKNOWN)
    mine.sees(PS.COMPLETE, payment_hash="00" * 32)
    assert mine.account == before


def test_what_arrives_after_it_was_given_up_goes_on_record() -> None:
    mine = purse()
    mine.withdraw(sats(40_000))
    mine.leave()
    mine.fails(Fault.THEIRS)
    mine.sees(PS.COMPLETE)
    assert [found.code for found in mine.done[-1].incidents] == ["paid_after_given_up"]
    assert mine.account.available == sats(50_500), "the loss is the house's and stands in no account"


def test_a_fee_above_the_budget_is_the_houses_loss() -> None:
    mine = purse()
    mine.withdraw(sats(40_000))
    mine.sees(PS.COMPLETE, fee=sats(401))
    assert [found.code for found in mine.done[-1].incidents] == ["fee_above_budget"]
    assert (mine.last.fee, mine.account.available) == (sats(400), sats(10_100))


def test_in_flight_without_an_order_is_watched() -> None:
    mine = purse()
    mine.withdraw(sats(40_000))
    mine.leave()
    mine.fails(Fault.OURS)
    mine.sees(PS.IN_FLIGHT)
    assert mine.done[-1].effects == (Remit(WORKER, mine.last.ref, mine.last.payment_hash),)
    assert (mine.last.state, mine.last.next_try) == (P.IN_FLIGHT, 0)


def _facts(**changes: object) -> NodeFacts:
    return dataclasses.replace(Life().facts(), **changes)  # type: ignore[arg-type]


def test_the_last_question_before_the_call() -> None:
    mine = purse()
    paid = mine.withdraw(sats(40_000))
    spec = account.may_send(paid, _facts(), 60)
    assert isinstance(spec, PaySpec)
    assert (spec.amount, spec.fee_limit, spec.cltv_limit) == (sats(40_000), sats(400), POLICY.payout_limit)
    assert account.may_send(paid, None, 60) == NotNow("node_not_synced")
    assert account.may_send(paid, _facts(synced=False), 60) == NotNow("node_not_synced")
    assert account.may_send(paid, _facts(outbound=sats(40_399)), 60) == NotNow("no_outbound_liquidity")
    long = dataclasses.replace(paid, final_cltv=POLICY.payout_limit - 2)
    assert account.may_send(long, _facts(), 60) == NotNow("route_too_long")


def test_what_must_be_true_at_each_commit() -> None:
    mine = purse()
    before = mine.account
    paid = mine.withdraw(sats(40_000))
    after = mine.account
    for wrong in (
        dataclasses.replace(after, available=Msat(after.available + 1)),
        dataclasses.replace(after, available=Msat(-1)),
        dataclasses.replace(before, available=after.available),
        dataclasses.replace(after, withdrawals=(dataclasses.replace(paid, fee=Msat(paid.budget + 1)),)),
        dataclasses.replace(after, withdrawals=(dataclasses.replace(paid, state=P.COMPLETE),)),
    ):
        with pytest.raises(Broken):
            check_account(before, wrong)
    for other in (
        dataclasses.replace(paid, amount=Msat(paid.amount - 1)),
        dataclasses.replace(paid, state=P.COMPLETE, preimage=Secret("")),
    ):
        with pytest.raises(Broken):
            check_account(after, dataclasses.replace(after, withdrawals=(other,)))


def test_what_he_is_shown() -> None:
    mine = purse()
    assert account.balance(mine.account, POLICY) == {
        "available_msat": sats(50_500), "payable_msat": sats(50_000), "payable_budget_msat": sats(500), "under_way_msat": 0,
        "withdrawals": [],
    }  # fmt: skip
    paid = mine.withdraw(sats(50_000))
    shown = account.balance(mine.account, POLICY)
    assert (shown["available_msat"], shown["payable_msat"], shown["payable_budget_msat"]) == (0, 0, 0)
    assert shown["under_way_msat"] == sats(50_500)
    assert [each["payment_hash"] for each in shown["withdrawals"]] == [paid.payment_hash]
    assert "invoice" not in str(shown)
