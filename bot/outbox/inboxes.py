"""Where people read their letters: the relays of their newest list (kind 10050, else the read relays of 10002).

A list is asked for once an hour. Whoever needs it now waits; all others are looked up together, a hundred to a question, since a
relay counts questions (LocalRelay: 1,200, and 20 more a second).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.relays.values import RelayTrouble
from bot.world import World
from kinds.events import Event
from kinds.units import Pubkey

_KNOWN_FOR = 3600.0  # seconds
_MOST = 20_000  # people remembered
_TOGETHER = 100  # people to one question: two lists of each are well below the 500 events of an answer
_GATHER = 0.3  # seconds
_WAIT = 3.0
_RELAYS = 4  # of one person

LISTS = (10050, 10002)


class Inboxes:
    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[Pubkey, tuple[float, list[str]]] = {}
        self._wanted: dict[Pubkey, None] = {}
        self._asked = asyncio.Event()

    def known(self, who: Pubkey) -> tuple[list[str], bool]:
        """(his relays as last read, whether that was in the last hour); [] when he has no list, or was never looked up."""
        read_at, urls = self._known.get(who, (None, []))
        return urls, read_at is not None and self._world.clock() - read_at <= _KNOWN_FOR

    def want(self, who: Pubkey) -> None:
        """To be known soon; nobody waits for it."""
        self._wanted[who] = None
        self._asked.set()

    async def run(self) -> None:
        while True:
            await self._asked.wait()
            await asyncio.sleep(_GATHER)
            self._asked.clear()
            people, self._wanted = list(self._wanted), {}
            for first in range(0, len(people), _TOGETHER):
                await self._look_up(people[first : first + _TOGETHER])

    async def look_up(self, who: Pubkey) -> list[str]:
        """His relays, asked for now; [] when he has no list."""
        return (await self._look_up([who]))[who]

    async def _look_up(self, people: Sequence[Pubkey]) -> dict[Pubkey, list[str]]:
        """Remembered only when a relay has answered."""
        lists: dict[tuple[Pubkey, int], Event] = {}
        answered = False
        for url in self._world.relays.urls:
            try:
                asked = [{"kinds": list(LISTS), "authors": list(people)}]
                found = await self._world.relays.fetch(url, asked, _WAIT)
            except RelayTrouble:
                continue
            answered = True
            for event in found:
                key = event.pubkey, event.kind
                if event.created_at > getattr(lists.get(key), "created_at", -1):
                    lists[key] = event
        relays = {who: _relays(lists.get((who, 10050)), lists.get((who, 10002))) for who in people}
        if answered:
            for who, urls in relays.items():
                self._known.pop(who, None)
                self._known[who] = (self._world.clock(), urls)
            while len(self._known) > _MOST:
                self._known.pop(next(iter(self._known)))
        return relays


def _relays(letters: Event | None, general: Event | None) -> list[str]:
    urls = letters.tag_values("relay") if letters else []
    if not urls and general:
        urls = [
            tag[1] for tag in general.tags if tag[0] == "r" and len(tag) > 1 and (len(tag) == 2 or tag[2] == "read")
        ]
    return urls[:_RELAYS]
