"""The simulated chain: blocks come with the clock, and on demand.

Nothing ticks: the height is computed from the clock whenever somebody looks. Times are unix seconds, heights blocks.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

START_HEIGHT = 800_000


@dataclass(frozen=True, slots=True)
class Chain:
    origin: int  # the time of block START_HEIGHT
    block_seconds: int  # 0: a block only when one is mined
    mined: int = 0  # blocks mined on demand, on top of those that came by themselves

    def height(self, now: int) -> int:
        by_itself = (now - self.origin) // self.block_seconds if self.block_seconds else 0
        return START_HEIGHT + self.mined + max(0, by_itself)

    def time_of(self, height: int) -> float:
        """When this height is reached if nobody mines; infinity when it never is."""
        to_come = height - START_HEIGHT - self.mined
        if to_come <= 0:
            return self.origin
        return self.origin + to_come * self.block_seconds if self.block_seconds else math.inf


def block_hash(height: int) -> str:
    return hashlib.sha256(f"simnet block {height}".encode()).hexdigest()
