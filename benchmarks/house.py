"""The processes that are measured: a relay and the daemon, each on its own, so that its CPU time is its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from kinds.units import Pubkey, Secret

PLAIN = ("-c", "from bot.cli import main; main()")  # what the installed program does
_TICK = os.sysconf("SC_CLK_TCK")
_PATIENCE = 60.0  # seconds for a process to start


class NotStarted(RuntimeError):
    """A process did not come up; the text says which and where its words are."""


@dataclass(frozen=True, slots=True)
class House:
    relay: str
    bot: Pubkey
    data: Path
    daemon: int  # process ids
    relay_process: int

    @property
    def socket(self) -> Path:
        return self.data / "simnet.sock"

    def secret(self) -> Secret:
        """The bot's key, to open what people wrapped for it."""
        return Secret((self.data / "nostr.key").read_text().strip())


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used so far, all its threads together, in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory(pid: int) -> float:
    """The most memory that a process has had so far, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next((line for line in lines if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(peak.split()[1]) / 1024


Sections = Mapping[str, Mapping[str, object]]


def settings(relay: str) -> Sections:
    """All that differs from the defaults. No limit is loosened: nobody here says more than a person may."""
    return {"relays": {"urls": [relay]}, "log": {"level": "warning"}}


def profiled(folder: Path | None) -> Sequence[str]:
    """How the program is started to leave profiles in that folder; as always without one."""
    return PLAIN if folder is None else ("-m", "benchmarks.profiled", str(folder))


@asynccontextmanager
async def house(folder: Path, start: Sequence[str] = PLAIN, more: Sections | None = None) -> AsyncIterator[House]:
    """A relay in memory and a daemon on a fresh data directory on disk; `more` are further settings."""
    async with relay(folder) as place, daemon(folder, place, start, more) as home:
        yield home


@dataclass(frozen=True, slots=True)
class Place:
    """A relay of our own."""

    url: str
    process: int


@asynccontextmanager
async def relay(folder: Path) -> AsyncIterator[Place]:
    async with _process([sys.executable, "-m", "benchmarks.relay"], folder / "relay.err") as (process, url):
        yield Place(url, process)


@asynccontextmanager
async def daemon(
    folder: Path, place: Place, start: Sequence[str] = PLAIN, more: Sections | None = None
) -> AsyncIterator[House]:
    """A daemon on the data directory in that folder, a fresh one or that of the daemon before it."""
    config = folder / "config.toml"
    config.write_text(_toml({**settings(place.url), **(more or {})}))
    said = [sys.executable, *start, "run", "--config", str(config), "--data", str(folder / "data"), "--json"]
    async with _process(said, folder / "daemon.err") as (process, line):
        ready = json.loads(line)
        yield House(place.url, Pubkey(ready["pubkey"]), folder / "data", process, place.process)


@asynccontextmanager
async def _process(command: Sequence[str], errors: Path) -> AsyncIterator[tuple[int, str]]:
    """(process id, its first line). It is ended by the end of its input and by SIGTERM, and waited for."""
    with errors.open("wb") as stderr:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=stderr)
    assert process.stdin is not None, "it was asked for"
    assert process.stdout is not None, "it was asked for"
    try:
        async with asyncio.timeout(_PATIENCE):
            line = (await process.stdout.readline()).decode().strip()
        if not line:
            raise NotStarted(f"{' '.join(command[1:4])} did not start: {_end_of(errors)}")
        yield process.pid, line
    finally:
        process.stdin.close()
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def _end_of(file: Path) -> str:
    return file.read_text()[-500:]


def _toml(sections: Sections) -> str:
    rows = []
    for name, section in sections.items():
        rows += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    return "\n".join(rows) + "\n"
