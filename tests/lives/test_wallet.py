"""Whole lives over a wallet that is reached by Nostr Wallet Connect: what it cannot show or limit is in the terms, and costs nobody
but the operator. The wallet's node is simnet, in this process; the daemon sees it only through the relay."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from bot.config import NodeSettings, NwcSettings, TermsSettings
from bot.nodes.simnet import Control, SimNode
from bot.nodes.simnet import Faults as NetworkFaults
from bot.relays.embedded import embedded_relay
from kinds.commands import Approve, Cancel, Fund, Payout, Post
from kinds.events import TASK
from storage.schema import incidents
from tests.contract.nwc_bench import SimBackend
from tests.contract.nwc_wallet import Faults, Wallet
from tests.lives.people import HOLD, REWARD, START, Place, check_paid, couple, house, paid_life, public_log, until
from tests.lives.process import Quick
from tests.lives.test_kill import GRACE, survives

OURS = {"extra_cltv": 0, "refresh_seconds": 0}
MARGIN = 58  # blocks


@dataclass(slots=True)
class Town:
    """A wallet and its node, with the door of simnet where people look for it."""

    node: SimNode
    wallet: Wallet
    relay: str
    data: Path

    @asynccontextmanager
    async def house(self, **sections: Any) -> AsyncIterator[Place]:
        wallet = {"node": NodeSettings(kind="nwc"), "nwc": NwcSettings.model_validate(OURS)}
        async with house(self.data, [self.relay], **wallet | sections) as place:
            yield place

    def incidents(self) -> list[str]:
        engine = create_engine(f"sqlite:///{self.data / 'holdfast.db'}")
        with engine.begin() as tx:
            found = [row.code for row in tx.execute(select(incidents))]
        engine.dispose()
        return found


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    async with embedded_relay("127.0.0.1", 0) as relay:
        node = SimNode(time.time, os.urandom, data / "simnet.db")
        control = Control(node, data / "simnet.sock")
        await control.start()
        async with Wallet(relay, SimBackend(node), time.time) as wallet:
            connection = data / "nwc.connection"
            connection.write_text(wallet.uri)
            connection.chmod(0o600)
            yield Town(node, wallet, relay, data)
        await control.aclose()
        await node.aclose()


async def test_a_life_ends_paid_and_the_terms_say_what_a_wallet_does_not_know(town: Town) -> None:
    async with town.house() as place, couple(place) as (employer, worker):
        task = await paid_life(employer, worker)
        entries = await check_paid(employer, worker, task)
        assert next(each for each in entries if each["type"] == "invoice.accepted")["facts"]["parts"] == 1
        [terms] = await employer.client.public.fetch(
            [{"kinds": [TASK], "authors": [place.bot], "#d": ["holdfast-terms"]}]
        )
        said = json.loads(terms.content)
        assert (said["sees_parts"], said["limits_payouts"], said["max_reward_msat"]) == (False, False, 10**8)
        answer = await employer.ask("terms")
        assert "not limited here" in answer.text
        assert (
            await employer.refusal(Post(amount=100_001, title="too much", terms={"deadline": "3d"})) == "above_maximum"
        )
    assert town.incidents() == []


async def test_a_life_ends_refunded(town: Town) -> None:
    async with town.house() as place, couple(place) as (employer, _):
        task = await employer.funded()
        await employer.tell(Cancel(task=task))
        await employer.client.public.entry(task, state="Refunded")
        await public_log(employer, task)
        assert await employer.balance() == START
        assert (await place.money())["held"] == 0


async def test_a_wallet_that_gives_no_deadline_gives_the_money_back(town: Town) -> None:
    town.wallet.faults = Faults(no_deadline=True)
    async with town.house() as place, couple(place) as (employer, _):
        task = await employer.drafted()
        await employer.tell(Fund(task=task))
        await employer.pay(await employer.invoice_for(task))
        entry = await employer.client.public.entry(task, "funding.failed")
        assert entry.facts["reason"] == "expires_too_soon"

        async def back() -> bool:
            return await employer.balance() == START

        await until(back, "the employer's money")


@pytest.fixture
def long_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wallet may take routes as long as it likes: its payout's HTLC outlives the hold."""
    monkeypatch.setattr("bot.nodes.simnet.rules.HOP_DELTA", 2100)


