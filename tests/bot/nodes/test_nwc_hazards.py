"""A wallet far away: answers are lost, late, twice, forged, or nonsense, and its rows are not always the truth."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.config import BadConfig, Daemon, NodeSettings, Settings
from bot.nodes.nwc import NwcNode, parse_connection, talk
from bot.nodes.opening import examine_node, open_node
from bot.nodes.preimages import Preimages, read_keys
from bot.nodes.simnet import Faults as NetworkFaults
from kinds.bolt11 import decode
from kinds.lightning import HoldRef, HoldSpec, HoldStatus, PaymentStatus, PaySpec
from kinds.units import PaymentHash, Secret, sats
from tests.bot.relays.fakes import FakeRelay
from tests.contract.bench import until
from tests.contract.nwc_bench import KEY, NwcBench, SimBackend, opened
from tests.contract.nwc_wallet import METHODS, Faults, Row, Wallet
from tests.contract.simnet_bench import SimBench

AMOUNT = sats(20_000)
SPEC = HoldSpec("task/h1", AMOUNT, expiry=3600, cltv=200, memo="Holdfast task")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[NwcBench[SimBench]]:
    """With everything that Alby Hub does."""
    async with opened(tmp_path, faults=Faults()) as bench:
        assert await bench.node.lacks(20) == ()
        yield bench


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No patience with answers that will not come."""
    monkeypatch.setattr("bot.nodes.nwc.node.ANSWER_WAIT", 0.5)
    monkeypatch.setattr("bot.nodes.nwc.node.PAY_WAIT", 0.3)


async def accepted(bench: NwcBench[SimBench], spec: HoldSpec = SPEC) -> HoldRef:
    made = await bench.node.make_hold(spec)
    await bench.pay_hold(made.invoice.reveal())
    hold = HoldRef(spec.ref, made.payment_hash)
    await until(bench, lambda: bench.node.hold(hold), HoldStatus.HELD)
    return hold


async def payout(bench: NwcBench[SimBench], **more: Any) -> PaySpec:
    invoice = await bench.bill(AMOUNT, **more)
    return PaySpec("task/p1", decode(invoice).payment_hash, Secret(invoice), AMOUNT, sats(200), 288, 60)


def asked(bench: NwcBench[SimBench], method: str) -> int:
    return bench.wallet.seen.count(method)


# Answers


@pytest.mark.parametrize("faults", [Faults(forged=True), Faults(astray=True), Faults(garbage=True), Faults(twice=True)])
async def test_only_the_true_answer_counts_and_only_once(bench: NwcBench[SimBench], faults: Faults) -> None:
    bench.wallet.faults = faults
    hold = await accepted(bench)
    spec = await payout(bench)
    assert (await bench.node.pay(spec)).status is PaymentStatus.COMPLETE
    assert (await bench.node.settle(hold)).status is HoldStatus.SETTLED
    assert await bench.node.facts() is not None
    assert asked(bench, "pay_invoice") == 1


@pytest.mark.usefixtures("hasty")
async def test_lost_answers_are_unknown_and_the_calls_were_carried_out(bench: NwcBench[SimBench]) -> None:
    node, faults = bench.node, Faults(lose=True)
    bench.wallet.faults = faults
    made = await node.make_hold(SPEC)
    assert made.status is HoldStatus.UNKNOWN
    assert await node.facts() is None
    bench.wallet.faults = replace(faults, only=("make_hold_invoice", "settle_hold_invoice", "pay_invoice"))
    made = await node.make_hold(SPEC)
    assert made.status is HoldStatus.OPEN
    assert await node.make_hold(SPEC) == made
    hold = await accepted(bench)
    assert (await node.pay(await payout(bench))).status is PaymentStatus.COMPLETE
    assert (await node.settle(hold)).status is HoldStatus.SETTLED
    assert (asked(bench, "make_hold_invoice"), asked(bench, "settle_hold_invoice")) == (1, 1)


