"""The small parts: addresses, filters, the intray, the gate, the mended SDK."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bot.relays import sdk
from bot.relays.filters import Sieve
from bot.relays.genuine import Dropped, Gate
from bot.relays.intray import Intray
from bot.relays.patience import Patience
from bot.relays.sdk import nostr_sdk
from bot.relays.values import BadRelayUrl, Heard, normal_url
from kinds.events import Unsigned
from tests.bot.relays.fakes import T0, make_events, new_signer


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("wss://Relay.Example/", "wss://relay.example"),
        (" WSS://relay.example:443 ", "wss://relay.example"),
        ("ws://relay.example:80/", "ws://relay.example"),
        ("ws://127.0.0.1:7777", "ws://127.0.0.1:7777"),
        ("wss://relay.example/Path?key=A", "wss://relay.example/Path?key=A"),
        ("wss://[::1]:8080/", "wss://[::1]:8080"),
    ],
)
def test_normal_url(given: str, normal: str) -> None:
    assert normal_url(given) == normal
    assert normal_url(normal) == normal


@pytest.mark.parametrize(
    "given",
    [
        "",
        "relay.example",
        "http://relay.example",
        "wss://",
        "wss://a@relay.example",
        "wss://relay.example#x",
        "wss://[::1",
        "wss://relay.example:99999",
        "wss://relay.exa mple",
        "wss://" + "a" * 64 + ".example",
        "wss://x/" + "a" * 600,
        "wss://é.example",
        "wss://relay..example",
    ],
)
def test_bad_url(given: str) -> None:
    with pytest.raises(BadRelayUrl):
        normal_url(given)


async def test_filters_match_as_the_sdk_matches() -> None:
    signer, other = new_signer(), new_signer()
    event = await signer.sign(Unsigned(signer.pubkey, T0, 30078, (("d", "x"), ("p", other.pubkey), ("p", "b")), ""))
    theirs = nostr_sdk.Event.from_json(event.as_json())
    wanted: list[dict[str, Any]] = [
        {},
        {"kinds": [1, 30078]},
        {"kinds": [1]},
        {"kinds": []},
        {"ids": [event.id]},
        {"ids": ["00" * 32]},
        {"authors": [signer.pubkey], "#d": ["x"]},
        {"authors": [other.pubkey]},
        {"#p": [other.pubkey], "since": T0, "until": T0, "limit": 1},
        {"#p": [signer.pubkey]},
        {"#e": [event.id]},
        {"since": T0 + 1},
        {"until": T0 - 1},
    ]
    for each in wanted:
        if each.get("kinds") != []:  # the SDK takes an empty list for no condition; NIP-01's "one of" matches nothing
            assert Sieve([each]).passes(event) is nostr_sdk.Filter.from_json(json.dumps(each)).match_event(theirs), each
    assert not Sieve([{"kinds": []}]).passes(event)
    assert not Sieve([]).passes(event)
    assert Sieve([{"kinds": [1]}, {"kinds": [30078]}]).passes(event)


async def test_intray_is_bounded_by_number_and_by_bytes() -> None:
    signer = new_signer()
    events = [await signer.sign(Unsigned(signer.pubkey, T0, 1, (), "x" * 100)) for _ in range(3)]
    by_number, by_bytes = Intray(2, 10**9), Intray(100, 150)
    for tray in (by_number, by_bytes):
        done: list[int] = []

        async def put_all(tray: Intray = tray, done: list[int] = done) -> None:
            for number, event in enumerate(events):
                await tray.put(Heard(event, "r"))
                done.append(number)

        putting = asyncio.create_task(put_all())
        for _ in range(10):
            await asyncio.sleep(0)
        assert done == [0, 1]
        taken = await tray.batch(10)
        while len(taken) < 3:
            taken += await tray.batch(10)
        await putting
        assert [each.event for each in taken if isinstance(each, Heard)] == events
        assert tray.empty()


async def test_a_cancelled_batch_takes_nothing() -> None:
    tray = Intray(10, 1000)
    waiting = asyncio.create_task(tray.batch(10))
    await asyncio.sleep(0)
    event = (await make_events(new_signer(), 1))[0]
    tray.put_nowait(Heard(event, "r"))  # the waiter is woken, and cancelled before it runs
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert tray.qsize() == 1


async def test_gate_remembers_only_what_passed_and_only_so_much() -> None:
    events = await make_events(new_signer(), 10)
    gate = Gate(memory=4)
    forged = {**events[0].as_dict(), "content": "forged"}
    with pytest.raises(Dropped, match="forged"):
        gate.admit(forged)
    assert gate.admit(events[0].as_dict()) == events[0]
    assert gate.admit(events[0].as_dict()) == events[0]
    with pytest.raises(Dropped, match="forged"):
        gate.admit(forged)
    for event in events:
        gate.admit(event.as_dict())
    assert len(gate._verified) == 4


def test_the_sdk_is_mended_and_strings_cross_whole() -> None:
    assert sdk.MENDED
    for text in ("", "x", "é" * 15, "x" * 16, "x" * 17, "\0" * 100, "𝄞" * 50_000):
        assert nostr_sdk.EventBuilder(nostr_sdk.Kind(1), text).finalize(nostr_sdk.Keys.generate()).content() == text


async def test_patience_doubles_and_starts_again_after_a_steady_time(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = Patience(0.5, 3.0, lambda: 0.5)
    patience.begin()
    assert [patience.pause() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    monkeypatch.setattr("bot.relays.patience.STEADY", -1.0)
    assert patience.pause() == 0.5
    assert Patience(1.0, 9.0, lambda: 0.0).pause() == 0.5
    assert Patience(1.0, 9.0, lambda: 1.0).pause() == 1.5
