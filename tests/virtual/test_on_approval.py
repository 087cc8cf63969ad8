"""Work before money, through public doors: it begins without a payment, and is paid for when it is approved."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kinds.units import Msat
from tests.virtual.lives import HASH, a_town, entry, offered, sound, state, task_of, told
from tests.virtual.loop import run_virtually
from tests.virtual.market import Market
from tests.virtual.test_prices import posted, town_with
from tests.virtual.test_projects import AMOUNTS, NEAR, counted, plan_of, types
from tests.virtual.world import Town

LATER: dict[str, Any] = {"order": "hire_first", "funding": "on_approval"}
COST = (
    sum(amount + max(10, -(-amount // 100)) for amount in AMOUNTS) * 1000
)  # of the four milestones, with their fee budgets


async def begun(town: Town, **terms: Any) -> str:
    """Full payment is selected, and the work begins."""
    task = await offered(town, sat=20_000, **(LATER | terms))
    await town.worker.say(f"claim {task}")
    await entry(town, task, "task.accepted")
    await town.employer.say(f"select {task} full")
    await state(town, task, "Claimed")
    return task


async def delivered(town: Town, task: str, number: int = 1) -> None:
    since = len(await town.employer.read())
    await town.worker.say(f"submit {task} https://example.org/part{number}.zip {HASH} part {number}")
    await counted(town, task, "proof.submitted", number)
    await told(town, town.employer, "approve", since=since)
    await town.pass_time(30)


async def approved(town: Town, task: str, number: int = 1) -> str:
    """The invoice that comes by itself."""
    since = len(await town.employer.read())
    await town.employer.say(f"approve {task}")
    await counted(town, task, "proof.verified", number)
    return await the_invoice(town, since)


async def the_invoice(town: Town, since: int) -> str:
    card = await told(town, town.employer, r"(?i)lightning:lnplay", since=since)
    found = re.search(r"(?i)lnplay[0-9a-z]+", card)
    assert found, card
    return found.group(0).lower()


async def paid(town: Town, task: str, invoice: str, number: int = 1) -> None:
    town.employer.wallet.pay(invoice)
    await counted(town, task, "invoice.accepted", number)
    await sent(town, task, number)


async def sent(town: Town, task: str, number: int = 1) -> None:
    """The worker names where he is paid, and is."""
    owed = Msat(town.state_of(task)["net_msat"])
    await town.worker.say(f"payout {task} {town.worker.wallet.invoice(owed, expiry=30 * 86400)}")
    await counted(town, task, "settlement.completed", number)


async def a_life(town: Town) -> str:
    start = town.employer.wallet.balance, town.worker.wallet.balance
    task = await begun(town)
    await delivered(town, task)
    await paid(town, task, await approved(town, task))
    await state(town, task, "Paid")
    spent, got = start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]
    assert (spent, got) == (20_200_000, 20_000_000)
    await sound(town)
    return task


async def projected(town: Town, **terms: Any) -> str:
    """Four milestones are agreed on: the work on the first one has begun."""
    task = await offered(town, sat=20_000, **(LATER | terms))
    await town.worker.say(f"claim {task}")
    await entry(town, task, "task.accepted")
    await town.worker.say(f"milestones {task} {NEAR}")
    await entry(town, task, "plan.proposed")
    await town.employer.say(f"agree {task} {plan_of(town, task)}")
    await counted(town, task, "task.claimed", 1)
    return task


async def a_project(town: Town) -> str:
    """The four milestones, agreed on in a talk; the second one is refused once."""
    start = town.employer.wallet.balance, town.worker.wallet.balance
    task = await projected(town)
    proofs = 0
    for number in range(1, 5):
        proofs += 1
        await delivered(town, task, proofs)
        if number == 2:
            await town.employer.say(f"reject {task} the errors are not handled")
            await counted(town, task, "proof.rejected", 1)
            proofs += 1
            await delivered(town, task, proofs)
        await paid(town, task, await approved(town, task, number), number)
    await state(town, task, "Paid")
    spent, got = start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]
    assert (spent, got) == (COST, 20_000_000)
    await sound(town)
    return task


def test_the_work_begins_without_money_and_is_paid_for_when_it_is_approved() -> None:
    async def life() -> None:
        town = await a_town()
        task = await a_life(town)
        assert types(town, task) == [
            "task.created", "task.accepted", "task.claimed", "proof.submitted", "proof.verified", "invoice.created",
            "invoice.accepted", "settlement.started", "settlement.completed",
        ]  # fmt: skip
        await told(town, town.worker, "Nothing is held yet")
        await town.employer.say(f"receipt {task}")
        await told(town, town.employer, "FULL_PAYMENT|paid")

    run_virtually(life())


def test_four_milestones_that_are_paid_for_on_approval() -> None:
    async def life() -> None:
        town = await a_town()
        task = await a_project(town)
        found = types(town, task)
        assert (
            found.count("task.claimed") == found.count("invoice.accepted") == found.count("settlement.completed") == 4
        )
        await told(town, town.employer, "Project complete")

    run_virtually(life())


def test_four_milestones_in_rupees() -> None:
    """Each is turned into sats when it is approved, by the rate of that moment."""

    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town, 'post 20000 INR "A shop" deadline=3d order=hire_first funding=on_approval')
        start = town.worker.wallet.balance
        await town.worker.say(f"claim {task}")
        await entry(town, task, "task.accepted")
        await town.worker.say(f"milestones {task} {NEAR}")
        await entry(town, task, "plan.proposed")
        await town.employer.say(f"agree {task} {plan_of(town, task)}")
        await counted(town, task, "task.claimed", 1)
        for number in range(1, 5):
            await delivered(town, task, number)
            await paid(town, task, await approved(town, task, number), number)
        await state(town, task, "Paid")
        created = [each["facts"] for each in town.log_of(task) if each["type"] == "invoice.created"]
        assert [facts["price"] for facts in created] == [f"{amount}.00" for amount in AMOUNTS]
        assert town.worker.wallet.balance - start == sum(facts["reward_msat"] for facts in created)
        await sound(town)

    run_virtually(life())


def test_what_is_not_paid_is_on_record_and_nobody_has_lost_a_payment() -> None:
    """The invoice ran out, was asked for again, and nobody paid for two days."""

    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await begun(town)
        await delivered(town, task)
        await approved(town, task)
        await town.pass_time(3600)
        await counted(town, task, "invoice.expired", 1)
        since = len(await town.employer.read())
        await town.employer.say(f"fund {task}")
        await the_invoice(town, since)
        await town.pass_time(2 * 86400)
        await state(town, task, "Expired")
        last = town.log_of(task)[-2:]
        assert [each["type"] for each in last] == ["payment.missed", "task.expired"]
        assert last[1]["facts"]["mark"] == town.employer.pubkey
        await told(town, town.worker, "were not paid, which is on record for the employer")
        assert (town.employer.wallet.balance, town.worker.wallet.balance) == start
        await sound(town)

    run_virtually(life())


def test_signed_words_do_the_same() -> None:
    async def life() -> None:
        town = await a_town()
        task = await offered(town, sat=20_000, min_evidence="signed", **LATER)
        await town.worker.decide(task, "claim", (await entry(town, task, "task.created"))["id"])
        base = (await entry(town, task, "task.accepted"))["id"]
        await town.worker.decide(task, "select", base, structure="full")  # it is not for him to say
        await town.pass_time(60)
        assert types(town, task)[-1] == "task.accepted"
        await town.employer.decide(task, "select", base, structure="full")
        await state(town, task, "Claimed")
        assert (await entry(town, task, "task.claimed"))["proven"] == "signed"
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("what", [a_life, a_project])
@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_each_passage(where: str, what: Any) -> None:
    """At every so many commits of a life, in turn before and after it."""
    step = 11 if what is a_life else 29

    async def life(at: int = 0) -> int:
        town = Town(seed=at)
        await town.start()
        first = town.commits
        if at and where == "before":
            town.die_before = first + at
        elif at:
            town.die_after = first + at
        await what(town)
        return town.commits - first

    for at in range(1 if where == "before" else 6, run_virtually(life()) + 1, step):
        try:
            run_virtually(life(at))
        except BaseException as error:
            raise AssertionError(f"killed {where} commit {at}") from error


def test_an_agreed_part_is_all_that_is_asked_for() -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await begun(town)
        await town.worker.say(f"cancel {task} 40")
        await entry(town, task, "cancel.offered")
        since = len(await town.employer.read())
        await town.employer.say(f"cancel {task} 40")
        town.employer.wallet.pay(await the_invoice(town, since))
        await state(town, task, "Verified")
        owed = task_of(town, task).share_amount
        assert owed == 8_000_000
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(owed, expiry=30 * 86400)}")
        await state(town, task, "Paid")
        assert start[0] - town.employer.wallet.balance == 8_200_000
        assert town.worker.wallet.balance - start[1] == 8_000_000
        await sound(town)

    run_virtually(life())
