"""A relay that can be told to misbehave, and a small owner of `Relays` for tests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bot.relays.client import CaughtUp, Heard, Relays, Want
from bot.relays.filters import Sieve
from bot.relays.sdk import nostr_sdk
from bot.relays.signer import KeySigner, Signer
from bot.relays.values import Filter, Have
from kinds.events import Event, Unsigned
from kinds.units import Secret

NOTE = 1078
T0 = 1_760_000_000

Twist = Callable[
    [int, str, dict[str, Any]], list[str]
]  # (how many events were served before, subscription, event) -> frames


def new_signer() -> KeySigner:
    return KeySigner(Secret(nostr_sdk.Keys.generate().secret_key().to_hex()))


async def make_events(signer: Signer, count: int, *, start: int = T0, step: int = 1, kind: int = NOTE) -> list[Event]:
    return await signer.sign_many(
        [
            Unsigned(signer.pubkey, start + number * step, kind, (("n", str(number)),), f"note {number}")
            for number in range(count)
        ]
    )


def frame(sub_id: str, event: dict[str, Any]) -> str:
    return json.dumps(["EVENT", sub_id, event])


async def until(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Waits for a condition, with a bound."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        await asyncio.sleep(0.005)


class FakeRelay:
    """NIP-01 over a dict of events, newest first, at most `limit` per filter; the public attributes make it misbehave."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events = {event.id: event for event in events}
        self.limit = 500
        self.twist: Twist | None = None
        self.close_reqs = 0  # how many REQs are answered by CLOSED
        self.close_reason = "error: shutting down idle subscription"
        self.close_after_eose = False
        self.rate_limit = 0  # every so manieth REQ is refused as rate-limited
        self.close_wants = ""  # REQs whose id starts with this are always CLOSED
        self.auth_demand = ""  # 'auth-required: ...': REQ and EVENT are refused until AUTH
        self.late_challenge = False
        self.mute = False  # reads and says nothing; the socket answers pings
        self.ok: Callable[[str], list[Any] | None] = lambda event_id: ["OK", event_id, True, ""]
        self.cut_after: int | None = None  # events until the socket is cut, once
        self.negentropy_answer: Callable[[str], str | None] = lambda sub_id: '["NOTICE","unknown message NEG-OPEN"]'
        self.heard: list[list[Any]] = []
        self.connections: dict[ServerConnection, dict[str, list[Filter]]] = {}
        self.connects = 0  # of all connections
        self.url = ""
        self._served = 0
        self._proved: set[ServerConnection] = set()

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[str]:
        async with serve(self._talk, "127.0.0.1", port, max_size=2**24, close_timeout=0.2) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self.url

    def wipe(self) -> None:
        self.events.clear()

    def reqs(self, prefix: str) -> list[list[Any]]:
        return [said for said in self.heard if said[0] == "REQ" and said[1].startswith(prefix)]

    async def push(self, event: Event) -> None:
        """A new event: stored, and sent to the open subscriptions that match."""
        self.events[event.id] = event
        for connection, subscriptions in list(self.connections.items()):
            for sub_id, filters in list(subscriptions.items()):
                if Sieve(filters).passes(event):
                    await self._serve(connection, sub_id, event)

    async def say(self, text: str | bytes, *, to_all: bool = False) -> None:
        """To those who listen."""
        for connection, subscriptions in list(self.connections.items()):
            if subscriptions or to_all:
                await connection.send(text)

    @property
    def listener(self) -> tuple[ServerConnection, dict[str, list[Filter]]]:
        """The one connection that has subscriptions."""
        return next(each for each in self.connections.items() if each[1])

    async def _talk(self, connection: ServerConnection) -> None:
        self.connections[connection] = {}
        self.connects += 1
        try:
            if self.auth_demand and not self.late_challenge:
                await connection.send('["AUTH","challenge-1"]')
            async for text in connection:
                said = json.loads(text)
                self.heard.append(said)
                if not self.mute:
                    await self._answer(connection, said)
        except ConnectionClosed:
            pass
        finally:
            del self.connections[connection]

    async def _answer(self, connection: ServerConnection, said: list[Any]) -> None:
        match said:
            case ["REQ", sub_id, *filters]:
                await self._req(connection, sub_id, filters)
            case ["CLOSE", sub_id]:
                self.connections[connection].pop(sub_id, None)
            case ["AUTH", proof]:
                event = Event.parse(proof)
                good = (
                    event.kind == 22242 and event.tag("relay") == self.url and event.tag("challenge") == "challenge-1"
                )
                if good:
                    self._proved.add(connection)
                await connection.send(json.dumps(["OK", event.id, good, ""]))
            case ["EVENT", raw]:
                await self._event(connection, Event.parse(raw))
            case ["NEG-OPEN", sub_id, *_]:
                if (answer := self.negentropy_answer(sub_id)) is not None:
                    await connection.send(answer)

    async def _demand_auth(self, connection: ServerConnection, refusal: list[Any]) -> bool:
        if not self.auth_demand or connection in self._proved:
            return False
        await connection.send(json.dumps(refusal))
        if self.late_challenge:
            await connection.send('["AUTH","challenge-1"]')
        return True

    async def _req(self, connection: ServerConnection, sub_id: str, filters: list[Filter]) -> None:
        if await self._demand_auth(connection, ["CLOSED", sub_id, self.auth_demand]):
            return
        if self.close_reqs > 0 or (self.close_wants and sub_id.startswith(self.close_wants)):
            self.close_reqs -= 1
            await connection.send(json.dumps(["CLOSED", sub_id, self.close_reason]))
            return
        if self.rate_limit and len(self.reqs("")) % self.rate_limit == 0:
            await connection.send(json.dumps(["CLOSED", sub_id, "rate-limited: too many queries"]))
            return
        self.connections[connection][sub_id] = filters
        for each in filters:
            sieve = Sieve([each])
            found = sorted(
                (event for event in self.events.values() if sieve.passes(event)),
                key=lambda event: (-event.created_at, event.id),
            )
            for event in found[: min(each.get("limit", self.limit), self.limit)]:
                await self._serve(connection, sub_id, event)
        await connection.send(json.dumps(["EOSE", sub_id]))
        if self.close_after_eose:
            await connection.send(json.dumps(["CLOSED", sub_id, self.close_reason]))

    async def _event(self, connection: ServerConnection, event: Event) -> None:
        if await self._demand_auth(connection, ["OK", event.id, False, self.auth_demand]):
            return
        if (answer := self.ok(event.id)) is not None:
            if answer[2]:
                await self.push(event)
            await connection.send(json.dumps(answer))

    async def _serve(self, connection: ServerConnection, sub_id: str, event: Event) -> None:
        if self.cut_after is not None and self._served >= self.cut_after:
            self.cut_after = None
            connection.transport.abort()
        raw = event.as_dict()
        for text in [frame(sub_id, raw)] if self.twist is None else self.twist(self._served, sub_id, raw):
            with suppress(ConnectionClosed):
                await connection.send(text)
        self._served += 1


