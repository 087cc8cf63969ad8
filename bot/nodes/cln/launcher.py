"""The small program by which lightningd starts the plugin, with the Python and the packages of this installation."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from bot.nodes.cln.wire import PLUGIN

MARK = "# Written by `holdfast cln-plugin install`."
_SECONDS = 30.0


class CannotInstall(Exception):
    """The text says why, and what to do."""


def text(python: str) -> str:
    """`-I`: nothing of lightningd's environment or of the program's own directory gets between it and its packages."""
    return f"#!{python} -I\n{MARK}\nfrom bot.nodes.cln.plugin.main import main\n\nmain()\n"


def install(folder: Path, python: str) -> Path:
    """Writes the program and tries it. Raises CannotInstall; OSError when the directory cannot be written to."""
    folder = folder.expanduser().resolve()
    program = folder / PLUGIN
    if program.exists() and MARK not in program.read_text(errors="replace"):
        raise CannotInstall(f"{program} is there already and is none of ours; remove it, or name another directory")
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{PLUGIN}.new"
    fresh.write_text(text(python))
    fresh.chmod(0o755)
    fresh.replace(program)  # a lightningd that starts just now finds the old one or the new one, whole
    _try(program)
    return program


def _try(program: Path) -> None:
    """Asked for its manifest as lightningd does at start: a wrong Python or a directory without permission shows now."""
    question = json.dumps({"jsonrpc": "2.0", "id": "install", "method": "getmanifest", "params": {}}) + "\n\n"
    try:
        said = subprocess.run(
            [str(program)],
            input=question.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={**os.environ, "LIGHTNINGD_PLUGIN": "1"},
        )
        hooks = json.loads(said.stdout.split(b"\n\n")[0])["result"]["hooks"]
        works = [hook["name"] for hook in hooks] == ["htlc_accepted"]
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        works = False
    if not works:
        raise CannotInstall(f"{program} was written, but does not start from there; is its disk mounted noexec?")
