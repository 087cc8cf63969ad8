"""Relays in all weathers. The daemon hears through `Sea`: late, twice, out of order, not at all, or a forgery before the truth; what
was not delivered live comes with the next catch-up, as with a real relay."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from operator import attrgetter

from bot.relays.client import REPEAT_CATCH_UP
from bot.relays.filters import Sieve
from bot.relays.genuine import Dropped, Gate
from bot.relays.values import Ack, CaughtUp, Filter, Heard, NoAnswer, RelayStatus, Want
from kinds.events import Event, read_json
from kinds.units import Pubkey
from tests.virtual.hub import Relay

_made = attrgetter("created_at")
_LOOK = 15.0  # seconds between two looks at a relay's connection


@dataclass(slots=True)
class Weather:
    """What a relay does to the events that pass; chances from 0 to 1, times in seconds."""

    delay: float = 0.0  # at most, each event by itself: they overtake each other
    lost: float = 0.0  # not delivered live
    twice: float = 0.0
    forged: float = 0.0  # a forgery of the same id comes first
    slow: float = 0.0  # that an answer to what we publish takes, at most
    unacknowledged: float = 0.0  # kept, and the OK is lost


_SHELVED = {"kinds", "authors", "since", "until"}  # of a filter: what the shelves themselves answer


class WildRelay(Relay):
    """A relay of the simulation; its weather is told to it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.weather = Weather()
        self.mail: dict[Pubkey, list[Event]] = {}  # by whom they name, in the order in which they came
        self._withheld: list[Event] = []
        self._newest: dict[tuple[int, str, str | None], str] = {}  # of what is replaced: address -> id
        self._shelves: dict[tuple[int, str], list[Event]] = {}  # by kind and author, the oldest first

    def take(self, event: Event) -> Ack:
        known = event.id in self.events
        ack = super().take(event)
        if self.mute and ack.accepted and not known:
            self._withheld.append(event)
        return ack

    def speak(self) -> None:
        """No longer mute: whoever listens hears what he has missed."""
        self.mute = False
        withheld, self._withheld = self._withheld, []
        for event in withheld:
            for listener in tuple(self.listeners):
                listener(event, self)

    def find(self, filters: Sequence[Filter]) -> list[Event]:
        """By filters of ids alone, or of kinds and authors and more: nobody here asks otherwise."""
        found: dict[str, Event] = {}
        for each in filters:
            if each.keys() == {"ids"}:
                found |= self._named(each["ids"])
                continue
            sieve = Sieve([each]) if each.keys() - _SHELVED else None
            for kind, author in product(each["kinds"], each["authors"]):
                some = self._between(kind, author, each.get("since", 0), each.get("until"))
                found |= {event.id: event for event in some if sieve is None or sieve.passes(event)}
        return list(found.values())

    def _named(self, ids: Sequence[str]) -> dict[str, Event]:
        try:  # it has them all, as a rule
            return dict(zip(ids, map(self.events.__getitem__, ids), strict=True))
        except KeyError:
            return {name: self.events[name] for name in ids if name in self.events}

    def _between(self, kind: int, author: str, since: int, until: int | None) -> list[Event]:
        shelf = self._shelves.get((kind, author), [])
        first = bisect_left(shelf, since, key=_made)
        return shelf[first : None if until is None else bisect_right(shelf, until, key=_made)]

    def _keep(self, event: Event) -> None:
        """As the other relay does, without looking at everything it has."""
        if event.kind >= 30_000 or event.kind in (0, 10002, 10050):
            place = event.kind, event.pubkey, event.tag("d")
            old = self.events.get(self._newest.get(place, ""))
            if old and old.created_at > event.created_at:
                return
            if old:
                self.drop(old)
            self._newest[place] = event.id
        if event.id not in self.events:
            insort(self._shelves.setdefault((event.kind, event.pubkey), []), event, key=_made)
            for name in {*event.tag_values("p")}:
                self.mail.setdefault(Pubkey(name), []).append(event)
        self.events[event.id] = event

    def drop(self, event: Event) -> None:
        """It has this one no longer."""
        del self.events[event.id]
        shelf = self._shelves[event.kind, event.pubkey]
        place = bisect_left(shelf, event.created_at, key=_made)
        while shelf[place].id != event.id:
            place += 1
        del shelf[place]


