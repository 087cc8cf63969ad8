"""Hints are followed side by side: a hold at which the node is slow to look keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import structlog

from bot.watch import Watch
from kinds.units import PaymentHash

HASHES = [PaymentHash(letter * 64) for letter in "abc"]


class Slow(Watch):
    """Its looks end when they are let go, or fail."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self.seen: list[str] = []
        self.all_seen, self.let_go = asyncio.Event(), asyncio.Event()

    async def _look_at(self, payment_hash: PaymentHash) -> None:
        self.seen.append(payment_hash)
        if len(self.seen) == len(HASHES):
            self.all_seen.set()
        await self.let_go.wait()
        raise LookupError


async def test_a_slow_look_keeps_no_other_waiting_and_a_failed_one_opens_a_new_stream() -> None:
    opened, again = 0, asyncio.Event()

    async def hints() -> AsyncIterator[PaymentHash]:
        nonlocal opened
        opened += 1
        if opened > 1:
            again.set()
        for payment_hash in HASHES if opened == 1 else ():
            yield payment_hash
        await asyncio.Event().wait()

    watch = Slow(SimpleNamespace(node=SimpleNamespace(hints=hints)))
    following = asyncio.ensure_future(watch.hints())
    async with asyncio.timeout(10):
        await watch.all_seen.wait()
        with structlog.testing.capture_logs() as logs:
            watch.let_go.set()
            await again.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert watch.seen == HASHES
    assert [(each["event"], each["error"]) for each in logs] == [
        ("the node's stream of hints broke off", "LookupError")
    ]
