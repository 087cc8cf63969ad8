"""Settles that wait for each other. When many holds are to be settled, one round of them now and then is easier on a node than each at
its own moment. The worker has been paid before, so nobody waits for money but the house itself; a hold near its end never waits. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinds.units import SECONDS_PER_BLOCK

_NEAR = 12  # blocks: a hold with fewer left than that, behind a whole round, is settled at once


@dataclass(frozen=True, slots=True)
class Batching:
    """A round begins whenever unix time divides by `seconds`; 0: each settle goes at once. `busy`: it takes so many settles
    within the length of a round, else there is nothing to gain."""

    seconds: int = 0
    busy: int = 1

    def round_for(self, now: int, recent: int, blocks_left: int) -> int:
        """When a settle goes that is wanted now, unix seconds; `now` for at once.

        `recent`: settles wanted within the last `seconds`, this one included. `blocks_left`: until its hold must be settled (E - M).
        """
        if not self.seconds or recent < self.busy:
            return now
        if blocks_left < _NEAR + -(-self.seconds // SECONDS_PER_BLOCK):
            return now
        return -(-now // self.seconds) * self.seconds
