"""The acceptance criteria of the project payment module, one by one, as two people meet them in their messages."""

from __future__ import annotations

import json

import pytest

from tests.virtual.lives import HASH, a_town, entry, invoiced, sound, state, told
from tests.virtual.loop import run_virtually
from tests.virtual.market import Market
from tests.virtual.test_deposits import a_large_town, invoices, locked
from tests.virtual.test_on_approval import LATER, approved, delivered, paid, projected
from tests.virtual.test_prices import posted, town_with
from tests.virtual.test_projects import NEAR, counted, hired, lived, plan_of, planned, types
from tests.virtual.test_records import kinds, opens, receipt

HALVES = "One 12000 20h; Two 8000 40h"


def test_the_structure_is_defined_by_both_together() -> None:
    """One proposes, the other one changes it, the first agrees; then it is locked for both."""

    async def life() -> None:
        town = await a_town()
        task = await hired(town)
        await told(town, town.employer, "A · Full payment")
        await town.worker.say(f"milestones {task} {NEAR}")
        first = await entry(town, task, "plan.proposed")
        await town.employer.say(f"milestones {task} {HALVES}")
        await counted(town, task, "plan.proposed", 2)
        await town.employer.say(f"agree {task} {first['facts']['plan']}")
        await told(town, town.employer, "not the newest proposal")
        await town.worker.say(f"agree {task} {plan_of(town, task)}")
        await entry(town, task, "plan.agreed")
        await town.pass_time(2)  # the very same message, at the same moment, would be the same question
        for person in (town.employer, town.worker):
            since = len(await person.read())
            await person.say(f"milestones {task} {NEAR}")
            await told(town, person, "agreed on and locked", since=since)
        assert types(town, task).count("plan.proposed") == 2
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize(
    "amounts", ["12000 7999", "12000 8001", "20000 0", "20001 -1", "NaN 8000", "1e4 10000", "Infinity 1", "19999.5 0.5"]
)
def test_the_sum_of_the_milestones_is_the_project(amounts: str) -> None:
    async def life() -> None:
        town = await a_town()
        task = await hired(town)
        one, two = amounts.split()
        since = len(await town.worker.read())
        await town.worker.say(f"milestones {task} One {one} 20h; Two {two} 40h")
        await told(town, town.worker, "(?i)nothing was done|come to|amount", since=since)
        assert "plan.proposed" not in types(town, task)
        await sound(town)

    run_virtually(life())


def test_nothing_is_released_before_it_is_approved() -> None:
    """Not before a delivery, not by the worker's own word, and no later milestone before the one whose turn it is."""

    async def life() -> None:
        town = await a_town()
        task = await planned(town)
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Claimed")
        start = town.worker.wallet.balance
        since = len(await town.employer.read())
        await town.employer.say(f"approve {task}")
        await told(town, town.employer, "does not fit now", since=since)
        await town.worker.say(f"submit {task} https://example.org/1.zip {HASH}")
        await entry(town, task, "proof.submitted")
        since = len(await town.worker.read())
        await town.worker.say(f"approve {task}")
        await told(town, town.worker, "employer", since=since)
        await town.pass_time(3600)
        assert town.worker.wallet.balance == start
        assert types(town, task)[-1] == "proof.submitted"
        await sound(town)

    run_virtually(life())


def test_rejected_work_is_delivered_again_and_then_paid() -> None:
    async def life() -> None:
        town = await a_town()
        task = await planned(town, HALVES, **LATER, on_hold_end="refund")
        await delivered(town, task)
        await town.employer.say(f"reject {task} some components are missing")
        await told(town, town.worker, "some components are missing")
        await counted(town, task, "proof.rejected", 1)
        await delivered(town, task, 2)
        await paid(town, task, await approved(town, task))
        found = types(town, task)
        assert found.index("proof.rejected") < found.index("proof.verified")
        await sound(town)

    run_virtually(life())


