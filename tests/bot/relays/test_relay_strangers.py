"""Letters to relays that strangers name: few connections, short ones, and never into our own network."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack

import pytest

from bot.relays import strangers
from bot.relays.strangers import is_public
from tests.bot.relays.fakes import FakeRelay, Owner, make_events, new_signer, until


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1",
        "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
        "2001:0:53aa:64c:0:fbff:ad51:c0de",
    ],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


async def test_our_own_network_is_refused_unless_allowed() -> None:
    event = (await make_events(new_signer(), 1))[0]
    fake = FakeRelay()
    async with fake.running() as url:
        names = [
            url,
            url.replace("127.0.0.1", "localhost"),
            "http://relay.example",
            "wss://user@relay.example",
            "wss://",
        ]
        owner = Owner([])
        async with owner.running() as relays:
            acks = await relays.publish_to(names, event.as_json(), event.id)
            assert list(acks) == names
            assert all(ack.accepted is False for ack in acks.values())
            assert fake.connects == 0
        owner = Owner([], allow_private=True)
        async with owner.running() as relays:
            assert (await relays.publish_to([url], event.as_json(), event.id))[url].accepted
            assert event.id in fake.events


async def test_a_name_that_resolves_into_our_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One private address among public ones is enough, and the address that was looked at is the one connected to."""
    event = (await make_events(new_signer(), 1))[0]
    found = [(2, 1, 6, "", ("1.1.1.1", 443)), (2, 1, 6, "", ("10.0.0.7", 443))]

    async def resolve(*args: object, **named: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return found

    owner = Owner([])
    async with owner.running() as relays:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        ack = (await relays.publish_to(["wss://relay.example"], event.as_json(), event.id))["wss://relay.example"]
        assert (ack.accepted, ack.message) == (False, "the relay has no public address")
        del found[1]
        assert await strangers.public_address("wss://relay.example") == "1.1.1.1"


async def test_connections_are_shared_few_and_given_up_when_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "MAX_VISITS", 3)
    events = await make_events(new_signer(), 10)
    fakes = [FakeRelay() for _ in range(5)]
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(fake.running()) for fake in fakes]
        owner = Owner([urls[0]], allow_private=True)
        relays = await stack.enter_async_context(owner.running())
        await owner.caught_up()
        for event in events:
            acks = await relays.publish_to(urls[:4], event.as_json(), event.id)
            assert all(ack.accepted for ack in acks.values()), acks
        assert [fake.connects for fake in fakes] == [2, 1, 1, 1, 0]  # the listed one has its own connections
        acks = await relays.publish_to([urls[4]], events[0].as_json(), events[0].id)
        assert acks[urls[4]].accepted  # the one idle for longest made room
        await until(lambda: sum(len(fake.connections) for fake in fakes[1:]) == 3, "one visit ended")
        monkeypatch.setattr(strangers, "IDLE", 0.05)
        for url in urls[1:]:
            await relays.publish_to([url], events[0].as_json(), events[0].id)
        await until(lambda: not any(fake.connections for fake in fakes[1:]), "all visits ended")
        assert (await relays.publish_to([urls[1]], events[0].as_json(), events[0].id))[urls[1]].accepted


async def test_unreachable_silent_and_too_many_relays() -> None:
    event = (await make_events(new_signer(), 1))[0]
    fake = FakeRelay()
    fake.mute = True
    async with fake.running() as url:
        owner = Owner([], allow_private=True)
        async with owner.running() as relays:
            names = [url, "ws://127.0.0.1:1", *(f"ws://127.0.0.1:{port}" for port in range(2, 30))]
            acks = await relays.publish_to(names, event.as_json(), event.id, 0.3)
            assert len(acks) == 8
            assert all(ack.accepted is None for ack in acks.values())
            assert acks[url].message == "no answer in time"
            assert acks["ws://127.0.0.1:1"].message.startswith("cannot connect")
    assert (await owner.relays.publish_to([url], event.as_json(), event.id))[url].accepted is None
