"""Fills a sentence with facts, so that a table of sentences is enough for a language. Never fails: a message must go out.

`{name}` is a fact, `{name:how}` a fact written as an amount, a time, a list, ... (see `_say`).
`[text]` is left out when one of its facts is missing or empty; `[name? text]` also stands only when the fact is true,
`[!name? text]` when it is not, `[name=word? text]` and `[name!=word? text]` when it is or is not that word. Brackets do not nest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from kinds.figures import left_text, moment_text, npub, span_text
from kinds.hours import hours_text
from kinds.legible import one_line
from kinds.rate import amount_text, both_text, price_text, read_amount_of
from kinds.wording.words import AHEAD, WORDS, WORK_BADGES

_PART = re.compile(r"\[(?:(!)?(\w+)(?:(!?=)(\w+))?\?)?([^\[\]]*)\]")
_FACT = re.compile(r"\{(\w+)(?::(\w+))?\}")
_GAP = re.compile(r" +(?=[.,:;])")
_MISSING = "?"
_NOTHING: tuple[Any, ...] = (None, "", [], ())
_AS_IT_IS = 4096
_FEW = 12  # of a long list


def fill(template: str, facts: Mapping[str, Any], now: int) -> str:
    """The sentence; `now` counts down to the times in it."""
    said = _tidy(_PART.sub(lambda part: _part(part, facts), template))
    return _FACT.sub(lambda fact: _fact(fact, facts, now), said)


@lru_cache(maxsize=1024)
def _tidy(said: str) -> str:
    """What stands of a template, without the gaps where parts were left out."""
    return "\n".join(_GAP.sub("", " ".join(line.split())) for line in said.strip().split("\n"))


def line(template: str, facts: Mapping[str, Any], now: int) -> str:
    """The same for a line of a card: "" when a fact outside of brackets is missing."""
    needed = _facts_in(_PART.sub("", template))
    return "" if any(facts.get(name) in _NOTHING for name in needed) else fill(template, facts, now)


def _part(part: re.Match[str], facts: Mapping[str, Any]) -> str:
    negated, name, compared, word, text = part.groups()
    if name is not None:
        value = facts.get(name)
        stands = bool(value) if compared is None else (str(value) == word) == (compared == "=")
        if stands == bool(negated):
            return ""
    return "" if any(facts.get(fact) in _NOTHING for fact in _facts_in(text)) else str(text)


@lru_cache(maxsize=1024)
def _facts_in(text: str) -> tuple[str, ...]:
    return tuple(name for name, _ in _FACT.findall(text))


def _fact(fact: re.Match[str], facts: Mapping[str, Any], now: int) -> str:
    value = facts.get(fact[1])
    if value is None:
        return _MISSING
    try:
        text = _money(value, fact[2], facts) or _say(value, fact[2] or "", now)
    except (ValueError, TypeError, ArithmeticError, LookupError):
        text = one_line(str(value))
    return text.rstrip(".") if fact.string[fact.end() :].startswith(".") else text


def _money(value: Any, how: str | None, facts: Mapping[str, Any]) -> str:
    """What takes the task's currency to be told; "" for anything else."""
    match how:
        case "sats":
            return both_text(value, facts)
        case "price":
            return amount_text(read_amount_of(value, facts["currency"]), facts["currency"])
        case "rate":
            return price_text(Decimal(str(value)), facts["currency"])
    return ""


def _say(value: Any, how: str, now: int) -> str:
    match how:
        case "when":
            return f"{moment_text(value)} ({left_text(value, now)})"
        case "date":
            return moment_text(value)
        case "span":
            return span_text(value)
        case "hours":
            return hours_text(value)
        case "who":
            key = npub(value)
            return f"{key[:10]}…{key[-4:]}"
        case "npub":
            return npub(value)
        case "or":
            return " or ".join(one_line(str(each)) for each in value)
        case "list":
            return ", ".join(one_line(str(each)) for each in value)
        case "word":
            return WORDS.get(str(value)) or one_line(str(value).replace("_", " "))
        case "ahead":
            return AHEAD.get(str(value)) or one_line(str(value).replace("_", " "))
        case "percent":
            return f"{value / 10_000:g} %"
        case "few":
            said = [one_line(str(each)) for each in value]
            return ", ".join(said[:_FEW]) + (f" and {len(said) - _FEW} more" if len(said) > _FEW else "")
        case "lines":  # our own text, or nothing
            return "\n".join(one_line(line, _AS_IT_IS) for line in str(value).split("\n"))
        case "problem":
            return one_line(str(value).removeprefix("Value error, "))
        case "says":  # what somebody wrote at length
            return one_line(str(value), _AS_IT_IS)
        case "exact":  # what is copied by hand or machine: a link, an invoice, a hash
            return one_line(str(value), _AS_IT_IS)
        case "short":  # the beginning of a hash, enough to mean it
            return one_line(str(value))[:12]
        case "badge":
            return WORK_BADGES.get(str(value), "")
        case "cap":
            text = one_line(str(value))
            return text[:1].upper() + text[1:]
        case _:
            return one_line(str(value))
