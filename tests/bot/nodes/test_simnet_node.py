"""What is particular to the simulated node: its keys, its memory, its chain, its prices, its speed in virtual time."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import selectors
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.nodes.preimages import BadKeyFile
from bot.nodes.simnet import Faults, Params, SimNode
from kinds.bolt11 import decode, encode
from kinds.lightning import Fault, HoldRef, HoldStatus, PaymentStatus
from kinds.units import Msat, PaymentHash, sats
from tests.bot.nodes.simnet_bench import START, Clock, hold_ref, hold_spec, pay_spec, sim


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def node(clock: Clock) -> AsyncIterator[SimNode]:
    made = sim(clock)
    yield made
    await made.aclose()


async def test_the_preimage_is_derived_from_key_and_ref(clock: Clock) -> None:
    key = b"\x05" * 32
    node = sim(clock, key=key)
    preimage = hmac.digest(key, b"task/h1", "sha256")
    made = await node.make_hold(hold_spec())
    assert made.payment_hash == hashlib.sha256(preimage).hexdigest()
    node.wallet("employer").pay(made.invoice.reveal())
    assert (await node.settle(hold_ref(made))).preimage.reveal() == preimage.hex()
    assert node.wallet("employer").preimages == {made.payment_hash: preimage.hex()}
    await node.aclose()


async def test_a_wrong_ref_settles_nothing(node: SimNode) -> None:
    made = await node.make_hold(hold_spec())
    node.wallet("employer").pay(made.invoice.reveal())
    assert (await node.settle(HoldRef("task/h2", made.payment_hash))).status is HoldStatus.HELD


async def test_everything_survives_a_restart_of_the_process(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "simnet.db"
    node = sim(clock, path)
    made = await node.make_hold(hold_spec())
    node.wallet("employer").pay(made.invoice.reveal(), parts=3)
    invoice = node.wallet("worker").invoice(sats(4_000))
    node.network.faults = Faults(payout_stuck=True, unsynced=True)
    await node.pay(pay_spec(invoice))
    node.network.mine(7)
    views = (await node.hold(hold_ref(made)), await node.payment(decode(invoice).payment_hash), await node.facts())
    figures = node.network.figures()
    await node.aclose()

    assert stat.S_IMODE((tmp_path / "simnet.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    node = sim(clock, path)
    assert node.network.figures() == figures
    assert (
        await node.hold(hold_ref(made)),
        await node.payment(decode(invoice).payment_hash),
        await node.facts(),
    ) == views
    assert node.network.faults == Faults(payout_stuck=True, unsynced=True)
    assert (await node.settle(hold_ref(made))).status is HoldStatus.SETTLED
    await node.aclose()
    with pytest.raises(ValueError, match="another key"):
        sim(clock, path, key=b"\x01" * 32)


async def test_a_broken_key_file_is_refused(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "simnet.key").write_text("abcd\n")
    (tmp_path / "simnet.key").chmod(0o600)
    with pytest.raises(BadKeyFile, match="keys of 32 bytes"):
        sim(clock, tmp_path / "simnet.db")


async def test_blocks_come_with_the_clock_and_on_demand(node: SimNode, clock: Clock) -> None:
    assert node.network.height == 800_000
    clock.now += 599
    assert node.network.height == 800_000
    clock.now += 1
    assert node.network.height == 800_001
    node.network.mine(5)
    assert node.network.height == 800_006
    clock.now -= 1000
    assert node.network.height == 800_006
    with pytest.raises(ValueError, match="not taken back"):
        node.network.mine(-1)


async def test_blocks_only_on_demand(clock: Clock) -> None:
    node = sim(clock, params=Params(block_seconds=0))
    clock.now += 10**6
    assert node.network.height == 800_000
    node.network.mine(2)
    assert node.network.height == 800_002
    await node.aclose()


async def test_htlc_expiry_and_own_deadline_are_those_of_lnd(node: SimNode) -> None:
    made = await node.make_hold(hold_spec(cltv=40))
    node.wallet("employer").pay(made.invoice.reveal())
    assert (await node.hold(hold_ref(made))).expiry_height == 800_043
    node.network.mine(24)
    assert (await node.hold(hold_ref(made))).status is HoldStatus.HELD
    node.network.mine(1)  # 18 blocks before
    assert (await node.hold(hold_ref(made))).status is HoldStatus.CANCELLED
    assert node.wallet("employer").balance == sats(10_000_000)


async def test_an_incomplete_set_fails_after_sixty_seconds(node: SimNode, clock: Clock) -> None:
    made = await node.make_hold(hold_spec())
    employer = node.wallet("employer")
    employer.pay(made.invoice.reveal(), [sats(4_000)])
    clock.now += 59
    assert (await node.hold(hold_ref(made))).received == sats(4_000)
    clock.now += 1
    assert (await node.hold(hold_ref(made))).parts == ()
    assert employer.payment(made.payment_hash).reason == "timeout"
    assert employer.balance == sats(10_000_000)


async def test_the_rest_of_a_set_may_come_later(node: SimNode, clock: Clock) -> None:
    made = await node.make_hold(hold_spec())
    employer = node.wallet("employer")
    employer.pay(made.invoice.reveal(), [sats(4_000)])
    clock.now += 30
    assert employer.pay(made.invoice.reveal(), [sats(6_000)]).amount == sats(10_000)
    assert (await node.hold(hold_ref(made))).status is HoldStatus.HELD
    assert employer.pay(made.invoice.reveal()).amount == sats(10_000)  # the same view: nothing is paid twice
    assert employer.balance == sats(9_990_000)


async def test_parts_of_another_whole_do_not_join_the_set(node: SimNode) -> None:
    made = await node.make_hold(hold_spec())
    employer = node.wallet("employer")
    employer.pay(made.invoice.reveal(), [sats(4_000)])
    employer.pay(made.invoice.reveal(), [sats(6_000)], amount=sats(11_000))
    node.wallet("other").pay(made.invoice.reveal(), [sats(6_000)], amount=sats(12_000))
    view = await node.hold(hold_ref(made))
    assert (view.status, view.received) == (HoldStatus.OPEN, sats(4_000))
    assert node.wallet("other").payment(made.payment_hash).reason == "refused"


async def test_a_forged_invoice_with_a_known_hash_finds_nobody(node: SimNode) -> None:
    real = decode(node.wallet("worker").invoice(sats(1_000)))
    view = await node.pay(pay_spec(encode(real, b"\x42" * 32)))
    assert (view.status, view.reason) == (PaymentStatus.FAILED, "no_route")


async def test_an_underpayment_is_reported(node: SimNode) -> None:
    made = await node.make_hold(hold_spec())
    stream = node.hints()
    node.wallet("employer").pay(made.invoice.reveal(), amount=sats(9_000))
    assert await anext(stream) == made.payment_hash
    view = await node.hold(hold_ref(made))
    assert (view.status, view.refused) == (HoldStatus.OPEN, sats(9_000))


async def test_overpayment_is_taken_as_lnd_takes_it(node: SimNode) -> None:
    made = await node.make_hold(hold_spec())
    node.wallet("employer").pay(made.invoice.reveal(), amount=sats(25_000))
    view = await node.hold(hold_ref(made))
    assert (view.status, view.amount, view.received) == (HoldStatus.HELD, sats(10_000), sats(25_000))


async def test_a_payer_refuses_what_no_wallet_would_pay(node: SimNode, clock: Clock) -> None:
    employer, worker = node.wallet("employer"), node.wallet("worker")
    long = await node.make_hold(hold_spec(cltv=2014))
    assert employer.pay(long.invoice.reveal()).reason == "cltv_limit"
    dear = await node.make_hold(hold_spec("task/h2", amount=sats(10_000_001)))
    assert employer.pay(dear.invoice.reveal()).reason == "no_balance"
    assert worker.pay(worker.invoice(sats(1))).reason == "refused"
    late = worker.invoice(sats(1), expiry=10)
    clock.now += 10
    assert employer.pay(late).reason == "expired"
    for parts in (0, -1, [], [Msat(0)], [Msat(5), Msat(-5)]):
        with pytest.raises(ValueError, match="above zero"):
            employer.pay(dear.invoice.reveal(), parts)
    with pytest.raises(ValueError, match="wallet's name"):
        node.wallet("@node")


async def test_wallets_pay_each_other(node: SimNode) -> None:
    employer, worker = node.wallet("employer"), node.wallet("worker")
    view = employer.pay(worker.invoice(sats(700)), parts=2)
    assert view.status is PaymentStatus.COMPLETE
    assert (employer.balance, worker.balance) == (sats(9_999_300), sats(10_000_700))


async def test_what_a_payout_costs(node: SimNode) -> None:
    before = node.network.figures().node
    view = await node.pay(pay_spec(node.wallet("worker").invoice(sats(50_000))))
    assert (view.status, view.fee) == (PaymentStatus.COMPLETE, sats(1) + sats(5))
    assert node.network.figures().node == before - sats(50_006)
    assert node.network.figures().routers == sats(6)


async def test_the_node_does_not_pay_itself(node: SimNode) -> None:
    made = await node.make_hold(hold_spec())
    view = await node.pay(pay_spec(made.invoice.reveal()))
    assert (view.status, view.fault, view.reason) == (PaymentStatus.FAILED, Fault.OURS, "self_payment")


async def test_the_cltv_limit_counts_final_padding_and_hop(node: SimNode) -> None:
    invoice = node.wallet("worker").invoice(sats(1_000), cltv=80)
    assert (await node.pay(pay_spec(invoice, cltv_limit=122))).reason == "cltv_limit"
    assert (await node.pay(pay_spec(invoice, cltv_limit=123))).status is PaymentStatus.COMPLETE


async def test_slots_and_capacity_are_finite(clock: Clock) -> None:
    node = sim(clock, params=Params(channels=1, slots=3, capacity=sats(100_020_000)))
    employer = node.wallet("employer")
    dear = await node.make_hold(hold_spec("task/h1", amount=sats(20_001)))
    assert employer.pay(dear.invoice.reveal()).reason == "part_refused"
    made = await node.make_hold(hold_spec("task/h2"))
    employer.pay(made.invoice.reveal(), parts=4)
    view = await node.hold(hold_ref(made, "task/h2"))
    assert (view.status, len(view.parts)) == (HoldStatus.OPEN, 3)
    facts = await node.facts()
    assert facts is not None
    assert facts.free_slots == 0
    assert (await node.pay(pay_spec(node.wallet("worker").invoice(sats(1))))).reason == "no_balance"
    await node.aclose()


async def test_a_hold_and_a_wallets_invoice_are_kept_apart(node: SimNode) -> None:
    invoice = node.wallet("worker").invoice(sats(1_000))
    payment_hash = decode(invoice).payment_hash
    assert (await node.hold(HoldRef("task/h1", payment_hash))).status is HoldStatus.ABSENT
    assert (await node.cancel(HoldRef("task/h1", payment_hash))).status is HoldStatus.ABSENT
    assert (await node.pay(pay_spec(invoice))).status is PaymentStatus.COMPLETE


@pytest.mark.parametrize(("expiry", "cltv", "memo"), [(0, 100, ""), (-5, 100, ""), (60, 17, ""), (60, 100, "x" * 640)])
async def test_a_hold_that_no_node_would_sign(node: SimNode, expiry: int, cltv: int, memo: str) -> None:
    spec = hold_spec(expiry=expiry, cltv=cltv)
    made = await node.make_hold(type(spec)(spec.ref, spec.amount, expiry, cltv, memo))
    assert made.status is HoldStatus.UNKNOWN
    assert (await node.hold(hold_ref(made))).status is HoldStatus.ABSENT


class _Jump(selectors.DefaultSelector):
    """Waits for nothing: what the loop would have slept is added to its time."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if not ready and timeout:
            self.passed += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jump = _Jump()
        super().__init__(self.jump)

    def time(self) -> float:
        return self.jump.passed


