"""The parts into which a project is cut, as people write them, and the hash by which both sides mean the same plan.

In text each part is `TITLE AMOUNT DATE`, with a description behind a colon if one is wanted; parts are told apart by `;` or a new line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from kinds.events import canonical_json
from kinds.figures import read_amount
from kinds.rate import is_fraction, read_fraction
from kinds.words import quote, word_at

MOST = 100  # milestones of one project
MOST_WORDS = (
    4000  # bytes of all their titles and descriptions: whoever is to agree gets every one of them in one letter
)
_MAX_SAT = 21_000_000 * 100_000_000
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[;\n]|[^";\n]+|"', re.DOTALL)
_PART = re.compile(
    r'(?P<title>"(?:[^"\\]|\\.)*"|[“„«][^”»]*[”»]|\S.*?)\s+(?P<amount>\S+)\s+(?P<due>\S+?)(?:\s*:\s+(?P<about>.*))?',
    re.DOTALL,
)
_FORM = (
    'write each part as TITLE AMOUNT DATE, and ; between them: "UI design" 5000 2026-12-15; "Backend" 8000 2026-12-30'
)


def _amount(value: Any) -> int | str:
    """In the project's own unit: whole sats, or in a currency also decimals as text."""
    if (type(value) is int and 0 < value <= _MAX_SAT) or (type(value) is str and is_fraction(value)):
        return value
    raise ValueError('it is a whole number above zero, or in a currency with decimals also text like "12.50"')


class MilestoneWords(BaseModel):
    """One part: what is to be done, for how much, until when (a date, a span from now, or unix seconds)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)

    title: Annotated[str, Field(min_length=1, max_length=120)]
    description: Annotated[str, Field(max_length=1000)] = ""
    amount: Annotated[int | str, PlainValidator(_amount)]
    due: Annotated[
        str, BeforeValidator(lambda value: str(value) if type(value) is int else value), Field(max_length=40)
    ]


def read_parts(value: Any) -> Any:
    """The parts out of a line of text; anything else as it is, for the model to judge. Raises ValueError."""
    if not isinstance(value, str):
        return value
    lines = [""]
    for piece in _PIECE.findall(value):
        if piece in (";", "\n"):
            lines.append("")
        else:
            lines[-1] += piece
    return [_part(line) for line in lines if line.strip()]


def write_parts(parts: Iterable[Mapping[str, Any]]) -> str:
    """What `read_parts` reads back."""
    return "; ".join(
        f"{quote(part['title'])} {part['amount']} {part['due']}"
        + (f": {quote(part['description'])}" if part.get("description") else "")
        for part in parts
    )


def _part(line: str) -> dict[str, Any]:
    found = _PART.fullmatch(line.strip())
    amount = (read_amount(found["amount"]) or read_fraction(found["amount"])) if found else None
    if found is None or not amount:
        raise ValueError(_FORM)
    return {
        "title": _unquoted(found["title"]),
        "description": _unquoted((found["about"] or "").strip()),
        "amount": amount,
        "due": found["due"],
    }


def _unquoted(text: str) -> str:
    word = word_at(text, 0, lambda _: False)
    return word.text if word and word.quoted and word.end == len(text) else text


Parts = Annotated[tuple[MilestoneWords, ...], BeforeValidator(read_parts), Field(strict=False, max_length=MOST)]


def plan_hash(facts: Mapping[str, Any]) -> str:
    """What both sides agree to by this hash: the public facts of the proposal that shape the agreement."""
    named = ("nonce", "payment_type", "review_window", "on_reject", "max_rejects")
    parts = [
        {name: part[name] for name in ("title", "price" if "price" in part else "reward_msat", "due", "details")}
        for part in facts["milestones"]
    ]
    said = {name: facts[name] for name in named} | {"milestones": parts}
    said |= {name: facts[name] for name in ("funding", "hourly_rate", "hours_cap") if name in facts}
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()
