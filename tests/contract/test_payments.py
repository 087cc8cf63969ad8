"""Payouts: what every node adapter answers, whatever is behind it (bot/nodes/base.py)."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

from bot.nodes.base import Node
from kinds.bolt11 import decode
from kinds.lightning import Fault, PaymentStatus, PaymentView, PaySpec
from kinds.units import Msat, PaymentHash, Secret, sats
from tests.contract.bench import SPENDABLE, Bench, at_rest, needs, until

AMOUNT = sats(10_000)
UNSENT = (PaymentStatus.ABSENT, PaymentStatus.FAILED)


def spec_for(invoice: str, fee_limit: Msat = sats(100), cltv_limit: int = 288) -> PaySpec:
    read = decode(invoice)
    amount = read.amount or AMOUNT
    return PaySpec("task/p1", read.payment_hash, Secret(invoice), amount, fee_limit, cltv_limit, timeout=5)


async def ended(bench: Bench, node: Node, payment_hash: PaymentHash) -> PaymentView:
    return await until(bench, lambda: node.payment(payment_hash), PaymentStatus.COMPLETE, PaymentStatus.FAILED)


async def test_pay(bench: Bench, node: Node) -> None:
    spec = spec_for(await bench.bill(AMOUNT))
    await node.pay(spec)
    view = await ended(bench, node, spec.payment_hash)
    assert (view.status, view.amount) == (PaymentStatus.COMPLETE, AMOUNT)
    assert 0 <= view.fee <= spec.fee_limit
    assert hashlib.sha256(bytes.fromhex(view.preimage.reveal())).hexdigest() == spec.payment_hash


async def test_pay_again_pays_nothing_more(bench: Bench, node: Node) -> None:
    before = await node.facts()
    spec = spec_for(await bench.bill(AMOUNT))
    await node.pay(spec)
    view = await ended(bench, node, spec.payment_hash)
    assert before is not None
    left = Msat(before.outbound - AMOUNT - view.fee)
    assert (await at_rest(bench, left)).outbound == left
    assert await node.pay(spec) == view
    assert await node.pay(replace(spec, amount=sats(20_000))) == view
    assert (await at_rest(bench, left)).outbound == left


async def test_two_who_pay_at_once_pay_once(bench: Bench, node: Node) -> None:
    before = await node.facts()
    spec = spec_for(await bench.bill(AMOUNT))
    await asyncio.gather(*(node.pay(spec) for _ in range(3)))
    view = await ended(bench, node, spec.payment_hash)
    assert before is not None
    assert view.status is PaymentStatus.COMPLETE
    left = Msat(before.outbound - AMOUNT - view.fee)
    assert (await at_rest(bench, left)).outbound == left


async def test_a_hash_never_paid_is_absent(node: Node) -> None:
    assert (await node.payment(PaymentHash("cd" * 32))).status is PaymentStatus.ABSENT


async def test_a_payee_who_holds_the_payout_past_its_timeout(bench: Bench, node: Node) -> None:
    await bench.payee_holds()
    spec = spec_for(await bench.bill(AMOUNT))
    await node.pay(spec)
    await until(bench, lambda: node.payment(spec.payment_hash), PaymentStatus.IN_FLIGHT)
    await bench.wait(spec.timeout + 5)
    view = await node.payment(spec.payment_hash)
    assert (view.status, view.preimage.reveal()) == (PaymentStatus.IN_FLIGHT, "")
    assert (await node.pay(spec)).status is PaymentStatus.IN_FLIGHT
    await bench.release(spec.payment_hash)
    assert (await ended(bench, node, spec.payment_hash)).status is PaymentStatus.COMPLETE


async def test_in_flight_over_a_restart(bench: Bench, node: Node) -> None:
    await bench.payee_holds()
    spec = spec_for(await bench.bill(AMOUNT))
    await node.pay(spec)
    await until(bench, lambda: node.payment(spec.payment_hash), PaymentStatus.IN_FLIGHT)
    await bench.restart()
    await until(bench, lambda: node.payment(spec.payment_hash), PaymentStatus.IN_FLIGHT)
    await bench.release(spec.payment_hash)
    assert (await ended(bench, node, spec.payment_hash)).status is PaymentStatus.COMPLETE


async def test_an_expired_invoice_is_not_paid(bench: Bench, node: Node) -> None:
    spec = spec_for(await bench.bill(AMOUNT, expiry=1))
    await bench.wait(3)
    view = await node.pay(spec)
    assert (view.status, view.fault) == (PaymentStatus.FAILED, Fault.THEIRS)
    assert (await node.payment(spec.payment_hash)).status in UNSENT


async def test_no_route_is_the_payees_trouble(bench: Bench, node: Node) -> None:
    needs(bench, "limits")
    spec = spec_for(await bench.lost_bill(AMOUNT))
    await node.pay(spec)
    view = await ended(bench, node, spec.payment_hash)
    assert (view.status, view.fault) == (PaymentStatus.FAILED, Fault.THEIRS)


async def test_a_cltv_limit_that_is_too_small_sends_nothing(bench: Bench, node: Node) -> None:
    needs(bench, "limits")
    spec = spec_for(await bench.bill(AMOUNT, cltv=80), cltv_limit=82)
    view = await node.pay(spec)
    assert (view.status, view.fault) == (PaymentStatus.FAILED, Fault.OURS)
    assert (await node.payment(spec.payment_hash)).status in UNSENT
    assert (await node.pay(replace(spec, cltv_limit=288))).status is not PaymentStatus.FAILED


async def test_a_fee_limit_holds(bench: Bench, node: Node) -> None:
    needs(bench, "limits")
    spec = spec_for(await bench.bill(AMOUNT), fee_limit=Msat(0))
    await node.pay(spec)
    view = await ended(bench, node, spec.payment_hash)
    assert (view.status, view.fault) == (PaymentStatus.FAILED, Fault.OURS) or view.fee == 0


async def test_more_than_the_node_has_is_our_trouble(bench: Bench, node: Node) -> None:
    facts = await node.facts()
    assert facts is not None
    spec = spec_for(await bench.bill(Msat(facts.outbound + sats(1))), fee_limit=SPENDABLE)
    view = await node.pay(spec)
    if view.status is not PaymentStatus.FAILED:  # some notice before they begin, others by trying
        view = await ended(bench, node, spec.payment_hash)
    assert (view.status, view.fault) == (PaymentStatus.FAILED, Fault.OURS)


async def test_a_failed_payment_may_be_sent_again(bench: Bench, node: Node) -> None:
    spec = spec_for(await bench.bill(AMOUNT))
    assert (await node.pay(replace(spec, amount=Msat(AMOUNT + 1)))).status is PaymentStatus.FAILED
    await node.pay(spec)
    assert (await ended(bench, node, spec.payment_hash)).status is PaymentStatus.COMPLETE


async def test_junk_for_an_invoice_is_our_trouble(node: Node) -> None:
    spec = PaySpec("task/p1", PaymentHash("ef" * 32), Secret("lnplay1junk"), AMOUNT, sats(1), 288, 5)
    view = await node.pay(spec)
    assert (view.status, view.fault) == (PaymentStatus.FAILED, Fault.OURS)
    assert (await node.payment(spec.payment_hash)).status in UNSENT