def test_in_virtual_time_the_node_tells_what_happens_by_itself() -> None:
    """Two weeks of an expiry, a set that times out, a late payout and an own deadline, in a moment."""
    loop = VirtualLoop()
    node = SimNode(lambda: START + loop.time(), b"\x09".__mul__)
    heard: list[tuple[PaymentHash, int]] = []

    async def listen() -> None:
        async for payment_hash in node.hints():
            heard.append((payment_hash, int(loop.time())))

    async def story() -> None:
        listening = asyncio.create_task(listen())
        await asyncio.sleep(0)
        expired = await node.make_hold(hold_spec("a", expiry=600))
        held = await node.make_hold(hold_spec("b", cltv=2000))
        node.wallet("employer").pay(held.invoice.reveal())
        node.network.faults = Faults(payout_delay=36_000)
        invoice = node.wallet("worker").invoice(sats(100))
        await node.pay(pay_spec(invoice))
        await asyncio.sleep(14 * 86_400)
        await node.aclose()
        await listening
        assert heard == [
            (held.payment_hash, 0),
            (decode(invoice).payment_hash, 0),
            (expired.payment_hash, 600),
            (decode(invoice).payment_hash, 36_000),
            (held.payment_hash, (2000 + 3 - 18) * 600),
        ]

    try:
        loop.run_until_complete(story())
    finally:
        loop.close()
