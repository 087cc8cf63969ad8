"""Money in the daemon's books, as people meet it: what they are told, what they get, and that a crash changes none of it."""

from __future__ import annotations

from typing import Any

import pytest

from bot.config import Settings, TermsSettings
from bot.nodes.simnet import Faults
from kinds.lightning import HoldRef, HoldStatus
from kinds.units import Msat
from storage import books
from tests.virtual.lives import (
    HOLD,
    REWARD,
    a_town,
    claim,
    claimed,
    delivered,
    entry,
    funded,
    hold_of,
    incidents_of,
    invoiced,
    offered,
    sound,
    state,
    task_of,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town

DAY = 86400
BOOKS: dict[str, Any] = {"custody_mode": "ledger", "deadline": 25 * DAY}
BRIEF = Settings(terms=TermsSettings(hold_cltv=560, review_window=3600, dispute_days=2))


def locked(town: Town, task: str) -> int:
    with town.engine.begin() as tx:
        return books.balance(tx, f"locked:{task}")


async def at_node(town: Town, task: str) -> HoldStatus:
    hold = hold_of(town, task)
    return (await town.node.hold(HoldRef(hold.ref, hold.payment_hash))).status


async def moved(town: Town, start: tuple[int, int]) -> tuple[int, int]:
    return start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]


def money(town: Town) -> tuple[int, int]:
    return town.employer.wallet.balance, town.worker.wallet.balance


def test_weeks_of_work_is_kept_in_the_books_and_paid() -> None:
    async def life() -> None:
        town = await a_town()
        start = money(town)
        task = await offered(town, **BOOKS)
        await told(town, town.employer, "when a worker claims it")
        assert town.state_of(task)["custody_mode"] == "lightning_self"
        invoice = await invoiced(town, task)
        town.employer.wallet.pay(invoice)
        await state(town, task, "Funded")
        assert await at_node(town, task) is HoldStatus.HELD
        await claim(town, task)
        await told(town, town.worker, "into my books now")
        await entry(town, task, "ledger.locked")
        assert await at_node(town, task) is HoldStatus.SETTLED
        assert locked(town, task) == HOLD
        assert town.state_of(task)["custody_mode"] == "ledger"
        await told(town, town.employer, "your proof of it is the preimage [0-9a-f]{64}")
        await told(town, town.worker, "are in my books now")
        await town.pass_time(20 * DAY)
        await town.worker.say(f"submit {task} https://example.org/page.zip {'ab' * 32} done")
        await entry(town, task, "proof.submitted")
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        assert await moved(town, start) == (HOLD, REWARD)
        assert locked(town, task) == 0
        await sound(town)

    run_virtually(life())


def test_nobody_delivers_and_the_employer_withdraws_what_was_kept() -> None:
    async def life() -> None:
        town = await a_town()
        start = money(town)
        task = await claimed(town, custody_mode="ledger", deadline=3 * DAY)
        await entry(town, task, "ledger.locked")
        await state(town, task, "Expired", within=4 * DAY)
        await told(town, town.employer, "stand in your account")
        assert locked(town, task) == 0
        back = Msat(HOLD - 500_000)
        await town.employer.say(f"withdraw {town.employer.wallet.invoice(back)}")
        await told(town, town.employer, "out of your account")
        assert (await moved(town, start))[0] == HOLD - back
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("terms", ["ledger", "rollover then ledger"])
def test_a_dispute_outlasts_its_hold_and_is_ended_by_its_limit(terms: str) -> None:
    async def life() -> None:
        town = await a_town(settings=BRIEF)
        start = money(town)
        task = await delivered(town, on_hold_end=terms, deadline=10 * DAY)
        await town.worker.say(f"dispute {task} no answer")
        await state(town, task, "Disputed")
        town.node.network.mine(task_of(town, task).last_safe_height - town.node.network.height)
        await entry(town, task, "ledger.locked")
        assert town.states()[task] == "Disputed"
        town.node.network.mine(600)  # no height matters any more
        await town.pass_time(3600)
        assert town.states()[task] == "Disputed"
        await told(town, town.worker, "The dispute gives the money back", within=2 * DAY)
        await state(town, task, "Refunded", within=2 * DAY)
        assert (await moved(town, start))[0] == HOLD
        assert task_of(town, task).credit(town.employer.pubkey) == HOLD
        await sound(town)

    run_virtually(life())


