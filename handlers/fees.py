"""What the house's service costs, and who bears it: the arithmetic of fees, in integer msat, never a float.

The fee is reckoned once, of the reward that was offered, in whole sats, rounded down: what a sat cannot be divided into stays with the
people. Of an agreed share the same percentage of it is due. It comes out of the hold: the employer's part is added to the reward,
the worker's part is taken off what he gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kinds.states import Payer
from kinds.units import MSAT_PER_SAT, Msat


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """The operator's fee terms; as copied into a task they never change. Amounts msat, whole sats."""

    ppm: int = 0  # of the reward
    base: Msat = Msat(0)
    minimum: Msat = Msat(0)
    payer: Payer = Payer.EMPLOYER
    insurance_percent: int = 10  # of each fee: booked to the insurance account

    def of(self, reward: Msat) -> Msat:
        """The whole service fee of a task."""
        return Msat(max(self.minimum, self.base + _whole_sats(reward * self.ppm // 1_000_000)))

    def of_worker(self, reward: Msat) -> Msat:
        """What the worker bears of it; of an odd sat the employer has the larger half."""
        match self.payer:
            case Payer.EMPLOYER:
                return Msat(0)
            case Payer.WORKER:
                return self.of(reward)
            case Payer.SPLIT:
                return _whole_sats(self.of(reward) // 2)

    def insured(self, fee: Msat) -> Msat:
        """The published share of a fee that belongs to the insurance account."""
        return Msat(fee * self.insurance_percent // 100)

    def public(self) -> dict[str, Any]:
        """As the operator's terms and a new task's log entry name them."""
        return {
            "service_fee_ppm": self.ppm,
            "service_fee_base_msat": self.base,
            "service_fee_minimum_msat": self.minimum,
            "service_fee_payer": str(self.payer),
            "insurance_percent": self.insurance_percent,
        }


FREE = Fees()
"""No fee at all."""


def part(amount: Msat, percent: int) -> Msat:
    """So many percent of an amount, rounded down to the sat; everything is everything, to the msat."""
    return amount if percent == 100 else _whole_sats(amount * percent // 100)


def routing_budget(share: Msat, base: Msat, ppm: int) -> Msat:
    """The most that routing a payout of this size may cost: a part in ppm, rounded up to the sat, and at least the base."""
    part_of_it = -(-share * ppm // 1_000_000)
    return Msat(max(base, -(-part_of_it // MSAT_PER_SAT) * MSAT_PER_SAT))


def _whole_sats(amount: int) -> Msat:
    return Msat(amount // MSAT_PER_SAT * MSAT_PER_SAT)
