"""Height, sync, liquidity and hint streams: what every node adapter answers (bot/nodes/base.py)."""

from __future__ import annotations

import asyncio

import pytest

from bot.nodes.base import Node
from kinds.bolt11 import decode
from kinds.lightning import HoldRef, HoldSpec, HoldStatus, NodeFacts, PaymentStatus, PaySpec
from kinds.units import Msat, Secret, sats
from tests.contract.bench import SPENDABLE, Bench, at_rest, needs, until

SPEC = HoldSpec("task/h1", sats(20_000), expiry=3600, cltv=200, memo="Holdfast task")
PATIENCE = 10  # seconds of the real clock, never reached when a hint comes


async def test_height_and_sync(bench: Bench, node: Node) -> None:
    before = await node.facts()
    await bench.mine(3)
    after = await node.facts()
    assert before is not None
    assert after is not None
    assert after.synced
    assert after.height == before.height + 3
    assert after.block_hash != before.block_hash
    assert (after.pubkey, after.hrp) == (before.pubkey, before.hrp)


async def test_what_can_be_spent_follows_the_money(bench: Bench, node: Node) -> None:
    before, held, after = await _before_while_and_after_a_hold(bench, node)
    assert before.outbound >= SPENDABLE
    assert before.outbound - sats(1_000) <= held.outbound <= before.outbound  # fees of the channels' commitments
    assert after.outbound == before.outbound + SPEC.amount


async def test_the_room_for_holds_follows_the_money(bench: Bench, node: Node) -> None:
    needs(bench, "parts")
    before, held, after = await _before_while_and_after_a_hold(bench, node)
    assert held.inbound <= before.inbound - SPEC.amount
    assert held.free_slots == before.free_slots - 2
    assert after.free_slots == before.free_slots


async def _before_while_and_after_a_hold(bench: Bench, node: Node) -> tuple[NodeFacts, NodeFacts, NodeFacts]:
    """The node's word about itself; the hold comes in two parts and is settled."""
    before = await node.facts()
    made = await node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal(), 2)
    hold = HoldRef(SPEC.ref, made.payment_hash)
    await until(bench, lambda: node.hold(hold), HoldStatus.HELD)
    held = await node.facts()
    await node.settle(hold)
    await until(bench, lambda: node.hold(hold), HoldStatus.SETTLED)
    assert before is not None
    assert held is not None
    return before, held, await at_rest(bench, Msat(before.outbound + SPEC.amount))


async def test_an_acceptance_and_a_payout_are_hinted_to_every_listener(bench: Bench, node: Node) -> None:
    first, second = node.hints(), node.hints()
    made = await node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal())
    for stream in (first, second):
        while await asyncio.wait_for(anext(stream), PATIENCE) != made.payment_hash:
            continue
    invoice = await bench.bill(sats(500))
    spec = PaySpec("task/p1", decode(invoice).payment_hash, Secret(invoice), sats(500), sats(10), 288, 5)
    await node.pay(spec)
    while await asyncio.wait_for(anext(first), PATIENCE) != spec.payment_hash:
        continue
    assert (await node.payment(spec.payment_hash)).status is PaymentStatus.COMPLETE


async def test_a_stream_that_died_silently_costs_nothing_to_one_who_looks(bench: Bench, node: Node) -> None:
    stream = node.hints()
    await bench.silence_hints()
    made = await node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal())
    await until(bench, lambda: node.hold(HoldRef(SPEC.ref, made.payment_hash)), HoldStatus.HELD)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.05)


async def test_streams_end_when_the_node_is_closed(bench: Bench, node: Node) -> None:
    stream = node.hints()
    waiting = asyncio.ensure_future(anext(stream, None))
    await asyncio.sleep(0)
    await node.aclose()
    assert await asyncio.wait_for(waiting, PATIENCE) is None
    assert await node.facts() is None
