"""Deaf times and slow ears: a deadline is over when we could have heard, and a word counts from the moment at which it was heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from bot.nodes.simnet.faults import Faults
from bot.relays.signer import KeySigner, Rumor, Unreadable
from kinds.events import Event
from tests.virtual.hub import HubRelays, Relay
from tests.virtual.lives import (
    HASH,
    HOLD,
    REWARD,
    SHORT,
    SOON,
    a_town,
    claimed,
    delivered,
    entry,
    hired,
    offered,
    sound,
    state,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town


def house_says(town: Town, kind: str) -> list[dict[str, Any]]:
    """The facts of all entries of that type in the daemon's own public chain, in order."""
    found = {
        event.id: json.loads(event.content)
        for relay in town.relays
        for event in relay.events.values()
        if "holdfast-checkpoint" in event.tag_values("t")
    }
    said = sorted(found.values(), key=lambda each: int(each["seq"]))
    return [each["facts"] for each in said if each["type"] == kind]


def add_up(town: Town) -> int:
    """The sum of all published outages, each of which begins where it says; the running total stands in each."""
    total = 0
    for facts in house_says(town, "clock.resumed"):
        total += facts["until"] - facts["since"]
        assert facts["deaf"] == total
    return total


async def deliver(town: Town, task: str) -> None:
    await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")


async def paid_in_time(town: Town, task: str, start: tuple[int, int]) -> None:
    """The proof counts, and the rest of the life is as usual."""
    await entry(town, task, "proof.submitted")
    await town.employer.say(f"approve {task}")
    await state(town, task, "Paid")
    assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)


def balances(town: Town) -> tuple[int, int]:
    return town.employer.wallet.balance, town.worker.wallet.balance


@pytest.mark.parametrize("way", ["dm", "event"])
@pytest.mark.parametrize("slow", [0, 900])
def test_a_restart_across_the_deadline_does_not_refund(way: str, slow: int) -> None:
    """The daemon is down for five minutes across the deadline; the proof waits on the relay, which may itself take its time to
    deliver it. `slow`: seconds."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task = await hired(town)
        facts = town.state_of(task)
        await asyncio.sleep(SOON - 120 - town.loop.time())
        await town.kill()
        await asyncio.sleep(60)
        if way == "dm":
            await deliver(town, task)
        else:
            await town.worker.prove(facts, "https://example.org/page.zip", HASH)
        await asyncio.sleep(240)
        assert town.time > facts["deadline"]
        town.relays[0].mute = bool(slow)
        await town.restart()
        if slow:
            await asyncio.sleep(slow)
            assert town.states()[task] == "Claimed"
            town.relays[0].mute = False
        await paid_in_time(town, task, start)
        await asyncio.sleep(60)
        outage = house_says(town, "clock.resumed")[-1]
        assert 300 <= outage["until"] - outage["since"] <= 300 + slow + 90
        counted = town.log_of(task)[-1][
            "deaf"
        ]  # perhaps just before the heartbeat, which comes every five seconds, was back
        assert 300 <= counted <= add_up(town) <= counted + 5
        await sound(town)

    run_virtually(life())


def test_a_relay_that_answers_at_once_and_delivers_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heartbeat comes back within a second; what the relay had stored takes another seven minutes. Both are needed."""
    real = HubRelays._connect

    def connect(self: HubRelays, relay: Relay) -> None:
        mine, self._queue = self._queue, asyncio.Queue()
        real(self, relay)
        stored, self._queue = self._queue, mine

        def deliver_stored() -> None:
            while not stored.empty():
                mine.put_nowait(stored.get_nowait())

        asyncio.get_running_loop().call_later(420, deliver_stored)

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task = await hired(town)
        deadline = int(town.state_of(task)["deadline"])
        await asyncio.sleep(deadline - town.time - 90)
        await town.kill()
        await deliver(town, task)
        await asyncio.sleep(120)
        monkeypatch.setattr(HubRelays, "_connect", connect)
        await town.start()
        await asyncio.sleep(400)
        assert town.states()[task] == "Claimed"
        await paid_in_time(town, task, start)
        await asyncio.sleep(60)
        assert add_up(town) >= 500
        await sound(town)

    run_virtually(life())


def test_a_deadline_moves_by_the_time_that_we_were_down_and_no_further() -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task = await hired(town)
        deadline = int(town.state_of(task)["deadline"])
        await asyncio.sleep(SOON - 300 - town.loop.time())
        await town.kill()
        await asyncio.sleep(900)
        await town.start()
        await asyncio.sleep(120)
        deaf = add_up(town)
        assert deaf >= 900
        await asyncio.sleep(deadline + deaf - town.time - 5)
        assert town.states()[task] == "Claimed"
        await state(town, task, "Expired", within=120)
        assert town.log_of(task)[-1]["deaf"] == deaf
        assert balances(town) == start
        await sound(town)

    run_virtually(life())


