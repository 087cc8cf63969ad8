"""Whole lives on real Core Lightning nodes over a real relay: every msat of employer, worker and operator is where it belongs.

The employer's and the worker's nodes have a channel to ours, so that no router takes a fee.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.config import ClnSettings, NodeSettings, TermsSettings
from bot.relays.embedded import embedded_relay
from bot.relays.sdk import nostr_sdk
from kinds import bolt11
from kinds.commands import Approve, Cancel, Claim
from kinds.units import sats
from tests.cln import wallets
from tests.cln.regtest import ONCE, Regtest, missing
from tests.lives import people
from tests.lives.people import DAY, HOLD, PAID, REWARD, Person, Place, paid_life, person, public_log, until
from tests.lives.process import Quick
from tests.lives.test_kill import GRACE, check_told_once, live
from tests.regtest.wallets import stranger_invoice

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"not on the path: {', '.join(missing())}"),
]
HOLD_CLTV = 1900  # blocks: room for the usual deadline of three days, and still what payers accept
SECONDS = 60.0  # for one step, with the nodes on two busy cores


class Clock:
    """The world's clock, which can be put forward; lightningd's stays as it is."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
async def town() -> AsyncIterator[Regtest]:
    there = ONCE.nodes()
    yield there
    await asyncio.to_thread(there.at_rest)


@dataclass(frozen=True, slots=True)
class Money:
    """What is whose in the channels, in msat."""

    employer: int
    escrow: int
    worker: int

    @classmethod
    async def now(cls, town: Regtest) -> Money:
        await asyncio.to_thread(town.at_rest)
        people = (town.payer, town.us, town.payee)
        return cls(*[await asyncio.to_thread(node.balance) for node in people])

    def __sub__(self, other: Money) -> Money:
        return Money(self.employer - other.employer, self.escrow - other.escrow, self.worker - other.worker)


NOTHING, THE_PRICE = Money(0, 0, 0), Money(-HOLD, HOLD - REWARD, REWARD)


@asynccontextmanager
async def house(
    town: Regtest, folder: Path, clock: Callable[[], float] | None = None, **terms: Any
) -> AsyncIterator[tuple[Person, Person]]:
    """A daemon in this process beside our node, and its people."""
    clock = clock or Clock()
    sections: dict[str, Any] = {
        "node": NodeSettings(kind="cln", network="regtest"),
        "cln": ClnSettings(rpc=town.us.socket),
        "terms": TermsSettings(hold_cltv=HOLD_CLTV, **terms),
    }
    async with (
        people.house(folder / "data", (), clock, **sections) as place,
        folk(town, place, clock=clock) as (employer, worker),
    ):
        yield employer, worker


@asynccontextmanager
async def folk(
    town: Regtest, place: Place, relays: tuple[str, ...] = (), **more: Any
) -> AsyncIterator[tuple[Person, Person]]:
    more = {"within": SECONDS} | more
    async with (
        person("employer", place, relays, wallet=wallets.NodeWallet(town.payer), **more) as employer,
        person("worker", place, relays, wallet=wallets.NodeWallet(town.payee), **more) as worker,
    ):
        yield employer, worker


async def check(town: Regtest, employer: Person, task: str, before: Money, moved: Money) -> list[str]:
    """Everything has ended and moved just so; the published log is in order. Its entries' types."""
    entries = await public_log(employer, task)
    assert await Money.now(town) - before == moved
    return [entry["type"] for entry in entries]


async def claimed(employer: Person, worker: Person, task: str, destination: str) -> None:
    await worker.tell(Claim(task=task, destination=destination))
    await employer.client.public.entry(task, state="Claimed")


async def test_paid(town: Regtest, tmp_path: Path) -> None:
    before = await Money.now(town)
    async with house(town, tmp_path) as (employer, worker):
        task = await paid_life(employer, worker)
        assert await check(town, employer, task, before, THE_PRICE) == PAID
        await employer.told("preimage")
        await worker.told("arrived at your wallet")


async def test_refunded(town: Regtest, tmp_path: Path) -> None:
    before = await Money.now(town)
    async with house(town, tmp_path) as (employer, _):
        task = await employer.funded()
        await employer.tell(Cancel(task=task))
        await employer.client.public.entry(task, state="Refunded")
        assert (await check(town, employer, task, before, NOTHING))[-2:] == ["refund.started", "refund.completed"]


