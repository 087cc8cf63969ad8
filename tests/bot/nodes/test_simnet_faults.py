"""Every fault that the simulated network can be told, and that none of them lies about an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.nodes.simnet import Faults, SimNode
from kinds.bolt11 import decode
from kinds.lightning import Fault, HoldStatus, HoldView, PaymentStatus
from kinds.units import PaymentHash, sats
from tests.bot.nodes.simnet_bench import Clock, hold_ref, hold_spec, pay_spec, sim


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def node(clock: Clock) -> AsyncIterator[SimNode]:
    made = sim(clock)
    yield made
    figures = made.network.figures()
    assert figures.total == figures.minted
    await made.aclose()


async def held(node: SimNode, ref: str = "task/h1", parts: int = 1) -> HoldView:
    made = await node.make_hold(hold_spec(ref))
    node.wallet("employer").pay(made.invoice.reveal(), parts)
    return await node.hold(hold_ref(made, ref))


async def test_down(node: SimNode) -> None:
    view = await held(node)
    other = await node.make_hold(hold_spec("task/h2"))
    node.network.faults = Faults(down=True)
    assert await node.facts() is None
    for ask in (node.hold, node.settle, node.cancel):
        assert (await ask(hold_ref(view))).status is HoldStatus.UNKNOWN
    assert (await node.make_hold(hold_spec("task/h3"))).status is HoldStatus.UNKNOWN
    assert (await node.payment(view.payment_hash)).status is PaymentStatus.UNKNOWN
    spec = pay_spec(node.wallet("worker").invoice(sats(5)))
    assert (await node.pay(spec)).status is PaymentStatus.UNKNOWN
    assert node.wallet("employer").pay(other.invoice.reveal()).reason == "no_route"
    node.network.faults = Faults()
    assert (await node.hold(hold_ref(view))).status is HoldStatus.HELD
    assert (await node.payment(spec.payment_hash)).status is PaymentStatus.ABSENT


async def test_unsynced(node: SimNode) -> None:
    node.network.faults = Faults(unsynced=True)
    facts = await node.facts()
    assert facts is not None
    assert not facts.synced


async def test_a_lost_request_did_not_happen(node: SimNode) -> None:
    view = await held(node)
    node.network.faults = Faults(lose_requests=1)
    assert (await node.settle(hold_ref(view))).status is HoldStatus.UNKNOWN
    assert (await node.hold(hold_ref(view))).status is HoldStatus.HELD
    assert node.network.faults == Faults()


async def test_a_lost_answer_did_happen(node: SimNode) -> None:
    view = await held(node)
    node.network.faults = Faults(lose_answers=2, only=("settle", "pay"))
    assert (await node.hold(hold_ref(view))).status is HoldStatus.HELD
    assert (await node.settle(hold_ref(view))).status is HoldStatus.UNKNOWN
    assert (await node.hold(hold_ref(view))).status is HoldStatus.SETTLED
    spec = pay_spec(node.wallet("worker").invoice(sats(5)))
    assert (await node.pay(spec)).status is PaymentStatus.UNKNOWN
    assert (await node.payment(spec.payment_hash)).status is PaymentStatus.COMPLETE


async def test_a_slow_call_that_is_cancelled_may_have_happened(node: SimNode) -> None:
    view = await held(node)
    node.network.faults = Faults(delay=0.02)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(node.settle(hold_ref(view)), 0.015)
    node.network.faults = Faults()
    assert (await node.hold(hold_ref(view))).status is HoldStatus.SETTLED


async def test_a_deaf_stream_stays_open_and_hears_again(node: SimNode) -> None:
    stream = node.hints()
    node.network.faults = Faults(deaf=True)
    await held(node)
    waiting = asyncio.ensure_future(anext(stream, PaymentHash("")))
    await asyncio.sleep(0)
    assert not waiting.done()
    node.network.faults = Faults()
    other = await held(node, "task/h2")
    assert await waiting == other.payment_hash


async def test_refused_parts(node: SimNode, clock: Clock) -> None:
    made = await node.make_hold(hold_spec())
    node.network.faults = Faults(refuse_parts=1)
    assert node.wallet("employer").pay(made.invoice.reveal(), parts=3).status is PaymentStatus.IN_FLIGHT
    assert len((await node.hold(hold_ref(made))).parts) == 2
    clock.now += 60
    assert (await node.hold(hold_ref(made))).parts == ()
    node.wallet("employer").pay(made.invoice.reveal(), parts=3)
    assert (await node.hold(hold_ref(made))).status is HoldStatus.HELD


async def test_no_outbound_and_no_route_fail_at_once(node: SimNode) -> None:
    spec = pay_spec(node.wallet("worker").invoice(sats(5)))
    node.network.faults = Faults(no_outbound=True)
    view = await node.pay(spec)
    assert (view.status, view.fault, view.reason) == (PaymentStatus.FAILED, Fault.OURS, "no_balance")
    node.network.faults = Faults(no_route=True)
    view = await node.pay(spec)
    assert (view.status, view.fault, view.reason) == (PaymentStatus.FAILED, Fault.THEIRS, "no_route")
    node.network.faults = Faults()
    assert (await node.pay(spec)).status is PaymentStatus.COMPLETE


async def test_a_payee_who_refuses(node: SimNode) -> None:
    spec = pay_spec(node.wallet("worker").invoice(sats(5)))
    node.network.faults = Faults(payout_end="fail")
    view = await node.pay(spec)
    assert (view.status, view.fault, view.reason) == (PaymentStatus.FAILED, Fault.THEIRS, "refused")


@pytest.mark.parametrize(("end", "status"), [("complete", PaymentStatus.COMPLETE), ("fail", PaymentStatus.FAILED)])
async def test_a_late_payout_ends_late(node: SimNode, clock: Clock, end: str, status: PaymentStatus) -> None:
    invoice = node.wallet("worker").invoice(sats(5), expiry=60)
    node.network.faults = Faults(payout_delay=1000, payout_end="complete" if end == "complete" else "fail")
    assert (await node.pay(pay_spec(invoice))).status is PaymentStatus.IN_FLIGHT
    clock.now += 999
    assert (await node.pay(pay_spec(invoice))).status is PaymentStatus.IN_FLIGHT
    clock.now += 1
    assert (await node.payment(decode(invoice).payment_hash)).status is status


async def test_a_stuck_payout_ends_with_its_htlc(node: SimNode) -> None:
    invoice = node.wallet("worker").invoice(sats(5), cltv=80)
    node.network.faults = Faults(payout_stuck=True)
    before = node.network.figures().node
    await node.pay(pay_spec(invoice))
    node.network.mine(122)
    assert (await node.payment(decode(invoice).payment_hash)).status is PaymentStatus.IN_FLIGHT
    node.network.mine(1)  # 80 + 3 + 40
    view = await node.payment(decode(invoice).payment_hash)
    assert (view.status, view.fault, view.reason) == (PaymentStatus.FAILED, Fault.THEIRS, "timeout")
    assert node.network.figures().node == before


async def test_a_late_end_after_the_htlcs_expiry_comes_too_late(node: SimNode, clock: Clock) -> None:
    invoice = node.wallet("worker").invoice(sats(5), cltv=80)
    node.network.faults = Faults(payout_delay=200 * 600)
    await node.pay(pay_spec(invoice))
    clock.now += 300 * 600
    assert (await node.payment(decode(invoice).payment_hash)).reason == "timeout"


async def test_release_by_hand(node: SimNode) -> None:
    node.network.faults = Faults(payout_stuck=True)
    first, second = (pay_spec(node.wallet("worker").invoice(sats(5))) for _ in range(2))
    await node.pay(first)
    await node.pay(second)
    node.network.release(first.payment_hash)
    node.network.release(second.payment_hash, complete=False)
    assert (await node.payment(first.payment_hash)).status is PaymentStatus.COMPLETE
    assert (await node.payment(second.payment_hash)).status is PaymentStatus.FAILED
    with pytest.raises(ValueError, match="nothing is held"):
        node.network.release(first.payment_hash)


@pytest.mark.parametrize("call", ["settle", "cancel"])
async def test_old_news_of_a_hold(node: SimNode, call: str) -> None:
    """The call is carried out; that it is over is told late, and truly."""
    hold = hold_ref(await held(node))
    node.network.faults = Faults(old_news=True)
    assert (await getattr(node, call)(hold)).status is HoldStatus.HELD
    assert (await node.hold(hold)).status is HoldStatus.HELD
    assert node.network.figures().held == 0
    node.network.faults = Faults()
    assert (await node.hold(hold)).status is {"settle": HoldStatus.SETTLED, "cancel": HoldStatus.CANCELLED}[call]


@pytest.mark.parametrize("complete", [True, False])
async def test_old_news_of_a_payout(node: SimNode, complete: bool) -> None:
    spec = pay_spec(node.wallet("worker").invoice(sats(5)))
    node.network.faults = Faults(payout_stuck=True, old_news=True)
    assert (await node.pay(spec)).status is PaymentStatus.IN_FLIGHT
    node.network.release(spec.payment_hash, complete=complete)
    assert (await node.payment(spec.payment_hash)).status is PaymentStatus.IN_FLIGHT
    assert (await node.pay(spec)).status is PaymentStatus.IN_FLIGHT, "and nothing is sent again"
    node.network.faults = Faults()
    end = PaymentStatus.COMPLETE if complete else PaymentStatus.FAILED
    assert (await node.payment(spec.payment_hash)).status is end


async def test_old_news_of_an_invoice_that_is_paid_meanwhile(node: SimNode) -> None:
    made = await node.make_hold(hold_spec())
    node.network.faults = Faults(old_news=True)
    assert (await node.hold(hold_ref(made))).status is HoldStatus.OPEN
    node.wallet("employer").pay(made.invoice.reveal())
    assert (await node.hold(hold_ref(made))).status is HoldStatus.OPEN
    node.network.faults = Faults()
    assert (await node.hold(hold_ref(made))).status is HoldStatus.HELD


async def test_after_a_force_close_a_settle_says_settled_and_the_money_is_lost(node: SimNode) -> None:
    view = await held(node, parts=2)
    before = node.network.figures().node
    node.network.force_close(view.payment_hash)
    seen = await node.hold(hold_ref(view))
    assert seen.status is HoldStatus.HELD
    assert not any(part.on_channel for part in seen.parts)
    assert (await node.settle(hold_ref(view))).status is HoldStatus.SETTLED
    assert node.network.figures().node == before


async def test_a_hold_that_the_node_lost(node: SimNode) -> None:
    view = await held(node)
    stream = node.hints()
    node.network.lose_hold(view.payment_hash)
    assert await anext(stream) == view.payment_hash
    assert (await node.settle(hold_ref(view))).status is HoldStatus.CANCELLED
    assert node.wallet("employer").balance == sats(10_000_000)


async def test_a_restart_ends_streams_and_replays_sets(node: SimNode, clock: Clock) -> None:
    made = await node.make_hold(hold_spec())
    node.wallet("employer").pay(made.invoice.reveal(), [sats(4_000)])
    stream = node.hints()
    clock.now += 50
    node.network.restart()
    assert [payment_hash async for payment_hash in stream] == []
    clock.now += 50
    assert len((await node.hold(hold_ref(made))).parts) == 1
    clock.now += 10
    assert (await node.hold(hold_ref(made))).parts == ()


async def test_a_listener_that_is_closed_or_dropped_is_forgotten(node: SimNode) -> None:
    stream = node.network.hints.listen()
    await stream.aclose()
    node.hints()
    await held(node)
    assert [payment_hash async for payment_hash in stream] == []
