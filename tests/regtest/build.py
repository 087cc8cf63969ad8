"""Builds lnd and btcd from Go modules alone, once for each content of go.mod and go.sum; `python -m tests.regtest.build`.

The programs lie in a cache of the user's, so that a clean checkout does not build them again. Without a Go toolchain the suite that
needs them is left out, and that is said in one line; with HOLDFAST_REGTEST=required (CI) it is a failure.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("btcd", "lnd")
TAGS = "invoicesrpc routerrpc signrpc walletrpc chainrpc peersrpc"
REQUIRED = os.environ.get("HOLDFAST_REGTEST") == "required"
LEFT_OUT = "left out: the tests on real LND nodes"


def folder() -> Path:
    """Where the programs of these very go.mod and go.sum are."""
    pins = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "holdfast" / "regtest" / pins[:16]


def is_built() -> bool:
    return all((folder() / name).exists() for name in PROGRAMS)


def build() -> str:
    """Builds them unless they are there. Why not, in a few words, or nothing."""
    if is_built():
        return ""
    if shutil.which("go") is None:
        return "there is no Go toolchain"
    print("building lnd and btcd for the tests, once: some five minutes on two cores", flush=True)
    place = folder()
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=place.parent))
    ran = subprocess.run(
        ["go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", TAGS, "-o", f"{made}/", "tool"],
        cwd=HERE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ran.returncode:
        shutil.rmtree(made)
        return f"the build failed: {' '.join(ran.stdout.split())[-300:]}"
    try:
        made.rename(place)
    except OSError:  # somebody else was as quick
        shutil.rmtree(made)
    return "" if is_built() else "the build made nothing"


if __name__ == "__main__":
    trouble = build()
    if trouble:
        print(f"{LEFT_OUT}: {trouble}")
    sys.exit(1 if trouble and REQUIRED else 0)
