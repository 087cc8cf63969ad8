"""`holdfast recover` and what `run` and `doctor` say of a sealed house."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from bot.cli import app
from storage import memory
from storage.memory import Missing
from storage.open import engine_for, exclusive, migrate

RUN = CliRunner()


def sealed(data: Path) -> None:
    data.mkdir(exist_ok=True)
    engine = engine_for(data / "holdfast.db")
    migrate(engine)
    with engine.begin() as tx:
        memory.put_seal(
            tx, 1_800_000_000, "older", [Missing("longer_chain", "0" * 13, "a relay has it up to entry 9, we up to 4")]
        )
    engine.dispose()


def config(tmp_path: Path) -> list[str]:
    file = tmp_path / "config.toml"
    file.write_text("[relays]\nembedded_port = 0\n")
    return ["--config", str(file), "--data", str(tmp_path / "data")]


def test_the_doctor_says_why_and_what_to_do(tmp_path: Path) -> None:
    sealed(tmp_path / "data")
    told = RUN.invoke(app, ["doctor", *config(tmp_path), "--json"])
    found = json.loads(told.stdout)
    assert (told.exit_code, found["ok"]) == (1, False)
    [risk] = [each for each in found["findings"] if "read-only" in each["what"]]
    assert "entry 9" in risk["what"]
    assert "holdfast recover" in risk["what"]


def test_with_nothing_missing_it_takes_the_seal_off(tmp_path: Path) -> None:
    sealed(tmp_path / "data")
    dry = RUN.invoke(app, ["recover", *config(tmp_path), "--dry-run", "--json"])
    assert (dry.exit_code, json.loads(dry.stdout)) == (0, {"dry_run": True, "restored": []})
    engine = engine_for(tmp_path / "data" / "holdfast.db")
    with engine.begin() as tx:
        assert memory.seal(tx)
    told = RUN.invoke(app, ["recover", *config(tmp_path)])
    assert (told.exit_code, "Nothing is missing" in told.stdout) == (0, True)
    with engine.begin() as tx:
        assert memory.seal(tx) is None
        assert memory.said_before(tx) > 1_800_000_000 - 10**9
    engine.dispose()


def test_beside_a_running_daemon_and_for_strange_words_it_does_nothing(tmp_path: Path) -> None:
    sealed(tmp_path / "data")
    with exclusive(tmp_path / "data"):
        told = RUN.invoke(app, ["recover", *config(tmp_path)])
    assert told.exit_code == 1
    assert "another daemon is running" in told.stderr + told.stdout
    told = RUN.invoke(app, ["recover", *config(tmp_path), "--paid", "abc=12"])
    assert told.exit_code == 1
    told = RUN.invoke(app, ["recover", *config(tmp_path), "--unpaid", "0000000000000"])
    assert (told.exit_code, "no question open" in told.stderr + told.stdout) == (1, True)
