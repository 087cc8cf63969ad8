"""A hold and its channel on real nodes: a private one, one that does not live on. Each test has nodes of its own, since most end a channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

import pytest

from bot.nodes.cln.node import ClnNode
from bot.nodes.cln.plugin.keeper import GRACE
from kinds import bolt11
from kinds.lightning import HoldRef, HoldSpec, HoldStatus, HoldView, PaymentStatus, PaySpec
from kinds.units import Secret, sats
from tests.cln import wallets
from tests.cln.regtest import Regtest, missing, town
from tests.lives.people import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"not on the path: {', '.join(missing())}"),
]
SPEC = HoldSpec("task/h1", sats(20_000), expiry=3600, cltv=60, memo="Holdfast task")
CLOSES = 3  # blocks before its expiry lightningd closes, on regtest, for a preimage that the peer has not taken
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """A payment that is held, and the world around it."""

    town: Regtest
    node: ClnNode
    first: HoldView

    @property
    def hold(self) -> HoldRef:
        return HoldRef(SPEC.ref, self.first.payment_hash)

    async def look(self) -> HoldView:
        return await self.node.hold(self.hold)

    async def becomes(self, status: HoldStatus, within: float = SECONDS) -> HoldView:
        async def there() -> HoldView | None:
            view = await self.look()
            return view if view.status is status else None

        found = await until(there, f"a hold that is {status}", within)
        assert found is not None
        return found

    async def payer_sees(self, status: str) -> None:
        await until(lambda: wallets.paid(self.town.payer, self.first.payment_hash) == status, f"{status}", SECONDS)

    def state(self) -> str:
        return str(self.town.us.channel(self.town.payer)["state"])

    async def settled_by_blocks(self) -> None:
        """Block by block, since lightningd goes on with each."""

        async def there() -> bool:
            await asyncio.to_thread(self.town.mine, 1)
            return (await self.look()).status is HoldStatus.SETTLED

        await until(there, "the money on the chain", SECONDS)


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    with town() as nodes:
        node = ClnNode(nodes.us.socket)
        made = await node.make_hold(SPEC)
        wallets.pay(nodes.payer, made.invoice.reveal())
        yield Held(nodes, node, await Held(nodes, node, made).becomes(HoldStatus.HELD))
        await node.aclose()


async def test_settled_while_the_peer_is_away(held: Held) -> None:
    """The money has not moved, so it is held; when he comes back it is ours."""
    nodes = held.town
    nodes.payer.stop()
    view = await held.node.settle(held.hold)
    assert (view.status, view.received, view.preimage.reveal()) == (HoldStatus.HELD, SPEC.amount, "")
    nodes.payer.start()
    await asyncio.to_thread(nodes.together)
    await held.becomes(HoldStatus.SETTLED)
    await held.payer_sees("complete")


async def test_settled_and_the_peer_stays_away(held: Held) -> None:
    """lightningd closes the channel in time and takes the money on the chain."""
    nodes = held.town
    nodes.payer.stop()
    assert (await held.node.settle(held.hold)).status is HoldStatus.HELD
    left = held.first.expiry_height - nodes.us.height()
    await asyncio.to_thread(nodes.mine, left - CLOSES - 1)
    assert held.state() == "CHANNELD_NORMAL"
    await asyncio.to_thread(nodes.mine, 1)
    await until(lambda: held.state() == "AWAITING_UNILATERAL", "a close by force", SECONDS)
    view = await held.look()
    assert (view.status, [part.on_channel for part in view.parts]) == (HoldStatus.HELD, [False])
    await held.settled_by_blocks()
    assert nodes.us.credits(held.first.payment_hash) == [SPEC.amount]


async def test_a_channel_closed_by_force_can_still_be_settled(held: Held) -> None:
    nodes = held.town
    await asyncio.to_thread(nodes.payer.rpc.call, "close", {"id": nodes.us.id, "unilateraltimeout": 1})
    await until(nodes.bitcoind.mempool, "the closing transaction", SECONDS)
    await asyncio.to_thread(nodes.mine, 1)
    await until(lambda: held.state() == "ONCHAIN", "the channel on the chain", SECONDS)
    view = await held.look()
    assert (view.status, [part.on_channel for part in view.parts]) == (HoldStatus.HELD, [False])
    view = await held.node.settle(held.hold)
    assert (view.status, [part.on_channel for part in view.parts]) == (HoldStatus.HELD, [False])
    await until(nodes.bitcoind.mempool, "the claim of the HTLC", SECONDS)
    await asyncio.to_thread(nodes.mine, 1)
    await held.becomes(HoldStatus.SETTLED)
    await held.payer_sees("complete")
    assert nodes.us.credits(held.first.payment_hash) == [SPEC.amount]


async def test_a_restart_while_the_channel_is_being_closed_gives_the_payment_back(held: Held) -> None:
    """The closing waits for the payment, but lightningd does not ask the plugin about it again."""
    nodes = held.town

    def close() -> None:
        with suppress(Exception):
            nodes.payer.rpc.call("close", {"id": nodes.us.id})

    Thread(target=close, daemon=True).start()
    await until(lambda: held.state() == "CHANNELD_SHUTTING_DOWN", "the closing", SECONDS)
    assert (await held.look()).parts[0].on_channel
    nodes.us.stop()
    nodes.us.start()
    await asyncio.to_thread(nodes.us.connect, nodes.payer)
    assert (await held.look()).status is HoldStatus.UNKNOWN
    await held.payer_sees("failed")
    await held.becomes(HoldStatus.CANCELLED, GRACE + SECONDS)


async def test_a_hold_behind_a_private_channel_can_be_paid() -> None:
    """Its peer forwards by the alias of his choice only."""
    with town() as nodes:
        hermit = await asyncio.to_thread(nodes.hermit)
        node = ClnNode(hermit.socket)
        made = await node.make_hold(SPEC)
        wallets.pay(nodes.payer, made.invoice.reveal())
        held = Held(nodes, node, made)
        view = await held.becomes(HoldStatus.HELD)
        assert (view.received, view.parts[0].on_channel) == (SPEC.amount, True)
        await node.settle(held.hold)
        await held.becomes(HoldStatus.SETTLED)
        await held.payer_sees("complete")
        await node.aclose()


async def test_a_payout_that_lightningd_did_not_live_to_send_has_failed() -> None:
    """It is killed when it has written the payment down, before the channel has it: pending for ever in lightningd's eyes, and no
    HTLC of it is anywhere.
    """
    with town() as nodes:
        node = ClnNode(nodes.us.socket)
        bill = await asyncio.to_thread(wallets.held_invoice, nodes.payee, 50_000, 86400)
        payment_hash = bolt11.decode(bill).payment_hash
        spec = PaySpec("task/p1", payment_hash, Secret(bill), sats(50_000), sats(100), 288, timeout=5)
        nodes.us.freeze_channels()
        paying = asyncio.create_task(node.pay(spec))
        await until(lambda: wallets.paid(nodes.us, payment_hash) == "pending", "the payment, written down", SECONDS)
        nodes.us.kill()
        await paying
        await node.aclose()
        nodes.us.start()
        await asyncio.to_thread(nodes.together)
        fresh = ClnNode(nodes.us.socket)  # of a new life of the daemon

        assert wallets.paid(nodes.us, payment_hash) == "pending"

        async def failed() -> bool:
            return (await fresh.payment(payment_hash)).status is PaymentStatus.FAILED

        await until(failed, "its end", GRACE + SECONDS)
        assert (await fresh.pay(spec)).status is PaymentStatus.FAILED, "lightningd does not let us try again"
        assert not wallets.holds(nodes.payee, payment_hash)
        await fresh.aclose()
