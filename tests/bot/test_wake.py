"""Bells: workers look, then wait without a second look, so a ring that comes between the two must not be lost."""

from __future__ import annotations

import asyncio

from bot.wake import Bell


async def test_a_ring_before_the_wait_ends_it_at_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    async with asyncio.timeout(60):
        await bell.wait(3600)


async def test_whatever_is_queued_while_a_worker_is_busy_is_found_by_its_next_look() -> None:
    bell, queued, done = Bell(), list[int](), list[int]()

    async def work() -> None:
        while len(done) < 200:
            found = queued.copy()  # the query
            await asyncio.sleep(0)  # it comes back, and is worked on; more is queued meanwhile
            await asyncio.sleep(0)
            queued[: len(found)] = []
            done.extend(found)
            await bell.wait(3600)

    async def ask(first: int) -> None:
        for n in range(first, first + 100):
            queued.append(n)
            bell.ring()
            for _ in range(n % 5):
                await asyncio.sleep(0)

    async with asyncio.timeout(60), asyncio.TaskGroup() as all_of_them:
        worker = all_of_them.create_task(work())
        all_of_them.create_task(ask(0))
        all_of_them.create_task(ask(100))
        all_of_them.create_task(_ring_at_the_end(bell, worker, queued))
    assert sorted(done) == list(range(200))


async def _ring_at_the_end(bell: Bell, worker: asyncio.Task[None], queued: list[int]) -> None:
    """The worker of this test ends by count, so it is woken once more when nothing is left to be queued."""
    while not worker.done():
        await asyncio.sleep(0.001)
        if not queued:
            bell.ring()
