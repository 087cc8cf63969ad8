"""A memory older than the world, of a project: its milestones, the step from one to the next, and the amounts in a currency come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kinds.units import Msat
from tests.virtual.lives import HASH, a_town, entry, invoiced, offered, sound, state, stuck_inputs, task_of, told
from tests.virtual.loop import run_virtually
from tests.virtual.test_memory import open_again, restarted, stays_read_only
from tests.virtual.test_projects import counted, types
from tests.virtual.world import Town

Step = Callable[[Town, str], Awaitable[None]]
PLAN = '"One" 12000 20h: as we said; "Two" 8000 60h'


async def hire(town: Town, task: str) -> None:
    await town.worker.say(f"claim {task}")
    await entry(town, task, "task.accepted")


async def propose(town: Town, task: str) -> None:
    await town.worker.say(f"milestones {task} {PLAN}")
    await entry(town, task, "plan.proposed")


async def agree(town: Town, task: str) -> None:
    plan = (await entry(town, task, "plan.proposed"))["facts"]["plan"]
    await town.employer.say(f"agree {task} {plan[:12]}")
    await entry(town, task, "plan.agreed")


async def fund(town: Town, task: str) -> None:
    number = types(town, task).count("task.claimed") + 1
    town.employer.wallet.pay(await invoiced(town, task))
    await counted(town, task, "task.claimed", number)


async def deliver(town: Town, task: str, words: str = "") -> None:
    number = types(town, task).count("proof.submitted") + 1
    since = len(await town.employer.read())
    await town.worker.say(f"submit {task} https://example.org/{number}.zip {HASH} {words}".strip())
    await counted(town, task, "proof.submitted", number)
    await told(town, town.employer, "approve", since=since)
    await town.pass_time(30)


async def be_paid(town: Town, task: str, owed: Msat | None = None) -> None:
    """So much is owed, or all that the milestone brings."""
    number = types(town, task).count("settlement.completed") + 1
    proof = [each["id"] for each in town.log_of(task) if each["type"] == "proof.submitted"][-1]
    await town.employer.decide(task, "approve", proof)
    await counted(town, task, "proof.verified", number)
    owed = owed or Msat(town.state_of(task)["net_msat"])
    await town.worker.say(f"payout {task} {town.worker.wallet.invoice(owed, expiry=30 * 86400)}")
    await counted(town, task, "settlement.completed", number)


async def approve(town: Town, task: str) -> None:
    number = types(town, task).count("proof.verified") + 1
    proof = [each["id"] for each in town.log_of(task) if each["type"] == "proof.submitted"][-1]
    await town.employer.decide(task, "approve", proof)
    await counted(town, task, "proof.verified", number)


async def pay(town: Town, task: str) -> None:
    number = types(town, task).count("invoice.accepted") + 1
    town.employer.wallet.pay(await invoiced(town, task))
    await counted(town, task, "invoice.accepted", number)


async def take(town: Town, task: str) -> None:
    number = types(town, task).count("settlement.completed") + 1
    owed = Msat(town.state_of(task)["net_msat"])
    await town.worker.say(f"payout {task} {town.worker.wallet.invoice(owed, expiry=30 * 86400)}")
    await counted(town, task, "settlement.completed", number)


LATER: tuple[Step, ...] = (hire, propose, agree, deliver, approve, pay, take, deliver, approve, pay, take)
LIFE: tuple[Step, ...] = (hire, propose, agree, fund, deliver, be_paid, fund, deliver, be_paid)


@pytest.mark.parametrize(
    ("backed_up", "until"),
    [(0, 3), (0, 6), (1, 9), (2, 3), (2, 5), (2, 8), (3, 6), (4, 6), (5, 7), (6, 8), (6, 9), (8, 9)],
)
def test_a_backup_of_a_project_is_brought_to_any_later_moment(backed_up: int, until: int) -> None:
    run_virtually(restored(LIFE, backed_up, until, on_hold_end="rollover then refund"))


@pytest.mark.parametrize(
    ("backed_up", "until"),
    [(0, 3), (0, 5), (0, 6), (1, 10), (2, 4), (3, 5), (3, 6), (4, 5), (4, 7), (5, 6), (5, 9), (6, 8), (7, 10), (8, 9)],
)
def test_a_backup_of_one_that_is_paid_for_on_approval_too(backed_up: int, until: int) -> None:
    run_virtually(restored(LATER, backed_up, until, funding="on_approval"))


async def restored(steps: tuple[Step, ...], backed_up: int, until: int, gets: int = 20_000_000, **terms: Any) -> None:
    """Backed up before step `backed_up`, lost after step `until`, restored, recovered, and lived to its end; the worker then has so much."""
    town = await a_town()
    start = town.worker.wallet.balance
    task = await offered(town, sat=20_000, order="hire_first", **terms)
    backup = b""
    for number, step in enumerate(steps):
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
    known = task_of(town, task)
    assert (known.seq, known.at) == (len(there), min(types(town, task).count("settlement.completed"), 1))
    if until > 2:
        assert [each.reward for each in known.milestones] == [12_000_000, 8_000_000]
    assert known.unsure == (until > 0 and steps[until - 1] is pay)
    if known.unsure:  # whether somebody was paid meanwhile, only the operator can tell
        return
    for step in steps[until:]:
        await step(town, task)
    await state(town, task, "Paid")
    await town.pass_time(600)
    assert town.worker.wallet.balance - start == gets
    assert not stuck_inputs(town)
    await sound(town)
