"""Relays without sockets: the daemon's door to them (`HubRelays`) and the people's, with faults that can be told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.relays.filters import Sieve
from bot.relays.values import NOT_CONNECTED, Ack, CaughtUp, Filter, Heard, NoAnswer, RelayStatus, Want
from kinds.events import Event

DELAY = 0.005  # seconds between a client and a relay


@dataclass
class Relay:
    """Keeps what it is given; `down` it answers nothing; `deaf` it says OK and forgets."""

    url: str
    events: dict[str, Event] = field(default_factory=dict)
    listeners: list[Callable[[Event, Relay], None]] = field(default_factory=list)
    down: bool = False
    forgets: bool = False
    mute: bool = False  # takes events, delivers none
    refuses: Callable[[Event], bool] = lambda event: False
    page: int = 500  # events in one answer, the newest first

    def take(self, event: Event) -> Ack:
        if self.down:
            return Ack(None, NOT_CONNECTED)
        if self.refuses(event):
            return Ack(False, "blocked: not here")
        known = event.id in self.events
        if not self.forgets and not 20_000 <= event.kind < 30_000:
            self._keep(event)
        if not known and not self.mute:
            for listener in tuple(self.listeners):
                listener(event, self)
        return Ack(True, "duplicate: have it" if known else "")

    def _keep(self, event: Event) -> None:
        if event.kind >= 30_000 or event.kind in (0, 10002, 10050):
            same = [
                old
                for old in self.events.values()
                if (old.kind, old.pubkey, old.tag("d")) == (event.kind, event.pubkey, event.tag("d"))
            ]
            if any(old.created_at > event.created_at for old in same):
                return  # the newest version is kept, in whatever order they come
            for old in same:
                del self.events[old.id]
        self.events[event.id] = event

    def wipe(self) -> None:
        self.events.clear()


class HubRelays:
    """What `bot.relays.client.Relays` is to the daemon. Made anew at each start of it."""

    def __init__(
        self, relays: Sequence[Relay], wants: Sequence[Want], since: Callable[[str, str], int], clock: Callable[[], int]
    ) -> None:
        self._relays = {relay.url: relay for relay in relays}
        self._wants, self._since, self._clock = wants, since, clock
        self._queue: asyncio.Queue[Heard | CaughtUp] = asyncio.Queue()
        self._connected: dict[str, int | None] = dict.fromkeys(self._relays)

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(self._relays)

    async def run(self) -> None:
        try:
            while True:
                for relay in self._relays.values():
                    self._connect(relay)
                await asyncio.sleep(10.0)
        finally:
            for relay in self._relays.values():
                if self._hear in relay.listeners:
                    relay.listeners.remove(self._hear)

    def _connect(self, relay: Relay) -> None:
        up = self._connected[relay.url] is not None
        if relay.down or relay.mute:
            self._connected[relay.url] = None
            if self._hear in relay.listeners:
                relay.listeners.remove(self._hear)
            return
        if up:
            return
        self._connected[relay.url] = self._clock()
        relay.listeners.append(self._hear)
        for want in self._wants:
            self._since(
                relay.url, want.name
            )  # asked as a real client does; wraps are dated by the wall clock, so not used
            sieve = Sieve(want.filters(0))
            for event in relay.events.values():
                if sieve.passes(event):
                    self._queue.put_nowait(Heard(event, relay.url))
            self._queue.put_nowait(CaughtUp(relay.url, want.name, self._clock()))

    def _hear(self, event: Event, relay: Relay) -> None:
        if any(Sieve(want.filters(0)).passes(event) for want in self._wants):
            self._queue.put_nowait(Heard(event, relay.url))

    async def batch(self, limit: int) -> list[Heard | CaughtUp]:
        found = [await self._queue.get()]
        while len(found) < limit and not self._queue.empty():
            found.append(self._queue.get_nowait())
        return found

    async def speaking(self, within: float) -> bool:
        """These are always connected; a relay that is down does not answer."""
        return True

    async def publish(self, url: str, event_json: str, event_id: str, within: float = 10.0) -> Ack:
        await asyncio.sleep(DELAY)
        ack = self._relays[url].take(Event.parse(json.loads(event_json)))
        await asyncio.sleep(DELAY)
        return ack

    async def publish_to(
        self, urls: Sequence[str], event_json: str, event_id: str, within: float = 10.0
    ) -> dict[str, Ack]:
        return {url: await self.publish(url, event_json, event_id) for url in urls if url in self._relays}

    async def fetch(self, url: str, filters: Sequence[Filter], within: float = 10.0) -> list[Event]:
        await asyncio.sleep(DELAY)
        if self._relays[url].down:
            raise NoAnswer("not connected")
        sieve, relay = Sieve(filters), self._relays[url]
        found = [event for event in relay.events.values() if sieve.passes(event)]
        if any("ids" in each for each in filters):
            return found
        most = min([relay.page, *(each["limit"] for each in filters if "limit" in each)])
        return sorted(found, key=lambda event: -event.created_at)[:most]

    def kick(self, url: str) -> None:
        """Nothing is stuck here."""

    def status(self) -> dict[str, RelayStatus]:
        return {
            url: RelayStatus(
                since is not None, since is not None, since, 1, tuple(w.name for w in self._wants), False, {}, ""
            )
            for url, since in self._connected.items()
        }