class FastGate(Gate):
    """The daemon's own gate; the very same object, or the same text, is looked at once, since the answer is the same."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, Event] = {}
        self._parsed: OrderedDict[str, Event] = OrderedDict()

    def let_in(self, event: Event) -> Event:
        """Raises Dropped. A forgery is another object than the event whose id it bears."""
        if self._passed.get(event.id) is not event:
            self.admit(event.as_dict())
            self._passed[event.id] = event
        return event

    def parsed(self, text: str) -> Event:
        """What the daemon says to each relay, and again when a relay gave no answer."""
        known = self._parsed.get(text)
        if known is None:
            known = self._parsed[text] = Event.parse(read_json(text))
            if len(self._parsed) > 5_000:
                self._parsed.popitem(last=False)
        return known


class Sea:
    """The connections of one process to all relays. Made anew at each start of it."""

    def __init__(
        self,
        relays: Sequence[WildRelay],
        bot: Pubkey,
        wants: Sequence[Want],
        since: Callable[[str, str], int],
        clock: Callable[[], int],
        chance: random.Random,
        gate: FastGate,
        count: Callable[[str], None],
    ) -> None:
        """`gate`: what was verified in an earlier life need not be computed again; it decides the same."""
        self._bot = bot
        self._relays = {relay.url: relay for relay in relays}
        self._wants, self._since, self._clock, self._chance, self._count = wants, since, clock, chance, count
        self._live = Sieve([each for want in wants for each in want.filters(0)])
        self._gate = gate
        self._queue: asyncio.Queue[Heard | CaughtUp] = asyncio.Queue()
        self._status = {url: self._told(None) for url in self._relays}
        self._again: dict[str, float] = dict.fromkeys(self._relays, 0.0)
        self._read: dict[str, int] = dict.fromkeys(self._relays, 0)  # how far a catch-up has read our mail
        self._done: dict[str, set[str]] = {url: set() for url in self._relays}  # ids behind that which none need bring

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(self._relays)

    async def run(self) -> None:
        try:
            while True:
                for relay in self._relays.values():
                    self._connect(relay)
                await asyncio.sleep(_LOOK)
        finally:
            for relay in self._relays.values():
                self._leave(relay)

    def _leave(self, relay: WildRelay) -> None:
        self._status[relay.url] = self._told(None)
        if self._hear in relay.listeners:
            relay.listeners.remove(self._hear)

    def _connect(self, relay: WildRelay) -> None:
        if relay.down or relay.mute:
            self._leave(relay)
            return
        if self._status[relay.url].since is None:
            self._status[relay.url] = self._told(self._clock())
            relay.listeners.append(self._hear)
        elif self._clock() < self._again[relay.url]:
            return
        self._again[relay.url] = self._clock() + REPEAT_CATCH_UP
        done, mail = self._done[relay.url], relay.mail.get(self._bot, [])
        fresh = [event for event in mail[self._read[relay.url] :] if event.id in relay.events and event.id not in done]
        self._read[relay.url] = len(mail)
        done.clear()
        for want in self._wants:
            filters = want.filters(self._since(relay.url, want.name))
            sieve, kinds = Sieve(filters), {kind for each in filters for kind in each["kinds"]}
            for event in fresh:
                if event.kind in kinds and sieve.passes(event):
                    self._put(event, relay)
            self._queue.put_nowait(CaughtUp(relay.url, want.name, self._clock()))

    def _hear(self, event: Event, relay: Relay) -> None:
        assert isinstance(relay, WildRelay), "this sea has no other relays"
        if not self._live.passes(event):
            self._done[relay.url].add(event.id)
            return
        weather, chance = relay.weather, self._chance
        if chance.random() < weather.forged:
            self._count("forgery")
            self._put(_forgery(event, chance), relay)
        if chance.random() < weather.lost:
            self._count("lost event")
            return
        copies = 2 if chance.random() < weather.twice else 1
        for _ in range(copies):
            if weather.delay:
                asyncio.get_running_loop().call_later(chance.random() * weather.delay, self._put, event, relay)
            else:
                self._put(event, relay)

    def _put(self, event: Event, relay: WildRelay) -> None:
        with suppress(Dropped):  # a forgery
            self._queue.put_nowait(Heard(self._gate.let_in(event), relay.url))

    async def batch(self, limit: int) -> list[Heard | CaughtUp]:
        found = [await self._queue.get()]
        while len(found) < limit and not self._queue.empty():
            found.append(self._queue.get_nowait())
        return found

    async def publish(self, url: str, event_json: str, event_id: str, within: float = 10.0) -> Ack:
        relay, chance = self._relays[url], self._chance
        slow = chance.random() * relay.weather.slow
        await asyncio.sleep(min(slow, within) if slow else 0.005)
        if slow > within:
            return Ack(None, "no answer in time")
        ack = relay.take(self._gate.parsed(event_json))
        if chance.random() < relay.weather.unacknowledged:
            self._count("lost OK")
            return Ack(None, "no answer in time")
        return ack

    async def fetch(self, url: str, filters: Sequence[Filter], within: float = 10.0) -> list[Event]:
        await asyncio.sleep(0.005)
        if self._relays[url].down or self._relays[url].mute:
            raise NoAnswer("not connected")
        return self._relays[url].find(filters)

    def kick(self, url: str) -> None:
        self._leave(self._relays[url])

    def status(self) -> dict[str, RelayStatus]:
        return self._status.copy()

    def _told(self, since: int | None) -> RelayStatus:
        """Of a relay that is heard since then, or not at all."""
        wants = tuple(want.name for want in self._wants)
        return RelayStatus(since is not None, since is not None, since, 1, wants, False, {}, "")


def _forgery(event: Event, chance: random.Random) -> Event:
    """The same id with something else under it, or the same event under a signature of nobody."""
    if chance.random() < 0.5:
        return replace(event, content=event.content + " ")
    return replace(event, sig="ab" * 64)
