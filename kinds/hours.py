"""Hours of work as people write and read them. Inside, they are a whole number of hundredths of an hour: no binary fraction ever."""

from __future__ import annotations

import re

HUNDREDTHS = 100  # of an hour
MOST_HOURS = 10_000  # that a task may have

_HOURS = re.compile(r"(\d{1,5})(?:\.(\d{1,2}))?", re.ASCII)


def read_hours(text: str) -> int | None:
    """12 or 12.5 or 12.25 in hundredths; None for what is no such number above zero."""
    found = _HOURS.fullmatch(text)
    hours = int(found[1]) * HUNDREDTHS + int((found[2] or "").ljust(2, "0")) if found else 0
    return hours or None


def hours_text(hours: int) -> str:
    """12; 12.5; 12.25."""
    whole, rest = divmod(hours, HUNDREDTHS)
    return f"{whole:,}.{rest:02}".rstrip("0") if rest else f"{whole:,}"
