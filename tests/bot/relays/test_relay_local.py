"""Against nostr-sdk's LocalRelay: bursts, restarts, its limits, its NIP-42 and its LMDB."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bot.relays.client import Relays
from bot.relays.embedded import NoRelay, embedded_relay
from bot.relays.sdk import nostr_sdk
from bot.relays.values import normal_url
from kinds.events import Event
from tests.bot.relays.fakes import Owner, make_events, new_signer, until


async def publish_all(relays: Relays, url: str, events: list[Event]) -> None:
    acks = await asyncio.gather(*(relays.publish(url, event.as_json(), event.id, 60) for event in events))
    assert [ack.message for ack in acks if not ack.accepted] == []


async def test_a_burst_of_3000_arrives_whole(relay_url: str) -> None:
    events = await make_events(new_signer(), 3000)
    owner, sender = Owner([relay_url]), Owner([relay_url], since=2**40)
    async with owner.running(), sender.running() as relays:
        await owner.caught_up()
        await sender.caught_up()
        await publish_all(relays, relay_url, events)
        await owner.stores(events, 30)
        assert len(owner.heard) == 3000


async def test_a_burst_larger_than_localrelay_takes_over_one_connection(relay_url: str) -> None:
    """It cuts a connection off after 6,000 messages; each event is answered all the same, the first time it is sent."""
    events = await make_events(new_signer(), 9000)
    sender = Owner([relay_url], since=2**40)
    async with sender.running() as relays:
        await sender.caught_up()
        await publish_all(relays, relay_url, events[:4000])
        await publish_all(relays, relay_url, events[4000:])
        assert sender.connects() == 1


async def test_3000_stored_while_away_are_back_filled(relay_url: str) -> None:
    events = await make_events(new_signer(), 3000)
    sender = Owner([relay_url], since=2**40)
    async with sender.running() as relays:
        await sender.caught_up()
        await publish_all(relays, relay_url, events)
    owner = Owner([relay_url])
    async with owner.running():
        await owner.caught_up()
        assert owner.marks[0][1] == 3000


async def test_a_restart_on_the_same_port_loses_nothing() -> None:
    """The relay goes away with all that it held, comes back on its port, and is filled again while we reconnect."""
    events = await make_events(new_signer(), 60)
    async with embedded_relay("127.0.0.1", 0) as url:
        port = int(url.rsplit(":", 1)[1])
        owner = Owner([url])
        running = owner.running()
        relays = await running.__aenter__()
        await owner.caught_up()
        await publish_all(relays, url, events[:20])
        await owner.stores(events[:20])
    await until(lambda: not (relays.status()[url].hearing or relays.status()[url].speaking), "the end is noticed")
    assert (await relays.publish(url, events[20].as_json(), events[20].id)).accepted is None
    async with embedded_relay("127.0.0.1", port):
        await until(lambda: relays.status()[url].speaking, "connected again")
        await publish_all(relays, url, events[20:])
        await owner.stores(events)
        await owner.caught_up(2)
        await running.__aexit__(None, None, None)


async def test_nip42_of_the_real_relay() -> None:
    mode = nostr_sdk.LocalRelayBuilderNip42Mode.BOTH
    builder = nostr_sdk.LocalRelayBuilder().addr("127.0.0.1").nip42(nostr_sdk.LocalRelayBuilderNip42(mode=mode))
    relay = builder.build()
    await relay.run()
    url = normal_url(str(await relay.url()))
    signer = new_signer()
    events = await make_events(signer, 3)
    owner = Owner([url], signer=signer)
    owner.now = int(time.time())  # the relay compares it with its own clock
    async with owner.running() as relays:
        await owner.caught_up()
        await publish_all(relays, url, events)
        await owner.stores(events)
    relay.shutdown()


async def test_a_port_that_is_taken_is_said_in_a_sentence(relay_url: str) -> None:
    port = int(relay_url.rsplit(":", 1)[1])
    with pytest.raises(NoRelay, match=f"port {port} on 127.0.0.1 is taken"):
        async with embedded_relay("127.0.0.1", port):
            pass


async def test_a_host_that_is_not_ours_is_said_in_a_sentence() -> None:
    with pytest.raises(NoRelay, match=r"cannot start on 203\.0\.113\.7"):
        async with embedded_relay("203.0.113.7", 7777):
            pass


async def test_with_a_path_events_survive(tmp_path: Path) -> None:
    events = await make_events(new_signer(), 5)
    for life in (1, 2):
        async with embedded_relay("127.0.0.1", 0, tmp_path / "relay") as url:
            owner = Owner([url])
            async with owner.running() as relays:
                await owner.caught_up()
                if life == 1:
                    await publish_all(relays, url, events)
                await owner.stores(events)
