"""`python -m benchmarks.lives`: how fast the daemon is, by the medians of several rounds. See README.md beside this file."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from dataclasses import asdict, fields
from pathlib import Path

from benchmarks.house import settings
from benchmarks.rounds import ALONE, Plan, Round, one_round

_ROWS: tuple[tuple[str, str, str, str], ...] = (  # field, what it is, unit, what is aimed at
    ("lives_per_s", "complete lives, {at_once} side by side", "/s", ""),
    ("cpu_per_life", "daemon CPU a life", "ms", ""),
    ("crypto_per_life", "unavoidable cryptography a life", "ms", ""),
    ("crypto_ratio", "cryptography / daemon CPU", "", ">= 0.5"),
    ("verified_per_life", "  events verified a life", "", ""),
    ("unwrapped_per_life", "  letters opened a life", "", ""),
    ("signed_per_life", "  events signed a life", "", ""),
    ("wrapped_per_life", "  letters wrapped a life", "", ""),
    ("relay_cpu_per_life", "relay CPU a life (a process of its own)", "ms", ""),
    ("decision_p50", "approve -> published entry, under that load, p50", "ms", ""),
    ("decision_p99", "approve -> published entry, under that load, p99", "ms", ""),
    ("decision_alone_p50", "approve -> published entry, alone, p50", "ms", ""),
    ("decision_alone_p99", "approve -> published entry, alone, p99", "ms", ""),
    ("paid_alone_p50", "approve -> settled, published, alone, p50", "ms", ""),
    ("life_alone_p50", "a whole life, alone, p50", "ms", ""),
    ("idle_reply_p50", "status -> reply, idle, p50", "ms", "< 20"),
    ("idle_reply_p99", "status -> reply, idle, p99", "ms", ""),
    ("replies_per_s", "replies when {crowd} people ask at once", "/s", "hundreds"),
    ("replies_lost", "  of them lost", "", "0"),
    ("cpu_per_reply", "daemon CPU a reply", "ms", ""),
    ("tasks_per_s", "new tasks from a burst of {burst}", "/s", "> 220"),
    ("tasks_lost", "  of them lost", "", "0"),
    ("cpu_per_task", "daemon CPU a new task, its letter included", "ms", ""),
    ("memory_mb", "most memory of the daemon", "MB", ""),
    ("fsync", "fdatasync of 4 KiB beside the database", "ms", ""),
    ("load", "load of the machine before the round", "", ""),
)


def main() -> None:
    asked = _arguments()
    plan = Plan(asked.n, asked.at_once, asked.burst, asked.crowd, asked.profile)
    rounds = []
    for number in range(asked.rounds):
        print(f"round {number + 1} of {asked.rounds} …", file=sys.stderr, flush=True)
        rounds.append(asyncio.run(one_round(plan)))
    medians = {each.name: statistics.median(getattr(one, each.name) for one in rounds) for each in fields(Round)}
    set_by_us = settings("(the relay's)")
    if asked.json:
        shown = {"plan": {"lives": plan.lives, "at_once": plan.at_once, "burst": plan.burst, "crowd": plan.crowd}}
        print(
            json.dumps({**shown, "settings": set_by_us, "median": medians, "rounds": [asdict(one) for one in rounds]})
        )
        return
    print(f"{os.cpu_count()} cores; {len(rounds)} rounds; settings: {json.dumps(set_by_us)}, all others by default")
    print(f"{'':52} {'median':>9} {'lowest':>9} {'highest':>9}  aim")
    for name, what, unit, aim in _ROWS:
        found = [getattr(one, name) for one in rounds]
        label = what.format(at_once=plan.at_once, burst=plan.burst, crowd=plan.crowd, alone=ALONE)
        print(f"{label:52} {medians[name]:9.2f} {min(found):9.2f} {max(found):9.2f}  {unit} {aim}".rstrip())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lives", description="How fast the daemon is.")
    parser.add_argument("-n", type=int, default=200, help="lives in each round (200)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which medians are shown (3)")
    parser.add_argument("--at-once", type=int, default=16, help="lives side by side (16)")
    parser.add_argument("--burst", type=int, default=3000, help="task events sent at once (3000; 0: leave it out)")
    parser.add_argument("--crowd", type=int, default=1000, help="people who ask at once (1000; 0: leave it out)")
    parser.add_argument("--profile", type=Path, help="a folder for profiles of the daemon's threads (slows it down)")
    parser.add_argument("--json", action="store_true", help="one JSON object with medians and all rounds")
    return parser.parse_args()


if __name__ == "__main__":
    main()
