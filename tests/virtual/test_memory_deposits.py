"""A memory older than the world, of a task with a deposit: its holds, what they cover and at which rate, and the answers to the suggestion come
back as they were, and the life goes on to the same end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.task import Task
from storage import memory
from tests.virtual import ahead
from tests.virtual.ahead import FIRST, LATER, LONG, Step, accept, cut
from tests.virtual.lives import a_town, sound, state, stuck_inputs, task_of
from tests.virtual.loop import run_virtually
from tests.virtual.market import INR, Market
from tests.virtual.test_memory import open_again, restarted, sealed
from tests.virtual.test_prices import posted, town_with
from tests.virtual.test_projects import types
from tests.virtual.world import Town

_PAID = (ahead.deliver, ahead.due, ahead.pay, ahead.take)
_BEGUN = (ahead.hire, cut())  # with which the work begins
_COVERED = (*_BEGUN, accept(2), ahead.lock)
HALF = {"deposit_percent": 50}
LIVES: dict[str, tuple[dict[str, Any], tuple[Step, ...], str]] = {
    "used": (LATER | HALF, (*_COVERED, *_PAID, ahead.deliver, ahead.approve, ahead.take), "Paid"),
    "renewed": (
        LATER | HALF | {"on_hold_end": "rollover then refund"},
        (*_COVERED, ahead.to_renewal, ahead.renew, *_PAID, ahead.deliver, ahead.approve, ahead.take),
        "Paid",
    ),
    "lost, and returned at the end of its hold": (
        LATER | HALF, (*_COVERED, ahead.lose, ahead.to_end, *_PAID, *_PAID), "Paid",
    ),
    "not paid, and asked for again": (
        LATER | HALF,
        (*_BEGUN, accept(2), ahead.wait_out, accept(2), ahead.lock, *_PAID, ahead.deliver, ahead.approve, ahead.take),
        "Paid",
    ),
    "declined, and accepted later": (
        LATER | HALF, (*_BEGUN, ahead.decline, accept(2), ahead.decline, ahead.lock, ahead.part_ways), "Refunded",
    ),
    "parted with a renewal open": (
        LATER | HALF | {"on_hold_end": "rollover then refund"},
        (*_COVERED, ahead.to_renewal, ahead.part_ways), "Refunded",
    ),
    "missed": (
        LATER | {"deposit_percent": 25},
        (ahead.hire, ahead.select, accept(1), ahead.lock, ahead.deliver, ahead.due, ahead.miss, ahead.take),
        "Expired",
    ),
    "up front": (
        FIRST | {"deposit_percent": 40, "on_hold_end": "rollover then refund"},
        (
            *(ahead.hire, cut(), ahead.fund, accept(1), ahead.lock, ahead.deliver, ahead.approve, ahead.take),
            *(ahead.deliver, ahead.approve, ahead.take),
        ),
        "Paid",
    ),
    "up front, a part": (
        FIRST | {"deposit_percent": 25},
        (
            *(ahead.hire, cut(), ahead.fund, accept(1), ahead.lock, ahead.deliver, ahead.approve, ahead.take),
            *(ahead.fund, ahead.deliver, ahead.approve, ahead.take),
        ),
        "Paid",
    ),
    "into the books": (
        LATER | HALF | {"on_hold_end": "ledger"},
        (*_COVERED, ahead.to_books, *_PAID, ahead.deliver, ahead.approve, ahead.take),
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
        LATER | HALF | {"on_hold_end": "rollover then ledger"},
        (*_COVERED, ahead.to_books, ahead.part_ways), "Refunded",
    ),
    "left and taken again": (
        LATER | HALF,
        (*_COVERED, ahead.leave, ahead.come_back, *_PAID, ahead.deliver, ahead.approve, ahead.take),
        "Paid",
    ),
    "disputed and split": (
        LATER | HALF, (*_COVERED, ahead.deliver, ahead.dispute, ahead.split, ahead.pay, ahead.take), "Paid",
    ),
}  # fmt: skip


def told(task: Task, named: set[str]) -> dict[str, Any]:
    """All that the log tells of a task. `named`: the holds that it names."""
    found: dict[str, Any] = {
        name: getattr(task, name)
        for name in (
            *("state", "phase", "seq", "at", "worker", "latest", "deposit", "undeposited", "split", "credits", "lost"),
            *("closing", "reason", "offers", "ending", "marked", "bound", "locked"),
        )
    }
    found["latest"] = dict(task.latest)
    found["credits"] = [(each.role, each.to, each.amount, each.milestone) for each in task.credits]
    for each in task.milestones:
        words = (
            "state",
            "reward",
            "budget",
            "price",
            "covered",
            "cover_rate",
            "rate",
            "pay_until",
            "asked",
            "short",
            "fee",
            "insurance",
            "due",
        )
        found |= {f"{each.number}.{name}": getattr(each, name) for name in words}
    for hold in task.fundings:
        if hold.ref in named:
            words = (
                *(
                    "state",
                    "goal",
                    "milestone",
                    "amount",
                    "covers",
                    "replaces",
                    "rate",
                    "payment_hash",
                    "salt",
                    "expires_at",
                ),
                *("expiry_height", "accepted_at", "invoice"),
            )
            found |= {f"{hold.ref}.{name}": getattr(hold, name) for name in words}
    for name in ("covers", "cover_invoices", "own_covers", "holds", "kept", "backing"):
        found[name] = [hold.ref for hold in getattr(task, name) if hold.ref in named]
    return found | {"hold_amount": task.hold_amount, "still_asked": task.still_asked, "unfunded": task.unfunded}


def differ(was: dict[str, Any], now: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {name: (was.get(name), now.get(name)) for name in was | now if was.get(name) != now.get(name)}


def named(town: Town, task: str) -> set[str]:
    return {each["facts"]["funding"] for each in town.log_of(task) if "funding" in each["facts"]}


async def restored(
    name: str, backed_up: int, until: int, market: Market | None = None
) -> tuple[Counter[str], int, int]:
    """Backed up before step `backed_up`, lost after step `until`, restored, recovered and lived to its end."""
    terms, steps, ends = LIVES[name]
    if market:
        town = await town_with(market)
    else:
        town = await a_town()
    start = town.employer.wallet.balance, town.worker.wallet.balance
    if market:
        words = " ".join(f'{key}="{value}"' for key, value in terms.items())
        task = await posted(town, f'post 20000 INR "A shop" deadline=3d {words}')
    else:
        task = await ahead.posted(town, **terms)
    backup = b""
    for number, step in enumerate(steps):
        if number == backed_up:
            await town.pass_time(30)
            backup = town.backup()
        if number == until:
            break
        await step(town, task)
        if market and not [f for f in task_of(town, task).fundings if f.state in ("making", "created") and not f.goal]:
            market.all_say(INR + 31_337 * (number + 1))
            await town.pass_time(700)
    await town.pass_time(30)
    if backup:
        there, was = town.log_of(task), told(task_of(town, task), named(town, task))
        await restarted(town, backup)
        await sealed(town)
        await open_again(town)
        await town.pass_time(30)
        assert town.log_of(task) == there
        now = task_of(town, task)
        assert not differ(was, told(now, named(town, task)))
        with town.engine.begin() as tx:
            assert memory.open_tasks(tx) == ([] if now.state and now.state.is_final else [(task, there[-1]["time"])])
        await town.pass_time(660)  # what is said until then may have been carried out before
        if now.unsure:
            await town.kill()
            await town.tell_unpaid(task)
            await town.start()
    for step in steps[until:]:
        await step(town, task)
    await state(town, task, ends, within=LONG)
    await town.pass_time(900)
    assert not stuck_inputs(town)
    await sound(town)
    spent, got = start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]
    return Counter(types(town, task)), spent, got


def moments(name: str) -> Iterator[tuple[int, int]]:
    steps = len(LIVES[name][1])
    yield from ((back, until) for until in range(1, steps + 1) for back in range(until))


def each_restored(name: str, some: list[tuple[int, int]], market: bool = False) -> None:
    wanted = run_virtually(restored(name, -1, 0)) if not market else None
    for back, until in some:
        try:
            found = run_virtually(restored(name, back, until, Market() if market else None))
            assert wanted in (None, found)
        except BaseException as error:
            raise AssertionError(f"backed up before step {back}, lost after step {until}") from error


@pytest.mark.parametrize("name", [each for each in LIVES if each != "missed"])
def test_a_backup_of_some_moments(name: str) -> None:
    each_restored(name, list(moments(name))[5::31])


def test_a_hold_whose_invoice_was_restored_unpaid_is_renewed_in_time() -> None:
    each_restored("renewed", [(1, 3)])


def test_an_end_without_money_is_restored_as_both_agreed_on_it() -> None:
    each_restored("declined, and accepted later", [(4, 7)])


def test_a_renewal_that_was_open_at_the_end_is_not_wanted_any_more() -> None:
    each_restored("parted with a renewal open", [(5, 6)])


def test_a_backup_of_what_was_missed() -> None:
    run_virtually(restored("missed", 3, 7))


@pytest.mark.parametrize("name", ["used", "lost, and returned at the end of its hold", "up front, a part"])
def test_a_backup_of_some_moments_in_rupees(name: str) -> None:
    each_restored(name, list(moments(name))[3::37], market=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", LIVES)
@pytest.mark.parametrize("market", [False, True])
def test_a_backup_of_any_moment(name: str, market: bool) -> None:
    each_restored(name, list(moments(name)), market)
