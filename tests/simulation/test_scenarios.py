"""What has happened to others, and what people try who want more than was agreed: each a short city that follows a script."""

from __future__ import annotations

import pytest

from tests.simulation.run import run
from tests.simulation.scenarios import HOSTILE, INCIDENTS
from tests.simulation.stage import Scenario


@pytest.mark.parametrize("scenario", INCIDENTS, ids=lambda each: each.name)
def test_what_happened_to_others(scenario: Scenario) -> None:
    outcome = run(1, 1, scenario.name)
    assert not outcome.broken, f"{outcome.story}\n{outcome.broken}"


@pytest.mark.parametrize("scenario", HOSTILE, ids=lambda each: each.name)
def test_who_wants_more_than_was_agreed_gets_none_of_it(scenario: Scenario) -> None:
    outcome = run(1, 1, scenario.name)
    assert not outcome.broken, f"{outcome.story}\n{outcome.broken}"


def test_a_script_that_ends_otherwise_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Scenario("other", "employer cancel", "Paid")
    monkeypatch.setitem(run.__globals__["SCENARIOS"], "other", other)
    assert "it ends Refunded" in run(1, 1, "other").broken
