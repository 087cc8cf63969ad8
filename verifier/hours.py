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
    """task.created: rate and cap stand there when it is paid by the hour, and the whole is what they come to."""
    say, facts = s.sayer(entry), entry.facts
    named = [name for name in AGREED if name in facts]
    hourly = facts.get("payment_type") == HOURLY
    if len(named) != (len(AGREED) if hourly else 0):
        return say(Code.BAD_FACTS, f"{HOURLY} goes with hourly_rate and hours_cap, and nothing else does")
    if not hourly:
        return
    rate, cap = facts["hourly_rate"], facts["hours_cap"]
    if not (_RATE.fullmatch(rate) and Fraction(rate) > 0 and 0 < cap <= MOST_CAP):
        return say(Code.BAD_FACTS, "the rate or the cap of its hours is none")
    s.hour_rate = Fraction(rate)
    prices = [part.price for part in s.parts] if s.parts else [str(facts.get("price", ""))]
    whole = sum(map(Fraction, filter(_RATE.fullmatch, prices))) if s.currency else Fraction(s.total, 1000)
    if whole != s.hour_rate * cap:
        say(Code.WRONG_AMOUNT, f"{cap} hours at {rate} are not {whole}")


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
