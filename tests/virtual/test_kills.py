"""The process dies before or after any single commit of a life, and the next one finishes it: nothing twice, nothing missing.

A commit is the only place where anything becomes durable, so these are all the moments that differ.
"""

from __future__ import annotations

import pytest

from tests.virtual.lives import HOLD, REWARD, claim, entry, invoiced, offered, sound, state
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town

HASH = "cd" * 32


async def paid_life(town: Town) -> None:
    """Everything is said once, as people do; what the dead process did not hear waits on the relay."""
    start = town.employer.wallet.balance, town.worker.wallet.balance
    task = await offered(town)
    invoice = await invoiced(town, task)
    town.employer.wallet.pay(invoice)
    await state(town, task, "Funded")
    await claim(town, task)
    await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
    await entry(town, task, "proof.submitted")
    await town.employer.say(f"approve {task}")
    await state(town, task, "Paid", within=1500)
    await entry(town, task, "settlement.completed")
    assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
    log = town.log_of(task)
    assert [each["seq"] for each in log] == list(range(1, 9)), [each["type"] for each in log]
    assert len({each["type"] for each in log}) == 8
    await sound(town)


def commits_of_a_life() -> int:
    async def life() -> int:
        town = Town()
        await town.start()
        first = town.commits
        await paid_life(town)
        return town.commits - first

    return run_virtually(life())


def kill_at(where: str, commits: range) -> None:
    async def life(at: int) -> None:
        town = Town(seed=at)
        await town.start()
        if where == "before":
            town.die_before = town.commits + at
        else:
            town.die_after = town.commits + at
        await paid_life(town)

    for at in commits:
        try:
            run_virtually(life(at))
        except BaseException as error:
            raise AssertionError(f"killed {where} commit {at}") from error


@pytest.mark.parametrize(("where", "first"), [("before", 1), ("after", 5)])
def test_killed_at_every_ninth_commit(where: str, first: int) -> None:
    kill_at(where, range(first, commits_of_a_life() + 1, 9))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("offset", range(4))
def test_killed_at_every_commit(where: str, offset: int) -> None:
    """Every fourth commit, in turn over the four cases, so that all of them are met."""
    kill_at(where, range(1 + offset, commits_of_a_life() + 1, 4))
