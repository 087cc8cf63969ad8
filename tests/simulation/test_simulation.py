"""A small city from a fixed seed on every run of the tests; `make simulate` and `make soak` go far beyond it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation.mutants import MUTANTS, ROOT, Mutant, hunt
from tests.simulation.run import run

LIVES = 20


def test_a_small_city_breaks_no_rule_and_one_seed_gives_one_story() -> None:
    first, second = run(1, LIVES), run(1, LIVES)
    assert not first.broken, f"{first.story}\n{first.broken}"
    assert first.tally.crashes > 0
    assert sum(first.tally.faults.values()) > 50
    assert sum(first.tally.ends.values()) > LIVES // 2
    assert first.digest == second.digest


def test_one_seed_gives_one_story_whatever_python_hashes_by() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "3", "--lives", "8", "--jobs", "1", "--verbose"]
    told = []
    for hashes in ("0", "7"):
        environment = {**os.environ, "PYTHONHASHSEED": hashes}
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
        told.append(next(line for line in done.stdout.splitlines() if line.startswith("seed 3")))
    assert told[0] == told[1]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_bug_fits_the_sources(mutant: Mutant) -> None:
    for file, old, new in mutant.edits:
        assert (ROOT / file).read_text().count(old) == 1
        assert old != new


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_simulation_catches_a_bug_of_this_field(mutant: Mutant) -> None:
    assert hunt(mutant), "a bug that the simulation does not see"
