"""`python -m benchmarks.holds`: how much the daemon adds to what real LND nodes need. See README.md beside this file."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import asked
from benchmarks.asked import Asked
from benchmarks.figures import fsync_ms, ms
from benchmarks.house import House, Sections, cpu, house, profiled, settings
from benchmarks.life import PATIENCE, Lived, live
from benchmarks.nodes import HOLD_CLTV, Bare, Purses, RealMoney, bare
from benchmarks.people import Crowd, Person, people
from kinds.codes import Told
from tests.regtest import build
from tests.regtest.town import Town


@dataclass(frozen=True, slots=True)
class Alone:
    """One life with nothing else to do; seconds."""

    hold: float  # pay -> held, as the escrow node tells it
    funded: float  # pay -> Funded published
    hold_told: float  # held -> Funded published
    hold_letter: float  # held -> the employer's letter
    payout: float  # approve -> paid at the worker's node
    payout_lnd: float  # of it, with a question to LND open
    payout_letter: float  # paid at the worker's node -> his letter
    ends: float  # approve -> the employer's payment is complete
    ends_lnd: float
    over: float  # approve -> the entry that says that all is settled


@dataclass(frozen=True, slots=True)
class Together:
    """Many lives at once."""

    lives_a_minute: float
    bare_a_minute: float
    daemon_cpu: float  # seconds a life
    nodes_cpu: float
    load: float


@dataclass(frozen=True, slots=True)
class Found:
    fsync: float
    load: float
    alone: list[Alone]
    bare: list[Bare]
    together: list[Together]
    asked: list[Asked]  # while the lives went on alone


def main() -> None:
    wanted = _arguments()
    trouble = build.build()
    if trouble:
        sys.exit(f"lnd and btcd are needed: {trouble}")
    town = Town()
    try:
        town.start()
        found = asyncio.run(_measure(town, wanted.n, wanted.at_once, wanted.rounds, wanted.profile))
    finally:
        town.close()
    print(json.dumps(figures(found))) if wanted.json else _print(found, wanted.at_once)


async def _measure(town: Town, lives: int, at_once: int, rounds: int, profile: Path | None) -> Found:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as name:
        folder = Path(name)
        asking, fsync = folder / "asked", fsync_ms(folder)
        start = profiled(profile) if profile else ("-m", "benchmarks.asked", str(asking))
        async with house(folder, start, _sections(town, folder)) as home, Purses(town) as purses:
            singly, bares, began, ended = await _alone(home, purses.money(watches=True), lives)
            together = [await _together(town, home, purses, at_once) for _ in range(rounds if at_once else 0)]
        asked_then = [] if profile else asked.read(asking)
        questions = [one for one in asked_then if began < one.began < ended]
    return Found(fsync, load, [_seen(*one, questions) for one in singly], bares, together, questions)


def _sections(town: Town, folder: Path) -> Sections:
    """A deadline of three days has to fit into a hold; no limit is loosened."""
    macaroon = town.escrow.bake(folder / "holdfast.macaroon")
    return {
        "node": {"kind": "lnd", "network": "regtest"},
        "lnd": {"url": town.escrow.url, "tls_cert": str(town.escrow.cert), "macaroon": str(macaroon)},
        "terms": {"hold_cltv": HOLD_CLTV},
    }


@dataclass(frozen=True, slots=True)
class _Ends:
    """What the people and their nodes saw of a life, besides the log."""

    held: float
    arrived: float
    done: float
    held_letter: float
    paid_letter: float


async def _alone(
    home: House, money: RealMoney, count: int
) -> tuple[list[tuple[Lived, _Ends]], list[Bare], float, float]:
    """One after the other: a life, then one of the nodes alone, so that both meet the same machine. The first of each is not
    counted: connections are opened in it, and the nodes find their routes."""
    employers, workers = people(count + 1, home.bot), people(count + 1, home.bot)
    async with Crowd(home.relay, home.bot, [*employers, *workers]) as crowd:
        lives, bares, began = list[tuple[Lived, _Ends]](), list[Bare](), 0.0
        for employer, worker in zip(employers, workers, strict=True):
            lived = await live(crowd, employer, worker, money)
            ends = _Ends(
                await money.held[lived.hold],
                await money.arrived[lived.payout],
                await money.done[lived.hold],
                await _letter(employer, lived.task, Told.FUNDED),
                await _letter(worker, lived.task, Told.PAID_WORKER),
            )
            lives.append((lived, ends))
            await crowd.quiet(0.3)
            bares.append(await bare(money))
            began = began or time.perf_counter()
        return lives[1:], bares[1:], began, time.perf_counter()


async def _letter(person: Person, task: str, code: Told) -> float:
    """When it came."""
    found = await person.letters.first("", lambda one: (one.task, one.code) == (task, code), PATIENCE, code)
    return person.told[found.id]


def _seen(lived: Lived, ends: _Ends, questions: Sequence[Asked]) -> Alone:
    return Alone(
        hold=ends.held - lived.paying,
        funded=lived.funded - lived.paying,
        hold_told=lived.funded - ends.held,
        hold_letter=ends.held_letter - ends.held,
        payout=ends.arrived - lived.decided,
        payout_lnd=asked.waited(questions, lived.decided, ends.arrived),
        payout_letter=ends.paid_letter - ends.arrived,
        ends=ends.done - lived.decided,
        ends_lnd=asked.waited(questions, lived.decided, ends.done),
        over=lived.paid,
    )


async def _together(town: Town, home: House, purses: Purses, count: int) -> Together:
    """So many lives of the nodes alone, then as many with the daemon, each with people of its own; all begin at once."""
    load, money = os.getloadavg()[0], purses.money(watches=False)
    alone = await _lasted(bare(money) for _ in range(count))
    employers, workers = people(count, home.bot), people(count, home.bot)
    async with Crowd(home.relay, home.bot, [*employers, *workers]) as crowd:
        await crowd.quiet()
        nodes = [node.pid for node in town.nodes]
        before, nodes_before = cpu(home.daemon), sum(map(cpu, nodes))
        pairs = zip(employers, workers, strict=True)
        lasted = await _lasted(live(crowd, employer, worker, money) for employer, worker in pairs)
        await asyncio.gather(*money.done.values())
        spent, nodes_spent = cpu(home.daemon) - before, sum(map(cpu, nodes)) - nodes_before
    return Together(60 * count / lasted, 60 * count / alone, spent / count, nodes_spent / count, load)


async def _lasted(many: Iterable[Awaitable[object]]) -> float:
    began = time.perf_counter()
    await asyncio.gather(*many)
    return time.perf_counter() - began


_LINES = (  # of Alone, what it is, of Bare, aim, best peer; ms
    ("hold", "pay -> held at the escrow node", "hold", "", ""),
    ("funded", "pay -> Funded published", "hold", "< 20 % more", ""),
    ("hold_told", "  held -> Funded published", "", "< 50", "343"),
    ("hold_letter", "  held -> the employer's letter", "", "< 50", "91"),
    ("payout", "approve -> worker paid", "payout", "< 150, < 20 % more", "287"),
    ("payout_lnd", "  of it, waiting for LND", "", "", ""),
    ("payout_letter", "  paid -> the worker's letter", "", "", "692"),
    ("ends", "approve -> hold settled at the employer's", "ends", "< 20 % more", ""),
    ("ends_lnd", "  of it, waiting for LND", "", "", ""),
    ("over", "approve -> settled, published", "", "", ""),
)


def figures(found: Found) -> dict[str, Any]:
    """Everything as one value; times in ms."""
    alone = {}
    for name, _, bare_name, _, _ in _LINES:
        ours, theirs = (
            [getattr(one, name) for one in found.alone],
            [getattr(one, bare_name or "hold") for one in found.bare],
        )
        alone[name] = {"p50": ms(ours, 50), "p99": ms(ours, 99)} | ({"lnd_p50": ms(theirs, 50)} if bare_name else {})
    questions = {what: ms(times, 50) for what, times in _by_question(found).items()}
    counts = {what: len(times) / len(found.alone) for what, times in _by_question(found).items()}
    return {
        "load": found.load,
        "fsync": found.fsync,
        "alone": alone,
        "questions": {what: {"p50": questions[what], "a_life": counts[what]} for what in sorted(questions)},
        "together": [asdict(one) for one in found.together],
    }


def _by_question(found: Found) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {}
    for one in found.asked:
        times.setdefault(one.what, []).append(one.ended - one.began)
    return times


def _print(found: Found, at_once: int) -> None:
    shown = figures(found)
    print(
        f"{os.cpu_count()} cores, load {found.load:.1f}, fdatasync of 4 KiB {found.fsync:.2f} ms; {len(found.alone)} lives"
    )
    print(f"settings: {json.dumps(settings('(the relay)'))}, terms.hold_cltv = {HOLD_CLTV}, all others by default")
    print(f"\n{'one life at a time, ms':44} {'p50':>7} {'p99':>7} {'LND':>7} {'more':>7}  {'aim':20} best peer")
    for name, what, _, aim, peer in _LINES:
        row = shown["alone"][name]
        lnd = row.get("lnd_p50")
        more = f"{lnd:7.1f} {row['p50'] / lnd - 1:7.0%}" if lnd else " " * 15
        print(f"{what:44} {row['p50']:7.1f} {row['p99']:7.1f} {more}  {aim:20} {peer}".rstrip())
    print(f"\n{'the daemon asks LND':44} {'p50':>7} a life")
    for what, row in shown["questions"].items():
        print(f"{what:44} {row['p50']:7.1f} {row['a_life']:6.1f}")
    for one in found.together:
        print(
            f"\n{at_once} lives at once (load {one.load:.1f}): {one.lives_a_minute:.0f} a minute, the nodes alone "
            f"{one.bare_a_minute:.0f} (aim > 600, best peer 20); CPU a life: daemon {one.daemon_cpu * 1000:.0f} ms, "
            f"the three nodes {one.nodes_cpu * 1000:.0f} ms"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.holds", description="How much the daemon adds to LND.")
    parser.add_argument("-n", type=int, default=50, help="lives one after the other (50)")
    parser.add_argument("--at-once", type=int, default=100, help="lives side by side (100; 0: leave it out)")
    parser.add_argument("--rounds", type=int, default=3, help="how often that (3)")
    parser.add_argument(
        "--profile", type=Path, help="a folder for profiles of the daemon's threads; then LND is not timed"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser.parse_args()


if __name__ == "__main__":
    main()
