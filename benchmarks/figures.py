"""From many measurements to one figure, and what the disk is like."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path


def ms(seconds: Sequence[float], percent: int) -> float:
    """That percentile, in ms; with few values p99 is the largest."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


def fsync_ms(folder: Path) -> float:
    """Median ms of writing 4 KiB and having them on disk, where the database will be."""
    times = []
    handle = os.open(folder / "fsync", os.O_CREAT | os.O_WRONLY)
    try:
        for _ in range(100):
            os.write(handle, bytes(4096))
            began = time.perf_counter()
            os.fdatasync(handle)
            times.append(time.perf_counter() - began)
    finally:
        os.close(handle)
    return statistics.median(times) * 1000
