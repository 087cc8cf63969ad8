"""The house as an aggregate of its own: what holds for everybody who comes to its doors, apart from any task."""

from __future__ import annotations

from dataclasses import dataclass

from handlers.liquidity import Room
from kinds.rate import Rate
from kinds.units import Msat, Pubkey


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    paused_at: int = 0  # unix seconds; 0: open for new business
    insured: Msat = Msat(0)  # in the insurance account, where the present input asks for it
    banned: frozenset[Pubkey] = frozenset()  # of those whom the present input is about
    room: Room | None = None  # for another hold; None: not looked at
    rate: Rate | None = None  # the newest of the currency that the present input is about; None: there is none

    @property
    def paused(self) -> bool:
        return self.paused_at > 0


OPEN = House()
"""A house that takes everybody's business."""