@pytest.mark.usefixtures("hasty")
async def test_a_request_that_may_still_arrive_is_not_sent_again(
    bench: NwcBench[SimBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    node, spec = bench.node, await payout(bench)
    bench.wallet.faults = Faults(deaf=True, only=("pay_invoice",))
    assert (await node.pay(spec)).status is PaymentStatus.UNKNOWN
    bench.wallet.faults = Faults()
    assert (await node.payment(spec.payment_hash)).status is PaymentStatus.UNKNOWN
    assert (await node.pay(spec)).status is PaymentStatus.UNKNOWN
    assert asked(bench, "pay_invoice") == 0
    monkeypatch.setattr("bot.nodes.nwc.node.LIFE", 0)  # it has expired
    assert (await node.payment(spec.payment_hash)).status is PaymentStatus.ABSENT
    assert (await node.pay(spec)).status is PaymentStatus.COMPLETE
    assert asked(bench, "pay_invoice") == 1


async def test_two_at_once_are_one_payment(bench: NwcBench[SimBench]) -> None:
    spec = await payout(bench)
    views = await asyncio.gather(*(bench.node.pay(spec) for _ in range(5)))
    assert asked(bench, "pay_invoice") == 1
    assert {view.status for view in views} <= {PaymentStatus.COMPLETE, PaymentStatus.IN_FLIGHT, PaymentStatus.UNKNOWN}
    assert (await bench.node.payment(spec.payment_hash)).status is PaymentStatus.COMPLETE


@pytest.mark.usefixtures("hasty")
async def test_a_late_answer_is_a_reason_to_look(bench: NwcBench[SimBench]) -> None:
    node, hints = bench.node, bench.node.hints()
    bench.wallet.notices = "hold_invoice_accepted"
    await bench.payee_holds()
    spec = await payout(bench)
    assert (await node.pay(spec)).status is PaymentStatus.IN_FLIGHT
    await bench.release(spec.payment_hash)
    assert await asyncio.wait_for(anext(hints), 10) == spec.payment_hash
    assert (await node.payment(spec.payment_hash)).status is PaymentStatus.COMPLETE


@pytest.mark.usefixtures("hasty")
async def test_the_reason_of_a_failure_may_come_late(bench: NwcBench[SimBench]) -> None:
    node, hints = bench.node, bench.node.hints()
    await bench.payee_holds()
    spec = await payout(bench)
    assert (await node.pay(spec)).status is PaymentStatus.IN_FLIGHT
    bench.inner.node.network.release(spec.payment_hash, complete=False)
    assert await asyncio.wait_for(anext(hints), 10) == spec.payment_hash
    view = await node.payment(spec.payment_hash)
    assert (view.status, view.reason) == (PaymentStatus.FAILED, "payment_failed")


@pytest.mark.parametrize("code", ["PAYMENT_FAILED", "INTERNAL", "OTHER", "NEVER_HEARD_OF", "QUOTA_EXCEEDED"])
async def test_an_error_to_a_payment_proves_nothing(bench: NwcBench[SimBench], code: str) -> None:
    bench.wallet.faults = Faults(error=code, only=("pay_invoice",))
    spec = await payout(bench)
    assert (await bench.node.pay(spec)).status is PaymentStatus.COMPLETE


async def test_an_error_about_a_payment_that_is_not_found_leaves_it_open(bench: NwcBench[SimBench]) -> None:
    bench.wallet.faults = Faults(forgets=True)
    bench.inner.node.network.faults = NetworkFaults(no_route=True)
    spec = await payout(bench)
    assert (await bench.node.pay(spec)).status is PaymentStatus.UNKNOWN
    assert (await bench.node.payment(spec.payment_hash)).status is PaymentStatus.ABSENT


@pytest.mark.parametrize("code", ["INTERNAL", "RATE_LIMITED", "RESTRICTED", "EXPIRED"])
async def test_an_error_to_a_look_is_unknown(bench: NwcBench[SimBench], code: str) -> None:
    hold, spec = await accepted(bench), await payout(bench)
    bench.wallet.faults = Faults(error=code, only=("lookup_invoice",))
    assert (await bench.node.hold(hold)).status is HoldStatus.UNKNOWN
    assert (await bench.node.settle(hold)).status is HoldStatus.UNKNOWN
    assert (await bench.node.cancel(hold)).status is HoldStatus.UNKNOWN
    assert (await bench.node.pay(spec)).status is PaymentStatus.UNKNOWN
    assert asked(bench, "settle_hold_invoice") + asked(bench, "cancel_hold_invoice") + asked(bench, "pay_invoice") == 0


async def test_a_proven_payment_is_complete_whatever_a_look_says(bench: NwcBench[SimBench]) -> None:
    spec = await payout(bench)
    bench.wallet.faults = Faults(forgets_paid=True)
    assert (await bench.node.pay(spec)).status is PaymentStatus.COMPLETE


async def test_an_invoice_of_the_wallets_own_is_no_payment(bench: NwcBench[SimBench]) -> None:
    spec = await payout(bench)
    bench.wallet.rows["incoming", spec.payment_hash] = Row("incoming", spec.invoice.reveal(), AMOUNT, 0, 2**40)
    assert (await bench.node.pay(spec)).status is PaymentStatus.UNKNOWN
    assert asked(bench, "pay_invoice") == 0


# What a wallet's rows leave open


async def test_a_hold_and_its_cancel_outlive_the_invoice(bench: NwcBench[SimBench]) -> None:
    hold = await accepted(bench)
    await bench.wait(2 * SPEC.expiry)
    assert (await bench.node.hold(hold)).status is HoldStatus.HELD  # the wallet says "expired"
    assert (await bench.node.cancel(hold)).status is HoldStatus.CANCELLED
    assert (await bench.node.hold(hold)).status is HoldStatus.CANCELLED
    assert await bench.payer_sees(hold.payment_hash) is PaymentStatus.FAILED
    assert (await bench.node.settle(hold)).status is HoldStatus.CANCELLED
    assert asked(bench, "settle_hold_invoice") == 0


async def test_a_hold_cancelled_before_a_restart_is_cancelled_by_asking_again(bench: NwcBench[SimBench]) -> None:
    hold = await accepted(bench)
    await bench.wait(2 * SPEC.expiry)
    await bench.node.cancel(hold)
    async with started(bench) as node:
        assert (await node.cancel(hold)).status is HoldStatus.CANCELLED
        assert (await node.hold(hold)).status is HoldStatus.CANCELLED


async def test_a_hold_settles_long_after_its_invoice_has_expired(bench: NwcBench[SimBench]) -> None:
    hold = await accepted(bench)
    await bench.wait(2 * SPEC.expiry)
    assert (await bench.node.settle(hold)).status is HoldStatus.SETTLED
    assert await bench.payer_sees(hold.payment_hash) is PaymentStatus.COMPLETE


async def test_an_unpaid_invoice_that_cannot_be_cancelled_stays_open_and_may_still_be_held(
    bench: NwcBench[SimBench],
) -> None:
    made = await bench.node.make_hold(SPEC)
    hold = HoldRef(SPEC.ref, made.payment_hash)
    assert (await bench.node.cancel(hold)).status is HoldStatus.OPEN
    await accepted(bench)
    await bench.wait(2 * SPEC.expiry)
    assert (await bench.node.hold(hold)).status is HoldStatus.HELD  # the refused cancel is no reason to think otherwise
    assert (await bench.node.cancel(hold)).status is HoldStatus.CANCELLED


async def test_an_unpaid_invoice_ends_by_itself(bench: NwcBench[SimBench]) -> None:
    made = await bench.node.make_hold(SPEC)
    await bench.wait(SPEC.expiry + 1)
    assert (await bench.node.hold(HoldRef(SPEC.ref, made.payment_hash))).status is HoldStatus.CANCELLED


@pytest.mark.usefixtures("hasty")
async def test_a_payout_in_flight_is_never_failed_because_its_invoice_has_expired(bench: NwcBench[SimBench]) -> None:
    await bench.payee_holds()
    spec = await payout(bench, expiry=600)
    assert (await bench.node.pay(spec)).status is PaymentStatus.IN_FLIGHT
    await bench.wait(1200)
    assert (await bench.node.payment(spec.payment_hash)).status is PaymentStatus.UNKNOWN
    assert (await bench.node.pay(spec)).status is PaymentStatus.UNKNOWN
    await bench.release(spec.payment_hash)
    assert (await bench.node.payment(spec.payment_hash)).status is PaymentStatus.COMPLETE


@pytest.mark.usefixtures("hasty")
async def test_a_payout_is_not_failed_because_the_wallet_was_stopped(bench: NwcBench[SimBench], tmp_path: Path) -> None:
    """Alby Hub marks what is in flight as failed when it ends. A payee who waits for that must not be paid twice."""
    await bench.payee_holds()
    spec = await payout(bench)
    assert (await bench.node.pay(spec)).status is PaymentStatus.IN_FLIGHT
    bench.wallet.rows["outgoing", spec.payment_hash].stopped = True
    assert (await bench.node.payment(spec.payment_hash)).status is PaymentStatus.UNKNOWN
    async with started(bench) as node:  # and we as well
        assert (await node.payment(spec.payment_hash)).status is PaymentStatus.UNKNOWN
        assert (await node.pay(spec)).status is PaymentStatus.UNKNOWN
    assert asked(bench, "pay_invoice") == 1
    await bench.release(spec.payment_hash)
    assert (await bench.node.payment(spec.payment_hash)).status is PaymentStatus.COMPLETE


async def test_a_failure_is_known_after_a_restart_and_forgotten_when_it_is_sent_again(
    bench: NwcBench[SimBench], tmp_path: Path
) -> None:
    path, network = tmp_path / "wallet.verdicts", bench.inner.node.network
    network.faults = NetworkFaults(no_route=True)
    spec = await payout(bench)
    async with started(bench, verdicts=path) as node:
        assert (await node.pay(spec)).status is PaymentStatus.FAILED
    async with started(bench) as node:  # without what was written down
        assert (await node.payment(spec.payment_hash)).status is PaymentStatus.UNKNOWN
    network.faults = NetworkFaults(payout_stuck=True)
    async with started(bench, verdicts=path) as node:
        assert (await node.payment(spec.payment_hash)).status is PaymentStatus.FAILED
        assert (await node.pay(spec)).status is PaymentStatus.IN_FLIGHT
    bench.wallet.rows["outgoing", spec.payment_hash].stopped = True
    async with started(bench, verdicts=path) as node:
        assert (await node.payment(spec.payment_hash)).status is PaymentStatus.UNKNOWN


async def test_a_hold_without_a_deadline_ends_nowhere_and_says_so(bench: NwcBench[SimBench]) -> None:
    bench.wallet.faults = Faults(no_deadline=True)
    with capture_logs() as logs:
        hold = await accepted(bench)
    view = await bench.node.hold(hold)
    assert (view.status, view.expiry_height, view.received) == (HoldStatus.HELD, 0, AMOUNT)
    assert "settle_deadline" in str(logs)


async def test_a_hold_that_would_end_too_soon_is_not_offered(bench: NwcBench[SimBench]) -> None:
    bench.wallet.faults = Faults(short=True)
    with capture_logs() as logs:
        assert (await bench.node.make_hold(SPEC)).status is HoldStatus.UNKNOWN
    assert "min_cltv_expiry_delta" in str(logs)


@pytest.mark.parametrize(
    "nonsense", [{"amount": 0}, {"amount": -1}, {"expiry": 0}, {"expiry": -5}, {"cltv": 0}, {"cltv": 9}]
)
async def test_no_hold_on_terms_that_make_no_sense(bench: NwcBench[SimBench], nonsense: dict[str, Any]) -> None:
    assert (await bench.node.make_hold(replace(SPEC, **nonsense))).status is HoldStatus.UNKNOWN
    assert asked(bench, "make_hold_invoice") == 0


# Keys and secrets


def started(bench: NwcBench[SimBench], keys: tuple[bytes, ...] = (KEY,), **more: Any) -> _Started:
    return _Started(
        NwcNode(parse_connection(bench.wallet.uri), Preimages(keys), bench.inner.clock, **{"refresh": 0.0} | more)
    )


class _Started:
    """Another adapter on the same wallet, as after a restart of the daemon."""

    def __init__(self, node: NwcNode) -> None:
        self._node = node

    async def __aenter__(self) -> NwcNode:
        self._node.start()
        assert await self._node.lacks(20) == ()
        return self._node

    async def __aexit__(self, *_: object) -> None:
        await self._node.aclose()


async def test_a_repeated_create_finds_the_hold_of_an_older_key(bench: NwcBench[SimBench]) -> None:
    made = await bench.node.make_hold(SPEC)
    async with started(bench, (b"\x09" * 32, KEY)) as node:
        assert await node.make_hold(SPEC) == made
        hold = await accepted(bench)
        assert (await node.settle(hold)).status is HoldStatus.SETTLED
        assert (await node.make_hold(replace(SPEC, ref="task/h2"))).payment_hash != made.payment_hash


async def test_without_the_key_a_hold_stays_as_it_is(bench: NwcBench[SimBench]) -> None:
    hold = await accepted(bench)
    async with started(bench, (b"\x09" * 32,)) as node:
        with capture_logs() as logs:
            assert (await node.settle(hold)).status is HoldStatus.HELD
        assert "key file" in str(logs)
    assert asked(bench, "settle_hold_invoice") == 0


async def test_the_preimage_leaves_only_for_a_hold_that_is_held(bench: NwcBench[SimBench]) -> None:
    made = await bench.node.make_hold(SPEC)
    hold = HoldRef(SPEC.ref, made.payment_hash)
    assert (await bench.node.settle(hold)).status is HoldStatus.OPEN
    preimage = Preimages((KEY,)).find(hold)
    assert preimage is not None
    assert preimage.reveal() not in str(bench.wallet.params)
    await accepted(bench)
    await bench.node.settle(hold)
    assert bench.wallet.params[bench.wallet.seen.index("settle_hold_invoice")] == {"preimage": preimage.reveal()}


async def test_no_secret_in_the_log(bench: NwcBench[SimBench], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with capture_logs() as logs:
        bench.wallet.faults = Faults(garbage=True, error="INTERNAL", no_deadline=True, only=("pay_invoice", "get_info"))
        hold, spec = await accepted(bench), await payout(bench)
        await bench.node.pay(spec)
        await bench.node.facts()
        await bench.node.settle(hold)
    said = str(logs) + caplog.text
    assert "wallet" in said
    connection = parse_connection(bench.wallet.uri)
    preimage = Preimages((KEY,)).find(hold)
    assert preimage is not None
    for secret in (connection.secret, preimage, spec.invoice):
        assert secret.reveal() not in said


# What is said, and how


@pytest.mark.parametrize(
    ("knows", "speaks"),
    [("nip44_v2 nip04", {"nip44_v2"}), ("nip44_v2", {"nip44_v2"}), ("nip04", {"nip04"}), ("", {"nip04"})],
)
async def test_the_best_encryption_that_both_know(tmp_path: Path, knows: str, speaks: set[str]) -> None:
    async with opened(tmp_path, encryption=knows) as bench:
        hints = bench.node.hints()
        hold = await accepted(bench)
        assert await asyncio.wait_for(anext(hints), 10) == hold.payment_hash
        assert (await bench.node.pay(await payout(bench))).status is PaymentStatus.COMPLETE
        assert (await bench.node.settle(hold)).status is HoldStatus.SETTLED
        assert bench.wallet.forms == speaks


async def test_a_wallet_may_change_its_encryption(bench: NwcBench[SimBench]) -> None:
    assert await bench.node.facts() is not None
    bench.wallet.encryption = "nip04"
    await bench.wait(1)  # the newer info event counts
    await bench.wallet.introduce()
    async with asyncio.timeout(10):
        while "nip04" not in bench.wallet.forms:
            await bench.node.facts()


async def test_every_request_expires(bench: NwcBench[SimBench]) -> None:
    await bench.node.pay(await payout(bench))
    ends = {int(tags["expiration"]) for tags in bench.wallet.tags}
    assert ends == {int(bench.inner.clock()) + talk.LIFE}


async def test_a_hold_is_made_longer_by_what_the_wallet_keeps_for_itself(bench: NwcBench[SimBench]) -> None:
    async with started(bench, extra_cltv=40) as node:
        made = await node.make_hold(SPEC)
    assert decode(made.invoice.reveal()).final_cltv == SPEC.cltv + 40


async def test_the_wallet_is_not_asked_about_itself_all_the_time(bench: NwcBench[SimBench]) -> None:
    async with started(bench, refresh=60.0) as node:
        first = await node.facts()
        before = asked(bench, "get_info")
        assert [await node.facts() for _ in range(5)] == [first] * 5
        assert asked(bench, "get_info") == before


class Still(SimBackend):
    """A node whose chain is stuck, on a network where blocks come by themselves."""

    height = 500

    async def info(self) -> dict[str, Any]:
        return await super().info() | {"network": "signet", "block_height": self.height}


async def test_a_chain_that_stands_still_is_not_synced(bench: NwcBench[SimBench]) -> None:
    bench.wallet.backend = backend = Still(bench.inner.node)

    async def synced() -> bool:
        facts = await bench.node.facts()
        return facts is not None and facts.height == backend.height and facts.synced

    assert await synced()
    await bench.wait(2 * 3600)
    assert await synced()
    await bench.wait(2 * 3600)
    assert not await synced()
    backend.height += 1
    assert await synced()


# Relays


@asynccontextmanager
async def behind(relay: FakeRelay, folder: Path) -> AsyncIterator[NwcBench[SimBench]]:
    """A bench over a relay that can be told to misbehave, and that must be running."""
    inner = SimBench(folder)
    async with Wallet(relay.url, SimBackend(inner.node), inner.clock) as wallet:
        bench = NwcBench(inner, wallet)
        bench.node.start()
        try:
            yield bench
        finally:
            await bench.aclose()


async def answers_again(bench: NwcBench[SimBench], hold: HoldRef) -> None:
    async with asyncio.timeout(20):
        while (await bench.node.hold(hold)).status is not HoldStatus.HELD:
            continue
    assert (await bench.node.settle(hold)).status is HoldStatus.SETTLED


@pytest.mark.usefixtures("hasty")
async def test_a_relay_that_goes_and_comes(tmp_path: Path) -> None:
    relay = FakeRelay()
    async with AsyncExitStack() as stack:
        async with relay.running() as url:
            bench = await stack.enter_async_context(behind(relay, tmp_path))
            hold = await accepted(bench)
        assert (await bench.node.hold(hold)).status is HoldStatus.UNKNOWN
        assert await bench.node.facts() is None
        async with relay.running(int(url.rpartition(":")[2])):
            await answers_again(bench, hold)
            await stack.aclose()


@pytest.mark.usefixtures("hasty")
async def test_a_relay_that_closes_our_subscription(tmp_path: Path) -> None:
    relay = FakeRelay()
    async with relay.running(), behind(relay, tmp_path) as bench:
        hold = await accepted(bench)
        for connection, subscriptions in relay.connections.items():
            for name in [each for each in subscriptions if each.startswith("answers")]:
                del subscriptions[name]
                await connection.send(json.dumps(["CLOSED", name, "error: tired"]))
        await answers_again(bench, hold)


@pytest.mark.usefixtures("hasty")
async def test_a_relay_that_forgets_our_subscription_is_left(tmp_path: Path) -> None:
    """The socket stays open, requests are taken, and no answer is ever heard."""
    relay = FakeRelay()
    async with relay.running(), behind(relay, tmp_path) as bench:
        hold = await accepted(bench)
        for subscriptions in relay.connections.values():
            for name in [each for each in subscriptions if each.startswith("answers")]:
                del subscriptions[name]
        assert (await bench.node.hold(hold)).status is HoldStatus.UNKNOWN
        await answers_again(bench, hold)


@pytest.mark.usefixtures("hasty")
async def test_a_relay_that_takes_no_requests(tmp_path: Path) -> None:
    relay = FakeRelay()
    async with relay.running(), behind(relay, tmp_path) as bench:
        hold = await accepted(bench)
        relay.ok = lambda event_id: ["OK", event_id, False, "blocked: pay first"]
        with capture_logs() as logs:
            assert (await bench.node.hold(hold)).status is HoldStatus.UNKNOWN
        assert "no relay of the wallet takes a request" in str(logs)


async def test_a_node_that_was_never_started_or_is_closed_knows_nothing(bench: NwcBench[SimBench]) -> None:
    await bench.node.aclose()
    hold = HoldRef("task/h1", PaymentHash("ab" * 32))
    assert (await bench.node.hold(hold)).status is HoldStatus.UNKNOWN
    assert (await bench.node.make_hold(SPEC)).status is HoldStatus.UNKNOWN
    assert (await bench.node.pay(await payout(bench))).status is PaymentStatus.UNKNOWN
    assert await bench.node.facts() is None


# At the start


def settings_for(folder: Path, uri: str, mode: int = 0o600) -> Settings:
    path = folder / "nwc.connection"
    path.write_text(uri)
    path.chmod(mode)
    return Settings(daemon=Daemon(data=folder), node=NodeSettings(kind="nwc"))


@pytest.mark.parametrize(
    ("wallet_is", "words"),
    [
        ({"methods": METHODS.replace(" make_hold_invoice", "")}, "lacks make_hold_invoice;"),
        (
            {"methods": METHODS.replace(" settle_hold_invoice", "").replace(" get_balance", "")},
            "lacks settle_hold_invoice, get_balance;",
        ),
        ({"methods": METHODS.replace(" get_info", "")}, "lacks get_info;"),
        ({"notices": "payment_received"}, "lacks the notification hold_invoice_accepted;"),
        ({"encryption": "nip99"}, "lacks the encryption nip44_v2;"),
    ],
)
async def test_a_wallet_that_cannot_hold_is_refused_by_what_it_lacks(
    tmp_path: Path, wallet_is: dict[str, Any], words: str
) -> None:
    async with opened(tmp_path, **wallet_is) as bench, AsyncExitStack() as stack:
        with pytest.raises(BadConfig, match=words):
            await open_node(settings_for(tmp_path, bench.wallet.uri), stack, bench.inner.clock)


async def test_a_wallet_that_loses_a_permission_later_is_no_node_any_more(bench: NwcBench[SimBench]) -> None:
    assert await bench.node.facts() is not None
    bench.wallet.methods = METHODS.replace(" cancel_hold_invoice", "")
    with capture_logs() as logs:
        assert await bench.node.facts() is None
    assert "lacks cancel_hold_invoice" in str(logs)


async def test_a_good_wallet_is_opened_and_its_key_of_preimages_is_made(
    bench: NwcBench[SimBench], tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        node = await open_node(settings_for(tmp_path, bench.wallet.uri), stack, bench.inner.clock)
        facts = await node.facts()
        assert facts is not None
        assert (facts.network, facts.can) == ("simnet", frozenset())
        made = await node.make_hold(SPEC)
        assert made.payment_hash == Preimages(read_keys(tmp_path / "preimage.key")).hash_for(SPEC.ref)


@pytest.mark.parametrize(("knows", "grades"), [("nip44_v2", ["good"]), ("nip04", ["good", "note"])])
async def test_a_wallet_is_examined_and_nothing_is_changed(tmp_path: Path, knows: str, grades: list[str]) -> None:
    async with opened(tmp_path, encryption=knows) as bench, AsyncExitStack() as stack:
        settings = settings_for(tmp_path, bench.wallet.uri)
        facts, found = await examine_node(settings, stack, bench.inner.clock)
        assert facts.height > 0
        assert [str(each.grade) for each in found] == grades
        assert set(bench.wallet.seen) == {"get_info", "get_balance"}


@pytest.mark.parametrize(
    ("uri", "mode", "words"), [("junk", 0o600, "begins with nostr.walletconnect"), ("junk", 0o644, "chmod 600")]
)
async def test_a_connection_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, uri: str, mode: int, words: str
) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(BadConfig, match=words):
            await open_node(settings_for(tmp_path, uri, mode), stack, time.time)


async def test_a_wallet_that_does_not_answer_is_not_refused_but_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.nodes.nwc.opening._GREETING", 0.3)
    monkeypatch.setattr("bot.nodes.nwc.node.ANSWER_WAIT", 0.3)
    uri = f"nostr+walletconnect://{hashlib.sha256(b'nobody').hexdigest()}?relay=ws://127.0.0.1:9&secret={'ab' * 32}"
    async with AsyncExitStack() as stack:
        node = await open_node(settings_for(tmp_path, uri), stack, time.time)
        assert await node.facts() is None
        assert [str(each.grade) for each in await node.examine()] == ["risk"]
