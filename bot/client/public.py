"""What a bot publishes for everybody: the logs and states of its tasks, its terms. Believed only when signed by it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from bot.client.attempts import attempts
from bot.client.heard import Entry, TaskCard, public
from bot.client.shelf import Shelf, Waited
from bot.client.voice import RESTS_ON, Away, NoBasis
from bot.relays.client import Relays
from bot.relays.values import Filter, RelayTrouble
from kinds.commands import Approve, Cancel
from kinds.commands.base import TaskCommand
from kinds.events import RECORD, TASK, Event
from kinds.log import LOG_TAG
from kinds.states import LogType, TaskState
from kinds.units import Pubkey

_LAG = 5.0  # seconds by which the public log may be behind the bot's letters


class PublicRecord:
    """What was read so far, and what is asked of the relays now."""

    def __init__(self, relays: Relays, bot: Pubkey, within: float) -> None:
        self._relays, self._bot, self._within = relays, bot, within
        self._entries: Shelf[Entry] = Shelf()
        self._cards: Shelf[TaskCard] = Shelf()
        self._known: set[str] = set()

    def shelve(self, event: Event) -> None:
        """Takes a verified event in; whoever waits for it goes on."""
        if event.pubkey != self._bot or event.id in self._known:
            return
        self._known.add(event.id)
        match public(event):
            case Entry() as entry:
                self._entries.put([entry.task], entry)
            case TaskCard() as card:
                self._cards.put([card.task], card)

    # As it comes

    async def entry(
        self, task: str, type: str = "", *, state: str = "", after: int = 0, within: float | None = None
    ) -> Entry:
        """The first entry of the task's log of this type, in this state, behind this seq. Raises Waited."""

        def wanted(entry: Entry) -> bool:
            return entry.seq > after and type in ("", entry.type) and state in ("", entry.state)

        what = f"{type or state or 'an entry'} in the log of {task}"
        return await self._entries.first(task, wanted, within or self._within, what)

    async def card(self, task: str, state: str = "", *, after: int = 0, within: float | None = None) -> TaskCard:
        """The first state event of the task in this state. Raises Waited; states that follow fast may be skipped."""
        what = f"the state {state} of {task}"
        wanted = lambda card: card.seq > after and state in ("", card.state)  # noqa: E731
        return await self._cards.first(task, wanted, within or self._within, what)

    # As it stands

    async def log(self, task: str) -> list[Entry]:
        """The task's published log, in order. Raises Away."""
        await self._read({"kinds": [RECORD], "#d": [task], "#t": [LOG_TAG]})
        return sorted(self._entries.under(task), key=lambda entry: entry.seq)

    async def state(self, task: str) -> TaskCard | None:
        """The newest state event of the task. Raises Away."""
        await self._read({"kinds": [TASK], "#d": [f"holdfast-{task}"]})
        return max(self._cards.under(task), key=lambda card: card.seq, default=None)

    async def published(self, task: str) -> list[Entry]:
        """The task's log, once the state event stands at its newest entry: nothing of it is on its way. Raises Waited."""
        while True:
            entries, card = await self.log(task), await self.state(task)
            last, shown = entries[-1].seq if entries else 0, card.seq if card else 0
            if last == shown > 0:
                return entries
            if shown > last:
                await self.entry(task, after=last)
            else:
                await self.card(task, after=shown)

    async def first(self, task: str, action: str) -> Entry:
        """The entry that made the task. Raises NoBasis, naming what it was needed for."""
        return (await self._something(task, action))[0]

    async def basis(self, command: TaskCommand, by: str) -> str:
        """The entry on which this decision by this person rests now; one that is just being published is waited for, but for the
        offer that a `cancel` accepts. Raises NoBasis."""
        entries = await self._something(command.letters, command.action)
        if isinstance(command, Cancel):
            return _accepted(command, by, entries).id
        needed = RESTS_ON.get(type(command))
        fitting = [entry for entry in entries if needed is None or entry.type == needed]
        if not fitting and isinstance(command, Approve) and entries[-1].state == TaskState.DISPUTED:
            fitting = entries  # a dispute without a proof
        if fitting:
            return fitting[-1].id
        try:
            return (await self.entry(command.letters, str(needed), within=min(self._within, _LAG))).id
        except Waited:
            raise NoBasis(
                f"the log of task {command.task} has no {needed}, on which {command.action} must rest"
            ) from None

    async def terms(self) -> dict[str, Any]:
        """The operator's terms in force, and `version`, the id of their record. Raises Away."""
        found = await self.fetch([{"kinds": [TASK], "authors": [self._bot], "#d": ["holdfast-terms"]}])
        if not found:
            raise Away("this bot has published no terms on these relays")
        newest = max(found, key=lambda event: event.created_at)
        return {**json.loads(newest.content), "version": newest.tag("e") or ""}

    async def fetch(self, filters: Sequence[Filter]) -> list[Event]:
        """Verified events of anybody from all our relays, each once. Raises Away when none answers."""
        async for left in attempts(self._relays, self._within):
            answers = []
            for url in self._relays.urls:
                with suppress(RelayTrouble):
                    answers.append(await self._relays.fetch(url, filters, left))
            if answers:
                return list({event.id: event for events in answers for event in events}.values())
        raise Away(f"no relay answers at {', '.join(self._relays.urls)}")

    async def _read(self, wanted: Filter) -> None:
        for event in await self.fetch([{**wanted, "authors": [self._bot]}]):
            self.shelve(event)

    async def _something(self, task: str, action: str) -> list[Entry]:
        """The log of a task that is there, or is just being published. Raises NoBasis."""
        entries = await self.log(task)
        if entries:
            return entries
        try:
            return [await self.entry(task, within=min(self._within, _LAG))]
        except Waited:
            raise NoBasis(
                f"the relays have no log of a task {task} by this bot, on which {action} could rest"
            ) from None


def _accepted(command: Cancel, by: str, entries: Sequence[Entry]) -> Entry:
    """The other side's newest offer when this cancel says the same, else simply the newest entry."""
    offers = [
        entry for entry in entries if entry.type == LogType.CANCEL_OFFERED and entry.facts.get("by") not in (None, by)
    ]
    same = offers and offers[-1].facts.get("percent") == (command.percent or 0)
    return offers[-1] if same else entries[-1]
