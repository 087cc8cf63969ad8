"""Where verified events wait for the daemon: bounded by number and by bytes, so that a flood fills the relay's socket
and not our memory. Nothing is ever thrown away here: whoever puts, waits.
"""

from __future__ import annotations

import asyncio

from bot.relays.values import CaughtUp, Heard


class Intray(asyncio.Queue[Heard | CaughtUp]):
    """An asyncio.Queue that is full at `room` items or `volume` bytes of content and tags, whichever comes first."""

    def __init__(self, room: int, volume: int) -> None:
        super().__init__(maxsize=room)
        self._volume = volume
        self._bytes = 0

    def full(self) -> bool:
        return self._bytes >= self._volume or super().full()

    def _put(self, item: Heard | CaughtUp) -> None:
        self._bytes += _weight(item)
        super()._put(item)

    def _get(self) -> Heard | CaughtUp:
        item: Heard | CaughtUp = super()._get()
        self._bytes -= _weight(item)
        return item

    async def batch(self, limit: int) -> list[Heard | CaughtUp]:
        """At least one item, and up to `limit` that are here already. Cancelled while waiting, it has taken nothing."""
        batch = [await self.get()]
        while len(batch) < limit and not self.empty():
            batch.append(self.get_nowait())
        return batch


def _weight(item: Heard | CaughtUp) -> int:
    if isinstance(item, CaughtUp):
        return 0
    return len(item.event.content) + sum(len(word) for tag in item.event.tags for word in tag)
