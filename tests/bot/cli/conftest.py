"""The command line as a function, and one daemon for the whole directory, started as people start it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from bot.cli import app


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Cli:
    """One command; an exception that would be a traceback fails the test."""
    for name in ("HOLDFAST_BOT", "HOLDFAST_KEY", "HOLDFAST_RELAY", "HOLDFAST_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> Ran:
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@dataclass(frozen=True)
class House:
    """A running daemon."""

    process: subprocess.Popen[str]
    data: Path
    ready: dict[str, Any]

    @property
    def relay(self) -> str:
        return str(self.ready["relays"][0])

    @property
    def bot(self) -> str:
        return str(self.ready["npub"])


def start(data: Path, *words: str, port: int = 0) -> subprocess.Popen[str]:
    """`holdfast run` as a process of its own."""
    env = os.environ | {"HOLDFAST__RELAYS__EMBEDDED_PORT": str(port)}
    command = [sys.executable, "-c", "from bot.cli import main; main()", "run", "--data", str(data), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def started(data: Path) -> House:
    process = start(data, "--json")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return House(process, data, json.loads(line))


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """SIGTERM; the exit code and the rest of what it said. Five seconds are the promise."""
    process.send_signal(signal.SIGTERM)
    try:
        out, err = process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, out, err


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    running = started(tmp_path_factory.mktemp("house") / "data")
    try:
        yield running
    finally:
        end(running.process)
