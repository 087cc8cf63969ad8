"""The operator's list of what is held."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from handlers.answers import holds
from handlers.policy import HOUR
from tests.handlers import builders
from tests.handlers.life import POLICY, H, Life
from tests.handlers.test_fundings import first_quote_void

HELD: dict[str, Callable[[], Life]] = {
    name: start
    for name, start in builders.OPEN.items()
    if name not in ("Draft", "PendingFunding", "Claimed, awaiting payment")
}


@pytest.mark.parametrize("place", HELD)
def test_what_is_held_is_listed_until_the_node_has_ended_it(place: str) -> None:
    life = HELD[place]()
    hold = life.hold
    [line] = holds([life.task], life.now)["holds"]
    assert (line["task"], line["amount_msat"], line["goal"]) == (life.id, hold.amount, hold.goal)
    assert (line["expiry_height"], line["last_safe_height"]) == (hold.expiry_height, life.task.last_safe_height)
    life.see(H.SETTLED if hold.goal == "settle" else H.CANCELLED)
    assert holds([life.task], life.now)["count"] == 0


@pytest.mark.parametrize(
    "start", [builders.draft, builders.pending, builders.paid, builders.refunded, builders.expired]
)
def test_what_is_not_held_is_not(start: Callable[[], Life]) -> None:
    life = start()
    assert holds([life.task], life.now) == {"count": 0, "total_msat": 0, "height": life.height, "holds": []}


def test_the_first_to_end_is_on_top_and_all_are_counted() -> None:
    early, late = builders.funded(), builders.funded(policy=dataclasses.replace(POLICY, hold_cltv=2010))
    found = holds([late.task, early.task], early.wait(HOUR).now, most=1)
    assert (found["count"], found["total_msat"]) == (2, early.hold.amount + late.hold.amount)
    assert [(line["age"], line["expiry_height"]) for line in found["holds"]] == [(HOUR, early.hold.expiry_height)]


def test_a_payment_that_nobody_wanted_is_listed_too() -> None:
    life = first_quote_void(builders.funded)
    life.see(H.HELD, life.task.fundings[0])
    assert sorted(line["goal"] for line in holds([life.task], life.now)["holds"]) == ["", "stray"]
