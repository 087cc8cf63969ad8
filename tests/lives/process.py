"""The daemon as a process of its own, as its operator runs it; it can be killed.

`Daemon` runs the installed program. `Quick` runs the same command line in a fork of a process that has done the imports already,
so that a start takes a quarter of a second instead of one: for stories with many deaths.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bot.cli import main
from tests.lives.people import Place, until

NURSERY = multiprocessing.get_context("forkserver")
NURSERY.set_forkserver_preload(["bot.cli", "pytest"])
HOLDFAST = str(Path(sys.executable).with_name("holdfast"))


@dataclass(slots=True)
class Daemon:
    """`holdfast run` on one data directory; started as often as wanted. Its output goes to files, one for each start."""

    folder: Path
    relays: Sequence[str] = ()
    settings: dict[str, Any] = field(default_factory=dict)  # SECTION__KEY: value
    starts: int = 0
    process: Any = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        assert self.process is None or self.exit_code() is not None, "it runs already"
        self.starts += 1
        settings = {"RELAYS__URLS": list(self.relays), "RELAYS__EMBEDDED_PORT": 0, **self.settings}
        plain = {key: value for key, value in os.environ.items() if not key.startswith("HOLDFAST")}
        env = {
            f"HOLDFAST__{key}": each if isinstance(each, str) else json.dumps(each) for key, each in settings.items()
        }
        self._spawn(["run", "--json", "--data", str(self.data)], plain | env)

    def _spawn(self, arguments: list[str], env: dict[str, str]) -> None:
        with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
            self.process = subprocess.Popen([HOLDFAST, *arguments], stdout=out, stderr=err, cwd=self.folder, env=env)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()  # type: ignore[no-any-return]

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.{self.starts}"

    async def ready(self) -> Place:
        line = await until(self._ready_line, "the daemon's readiness line", 30)
        told = json.loads(line)
        assert told["ready"] is True
        return Place(told["pubkey"], tuple(told["relays"]), self.data)

    def _ready_line(self) -> str:
        assert self.exit_code() is None, f"it ended with {self.exit_code()}: {self.complaints()}"
        text = self._file("out").read_text() if self._file("out").exists() else ""
        return text if text.endswith("\n") else ""

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.process.pid, signal.SIGKILL)
        self._wait()

    def _wait(self) -> None:
        self.process.wait(10)

    async def ends(self, within: float) -> int:
        """The exit code, once it has ended."""
        await until(lambda: self.exit_code() is not None, "the daemon's end", within)
        code = self.exit_code()
        assert code is not None
        return code

    async def stop(self) -> tuple[int, float]:
        """SIGTERM. The exit code, and the seconds that it took."""
        began = time.monotonic()
        os.kill(self.process.pid, signal.SIGTERM)
        code = await self.ends(10)
        return code, time.monotonic() - began

    def complaints(self) -> str:
        """What the newest start has written to stderr."""
        return self._file("err").read_text()

    def output(self) -> str:
        """Everything that all starts have written."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.*")) if path.stem in ("out", "err"))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.exit_code() is None:
            self.kill()


@dataclass(slots=True)
class Quick(Daemon):
    """`hurry`: constants of modules and their values, for what takes minutes of real time."""

    hurry: Mapping[str, float] = field(default_factory=dict)

    def _spawn(self, arguments: list[str], env: dict[str, str]) -> None:
        outputs = str(self._file("out")), str(self._file("err"))
        self.process = NURSERY.Process(
            target=_be_holdfast, args=(arguments, env, str(self.folder), outputs, dict(self.hurry))
        )
        self.process.start()

    def exit_code(self) -> int | None:
        return self.process.exitcode  # type: ignore[no-any-return]

    def _wait(self) -> None:
        self.process.join(10)


def _be_holdfast(
    arguments: list[str], env: dict[str, str], folder: str, outputs: tuple[str, str], hurry: Mapping[str, float]
) -> None:
    for name, value in hurry.items():
        module, _, constant = name.rpartition(".")
        assert hasattr(importlib.import_module(module), constant)
        setattr(importlib.import_module(module), constant, value)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for path, stream in zip(outputs, (1, 2), strict=True):
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        os.dup2(handle, stream)
        os.close(handle)
    sys.argv = ["holdfast", *arguments]
    main()
