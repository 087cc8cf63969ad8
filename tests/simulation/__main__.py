"""python -m tests.simulation: cities from these seeds, until one of them breaks a rule or the time is over."""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context

from handlers.transitions import TABLE
from tests.simulation.city import Tally
from tests.simulation.kept import KEPT
from tests.simulation.rows import name
from tests.simulation.run import Outcome, run
from tests.simulation.scenarios import SCENARIOS

City = tuple[int, int, str]  # seed, lives, the name of its script or ''

LIVES = 100  # of one city: enough to crowd it, little enough to be read when it fails


def main() -> int:
    asked = _arguments()
    began = time.monotonic()
    tally, walked, cities, scripts = Tally(), set[str](), 0, 0
    for outcome in _outcomes(_cities(asked), asked.jobs):
        cities += 1
        scripts += bool(outcome.script)
        tally.add(outcome.tally)
        walked |= outcome.walked
        if outcome.broken:
            which = f'"{outcome.script}"' if outcome.script else f"{outcome.lives} lives"
            print(f"{outcome.story}\n\nseed {outcome.seed}, {which}: {outcome.broken}")
            again = f"""ARGS='--script "{outcome.script}"'""" if outcome.script else f"LIVES={outcome.lives}"
            print(f"make simulate SEED={outcome.seed} {again}")
            return 1
        if asked.verbose:
            print(f"seed {outcome.seed}: {outcome.tally.ends}, {outcome.tally.crashes} crashes, {outcome.digest[:12]}")
    seconds = time.monotonic() - began
    never = _report(tally, cities, scripts, seconds, walked)
    if never and asked.kept:
        print("the cities that run on every occasion must walk all of it")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="a seed; may be given several times")
    parser.add_argument(
        "--kept", action="store_true", help="first those that run on every occasion, all scripts among them"
    )
    parser.add_argument("--script", choices=sorted(SCENARIOS), help="a city that follows this script")
    parser.add_argument("--fresh", action="store_true", help="go on with new seeds until the time is over")
    parser.add_argument("--lives", type=int, default=LIVES, help=f"agreements in each city ({LIVES})")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no city after so long (0: no limit)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cities at once")
    parser.add_argument("--verbose", action="store_true", help="a line for each city")
    return parser.parse_args()


def _cities(asked: argparse.Namespace) -> Iterator[City]:
    """One new one when nothing is asked for. Of those by chance, every tenth follows a script. The fixed set is never cut short."""
    ends = time.monotonic() + asked.seconds if asked.seconds else float("inf")
    if asked.kept:
        yield from KEPT
        yield from ((1, 1, script) for script in SCENARIOS)
    for city in _others(asked):
        if time.monotonic() > ends:
            return
        yield city


def _others(asked: argparse.Namespace) -> Iterator[City]:
    chance = random.SystemRandom()
    yield from ((seed, asked.lives, asked.script or "") for seed in asked.seed or ())
    if asked.fresh:
        for number in itertools.count(1):
            yield chance.randrange(10**9), asked.lives, chance.choice(list(SCENARIOS)) if number % 10 == 0 else ""
    elif not (asked.seed or asked.kept):
        yield chance.randrange(10**9), asked.lives, asked.script or ""


def _outcomes(cities: Iterable[City], jobs: int) -> Iterator[Outcome]:
    """As they end, so many at once; one after the other needs no other process."""
    if jobs == 1:
        yield from (run(*city) for city in cities)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running: set[Future[Outcome]] = set()
        for city in cities:
            running.add(pool.submit(run, *city))
            if len(running) >= jobs:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in running)


def _report(tally: Tally, cities: int, scripts: int, seconds: float, walked: set[str]) -> list[str]:
    """Prints what was done; the rows of the transition table that nobody has walked."""
    faults = sum(tally.faults.values())
    print(
        f"{cities} cities ({scripts} by a script), {tally.lives} lives in {seconds:.0f} s"
        f" ({tally.lives * 60 / seconds:.0f} a minute), no rule broken"
    )
    print(f"{tally.steps} steps, {faults} faults injected, {tally.crashes} crashes survived")
    print("ends: " + ", ".join(f"{end} {count}" for end, count in sorted(tally.ends.items())))
    print("faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(tally.faults.items())))
    never = sorted({name(key) for key in TABLE} - walked)
    print(
        f"{len(walked)} of {len(TABLE)} rows of the transition table walked"
        + (f"; not: {'; '.join(never)}" if never else "")
    )
    return never


if __name__ == "__main__":
    sys.exit(main())
