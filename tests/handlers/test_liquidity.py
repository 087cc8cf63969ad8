"""Room for another hold: the floors and the ceiling, what a node cannot tell, approved work first, and one incident an episode."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from handlers.decide import decide
from handlers.decision import MakeHold, Refusal
from handlers.house import House
from handlers.liquidity import Room, Tight, made, refused, room, shortage
from kinds.codes import Refused
from kinds.units import Msat, sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, POLICY, Life

AMOUNT = sats(1000)
FREE = Room(inbound=sats(1000), outbound=sats(0), slots=1, held=sats(0), approved=sats(0))


def policy(**floors: Any) -> Any:
    return dataclasses.replace(POLICY, **floors)


# The room, the operator's floors, and what is wrong.
CASES: tuple[tuple[dict[str, Any], dict[str, Any], str], ...] = (
    ({}, {}, ""),
    ({"inbound": sats(999)}, {}, "no_inbound"),
    ({"inbound": sats(1000)}, {"min_inbound": sats(1)}, "no_inbound"),
    ({"inbound": sats(1001)}, {"min_inbound": sats(1)}, ""),
    ({"inbound": None}, {"min_inbound": sats(10**6)}, ""),
    ({"slots": 0}, {}, "no_slots"),
    ({"slots": 5}, {"min_slots": 5}, "no_slots"),
    ({"slots": 6}, {"min_slots": 5}, ""),
    ({"slots": None}, {"min_slots": 5}, ""),
    ({"outbound": sats(10), "approved": sats(10)}, {}, ""),
    ({"outbound": sats(10), "approved": Msat(10_001)}, {}, "no_outbound"),
    ({"outbound": sats(10), "approved": sats(5)}, {"min_outbound": sats(6)}, "no_outbound"),
    ({"outbound": sats(11), "approved": sats(5)}, {"min_outbound": sats(6)}, ""),
    ({"held": sats(10**9)}, {}, ""),
    ({"held": sats(1000)}, {"max_held": sats(2000)}, ""),
    ({"held": Msat(1_000_001)}, {"max_held": sats(2000)}, "held_ceiling"),
)


@pytest.mark.parametrize(("found", "floors", "wanted"), CASES)
def test_what_an_invoice_would_break(found: dict[str, Any], floors: dict[str, Any], wanted: str) -> None:
    assert shortage(dataclasses.replace(FREE, **found), AMOUNT, policy(**floors)) == wanted


def test_what_a_node_cannot_tell_is_not_taken_for_nothing() -> None:
    life = builders.draft()
    blind = room(life.facts(can=frozenset(), inbound=Msat(0), free_slots=0), Msat(1), Msat(2))
    assert blind == Room(inbound=None, outbound=sats(10_000_000), slots=None, held=Msat(1), approved=Msat(2))
    seeing = room(life.facts(inbound=Msat(0), free_slots=0), Msat(1), Msat(2))
    assert (seeing.inbound, seeing.slots) == (0, 0)


FULL = House(room=dataclasses.replace(FREE, inbound=sats(1)))


@pytest.mark.parametrize(
    ("start", "wanted"), [(builders.draft, "no_room"), (builders.making, "done"), (builders.pending, "done")]
)
def test_only_a_new_invoice_needs_room(start: Callable[[], Life], wanted: str) -> None:
    life = start()
    done = decide(life.task, life.said(EMPLOYER, life.command("fund")), life.now, life.policy, FULL)
    assert (str(done.code) if isinstance(done, Refusal) else "done") == wanted
    if isinstance(done, Refusal):
        assert done.code is Refused.NO_ROOM
        assert done.facts == {"task": life.id, "what": "no_inbound", "amount_msat": life.task.hold_amount}


def test_with_room_it_is_made() -> None:
    life = builders.draft()
    there = House(room=room(life.facts(), Msat(0), Msat(0)))
    done = decide(life.task, life.said(EMPLOYER, life.command("fund")), life.now, life.policy, there)
    assert not isinstance(done, Refusal)
    assert [type(effect) for effect in done.effects] == [MakeHold]


def test_an_episode_ends_when_an_invoice_of_that_size_fits_again() -> None:
    now = Life().now
    tight = refused(None, "no_inbound", sats(500), now)
    assert tight == Tight(since=now.time, what="no_inbound", amount=sats(500))
    tight = refused(tight, "no_slots", sats(300), dataclasses.replace(now, time=now.time + 60))
    assert tight == Tight(since=now.time, what="no_inbound", amount=sats(300)), "it is still the same one"
    assert made(tight, sats(299)) == tight
    assert made(tight, sats(300)) is None
    assert made(None, sats(1)) is None
