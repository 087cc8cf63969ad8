"""The plugin as a process under lightningd, and what the daemon sees of each thing that can go wrong there."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

import pytest

from bot.nodes.cln import wire
from bot.nodes.cln.node import ClnNode
from bot.nodes.cln.plugin.keeper import GRACE
from bot.nodes.cln.plugin.records import KEPT_BLOCKS, KEPT_SECONDS
from bot.nodes.cln.plugin.verdict import MPP_SECONDS
from bot.nodes.cln.rpc import Refused, Rpc
from kinds import bolt11
from kinds.lightning import HoldRef, HoldSpec, HoldStatus, HoldView, PaymentStatus
from kinds.units import Msat, PaymentHash, sats
from tests.cln.double import Double
from tests.cln.ledger import PAYER
from tests.contract.bench import until
from tests.contract.cln_bench import ClnBench

AMOUNT = sats(20_000)
SPEC = HoldSpec("task/h1", AMOUNT, expiry=3600, cltv=200, memo="Ein Häuschen ☕")


async def held(bench: ClnBench, parts: int = 1) -> HoldView:
    made = await bench.node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal(), parts)
    return await until(bench, lambda: look(bench, made), HoldStatus.HELD)


async def look(bench: ClnBench, view: HoldView) -> HoldView:
    return await bench.node.hold(HoldRef(SPEC.ref, view.payment_hash))


def answers(double: Double) -> list[str]:
    return [
        " ".join(str(word) for word in entry["answer"]["result"].values())[:12]
        for entry in double.hooked
        if entry["answer"]
    ]


async def test_somebody_elses_payment_passes_untouched(bench: ClnBench, double: Double) -> None:
    await bench.node.make_hold(SPEC)
    foreign = bolt11.decode(double.routes.bill(AMOUNT, 3600, 80))
    for htlc in double.routes.send(foreign, [AMOUNT], AMOUNT):
        double.ask_hook(htlc)
    for htlc in double.routes.send(foreign, [5000], 5000, forward_to="ab" * 32):
        double.ask_hook(htlc)
    await bench.node.facts()
    assert answers(double) == ["continue", "continue"]


async def test_a_question_that_cannot_be_read_is_left_to_lightningd(bench: ClnBench, double: Double) -> None:
    made = await bench.node.make_hold(SPEC)
    [htlc] = double.routes.send(bolt11.decode(made.invoice.reveal()), [AMOUNT], AMOUNT, total_msat="junk")
    double.ask_hook(htlc)
    assert (await look(bench, made)).status is HoldStatus.OPEN
    assert answers(double) == ["continue"]


async def test_the_memo_reaches_the_invoice_as_it_is(bench: ClnBench) -> None:
    made = await bench.node.make_hold(SPEC)
    assert bolt11.decode(made.invoice.reveal()).description == SPEC.memo


async def test_the_death_of_the_plugin_is_a_hold_that_is_gone(bench: ClnBench, double: Double) -> None:
    """lightningd gives the payment back, then ends, since the plugin is important; somebody starts it again."""
    view = await held(bench, parts=2)
    await double.kill_plugin()
    assert (await look(bench, view)).status is HoldStatus.UNKNOWN
    assert await bench.node.facts() is None
    await double.start()
    assert (await look(bench, view)).status is HoldStatus.UNKNOWN, "the replay may still come"
    await bench.wait(GRACE + 1)
    gone = await until(bench, lambda: look(bench, view), HoldStatus.CANCELLED)
    assert (gone.parts, await bench.payer_sees(view.payment_hash)) == ((), PaymentStatus.FAILED)
    assert (await bench.node.settle(HoldRef(SPEC.ref, view.payment_hash))).status is HoldStatus.CANCELLED
    await bench.pay_hold(view.invoice.reveal())
    assert await bench.payer_sees(view.payment_hash) is PaymentStatus.IN_FLIGHT
    await until(bench, lambda: look(bench, view), HoldStatus.CANCELLED)
    assert await bench.payer_sees(view.payment_hash) is PaymentStatus.FAILED


async def test_death_between_deciding_to_settle_and_saying_so(bench: ClnBench, double: Double) -> None:
    """The record says settling, lightningd never heard the preimage and gave the money back: that is no settled hold."""
    view = await held(bench)
    key = ("holdfast", "hold", str(view.payment_hash))
    text, generation = double.ledger.datastore[key]
    double.ledger.datastore[key] = (text.replace('"held"', '"settling"'), generation + 1)
    await double.kill_plugin()
    await double.start()
    assert (await look(bench, view)).status is HoldStatus.UNKNOWN
    await bench.wait(GRACE + 1)
    await until(bench, lambda: look(bench, view), HoldStatus.CANCELLED)


async def test_a_settle_that_the_plugin_did_not_live_to_see_confirmed(bench: ClnBench, double: Double) -> None:
    view = await held(bench)
    double.ledger.offline.add(PAYER)
    settling = await bench.node.settle(HoldRef(SPEC.ref, view.payment_hash))
    assert (settling.status, settling.preimage.reveal()) == (HoldStatus.HELD, "")
    await double.stop()
    [htlc] = double.ledger.on_channel()
    double.ledger.fulfil(htlc)
    await double.start()
    settled = await until(bench, lambda: look(bench, view), HoldStatus.SETTLED)
    assert hashlib.sha256(bytes.fromhex(settled.preimage.reveal())).hexdigest() == view.payment_hash


async def test_settled_with_the_peer_away_is_held_until_the_money_moves(bench: ClnBench, double: Double) -> None:
    view = await held(bench)
    double.ledger.offline.add(PAYER)
    settling = await bench.node.settle(HoldRef(SPEC.ref, view.payment_hash))
    assert (settling.status, settling.received) == (HoldStatus.HELD, AMOUNT)
    assert (await bench.node.cancel(HoldRef(SPEC.ref, view.payment_hash))).status is HoldStatus.HELD
    double.ledger.offline.clear()
    [htlc] = double.ledger.on_channel()
    double.move(htlc)
    await until(bench, lambda: look(bench, view), HoldStatus.SETTLED)


@pytest.mark.parametrize("sees", [True, False])
async def test_a_channel_closed_by_force_shows_until_the_money_is_ours(
    bench: ClnBench, double: Double, sees: bool
) -> None:
    view = await held(bench)
    double.ledger.onchain.add(PAYER)
    off = await look(bench, view)
    assert (off.status, [part.on_channel for part in off.parts]) == (HoldStatus.HELD, [False])
    settling = await bench.node.settle(HoldRef(SPEC.ref, view.payment_hash))
    assert answers(double)[-1].startswith("resolve")
    assert (settling.status, [part.on_channel for part in settling.parts]) == (HoldStatus.HELD, [False])
    [htlc] = double.ledger.on_channel()
    if sees:
        double.claim(htlc)
    else:  # it happens before the plugin is there again
        await double.stop()
        double.ledger.claim(htlc)
        await double.start()
    await until(bench, lambda: look(bench, view), HoldStatus.SETTLED)


async def test_a_restart_while_the_channel_is_closed_gives_the_payment_back(bench: ClnBench, double: Double) -> None:
    """lightningd does not ask again about an HTLC on a channel that takes no more."""
    view = await held(bench)
    double.ledger.onchain.add(PAYER)
    await bench.restart()
    assert (await look(bench, view)).status is HoldStatus.UNKNOWN
    await bench.wait(GRACE + 1)
    await until(bench, lambda: look(bench, view), HoldStatus.CANCELLED)


async def test_a_datastore_that_fails_gives_the_payment_back(bench: ClnBench, double: Double) -> None:
    made = await bench.node.make_hold(SPEC)
    double.refuse["datastore"] = 1
    await bench.pay_hold(made.invoice.reveal(), 2)
    assert (await look(bench, made)).status is HoldStatus.OPEN
    assert await bench.payer_sees(made.payment_hash) is PaymentStatus.FAILED
    assert {answer[:9] for answer in answers(double)} == {"fail 2002"}
    await bench.pay_hold(made.invoice.reveal())
    await until(bench, lambda: look(bench, made), HoldStatus.HELD)


async def test_a_settle_or_cancel_that_cannot_be_saved_is_no_answer(bench: ClnBench, double: Double) -> None:
    view = await held(bench)
    ref = HoldRef(SPEC.ref, view.payment_hash)
    for call in (bench.node.settle, bench.node.cancel):
        double.refuse["datastore"] = 1
        await call(ref)
        assert (await look(bench, view)).status is HoldStatus.HELD
    assert (await bench.node.settle(ref)).status is HoldStatus.SETTLED


async def test_a_create_whose_answer_was_lost_gives_the_same_hold(bench: ClnBench, double: Double) -> None:
    made = await bench.node.make_hold(SPEC)
    kept = dict(double.ledger.datastore)
    await double.stop()
    double.ledger.datastore.clear()
    await double.start()  # a plugin that never heard of it
    double.ledger.datastore.update(kept)
    assert await bench.node.make_hold(SPEC) == made


async def test_a_hold_that_was_settled_long_ago_is_forgotten_but_never_made_again(
    bench: ClnBench, double: Double
) -> None:
    view = await held(bench)
    await bench.node.settle(HoldRef(SPEC.ref, view.payment_hash))
    await until(bench, lambda: look(bench, view), HoldStatus.SETTLED)
    await bench.wait(SPEC.expiry + KEPT_SECONDS)
    double.ledger.height = view.expiry_height + KEPT_BLOCKS - 1
    await bench.mine(1)
    await until(bench, lambda: look(bench, view), HoldStatus.ABSENT)
    assert list(double.ledger.datastore) == [("holdfast", "spent", str(view.payment_hash))]
    assert (await bench.node.make_hold(SPEC)).status is HoldStatus.UNKNOWN
    assert (await look(bench, view)).status is HoldStatus.ABSENT


async def test_the_set_timeout_is_0017_and_a_minute(bench: ClnBench, double: Double) -> None:
    made = await bench.node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal(), [sats(5_000)])
    await look(bench, made)
    sent = double.clock()
    while not double.hooked:
        await bench.wait(1)
        await look(bench, made)
    assert answers(double) == ["fail 0017"]
    assert double.clock() - sent >= MPP_SECONDS


async def test_the_set_is_timed_out_though_nobody_asks(double: Double, bench: ClnBench) -> None:
    made = await bench.node.make_hold(SPEC)
    await bench.pay_hold(made.invoice.reveal(), [sats(5_000)])
    await look(bench, made)
    double.clock.forward(MPP_SECONDS + 1)
    async with asyncio.timeout(10):
        while not double.hooked:
            await double.routes.changed()


async def test_a_hundred_holds_at_once(bench: ClnBench) -> None:
    made = await asyncio.gather(*(bench.node.make_hold(replace(SPEC, ref=f"task/h{n}")) for n in range(100)))
    await asyncio.gather(*(bench.pay_hold(view.invoice.reveal(), 2) for view in made))
    refs = [HoldRef(f"task/h{n}", view.payment_hash) for n, view in enumerate(made)]
    assert {(await bench.node.hold(ref)).status for ref in refs} == {HoldStatus.HELD}
    await asyncio.gather(*(bench.node.settle(ref) for ref in refs))
    for ref in refs:
        await until(bench, lambda ref=ref: bench.node.hold(ref), HoldStatus.SETTLED)  # type: ignore[misc]


async def test_hints_go_on_after_a_restart_and_name_what_may_have_been_missed(bench: ClnBench, double: Double) -> None:
    stream = bench.node.hints()
    view = await held(bench)
    async with asyncio.timeout(10):
        while await anext(stream) != view.payment_hash:
            continue
    await double.stop()
    double.heard.clear()
    await double.start()
    async with asyncio.timeout(10):
        while await anext(stream) != view.payment_hash or wire.WAIT not in double.heard:
            continue


# --- how it is installed, and what it says of itself ---------------------------------------------------------------


async def test_it_is_content_when_it_is_an_important_plugin(bench: ClnBench, double: Double) -> None:
    assert await bench.node.problem() == ""
    assert any("holds payments for Holdfast" in line for line in double.logged)


@pytest.mark.parametrize(("option", "words"), [("plugin", "dies alone"), ("alias", "started by hand")])
async def test_it_says_when_the_config_does_not_name_it_as_important(option: str, words: str) -> None:
    double = Double()
    double.calls.option = option
    await double.start()
    node = ClnNode(double.socket)
    assert "important-plugin" in await node.problem()
    [warning] = [line for line in double.logged if line.startswith("warn")]
    assert words in warning
    assert f"important-plugin={double.program}" in warning
    await node.aclose()
    await double.aclose()


async def test_a_lightningd_without_the_plugin_is_named(double: Double) -> None:
    node = ClnNode(double.socket)
    double.forget_calls()
    assert "is not there" in await node.problem()
    assert ["is not there" in finding.what for finding in await node.examine()] == [True]
    assert await node.facts() is None
    await node.aclose()


async def test_another_version_of_the_plugin_is_named(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "API", wire.API + 1)
    node = ClnNode(double.socket)
    assert "another version" in await node.problem()
    await node.aclose()


async def test_records_that_cannot_be_read_end_the_plugin_before_anything_is_given_back(double: Double) -> None:
    await double.stop()
    double.ledger.datastore["holdfast", "hold", "ab" * 32] = ("{}", 0)
    with pytest.raises(Exception, match="terminated"):
        await double.start()
    assert any("cannot read its holds" in line for line in double.logged)
    double.ledger.datastore.clear()


async def test_list_and_health_tell_no_secrets(bench: ClnBench, double: Double) -> None:
    view = await held(bench)
    await bench.node.settle(HoldRef(SPEC.ref, view.payment_hash))
    rpc = Rpc(double.socket)
    settled = await until(bench, lambda: look(bench, view), HoldStatus.SETTLED)
    listed, health = await rpc.call(wire.LIST), await rpc.call(wire.HEALTH)
    assert [hold["state"] for hold in listed["holds"]] == ["settled"]
    assert health["holds"]["settled"] == 1
    for told in (str(listed), str(health), *double.logged):
        assert settled.preimage.reveal() not in told
        assert view.invoice.reveal() not in told


async def test_calls_that_make_no_sense_are_refused(double: Double) -> None:
    rpc = Rpc(double.socket)
    good = {"ref": "r", "amount_msat": 1000, "expiry": 60, "cltv": 100}
    for wrong in ({"ref": ""}, {"amount_msat": 0}, {"expiry": 0}, {"cltv": 18}, {"cltv": 2007}, {"memo": "x" * 700}):
        with pytest.raises(Refused) as refused:
            await rpc.call(wire.CREATE, good | wrong)
        assert refused.value.code == wire.BAD_CALL
    with pytest.raises(Refused) as absent:
        await rpc.call(wire.LOOKUP, {"payment_hash": PaymentHash("00" * 32)})
    assert absent.value.code == wire.NO_SUCH_HOLD
    assert Msat(double.ledger.incoming) == 0
