"""`python -m benchmarks.profiled FOLDER [holdfast arguments]`: the program, each of its threads under cProfile.

Leaves one file a thread in the folder: loop, writer, signer. Read them with `python -m pstats FILE`. A profile slows the
program down by about half and makes small Python functions look dearer than they are: it shows where to look, no more.
"""

from __future__ import annotations

import cProfile
import sys
import threading
from pathlib import Path

from bot.cli import main


def run(folder: Path) -> None:
    plain = threading.Thread.run

    def profiled(thread: threading.Thread) -> None:
        profile = cProfile.Profile()
        try:
            profile.runcall(plain, thread)
        finally:
            profile.dump_stats(folder / f"{thread.name}.pstats")

    setattr(threading.Thread, "run", profiled)  # noqa: B010  (mypy would not have it assigned)
    profile = cProfile.Profile()
    try:
        profile.runcall(main)
    finally:
        profile.dump_stats(folder / "loop.pstats")


if __name__ == "__main__":
    place = Path(sys.argv.pop(1))
    place.mkdir(parents=True, exist_ok=True)
    run(place)
