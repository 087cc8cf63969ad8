"""One round: a fresh relay, a fresh daemon, and each question asked once. `benchmarks.lives` asks for several."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from benchmarks.crypto import Crypto, unavoidable
from benchmarks.figures import fsync_ms, ms
from benchmarks.house import House, cpu, house, memory, profiled
from benchmarks.life import PATIENCE, Lived, PlayMoney, live
from benchmarks.people import Crowd, Person, census, people
from kinds.commands import Status
from kinds.events import DM_WRAP, PROOF, RECORD, TASK

ALONE = 30  # lives one after the other, and questions one after the other
_REST = 0.05  # seconds between two questions


@dataclass(frozen=True, slots=True)
class Plan:
    lives: int = 200
    at_once: int = 16
    burst: int = 3000
    crowd: int = 1000
    profile: Path | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found. Times in ms, CPU in ms of the named process."""

    lives_per_s: float
    cpu_per_life: float
    crypto_per_life: float
    crypto_ratio: float
    relay_cpu_per_life: float
    verified_per_life: float  # counts behind the figure above
    unwrapped_per_life: float
    signed_per_life: float
    wrapped_per_life: float
    decision_p50: float  # approve -> its published entry, while `at_once` lives go on
    decision_p99: float
    decision_alone_p50: float  # the same with nothing else to do
    decision_alone_p99: float
    paid_alone_p50: float  # approve -> settlement.completed published
    life_alone_p50: float
    idle_reply_p50: float
    idle_reply_p99: float
    replies_per_s: float
    cpu_per_reply: float
    replies_lost: float
    tasks_per_s: float
    cpu_per_task: float
    tasks_lost: float
    memory_mb: float
    fsync: float  # of 4 KiB beside the database, median
    load: float  # of the machine when the round began (one minute)


async def one_round(plan: Plan) -> Round:
    load, found = os.getloadavg()[0], dict[str, float]()
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        fsync = fsync_ms(Path(folder))
        async with house(Path(folder), profiled(plan.profile)) as home:
            found |= await _alone(home)
            if plan.lives:
                found |= await _lives(home, plan)
            if plan.crowd:
                found |= await _crowd(home, plan.crowd)
            if plan.burst:
                found |= await _burst(home, plan.burst)
            found |= {"memory_mb": memory(home.daemon), "fsync": fsync, "load": load}
    return Round(**({each.name: float("nan") for each in fields(Round)} | found))


async def _alone(home: House) -> dict[str, float]:
    """With nothing else to do: one life after the other, then a question to each of their tasks, one after the other."""
    employers, workers = people(ALONE, home.bot), people(ALONE, home.bot)
    async with Crowd(home.relay, home.bot, [*employers, *workers]) as crowd:
        done = [await live(crowd, *pair, PlayMoney(home.socket)) for pair in zip(employers, workers, strict=True)]
        await crowd.quiet()
        waits = []
        for employer, lived in zip(employers, done, strict=True):
            wrap, asked = await employer.message(Status(task=lived.task))
            told = asyncio.ensure_future(employer.letters.first(asked, lambda _: True, PATIENCE, "a status"))
            began = time.perf_counter()
            await crowd.say(wrap)
            await told
            waits.append(employer.wraps[-1][1] - began)
            await asyncio.sleep(_REST)
    return {
        "decision_alone_p50": ms([lived.decision for lived in done], 50),
        "decision_alone_p99": ms([lived.decision for lived in done], 99),
        "paid_alone_p50": ms([lived.paid for lived in done], 50),
        "life_alone_p50": ms([lived.seconds for lived in done], 50),
        "idle_reply_p50": ms(waits, 50),
        "idle_reply_p99": ms(waits, 99),
    }


