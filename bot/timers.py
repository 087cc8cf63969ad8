"""Time and height: tasks and accounts whose next moment has come get a tick. Nothing is armed; the due columns are derived at each
commit."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sqlalchemy import Connection

from bot.world import World
from kinds.inputs import AccountDue, Tick
from storage import accounts, inbox, reads
from storage.codec import body_of
from storage.inbox import NewInput

_AT_ONCE = 200
_PAUSE = 1.0  # seconds between two looks at the least


class Timers:
    def __init__(self, world: World, sweep: float) -> None:
        self._world = world
        self._sweep = sweep  # seconds between two looks at the latest

    async def run(self) -> None:
        world = self._world
        while True:
            count, wait = await world.writer.do(self._look)
            if count:
                world.wakes.inputs.ring()
            await asyncio.sleep(_PAUSE)  # the bell rings with each commit, and moments are whole seconds
            await world.wakes.timers.wait(wait - _PAUSE)

    def _look(self, tx: Connection) -> tuple[int, float]:
        """How many ticks were given, and the seconds until the next look."""
        count = self._tick(tx)
        return count, _PAUSE if count else self._until_next(tx)

    def _tick(self, tx: Connection) -> int:
        """Time stops for ticks at the oldest letter that nobody has opened: it may be what a deadline waits for."""
        now = self._world.moments.now()
        oldest = inbox.sealed_waiting(tx, 1)
        if oldest:
            now = replace(now, time=oldest[0].heard.time, deaf=oldest[0].heard.deaf)
        due = reads.due_tasks(tx, now.heard, now.time, now.height, _AT_ONCE)
        tick = body_of(Tick())
        for task in due:
            reads.ticked(tx, task)
            moment = replace(now, entropy=self._world.entropy(32).hex())
            inbox.add(tx, NewInput(f"tick:{task.id}:{task.tick}", "tick", tick, task.id), moment, self._world.policy_id)
        owed = accounts.due(tx, now.time, _AT_ONCE)
        for each in owed:
            accounts.ticked(tx, each)
            key, word = f"due:{each.owner}:{each.tick}", body_of(AccountDue(each.owner))
            inbox.add(tx, NewInput(key, "account_due", word), now, self._world.policy_id)
        return len(due) + len(owed)

    def _until_next(self, tx: Connection) -> float:
        now = self._world.moments.now()
        heard, time, _ = reads.next_due(tx)
        times = [each for each in (time, accounts.next_due(tx)) if each is not None]
        waits = [self._sweep]
        if heard is not None:
            waits.append(max(1.0, heard - now.heard))
        if times:
            waits.append(max(1.0, min(times) - now.time))
        return min(waits)
