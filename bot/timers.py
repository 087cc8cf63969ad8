"""Time and height: tasks whose next moment has come get a tick. Nothing is armed; the due columns are derived at each commit."""

from __future__ import annotations

from sqlalchemy import Connection

from bot.world import World
from kinds.inputs import Tick
from storage import inbox, reads
from storage.codec import body_of
from storage.inbox import NewInput

_AT_ONCE = 200


class Timers:
    def __init__(self, world: World, sweep: float) -> None:
        self._world = world
        self._sweep = sweep  # seconds between two looks at the latest

    async def run(self) -> None:
        world = self._world
        while True:
            count = await world.writer.do(self._tick)
            if count:
                world.wakes.inputs.ring()
            wait = 1.0 if count else await world.writer.do(self._until_next)
            await world.wakes.timers.wait(wait)

    def _tick(self, tx: Connection) -> int:
        now = self._world.moments.now()
        due = reads.due_tasks(tx, now.heard, now.time, now.height, _AT_ONCE)
        tick = body_of(Tick())
        for task, version in due:
            inbox.add(tx, NewInput(f"tick:{task}:{version}", "tick", tick, task), now, self._world.policy_id)
        return len(due)

    def _until_next(self, tx: Connection) -> float:
        now = self._world.moments.now()
        heard, time, _ = reads.next_due(tx)
        waits = [self._sweep]
        if heard is not None:
            waits.append(max(1.0, heard - now.heard))
        if time is not None:
            waits.append(max(1.0, time - now.time))
        return min(waits)
