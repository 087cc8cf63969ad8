"""Prices in a currency, as the verifier reckons them by itself: the price never changes, and each invoice is the price at the rate that its
entry publishes, rounded up to the sat. Exact fractions, nothing else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from verifier import fees
from verifier.chain import Entry
from verifier.findings import Code
from verifier.rules import AWAITING
from verifier.standing import CLOCK_SLACK, Cover, Part, Say, Standing

OLDEST = 1800  # seconds before an entry that its rate may be
AHEAD = 600  # and after it: clocks differ
SATS = 100_000_000  # of a bitcoin

RATE = ("currency", "price", "rate", "rate_sources", "rate_time")
LIMITS = ("budget_base_msat", "budget_ppm", "min_reward_msat", "max_reward_msat")
AMOUNTS = ("reward_msat", "net_msat", "service_fee_msat", "budget_msat")

_PRICE = re.compile(r"\d{1,15}(\.\d{1,3})?", re.ASCII)
_RATE = re.compile(r"\d{1,16}\.\d\d", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


def offered(s: Standing, entry: Entry) -> None:
    """task.created: the price, what it came to at the rate of that moment, and the limits that later invoices keep to."""
    say, facts = s.sayer(entry), entry.facts
    if not any(name in facts for name in (*RATE, *LIMITS)):
        return
    if problem := _problem(facts, (*RATE, *LIMITS)):
        return say(Code.BAD_FACTS, problem)
    s.currency = facts["currency"]
    _reckoned(s, entry, say)
    if facts["min_reward_msat"] > facts["max_reward_msat"]:
        say(Code.BAD_FACTS, "the smallest reward is above the largest")
    terms = s.book.terms.get(facts["terms"], {})
    outside = [name for name in LIMITS if terms.get(name, facts[name]) != facts[name]]
    if facts["currency"] not in terms.get("currencies", [facts["currency"]]):
        outside.append("currency")
    if outside:
        say(Code.OUTSIDE_TERMS, f"not within the operator's terms: {', '.join(outside)}")


def cut(s: Standing, parts: list[Part], say: Say) -> None:
    """Milestones: their prices are the whole price, and each is estimated at the rate of the offer."""
    prices = [Fraction(part.price) if _PRICE.fullmatch(part.price) else Fraction(0) for part in parts]
    if not all(prices):
        return say(Code.BAD_FACTS, "the price of a milestone is no amount above zero")
    if sum(prices) != Fraction(s.whole_price or sum(prices)):
        say(Code.WRONG_AMOUNT, f"the prices of the milestones are not the whole price, {s.whole_price}")
    for part, price in zip(parts, prices, strict=True):
        if part.reward != sats(price, s.rate):
            say(Code.WRONG_RATE, f"{part.price} are not {part.reward} msat at the rate of the offer")


def quoted(s: Standing, entry: Entry) -> None:
    """invoice.created: from here on the amounts are those of its rate."""
    say, facts = s.sayer(entry), entry.facts
    if not s.currency:
        if any(name in facts for name in (*RATE, *AMOUNTS)):
            say(Code.BAD_FACTS, "a rate, where the price is in sats")
        return
    if problem := _problem(facts, (*RATE, *AMOUNTS)):
        return say(Code.BAD_FACTS, problem)
    if (facts["currency"], facts["price"]) != (s.words["currency"], s.words["price"]):
        say(Code.WRONG_AMOUNT, f"the price is {s.words['price']} {s.words['currency']}")
    _reckoned(s, entry, say)
    s.reward, s.budget = facts["reward_msat"], facts["budget_msat"]
    if s.parts:
        part = s.parts[s.number - 1]
        part.reward, part.budget, part.rate = s.reward, s.budget, s.rate
    s.fee = fees.service_fee({**s.words, "reward_msat": s.reward})
    s.hold = s.due
    if facts["service_fee_msat"] != s.fee.whole or facts["net_msat"] != s.net or s.net <= 0:
        say(Code.WRONG_FEE, f"by its terms the service fee is {s.fee.whole} msat, and {s.net} are left for the worker")
    if s.budget != budget(s.words, s.reward):
        say(Code.WRONG_AMOUNT, "the fee budget is not that of the reward")


def sats(price: Fraction, rate: str) -> int:
    """So much money at a rate, rounded up to the sat; msat."""
    return math.ceil(price * SATS / Fraction(rate)) * 1000


def reward(price: Fraction, rate: str, cover: Cover | None) -> int:
    """What a price comes to: the part that a deposit covers at the rate of that, the rest at this one."""
    if cover is None or not cover.rate:
        return sats(price, rate)
    return sats(cover.price, cover.rate) + sats(price - cover.price, rate)


def strange(facts: Mapping[str, Any]) -> str:
    """What is wrong with the form of a rate, or ''."""
    if not (_RATE.fullmatch(facts["rate"]) and Fraction(facts["rate"]) > 0):
        return "the rate is no number above zero"
    sources = facts["rate_sources"]
    return "" if sources and len(set(sources)) == len(sources) else "a rate has sources, each named once"


def _problem(facts: Mapping[str, Any], wanted: tuple[str, ...]) -> str:
    """What is wrong with the form of a price and its rate, or ''."""
    if missing := [name for name in wanted if name not in facts]:
        return f"{', '.join(missing)} missing beside a price in a currency"
    if not _CURRENCY.fullmatch(facts["currency"]):
        return "the currency is no code of three letters"
    if not (_PRICE.fullmatch(facts["price"]) and Fraction(facts["price"]) > 0):
        return "the price is no amount above zero"
    return strange(facts)


def _reckoned(s: Standing, entry: Entry, say: Say) -> None:
    facts = entry.facts
    s.rate = facts["rate"]
    whole = reward(Fraction(facts["price"]), facts["rate"], s.cover)
    if facts["reward_msat"] != whole:
        say(Code.WRONG_RATE, f"{facts['price']} {facts['currency']} are {whole} msat at this rate, rounded up")
    recent(s, entry, say)
    limits = s.words
    owed = s.phase == AWAITING  # approved work is paid for, whatever it comes to
    if not owed and "min_reward_msat" in limits and not limits["min_reward_msat"] <= whole <= limits["max_reward_msat"]:
        say(Code.OUTSIDE_TERMS, "at this rate the reward is outside of the operator's terms")


def recent(s: Standing, entry: Entry, say: Say) -> None:
    """Its rate was asked for a moment ago."""
    oldest = min(OLDEST, s.book.terms.get(s.words["terms"], {}).get("rate_age", OLDEST))
    if not entry.time - oldest - CLOCK_SLACK <= entry.facts["rate_time"] <= entry.time + AHEAD:
        say(Code.STALE_RATE, f"the rate is {entry.time - entry.facts['rate_time']} s old")


def budget(limits: Mapping[str, Any], amount: int) -> int:
    part = math.ceil(Fraction(amount * limits["budget_ppm"], 1_000_000_000)) * 1000
    return max(int(limits["budget_base_msat"]), part)