async def test_expired(town: Regtest, tmp_path: Path) -> None:
    """Nobody claims it in time."""
    before, clock = await Money.now(town), Clock()
    async with house(town, tmp_path, clock, hold_timeout=60) as (employer, _):
        task = await employer.funded()
        clock.ahead += 120
        await employer.client.public.entry(task, state="Expired")
        assert (await check(town, employer, task, before, NOTHING))[-1] == "task.expired"


async def test_a_worker_who_cannot_be_reached(town: Regtest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No route leads to his invoice at any fee: after a day of tries the employer has everything back."""
    monkeypatch.setattr("bot.moments.PATIENCE", 30 * DAY)  # putting the clock forward is not deafness here
    before, clock = await Money.now(town), Clock()
    async with house(town, tmp_path, clock) as (employer, worker):
        task = await employer.funded()
        await claimed(employer, worker, task, stranger_invoice(sats(50_000), 20 * DAY))
        await worker.delivers(task)
        await employer.tell(Approve(task=task))
        await employer.client.public.entry(task, state="Verified")
        await worker.told("route")

        async def expired() -> bool:
            """Time passes as long as anybody looks: his day begins when a relay of his has taken the notice."""
            clock.ahead += 1800
            return (await employer.client.public.log(task))[-1].state == "Expired"

        await until(expired, "the end of his day", SECONDS)
        assert (await check(town, employer, task, before, NOTHING))[-2:] == ["refund.started", "task.expired"]


async def test_lightningd_ends_in_the_middle_of_a_life(town: Regtest, tmp_path: Path) -> None:
    """Cleanly while a payment is held, and by kill -9 while the payout is on its way too."""
    before = await Money.now(town)
    async with house(town, tmp_path) as (employer, worker):
        task = await employer.funded()
        await asyncio.to_thread(town.restart)
        bill = await asyncio.to_thread(wallets.held_invoice, town.payee, 50_000, 20 * DAY)
        payment_hash = bolt11.decode(bill).payment_hash
        await claimed(employer, worker, task, bill)
        await worker.delivers(task)
        await employer.tell(Approve(task=task))
        await until(lambda: wallets.holds(town.payee, payment_hash), "a payout that is held", SECONDS)
        town.us.kill()
        town.us.start()
        await asyncio.to_thread(town.together)
        await asyncio.to_thread(wallets.release, town.payee, payment_hash)
        await employer.client.public.entry(task, state="Paid")
        assert await check(town, employer, task, before, THE_PRICE) == PAID


async def test_the_plugin_dies_and_the_hold_is_lost(town: Regtest, tmp_path: Path) -> None:
    before = await Money.now(town)
    async with house(town, tmp_path) as (employer, worker):
        task = await employer.funded()
        await worker.claims(task)
        town.us.kill_plugin()
        town.us.start()
        await asyncio.to_thread(town.together)
        await employer.client.public.entry(task, state="Expired", within=180)
        assert "hold.lost" in await check(town, employer, task, before, NOTHING)


@pytest.mark.parametrize("moment", ["said", "seen"])
async def test_killed_at_each_step(town: Regtest, tmp_path: Path, moment: str) -> None:
    """kill -9 of the daemon after each word, or after each thing that could be seen: nothing is paid twice, nothing is missing."""
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    before, killed = await Money.now(town), []
    settings = {
        "NODE__KIND": "cln",
        "NODE__NETWORK": "regtest",
        "TERMS__HOLD_CLTV": HOLD_CLTV,
        "CLN__RPC": str(town.us.socket),
    }
    async with embedded_relay("127.0.0.1", 0) as relay:
        with Quick(tmp_path, [relay], settings, hurry=GRACE) as daemon:

            async def blow(step: str) -> None:
                if step.startswith(moment):
                    daemon.kill()
                    killed.append(step)
                    daemon.start()
                    await daemon.ready()

            place = await daemon.ready()
            async with folk(town, place, (relay,)) as (employer, worker):
                task = await live(employer, worker, blow)
                assert await check(town, employer, task, before, THE_PRICE) == PAID
                for who, words in ((employer, "preimage"), (worker, "arrived at your wallet")):
                    await who.told(words)
                    await check_told_once(who, task)
            assert len(killed) == {"said": 6, "seen": 8}[moment]
