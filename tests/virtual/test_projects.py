"""Projects through public doors: hired, cut into milestones in a talk of two, and paid one after the other."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from kinds.events import RECORD
from kinds.units import Msat
from tests.virtual.lives import HASH, a_town, entry, invoiced, offered, sound, state, told
from tests.virtual.loop import run_virtually
from tests.virtual.market import INR, Market
from tests.virtual.test_prices import posted, town_with
from tests.virtual.world import Person, Town

PLAN = '"UI design" 5000 20d: two pages; "Backend API" 8000 40d; "Frontend" 5000 60d; "Testing & QA" 2000 70d'
AMOUNTS = (5000, 8000, 5000, 2000)
TERMS: dict[str, Any] = {"order": "hire_first", "on_hold_end": "rollover then refund"}
NEAR = PLAN.replace("20d", "20h").replace("40d", "40h").replace("60d", "60h").replace("70d", "70h")


def types(town: Town, task: str) -> list[str]:
    return [each["type"] for each in town.log_of(task)]


async def counted(town: Town, task: str, kind: str, count: int) -> None:
    async def there() -> bool:
        return types(town, task).count(kind) >= count

    await town.until(there, 1500)  # a payment that was perhaps never sent is waited for


async def hired(town: Town, **terms: Any) -> str:
    task = await offered(town, sat=20_000, **(TERMS | terms))
    await town.worker.say(f"claim {task}")
    await entry(town, task, "task.accepted")
    return task


async def planned(town: Town, plan: str = NEAR, **terms: Any) -> str:
    task = await hired(town, **terms)
    await told(town, town.worker, "Full payment")
    await town.worker.say(f"milestones {task} {plan}")
    card = await told(town, town.employer, "Milestones, proposed by")
    found = re.search(r"agree \w+ ([0-9a-f]{12})", card)
    assert found, card
    await town.employer.say(f"agree {task} {found[1]}")
    await entry(town, task, "plan.agreed")
    return task


async def lived(town: Town, task: str, number: int) -> None:
    """One milestone from its money to its release."""
    town.employer.wallet.pay(await invoiced(town, task))
    await counted(town, task, "task.claimed", number)
    since = len(await town.employer.read())
    await town.worker.say(f"submit {task} https://example.org/part{number}.zip {HASH} part {number}")
    await counted(town, task, "proof.submitted", number)
    await told(town, town.employer, "approve", since=since)
    await town.pass_time(30)
    await town.employer.say(f"approve {task}")
    await counted(town, task, "proof.verified", number)
    owed = Msat(AMOUNTS[number - 1] * 1000)
    await town.worker.say(f"payout {task} {town.worker.wallet.invoice(owed, expiry=30 * 86400)}")
    await counted(town, task, "settlement.completed", number)


async def a_project(town: Town) -> str:
    start = town.employer.wallet.balance, town.worker.wallet.balance
    task = await planned(town)
    for number in range(1, 5):
        await lived(town, task, number)
    await state(town, task, "Paid")
    spent, got = start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]
    assert (spent, got) == (sum(amount + max(10, -(-amount // 100)) for amount in AMOUNTS) * 1000, 20_000_000)
    await sound(town)
    return task


def test_four_milestones_of_twenty_thousand() -> None:
    async def life() -> None:
        town = await a_town()
        task = await a_project(town)
        found = types(town, task)
        assert found.count("invoice.created") == found.count("task.claimed") == found.count("settlement.completed") == 4
        card = await told(town, town.employer, "Project complete")
        assert card.count("https://example.org/part") == 4
        assert "4/4" in card
        await town.worker.say(f"status {task}")
        await told(town, town.worker, r"✅ 4\. Testing & QA")

    run_virtually(life())


@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_each_passage(where: str) -> None:
    """At every eleventh commit of a project, in turn before and after it."""

    async def life(at: int = 0) -> int:
        town = Town(seed=at)
        await town.start()
        first = town.commits
        if at and where == "before":
            town.die_before = first + at
        elif at:
            town.die_after = first + at
        await a_project(town)
        return town.commits - first

    for at in range(1 if where == "before" else 6, run_virtually(life()) + 1, 11):
        try:
            run_virtually(life(at))
        except BaseException as error:
            raise AssertionError(f"killed {where} commit {at}") from error


@pytest.mark.parametrize("title", ['"' * 40, "\U0001f600" * 10])
def test_the_longest_plan_fits_into_a_letter(title: str) -> None:
    """Each word of it: whoever is to agree sees all of it."""

    async def life() -> None:
        town = await a_town()
        task = await hired(town)
        parts = [{"title": title, "amount": 200, "due": 1_800_100_000 + number} for number in range(100)]
        await town.worker.say(json.dumps({"v": 1, "action": "milestones", "task": task, "milestones": parts}))
        card = await told(town, town.employer, "Milestones, proposed by")
        assert card.count(title) == 100
        await town.employer.say(json.dumps({"v": 1, "action": "agree", "task": task, "plan": plan_of(town, task)}))
        await told(town, town.employer, '"code":"plan_agreed"')
        await sound(town)

    run_virtually(life())


def plan_of(town: Town, task: str) -> str:
    return str([each for each in town.log_of(task) if each["type"] == "plan.proposed"][-1]["facts"]["plan"])


def test_the_plan_as_signed_decisions() -> None:
    """Proposed and agreed to by signature: the hash stands in the log, and the verifier reads both."""

    async def life() -> None:
        town = await a_town()
        task = await hired(town)
        base = (await entry(town, task, "task.accepted"))["id"]
        parts = [
            {"title": "One", "amount": 12_000, "due": "20h", "description": "as we said"},
            {"title": "Two", "amount": 8_000, "due": "40h"},
        ]
        await town.worker.decide(task, "milestones", base, milestones=parts)
        proposed = await entry(town, task, "plan.proposed")
        plan = json.loads(proposed["content"])["facts"]["plan"] if "content" in proposed else proposed["facts"]["plan"]
        await town.employer.decide(task, "agree", proposed["id"], plan=plan)
        agreed = await entry(town, task, "plan.agreed")
        assert agreed["proven"] == "signed"
        await sound(town)

    run_virtually(life())


def test_a_plan_is_judged_by_the_rate_at_which_it_was_proposed() -> None:
    """An invoice over the whole, at another rate, came and went before the other side agreed."""

    async def life() -> None:
        market = Market()
        town = await town_with(market)
        offer = 'post 4000 INR "A page" deadline=3d order=hire_first on_hold_end="rollover then refund"'
        task, other = await posted(town, offer), Person(town, "other", 14)
        await town.worker.say(f"claim {task}")
        await entry(town, task, "task.accepted")
        await town.worker.say(f"milestones {task} One 1600 20h; Two 2400 40h")
        await entry(town, task, "plan.proposed")
        market.all_say(INR * 11 // 10)
        await town.pass_time(120)
        await invoiced(town, task)
        await town.pass_time(900)
        await counted(town, task, "invoice.expired", 1)
        await town.employer.say(f"agree {task} {plan_of(town, task)}")
        await entry(town, task, "plan.agreed")
        await town.worker.say(f"abandon {task}")
        await entry(town, task, "task.abandoned")
        await other.say(f"claim {task}")
        await counted(town, task, "task.accepted", 2)
        await other.say(f"milestones {task} One 1000 20h; Two 3000 40h")
        await counted(town, task, "plan.proposed", 2)
        await town.employer.say(f"agree {task} {plan_of(town, task)}")
        await counted(town, task, "plan.agreed", 2)
        town.employer.wallet.pay(await invoiced(town, task))
        await counted(town, task, "task.claimed", 1)
        await sound(town)

    run_virtually(life())


def test_words_between_the_two_are_passed_on_and_never_published() -> None:
    async def life() -> None:
        town = await a_town()
        task = await hired(town)
        await town.worker.say(f"say {task} shall we begin with the zebra crossing?")
        await told(town, town.employer, "zebra crossing")
        assert not any("zebra" in json.dumps(event) for event in town.public_events() if event["kind"] == RECORD)

    run_virtually(life())


def test_full_payment_is_chosen_by_asking_for_it() -> None:
    async def life() -> None:
        town = await a_town()
        task = await hired(town)
        await town.employer.say(f"options {task}")
        await told(town, town.employer, "A · Full payment")
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Claimed")
        since = len(await town.worker.read())
        await town.worker.say(f"milestones {task} {NEAR}")
        await told(town, town.worker, "does not fit now", since=since)
        await sound(town)

    run_virtually(life())


def test_four_milestones_in_rupees() -> None:
    """The module's own example, 20,000 INR in four milestones: each is turned into sats by the rate of its own invoice."""

    async def life() -> None:
        town = await a_town()
        worker, employer = town.worker, town.employer
        await employer.say('post 20000 INR "A shop" deadline=3d order=hire_first on_hold_end="rollover then refund"')
        found = re.search(r"its id is (\w+)", await told(town, employer, "its id is"))
        assert found
        task = found[1]
        await worker.say(f"claim {task}")
        await entry(town, task, "task.accepted")
        await worker.say(f"milestones {task} {NEAR.replace('8000', '8001')}")
        await told(town, worker, "come to 20,001 INR, and the project is 20,000 INR")
        await worker.say(f"milestones {task} {NEAR}")
        card = await told(town, employer, "Milestones, proposed by")
        assert "5,000 INR" in card
        agree = re.search(r"agree \w+ ([0-9a-f]{12})", card)
        assert agree, card
        await employer.say(f"agree {task} {agree[1]}")
        await entry(town, task, "plan.agreed")
        start = worker.wallet.balance
        for number in range(1, 5):
            employer.wallet.pay(await invoiced(town, task))
            await counted(town, task, "task.claimed", number)
            since = len(await employer.read())
            await worker.say(f"submit {task} https://example.org/part{number}.zip {HASH} part {number}")
            await counted(town, task, "proof.submitted", number)
            await told(town, employer, "approve", since=since)
            await town.pass_time(30)
            await employer.say(f"approve {task}")
            await counted(town, task, "proof.verified", number)
            owed = Msat(town.state_of(task)["net_msat"])
            await worker.say(f"payout {task} {worker.wallet.invoice(owed, expiry=30 * 86400)}")
            await counted(town, task, "settlement.completed", number)
        await state(town, task, "Paid")
        created = [each["facts"] for each in town.log_of(task) if each["type"] == "invoice.created"]
        assert [facts["price"] for facts in created] == [f"{amount}.00" for amount in AMOUNTS]
        assert worker.wallet.balance - start == sum(facts["reward_msat"] for facts in created)
        await sound(town)

    run_virtually(life())
