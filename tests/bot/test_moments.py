"""Hearing and deafness as a clock: what was counted once stays counted."""

from __future__ import annotations

from bot.moments import NEEDED, PATIENCE, Moments
from kinds.lightning import NodeFacts
from kinds.units import Msat

RELAY = "ws://relay.test"
FACTS = NodeFacts("simnet", "lnplay", "02" * 33, 800_000, "0" * 64, True, Msat(0), Msat(0), 1)


def moments_of(time: list[int]) -> Moments:
    """Hearing, at a time that the test sets."""
    made = Moments([RELAY], lambda: time[0], bytes, confirmed=None, deaf=0)
    hear(made, time[0])
    return made


def hear(moments: Moments, sent_at: int) -> None:
    moments.node(FACTS)
    moments.beat(RELAY, sent_at)
    for want in NEEDED:
        moments.delivered(RELAY, want)


def test_deaf_seconds_never_become_fewer() -> None:
    """A letter that comes in a second before the heartbeat does counts the whole silence; the outage that is then over is not
    shorter than that, or a deadline that rests on the letter's moment would be over too early."""
    time = [1000]
    moments = moments_of(time)
    time[0] += PATIENCE + 61
    stored = moments.now()
    assert stored.deaf == PATIENCE + 61
    hear(moments, time[0] - 1)  # it was sent a second ago
    assert not moments.is_deaf
    assert moments.now().deaf == stored.deaf
    (outage,) = moments.ended_outages()
    assert (outage.until - outage.since, outage.deaf) == (stored.deaf, stored.deaf)
    assert moments.settled_deaf == stored.deaf
    time[0] += 60
    hear(moments, time[0])
    assert moments.now().deaf == stored.deaf
    assert moments.now().heard == stored.heard + 60


def test_an_outage_that_nobody_counted_ends_with_the_heartbeat() -> None:
    time = [1000]
    moments = moments_of(time)
    time[0] += PATIENCE + 61
    hear(moments, time[0] - 1)
    (outage,) = moments.ended_outages()
    assert (outage.since, outage.until, outage.deaf) == (1000, time[0] - 1, PATIENCE + 60)


def test_a_heartbeat_within_the_patience_that_comes_late_shows_that_there_was_no_outage() -> None:
    """What was stored meanwhile counted no deaf time, so none may be published for it."""
    time = [1000]
    moments = moments_of(time)
    time[0] += PATIENCE - 5
    stored = moments.now()
    time[0] += 10  # deaf now, though nobody has asked
    hear(moments, time[0] - 8)
    assert (moments.ended_outages(), moments.settled_deaf, stored.deaf) == ([], 0, 0)