class Owner:
    """Takes batches as the daemon does: stores events first, then moves the cursor."""

    def __init__(
        self,
        urls: list[str],
        *,
        signer: Signer | None = None,
        have: Have | None = None,
        wants: list[Want] | None = None,
        repeat_catch_up: float = 3600.0,
        allow_private: bool = False,
        since: int = 0,
    ) -> None:
        self.stored: dict[str, Event] = {}
        self.heard: list[Heard] = []
        self.cursors: dict[tuple[str, str], int] = {}
        self.marks: list[tuple[CaughtUp, int]] = []  # with the number of events stored before
        self.now = T0 + 1_000_000
        self.awake = asyncio.Event()  # cleared: the daemon is busy elsewhere and takes no batch
        self.awake.set()
        self.relays = Relays(
            urls,
            wants or [Want("notes", lambda since: [{"kinds": [NOTE], "since": since}])],
            signer=signer,
            since=lambda relay, want: max(since, self.cursors.get((relay, want), 0) - 2_000_000),
            clock=lambda: self.now,
            jitter=lambda: 0.0,
            have=have,
            allow_private=allow_private,
            repeat_catch_up=repeat_catch_up,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Relays]:
        tasks = [asyncio.create_task(self.relays.run()), asyncio.create_task(self._take())]
        for _ in range(3):
            await asyncio.sleep(0)  # run() has started its parts
        try:
            yield self.relays
        finally:
            began = asyncio.get_running_loop().time()
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
            assert asyncio.get_running_loop().time() - began < 1.0

    async def have(self, filters: list[Filter]) -> list[tuple[int, str]]:
        sieve = Sieve(filters)
        return [(event.created_at, event.id) for event in self.stored.values() if sieve.passes(event)]

    async def _take(self) -> None:
        while True:
            await self.awake.wait()
            for each in await self.relays.batch(100):
                if isinstance(each, Heard):
                    self.heard.append(each)
                    self.stored[each.event.id] = each.event
                else:
                    self.marks.append((each, len(self.stored)))
                    self.cursors[each.relay, each.want] = each.at

    async def caught_up(self, times: int = 1) -> None:
        await until(lambda: len(self.marks) >= times, f"{times} times caught up")
        await self.speaks()

    async def speaks(self) -> None:
        await until(
            lambda: all(each.speaking for each in self.relays.status().values() if each.hearing), "both connections"
        )

    def connects(self) -> int:
        return sum(each.connects for each in self.relays.status().values())

    async def stores(self, events: Iterable[Event], seconds: float = 20.0) -> None:
        wanted = {event.id for event in events}
        await until(lambda: wanted <= self.stored.keys(), f"{len(wanted)} events stored", seconds)
