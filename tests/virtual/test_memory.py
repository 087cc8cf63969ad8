"""A memory older than the world: a restored backup is recognised before anything happens, stays read-only, and is brought up to date;
then the life goes on to its end, nobody is paid twice and no chain is forked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.nodes.simnet.faults import Faults
from kinds.lightning import PaymentStatus
from kinds.units import Msat
from storage import memory
from tests.virtual.lives import (
    HASH,
    HOLD,
    REWARD,
    a_town,
    claim,
    entry,
    in_books,
    incidents_of,
    invoiced,
    offered,
    sound,
    state,
    stuck_inputs,
    task_of,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town

Step = Callable[[Town, str], Awaitable[None]]


def money(town: Town) -> tuple[int, int]:
    return town.employer.wallet.balance, town.worker.wallet.balance


async def restarted(town: Town, backup: bytes) -> None:
    await town.kill()
    town.restore(backup)
    await town.start()


async def sealed(town: Town, within: float = 60.0) -> memory.Seal:
    """The daemon says that it is read-only."""

    async def there() -> memory.Seal | None:
        return town.life.seal

    return await town.until(there, within)


def published(town: Town) -> set[str]:
    """Everything by the daemon that stands on any relay."""
    return {event.id for relay in town.relays for event in relay.events.values() if event.pubkey == town.bot}


async def stays_read_only(town: Town) -> None:
    """Nothing is signed for ever, nothing moves, whatever people say and however long it takes; also after a restart."""
    await sealed(town)
    before, there = published(town), money(town)
    log = {task: len(town.log_of(task)) for task in town.states()}
    await town.employer.say("tasks")
    await town.pass_time(900)
    await town.restart()
    await sealed(town)
    await town.pass_time(900)
    assert (published(town), money(town)) == (before, there)
    assert {task: len(town.log_of(task)) for task in town.states()} == log
    assert "recover" in town.life.closed
    assert await town.life.by_hand("pause") is None
    assert [code for code in incidents_of(town) if code == "memory_older"]


async def open_again(town: Town) -> None:
    await town.kill()
    await town.recover()
    await town.start()

    async def opened() -> bool:
        return town.life.dispatch is not None

    await town.until(opened, 60)


async def nothing(town: Town, task: str) -> None:
    pass


async def fund(town: Town, task: str) -> None:
    town.employer.wallet.pay(await invoiced(town, task))
    await state(town, task, "Funded")


async def be_claimed(town: Town, task: str) -> None:
    await claim(town, task)


async def deliver(town: Town, task: str) -> None:
    await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
    await entry(town, task, "proof.submitted")


async def approve(town: Town, task: str) -> None:
    """The payout begins, and the payee holds it."""
    town.node.network.faults = Faults(payout_stuck=True)
    await town.employer.say(f"approve {task}")
    await entry(town, task, "proof.verified")
    await in_books(town, task, "in_flight")
    town.node.network.faults = Faults()


async def be_paid(town: Town, task: str) -> None:
    for payment in town.node.network.book.payments("@node"):
        if payment.status is PaymentStatus.IN_FLIGHT:
            town.node.network.release(payment.hash)
    await state(town, task, "Paid")


LIFE: tuple[Step, ...] = (fund, be_claimed, deliver, approve, be_paid)


@pytest.mark.parametrize("backed_up", range(5))
@pytest.mark.parametrize("until", range(1, 6))
def test_a_backup_of_any_moment_is_brought_to_any_later_one(backed_up: int, until: int) -> None:
    """Backed up before step `backed_up` of a life, lost after step `until`, restored, recovered, and lived to its end."""
    if until <= backed_up:
        pytest.skip("a backup is older than what it is restored into")

    async def life() -> None:
        town = await a_town()
        start = money(town)
        task = await offered(town)
        backup = b""
        for number, step in enumerate(LIFE):
            if number == backed_up:
                await town.pass_time(30)
                backup = town.backup()
            if number == until:
                break
            await step(town, task)
        await town.pass_time(30)
        there = town.log_of(task)
        await restarted(town, backup)
        await stays_read_only(town)
        await open_again(town)
        assert town.log_of(task) == there
        assert task_of(town, task).seq == len(there)
        if task_of(town, task).unsure:
            assert (until, backed_up < 2) == (4, True), "the destination came with the claim, after the backup"
            await town.kill()
            [payment] = town.node.network.book.payments("@node")
            await town.tell_paid(task, payment.hash)
            await town.start()
        for step in LIFE[until:]:
            if step is approve and not task_of(town, task).destination:
                await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(REWARD), expiry=30 * 86400)}")
                await told(town, town.worker, "I have your invoice")
            await step(town, task)
        await town.pass_time(600)
        assert town.states()[task] == "Paid"
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        assert not stuck_inputs(town)
        await sound(town)

    run_virtually(life())