def test_outages_add_up_over_many_restarts() -> None:
    """Also when the daemon dies again before it could hear at all."""

    async def life() -> None:
        town = await a_town(settings=SHORT, seed=5)
        start = balances(town)
        task = await hired(town)
        for _ in range(6):
            await asyncio.sleep(town.random.choice([2, 45, 200]))
            await town.kill()
            await asyncio.sleep(town.random.choice([5, 100, 700]))
            town.relays[0].mute = town.random.random() < 0.4
            await town.start()
            await asyncio.sleep(town.random.choice([1, 30, 90]))
            town.relays[0].mute = False
        await asyncio.sleep(90)
        await deliver(town, task)
        await paid_in_time(town, task, start)
        assert town.log_of(task)[-1]["deaf"] == add_up(town) > 0
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("what", ["mute", "down", "unsynced", "node down"])
def test_what_makes_us_deaf_makes_deadlines_stand_still(what: str) -> None:
    """For half an hour across the deadline; a proof that was on its way meanwhile is in time, and afterwards we hear again."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task = await hired(town)
        relay, network = town.relays[0], town.node.network
        await asyncio.sleep(SOON - 900 - town.loop.time())
        relay.mute, relay.down = what == "mute", what == "down"
        network.faults = Faults(unsynced=what == "unsynced", down=what == "node down")
        await asyncio.sleep(300)
        if what != "down":
            await deliver(town, task)
        await asyncio.sleep(1500)
        relay.mute = relay.down = False
        network.faults = Faults()
        if what == "down":  # nobody could send it before
            await deliver(town, task)
        await paid_in_time(town, task, start)
        await asyncio.sleep(120)
        assert 1700 < add_up(town) < 2000
        before = town.log_of(task)[-1]["deaf"]
        other = await offered(town, deadline=SOON, d="other")
        assert town.log_of(other)[-1]["deaf"] == add_up(town) >= before
        await asyncio.sleep(900)
        third = await offered(town, deadline=SOON, d="third")
        assert town.log_of(third)[-1]["deaf"] == add_up(town), "we hear again, so nothing is added any more"
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("relays", [2, 3])
def test_hearing_from_half_of_the_relays_is_enough(relays: int) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT, relays=relays)
        task = await hired(town)
        town.relays[-1].down = True
        await state(town, task, "Expired", within=SOON + 120)
        assert add_up(town) == 0
        town.relays[-1].down = False
        await sound(town)

    run_virtually(life())


def test_with_two_of_three_relays_mute_deadlines_stand_still() -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT, relays=3)
        start = balances(town)
        task = await hired(town)
        await asyncio.sleep(SOON - 900 - town.loop.time())
        for relay in town.relays[1:]:
            relay.mute = True
        await asyncio.sleep(1800)
        assert town.states()[task] == "Claimed"
        for relay in town.relays[1:]:
            relay.mute = False
        await deliver(town, task)
        await paid_in_time(town, task, start)
        await asyncio.sleep(60)
        assert add_up(town) >= 1500
        await sound(town)

    run_virtually(life())


def slow_signer(town: Town, seconds: float) -> list[bool]:
    """Opening letters takes so long while the list holds True."""
    signer: KeySigner = town._signer
    real, on = signer.unwrap_many, [True]

    async def unwrap_many(wraps: Sequence[Event]) -> list[Rumor | Unreadable]:
        if on[0] and wraps:
            await asyncio.sleep(seconds)
        return await real(wraps)

    signer.unwrap_many = unwrap_many  # type: ignore[method-assign]
    return on


@pytest.mark.parametrize("restart", [False, True])
def test_a_letter_counts_from_when_it_was_heard(restart: bool) -> None:
    """The proof comes half a minute before the deadline and is opened minutes after it, perhaps only by the next process."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        start = balances(town)
        task = await hired(town)
        deadline = int(town.state_of(task)["deadline"])
        await asyncio.sleep(deadline - town.time - 30)
        on = slow_signer(town, 240)
        await deliver(town, task)
        heard = town.time
        await asyncio.sleep(100)
        assert (town.time > deadline, town.states()[task]) == (True, "Claimed")
        if restart:
            await town.restart()
            await asyncio.sleep(100)
            assert town.states()[task] == "Claimed"
        proof = await entry(town, task, "proof.submitted", within=400)
        on[0] = False
        assert heard <= proof["facts"]["heard_at"] <= heard + 1
        await paid_in_time(town, task, start)
        await sound(town)

    run_virtually(life())


def test_a_letter_heard_after_the_deadline_is_late_however_fast_it_is_opened() -> None:
    """And a stranger's letter that nobody can open does not stop the clock."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        task = await hired(town)
        deadline = int(town.state_of(task)["deadline"])
        await asyncio.sleep(deadline - town.time - 60)
        on = slow_signer(town, 200)
        await town.employer.say("help")
        await asyncio.sleep(70)
        await deliver(town, task)
        await asyncio.sleep(20)
        assert town.states()[task] == "Claimed", "the clock waits for the letter that is not open yet"
        await state(town, task, "Expired", within=600)
        on[0] = False
        await told(town, town.worker, "(?i)too late|does not fit", within=400)
        await sound(town)

    run_virtually(life())


def test_the_first_start_of_all_has_missed_nothing() -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        task = await delivered(town, deadline=SOON)
        assert (add_up(town), town.log_of(task)[-1]["deaf"]) == (0, 0)
        await town.restart()
        second = await claimed(town, deadline=SOON, d="second")
        await asyncio.sleep(60)
        assert town.log_of(second)[-1]["deaf"] == add_up(town) <= 60
        await sound(town)

    run_virtually(life())
