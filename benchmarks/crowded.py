"""`python -m benchmarks.crowded`: a daemon with many open agreements, how it starts and what they cost it. See README.md beside this file."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sqlalchemy import Connection

from benchmarks.clones import multiply
from benchmarks.figures import fsync_ms, ms
from benchmarks.house import House, Place, cpu, daemon, memory, relay
from benchmarks.life import PATIENCE, PlayMoney, hire
from benchmarks.people import Crowd, Person, people
from kinds.commands import Status
from storage import outbox, reads
from storage.open import engine_for

_ASKED = 20  # questions whose median is shown
_WATCHED = 60.0  # seconds of an idle daemon; its slow look at every hold comes once in them, or less often


@dataclass(frozen=True, slots=True)
class Size:
    """With so many agreements, each with its payment held and a worker bound."""

    agreements: int
    ready: float  # seconds from the start of the process to its first line
    reconciled: float  # ... to the last hold looked at and its news decided, when the node has news of every one
    again: float  # the next start, when nothing has changed: to the first line
    idle: float  # seconds of CPU in a minute with nothing to do
    reply: float  # ms, a party's status -> answer
    due: float  # ms, the sweep's question: what is due now
    next: float  # ms, when something is due next
    holds: float  # ms, a page of the holds that may still change
    orders: float  # ms, what is to be done at the node
    memory: float  # MB, the most


def main() -> None:
    asked = _arguments()
    found = [asyncio.run(_measure(count)) for count in asked.sizes]
    if asked.json:
        print(json.dumps([asdict(one) for one in found]))
        return
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        disk = fsync_ms(Path(folder))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, fdatasync of 4 KiB {disk:.2f} ms")
    for each in fields(Size):
        print(f"{each.name:12}" + "".join(f"{getattr(one, each.name):12.2f}" for one in found))


async def _measure(count: int) -> Size:
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name:
        folder = Path(name)
        async with relay(folder) as place:
            employer, task = await _first(folder, place)
            multiply(folder / "data", task, count - 1)
            began = time.perf_counter()
            async with daemon(folder, place) as home:
                ready = time.perf_counter() - began
                reconciled = await _reconciled(home, began)
            began = time.perf_counter()
            async with daemon(folder, place) as home:
                again = time.perf_counter() - began
                reply = await _reply(home, employer, task)
                before = cpu(home.daemon)
                await asyncio.sleep(_WATCHED)
                idle, most = cpu(home.daemon) - before, memory(home.daemon)
        return Size(count, ready, reconciled, again, idle, reply, **_questions(folder / "data"), memory=most)


async def _first(folder: Path, place: Place) -> tuple[Person, str]:
    """One agreement, made as people make them."""
    async with daemon(folder, place) as home:
        [employer, worker] = people(2, home.bot)
        async with Crowd(place.url, home.bot, [employer, worker]) as crowd:
            hired = await hire(crowd, employer, worker, PlayMoney(home.socket))
            await crowd.quiet()
    return employer, hired.task


async def _reconciled(home: House, began: float) -> float:
    """Until the node's word on every hold has been heard and decided."""
    waiting = (
        "SELECT (SELECT COUNT(*) FROM fundings WHERE seen = '') + (SELECT COUNT(*) FROM inputs WHERE state = 'new')"
    )
    with closing(sqlite3.connect(home.data / "holdfast.db")) as memory:
        while memory.execute(waiting).fetchone()[0]:  # noqa: ASYNC110 another process is waited for
            await asyncio.sleep(0.05)
    return time.perf_counter() - began


async def _reply(home: House, employer: Person, task: str) -> float:
    waits = []
    async with Crowd(home.relay, home.bot, [employer]) as crowd:
        await crowd.begin()
        for _ in range(_ASKED):
            wrap, asked = await employer.message(Status(task=task))
            told = asyncio.ensure_future(employer.letters.first(asked, lambda _: True, PATIENCE, "a status"))
            began = time.perf_counter()
            await crowd.say(wrap)
            await told
            waits.append(employer.wraps[-1][1] - began)
            await asyncio.sleep(0.1)
    return ms(waits, 50)


def _questions(data: Path) -> dict[str, float]:
    """What the parts ask their database again and again, each asked alone."""
    engine = engine_for(data / "holdfast.db")
    now = int(time.time())
    asked: dict[str, Callable[[Connection], object]] = {
        "due": lambda tx: reads.due_tasks(tx, now, now, 0, 200),
        "next": reads.next_due,
        "holds": lambda tx: reads.watched_holds(tx, "", 50),
        "orders": lambda tx: outbox.open_orders(tx, ("make_hold", "settle", "cancel", "pay"), now),
    }
    found = {}
    for name, question in asked.items():
        times = []
        for _ in range(_ASKED):
            with engine.begin() as tx:
                began = time.perf_counter()
                question(tx)
                times.append(time.perf_counter() - began)
        found[name] = statistics.median(times) * 1000
    engine.dispose()
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.crowded", description="A daemon with many open agreements."
    )
    parser.add_argument(
        "sizes", type=int, nargs="*", default=[1000, 10_000, 100_000], help="how many (1000 10000 100000)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON list")
    return parser.parse_args()


if __name__ == "__main__":
    main()
