"""Work that is paid by the hour: what delivered hours come to, in integer msat, never a float.

The price of a task, or of one of its milestones, is the whole that is held: as many hours as its rate fits into it. Fewer hours are the same
part of the reward, of the worker's part of the service fee and of that fee, each rounded down to the sat; all hours are everything, to
the msat. In a currency the frozen rate has made the whole into sats, and the proportion is the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from kinds.hours import HUNDREDTHS
from kinds.units import MSAT_PER_SAT, Msat


@dataclass(frozen=True, slots=True, kw_only=True)
class Hourly:
    """The agreed rate and cap of a task that is paid by the hour."""

    rate: int  # of one hour: in sats, or in the smallest unit of the task's currency
    cap: int  # whole hours, of the whole task

    @property
    def price(self) -> int:
        """Of all hours together, in the same unit."""
        return self.rate * self.cap

    def most(self, price: int) -> int:
        """How many hundredths of an hour fit into this part of the price."""
        return price * HUNDREDTHS // self.rate

    def part(self, whole: Msat, hours: int, price: int) -> Msat:
        """What so many hundredths of an hour come to of an amount that is for all of this price."""
        worked, full = hours * self.rate, price * HUNDREDTHS
        return whole if worked == full else Msat(whole * worked // full // MSAT_PER_SAT * MSAT_PER_SAT)
