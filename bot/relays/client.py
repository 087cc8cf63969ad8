"""All relays of the daemon as one thing: what it hears comes out of `batch`, what it says goes in by `publish`.

Two promises. Lossless: a verified event is in the batch of somebody or the cursor of its relay stays before it; a slow
reader slows the relays down. Bounded: the intray, every message, every wait and every memory has a limit.
Each relay has two connections, one to hear and one to speak, so that whoever takes batches may wait for `publish` and
`fetch` between two of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from bot.relays.ear import Common, Ear
from bot.relays.genuine import Gate
from bot.relays.intray import Intray
from bot.relays.mouth import Mouth
from bot.relays.signer import Signer
from bot.relays.strangers import Strangers
from bot.relays.values import (
    Ack,
    BadRelayUrl,
    CaughtUp,
    Drop,
    Filter,
    Have,
    Heard,
    NoAnswer,
    RelayStatus,
    Want,
    normal_url,
)
from kinds.events import Event

__all__ = ["Ack", "BadRelayUrl", "CaughtUp", "Heard", "NoAnswer", "RelayStatus", "Relays", "Want", "normal_url"]

INTRAY_ROOM = 4096  # events
INTRAY_VOLUME = 32 * 2**20  # bytes of content and tags
REPEAT_CATCH_UP = 600.0  # seconds
IDS_AT_ONCE = 200
MAX_FETCHED = 5000
MAX_RECIPIENT_RELAYS = 8


class Relays:
    """Connections to the listed relays, and visits to others. `run` connects, and closes everything when it is cancelled."""

    def __init__(
        self,
        urls: Sequence[str],
        wants: Sequence[Want],
        *,
        signer: Signer | None,
        since: Callable[[str, str], int],
        clock: Callable[[], int],
        jitter: Callable[[], float],
        have: Have | None = None,
        allow_private: bool = False,
        repeat_catch_up: float = REPEAT_CATCH_UP,
    ) -> None:
        """`since(relay, want)`: unix seconds from which to read, the overlap already taken off; `have(filters)`: what is
        stored already, for NIP-77; `jitter()`: 0 to 1; `allow_private`: letters may go to relays in our own network.
        Raises BadRelayUrl.
        """
        if any(not 0 < len(want.name) <= 32 for want in wants) or len({want.name for want in wants}) != len(wants):
            raise ValueError("each want has a name of its own of at most 32 letters")
        self._intray = Intray(INTRAY_ROOM, INTRAY_VOLUME)
        gate = Gate()
        common = Common(tuple(wants), self._intray, gate, signer, since, have, clock, jitter, repeat_catch_up)
        dropped = {url: Counter[Drop]() for url in map(normal_url, urls)}
        self._ears = {url: Ear(url, common, dropped[url]) for url in dropped}
        self._mouths = {url: Mouth(url, gate, signer, clock, jitter, dropped[url]) for url in dropped}
        self._strangers = Strangers(gate, signer, clock, allow_private=allow_private)

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(self._ears)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._strangers.run())
            for url, ear in self._ears.items():
                tasks.create_task(ear.run())
                tasks.create_task(self._mouths[url].run())

    async def batch(self, limit: int) -> list[Heard | CaughtUp]:
        """At least one, at most `limit`, in the order in which each relay's came. Cancelled, it has taken nothing."""
        return await self._intray.batch(limit)

    async def speaking(self, within: float) -> bool:
        """Whether a listed relay can be spoken to, or can be within so many seconds."""
        opening = [asyncio.ensure_future(mouth.opened()) for mouth in self._mouths.values()]
        try:
            opened, _ = await asyncio.wait(opening, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in opening:
                each.cancel()
        return bool(opened)

    async def publish(self, url: str, event_json: str, event_id: str, within: float = 10.0) -> Ack:
        """Sends to one listed relay and waits for its OK, beside any number of others. Never raises for trouble of the
        relay. After Ack(None, ...) send the same bytes again; Ack(False, "replaced: ...") means a newer one is there.
        """
        return await self._mouths[normal_url(url)].publish(event_json, event_id, within)

    async def publish_to(
        self, urls: Sequence[str], event_json: str, event_id: str, within: float = 10.0
    ) -> dict[str, Ack]:
        """Sends to relays that a recipient named, at most the first eight; listed ones as by `publish`. Keys as given."""

        async def send(named: str) -> Ack:
            try:
                url = normal_url(named)
            except BadRelayUrl as error:
                return Ack(False, str(error))
            if (mouth := self._mouths.get(url)) is not None:
                return await mouth.publish(event_json, event_id, within)
            return await self._strangers.publish(url, event_json, event_id, within)

        chosen = list(dict.fromkeys(urls))[:MAX_RECIPIENT_RELAYS]
        if len(chosen) == 1:  # as it mostly is: a gathering of one costs a task
            return {chosen[0]: await send(chosen[0])}
        return dict(zip(chosen, await asyncio.gather(*map(send, chosen)), strict=True))

    async def fetch(self, url: str, filters: Sequence[Filter], within: float = 10.0) -> list[Event]:
        """What a listed relay has stored, verified, each event once. An empty list means that the relay said so: raises
        NoAnswer when it did not answer in time or sent more than 5000 events, Refused when it said CLOSED. A relay gives
        some 500 events per filter; filters by ids are split, so that any number of ids may be asked for.
        """
        found: dict[str, Event] = {}

        async def keep(event: Event) -> None:
            if len(found) <= MAX_FETCHED:
                found[event.id] = event

        try:
            async with asyncio.timeout(within):
                session = await self._mouths[normal_url(url)].session()
                for each in _short(filters):
                    await session.query([each], keep)
        except TimeoutError:
            raise NoAnswer("no answer in time") from None
        if len(found) > MAX_FETCHED:
            raise NoAnswer(f"more than {MAX_FETCHED} events")
        return list(found.values())

    def kick(self, url: str) -> None:
        """For a relay that stays connected but mute: new connections, new subscriptions, a new catch-up, at once.

        Raises KeyError, like publish and fetch, for a relay that is not listed.
        """
        self._ears[normal_url(url)].kick()
        self._mouths[normal_url(url)].kick()

    def status(self) -> dict[str, RelayStatus]:
        return {url: ear.status(speaking=self._mouths[url].connected) for url, ear in self._ears.items()}


def _short(filters: Sequence[Filter]) -> list[dict[str, Any]]:
    """The same filters with at most a chunk of ids each."""
    short = []
    for each in filters:
        ids = each.get("ids")
        if ids is None:
            short.append(each)
        else:
            short += [{**each, "ids": ids[first : first + IDS_AT_ONCE]} for first in range(0, len(ids), IDS_AT_ONCE)]
    return short
