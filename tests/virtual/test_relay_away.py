"""A relay that is away for hours costs next to nothing, and has everything soon after it is back; no death of ours changes that."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from kinds.events import Event
from storage.schema import events
from tests.virtual.hub import Relay
from tests.virtual.lives import a_town, offered, sound
from tests.virtual.loop import run_virtually
from tests.virtual.world import Town

HOUR = 3600
SOON = 20.0  # seconds: the relay is connected again, and that is seen


def _tries(town: Town) -> list[int]:
    """How often each event that waits was tried."""
    with town.engine.begin() as tx:
        return list(tx.execute(select(events.c.tries).where(events.c.state == "pending")).scalars())


def _log(relay: Relay, town: Town) -> set[str]:
    return {event.id for event in relay.events.values() if event.pubkey == town.bot and event.kind == 78}


@pytest.mark.parametrize("killed", [False, True])
def test_what_waited_for_a_relay_goes_out_when_it_is_back(killed: bool) -> None:
    async def life() -> None:
        town = await a_town(relays=2)
        here, away = town.relays
        await offered(town)
        away.down = True
        for number in range(3):
            await offered(town, d=f"job{number}")
        await town.pass_time(3 * HOUR)
        assert len(_tries(town)) > 5
        assert max(_tries(town)) <= 3 * HOUR / 450 + 1, "ten minutes between two tries"
        assert not _log(here, town) <= _log(away, town)
        if killed:
            await town.kill()
        away.down = False
        if killed:
            await town.start()
        await town.pass_time(SOON)
        assert _log(here, town) == _log(away, town)
        await town.pass_time(SOON)
        assert _tries(town) == []
        await sound(town)

    run_virtually(life())


def test_a_relay_that_is_there_and_refuses_is_asked_as_ever() -> None:
    """One relay is away, the other one wants nothing for a minute: that is no reason to wait for ten."""

    async def life() -> None:
        town = await a_town(relays=2)
        here, away = town.relays
        await town.pass_time(30)
        away.down = True

        def by_us(event: Event) -> bool:
            return event.pubkey == town.bot

        here.refuses = by_us
        await town.employer.offer(50_000, "Build a landing page", town.time + 86400, "job")
        await town.pass_time(60)
        assert not town.states()
        here.refuses = lambda event: False
        await town.pass_time(90)
        assert list(town.states().values()) == ["Draft"]
        away.down = False
        await sound(town)

    run_virtually(life())