def test_an_operator_who_does_not_offer_it_says_so() -> None:
    async def life() -> None:
        town = await a_town(settings=Settings(terms=TermsSettings(custody_modes=("lightning_self",))))
        for term in ("custody_mode=ledger", 'on_hold_end="rollover then ledger"'):
            since = len(await town.employer.read())
            await town.employer.say(f'post 5000 sats "Sort photos" deadline=2d {term}')
            await told(town, town.employer, "this operator does not offer that", since=since)

    run_virtually(life())


def test_a_task_without_these_terms_may_not_outlast_a_hold() -> None:
    async def life() -> None:
        town = await a_town()
        since = len(await town.employer.read())
        await town.employer.say('post 5000 sats "Sort photos" deadline=40d')
        await told(town, town.employer, "too far away", since=since)

    run_virtually(life())


@pytest.mark.parametrize("what", ["cancel", "freeze", "abandon", "dispute"])
def test_the_node_is_away_while_it_is_asked_to_settle(what: str) -> None:
    """Whatever is said meanwhile, the money ends in the books, or at the one whose it is."""

    async def life() -> None:
        town = await a_town()
        task = await funded(town, **BOOKS)
        town.node.network.faults = Faults(lose_requests=1000, only=("settle",))
        await claim(town, task)
        await town.pass_time(60)
        assert await at_node(town, task) is HoldStatus.HELD
        match what:
            case "cancel":
                await town.employer.say(f"cancel {task} 0")
                await entry(town, task, "cancel.offered")
                await town.worker.say(f"cancel {task} 0")
                await entry(town, task, "refund.started")
            case "freeze":
                await town.dispatch.by_hand(f"freeze {task}")
                await entry(town, task, "task.frozen")
            case "abandon":
                await town.worker.say(f"abandon {task}")
                await state(town, task, "Funded")
            case "dispute":
                await town.worker.say(f"dispute {task} no")
                await state(town, task, "Disputed")
        await town.restart()
        town.node.network.faults = Faults()
        await entry(town, task, "ledger.locked", within=600)
        assert locked(town, task) == (0 if what == "cancel" else HOLD)
        assert (await at_node(town, task)) is HoldStatus.SETTLED
        assert incidents_of(town) == []
        await sound(town)

    run_virtually(life())


async def _booked_life(town: Town) -> None:
    start = money(town)
    task = await claimed(town, **BOOKS)
    await entry(town, task, "ledger.locked", within=1500)
    await town.worker.say(f"submit {task} https://example.org/page.zip {'ab' * 32} done")
    await entry(town, task, "proof.submitted")
    await town.employer.say(f"approve {task}")
    await state(town, task, "Paid", within=1500)
    assert await moved(town, start) == (HOLD, REWARD)
    types = [each["type"] for each in town.log_of(task)]
    assert len(types) == len(set(types)) == 9, types
    await sound(town)


@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_every_fifth_commit(where: str) -> None:
    async def count() -> int:
        town = await a_town()
        first = town.commits
        await _booked_life(town)
        return town.commits - first

    async def life(at: int) -> None:
        town = Town(seed=at)
        await town.start()
        setattr(town, f"die_{where}", town.commits + at)
        await _booked_life(town)

    for at in range(2 if where == "before" else 4, run_virtually(count()) + 1, 5):
        try:
            run_virtually(life(at))
        except BaseException as error:
            raise AssertionError(f"killed {where} commit {at}") from error
