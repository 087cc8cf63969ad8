"""One key, one daemon: two copies on different machines, which know each other by their heartbeats alone."""

from __future__ import annotations

import asyncio

import pytest

from bot.memory.lease import KeyInUse
from kinds.events import Event
from kinds.profile import HEARTBEAT, heartbeat
from kinds.units import Secret
from storage import memory
from tests.virtual.hub import Relay
from tests.virtual.lives import a_town, claimed, funded, incidents_of, sound, state
from tests.virtual.loop import run_virtually
from tests.virtual.world import InlineSigner, Town


def copy_of(town: Town, relays: list[Relay] | None = None) -> Town:
    """The same database on another machine, with the same key, node and relays."""
    other = Town(seed=2)
    other.relays, other.node = relays or town.relays, town.node
    other.restore(town.backup())
    return other


async def open_now(town: Town) -> bool:
    return town.life.dispatch is not None


async def failed(town: Town) -> BaseException:
    """What the second daemon ends by."""

    [part] = town._parts
    await asyncio.wait([part], timeout=60)
    found = part.exception() if part.done() else None
    assert found is not None, "it goes on"
    return found


def test_a_second_copy_does_not_start_while_the_first_lives() -> None:
    async def life() -> None:
        town = await a_town()
        task = await funded(town)
        other = copy_of(town)
        before = len(town.log_of(task))
        await other.start()
        assert isinstance(await failed(other), KeyInUse)
        await town.pass_time(60)
        assert (town.life.seal, len(town.log_of(task)), await open_now(town)) == (None, before, True)
        await other.kill()
        await sound(town)

    run_virtually(life())


def test_a_copy_starts_when_the_first_machine_is_dead() -> None:
    """At once: nobody waits for a lease to run out; and the first one, should it come back, is the one that does not start."""

    async def life() -> None:
        town = await a_town()
        task = await funded(town)
        await town.pass_time(10)
        await town.kill()
        other = copy_of(town)
        await other.start()
        await other.until(lambda: open_now(other), 30)
        await town.start()
        assert isinstance(await failed(town), KeyInUse)
        assert (await state(other, task, "Funded"))["task"] == task
        await other.kill()

    run_virtually(life())


def test_of_two_that_meet_the_younger_yields_at_once() -> None:
    """Each has started where it could not hear the other."""

    async def life() -> None:
        town = await a_town(relays=1)
        task = await claimed(town)
        await town.pass_time(10)
        apart = Relay("ws://relay9.test")
        apart.events |= town.relays[0].events
        other = copy_of(town, [apart])
        await other.start()
        await other.until(lambda: open_now(other), 60)
        log = len(town.log_of(task))
        # now their relays carry the beats of both
        apart.listeners.append(lambda event, _: _carry(event, town.relays[0]))
        town.relays[0].listeners.append(lambda event, _: _carry(event, apart))

        async def yields() -> memory.Seal | None:
            return other.life.seal

        seal = await other.until(yields, 90)
        assert (seal.why, incidents_of(other)) == ("second", ["memory_second"])
        assert "recover" in other.life.closed
        await town.worker.say(f"submit {task} https://example.org/page.zip {'ab' * 32} done")
        await town.pass_time(120)
        await other.pass_time(120)  # it is still named by the other for a while
        assert (town.life.seal, len(town.log_of(task))) == (None, log + 1)
        await other.restart()  # it stays so, whatever it hears now
        await other.pass_time(30)
        assert other.life.seal is not None
        await other.kill()

    run_virtually(life())


def _carry(event: Event, to: Relay) -> None:
    if event.kind == HEARTBEAT and event.id not in to.events:
        to.events[event.id] = event  # not twice
        for listener in tuple(to.listeners):
            listener(event, to)
        del to.events[event.id]


def test_who_takes_over_makes_the_other_read_only() -> None:
    async def life() -> None:
        town = await a_town()
        task = await funded(town)
        await town.pass_time(10)
        other = copy_of(town)
        other.take_over = True
        await other.start()
        await other.until(lambda: open_now(other), 60)

        async def yields() -> memory.Seal | None:
            return town.life.seal

        assert (await town.until(yields, 60)).why == "second"
        assert task in other.states()
        await other.kill()

    run_virtually(life())


@pytest.mark.parametrize("whose", ["old", "a stranger's", "forged"])
def test_old_and_forged_heartbeats_stop_nobody(whose: str) -> None:
    async def life() -> None:
        town = Town()
        kept: list[Event] = []

        def keep(event: Event, _: Relay) -> None:
            if event.kind == HEARTBEAT:
                kept.append(event)

        town.relays[0].listeners.append(keep)
        await town.start()
        task = await funded(town)
        await town.pass_time(100)
        await town.kill()
        old = list(kept)
        await town.start()
        await town.pass_time(1)
        mine = town.life.world.lease.instance
        stranger = InlineSigner(Secret(f"{99:064x}"))
        made = await stranger.sign(heartbeat(stranger.pubkey, town.time, "x", "ab" * 16, 1, [mine]))
        forged = Event(made.id, town.bot, made.created_at, made.kind, made.tags, made.content, made.sig)
        found = {"old": old, "a stranger's": [made], "forged": [forged]}[whose]
        assert found
        for _ in range(3):
            for event in found:
                for listener in tuple(town.relays[0].listeners):
                    listener(event, town.relays[0])
            await town.pass_time(30)
        assert (town.life.seal, await open_now(town)) == (None, True)
        assert (await state(town, task, "Funded"))["task"] == task
        await sound(town)

    run_virtually(life())
