"""Settlement in rounds: under load paid workers do not wait, the settles of their holds do, for a common moment and never into danger."""

from __future__ import annotations

import asyncio

import pytest

from bot.config import Settings, SettlementSettings
from kinds.lightning import HoldRef, HoldStatus
from tests.virtual.lives import (
    SHORT,
    a_town,
    approved,
    delivered,
    entry,
    hold_of,
    in_books,
    share_of,
    sound,
    state,
    to_margin,
)
from tests.virtual.loop import run_virtually
from tests.virtual.test_money_recovery import in_flight, on_chain
from tests.virtual.world import Town

ROUND = 300
ROUNDS = SettlementSettings(batch_seconds=ROUND, batch_from=2)
BUSY = Settings(settlement=ROUNDS)
NEAR = SHORT.model_copy(update={"settlement": SettlementSettings(batch_seconds=ROUND, batch_from=1)})


async def _is_held(town: Town, task: str) -> bool:
    hold = hold_of(town, task)
    view = await town.node.hold(HoldRef(hold.ref, hold.payment_hash))
    return view.status is HoldStatus.HELD


async def _between_rounds(town: Town) -> None:
    """Soon after a round, so that the next one is nearly its whole length away."""

    async def begun() -> bool:
        return town.time % ROUND == 5

    await town.until(begun, ROUND * 4)


def test_under_load_settles_wait_for_their_round_and_workers_do_not() -> None:
    async def story() -> None:
        town = await a_town(settings=BUSY)
        tasks = [await delivered(town, d=f"job{n}") for n in range(4)]
        await _between_rounds(town)
        for task in tasks:
            await town.employer.say(f"approve {task}")
            await in_books(town, task, "complete", 60)
        paid_at = town.time
        assert paid_at % ROUND < ROUND - 60
        first, *others = tasks
        await state(town, first, "Paid", 30)  # alone it was no load
        assert [await _is_held(town, task) for task in others] == [True] * 3
        for task in others:
            await entry(town, task, "settlement.completed", ROUND)
        done = [(await entry(town, task, "settlement.completed"))["time"] for task in others]
        assert all(0 <= at % ROUND <= 5 for at in done), done
        assert max(done) - min(done) <= 5
        await sound(town)

    run_virtually(story())


def test_a_hold_near_its_end_does_not_wait() -> None:
    """The payee keeps his payment waiting until E - M is near, and takes it then."""

    async def story() -> None:
        town = await a_town(settings=NEAR)
        task = await in_flight(town)
        on_chain(town, task)
        await _between_rounds(town)
        to_margin(town, task, before=10)
        began = town.time
        town.node.network.release(share_of(town, task).payment_hash)
        await entry(town, task, "settlement.completed", 120)
        assert town.time - began < ROUND - 60
        assert town.log_of(task)[-2]["facts"]["reason"] == "paid"
        await sound(town)

    run_virtually(story())


@pytest.mark.parametrize("wait", [20, ROUND])
def test_a_settle_that_waits_outlives_the_process(wait: int) -> None:
    async def story() -> None:
        town = await a_town(settings=BUSY)
        tasks = [await delivered(town, d=f"job{n}") for n in range(3)]
        await _between_rounds(town)
        for task in tasks:
            await town.employer.say(f"approve {task}")
            await in_books(town, task, "complete", 60)
        await town.kill()
        await asyncio.sleep(wait)
        await town.start()
        for task in tasks:
            await entry(town, task, "settlement.completed", ROUND + 60)
        await town.pass_time(300)  # until the outage is public
        await sound(town)

    run_virtually(story())


def test_without_load_or_without_rounds_everything_is_settled_at_once() -> None:
    async def story() -> None:
        town = await a_town()
        tasks = [await approved(town, d=f"job{n}") for n in range(3)]
        for task in tasks:
            await state(town, task, "Paid", 30)
        await sound(town)

    run_virtually(story())
