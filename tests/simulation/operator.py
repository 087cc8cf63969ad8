"""The operator: he stops business and lets it go on, freezes tasks, bans people, changes his terms and makes good for what was lost, by
message or at the machine. What he does is public, and takes nothing from anybody."""

from __future__ import annotations

import asyncio
import json
import random
from typing import TYPE_CHECKING, Any

from bot.config import FeeSettings
from kinds.figures import npub
from tests.simulation.person import Person

if TYPE_CHECKING:
    from tests.simulation.city import City

_TRIES = 20


class Operator:
    def __init__(self, city: City, person: Person, chance: random.Random) -> None:
        self._city, self._person, self._chance = city, person, chance
        self._open: list[tuple[str, dict[str, Any]]] = []  # what takes back what he has done

    async def say(self, action: str, task: str = "", **words: Any) -> None:
        """Money of the insurance is given at the machine only; for the rest either door will do."""
        self._city.story.tell(f"the operator: {action} {words or ''}", task)
        if action != "compensate" and self._chance.random() < 0.5:
            self._person.tell(action, task, **words)
        else:
            await self._by_hand({"v": 1, "action": action, **({"task": task} if task else {}), **words})

    async def _by_hand(self, said: dict[str, Any]) -> None:
        """Once more until it is answered: the daemon may be down, or die over it."""
        for _ in range(_TRIES):
            answer = asyncio.ensure_future(self._city.house.by_hand(json.dumps(said)))
            await asyncio.wait([answer])  # whoever dies in there must not take him along
            if not answer.cancelled() and not answer.exception() and answer.result() is not None:
                return
            await asyncio.sleep(30)

    async def play(self, mean: float = 2400.0) -> None:
        """Something every so often; what stops people is taken back within the hour."""
        while True:
            await asyncio.sleep(self._chance.expovariate(1 / mean))
            act = self._chance.choices(("freeze", "pause", "ban", "terms", "compensate", "look"), (6, 1, 2, 1, 3, 1))[0]
            await getattr(self, f"_{act}")()

    async def calm(self) -> None:
        """Nothing of what he has done stops anybody any more."""
        for action, words in self._open:
            await self.say(action, **words)
        self._open = []
        for task in self._city.frozen():  # a letter of his may have been lost
            await self._by_hand({"v": 1, "action": "unfreeze", "task": task})

    async def _for_a_while(self, action: str, back: str, **words: Any) -> None:
        undo = back, words
        self._open.append(undo)
        await self.say(action, **words)
        await asyncio.sleep(self._chance.random() * 3600)
        await self.say(back, **words)
        self._open.remove(undo)

    async def _freeze(self) -> None:
        running = [task for task, public in self._city.gazette.tasks.items() if not public.is_final]
        if running:
            await self._for_a_while("freeze", "unfreeze", task=self._chance.choice(running))

    async def _pause(self) -> None:
        await self._for_a_while("pause", "resume")

    async def _ban(self) -> None:
        await self._for_a_while("ban", "unban", npub=npub(self._chance.choice(self._city.everybody).pubkey))

    async def _terms(self) -> None:
        """New terms hold from the next start on, and for new tasks only."""
        city = self._city
        fees = FeeSettings(ppm=self._chance.choice((0, 5_000, 20_001)), base_sat=self._chance.randrange(5))
        city.settings = city.settings.model_copy(update={"fees": fees})
        city.process_dies_at(1)

    async def _compensate(self) -> None:
        lost = [
            task for task, public in self._city.gazette.tasks.items() if public.is_final and public.last("hold.lost")
        ]
        if lost:
            amount = self._chance.choice((1, 5, 100_000))
            await self.say("compensate", self._chance.choice(lost), amount=amount, reason="the hold was lost")

    async def _look(self) -> None:
        await self.say(self._chance.choice(("holds", "incidents")))
