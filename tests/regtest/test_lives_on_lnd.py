"""Whole lives on real LND nodes over a real relay: every msat of employer, worker and operator is where it belongs at the end.

The employer's and the worker's nodes have direct channels to the escrow node, so that no router takes a fee. The daemon asks that
node itself, or a wallet far away that sits on it (Nostr Wallet Connect).
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.config import LndSettings, NodeSettings, NwcSettings, TermsSettings
from bot.relays.embedded import embedded_relay
from bot.relays.sdk import nostr_sdk
from kinds.commands import Approve, Cancel, Claim, Fund
from kinds.units import sats
from tests.contract.nwc_lnd_bench import LndBackend
from tests.contract.nwc_wallet import Wallet
from tests.lives import people
from tests.lives.people import (
    DAY,
    HOLD,
    PAID,
    REWARD,
    Person,
    Place,
    paid_life,
    person,
    public_log,
    until,
)
from tests.lives.process import Quick
from tests.lives.test_kill import GRACE, check_told_once, live
from tests.regtest import wallets
from tests.regtest.town import Town, shared

pytestmark = pytest.mark.regtest
HOLD_CLTV = 1900  # blocks: room for the usual deadline of three days, and still what payers accept
SECONDS = 40.0  # for one step, with the nodes on two busy cores


class Clock:
    """The world's clock, which can be put forward."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


Way = Callable[[Town, Path, Clock], AbstractAsyncContextManager[dict[str, Any]]]


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    there = shared()
    yield there
    await asyncio.to_thread(there.tidy)


@dataclass(frozen=True, slots=True)
class Money:
    """What is whose in the channels, in msat."""

    employer: int
    escrow: int
    worker: int

    @classmethod
    async def now(cls, town: Town) -> Money:
        await asyncio.to_thread(town.at_rest)
        return cls(*[await asyncio.to_thread(node.balance) for node in town.nodes])

    def __sub__(self, other: Money) -> Money:
        return Money(self.employer - other.employer, self.escrow - other.escrow, self.worker - other.worker)


NOTHING, THE_PRICE = Money(0, 0, 0), Money(-HOLD, HOLD - REWARD, REWARD)


def lnd_settings(town: Town, folder: Path) -> LndSettings:
    macaroon = town.escrow.bake(folder / "holdfast.macaroon")
    return LndSettings(url=town.escrow.url, tls_cert=str(town.escrow.cert), macaroon=str(macaroon))


@asynccontextmanager
async def asked_itself(town: Town, folder: Path, _: Clock) -> AsyncIterator[dict[str, Any]]:
    """The settings with which the daemon asks the escrow node."""
    yield {"node": NodeSettings(kind="lnd", network="regtest"), "lnd": lnd_settings(town, folder)}


@asynccontextmanager
async def through_a_wallet(town: Town, folder: Path, clock: Clock) -> AsyncIterator[dict[str, Any]]:
    """The same, by way of a wallet over a relay of its own."""
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    async with embedded_relay("127.0.0.1", 0) as relay, Wallet(relay, LndBackend(town.escrow), clock) as wallet:
        connection = folder / "nwc.connection"
        connection.touch(0o600)
        connection.write_text(wallet.uri)
        yield {"node": NodeSettings(kind="nwc", network="regtest"), "nwc": NwcSettings(connection=connection)}


ways = pytest.mark.parametrize("way", [asked_itself, through_a_wallet])


@asynccontextmanager
async def house(
    town: Town, folder: Path, clock: Clock | None = None, way: Way = asked_itself, **terms: Any
) -> AsyncIterator[tuple[Place, Person, Person]]:
    """A daemon in this process on the escrow node, and its people."""
    clock = clock or Clock()
    async with (
        way(town, folder, clock) as node,
        people.house(folder / "data", (), clock, terms=TermsSettings(hold_cltv=HOLD_CLTV, **terms), **node) as place,
        folk(town, place, clock=clock) as (employer, worker),
    ):
        yield place, employer, worker


@asynccontextmanager
async def folk(
    town: Town, place: Place, relays: tuple[str, ...] = (), **more: Any
) -> AsyncIterator[tuple[Person, Person]]:
    more = {"within": SECONDS} | more
    async with (
        person("employer", place, relays, wallet=wallets.NodeWallet(town.employer), **more) as employer,
        person("worker", place, relays, wallet=wallets.NodeWallet(town.worker), **more) as worker,
    ):
        yield employer, worker


async def check(town: Town, employer: Person, task: str, before: Money, moved: Money) -> list[str]:
    """Everything has ended and moved just so; the published log is in order. Its entries' types."""
    entries = await public_log(employer, task)
    assert await Money.now(town) - before == moved
    return [entry["type"] for entry in entries]


