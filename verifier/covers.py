"""How much of which milestone a deposit covers, and what that comes to: in the unit of the price, and in sats."""

from __future__ import annotations

import re
from fractions import Fraction

from verifier import fees, rates
from verifier.findings import Code
from verifier.rules import AWAITING
from verifier.standing import Say, Standing

MSAT = 1000  # of a sat
_PRICE = re.compile(r"\d{1,16}(\.\d{1,3})?", re.ASCII)


def count(s: Standing) -> int:
    return len(s.parts) or 1


def price_of(s: Standing, number: int) -> Fraction:
    """Of a milestone, or of the whole of a task without any; in sats or in the currency."""
    if not s.parts:
        return read(str(s.words.get("price", ""))) if s.currency else Fraction(s.reward, MSAT)
    part = s.parts[number - 1]
    return read(part.price) if s.currency else Fraction(part.reward, MSAT)


def room(s: Standing, number: int) -> Fraction:
    """How much of its price a new deposit may cover: all of it, or nothing where something is held or asked for, or it is too late."""
    if number < s.number or (number in s.covers and not s.covers[number].dropped):
        return Fraction(0)
    if number == s.number:
        pending = s.work not in ("APPROVED", "RELEASED") and s.state not in ("Verified", "Disputed")
        free = s.on_approval and pending and not s.complete
        return price_of(s, number) if free else Fraction(0)
    return price_of(s, number)


def shared(s: Standing, percent: int) -> dict[int, Fraction]:
    """So many percent of the whole, rounded down to the unit, from the last milestone backwards; the newest state of the task decides what
    is left to be covered."""
    whole = sum(price_of(s, number) for number in range(1, count(s) + 1))
    units = 10 ** decimals(s)
    left = Fraction(int(whole * percent * units / 100), units)
    found: dict[int, Fraction] = {}
    for number in range(count(s), 0, -1):
        if part := min(left, room(s, number)):
            found[number] = part
            left -= part
    return dict(sorted(found.items()))


def decimals(s: Standing) -> int:
    """Of the smallest unit of the price."""
    text = s.parts[0].price if s.parts else str(s.words.get("price", ""))
    return len(text.partition(".")[2]) if s.currency and _PRICE.fullmatch(text) else 0


def read(text: str) -> Fraction:
    return Fraction(text) if _PRICE.fullmatch(text) else Fraction(0)


def told(s: Standing, text: str, say: Say) -> Fraction:
    """A published price, in the unit of the task's."""
    price = read(text)
    if not price or len(text.partition(".")[2]) != decimals(s):
        say(Code.BAD_FACTS, f"{text[:40]} is no amount above zero in the unit of the price")
    return price


def amount(s: Standing, number: int, price: Fraction, rate: str) -> int:
    """All that its milestone costs, or that part of the reward alone; msat."""
    if s.currency and not rate:
        return -1
    reward = rates.sats(price, rate) if s.currency else int(price * MSAT)
    if price != price_of(s, number):
        return reward
    fee = fees.service_fee({**s.words, "reward_msat": reward})
    spare = s.parts[number - 1].budget if s.parts else s.budget
    return reward - fee.of_worker + fee.whole + (rates.budget(s.words, reward) if s.currency else spare)


def reckon(s: Standing, number: int) -> None:
    """What a milestone costs: the part that is covered at the rate of its cover, and the rest at its own. In sats that is the price."""
    cover = s.covers.get(number)
    cover = cover if cover and cover.held else None
    if s.currency:
        part = s.parts[number - 1] if s.parts else None
        rate = part.rate if part else s.rate
        if cover and cover.whole and cover.rate:
            rate = cover.rate
        reward = rates.reward(price_of(s, number), rate, cover)
        budget = rates.budget(s.words, reward)
        if part:
            part.reward, part.budget, part.rate = reward, budget, rate
        if number == s.number:
            s.reward, s.budget, s.rate = reward, budget, rate
            s.fee = fees.service_fee({**s.words, "reward_msat": reward})
            s.hold = s.due if s.phase == AWAITING else s.net + s.fee.whole + s.budget
