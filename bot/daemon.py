"""The daemon: parts that meet in the database, opened and closed together. No other file names two of them."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from bot.config import Settings, limits_from, need_net, need_room, policy_from
from bot.dispatch import Dispatch
from bot.hand import hand
from bot.hearing import OVERLAP, Ears, wants
from bot.keys import read_or_make_key
from bot.moments import Moments
from bot.nodes.opening import bind, first_facts, open_node
from bot.outbox.fetch import Fetcher
from bot.outbox.money import Cashier
from bot.outbox.publish import Publisher
from bot.outbox.tell import Teller
from bot.relays.client import Relays
from bot.relays.embedded import embedded_relay
from bot.relays.sdk import nostr_sdk
from bot.relays.signer import KeySigner
from bot.relays.values import Filter
from bot.timers import Timers
from bot.watch import Watch
from bot.web import Web
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


async def run(
    settings: Settings,
    ready: Callable[[Ready], None],
    stop: asyncio.Event,
    clock: Callable[[], float] = time.time,
    begun: Callable[[], None] = lambda: None,
) -> None:
    """Runs until `stop` is set or a part fails. Nothing is lost by ending at any moment: what matters is in the database.
    `begun` is told once the data directory is this daemon's alone. Raises InUse when it is another's."""
    async with AsyncExitStack() as stack:
        stack.enter_context(exclusive(settings.daemon.data))
        begun()
        world = await stack.enter_async_context(_house(settings, clock))
        dispatch = Dispatch(world)
        await stack.enter_async_context(hand(dispatch, settings.daemon.data))
        parts = [asyncio.ensure_future(part) for part in parts_of(world, settings, dispatch)]
        stopped = asyncio.ensure_future(stop.wait())
        ready(Ready(world.bot, world.relays.urls, world.policy.network, settings.daemon.data))
        try:
            ended, _ = await asyncio.wait([*parts, stopped], return_when=asyncio.FIRST_COMPLETED)
            for part in ended:
                part.result()  # a part that failed ends the daemon; it starts again where it was
        finally:
            for task in (*parts, stopped):
                task.cancel()
            await asyncio.gather(*parts, stopped, return_exceptions=True)


def parts_of(world: World, settings: Settings, dispatch: Dispatch) -> list[Coroutine[None, None, None]]:
    """The same parts run in the daemon and in a simulated world."""
    ears, watch, publisher = Ears(world, settings.dm.nip04), Watch(world), Publisher(world)
    return [
        world.relays.run(),
        ears.listen(),
        ears.open(),
        ears.beat(),
        ears.remember_hearing(),
        dispatch.run(),
        watch.facts(),
        watch.hints(),
        watch.poll(),
        Timers(world, settings.daemon.sweep_seconds).run(),
        publisher.run(),
        publisher.audit(),
        Teller(world).run(),
        Cashier(world, dispatch).run(),
        Fetcher(world, Web(settings.fetch)).run(),
    ]


@asynccontextmanager
async def _house(settings: Settings, clock: Callable[[], float]) -> AsyncIterator[World]:
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
        policy = await writer.do(lambda tx: open_shop(tx, settings, signer.pubkey, facts, moments.now(), urls))
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
        yield World(
            clock=clock,
            entropy=os.urandom,
            jitter=random.random,
            writer=writer,
            relays=relays,
            signer=signer,
            node=node,
            moments=moments,
            policy=policy,
            policy_id=await writer.do(lambda tx: house.remember_policy(tx, policy, moments.time)),
            cursors=cursors,
            limits=limits_from(settings),
            batching=settings.settlement.batching(),
        )


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


def open_shop(
    tx: Connection, settings: Settings, bot: Pubkey, facts: NodeFacts, now: Now, relays: Sequence[str]
) -> Policy:
    """At each start: stuck inputs get another try, the terms are published when they changed, and the chain says so.
    Raises OtherNode, and BadConfig for terms that no task could meet."""
    bind(tx, facts)
    inbox.revive_stuck(tx)
    policy = policy_from(settings, bot, facts, EventId(""))
    need_room(policy)
    need_net(policy)
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
