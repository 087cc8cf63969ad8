"""The daemon's real parts in a world of our own making: virtual time, relays without sockets, simnet, one database in memory.

`Town` is that world: it has people, it can start, kill and restart the daemon, and let time pass. No hook in the daemon
exists for it; what differs stands behind the same interfaces.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import httpx
from sqlalchemy import Connection, Engine

from bot.config import Settings
from bot.daemon import open_shop, remembered, rules
from bot.dispatch import Dispatch
from bot.hearing import OVERLAP, wants
from bot.life import Life
from bot.limits import Limits
from bot.memory import recover
from bot.memory.recover import Line
from bot.moments import Moments
from bot.nodes.simnet import Params, SimNode
from bot.prices.board import Board
from bot.relays.signer import KeySigner
from bot.world import World
from bot.writer import Writer
from kinds.events import DM_NIP04, DM_RUMOR, DM_WRAP, PROOF, RECORD, TASK, Event, Unsigned
from kinds.units import PaymentHash, Pubkey, Secret
from storage.open import engine_for, migrate
from tests.virtual.hub import HubRelays, Relay

EPOCH = 1_800_000_000
T = TypeVar("T")


class Killed(BaseException):
    """The process dies here."""


class InlineWriter(Writer):
    """The writer without its thread. `die_at`: the commit at which the process dies, just before or just after it."""

    def __init__(self, engine: Engine, town: Town) -> None:
        self._engine, self._town = engine, town
        self._closed = False

    async def do(self, job: Callable[[Connection], T]) -> T:
        await asyncio.sleep(0)
        town = self._town
        town.commits += 1
        if town.die_before == town.commits:
            town.die()
            await asyncio.sleep(3600)
        with self._engine.begin() as tx:
            result = job(tx)
        if town.die_after == town.commits:
            town.die()
            await asyncio.sleep(3600)
        await asyncio.sleep(0)
        return result

    async def close(self) -> None:
        self._closed = True


class InlineSigner(KeySigner):
    """The signer without its thread."""

    async def _each(self, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return [work(item) for item in items]


class Person:
    """An ordinary Nostr user with a Lightning wallet."""

    def __init__(self, town: Town, name: str, number: int) -> None:
        self.town, self.name = town, name
        self.signer = InlineSigner(Secret(f"{number:064x}"))
        self.wallet = town.node.wallet(name)
        self.inbox: list[str] = []
        for relay in town.relays:
            relay.listeners.append(self._hear)
        self._seen: set[str] = set()
        self._wraps: list[Event] = []

    @property
    def pubkey(self) -> Pubkey:
        return self.signer.pubkey

    def _hear(self, event: Event, relay: Relay) -> None:
        if event.kind in (DM_WRAP, DM_NIP04) and self.pubkey in event.tag_values("p") and event.id not in self._seen:
            self._seen.add(event.id)
            self._wraps.append(event)

    async def read(self) -> list[str]:
        """Everything that the daemon has told this person so far, each message once."""
        while self._wraps:
            event = self._wraps.pop(0)
            if event.kind == DM_NIP04:
                text, key = await self.signer.nip04_decrypt(event.pubkey, event.content), event.id
            else:
                rumor = await self.signer.unwrap(event)
                assert rumor.pubkey == self.town.bot, "only the bot writes to people here"
                text, key = rumor.content, rumor.id
            if key not in self._seen:
                self._seen.add(key)
                self.inbox.append(text)
            elif event.kind == DM_NIP04:
                self.inbox.append(text)
        return self.inbox

    async def say(self, text: str) -> str:
        """A NIP-17 message; returns its rumor's id."""
        rumor = Unsigned(self.pubkey, self.town.time, DM_RUMOR, (("p", self.town.bot),), text)
        self.town.publish(await self.signer.wrap(self.town.bot, rumor))
        return rumor.id

    async def say_nip04(self, text: str) -> None:
        sealed = await self.signer.nip04_encrypt(self.town.bot, text)
        self.town.publish(
            await self.signer.sign(Unsigned(self.pubkey, self.town.time, DM_NIP04, (("p", self.town.bot),), sealed))
        )

    async def offer(
        self, sat: int | str, title: str, deadline: int, d: str = "job", currency: str = "", **terms: Any
    ) -> Event:
        tags = (
            ("d", d), ("p", self.town.bot), ("t", "holdfast-task"), ("title", title), ("amount", str(sat)),
            ("deadline", str(deadline)), *((("currency", currency),) if currency else ()),
        )  # fmt: skip
        return await self.post(Unsigned(self.pubkey, self.town.time, TASK, tags, json.dumps(terms)))

    async def prove(self, task: dict[str, Any], url: str, sha256: str, **more: str) -> Event:
        """`task`: the facts of its newest state event; `more`: other tags."""
        tags = (
            ("d", f"proof-{task['task']}-{self.town.time}"), ("a", task["address"]), ("e", task["root"]),
            ("p", self.town.bot), ("p", task["employer"]), ("t", "holdfast-proof"), ("url", url), ("x", sha256),
            *more.items(),
        )  # fmt: skip
        return await self.post(Unsigned(self.pubkey, self.town.time, PROOF, tags, "done"))

    async def decide(self, task: str, action: str, basis: str, **words: Any) -> Event:
        tags = (("d", task), ("t", "holdfast-decision"), ("p", self.town.bot), ("e", basis, "", "basis"))
        said = json.dumps({"v": 1, "action": action, "task": task, **words})
        return await self.post(Unsigned(self.pubkey, self.town.time, RECORD, tags, said))

    async def post(self, unsigned: Unsigned) -> Event:
        event = await self.signer.sign(unsigned)
        self.town.publish(event)
        return event


