"""Work by the hour that is paid on approval, through public doors: in sats and in rupees, over restarts, and out of an old backup."""

from __future__ import annotations

from typing import Any

import pytest

from kinds.units import Msat
from tests.virtual.lives import HASH, a_town, balance_of, entry, offered, sound, state, told
from tests.virtual.loop import run_virtually
from tests.virtual.market import Market
from tests.virtual.test_hours import HOURS, LINK, paid
from tests.virtual.test_memory_projects import agree, approve, hire, pay, propose, restored
from tests.virtual.test_on_approval import LATER, approved, begun
from tests.virtual.test_prices import posted, town_with
from tests.virtual.test_projects import counted, types
from tests.virtual.world import Town


async def part_paid(town: Town, task: str, whole: int) -> None:
    """The work is approved, and one part of so many of the reward is asked for, held and paid out."""
    invoice = await approved(town, task)
    facts = (await entry(town, task, "invoice.created"))["facts"]
    part = facts["reward_msat"] // (1_000 * whole) * 1000
    assert facts["amount_msat"] == part + facts["budget_msat"]
    town.employer.wallet.pay(invoice)
    await counted(town, task, "invoice.accepted", 1)
    await paid(town, task, part // 1000)


def test_a_whole_life_over_restarts() -> None:
    """The employer pays what the hours come to, and has nothing back."""

    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await offered(town, **(HOURS | LATER))
        await told(town, town.employer, "for fewer hours you are asked for less")
        await town.worker.say(f"claim {task}")
        await told(town, town.employer, r"Paid on approval \(on_approval\)")
        await told(town, town.employer, "the employer is asked for what was worked")
        await town.employer.say(f"select {task} full")
        await state(town, task, "Claimed")
        await town.restart()
        await town.worker.say(f"submit {task} {LINK} {HASH} hours=12.5")
        await told(town, town.employer, r"12\.5 hours, of 40 at most: 15,625 sats for the worker")
        await town.restart()
        invoice = await approved(town, task)
        await told(town, town.employer, r"That comes to 16,125 sats")
        await told(town, town.worker, r"15,625 sats of it are yours")
        await town.restart()
        town.employer.wallet.pay(invoice)
        await counted(town, task, "invoice.accepted", 1)
        await town.restart()
        await paid(town, task, 15_625)
        assert start[0] - town.employer.wallet.balance == 16_125_000
        assert town.worker.wallet.balance - start[1] == 15_625_000
        assert balance_of(town, town.employer) == 0
        await sound(town)

    run_virtually(life())


def test_in_rupees_and_refused_once() -> None:
    async def life() -> None:
        town = await town_with(Market())
        offer = (
            "payment_type=HOURLY_RATE rate=100 cap=40 deadline=3d order=hire_first funding=on_approval on_reject=revise"
        )
        task = await posted(town, f'post INR "Build a page" {offer}')
        await town.worker.say(f"claim {task}")
        await entry(town, task, "task.accepted")
        await town.employer.say(f"select {task} full")
        await state(town, task, "Claimed")
        await town.worker.say(f"submit {task} {LINK} {HASH} hours=40")
        await entry(town, task, "proof.submitted")
        await town.employer.say(f"reject {task} that was no week")
        await entry(town, task, "proof.rejected")
        since = len(await town.employer.read())
        await town.worker.say(f"hours {task} 8")
        await town.worker.say(f"submit {task} {LINK} {HASH}")
        await counted(town, task, "proof.submitted", 2)
        await told(town, town.employer, r"8 hours, of 40 at most", since=since)
        await town.pass_time(60)
        await part_paid(town, task, 5)
        await sound(town)

    run_virtually(life())


def test_what_is_not_paid_for_is_on_record() -> None:
    async def life() -> None:
        town = await a_town()
        task = await begun(town, **(HOURS | {"rate": 500}))
        await town.worker.say(f"submit {task} {LINK} {HASH} hours=10")
        await entry(town, task, "proof.submitted")
        await approved(town, task)
        await town.pass_time(2 * 86400 + 3600)
        await state(town, task, "Expired")
        missed = await entry(town, task, "payment.missed")
        assert (missed["facts"]["due_msat"], missed["facts"]["mark"]) == (5_200_000, town.employer.pubkey)
        await sound(town)

    run_virtually(life())


async def deliver(town: Town, task: str) -> None:
    number = types(town, task).count("proof.submitted") + 1
    since = len(await town.employer.read())
    await town.worker.say(f"submit {task} https://example.org/{number}.zip {HASH} hours=4")
    await counted(town, task, "proof.submitted", number)
    await told(town, town.employer, "approve", since=since)
    await town.pass_time(30)


async def take(town: Town, task: str) -> None:
    number = types(town, task).count("settlement.completed") + 1
    await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(2_000_000), expiry=30 * 86400)}")
    await counted(town, task, "settlement.completed", number)


STEPS = (hire, propose, agree, deliver, approve, pay, take, deliver, approve, pay, take)


@pytest.mark.parametrize(
    ("backed_up", "until"), [(0, 4), (1, 5), (3, 4), (3, 6), (4, 5), (4, 7), (5, 6), (6, 8), (7, 9), (8, 10)]
)
def test_a_backup_of_hourly_milestones_is_brought_to_any_later_moment(backed_up: int, until: int) -> None:
    terms: dict[str, Any] = HOURS | {"rate": 500, "funding": "on_approval"}
    run_virtually(restored(STEPS, backed_up, until, gets=4_000_000, **terms))
