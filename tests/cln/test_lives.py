"""Whole lives of a task with the daemon beside lightningd: the real daemon, relays, adapter and plugin; lightningd is the double."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.config import ClnSettings, NodeSettings
from bot.nodes.cln.plugin.keeper import GRACE, LOOK
from kinds.bolt11 import decode
from kinds.commands import Approve, Cancel, Claim, Fund
from kinds.lightning import PaymentStatus
from kinds.units import sats
from tests.cln.double import Double
from tests.cln.routes import routing
from tests.contract.cln_bench import ClnBench
from tests.lives.people import DAY, HOLD, PAID, REWARD, Person, Place, couple, house, public_log, until


@pytest.fixture
async def place(double: Double, tmp_path: Path) -> AsyncIterator[Place]:
    settings: dict[str, Any] = {
        "node": NodeSettings(kind="cln", network="regtest"),
        "cln": ClnSettings(rpc=double.socket),
    }
    async with house(tmp_path / "data", clock=double.clock, **settings) as made:
        yield made


async def funded(employer: Person, bench: ClnBench, parts: int = 1) -> tuple[str, str]:
    """The task, and the invoice whose payment is held."""
    task = await employer.drafted(deadline=int(time.time()) + DAY)  # 864 blocks hold no longer work
    await employer.tell(Fund(task=task))
    invoice = await employer.invoice_for(task)
    await bench.pay_hold(invoice, parts)
    await employer.client.public.entry(task, state="Funded")
    return task, invoice


async def claimed(worker: Person, bench: ClnBench, task: str) -> None:
    bill = await bench.bill(sats(50_000), expiry=20 * DAY)
    await worker.tell(Claim(task=task, destination=bill))
    await worker.client.public.entry(task, state="Claimed")


async def test_paid(place: Place, bench: ClnBench, double: Double) -> None:
    async with couple(place) as (employer, worker):
        task, invoice = await funded(employer, bench, parts=3)
        await claimed(worker, bench, task)
        await worker.delivers(task)
        await employer.approves(task)
        entries = await public_log(employer, task)
    assert [entry["type"] for entry in entries] == PAID
    assert (double.ledger.incoming, double.ledger.outgoing) == (HOLD, REWARD + routing(REWARD))
    assert await bench.payer_sees(decode(invoice).payment_hash) is PaymentStatus.COMPLETE
    assert {entry["block"] for entry in entries} == {double.ledger.block_hash(double.ledger.height)}


async def test_refunded(place: Place, bench: ClnBench, double: Double) -> None:
    async with couple(place) as (employer, _):
        task, invoice = await funded(employer, bench)
        await employer.tell(Cancel(task=task))
        await employer.client.public.entry(task, state="Refunded")
    assert (double.ledger.incoming, list(double.ledger.on_channel())) == (0, [])
    assert await bench.payer_sees(decode(invoice).payment_hash) is PaymentStatus.FAILED


async def test_paid_over_a_restart_of_lightningd_while_the_worker_keeps_us_waiting(
    place: Place, bench: ClnBench, double: Double
) -> None:
    await bench.payee_holds()
    async with couple(place) as (employer, worker):
        task, _ = await funded(employer, bench)
        await claimed(worker, bench, task)
        await worker.delivers(task)
        await employer.tell(Approve(task=task))
        [out] = await until(lambda: double.ledger.sendpays, "a payout on its way")
        await bench.restart()
        await bench.release(out["payment_hash"])
        await employer.client.public.entry(task, state="Paid", within=60)
    assert (double.ledger.incoming, double.ledger.outgoing) == (HOLD, REWARD + routing(REWARD))


async def test_the_plugin_dies_and_the_hold_is_lost(place: Place, bench: ClnBench, double: Double) -> None:
    async with couple(place) as (employer, worker):
        task, invoice = await funded(employer, bench)
        await claimed(worker, bench, task)
        await double.kill_plugin()
        await double.start()
        for seconds in (GRACE, LOOK):
            double.clock.forward(seconds)
            await bench.node.facts()
        await employer.client.public.entry(task, state="Expired")
        assert "hold.lost" in [each["type"] for each in await public_log(employer, task)]
    assert double.ledger.incoming == 0
    assert await bench.payer_sees(decode(invoice).payment_hash) is PaymentStatus.FAILED
