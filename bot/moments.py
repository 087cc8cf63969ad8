"""The present: time, height, and whether we can hear. It makes the `Now` that is stored with every input.

Hearing means: our own heartbeat was read back within ten minutes from at least half of the listed relays, each of which has
also delivered what it had stored since we last heard it, and the node was in sync. A longer silence is deaf time, from the
last moment at which we surely heard; deadlines stand still meanwhile. A process that has just started has heard nothing yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kinds.inputs import Now
from kinds.lightning import NodeFacts

PATIENCE = 600  # seconds without a confirmed hearing that are still not called deaf
_MISSED = 120  # seconds between two heartbeats of a relay, after which it must first deliver what we missed
NEEDED = frozenset({"work", "decisions", "wraps"})  # the subscriptions without which we do not hear


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which we were deaf, now over; unix seconds."""

    since: int
    until: int
    deaf: int  # all deaf seconds until then, this outage included


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
        self._starting = confirmed is not None
        self._confirmed = confirmed if confirmed is not None else int(clock())
        self._deaf = deaf
        self._told = deaf  # the most deaf seconds that any moment has carried
        self._beats: dict[str, int] = dict.fromkeys(relays, 0)
        self._delivered: dict[str, dict[str, int]] = {relay: {} for relay in self._beats}  # want -> when
        self._synced_at = 0
        self._height, self._block = 0, "0" * 64
        self._facts: NodeFacts | None = None
        self._outages: list[Outage] = []

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
    def facts(self) -> NodeFacts | None:
        """The node's last word about itself."""
        return self._facts

    @property
    def settled_deaf(self) -> int:
        """Deaf seconds of outages that are over."""
        return self._deaf

    @property
    def is_deaf(self) -> bool:
        return self._starting or self.silent_long

    @property
    def silent_long(self) -> bool:
        """Deaf for longer than a restart takes: time to say so in public."""
        return self.time - self._confirmed > PATIENCE

    def now(self) -> Now:
        """This moment, with fresh entropy. Deaf seconds never become fewer: deadlines rest on what was stored."""
        self._told = max(self._told, self._deaf + self._silent())
        return Now(self.time, self._height, self._block, self._told, self._entropy(32).hex())

    def beat(self, relay: str, sent_at: int) -> None:
        """A heartbeat sent at that time was read back from this relay."""
        last = self._beats.get(relay)
        if last is None or sent_at <= last:
            return
        if last and sent_at - last > _MISSED:  # only a catch-up after that counts; it often precedes the next heartbeat
            self._delivered[relay] = {want: at for want, at in self._delivered[relay].items() if at > last}
        self._beats[relay] = sent_at
        self._confirm()

    def delivered(self, relay: str, want: str) -> None:
        """What this relay had stored for that subscription has been kept."""
        if relay in self._delivered:
            self._delivered[relay][want] = self.time
        self._confirm()

    def node(self, facts: NodeFacts | None) -> None:
        """The node's word about itself; heights never go back."""
        if facts is None:
            return
        self._facts = facts
        if facts.height > self._height:
            self._height, self._block = facts.height, facts.block_hash
        if facts.synced:
            self._synced_at = self.time
        self._confirm()

    def late(self) -> list[str]:
        """Relays whose heartbeat has not come back for half the patience: they deserve a new connection."""
        return [relay for relay, at in self._beats.items() if self.time - at > PATIENCE // 2]

    def ended_outages(self) -> list[Outage]:
        """Those that ended since this was last asked."""
        ended, self._outages = self._outages, []
        return ended

    def _silent(self) -> int:
        return self.time - self._confirmed if self.is_deaf else 0

    def _confirm(self) -> None:
        heard = sorted(
            (at for relay, at in self._beats.items() if self._delivered[relay].keys() >= NEEDED), reverse=True
        )
        enough = (len(self._beats) + 1) // 2
        if len(heard) < enough or enough == 0:
            return
        surely = min(heard[enough - 1], self._synced_at)
        if surely < self._confirmed:
            return
        if surely > self._confirmed and self.is_deaf:  # as it was counted until now, also in what came in meanwhile
            surely = max(surely, self._confirmed + self._told - self._deaf)
            if self._starting or surely - self._confirmed > PATIENCE:  # else a late answer shows that it was no outage
                self._deaf += surely - self._confirmed
                self._outages.append(Outage(self._confirmed, surely, self._deaf))
        self._confirmed, self._starting = surely, False
