"""Negentropy against a second party of ours, against LocalRelay, and always against a plain set difference."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter

import pytest

from bot.relays.catchup import _difference
from bot.relays.dial import dial
from bot.relays.genuine import Gate
from bot.relays.negentropy import FRAME_LIMIT, INFINITY, BadReconciliation, Reconciliation, _Reader, _varint, _Writer
from bot.relays.session import Session
from bot.relays.values import Drop, Filter
from kinds.events import Event
from tests.bot.relays.fakes import NOTE, T0, Owner, make_events, new_signer

Item = tuple[int, str]


def item(number: int, when: int) -> Item:
    return when, hashlib.sha256(str(number).encode()).hexdigest()


class OtherSide(Reconciliation):
    """The server's part, plain and slow: it answers each range of the client with its own view of it."""

    def reply(self, text: str) -> str:
        read, message = _Reader(bytes.fromhex(text)), _Writer()
        assert read.byte() == 0x61
        low = 0
        while not read.done():
            bound, mode = read.bound(), read.varint()
            high = sum(1 for each in self._items if each < bound)
            if mode == 0:
                message.skip_to(bound)
            elif mode == 1:
                if read.take(16) == self._fingerprint(low, high):
                    message.skip_to(bound)
                else:
                    self._describe(message, low, high, bound)
            else:
                read.take(32 * read.varint())
                message.id_list(bound, [each for _, each in self._items[low:high]])
            low = high
        return message.hex()


def reconcile(ours: list[Item], theirs: list[Item]) -> tuple[Reconciliation, int]:
    client, server = Reconciliation(ours), OtherSide(theirs)
    message: str | None = client.start()
    rounds = 0
    while message is not None:
        assert len(message) // 2 <= FRAME_LIMIT + 20_000
        rounds += 1
        assert rounds < 200
        message = client.answer(server.reply(message))
    return client, rounds


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([], []),
        ([], [item(n, n) for n in range(3000)]),
        ([item(n, n) for n in range(3000)], []),
        ([item(n, n) for n in range(3000)], [item(n, n) for n in range(3000)]),
        ([item(n, T0) for n in range(2000)], [item(n, T0) for n in range(1000, 3000)]),
        ([item(n, T0 + n) for n in range(31)], [item(n, T0 + n) for n in range(33)]),
        ([item(n, T0 + n) for n in range(5000)], [item(n, T0 + n) for n in range(5000, 9000)]),
    ],
    ids=["empty", "we-empty", "they-empty", "same", "one-second", "small", "disjoint"],
)
def test_finds_the_set_difference(ours: list[Item], theirs: list[Item]) -> None:
    client, _ = reconcile(ours, theirs)
    assert client.missing == {each for _, each in theirs} - {each for _, each in ours}
    assert client.surplus == {each for _, each in ours} - {each for _, each in theirs}


@pytest.mark.parametrize("seed", range(30))
def test_random_sets(seed: int) -> None:
    chance = random.Random(seed)
    everything = [item(n, T0 + chance.randrange(chance.choice([1, 10, 10_000]))) for n in range(chance.randrange(2500))]
    ours = [each for each in everything if chance.random() < 0.9]
    theirs = [each for each in everything if chance.random() < chance.choice([0.1, 0.9, 0.99])]
    client, _ = reconcile(ours, theirs)
    assert client.missing == {each for _, each in theirs} - {each for _, each in ours}
    assert client.surplus == {each for _, each in ours} - {each for _, each in theirs}


def test_few_differences_take_few_rounds() -> None:
    both = [item(n, T0 + n) for n in range(20_000)]
    client, rounds = reconcile(both[:7] + both[8:], both)
    assert client.missing == {both[7][1]}
    assert rounds <= 5


@pytest.mark.parametrize(
    "message",
    [
        "",
        "zz",
        "62",
        "61",
        "610000",
        "61000001",
        "6100000280",
        "6100000281808080",
        "61" + "ff" * 40,
        "61002100",
        "61000003",
    ],
)
def test_broken_messages_raise_one_exception(message: str) -> None:
    client = Reconciliation([item(1, 1)])
    if message == "61":  # nothing but the version: all is settled
        assert client.answer(message) is None
    else:
        with pytest.raises(BadReconciliation):
            client.answer(message)


def test_random_bytes_never_raise_anything_else() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        client = Reconciliation([item(n, T0 + n) for n in range(40)])
        message = "61" + chance.randbytes(chance.randrange(60)).hex()
        try:
            client.answer(message)
        except BadReconciliation:
            continue


def test_ranges_out_of_order_are_refused() -> None:
    writer = _Writer()
    writer.fingerprint((INFINITY, b""), bytes(16))
    backwards = bytes.fromhex(writer.hex()) + _varint(1) + _varint(0) + _varint(0)
    assert Reconciliation([]).answer(writer.hex()) is not None
    with pytest.raises(BadReconciliation):
        Reconciliation([]).answer("61" + "0a" + "00" + "00" + "05" + "20" + "ff" * 10)
    Reconciliation([]).answer(backwards.hex())  # after infinity everything is infinity


async def test_against_local_relay(relay_url: str) -> None:
    """3,000 events of which 1,000 share one second, compared with what we have: nothing, most, all, and more than all."""
    signer = new_signer()
    events = await make_events(signer, 2000) + await make_events(signer, 1000, start=T0 + 500, step=0)
    events = list({event.id: event for event in events}.values())
    extra = await make_events(signer, 50, start=T0 - 1000)
    owner = Owner([relay_url])
    async with owner.running() as relays:
        await owner.caught_up()
        acks = await asyncio.gather(*(relays.publish(relay_url, event.as_json(), event.id, 30) for event in events))
        assert all(ack.accepted for ack in acks)
    for ours in ([], events[:2500], events, events[5:] + extra):
        assert await _missing(relay_url, ours) == {event.id for event in events} - {event.id for event in ours}


async def _missing(url: str, ours: list[Event]) -> set[str]:
    async def have(filters: list[Filter]) -> list[Item]:
        return [(event.created_at, event.id) for event in ours]

    async with dial(url) as socket:
        session = Session(socket, url, Gate(), Counter[Drop](), None, lambda: T0)
        reading = asyncio.create_task(session.read())
        missing = await _difference(session, {"kinds": [NOTE]}, have)
        assert session.negentropy is True
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert missing is not None
    return missing