async def _lives(home: House, plan: Plan) -> dict[str, float]:
    """Lives side by side, each by two people of its own; then what of the daemon's time was cryptography."""
    employers, workers = people(plan.lives, home.bot), people(plan.lives, home.bot)
    async with Crowd(home.relay, home.bot, [*employers, *workers]) as crowd:
        room = asyncio.Semaphore(plan.at_once)

        async def play(employer: Person, worker: Person) -> Lived:
            async with room:
                return await live(crowd, employer, worker, PlayMoney(home.socket))

        await crowd.begin()
        before, relay_before, began = cpu(home.daemon), cpu(home.relay_process), time.perf_counter()
        done = await asyncio.gather(*(play(*pair) for pair in zip(employers, workers, strict=True)))
        lasted = time.perf_counter() - began
        await crowd.quiet()
        spent, relay_spent = cpu(home.daemon) - before, cpu(home.relay_process) - relay_before
    crypto = await _cryptography(home, crowd)
    one = 1000 / plan.lives
    return {
        "lives_per_s": plan.lives / lasted,
        "cpu_per_life": spent * one,
        "crypto_per_life": crypto.seconds * one,
        "crypto_ratio": crypto.seconds / spent,
        "relay_cpu_per_life": relay_spent * one,
        "verified_per_life": crypto.verify.count / plan.lives,
        "unwrapped_per_life": crypto.unwrap.count / plan.lives,
        "signed_per_life": crypto.sign.count / plan.lives,
        "wrapped_per_life": crypto.wrap.count / plan.lives,
        "decision_p50": ms([lived.decision for lived in done], 50),
        "decision_p99": ms([lived.decision for lived in done], 99),
    }


async def _cryptography(home: House, crowd: Crowd) -> Crypto:
    """Of the events that the relay holds of these people and for them. A state event that a newer one has replaced is no longer
    there, but it was signed: those that were seen count, too."""
    by_people = {"kinds": [TASK, PROOF, RECORD, DM_WRAP], "#p": [home.bot]}
    held = await census(home.relay, [by_people])
    heard = [event for event in held if event.id in crowd.said]
    assert len(heard) == len(crowd.said), "the relay holds all that was said"
    sent = [wrap for person in crowd.members.values() for wrap, _ in person.wraps]
    return unavoidable(heard, list(crowd.public.values()), crowd.members, sent, home.secret())


async def _crowd(home: House, count: int) -> dict[str, float]:
    """So many people ask at once, each one thing. Their letters are wrapped beforehand and opened by nobody."""
    (author, *_), asking = people(1, home.bot), people(count, home.bot, reads=False)
    async with Crowd(home.relay, home.bot, [author, *asking]) as crowd:
        offer = await author.offer("Build a landing page", 2_000)
        await crowd.say(offer)
        answer = await author.letters.first(offer.id, lambda _: True, PATIENCE, "an answer")
        task = answer.task or next(iter(crowd.tasks))
        wraps = [(await person.message(Status(task=task)))[0] for person in asking]
        await crowd.quiet()
        before, began = cpu(home.daemon), time.perf_counter()
        await asyncio.gather(*(crowd.say(wrap) for wrap in wraps))
        await _until(lambda: all(person.wraps for person in asking))
        await crowd.quiet()
        spent = cpu(home.daemon) - before
        answered = [person.wraps[0][1] for person in asking if person.wraps]
    return {
        "replies_per_s": len(answered) / (max(answered) - began),
        "cpu_per_reply": spent * 1000 / len(answered),
        "replies_lost": count - len(answered),
    }


async def _burst(home: House, count: int) -> dict[str, float]:
    """So many task events by as many people, all sent at once; signed beforehand."""
    offers = [await person.offer("Build a landing page", 2_000) for person in people(count, home.bot)]
    async with Crowd(home.relay, home.bot, []) as crowd:
        await crowd.begin()
        before, began = cpu(home.daemon), time.perf_counter()
        await asyncio.gather(*(crowd.say(offer) for offer in offers))
        await _until(lambda: len(crowd.tasks) >= count)
        lasted = max(crowd.tasks.values()) - began
        await crowd.quiet(3.0)
        await _calm(home)
        spent = cpu(home.daemon) - before
    return {
        "tasks_per_s": len(crowd.tasks) / lasted,
        "cpu_per_task": spent * 1000 / count,
        "tasks_lost": count - len(crowd.tasks),
    }


async def _until(done: Callable[[], bool]) -> None:
    """Waits for it, or gives up in silence: what did not come is counted as lost."""
    end = time.perf_counter() + PATIENCE
    while not done() and time.perf_counter() < end:  # noqa: ASYNC110  (nobody tells us)
        await asyncio.sleep(0.02)


async def _calm(home: House) -> None:
    """Returns when the daemon has nothing left to do: the letters that nobody waits for are sent as well."""
    while True:
        before = cpu(home.daemon)
        await asyncio.sleep(1.0)
        if cpu(home.daemon) - before < 0.1:
            return
