"""What a project costs by its number of milestones: the answer to `status`, and the way from one milestone's invoice to its release.

python -m benchmarks.projects [-n MILESTONES ...] [--json]
The daemon, its relay and both people are in one process, so the times are those of all of them together; what counts is the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from typing import Any

from bot.client import Letter
from bot.config import LimitSettings
from bot.demo import DIGEST, Stage, Step, staged
from kinds.commands import Agree, Approve, Claim, Fund, Milestones, Payout, Post, Status, Submit
from kinds.plan import MilestoneWords
from kinds.units import EventId, task_id
from verifier import Report

SATS, ASKED = 1_000, 40


class Silence:
    """Tells nothing."""

    def begin(self, life: int, title: str) -> None: ...

    def step(self, step: Step) -> None: ...

    def end(self, report: Report, lives: int, **more: int) -> None: ...


async def measure(count: int) -> dict[str, Any]:
    """Medians in ms: of a status in the middle of the project, and of a milestone, the first half and the second half of them."""
    limits = LimitSettings(messages_a_minute=100_000, invoices_a_day=1_000_000)
    async with staged(Silence(), limits=limits) as stage:
        await _begin(stage, count)
        took, answers = [], []
        for number in range(count):
            began = time.perf_counter()
            await _milestone(stage, last=number + 1 == count)
            took.append(time.perf_counter() - began)
            if number == count // 2 - 1:
                answers = [await _asked(stage) for _ in range(ASKED)]
    half = max(1, count // 2)
    return {
        "milestones": count,
        "status_ms": _median(answers),
        "milestone_ms": _median(took[:half]),
        "milestone_later_ms": _median(took[half:]),
    }


async def _begin(stage: Stage, count: int) -> None:
    employer, worker = stage.employer, stage.worker
    terms = {"deadline": "80d", "order": "hire_first", "on_hold_end": "rollover then ledger"}
    question = await employer.tell(Post(amount=SATS * count, title="A project", terms=terms))
    stage.task = task = task_id(EventId(question))
    await employer.answer(question)
    await worker.ask(Claim(task=task))
    parts = tuple(MilestoneWords(title=f"Part {n}", amount=SATS, due=f"{20 + n}d") for n in range(count))
    await worker.ask(Milestones(task=task, milestones=parts))
    plan = (await worker.public.entry(task, "plan.proposed")).facts["plan"]
    await employer.ask(Agree(task=task, plan=plan))
    stage.state = "Draft"
    stage.seq = (await worker.public.entry(task, "plan.agreed")).seq


async def _milestone(stage: Stage, last: bool) -> None:
    employer, worker, task = stage.employer, stage.worker, stage.task
    seen, since = len(employer.letters()), stage.seq
    await employer.ask(Fund(task=task))

    def invoiced(letter: Letter) -> bool:
        return bool(letter.invoice) and letter in employer.letters()[seen:]

    await stage.pay(await employer.letter(invoiced, "the invoice"))
    await worker.public.entry(task, "task.claimed", after=since)
    await worker.ask(Submit(task=task, url="https://example.org/part.zip", sha256=DIGEST))
    proof = await employer.public.entry(task, "proof.submitted", after=since)
    await employer.answer((await employer.decide(Approve(task=task), proof.id)).id)
    mine = await stage.invoice("worker", SATS)
    await worker.ask(Payout(task=task, destination=mine))
    stage.seq = (await worker.public.entry(task, "settlement.completed", after=since)).seq


async def _asked(stage: Stage) -> float:
    began = time.perf_counter()
    await stage.worker.ask(Status(task=stage.task))
    return time.perf_counter() - began


def _median(seconds: list[float]) -> float:
    return round(1000 * statistics.median(seconds), 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.projects", description=__doc__)
    parser.add_argument("-n", type=int, nargs="+", default=[2, 10, 50], help="numbers of milestones (2 10 50)")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    for count in given.n:
        found = asyncio.run(measure(count))
        if given.json:
            print(json.dumps(found), flush=True)
        else:
            words = "{milestones:>3} milestones: status {status_ms} ms; a milestone {milestone_ms} ms, in the second half {milestone_later_ms} ms"
            print(words.format(**found), flush=True)


if __name__ == "__main__":
    main()
