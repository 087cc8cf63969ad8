"""What an examination finds, for `holdfast doctor`: a fact, how grave it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    GOOD = "good"
    NOTE = "note"  # works, and could be better
    RISK = "risk"  # money would be at risk, or nobody could reach the daemon


@dataclass(frozen=True, slots=True)
class Finding:
    """`area`: a word for the group; `what`: the fact, without any secret; `advice`: what to do, empty when all is well."""

    area: str
    grade: Grade
    what: str
    advice: str = ""


def good(area: str, what: str) -> Finding:
    return Finding(area, Grade.GOOD, what)


def note(area: str, what: str, advice: str) -> Finding:
    return Finding(area, Grade.NOTE, what, advice)


def risk(area: str, what: str, advice: str) -> Finding:
    return Finding(area, Grade.RISK, what, advice)
