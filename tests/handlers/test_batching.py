"""When a settle goes: at once, or in a common round under load; a hold near its end never waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.batching import Batching

ROUNDS = Batching(seconds=300, busy=20)
FAR = 1000  # blocks


@pytest.mark.parametrize(
    ("batching", "now", "recent", "blocks_left", "goes"),
    [
        (Batching(), 1000, 10_000, FAR, 1000),  # off, whatever the load
        (ROUNDS, 1000, 19, FAR, 1000),  # too few to gain anything
        (ROUNDS, 1000, 20, FAR, 1200),
        (ROUNDS, 1199, 20, FAR, 1200),
        (ROUNDS, 1200, 20, FAR, 1200),  # the round is now
        (ROUNDS, 1201, 500, FAR, 1500),
        (ROUNDS, 1000, 500, 13, 1200),
        (ROUNDS, 1000, 500, 12, 1000),  # its end is near
        (ROUNDS, 1000, 500, -3, 1000),
        (Batching(600, 1), 1, 1, 13, 600),
        (Batching(601, 1), 1, 1, 13, 1),  # a longer round needs more room
    ],
)
def test_when_a_settle_goes(batching: Batching, now: int, recent: int, blocks_left: int, goes: int) -> None:
    assert batching.round_for(now, recent, blocks_left) == goes


@given(st.integers(0, 600), st.integers(1, 50), st.integers(0, 2**40), st.integers(1, 100), st.integers(-100, 2000))
def test_nobody_waits_longer_than_a_round_or_into_the_end(
    seconds: int, busy: int, now: int, recent: int, left: int
) -> None:
    at = Batching(seconds, busy).round_for(now, recent, left)
    assert now <= at <= now + seconds
    assert at == now or at % seconds == 0
    assert at == now or (at - now) // 600 < left - 10
