"""Events to the relays: signed once, the bytes kept, the same id sent again until every listed relay has it.

If the process dies after the signature and before the store, the event is signed once more: the id is the same. If it dies after
the send and before the acknowledgement is stored, the same bytes go out again: relays know the id.

What lacks only relays that are not connected rests as long as any try may rest, and is due as soon as one of them is back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from operator import attrgetter

import structlog
from sqlalchemy import Connection

from bot.relays.values import RelayTrouble
from bot.world import World
from storage import outbox
from storage.outbox import Parcel
from storage.schema import events

_BATCH = 200
_IN_FLIGHT = 2000
_ENOUGH = 30  # tries after which a relay that refuses for good is left alone, as long as another one has it
_AUDIT = 900.0  # seconds between two audits of a relay
_REST = 60.0  # also of one that comes and goes
_LOOK = 5.0
_NO_USE = 20  # as after so many tries: the longest wait
_FIRST_CONNECTION = 10.0  # seconds; a connection takes milliseconds, and without any nothing can be said
_id = attrgetter("id")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of sending a parcel."""

    parcel: Parcel
    acked: frozenset[str]
    done: bool
    later: int
    away: frozenset[str]  # relays that lack it and are not connected


class Publisher:
    def __init__(self, world: World) -> None:
        self._world = world
        self._busy: set[int] = set()
        self._room = asyncio.Semaphore(_IN_FLIGHT)
        self._tried: list[_Tried] = []
        self._answered = asyncio.Event()  # there is something in `_tried`
        self._away = set(world.relays.urls)  # relays for which something may wait, since they were not connected

    async def run(self) -> None:
        """Begins when a relay can be spoken to: what a start says (terms, the daemon's own chain) goes out before what rests on it,
        and not only after a first attempt in vain."""
        world = self._world
        await world.relays.speaking(_FIRST_CONNECTION)
        async with asyncio.TaskGroup() as sends:
            sends.create_task(self._record())
            while True:
                busy = frozenset(self._busy)
                found, soonest = await world.writer.do(lambda tx, busy=busy: self._pending(tx, busy))  # type: ignore[misc]
                self._busy.update(parcel.n for parcel in found)
                for parcel, body in await self._signed(found):
                    await self._room.acquire()
                    sends.create_task(self._send(parcel, body))
                if len(found) < _BATCH:  # that was all; what is queued from now on rings
                    await world.idle(world.wakes.events, soonest)

    def _pending(self, tx: Connection, busy: frozenset[int]) -> tuple[list[Parcel], int | None]:
        """What may be sent now; when that is all, the time at which something else will be."""
        now = self._world.moments.time
        found = outbox.parcels(tx, now, _BATCH, busy)
        return found, None if len(found) >= _BATCH else outbox.next_try(tx, events, now)

    async def _signed(self, parcels: list[Parcel]) -> list[tuple[Parcel, str]]:
        fresh = [parcel for parcel in parcels if not parcel.signed]
        if not fresh:
            return [(parcel, parcel.body) for parcel in parcels]
        signed = await self._world.signer.sign_many([parcel.unsigned() for parcel in fresh])
        bodies = {parcel.n: event.as_json() for parcel, event in zip(fresh, signed, strict=True)}
        await self._world.writer.do(lambda tx: outbox.store_signed(tx, list(bodies.items())))
        return [(parcel, bodies.get(parcel.n, parcel.body)) for parcel in parcels]

    async def _send(self, parcel: Parcel, body: str) -> None:
        world = self._world
        missing = [url for url in world.relays.urls if url not in parcel.acked]
        if len(missing) == 1:  # a gathering of one costs a task
            answers = [await world.relays.publish(missing[0], body, parcel.id)]
        else:
            answers = await asyncio.gather(*(world.relays.publish(url, body, parcel.id) for url in missing))
        accepted = {
            url
            for url, ack in zip(missing, answers, strict=True)
            if ack.accepted or (ack.accepted is False and ack.message.startswith("replaced"))
        }
        acked = parcel.acked | accepted
        away = frozenset(url for url, ack in zip(missing, answers, strict=True) if ack.away)
        done = acked >= set(world.relays.urls) or bool(acked and parcel.tries >= _ENOUGH)
        tries = _NO_USE if acked | away >= set(world.relays.urls) else parcel.tries
        self._tried.append(_Tried(parcel, acked, done, 0 if done else world.backoff(tries), away))
        self._answered.set()

    async def _record(self) -> None:
        """Writes down what came of the sends, all that are answered by then at once; until then they count as under way."""
        while True:
            await self._answered.wait()
            self._answered.clear()
            tried, self._tried = self._tried, []

            def record(tx: Connection, tried: list[_Tried] = tried) -> None:
                for one in tried:
                    tries = one.parcel.tries + (0 if one.done else 1)
                    outbox.record_acks(tx, one.parcel.n, one.acked, one.done, tries, one.later)

            await self._world.writer.do(record)
            for one in tried:
                self._busy.discard(one.parcel.n)
                self._away |= one.away
                self._room.release()
            if not all(one.done for one in tried):
                self._world.wakes.events.ring()  # whoever sleeps has not counted what was under way: look when it is due

    async def audit(self) -> None:
        """Now and then, and when a relay is back: what a relay does not have of ours, it gets again from our copy."""
        world = self._world
        checked: dict[str, int | None] = dict.fromkeys(world.relays.urls)
        last: dict[str, float] = dict.fromkeys(world.relays.urls, 0.0)
        while True:
            await asyncio.sleep(_LOOK)
            for url, status in world.relays.status().items():
                if status.speaking and url in self._away:
                    await self._is_back(url)
                rest = world.clock() - last[url]
                back = status.since != checked[url] and rest > _REST
                if not (status.hearing and status.speaking) or not (back or rest > _AUDIT):
                    continue
                if await self._audit_relay(url):
                    checked[url], last[url] = status.since, world.clock()

    async def _is_back(self, url: str) -> None:
        """What waits for this relay is due now."""
        self._away.discard(url)
        if await self._world.writer.do(lambda tx: outbox.hurry(tx, url, self._world.moments.time)):
            self._world.wakes.events.ring()

    async def _audit_relay(self, url: str) -> bool:
        world, after = self._world, 0
        while True:
            after, ids = await world.writer.do(lambda tx, after=after: outbox.finished(tx, after, 500))  # type: ignore[misc]
            if not ids:
                return True
            try:
                there = set(map(_id, await world.relays.fetch(url, [{"ids": ids}])))
            except RelayTrouble:
                return False
            lost = [] if there.issuperset(ids) else [event_id for event_id in ids if event_id not in there]
            if lost:
                count = await world.writer.do(lambda tx, lost=lost: outbox.lost_by(tx, url, lost))  # type: ignore[misc]
                log.warning("a relay lacks events of ours; they are sent to it", relay=url, events=count)
                world.wakes.events.ring()
