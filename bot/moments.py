"""The present: time, height, and whether we can hear. It makes the `Now` that is stored with every input.

Hearing means: our own heartbeat was read back within ten minutes from at least half of the listed relays, and the node was in
sync. A longer silence is deaf time, from the last moment at which we surely heard; deadlines stand still meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kinds.inputs import Now
from kinds.lightning import NodeFacts

PATIENCE = 600  # seconds without a confirmed hearing that are still not called deaf


class Moments:
    def __init__(
        self,
        relays: Iterable[str],
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        *,
        confirmed: int | None,
        deaf: int,
    ) -> None:
        """`confirmed` and `deaf` are what was remembered at the last stop; None and 0 at the very first start."""
        self._clock = clock
        self._entropy = entropy
        self._confirmed = confirmed if confirmed is not None else int(clock())
        self._deaf = deaf
        self._beats: dict[str, int] = dict.fromkeys(relays, 0)
        self._synced_at = 0
        self._height, self._block = 0, "0" * 64

    @property
    def time(self) -> int:
        return int(self._clock())

    @property
    def confirmed(self) -> int:
        return self._confirmed

    @property
    def height(self) -> int:
        return self._height

    @property
    def settled_deaf(self) -> int:
        """Deaf seconds of outages that are over."""
        return self._deaf

    @property
    def is_deaf(self) -> bool:
        return self.time - self._confirmed > PATIENCE

    def now(self) -> Now:
        """This moment, with fresh entropy."""
        return Now(self.time, self._height, self._block, self._deaf + self._silent(), self._entropy(32).hex())

    def beat(self, relay: str, sent_at: int) -> int:
        """A heartbeat sent at that time was read back. Returns the deaf seconds of an outage that this ended, else 0."""
        if relay in self._beats:
            self._beats[relay] = max(self._beats[relay], sent_at)
        return self._confirm()

    def node(self, facts: NodeFacts | None) -> int:
        """The node's word about itself; heights never go back. Returns as `beat` does."""
        if facts is None:
            return 0
        if facts.height > self._height:
            self._height, self._block = facts.height, facts.block_hash
        if facts.synced:
            self._synced_at = self.time
        return self._confirm()

    def late(self) -> list[str]:
        """Relays whose heartbeat has not come back for half the patience: they deserve a new connection."""
        return [relay for relay, at in self._beats.items() if self.time - at > PATIENCE // 2]

    def _silent(self) -> int:
        return self.time - self._confirmed if self.is_deaf else 0

    def _confirm(self) -> int:
        heard = sorted(self._beats.values(), reverse=True)
        by_relays = heard[(len(heard) + 1) // 2 - 1] if heard else 0
        surely = min(by_relays, self._synced_at)
        if surely <= self._confirmed:
            return 0
        gap = surely - self._confirmed
        self._confirmed = surely
        if gap <= PATIENCE:
            return 0
        self._deaf += gap
        return gap