async def in_flight(town: Town, employer: Any, worker: Any) -> str:
    """A life up to a payout that its payee keeps."""
    town.node.network.faults = NetworkFaults(payout_stuck=True)
    task: str = await employer.funded()
    await worker.claims(task)
    await worker.delivers(task)
    await employer.tell(Approve(task=task))
    await employer.client.public.entry(task, state="Verified")
    await until(lambda: "pay_invoice" in town.wallet.seen, "the payout")
    accepted = await employer.client.public.entry(task, "invoice.accepted")
    town.node.network.mine(accepted.facts["expiry_height"] - MARGIN - town.node.network.height)
    settling = await employer.client.public.entry(task, "settlement.started")
    assert settling.facts["reason"] == "margin"
    await until(lambda: "settle_hold_invoice" in town.wallet.seen, "the settle")
    return task


def release(town: Town, *, complete: bool) -> None:
    network = town.node.network
    [payout] = network.book.payments("@node")
    network.release(payout.hash, complete=complete)


@pytest.mark.usefixtures("long_routes")
async def test_at_the_margin_a_hold_is_settled_while_its_payout_is_in_flight_and_then_paid(town: Town) -> None:
    async with town.house() as place, couple(place) as (employer, worker):
        task = await in_flight(town, employer, worker)
        assert await employer.balance() == START - HOLD
    async with town.house() as place:  # a restart changes nothing
        employer.place = worker.place = place
        async with couple(place) as (somebody, _):
            release(town, complete=True)
            await somebody.client.public.entry(task, state="Paid")
            await public_log(somebody, task)
        assert await worker.balance() == START + REWARD
    assert town.wallet.seen.count("pay_invoice") == 1
    assert town.incidents() == []


@pytest.mark.usefixtures("long_routes")
async def test_at_the_margin_a_hold_is_settled_and_a_payout_that_fails_then_is_owed(town: Town) -> None:
    async with town.house() as place, couple(place) as (employer, worker):
        task = await in_flight(town, employer, worker)
        release(town, complete=False)
        await employer.client.public.entry(task, state="Paid")
        entries = await public_log(employer, task)
        assert [each["amount_msat"] for each in entries[-1]["facts"]["credited"]] == [HOLD]
        town.node.network.faults = NetworkFaults()
        await worker.tell(Payout(task=task, destination=await worker.make_invoice()))
        await worker.told("out of your account")
        assert await worker.balance() == START + REWARD


async def test_a_fee_above_what_was_kept_for_it_is_the_operators(town: Town) -> None:
    terms = TermsSettings(budget_base_sat=1, budget_ppm=0)
    async with town.house(terms=terms) as place, couple(place) as (employer, worker):
        task = await paid_life(employer, worker)
        entries = await public_log(employer, task)
        [payout] = entries[-1]["facts"]["payouts"]
        assert payout["fee_msat"] == 1000
        assert await employer.balance() == START - REWARD - 1000
        assert await worker.balance() == START + REWARD
    assert town.incidents() == ["fee_above_budget"]


@pytest.mark.parametrize("moment", ["said", "seen"])
async def test_killed_at_each_step_over_a_wallet(town: Town, moment: str) -> None:
    killed: list[str] = []
    settings = {"NODE__KIND": "nwc"} | {f"NWC__{key.upper()}": value for key, value in OURS.items()}
    with Quick(town.data.parent, [town.relay], settings, hurry=GRACE) as daemon:

        async def blow(step: str) -> None:
            if step.startswith(moment):
                daemon.kill()
                killed.append(step)
                daemon.start()
                await daemon.ready()

        await survives(daemon, town.relay, blow)
        assert len(killed) == {"said": 6, "seen": 8}[moment]
        assert town.wallet.seen.count("pay_invoice") == 1
        assert town.wallet.uri.rpartition("secret=")[2] not in daemon.output()