@ways
async def test_paid(town: Town, tmp_path: Path, way: Way) -> None:
    before = await Money.now(town)
    async with house(town, tmp_path, way=way) as (_, employer, worker):
        task = await paid_life(employer, worker)
        assert await check(town, employer, task, before, THE_PRICE) == PAID
        await employer.told("preimage")
        await worker.told("arrived at your wallet")


@ways
async def test_refunded(town: Town, tmp_path: Path, way: Way) -> None:
    before = await Money.now(town)
    async with house(town, tmp_path, way=way) as (_, employer, _worker):
        task = await employer.funded()
        assert await employer.balance() == before.employer - HOLD
        await employer.tell(Cancel(task=task))
        await employer.client.public.entry(task, state="Refunded")
        await employer.client.public.published(task)
        types = await check(town, employer, task, before, NOTHING)
        assert types[-2:] == ["refund.started", "refund.completed"]


@ways
async def test_expired(town: Town, tmp_path: Path, way: Way) -> None:
    """Nobody claims it in time."""
    before, clock = await Money.now(town), Clock()
    async with house(town, tmp_path, clock, way, hold_timeout=60) as (_, employer, _worker):
        task = await employer.funded()
        clock.ahead += 120
        await employer.client.public.entry(task, state="Expired")
        await employer.client.public.published(task)
        types = await check(town, employer, task, before, NOTHING)
        assert types[-1] == "task.expired"


async def test_a_worker_who_cannot_be_reached(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No route leads to his invoice at any fee: after a day of tries the employer has everything back."""
    monkeypatch.setattr("bot.moments.PATIENCE", 30 * DAY)  # putting the clock forward is not deafness here
    before, clock = await Money.now(town), Clock()
    async with house(town, tmp_path, clock) as (_, employer, worker):
        task = await employer.funded()
        nowhere = wallets.stranger_invoice(sats(50_000), 20 * DAY)
        await worker.tell(Claim(task=task, destination=nowhere))
        await employer.client.public.entry(task, state="Claimed")
        await worker.delivers(task)
        await employer.tell(Approve(task=task))
        await employer.client.public.entry(task, state="Verified")
        await worker.told("route")

        async def expired() -> bool:
            """Time passes as long as anybody looks: his day begins when a relay of his has taken the notice."""
            clock.ahead += 1800
            return (await employer.client.public.log(task))[-1].state == "Expired"

        await until(expired, "the end of his day", SECONDS)
        await employer.client.public.published(task)
        types = await check(town, employer, task, before, NOTHING)
        assert types[-2:] == ["refund.started", "task.expired"]


async def test_the_node_dies_in_the_middle_of_a_life(town: Town, tmp_path: Path) -> None:
    """kill -9 of LND, and a new start. The streams break; what happens then is noticed all the same, and at once."""
    before = await Money.now(town)
    async with house(town, tmp_path) as (_, employer, worker):
        task = await employer.drafted()
        await employer.tell(Fund(task=task))
        invoice = await employer.invoice_for(task)
        town.restart(town.escrow, signal.SIGKILL)
        await employer.pay(invoice)
        await employer.client.public.entry(task, state="Funded")
        town.restart(town.escrow, signal.SIGKILL)
        await worker.claims(task)
        await worker.delivers(task)
        await employer.approves(task)
        await employer.client.public.published(task)
        assert await check(town, employer, task, before, THE_PRICE) == PAID


@pytest.mark.parametrize("moment", ["said", "seen"])
async def test_killed_at_each_step(town: Town, tmp_path: Path, moment: str) -> None:
    """kill -9 after each word, or after each thing that could be seen: nothing is paid twice and nothing is missing."""
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    before, killed = await Money.now(town), []
    lnd = {f"LND__{key.upper()}": value for key, value in lnd_settings(town, tmp_path).model_dump().items()}
    settings = {"NODE__KIND": "lnd", "NODE__NETWORK": "regtest", "TERMS__HOLD_CLTV": HOLD_CLTV} | lnd
    async with embedded_relay("127.0.0.1", 0) as relay:
        with Quick(tmp_path, [relay], settings, hurry=GRACE) as daemon:

            async def blow(step: str) -> None:
                if step.startswith(moment):
                    daemon.kill()
                    killed.append(step)
                    daemon.start()
                    await daemon.ready()

            place = await daemon.ready()
            async with folk(town, place, (relay,), within=60.0) as (employer, worker):
                task = await live(employer, worker, blow)
                assert await check(town, employer, task, before, THE_PRICE) == PAID
                for who, words in ((employer, "preimage"), (worker, "arrived at your wallet")):
                    await who.told(words)
                    await check_told_once(who, task)
            assert len(killed) == {"said": 6, "seen": 8}[moment]
