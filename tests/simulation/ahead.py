"""What the public can read of a deposit: which part of which milestone's price is held ahead, and by what rate. Read again from the log, by
rules of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

SATS = 100_000_000  # of a bitcoin
Entries = Mapping[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Cover:
    """A hold of a deposit. `price`: how much of its milestone's, in sats or in the currency."""

    funding: str
    milestone: int
    price: Fraction
    amount: int  # msat
    rate: tuple[str, int] = ("", 0)  # and of which time
    last_safe: int = 0


class Ahead:
    """As of the newest of these entries."""

    def __init__(self, entries: Entries) -> None:
        self.known: dict[str, Cover] = {}  # by funding: all that were ever asked for
        self.held: dict[int, Cover] = {}  # by milestone: what stands for it, also when it has been paid out
        self.ever: set[int] = set()  # milestones that had one
        self.rates: dict[int, tuple[str, int]] = {}  # by milestone: of what is not covered
        self._prices = _prices(entries)
        for seq in sorted(entries):
            self._read(entries[seq])

    def _read(self, entry: dict[str, Any]) -> None:
        kind, facts = entry["type"], entry["facts"]
        number, funding = facts.get("milestone", 1), facts.get("funding", "")
        match kind:
            case "invoice.created" if "covers" in facts:
                rate = facts.get("rate", ""), facts.get("rate_time", 0)
                self.known[funding] = Cover(funding, number, Fraction(facts["covers"]), facts["amount_msat"], rate)
            case "invoice.created" if "rate" in facts:
                self.rates[number] = facts["rate"], facts["rate_time"]
            case "rollover.asked" if old := self.known.get(facts["replaces"]):
                self.known[funding] = replace(old, funding=funding)
            case "invoice.accepted" | "rollover.completed" if cover := self.known.get(funding):
                self.held[cover.milestone] = replace(cover, last_safe=facts["last_safe_height"])
                self.ever.add(cover.milestone)
                if cover.price == self._prices.get(cover.milestone):
                    self.rates[cover.milestone] = cover.rate
            case "deposit.returned" | "hold.lost" if cover := self.known.get(funding):
                aside = kind == "deposit.returned" or "covers" in facts
                if aside and self.held.get(cover.milestone, cover).funding == funding:
                    self.held.pop(cover.milestone, None)

    def parts(self, number: int, first: tuple[str, int]) -> list[tuple[Fraction, tuple[str, int]]]:
        """What the price of a milestone is made of, each with its rate. `first`: the one of the offer."""
        cover, price = self.held.get(number), self._prices[number]
        rest = price - (cover.price if cover else 0)
        found = [(cover.price, cover.rate)] if cover else []
        return [*found, (rest, self.rates.get(number, first))] if rest else found


def _prices(entries: Entries) -> dict[int, Fraction]:
    """Of each milestone, in sats or in the currency."""
    first = entries[1]["facts"] if 1 in entries else {}
    agreed = [each["facts"]["plan"] for each in entries.values() if each["type"] == "plan.agreed"]
    plans = [each["facts"] for each in entries.values() if each["type"] == "plan.proposed"]
    found = (plan["milestones"] for plan in plans if plan["plan"] in agreed)
    parts: list[dict[str, Any]] = next(found, []) or first.get("milestones", [])
    if not parts:
        return {1: _price(first)}
    return {number: _price(part) for number, part in enumerate(parts, 1)}


def _price(facts: dict[str, Any]) -> Fraction:
    return Fraction(facts["price"]) if "price" in facts else Fraction(facts.get("reward_msat", 0), 1000)


def sats(price: Fraction, rate: str) -> int:
    """So much money at a rate, rounded up to the sat; msat."""
    return math.ceil(price * SATS / Fraction(rate)) * 1000


def budget(first: dict[str, Any], reward: int) -> int:
    """What sending so much may cost, by the limits of the offer; msat."""
    part: int = math.ceil(Fraction(reward * first["budget_ppm"], 1_000_000_000)) * 1000
    return max(int(first["budget_base_msat"]), part)


def is_about(entry: dict[str, Any]) -> bool:
    """It says something of a deposit, and nothing of where the task stands."""
    return "covers" in entry["facts"] or entry["type"].startswith("deposit.")