class Town:
    """Made inside a running VirtualLoop."""

    def __init__(
        self, relays: int = 1, settings: Settings | None = None, seed: int = 1, limits: Limits | None = None,
        web: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        """`web`: the sources of exchange rates that the settings name, behind httpx's own interface."""
        self._web = web
        self.random = random.Random(seed)
        self.settings = settings or Settings()
        self.limits = limits or Limits()
        self.relays = [Relay(f"ws://relay{n}.test") for n in range(relays)]
        self.loop = asyncio.get_running_loop()
        self.engine = engine_for(None)
        migrate(self.engine)
        self.node = SimNode(self.clock, self.random.randbytes, None, params=Params(block_seconds=600))
        self._signer = InlineSigner(Secret(f"{7:064x}"))
        self.bot = self._signer.pubkey
        self.commits, self.die_before, self.die_after = 0, 0, 0
        self.world: World | None = None
        self._parts: list[asyncio.Task[None]] = []
        self._dead = asyncio.Event()
        self.take_over = False  # by the option of `holdfast run`
        self.employer = Person(self, "employer", 11)
        self.worker = Person(self, "worker", 12)

    def clock(self) -> float:
        return EPOCH + self.loop.time()

    @property
    def time(self) -> int:
        return int(self.clock())

    def board(self, network: str) -> Board:
        return Board(self.settings.prices, network, self._web)

    def publish(self, event: Event) -> None:
        """Somebody's event reaches every relay that is up."""
        for relay in self.relays:
            relay.take(event)

    async def start(self) -> None:
        """A new process over the same database, node and relays."""
        self.life = await self._life()
        self.world = self.life.world
        self._dead.clear()
        self._parts = [asyncio.ensure_future(self.life.run())]

    async def _life(self) -> Life:
        writer = InlineWriter(self.engine, self)
        memory = await writer.do(remembered)
        urls = [relay.url for relay in self.relays]
        moments = Moments(urls, self.clock, self.random.randbytes, confirmed=memory.confirmed, deaf=memory.deaf)
        facts = await self.node.facts()
        assert facts is not None, "the node is up when the daemon starts"
        moments.node(facts)
        relays: Any = HubRelays(
            self.relays,
            wants(self.bot),
            lambda relay, want: memory.cursors.get((relay, want), self.time) - OVERLAP,
            lambda: self.time,
        )
        world = World(
            clock=self.clock,
            entropy=self.random.randbytes,
            jitter=self.random.random,
            writer=writer,
            relays=relays,
            signer=self._signer,
            node=self.node,
            moments=moments,
            policy=rules(self.settings, self.bot, facts),
            policy_id="",
            cursors=memory.cursors,
            prices=self.board(facts.network),
            limits=self.limits,
            batching=self.settings.settlement.batching(),
        )
        if self.take_over:
            world.lease.since = 0
        return Life(world, self.settings, lambda tx: open_shop(tx, self.settings, self.bot, facts, moments.now(), urls))

    async def recover(self, dry: bool = False) -> list[Line]:
        """`holdfast recover` while the daemon is stopped."""
        return await recover.recover((await self._life()).world, dry)

    async def tell_unpaid(self, task: str) -> None:
        """Of a task or, by its npub, of an account."""
        await recover.tell_unpaid((await self._life()).world, task)

    async def tell_paid(self, task: str, payment_hash: PaymentHash) -> None:
        """`holdfast recover --paid`."""
        await recover.tell_paid((await self._life()).world, task, payment_hash)

    def backup(self) -> bytes:
        """The whole database as it is now."""
        with self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            return bytes(driver.serialize())

    def restore(self, backup: bytes) -> None:
        """An older database takes the place of the present one; the daemon is stopped."""
        self.engine = engine_for(None)
        with self.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.deserialize(backup)

    @property
    def dispatch(self) -> Dispatch:
        assert self.life.dispatch is not None, "the house is open"
        return self.life.dispatch

    def die(self) -> None:
        """The process dies at this very moment: nothing of it runs any more."""
        self.die_before = self.die_after = 0
        self._dead.set()

    async def kill(self) -> None:
        for part in self._parts:
            part.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)
        self._parts = []

    async def restart(self) -> None:
        await self.kill()
        self.node.network.restart()
        await self.start()

    async def until(self, condition: Callable[[], Coroutine[Any, Any, T | None]], within: float = 120.0) -> T:
        """Waits, in virtual time, until the condition gives something true; restarts the daemon when it died."""
        end, step = self.loop.time() + within, 0.05
        while True:
            if self._dead.is_set():
                await self.restart()
            for part in self._parts:
                if part.done() and not part.cancelled() and part.exception():
                    raise AssertionError("a part of the daemon failed") from part.exception()
            found = await condition()
            if found:
                return found
            if self.loop.time() > end:
                told = [await person.read() for person in (self.employer, self.worker)]
                raise AssertionError(f"it did not happen; states {self.states()}, told: {told}")
            await asyncio.sleep(min(step, max(0.05, end - self.loop.time())))
            step = min(step * 1.1, 60.0)

    async def pass_time(self, seconds: float) -> None:
        """Time goes by while the daemon lives on, restarted when it died."""
        end = self.loop.time() + seconds

        async def over() -> bool:
            return self.loop.time() >= end

        await self.until(over, seconds + 60)

    def log_of(self, task: str) -> list[dict[str, Any]]:
        """The public log on the first relay that has one, by seq."""
        found: dict[int, dict[str, Any]] = {}
        for relay in self.relays:
            for event in relay.events.values():
                if event.pubkey == self.bot and event.kind == RECORD and event.tag("d") == task:
                    entry = json.loads(event.content) | {"id": event.id}
                    assert found.setdefault(entry["seq"], entry)["id"] == event.id, "two entries of one seq"
        return [found[seq] for seq in sorted(found)]

    def state_events(self) -> list[dict[str, Any]]:
        return [
            json.loads(event.content) | {"address": event.tag("a"), "root": _root(event), "created_at": event.created_at}
            for event in self.relays[0].events.values()
            if event.kind == TASK and event.pubkey == self.bot and (event.tag("d") or "").startswith("holdfast-")
            and "holdfast-state" in event.tag_values("t")
        ]  # fmt: skip

    def states(self) -> dict[str, str]:
        return {facts["task"]: facts["state"] for facts in self.state_events()}

    def state_of(self, task: str) -> dict[str, Any]:
        return next(facts for facts in self.state_events() if facts["task"] == task)

    def public_events(self) -> list[dict[str, Any]]:
        return [event.as_dict() for relay in self.relays for event in relay.events.values()]


def _root(event: Event) -> str:
    return next(tag[1] for tag in event.tags if tag[0] == "e" and len(tag) > 3 and tag[3] == "root")
