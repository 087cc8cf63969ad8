"""Holds: what every node adapter answers, whatever is behind it (bot/nodes/base.py)."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from bot.nodes.base import Node
from kinds.bolt11 import decode
from kinds.lightning import HoldRef, HoldSpec, HoldStatus, HoldView, PaymentStatus
from kinds.units import Msat, PaymentHash, sats
from tests.contract.bench import Bench, needs, payer_at_last, until

AMOUNT = sats(20_000)
SPEC = HoldSpec("task/h1", AMOUNT, expiry=3600, cltv=200, memo="Holdfast task")


def ref_of(view: HoldView, ref: str = SPEC.ref) -> HoldRef:
    return HoldRef(ref, view.payment_hash)


async def accepted(bench: Bench, spec: HoldSpec = SPEC, parts: int = 1) -> HoldView:
    made = await bench.node.make_hold(spec)
    await bench.pay_hold(made.invoice.reveal(), parts)
    return await until(bench, lambda: bench.node.hold(ref_of(made, spec.ref)), HoldStatus.HELD)


async def stays(node: Node, bench: Bench, hold: HoldRef, status: HoldStatus) -> HoldView:
    """Looks at it now and a little later: a late effect would show."""
    assert (await node.hold(hold)).status is status
    await bench.wait(2)
    view = await node.hold(hold)
    assert view.status is status
    return view


async def test_a_hold_is_a_real_invoice_of_the_node(node: Node) -> None:
    made = await node.make_hold(SPEC)
    facts = await node.facts()
    assert facts is not None
    invoice = decode(made.invoice.reveal())
    assert (invoice.hrp, invoice.payee) == (facts.hrp, facts.pubkey)
    assert (invoice.payment_hash, invoice.amount, invoice.description) == (made.payment_hash, AMOUNT, SPEC.memo)
    assert (invoice.expiry, invoice.final_cltv, invoice.expires_at) == (3600, 200, made.expires_at)
    assert (made.status, made.amount, made.parts, made.preimage.reveal()) == (HoldStatus.OPEN, AMOUNT, (), "")


async def test_a_repeated_create_gives_the_same_hold(node: Node) -> None:
    made = await node.make_hold(SPEC)
    assert await node.make_hold(SPEC) == made
    other = await node.make_hold(replace(SPEC, ref="task/h2"))
    assert other.payment_hash != made.payment_hash


@pytest.mark.parametrize("parts", [1, 3])
async def test_a_create_repeated_later_makes_no_second_hold(bench: Bench, node: Node, parts: int) -> None:
    """In every state of the hold: the same hash, and the answer is how it stands."""
    view = await accepted(bench, parts=parts)
    assert await node.make_hold(SPEC) == view
    assert (await node.make_hold(replace(SPEC, amount=sats(1)))).amount == AMOUNT
    await node.settle(ref_of(view))
    settled = await until(bench, lambda: node.hold(ref_of(view)), HoldStatus.SETTLED)
    assert await node.make_hold(SPEC) == settled


async def test_accepted_in_one_part(bench: Bench, node: Node) -> None:
    before = await node.facts()
    view = await accepted(bench)
    assert before is not None
    assert (view.received, len(view.parts), view.preimage.reveal()) == (AMOUNT, 1, "")
    assert view.expiry_height >= before.height + SPEC.cltv
    assert view.parts[0].on_channel
    assert await bench.payer_sees(view.payment_hash) is PaymentStatus.IN_FLIGHT


async def test_accepted_in_several_parts(bench: Bench) -> None:
    needs(bench, "parts")
    view = await accepted(bench, parts=4)
    assert (view.received, len(view.parts)) == (AMOUNT, 4)
    assert len({(part.channel, part.htlc) for part in view.parts}) == 4
    assert view.expiry_height == min(part.expiry for part in view.parts)


async def test_dust_parts_are_shown_as_they_are(bench: Bench, node: Node) -> None:
    needs(bench, "parts")
    spec = replace(SPEC, amount=sats(3_000))
    view = await accepted(bench, spec, parts=10)
    assert view.received == sats(3_000)
    assert max(part.amount for part in view.parts) <= sats(354)


@pytest.mark.patient
async def test_an_incomplete_set_is_not_accepted_and_goes_back(bench: Bench, node: Node) -> None:
    made = await node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal(), [sats(5_000), sats(5_000)])
    assert (await stays(node, bench, ref_of(made), HoldStatus.OPEN)).received < AMOUNT
    await bench.wait(130)
    view = await stays(node, bench, ref_of(made), HoldStatus.OPEN)
    assert view.parts == ()
    await payer_at_last(bench, made.payment_hash, PaymentStatus.FAILED)
    await bench.pay_hold(made.invoice.reveal())
    await until(bench, lambda: node.hold(ref_of(made)), HoldStatus.HELD)


async def test_an_underpayment_is_refused_and_changes_nothing(bench: Bench, node: Node) -> None:
    made = await node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal(), amount=Msat(AMOUNT - 1000))
    view = await stays(node, bench, ref_of(made), HoldStatus.OPEN)
    assert view.parts == ()
    assert view.refused in (0, AMOUNT - 1000)
    await payer_at_last(bench, made.payment_hash, PaymentStatus.FAILED)


async def test_an_overpayment_is_either_refused_or_shown_whole(bench: Bench, node: Node) -> None:
    needs(bench, "parts")
    made = await node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal(), amount=Msat(AMOUNT + 5000))
    view = await until(bench, lambda: node.hold(ref_of(made)), HoldStatus.HELD, HoldStatus.OPEN)
    assert view.received == (AMOUNT + 5000 if view.status is HoldStatus.HELD else 0)
    assert view.amount == AMOUNT


@pytest.mark.parametrize("amount", [0, -1, -(10**9)])
async def test_no_hold_for_nothing_or_less(node: Node, amount: int) -> None:
    made = await node.make_hold(replace(SPEC, amount=Msat(amount)))
    assert made.status is HoldStatus.UNKNOWN
    assert (await node.hold(ref_of(made))).status is HoldStatus.ABSENT


@pytest.mark.parametrize("nonsense", [{"expiry": 0}, {"expiry": -5}, {"cltv": 0}, {"cltv": -1}, {"cltv": 9}])
async def test_no_hold_on_terms_that_make_no_sense(node: Node, nonsense: dict[str, Any]) -> None:
    made = await node.make_hold(replace(SPEC, **nonsense))
    assert made.status is HoldStatus.UNKNOWN
    assert (await node.hold(ref_of(made))).status is HoldStatus.ABSENT


async def test_unpaid_past_its_expiry(bench: Bench, node: Node) -> None:
    made = await node.make_hold(replace(SPEC, expiry=5))
    await bench.wait(6)
    await until(bench, lambda: node.hold(ref_of(made)), HoldStatus.CANCELLED)
    await bench.pay_hold(made.invoice.reveal())
    await stays(node, bench, ref_of(made), HoldStatus.CANCELLED)


async def test_accepted_outlives_the_invoices_expiry(bench: Bench, node: Node) -> None:
    view = await accepted(bench, replace(SPEC, expiry=4))
    await bench.wait(6)
    await stays(node, bench, ref_of(view), HoldStatus.HELD)


@pytest.mark.parametrize("parts", [1, 3])
async def test_settle_and_settle_again(bench: Bench, node: Node, parts: int) -> None:
    view = await accepted(bench, parts=parts)
    await node.settle(ref_of(view))
    settled = await until(bench, lambda: node.hold(ref_of(view)), HoldStatus.SETTLED)
    assert hashlib.sha256(bytes.fromhex(settled.preimage.reveal())).hexdigest() == view.payment_hash
    assert settled.parts == ()
    assert (await node.settle(ref_of(view))).status is HoldStatus.SETTLED
    assert (await node.cancel(ref_of(view))).status is HoldStatus.SETTLED
    await payer_at_last(bench, view.payment_hash, PaymentStatus.COMPLETE)


async def test_a_wrong_preimage_settles_nothing(bench: Bench, node: Node) -> None:
    """The preimage follows from the ref; of another hash it is none."""
    view = await accepted(bench)
    assert (await node.settle(HoldRef(SPEC.ref, PaymentHash("ab" * 32)))).status is HoldStatus.ABSENT
    await stays(node, bench, ref_of(view), HoldStatus.HELD)
    assert await bench.payer_sees(view.payment_hash) is PaymentStatus.IN_FLIGHT


async def test_two_who_settle_at_once_and_one_who_cancels(bench: Bench, node: Node) -> None:
    view = await accepted(bench, parts=2)
    hold = ref_of(view)
    await asyncio.gather(node.settle(hold), node.settle(hold))
    await asyncio.gather(node.settle(hold), node.cancel(hold))
    await until(bench, lambda: node.hold(hold), HoldStatus.SETTLED)
    await payer_at_last(bench, view.payment_hash, PaymentStatus.COMPLETE)


async def test_settle_before_it_is_accepted_leaves_it_open(bench: Bench, node: Node) -> None:
    made = await node.make_hold(SPEC)
    assert (await node.settle(ref_of(made))).status is HoldStatus.OPEN
    await bench.pay_hold(made.invoice.reveal())
    await until(bench, lambda: node.hold(ref_of(made)), HoldStatus.HELD)


async def test_settle_never_takes_half_a_set(bench: Bench, node: Node) -> None:
    made = await node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal(), [sats(15_000)])
    assert (await node.settle(ref_of(made))).status is HoldStatus.OPEN
    assert await bench.payer_sees(made.payment_hash) is PaymentStatus.IN_FLIGHT


async def test_cancel_an_open_hold(bench: Bench, node: Node) -> None:
    made = await node.make_hold(SPEC)
    assert (await node.cancel(ref_of(made))).status is HoldStatus.CANCELLED
    assert (await node.cancel(ref_of(made))).status is HoldStatus.CANCELLED
    await bench.pay_hold(made.invoice.reveal())
    await stays(node, bench, ref_of(made), HoldStatus.CANCELLED)
    assert (await node.make_hold(SPEC)).status is HoldStatus.CANCELLED


@pytest.mark.parametrize("parts", [1, 3])
async def test_cancel_an_accepted_hold_and_settle_after_it(bench: Bench, node: Node, parts: int) -> None:
    view = await accepted(bench, parts=parts)
    await node.cancel(ref_of(view))
    cancelled = await until(bench, lambda: node.hold(ref_of(view)), HoldStatus.CANCELLED)
    assert (cancelled.parts, cancelled.preimage.reveal()) == ((), "")
    assert (await node.cancel(ref_of(view))).status is HoldStatus.CANCELLED
    assert (await node.settle(ref_of(view))).status is HoldStatus.CANCELLED
    await payer_at_last(bench, view.payment_hash, PaymentStatus.FAILED)


async def test_an_unknown_hash_is_absent(node: Node) -> None:
    nobody = HoldRef("task/h9", PaymentHash("ab" * 32))
    for ask in (node.hold, node.settle, node.cancel):
        assert (await ask(nobody)).status is HoldStatus.ABSENT


async def test_accepted_then_restart_then_settle(bench: Bench, node: Node) -> None:
    view = await accepted(bench, parts=3)
    await bench.restart()
    again = await until(bench, lambda: node.hold(ref_of(view)), HoldStatus.HELD)
    assert set(again.parts) == set(view.parts)
    assert (await node.make_hold(SPEC)).payment_hash == view.payment_hash
    await node.settle(ref_of(view))
    await until(bench, lambda: node.hold(ref_of(view)), HoldStatus.SETTLED)


async def test_the_node_cancels_by_itself_before_the_htlc_expires(bench: Bench, node: Node) -> None:
    view = await accepted(bench, replace(SPEC, cltv=60))
    facts = await node.facts()
    assert facts is not None
    await bench.mine(view.expiry_height - facts.height - 30)
    await stays(node, bench, ref_of(view), HoldStatus.HELD)
    await bench.mine(29)
    await until(bench, lambda: node.hold(ref_of(view)), HoldStatus.CANCELLED)
    await payer_at_last(bench, view.payment_hash, PaymentStatus.FAILED)


async def test_a_hold_is_found_by_its_name_whatever_became_of_it(bench: Bench, node: Node) -> None:
    assert (await node.find("task/h7")).status is HoldStatus.ABSENT
    made = await node.make_hold(SPEC)
    assert await node.find(SPEC.ref) == made
    await bench.pay_hold(made.invoice.reveal())
    await until(bench, lambda: node.find(SPEC.ref), HoldStatus.HELD)
    await node.cancel(ref_of(made))
    found = await until(bench, lambda: node.find(SPEC.ref), HoldStatus.CANCELLED)
    assert found.payment_hash == made.payment_hash


async def test_its_own_holds_are_listed_and_nothing_else_that_the_node_has(bench: Bench, node: Node) -> None:
    """Or the node says that it cannot list them."""
    name = "0123456789abc"
    ours = replace(SPEC, ref=f"{name}/h1", memo=f"Holdfast escrow {name}")
    made = await node.make_hold(ours)
    await bench.bill(AMOUNT)
    listed = await node.own_holds(0)
    assert listed is None or listed == (HoldRef(ours.ref, made.payment_hash),)
    assert await node.own_holds(made.expires_at + 10**9) in (None, ())