def test_all_files_are_handed_over_after_the_last_approval() -> None:
    async def life() -> None:
        town = await a_town()
        task = await planned(town)
        for number in range(1, 5):
            assert not any("Project complete" in each for each in await town.employer.read())
            await lived(town, task, number)
        card = await told(town, town.employer, "Project complete")
        assert [f"https://example.org/part{number}.zip" in card for number in range(1, 5)] == [True] * 4
        await sound(town)

    run_virtually(life())


def test_every_transaction_is_recorded_with_its_status() -> None:
    """What is asked for is pending, what is locked or paid a success, what ran out a failure; each with an id of its own."""

    async def life() -> None:
        town = await a_town()
        task = await planned(town)
        await lived(town, task, 1)
        await invoiced(town, task)
        shown = await receipt(town, town.employer, task)
        assert kinds(shown)[-1] == ("UPFRONT_ESCROW", "PENDING", 8_080_000)
        await town.pass_time(3700)
        await counted(town, task, "invoice.expired", 1)
        for number in range(2, 5):
            await lived(town, task, number)
        await state(town, task, "Paid")
        shown = await receipt(town, town.employer, task)
        statuses = [(kind, status) for kind, status, _ in kinds(shown)]
        assert statuses.count(("UPFRONT_ESCROW", "SUCCESS")) == statuses.count(("MILESTONE_PAYMENT", "SUCCESS")) == 4
        assert statuses.count(("UPFRONT_ESCROW", "FAILED")) == 1
        assert len({each["id"] for each in shown["transactions"]}) == len(statuses) == 9
        assert opens(shown)
        assert json.dumps(shown["transactions"])
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize(("price", "asked"), [("2999.99", False), ("3000", False), ("3000.01", True), ("20000", True)])
def test_a_deposit_is_suggested_only_above_three_thousand(price: str, asked: bool) -> None:
    """In the job's own currency, when the work begins."""

    async def life() -> None:
        town = await town_with(Market())
        task = await posted(town, f'post {price} INR "A shop" deadline=3d order=hire_first funding=on_approval')
        await town.worker.say(f"claim {task}")
        await entry(town, task, "task.accepted")
        assert not any("locking" in each for each in await town.employer.read())
        await town.employer.say(f"select {task} full")
        await state(town, task, "Claimed")
        await delivered(town, task)
        assert any(f"deposit {task} accept" in each for each in await town.employer.read()) == asked
        assert ("deposit.offered" in types(town, task)) == asked
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("answer", ["accept", "later", "decline", ""])
def test_the_deposit_is_taken_or_not_and_the_work_goes_on_either_way(answer: str) -> None:
    async def life() -> None:
        town = await a_large_town()
        task = await projected(town)
        if answer == "accept":
            await locked(town, task)
        elif answer:
            await town.employer.say(f"deposit {task} {answer}")
            await told(town, town.employer, "nothing is locked ahead")
        await delivered(town, task)
        town.employer.wallet.pay(await approved(town, task))
        await counted(town, task, "invoice.accepted", 3 if answer == "accept" else 1)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("how", ["no_proof", "agreed", "paid by nobody"])
def test_the_deposit_goes_back_when_the_work_is_not_done(how: str) -> None:
    async def life() -> None:
        town = await a_large_town()
        start = town.employer.wallet.balance
        task = await projected(town)
        if how == "paid by nobody":
            await invoices(town, task, 2)
        else:
            await locked(town, task)
            assert town.employer.wallet.balance < start
        if how == "agreed":
            for person in (town.worker, town.employer):
                await person.say(f"cancel {task} 0")
                await town.pass_time(60)
            await state(town, task, "Refunded")
        else:
            await state(town, task, "Expired", within=3 * 86400)

        async def back() -> bool | None:
            return town.employer.wallet.balance == start or None

        await town.until(back, 300)
        await sound(town)

    run_virtually(life())
