"""The outside as one value: what the daemon's parts may touch. A simulation fills it with other things of the same shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.absences import Absences
from bot.limits import Limits
from bot.memory.lease import Lease
from bot.moments import Moments
from bot.nodes.base import Node
from bot.prices.board import Board
from bot.relays.client import Relays
from bot.relays.signer import Signer
from bot.wake import Bell, Wakes
from bot.writer import Writer
from handlers.batching import Batching
from handlers.policy import Policy
from kinds.units import Pubkey


@dataclass(slots=True)
class World:
    clock: Callable[[], float]  # unix seconds
    entropy: Callable[[int], bytes]
    jitter: Callable[[], float]  # 0 to 1
    writer: Writer
    relays: Relays
    signer: Signer
    node: Node
    moments: Moments
    policy: Policy
    policy_id: str
    cursors: dict[tuple[str, str], int]  # (relay, want): up to when everything of it is stored
    prices: Board
    limits: Limits = field(default_factory=Limits)
    batching: Batching = field(default_factory=Batching)
    wakes: Wakes = field(default_factory=Wakes)
    absences: Absences = field(init=False)
    lease: Lease = field(init=False)  # of the key, among all processes that may have it

    def __post_init__(self) -> None:
        self.lease = Lease(self.bot, self.entropy(16).hex(), int(self.clock()), self.clock)
        self.absences = Absences(self.clock)

    @property
    def bot(self) -> Pubkey:
        return self.policy.bot

    def backoff(self, tries: int, first: float = 1.0, most: float = 600.0) -> int:
        """When to try again, unix seconds: doubling from `first` to `most` seconds, with jitter."""
        wait = min(first * 2 ** min(tries, 20), most) * (0.75 + 0.5 * self.jitter())
        return int(self.clock() + max(1.0, wait))

    async def idle(self, bell: Bell, soonest: int | None = None) -> None:
        """For a worker without work: until the bell, or until `soonest`, when a row of its table is due again."""
        await bell.wait(300.0 if soonest is None else min(300.0, max(0.5, soonest - self.moments.time)))
