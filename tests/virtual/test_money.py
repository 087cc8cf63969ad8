"""Payments that do not go by the book: too much, too little, in dust, too late, twice, and against a cancel."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from bot.nodes.preimages import preimage_of
from bot.nodes.simnet import SimNode
from kinds.bolt11 import decode, encode
from kinds.lightning import HoldRef, HoldSpec, HoldStatus, HoldView, PaymentStatus
from kinds.units import Msat, Secret
from tests.virtual.lives import (
    HOLD,
    REWARD,
    SHORT,
    SOON,
    a_town,
    claim,
    delivered,
    entry,
    funded,
    hold_of,
    incidents_of,
    invoiced,
    offered,
    paid_out,
    sound,
    state,
    to_margin,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Person, Town

MUCH = [Msat(6_000_000)] * 7 + [Msat(HOLD - 7 * 6_000_000)]


async def waiting(**more: object) -> tuple[Town, str, str, int]:
    """A town with a task whose invoice waits, that invoice, and what the employer has."""
    town = await a_town(settings=SHORT, **more)
    task = await offered(town, deadline=SOON)
    return town, task, await invoiced(town, task), town.employer.wallet.balance


async def pay_out(town: Town, task: str) -> None:
    """The rest of a life that ends Paid."""
    before = town.worker.wallet.balance
    await claim(town, task)
    await town.worker.say(f"submit {task} https://example.org/page.zip {'ab' * 32} done")
    await entry(town, task, "proof.submitted")
    await town.employer.say(f"approve {task}")
    await state(town, task, "Paid")
    assert town.worker.wallet.balance - before == REWARD


def test_more_than_asked_goes_back_and_the_exact_amount_is_kept() -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        town.employer.wallet.pay(invoice, amount=Msat(HOLD + 1))
        failed = await entry(town, task, "funding.failed")
        assert failed["facts"]["reason"] == "amount"
        await told(town, town.employer, "another amount")
        await state(town, task, "Draft")
        await town.pass_time(5)
        assert town.employer.wallet.balance == start
        again = await invoiced(town, task)
        assert again != invoice
        town.employer.wallet.pay(again)
        await state(town, task, "Funded")
        await pay_out(town, task)
        assert start - town.employer.wallet.balance == HOLD
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("hints", [True, False])
def test_less_than_asked_is_turned_away_and_the_invoice_stays(hints: bool) -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        town.node.network.faults = type(town.node.network.faults)(deaf=not hints)
        assert town.employer.wallet.pay(invoice, amount=Msat(HOLD - 1)).status is PaymentStatus.FAILED
        await told(town, town.employer, "turned away")
        assert (town.states()[task], town.employer.wallet.balance) == ("PendingFunding", start)
        town.employer.wallet.pay(invoice)
        await state(town, task, "Funded")
        await pay_out(town, task)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([Msat(4_000_000), Msat(HOLD - 4_000_000)], "small_parts"),
        ([Msat(HOLD - 354_000), Msat(354_000)], "small_parts"),
        (9, "too_many_parts"),
    ],
)
def test_parts_that_would_be_lost_in_a_force_close_go_back(parts: int | list[Msat], reason: str) -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        town.employer.wallet.pay(invoice, parts)
        assert (await entry(town, task, "funding.failed"))["facts"]["reason"] == reason
        await town.pass_time(5)
        assert (town.states()[task], town.employer.wallet.balance) == ("Draft", start)
        await sound(town)

    run_virtually(life())


def test_eight_large_parts_are_one_hold() -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        town.employer.wallet.pay(invoice, MUCH)
        accepted = await entry(town, task, "invoice.accepted")
        assert (accepted["facts"]["parts"], accepted["facts"]["amount_msat"]) == (8, HOLD)
        await pay_out(town, task)
        assert start - town.employer.wallet.balance == HOLD
        await sound(town)

    run_virtually(life())


def test_half_a_payment_comes_back_and_funds_nothing() -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        town.employer.wallet.pay(invoice, [Msat(HOLD // 2)])
        await town.pass_time(30)
        assert town.states()[task] == "PendingFunding"
        await town.restart()
        await town.pass_time(120)
        assert (town.states()[task], town.employer.wallet.balance) == ("PendingFunding", start)
        await sound(town)

    run_virtually(life())


def test_a_payment_whose_channel_closed_at_once_is_not_kept() -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        town.node.network.faults = type(town.node.network.faults)(deaf=True)
        town.employer.wallet.pay(invoice)
        town.node.network.force_close(hold_of(town, task).payment_hash)
        assert (await entry(town, task, "funding.failed"))["facts"]["reason"] == "off_channel"
        await town.pass_time(5)
        assert (town.states()[task], town.employer.wallet.balance) == ("Draft", start)
        await sound(town)

    run_virtually(life())


def test_an_invoice_lives_for_an_hour_and_a_new_one_takes_its_place() -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        await entry(town, task, "invoice.expired", within=3700)
        await told(town, town.employer, "run out")
        assert town.employer.wallet.pay(invoice).status is PaymentStatus.FAILED
        again = await invoiced(town, task)
        town.employer.wallet.pay(again)
        await state(town, task, "Funded")
        assert town.employer.wallet.pay(invoice).status is PaymentStatus.FAILED
        assert start - town.employer.wallet.balance == HOLD
        await sound(town)

    run_virtually(life())


def test_a_payment_of_an_invoice_that_nobody_wants_any_more_goes_back() -> None:
    """The cancel of the invoice was lost; the employer pays it after all."""

    async def life() -> None:
        town, task, invoice, start = await waiting()
        network = town.node.network
        network.faults = type(network.faults)(lose_requests=2, only=("cancel",))
        await town.employer.say(f"cancel {task}")
        await state(town, task, "Refunded")
        town.employer.wallet.pay(invoice)
        await entry(town, task, "funding.stray")
        await told(town, town.employer, "(?i)goes back|is on its way back|returned")
        await town.pass_time(60)
        assert (town.employer.wallet.balance, network.figures().held) == (start, 0)
        assert town.states()[task] == "Refunded"
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("restart", [False, True])
def test_a_cancel_races_a_payment_that_has_just_landed(restart: bool) -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        town.node.network.faults = type(town.node.network.faults)(deaf=True)
        town.employer.wallet.pay(invoice)
        await town.employer.say(f"cancel {task}")
        if restart:
            await town.pass_time(0.02)
            await town.restart()
        await state(town, task, "Refunded")
        await town.pass_time(120)
        assert (town.employer.wallet.balance, town.node.network.figures().held) == (start, 0)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("when", ["held", "paid"])
def test_a_second_payment_of_the_same_invoice_stays_with_its_payer(when: str) -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        friend = Person(town, "friend", 13)
        before = friend.wallet.balance
        town.employer.wallet.pay(invoice)
        await state(town, task, "Funded")
        if when == "paid":
            await pay_out(town, task)
        assert friend.wallet.pay(invoice).status is PaymentStatus.FAILED
        town.employer.wallet.pay(invoice)
        await town.pass_time(90)
        if when == "held":
            await pay_out(town, task)
        assert (friend.wallet.balance, start - town.employer.wallet.balance) == (before, HOLD)
        assert not [entry for entry in town.log_of(task) if entry["type"] == "funding.stray"]
        await sound(town)

    run_virtually(life())


def test_somebody_else_may_pay_the_invoice_but_a_refund_goes_to_the_payer() -> None:
    async def life() -> None:
        town, task, invoice, start = await waiting()
        friend = Person(town, "friend", 13)
        before = friend.wallet.balance
        friend.wallet.pay(invoice)
        await state(town, task, "Funded")
        await town.employer.say(f"cancel {task}")
        await state(town, task, "Refunded")
        assert (friend.wallet.balance, town.employer.wallet.balance) == (before, start)
        await sound(town)

    run_virtually(life())


def test_invoices_for_the_wrong_amount_too_long_or_used_are_refused_at_the_claim() -> None:
    """The node can only be asked to pay the exact reward, to a hash that was never used: nobody drains it."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        first, second = await funded(town, deadline=SOON), await funded(town, deadline=SOON, d="other")
        wallet = town.worker.wallet
        hold = hold_of(town, second).invoice.reveal()
        for invoice, answer in [
            (wallet.invoice(Msat(REWARD + 1000), expiry=10 * 86400), "exactly"),
            (wallet.invoice(Msat(REWARD - 1000), expiry=10 * 86400), "exactly"),
            (wallet.invoice(Msat(REWARD), expiry=10 * 86400, cltv=145), "CLTV"),
            (wallet.invoice(Msat(REWARD), expiry=600), "too early"),
            (hold, "exactly|own node"),
        ]:
            before = len(await town.worker.read())
            await town.worker.say(f"claim {first} {invoice}")
            await told(town, town.worker, answer, since=before)
            assert town.states()[first] == "Funded"
        good = wallet.invoice(Msat(REWARD), expiry=10 * 86400)
        await town.worker.say(f"claim {first} {good}")
        await state(town, first, "Claimed")
        await town.worker.say(f"claim {second} {good}")
        await told(town, town.worker, "used here before")
        assert town.states()[second] == "Funded"
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("call", ["settle", "cancel"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_hold_that_somebody_else_settled_is_never_forgotten(call: str, restart: bool) -> None:
    """Then we want it settled, and it is; or we want it cancelled, and the employer is owed what he paid."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await (delivered if call == "settle" else funded)(town, deadline=SOON)
        hold, network = hold_of(town, task), town.node.network
        network.settle(hold.payment_hash, preimage_of(network.key, hold.ref).hex())
        await town.pass_time(90)
        assert incidents_of(town) == ["settled_unasked"]
        if restart:
            await town.restart()
        if call == "cancel":
            await town.employer.say(f"cancel {task}")
            done = await entry(town, task, "refund.completed")
            owed = next(each["amount_msat"] for each in done["facts"]["credited"] if each["role"] == "employer")
            assert owed == HOLD
            await town.employer.say(f"withdraw {town.employer.wallet.invoice(Msat(REWARD))}")
            await paid_out(town, town.employer, REWARD)
            assert town.employer.wallet.balance == start[0] - HOLD + REWARD
        else:
            await town.employer.say(f"approve {task}")
            await state(town, task, "Verified")
            to_margin(town, task)
            done = await entry(town, task, "settlement.completed", within=300)
            await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(REWARD))}")
            await paid_out(town, town.worker, REWARD)
            assert town.worker.wallet.balance == start[1] + REWARD
        assert hold_of(town, task).state == HoldStatus.SETTLED.value
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize(
    ("lie", "problem"),
    [
        ({"amount": Msat(HOLD * 10)}, "amount"),
        ({"payment_hash": "ab" * 32}, "payment_hash"),
        ({"hrp": "lnbc"}, "network"),
        ({"expiry": 30 * 86400}, "expiry"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invoice_that_was_not_asked_for_reaches_nobody(
    monkeypatch: pytest.MonkeyPatch, lie: dict[str, Any], problem: str
) -> None:
    """The node's word beside the invoice is right and the invoice itself is not: it is cancelled, and the operator is told."""
    honest = SimNode.make_hold

    async def lying(self: SimNode, spec: HoldSpec) -> HoldView:
        view = await honest(self, spec)
        if not view.invoice:
            return view
        return replace(view, invoice=Secret(encode(replace(decode(view.invoice.reveal()), **lie), b"\x33" * 32)))

    async def life() -> None:
        town = await a_town()
        task = await offered(town)
        monkeypatch.setattr(SimNode, "make_hold", lying)
        await town.employer.say(f"fund {task}")
        await told(town, town.employer, "made another invoice than it was asked for")
        await town.pass_time(60)
        assert not [text for text in await town.employer.read() if re.search("(?i)lightning:ln", text)]
        assert [each["type"] for each in town.log_of(task)] == ["task.created"]
        assert incidents_of(town) == ["wrong_invoice"]
        hold = hold_of(town, task)
        view = await town.node.hold(HoldRef(hold.ref, hold.payment_hash))
        assert (view.status, hold.state) == (HoldStatus.CANCELLED, "cancelled")
        monkeypatch.setattr(SimNode, "make_hold", honest)
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Funded")
        await sound(town)

    run_virtually(life())
