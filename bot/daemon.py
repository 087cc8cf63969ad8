"""The daemon: parts that meet in the database, opened and closed together. No other file names two of them."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from bot.config import Settings, limits_from, need_net, need_room, policy_from
from bot.hand import hand
from bot.hearing import OVERLAP, wants
from bot.keys import read_or_make_key
from bot.life import Life
from bot.moments import Moments
from bot.nodes.opening import bind, first_facts, open_node
from bot.prices.board import Board
from bot.relays.client import Relays
from bot.relays.embedded import embedded_relay
from bot.relays.sdk import nostr_sdk
from bot.relays.signer import KeySigner
from bot.relays.values import Filter
from bot.world import World
from bot.writer import Writer
from handlers import answers
from handlers.policy import Policy
from kinds import log as words
from kinds import profile
from kinds.inputs import Now
from kinds.lightning import NodeFacts
from kinds.units import EventId, Pubkey
from storage import house, inbox, outbox
from storage.open import engine_for, exclusive, migrate


@dataclass(frozen=True, slots=True)
class Ready:
    """What a newcomer needs to know once the daemon runs."""

    pubkey: Pubkey
    relays: tuple[str, ...]
    network: str
    data: Path
    closed: str = ""  # why nothing is decided: read-only, or no relay answers


async def run(
    settings: Settings,
    ready: Callable[[Ready], None],
    stop: asyncio.Event,
    clock: Callable[[], float] = time.time,
    begun: Callable[[], None] = lambda: None,
    take_over: bool = False,
) -> None:
    """Runs until `stop` is set or a part fails. Nothing is lost by ending at any moment: what matters is in the database.
    `begun` is told once the data directory is this daemon's alone. Raises InUse when it is another's, and KeyInUse when the key is;
    `take_over`: then the other one yields."""
    async with AsyncExitStack() as stack:
        stack.enter_context(exclusive(settings.daemon.data))
        begun()
        life = await stack.enter_async_context(opened(settings, clock, take_over))
        await stack.enter_async_context(hand(life, settings.daemon.data))
        told = asyncio.Event()
        living = asyncio.ensure_future(life.run(lambda _: told.set()))
        stopped = asyncio.ensure_future(stop.wait())
        knowing = asyncio.ensure_future(told.wait())
        try:
            ended, _ = await asyncio.wait([living, stopped, knowing], return_when=asyncio.FIRST_COMPLETED)
            if knowing in ended:
                ready(_ready(life, settings))
                ended, _ = await asyncio.wait([living, stopped], return_when=asyncio.FIRST_COMPLETED)
            if living in ended:
                living.result()  # it failed; it starts again where it was
        finally:
            for task in (living, stopped, knowing):
                task.cancel()
            await asyncio.gather(living, stopped, knowing, return_exceptions=True)


def _ready(life: Life, settings: Settings) -> Ready:
    world = life.world
    return Ready(world.bot, world.relays.urls, world.policy.network, settings.daemon.data, life.closed)


@asynccontextmanager
async def opened(settings: Settings, clock: Callable[[], float], take_over: bool = False) -> AsyncIterator[Life]:
    """Everything that the parts share, opened in order and closed in the opposite one."""
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    data = settings.daemon.data
    async with AsyncExitStack() as stack:
        signer = KeySigner(read_or_make_key(data / "nostr.key"))
        urls = settings.relays.urls
        if not urls:
            place = settings.relays
            urls = (await stack.enter_async_context(embedded_relay(place.embedded_host, place.embedded_port)),)
        node = await open_node(settings, stack, clock)
        facts = await first_facts(node, settings)
        engine = engine_for(data / "holdfast.db")
        stack.callback(engine.dispose)
        migrate(engine)
        writer = Writer(engine)
        stack.push_async_callback(writer.close)
        known = await writer.do(remembered)
        moments = Moments(urls, clock, os.urandom, confirmed=known.confirmed, deaf=known.deaf)
        moments.node(facts)
        await writer.do(lambda tx: bind(tx, facts))
        policy = rules(settings, signer.pubkey, facts)
        cursors = known.cursors
        relays = Relays(
            urls,
            wants(signer.pubkey),
            signer=signer,
            since=lambda relay, want: cursors.get((relay, want), moments.time) - OVERLAP,
            clock=lambda: moments.time,
            jitter=random.random,
            have=_have(writer),
            allow_private=settings.relays.allow_private,
        )
        world = World(
            clock=clock,
            entropy=os.urandom,
            jitter=random.random,
            writer=writer,
            relays=relays,
            signer=signer,
            node=node,
            moments=moments,
            policy=policy,
            policy_id="",
            cursors=cursors,
            prices=Board(settings.prices, facts.network),
            limits=limits_from(settings),
            batching=settings.settlement.batching(),
        )
        if take_over:
            world.lease.since = 0
        yield Life(world, settings, lambda tx: open_shop(tx, settings, signer.pubkey, facts, moments.now(), urls))


@dataclass(frozen=True, slots=True)
class _Memory:
    confirmed: int | None
    deaf: int
    cursors: dict[tuple[str, str], int]


def remembered(tx: Connection) -> _Memory:
    hearing = house.get_json(tx, "hearing", {"confirmed": None, "deaf": 0})
    return _Memory(hearing["confirmed"], hearing["deaf"], house.cursors(tx))


def _have(writer: Writer) -> Callable[[list[Filter]], Awaitable[list[tuple[int, str]]]]:
    async def have(filters: list[Filter]) -> list[tuple[int, str]]:
        def job(tx: Connection) -> list[tuple[int, str]]:
            return [found for each in filters for found in inbox.known_events(tx, each["kinds"], each.get("since", 0))]

        return await writer.do(job)

    return have


def rules(settings: Settings, bot: Pubkey, facts: NodeFacts) -> Policy:
    """The house's rules before its terms are published. Raises BadConfig for terms that no task could meet."""
    policy = policy_from(settings, bot, facts, EventId(""))
    need_room(policy)
    need_net(policy)
    return policy


def open_shop(
    tx: Connection, settings: Settings, bot: Pubkey, facts: NodeFacts, now: Now, relays: Sequence[str]
) -> Policy:
    """At each start: stuck inputs get another try, the terms are published when they changed, and the chain says so.
    Raises OtherNode, and BadConfig for terms that no task could meet."""
    bind(tx, facts)
    inbox.revive_stuck(tx)
    policy = rules(settings, bot, facts)
    terms = answers.terms(policy)
    known = house.get_json(tx, "terms", {"version": "", "facts": None})
    version = EventId(known["version"])
    changed = known["facts"] != terms
    if changed:
        record = words.terms_record(bot, now.time, terms)
        version = record.id
        outbox.publish(tx, record)
        house.publish_addressable(tx, words.terms_current(bot, now.time, version, terms))
        house.put_json(tx, "terms", {"version": version, "facts": dict(terms)})
    house.add_checkpoint(tx, bot, "start", now, {"terms": version, "network": facts.network, "relays": list(relays)})
    if changed:
        house.add_checkpoint(tx, bot, "terms", now, {"terms": version})
    name, about = settings.daemon.name, settings.daemon.about
    for event in (
        profile.profile(bot, now.time, name, about, facts.network),
        profile.relay_list(bot, now.time, relays),
        profile.dm_relays(bot, now.time, relays),
        profile.handler(bot, now.time, name, about),
    ):
        house.publish_addressable(tx, event)
    return dataclasses.replace(policy, terms_version=version)
