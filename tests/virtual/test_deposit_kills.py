"""The process dies before or after any single commit of a life with a deposit, and the next one finishes it: every end is the same, to the msat."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.virtual import ahead
from tests.virtual.ahead import FIRST, LATER, LONG, Step, accept, cut
from tests.virtual.lives import sound, state
from tests.virtual.loop import run_virtually
from tests.virtual.test_projects import NEAR
from tests.virtual.world import Town

_EACH = (ahead.deliver, ahead.due, ahead.pay, ahead.take)
LIVES: dict[str, tuple[dict[str, Any], tuple[Step, ...], str]] = {
    "four milestones on approval": (
        LATER | {"deposit_percent": 25},
        (
            ahead.hire,
            cut(NEAR),
            ahead.begin,
            accept(2),
            ahead.lock,
            *_EACH * 3,
            ahead.deliver,
            ahead.approve,
            ahead.take,
        ),
        "Paid",
    ),
    "up front, renewed": (
        FIRST | {"deposit_percent": 25, "on_hold_end": "rollover then refund"},
        (
            *(ahead.hire, cut(), ahead.fund, accept(1), ahead.lock, ahead.deliver, ahead.approve, ahead.take),
            *(ahead.to_renewal, ahead.renew, ahead.fund, ahead.deliver, ahead.approve, ahead.take),
        ),
        "Paid",
    ),
    "up front, the next one covered as a whole": (
        FIRST | {"deposit_percent": 40},
        (
            *(ahead.hire, cut(), ahead.fund, accept(1), ahead.lock, ahead.deliver, ahead.approve, ahead.take),
            *(ahead.deliver, ahead.approve, ahead.take),
        ),
        "Paid",
    ),
    "a full payment with a part covered": (
        LATER | {"deposit_percent": 25},
        (ahead.hire, ahead.select, accept(1), ahead.lock, *_EACH),
        "Paid",
    ),
    "a missed payment": (
        LATER | {"deposit_percent": 25},
        (ahead.hire, ahead.select, accept(1), ahead.lock, ahead.deliver, ahead.due, ahead.miss, ahead.take),
        "Expired",
    ),
    "parted": (
        LATER | {"deposit_percent": 50},
        (ahead.hire, cut(), ahead.begin, accept(2), ahead.lock, ahead.part_ways),
        "Refunded",
    ),
    "lost and returned": (
        LATER | {"deposit_percent": 50},
        (ahead.hire, cut(), ahead.begin, accept(2), ahead.lock, ahead.lose, ahead.to_end, *_EACH, *_EACH),
        "Paid",
    ),
    "into the books": (
        LATER | {"deposit_percent": 50, "on_hold_end": "ledger"},
        (
            *(ahead.hire, cut(), ahead.begin, accept(2), ahead.lock, ahead.to_books),
            *(*_EACH, ahead.deliver, ahead.approve, ahead.take),
        ),
        "Paid",
    ),
    "into the books at once": (
        FIRST | {"deposit_percent": 25, "custody_mode": "ledger"},
        (
            *(ahead.hire, cut(), ahead.fund, accept(1), ahead.lock, ahead.deliver, ahead.approve, ahead.take),
            *(ahead.fund, ahead.deliver, ahead.approve, ahead.take),
        ),
        "Paid",
    ),
    "parted, out of the books": (
        LATER | {"deposit_percent": 50, "on_hold_end": "rollover then ledger"},
        (ahead.hire, cut(), ahead.begin, accept(2), ahead.lock, ahead.to_books, ahead.part_ways),
        "Refunded",
    ),
    "left and taken again": (
        LATER | {"deposit_percent": 50},
        (
            *(ahead.hire, cut(), ahead.begin, accept(2), ahead.lock, ahead.leave, ahead.come_back),
            *(*_EACH, ahead.deliver, ahead.approve, ahead.take),
        ),
        "Paid",
    ),
    "disputed and split": (
        LATER | {"deposit_percent": 50},
        (
            *(ahead.hire, cut(), ahead.begin, accept(2), ahead.lock, ahead.deliver, ahead.dispute),
            *(ahead.split, ahead.pay, ahead.take),
        ),
        "Paid",
    ),
}
End = tuple[Counter[str], int, int]


def lived(name: str, where: str = "", at: int = 0) -> tuple[int, End]:
    """The commits of the life, and how it ended: what the log has, what the employer spent, and what the worker got."""
    terms, steps, ends = LIVES[name]

    async def life() -> tuple[int, End]:
        town = Town(seed=1)
        await town.start()
        first = town.commits
        if where == "before":
            town.die_before = first + at
        elif where:
            town.die_after = first + at
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await ahead.posted(town, **terms)
        for step in steps:
            await step(town, task)
        await state(town, task, ends, within=LONG)
        await town.pass_time(900)
        commits = town.commits - first
        end = (
            ahead.told_by(town, task),
            start[0] - town.employer.wallet.balance,
            town.worker.wallet.balance - start[1],
        )
        await sound(town)
        return commits, end

    return run_virtually(life())


def killed(name: str, where: str, begin: int, step: int) -> None:
    commits, wanted = lived(name)
    for at in range(begin, commits + 1, step):
        try:
            found = lived(name, where, at)[1]
            assert found == wanted
        except BaseException as error:
            raise AssertionError(f"killed {where} commit {at}") from error


@pytest.mark.parametrize("name", LIVES)
def test_as_it_goes(name: str) -> None:
    lived(name)


@pytest.mark.parametrize("name", LIVES)
@pytest.mark.parametrize(("where", "begin"), [("before", 7), ("after", 30)])
def test_killed_at_some_commits(name: str, where: str, begin: int) -> None:
    killed(name, where, begin, 10**6 if name == "a missed payment" else 149)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIVES)
@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_every_commit(name: str, where: str) -> None:
    killed(name, where, 1, 1)
