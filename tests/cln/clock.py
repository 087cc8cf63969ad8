"""One clock for the double of lightningd and for the plugin's process, which a test can put forward: real time plus the offset
that stands in a file."""

from __future__ import annotations

import time
from pathlib import Path


class SharedClock:
    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            path.write_text("0")

    def __call__(self) -> float:
        return time.time() + float(self._path.read_text() or 0)

    def forward(self, seconds: float) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(str(float(self._path.read_text()) + seconds))
        fresh.replace(self._path)
