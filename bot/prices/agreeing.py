"""From what several sources say to one rate, or to none. Pure.

Nobody is trusted alone. The median of all answers is the measure: who is further from it than the spread is dropped, and when fewer than
needed are left there is no new rate. Nor is one that has jumped away from the last good one, as long as that still counts: an error of a
common origin looks like agreement. A jump that lasts is believed once the last good rate has become too old to be used.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from kinds.rate import PRICE_STEP, Rate


@dataclass(frozen=True, slots=True)
class Rule:
    agree: int  # so many sources
    spread: int  # percent from the median
    jump: int  # percent from the last good rate
    age: int  # seconds for which the last good rate counts


class Doubt(StrEnum):
    """Why there is no new rate."""

    TOO_FEW = "too few sources answer"
    DISAGREE = "the sources do not agree"
    JUMP = "it jumped away from the last good rate"


def agreed(currency: str, said: Mapping[str, Decimal], last: Rate | None, rule: Rule, time: int) -> Rate | Doubt:
    """`said`: source -> units of the currency per bitcoin, above zero; `time` in unix seconds."""
    if len(said) < rule.agree:
        return Doubt.TOO_FEW
    middle = statistics.median(said.values())
    near = {name: price for name, price in said.items() if _is_within(price, middle, rule.spread)}
    if len(near) < rule.agree:
        return Doubt.DISAGREE
    price = statistics.median(near.values()).quantize(PRICE_STEP)
    counts = last is not None and 0 <= time - last.time <= rule.age
    if last is not None and counts and not _is_within(price, last.price, rule.jump):
        return Doubt.JUMP
    return Rate(currency, price, tuple(sorted(near)), time)


def outliers(said: Mapping[str, Decimal], rate: Rate) -> list[str]:
    """Who answered and did not count."""
    return sorted(said.keys() - set(rate.sources))


def _is_within(price: Decimal, other: Decimal, percent: int) -> bool:
    return abs(price - other) * 100 <= other * percent
