"""Runs cities, one seed each, and tells what came of them."""

from __future__ import annotations

import gc
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from tests.simulation.city import City, Tally
from tests.simulation.guard import Violation
from tests.simulation.pace import unhurried
from tests.simulation.rows import name, walked
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.stage import Stage
from tests.virtual.loop import run_virtually


@dataclass(slots=True)
class Outcome:
    seed: int
    lives: int
    script: str = ""  # the name of a scenario
    tally: Tally = field(default_factory=Tally)
    digest: str = ""
    walked: set[str] = field(default_factory=set)  # rows of the transition table, by name
    broken: str = ""  # the rule, or the error
    story: str = ""


def run(seed: int, lives: int, script: str = "") -> Outcome:
    """One city from its first event to the judgement: of so many lives, or of one that follows a script."""
    outcome = Outcome(seed, lives, script)

    async def life() -> None:
        stage = Stage(seed, SCENARIOS[script]) if script else None
        city = stage.city if stage else City(seed)
        try:
            await (stage.play() if stage else city.live(lives))
        except Exception as error:
            task = error.task if isinstance(error, Violation) else ""
            outcome.broken = str(error) if isinstance(error, Violation) else "".join(traceback.format_exception(error))
            outcome.story = city.story.of(task)
        outcome.tally, outcome.digest = city.tally, city.story.digest()

    with walked() as table, unhurried(), _silence(), _litter():
        run_virtually(life(), threads=False)
    outcome.walked = {name(key) for key in table.counts}
    return outcome


@contextmanager
def _litter() -> Iterator[None]:
    """A city is small and soon over: what it drops is collected once, at its end, and not looked for all the time, nor among what was
    there before."""
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()
        gc.unfreeze()


@contextmanager
def _silence() -> Iterator[None]:
    """The daemon's own log would fill the screen."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
