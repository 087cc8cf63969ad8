"""Work that is paid by the hour, as the verifier reckons it by itself: what was agreed, what was delivered, and what that comes to."""

from __future__ import annotations

import re
from fractions import Fraction

from verifier.chain import Entry
from verifier.findings import Code
from verifier.standing import Standing

HOURLY = "HOURLY_RATE"
MOST_CAP = 10_000
AGREED = ("hourly_rate", "hours_cap")

_RATE = re.compile(r"\d{1,16}(\.\d{1,3})?", re.ASCII)
_HOURS = re.compile(r"\d{1,5}(\.\d{1,2})?", re.ASCII)


def offered(s: Standing, entry: Entry) -> None:
    """task.created."""
    s.hour_rate = _named(s, entry)


def proposed(s: Standing, entry: Entry) -> None:
    """plan.proposed: by the hour, in milestones, or as a whole, which is not cut."""
    s.drafted_rate = _named(s, entry)
    if not entry.facts["milestones"] and (s.parts or not s.drafted_rate):
        s.sayer(entry)(Code.BAD_FACTS, "without milestones stands only a whole that is paid by the hour from then on")


def _named(s: Standing, entry: Entry) -> Fraction:
    """Rate and cap stand there when it is paid by the hour, and the whole is what they come to. 0 where it says nothing of hours."""
    say, facts = s.sayer(entry), entry.facts
    named = [name for name in AGREED if name in facts]
    hourly = facts.get("payment_type") == HOURLY
    if len(named) != (len(AGREED) if hourly else 0):
        say(Code.BAD_FACTS, f"{HOURLY} goes with hourly_rate and hours_cap, and nothing else does")
        return Fraction(0)
    if not hourly:
        return Fraction(0)
    rate, cap = facts["hourly_rate"], facts["hours_cap"]
    if not (_RATE.fullmatch(rate) and Fraction(rate) > 0 and 0 < cap <= MOST_CAP):
        say(Code.BAD_FACTS, "the rate or the cap of its hours is none")
        return Fraction(0)
    prices = [part.price for part in s.parts] if s.parts else [str(s.words.get("price", ""))]
    whole = sum(map(Fraction, filter(_RATE.fullmatch, prices))) if s.currency else Fraction(s.total, 1000)
    if whole != Fraction(rate) * cap:
        say(Code.WRONG_AMOUNT, f"{cap} hours at {rate} are not {whole}")
    return Fraction(rate)


def delivered(s: Standing, entry: Entry) -> None:
    """proof.submitted: how many hours, and not more than the milestone has room for. What was a percentage of others no longer stands."""
    say, hours = s.sayer(entry), entry.facts.get("hours")
    if (hours is not None) != bool(s.hour_rate):
        return say(Code.BAD_FACTS, "hours are delivered where the work is paid by the hour, and only there")
    if hours is None:
        return
    if hours <= 0 or s.hour_rate * Fraction(hours, 100) > s.price:
        say(Code.AGAINST_TERMS, f"{hours} hundredths of an hour are none, or more than there is room for")
    s.hours, s.offers = hours, {}
    if s.share_of(100) <= 0:
        say(Code.WRONG_SHARE, "these hours come to nothing")


def read(said: object) -> int:
    """Hours as somebody signed them, in hundredths; -1 for what is no number of hours."""
    text = str(said) if type(said) is int else said
    return int(Fraction(text) * 100) if isinstance(text, str) and _HOURS.fullmatch(text) else -1
