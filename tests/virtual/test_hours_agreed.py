"""Hourly pay on which both agree after hiring, through public doors: in text, signed, in rupees, over restarts, and out of an old backup."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.hours import Hourly
from kinds.units import Msat
from tests.virtual import test_memory_projects as projects
from tests.virtual.lives import HASH, a_town, balance_of, entry, invoiced, offered, sound, state, task_of, told
from tests.virtual.loop import run_virtually
from tests.virtual.market import Market
from tests.virtual.test_hours import LINK, paid
from tests.virtual.test_hours_later import part_paid
from tests.virtual.test_memory import open_again, restarted, stays_read_only
from tests.virtual.test_memory_projects import agree, fund, hire, restored
from tests.virtual.test_prices import posted, town_with
from tests.virtual.test_projects import counted, plan_of, types
from tests.virtual.world import Town


async def hired(town: Town, **terms: Any) -> str:
    task = await offered(town, order="hire_first", **terms)
    await hire(town, task)
    return task


async def proposed(town: Town, task: str, words: str) -> None:
    before = types(town, task).count("plan.proposed")
    await town.worker.say(f"milestones {task} payment_type=HOURLY_RATE {words}")
    await counted(town, task, "plan.proposed", before + 1)


async def delivered(town: Town, task: str, hours: str) -> None:
    await town.worker.say(f"submit {task} {LINK} {HASH} hours={hours}")
    await entry(town, task, "proof.submitted")


def test_a_whole_life_over_restarts() -> None:
    async def life() -> None:
        town = await a_town()
        task = await hired(town)
        await told(town, town.worker, r"payment_type=HOURLY_RATE rate=AMOUNT cap=HOURS")
        await town.worker.say(f"milestones {task} payment_type=HOURLY_RATE rate=1250 cap=41")
        await told(town, town.worker, r"41 hours at 1250 sats come to 51,250 sats, and the project is 50,000 sats")
        await proposed(town, task, "rate=1250 cap=40")
        card = await told(town, town.employer, "Payment by the hour, proposed by")
        assert "By the hour: 1250 sats each, 40 hours at most." in card
        assert "50,000 sats in all, which is the whole" in card
        await town.restart()
        await town.employer.say(f"agree {task} {plan_of(town, task)}")
        await told(town, town.employer, rf"Payment by the hour, agreed on and locked(.|\n)*select {task} full")
        await town.restart()
        since = len(await town.employer.read())
        await town.employer.say(f"select {task} full")
        await told(town, town.employer, r"(?i)lightning:lnplay", since=since)
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Claimed")
        await town.worker.say(f"submit {task} {LINK} {HASH}")
        await told(town, town.worker, r"paid by the hour, so tell me how many \(up to 40\)")
        await delivered(town, task, "12.5")
        await town.employer.say(f"approve {task}")
        await paid(town, task, 15_625)
        assert balance_of(town, town.employer) > 34_000_000
        await sound(town)

    run_virtually(life())


def test_on_approval_in_rupees_and_amended() -> None:
    """The first proposal says too much, the second one is agreed to."""

    async def life() -> None:
        town = await town_with(Market())
        task = await posted(town, 'post 4000 INR "Build a page" deadline=3d order=hire_first')
        await hire(town, task)
        await proposed(town, task, "rate=200 cap=20 funding=on_approval")
        old = plan_of(town, task)
        await town.employer.say(f"milestones {task} payment_type=HOURLY_RATE rate=12.50 cap=320 funding=on_approval")
        await counted(town, task, "plan.proposed", 2)
        await told(town, town.worker, r"By the hour: 12\.50 INR each, 320 hours at most")
        await town.worker.say(f"agree {task} {old}")
        await told(town, town.worker, "That is not the newest proposal")
        await town.worker.say(f"agree {task} {plan_of(town, task)}")
        await entry(town, task, "plan.agreed")
        await town.employer.say(f"select {task} full")
        await state(town, task, "Claimed")
        await delivered(town, task, "80")
        await told(town, town.employer, r"80 hours, of 320 at most")
        await part_paid(town, task, 4)
        await sound(town)

    run_virtually(life())


def test_both_sign_it() -> None:
    async def life() -> None:
        town = await a_town()
        task = await hired(town)
        bound = (await entry(town, task, "task.accepted"))["id"]
        terms: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": 1250}
        for bad in (39, 0, -1, 10**9):
            await town.employer.decide(task, "milestones", bound, **terms, cap=bad)
        for rate in ("NaN", "1250.5", "0", -1250, 10**18):
            await town.employer.decide(task, "milestones", bound, **(terms | {"rate": rate}), cap=40)
        await town.pass_time(120)
        assert "plan.proposed" not in types(town, task)
        await town.employer.decide(task, "milestones", bound, **terms, cap=40)
        plan = await entry(town, task, "plan.proposed")
        assert plan["proven"] == "signed"
        await town.worker.decide(task, "agree", plan["id"], plan=plan["facts"]["plan"])
        await entry(town, task, "plan.agreed")
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Claimed")
        await delivered(town, task, "40")
        await town.employer.decide(task, "approve", (await entry(town, task, "proof.submitted"))["id"])
        await paid(town, task, 50_000)
        await sound(town)

    run_virtually(life())


async def propose(town: Town, task: str) -> None:
    await town.worker.say(f'milestones {task} payment_type=HOURLY_RATE rate=500 cap=40 "One" 12000 20h; "Two" 8000 60h')
    await entry(town, task, "plan.proposed")


async def deliver(town: Town, task: str) -> None:
    await projects.deliver(town, task, "hours=4")


async def be_paid(town: Town, task: str) -> None:
    await projects.be_paid(town, task, Msat(2_000_000))


STEPS = (hire, propose, agree, fund, deliver, be_paid, fund, deliver, be_paid)


@pytest.mark.parametrize(("backed_up", "until"), [(0, 3), (0, 6), (1, 9), (2, 3), (2, 5), (3, 6), (5, 7)])
def test_a_backup_of_milestones_by_the_hour(backed_up: int, until: int) -> None:
    run_virtually(restored(STEPS, backed_up, until, gets=4_000_000))


@pytest.mark.parametrize("lost_after", [2, 3, 4])
def test_a_backup_from_before_the_whole_was_paid_by_the_hour(lost_after: int) -> None:
    """Backed up with somebody hired; lost after it was proposed, agreed on, or delivered."""

    async def life() -> None:
        town = await a_town()
        task = await hired(town)
        await town.pass_time(30)
        backup = town.backup()
        await proposed(town, task, "rate=1250 cap=40")
        if lost_after > 2:
            await agree(town, task)
        if lost_after > 3:
            await fund(town, task)
            await delivered(town, task, "10")
        await town.pass_time(30)
        there = town.log_of(task)
        await restarted(town, backup)
        await stays_read_only(town)
        await open_again(town)
        assert town.log_of(task) == there
        known = task_of(town, task)
        found = known.terms if lost_after > 2 else known.proposal
        assert found is not None
        assert found.hourly == Hourly(rate=1250, cap=40)
        if lost_after < 3:
            await agree(town, task)
        if lost_after < 4:
            await fund(town, task)
            await delivered(town, task, "10")
        await town.employer.say(f"approve {task}")
        await entry(town, task, "proof.verified")
        await paid(town, task, 12_500)
        await sound(town)

    run_virtually(life())
