"""What we have published, asked back from the relays: genuine entries by our key that this database does not know.

A relay gives some 500 events per question, so it is asked page by page, back in time. What it leaves out proves nothing; what it gives
is by our own signature, whoever keeps it. Signatures are checked here of what is not known yet, and only of that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from bot.relays.genuine import is_genuine
from bot.relays.values import Filter, RelayTrouble
from bot.world import World
from kinds.events import RECORD, Event
from kinds.record import Entry, read_entry
from storage import memory
from storage.memory import Missing

SPAN = 6 * 3600  # seconds before our newest entry: clocks are set back now and then
PAGE = 500
CHAIN = "holdfast-checkpoint"  # `d` of the daemon's own chain
_PAGES = 2000  # of one question: a relay that goes on for ever is not asked for ever
_TASKS_AT_ONCE = 100
_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class Read:
    """What one relay has of ours that we do not know, or None when it did not answer to the end."""

    url: str
    entries: tuple[Entry, ...] | None


async def read_all(world: World, urls: Iterable[str] | None = None, whole: bool = False) -> list[Read]:
    """These relays, or every listed one, side by side. `whole`: from the beginning of time, and not only what may be new."""
    ours: Filter = {"kinds": [RECORD], "authors": [world.bot]}
    filters = [ours] if whole else await world.writer.do(lambda tx: _asked(tx, ours))
    asked = world.relays.urls if urls is None else urls
    return list(await asyncio.gather(*(_read_one(world, url, ours, filters) for url in asked)))


async def _read_one(world: World, url: str, ours: Filter, filters: Iterable[Filter]) -> Read:
    """Whatever stands in a second that is too full to be read is asked for once more by the names of the tasks that are known."""
    found: dict[str, Entry] = {}
    try:
        crowded = [await _pages(world, url, each, found) for each in filters]
        if any(crowded):
            open_now = await world.writer.do(memory.open_tasks)
            for task in sorted({*(entry.task for entry in found.values()), *(task for task, _ in open_now)}):
                await _pages(world, url, {**ours, "#d": [task or CHAIN]}, found)
    except RelayTrouble:
        return Read(url, None)
    return Read(url, tuple(found.values()))


def _asked(tx: Connection, ours: Filter) -> list[Filter]:
    """All since a while before our newest entry, and all of the tasks that were at rest then and are not over."""
    since = max(0, memory.newest(tx) - SPAN)
    filters: list[Filter] = [{**ours, "since": since}]
    quiet = [(task, time) for task, time in memory.open_tasks(tx) if time < since]
    for first in range(0, len(quiet), _TASKS_AT_ONCE):
        some = quiet[first : first + _TASKS_AT_ONCE]
        oldest = min(time for _, time in some)
        filters.append({**ours, "#d": [task for task, _ in some], "since": oldest, "until": since})
    return filters


async def _pages(world: World, url: str, asked: Filter, found: dict[str, Entry]) -> bool:
    """Back in time until there is nothing more, however few events the relay gives at once. True: some second may have had more than
    that: an answer about it was as long as any other one."""
    seen: set[str] = set()
    until: int | None = asked.get("until")
    crowded, most = False, 2  # events that the relay gives at once, as far as it has shown
    for _ in range(_PAGES):
        more = {} if until is None else {"until": until}
        page = await world.relays.fetch(url, [{**asked, **more, "limit": PAGE}], _WITHIN)
        if not page:
            return crowded
        fresh = [event for event in page if event.id not in seen]
        seen.update(event.id for event in fresh)
        for entry in await _unknown(world, fresh):
            found[entry.id] = entry
        oldest, newest = (choice(event.created_at for event in page) for choice in (min, max))
        stuck = not fresh or oldest == newest == until  # nothing but this second fits on a page, or all of it was there
        most = max(most, len(page))
        crowded = crowded or (stuck and oldest == newest and len(page) >= most)
        until = oldest - 1 if stuck else oldest
    return crowded


async def _unknown(world: World, events: Iterable[Event]) -> list[Entry]:
    """Most of what a relay shows is known, and known by its id: only the rest is read."""
    shown = {event.id: event for event in events}
    if not shown:
        return []
    new = await world.writer.do(lambda tx: memory.unknown(tx, shown))
    read = [entry for event_id in new if (entry := read_entry(shown[event_id], world.bot))]
    return [entry for entry in read if is_genuine(entry.event)]


def missing(entries: Iterable[Entry], heads: Mapping[str, tuple[int, str]]) -> list[Missing]:
    """What these entries, which we do not know, say about our memory: one line a chain."""
    chains: dict[str, list[Entry]] = {}
    for entry in entries:
        chains.setdefault(entry.task, []).append(entry)
    found = []
    for task, some in sorted(chains.items()):
        ours, _ = heads.get(task, (0, ""))
        forked = [entry.seq for entry in some if entry.seq <= ours]
        top = max(entry.seq for entry in some)
        if forked:
            found.append(Missing("fork", task, f"another entry {min(forked)} than ours stands on a relay"))
        elif ours == 0 and task:
            found.append(Missing("unknown_task", task, f"{top} entries of a task that is not known here"))
        else:
            found.append(Missing("longer_chain", task, f"a relay has it up to entry {top}, we up to {ours}"))
    return found


def chain_of(entries: Iterable[Entry], seq: int, head: str) -> tuple[list[Entry], list[Entry]]:
    """(the entries that follow our head one by one, those that do not fit). Each names the one before it. Where the chain branches, the
    longer branch is taken; of two equally long ones that whose first entry is earlier, and then the one with the smaller id."""
    after: dict[tuple[int, str], list[Entry]] = {}
    for entry in {entry.id: entry for entry in entries}.values():
        after.setdefault((entry.seq, entry.prev or ""), []).append(entry)
    length: dict[str, int] = {}
    for place in sorted(after, reverse=True):
        for entry in after[place]:
            following = after.get((entry.seq + 1, entry.id), [])
            length[entry.id] = 1 + max((length[each.id] for each in following), default=0)
    follows: list[Entry] = []
    while next_ones := after.get((seq + 1, head)):
        follows.append(min(next_ones, key=lambda each: (-length[each.id], each.time, each.id)))
        seq, head = seq + 1, follows[-1].id
    taken = {entry.id for entry in follows}
    return follows, [each for some in after.values() for each in some if each.id not in taken]
