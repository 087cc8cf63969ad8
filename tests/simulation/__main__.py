"""python -m tests.simulation: cities from these seeds, until one of them breaks a rule or the time is over."""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context

from handlers.transitions import TABLE, Cause
from tests.simulation.city import Tally
from tests.simulation.kept import KEPT
from tests.simulation.rows import name
from tests.simulation.run import Outcome, run

LIVES = 150  # of one city: enough to crowd it, little enough to be read when it fails


def main() -> int:
    asked = _arguments()
    began = time.monotonic()
    tally, walked, cities = Tally(), set[str](), 0
    for outcome in _outcomes(_cities(asked), asked.jobs, asked.seconds):
        cities += 1
        tally.add(outcome.tally)
        walked |= outcome.walked
        if outcome.broken:
            print(f"{outcome.story}\n\nseed {outcome.seed}, {outcome.lives} lives: {outcome.broken}")
            print(f"make simulate SEED={outcome.seed} LIVES={outcome.lives}")
            return 1
        if asked.verbose:
            print(f"seed {outcome.seed}: {outcome.tally.ends}, {outcome.tally.crashes} crashes, {outcome.digest[:12]}")
    seconds = time.monotonic() - began
    _report(tally, cities, seconds, walked)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="a seed; may be given several times")
    parser.add_argument("--kept", action="store_true", help="first those that run on every occasion")
    parser.add_argument("--fresh", action="store_true", help="go on with new seeds until the time is over")
    parser.add_argument("--lives", type=int, default=LIVES, help=f"agreements in each city ({LIVES})")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no city after so long (0: no limit)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cities at once")
    parser.add_argument("--verbose", action="store_true", help="a line for each city")
    return parser.parse_args()


def _cities(asked: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """(seed, lives) of each; one new one when nothing is asked for."""
    if asked.kept:
        yield from KEPT
    yield from ((seed, asked.lives) for seed in asked.seed or ())
    if asked.fresh or not (asked.seed or asked.kept):
        chance = random.SystemRandom()
        while True:
            yield chance.randrange(10**9), asked.lives
            if not asked.fresh:
                return


def _outcomes(cities: Iterable[tuple[int, int]], jobs: int, seconds: float) -> Iterator[Outcome]:
    """As they end, so many at once."""
    ends = time.monotonic() + seconds if seconds else float("inf")
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running: set[Future[Outcome]] = set()
        for seed, lives in cities:
            if time.monotonic() > ends:
                break
            running.add(pool.submit(run, seed, lives))
            if len(running) >= jobs:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in running)


def _report(tally: Tally, cities: int, seconds: float, walked: set[str]) -> None:
    faults = sum(tally.faults.values())
    print(
        f"{cities} cities, {tally.lives} lives in {seconds:.0f} s ({tally.lives * 60 / seconds:.0f} a minute), no rule broken"
    )
    print(f"{tally.steps} steps, {faults} faults injected, {tally.crashes} crashes survived")
    print("ends: " + ", ".join(f"{end} {count}" for end, count in sorted(tally.ends.items())))
    print("faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(tally.faults.items())))
    never = sorted({name(key) for key in TABLE if key[2] is not Cause.STRAY_HELD} - walked)
    print(
        f"{len(walked)} of {len(TABLE)} rows of the transition table walked"
        + (f"; not: {'; '.join(never)}" if never else "")
    )


if __name__ == "__main__":
    sys.exit(main())
