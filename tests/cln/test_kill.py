"""The daemon is killed beside a lightningd that lives on: nothing is paid twice, nothing is taken without being paid for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bot.relays.embedded import embedded_relay
from bot.relays.sdk import nostr_sdk
from kinds.commands import Approve, Claim, Fund
from kinds.units import sats
from tests.cln.double import Double
from tests.cln.routes import routing
from tests.contract.cln_bench import ClnBench
from tests.lives.people import DAY, HOLD, PAID, REWARD, Person, couple, public_log, until
from tests.lives.process import Quick

GRACE = {"bot.outbox.money.GRACE": 2}  # seconds instead of 600 in which a payment may still arrive
Blow = Callable[[str], Awaitable[None]]


@pytest.fixture
async def relay() -> AsyncIterator[str]:
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    async with embedded_relay("127.0.0.1", 0) as url:
        yield url


async def live(employer: Person, worker: Person, bench: ClnBench, blow: Blow) -> str:
    """After each of its steps fate may strike."""
    double, public = bench.double, employer.client.public
    await bench.payee_holds()
    task = await employer.drafted(deadline=int(time.time()) + DAY)
    await employer.tell(Fund(task=task))
    await blow("asked for an invoice")
    invoice = await employer.invoice_for(task)
    await bench.pay_hold(invoice, parts=2)
    await blow("paid the hold")
    await public.entry(task, state="Funded")
    await worker.tell(Claim(task=task, destination=await bench.bill(sats(50_000), expiry=20 * DAY)))
    await public.entry(task, state="Claimed")
    await worker.delivers(task)
    await employer.tell(Approve(task=task))
    [out] = await until(lambda: double.ledger.sendpays, "a payout on its way", within=60)
    await blow("a payout on its way")
    await bench.release(out["payment_hash"])
    await blow("the payout arrived")
    await public.entry(task, state="Paid")
    return task


@pytest.mark.parametrize(
    "when", ["asked for an invoice", "paid the hold", "a payout on its way", "the payout arrived", "always"]
)
async def test_killed(when: str, bench: ClnBench, double: Double, relay: str, tmp_path: Path) -> None:
    settings = {"NODE__KIND": "cln", "NODE__NETWORK": "regtest", "CLN__RPC": str(double.socket)}
    with Quick(tmp_path, [relay], settings, hurry=GRACE) as daemon:

        async def blow(step: str) -> None:
            if when in (step, "always"):
                daemon.kill()
                daemon.start()
                await daemon.ready()

        place = await daemon.ready()
        async with couple(place, [relay], within=60.0) as (employer, worker):
            task = await live(employer, worker, bench, blow)
            entries = await public_log(employer, task)
        assert [entry["type"] for entry in entries] == PAID
        assert [row["status"] for row in double.ledger.sendpays] == ["complete"]
        assert (double.ledger.incoming, double.ledger.outgoing) == (HOLD, REWARD + routing(REWARD))
        assert list(double.ledger.on_channel()) == []
