"""A deposit that is asked for by the wrong people, with wrong words, twice, too often, and paid for too late, in wrong amounts and odd parts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.config import LiquiditySettings, Settings
from bot.nodes.simnet.faults import Faults
from handlers.task import Funding
from kinds.units import Msat
from tests.virtual import ahead
from tests.virtual.ahead import LATER, accept, cut
from tests.virtual.lives import a_town, entry, sound, state, task_of, told
from tests.virtual.loop import run_virtually
from tests.virtual.test_projects import counted, types
from tests.virtual.world import Person, Town

HALF = {"deposit_percent": 50}


async def begun(town: Town, plan: str = ahead.PLAN, **terms: Any) -> str:
    """Two milestones on approval: 2,000 of the first and all of the second would be locked ahead."""
    task = await ahead.posted(town, **(LATER | HALF | terms))
    for step in (ahead.hire, cut(plan), ahead.begin):
        await step(town, task)
    return task


async def unmoved(town: Town, task: str, seconds: int = 120) -> None:
    """Nothing happens."""
    before = types(town, task)
    await town.pass_time(seconds)
    assert types(town, task) == before


async def asked(town: Town, count: int = 2) -> tuple[str, list[Funding]]:
    task = await begun(town)
    await accept(count)(town, task)
    return task, list(task_of(town, task).cover_invoices)


async def home(town: Town, start: int) -> None:
    """The employer has all of it back."""

    async def there() -> bool:
        return town.employer.wallet.balance == start

    await town.until(there, 1500)


def test_only_the_employer_answers_and_only_in_known_words() -> None:
    async def life() -> None:
        town = await a_town()
        task = await begun(town)
        stranger = Person(town, "stranger", 13)
        for who in (stranger, town.worker):
            for word in ("accept", "decline", "later"):
                await who.say(f"deposit {task} {word}")
            await told(town, who, "employer")
        for words in ("perhaps", "", "accept now", "100"):
            await town.employer.say(f"deposit {task} {words}".strip())
        await unmoved(town, task)
        assert not [kind for kind in types(town, task) if kind.startswith("deposit.") and kind != "deposit.offered"]
        await sound(town)

    run_virtually(life())


def test_said_twice_at_once_and_heard_again_it_is_one_deposit() -> None:
    async def life() -> None:
        town = await a_town(relays=2)
        task = await begun(town)
        await asyncio.gather(*(town.employer.say(f"deposit {task} accept") for _ in range(3)))
        await town.pass_time(1)
        await asyncio.gather(*(town.employer.say(f"deposit {task} ACCEPT") for _ in range(3)))
        await counted(town, task, "invoice.created", 2)
        wraps = [each for relay in town.relays for each in relay.events.values() if each.kind == 1059]
        for each in wraps:
            town.publish(each)
        await unmoved(town, task)
        assert types(town, task).count("deposit.accepted") == 1
        assert types(town, task).count("invoice.created") == 2
        assert sum(each.covers > 0 for each in task_of(town, task).fundings) == 2
        await ahead.lock(town, task)
        await town.employer.say(f"deposit {task} accept")
        await told(town, town.employer, "10,080 sats are locked ahead")
        await unmoved(town, task)
        await sound(town)

    run_virtually(life())


def test_signed_where_the_terms_ask_for_it() -> None:
    async def life() -> None:
        town = await a_town()
        task = await ahead.posted(town, **(LATER | HALF | {"min_evidence": "signed"}))
        created = (await entry(town, task, "task.created"))["id"]
        await town.worker.decide(task, "claim", created)
        hired = (await entry(town, task, "task.accepted"))["id"]
        await town.employer.decide(task, "deposit", hired, answer="accept")  # before the work it is too early
        await town.employer.decide(task, "select", hired, structure="full")
        begun = (await entry(town, task, "task.claimed"))["id"]
        stranger = Person(town, "stranger", 13)
        await town.employer.say(f"deposit {task} accept")
        await told(town, town.employer, "signed")
        for who in (stranger, town.worker):
            await who.decide(task, "deposit", begun, answer="accept")
        await town.employer.decide(task, "deposit", created, answer="accept")  # older than what bound the worker
        await town.employer.decide(task, "deposit", "ab" * 32, answer="accept")  # rests on nothing
        await town.employer.decide(task, "deposit", begun, answer="perhaps")
        await unmoved(town, task)
        assert "deposit.accepted" not in types(town, task)
        said = await town.employer.decide(task, "deposit", begun, answer="Decline")
        await counted(town, task, "deposit.declined", 1)
        town.publish(said)
        await town.pass_time(5)
        basis = (await entry(town, task, "deposit.declined"))["id"]
        said = await town.employer.decide(task, "deposit", basis, answer="ACCEPT")
        await counted(town, task, "invoice.created", 1)
        town.publish(said)
        await unmoved(town, task)
        assert types(town, task).count("deposit.declined") == types(town, task).count("deposit.accepted") == 1
        for kind in ("deposit.declined", "deposit.accepted"):
            assert (await entry(town, task, kind))["proven"] == "signed"
        await ahead.lock(town, task)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("slow", [False, True])
def test_paid_when_its_milestone_was_asked_for_in_full(slow: bool) -> None:
    """Its invoice is not wanted any more; where the node cannot be told in time, what comes goes back."""

    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task, (part, whole) = await asked(town)
        await ahead.deliver(town, task)
        if slow:
            town.node.network.faults = Faults(lose_requests=30, only=("cancel",))
        await ahead.due(town, task)
        town.employer.wallet.pay(part.invoice.reveal())
        if slow:
            await counted(town, task, "funding.stray", 1)
            town.node.network.faults = Faults()
        await home(town, start)
        town.employer.wallet.pay(whole.invoice.reveal())
        await ahead.pay(town, task)
        await ahead.take(town, task)
        for step in (ahead.deliver, ahead.approve, ahead.take):
            await step(town, task)
        await state(town, task, "Paid")
        await town.pass_time(300)
        assert start - town.employer.wallet.balance == 20_200_000
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("slow", [False, True])
def test_paid_when_the_project_is_over(slow: bool) -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task, covers = await asked(town)
        if slow:
            town.node.network.faults = Faults(lose_requests=60, only=("cancel",))
        await ahead.part_ways(town, task)
        for each in covers:
            town.employer.wallet.pay(each.invoice.reveal())
        if slow:
            await counted(town, task, "funding.stray", 2)
            town.node.network.faults = Faults()
        await home(town, start)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("slow", [False, True])
def test_a_renewal_that_is_paid_when_the_project_is_over(slow: bool) -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task = await begun(town, on_hold_end="rollover then refund")
        for step in (accept(2), ahead.lock, ahead.to_renewal):
            await step(town, task)
        fresh = [each for each in task_of(town, task).fundings if each.replaces]
        if slow:
            town.node.network.faults = Faults(lose_requests=60, only=("cancel",))
        await ahead.part_ways(town, task)
        if not slow:
            await home(town, start)
            await town.pass_time(60)
        for each in fresh:
            town.employer.wallet.pay(each.invoice.reveal())
        if slow:
            await counted(town, task, "funding.stray", 2)
            town.node.network.faults = Faults()
        else:
            assert town.employer.wallet.balance == start, "it cannot be paid any more"
        await home(town, start)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize(
    ("amount", "sizes"),
    [
        (8_079_000, [8_079_000]),
        (8_081_000, [8_081_000]),
        (16_160_000, [16_160_000]),
        (8_080_000, [4_040_000, 4_040_000]),  # each below the smallest part
        (8_080_000, [8_079_999, 1]),
        (8_080_000, [897_000] * 9 + [7_000]),
    ],
)
def test_wrong_amounts_and_odd_parts_go_back(amount: int, sizes: list[int]) -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task, (_, whole) = await asked(town)
        town.employer.wallet.pay(whole.invoice.reveal(), parts=[Msat(each) for each in sizes], amount=Msat(amount))
        await town.pass_time(600)
        assert town.employer.wallet.balance == start
        assert "invoice.accepted" not in types(town, task)
        assert not task_of(town, task).covers
        await town.employer.say(f"deposit {task} accept")
        await town.pass_time(60)
        await ahead.lock(town, task)
        assert "covers" in (await entry(town, task, "invoice.accepted"))["facts"]
        await ahead.part_ways(town, task)
        await home(town, start)
        await sound(town)

    run_virtually(life())


def test_accepted_all_day() -> None:
    """So many invoices for each milestone in a day, and then a wait; the next day it goes on."""

    async def life() -> None:
        town = await a_town()
        task = await begun(town, ahead.PLAN.replace("20h", "50h"))
        for _ in range(3):
            await accept(2)(town, task)
            await ahead.wait_out(town, task)
        since = len(await town.employer.read())
        await town.employer.say(f"deposit {task} accept")
        await told(town, town.employer, "invoices", since=since)
        await unmoved(town, task)
        assert len(task_of(town, task).fundings) == 6
        await town.pass_time(19 * 3600)
        await accept(2)(town, task)
        await ahead.lock(town, task)
        await sound(town)

    run_virtually(life())


def test_answered_while_the_invoices_are_being_made() -> None:
    async def life() -> None:
        town = await a_town()
        task = await begun(town)
        town.node.network.faults = Faults(lose_requests=6, only=("make_hold",))
        await town.employer.say(f"deposit {task} accept")
        await entry(town, task, "deposit.accepted")
        for words in ("accept", "later", "decline", "accept"):
            await town.pass_time(1)
            await town.employer.say(f"deposit {task} {words}")
        await counted(town, task, "deposit.declined", 1)
        town.node.network.faults = Faults()
        await counted(town, task, "invoice.created", 2)
        await unmoved(town, task)
        assert types(town, task).count("deposit.accepted") == 1
        await ahead.lock(town, task)
        await sound(town)

    run_virtually(life())


def test_declined_all_day_is_on_record_once() -> None:
    async def life() -> None:
        town = await a_town()
        task = await begun(town)
        for _ in range(5):
            await town.employer.say(f"deposit {task} decline")
            await town.pass_time(5)
        assert types(town, task).count("deposit.declined") == 1
        await accept(2)(town, task)
        await ahead.decline(town, task)
        await town.employer.say(f"deposit {task} decline")
        await town.pass_time(60)
        assert types(town, task).count("deposit.declined") == 2
        await sound(town)

    run_virtually(life())


def test_a_paused_house_makes_no_invoices_of_a_deposit() -> None:
    """What is open may still be paid."""

    async def life() -> None:
        town = await a_town()
        task = await begun(town)
        assert await town.life.by_hand("pause")
        await town.employer.say(f"deposit {task} accept")
        await told(town, town.employer, "paused|no new")
        await unmoved(town, task)
        assert await town.life.by_hand("resume")
        await accept(2)(town, task)
        assert await town.life.by_hand("pause")
        await ahead.lock(town, task)
        await sound(town)

    run_virtually(life())


def test_room_for_the_deposit_alone_is_enough() -> None:
    """What the rest of its milestone costs is nothing that is asked for now."""

    async def life() -> None:
        town = await a_town(settings=Settings(liquidity=LiquiditySettings(max_held_sat=5_000)))
        task = await ahead.posted(town, **(LATER | {"deposit_percent": 25}))
        for step in (ahead.hire, cut(), ahead.begin, accept(1), ahead.lock):
            await step(town, task)
        await sound(town)

    run_virtually(life())
