"""A line of text cut into words as people write them: in quotes of any keyboard, or as key=value.

In straight quotes a backslash keeps a quote or a backslash, so that every text can be written; nowhere else does it mean anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_KEY = re.compile(r"([A-Za-z_]+)=(?=\S)")
_STRAIGHT = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|\Z)', re.DOTALL)
_CURLY = re.compile(r"[“”„«]([^“”„«»\"]*)[“”»\"](?=\s|\Z)")
_PLAIN = re.compile(r"\S+")
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Word:
    text: str  # without key and quotes
    key: str  # in lower case; "" when it is not key=value
    quoted: bool
    end: int


def word_at(text: str, at: int, is_key: Callable[[str], bool]) -> Word | None:
    """The word that starts at or behind `at`; None at the end. `is_key` tells which names before a '=' are keys."""
    at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it matches anything
    key = _KEY.match(text, at)
    name = key[1].lower() if key else ""
    if key and is_key(name):
        at = key.end()
    else:
        name = ""
    if found := _STRAIGHT.match(text, at):
        return Word(re.sub(r'\\(["\\])', r"\1", found[1]), name, True, found.end())
    if found := _CURLY.match(text, at):
        return Word(found[1], name, True, found.end())
    if found := _PLAIN.match(text, at):
        return Word(found[0], name, False, found.end())
    return None


def quote(text: str) -> str:
    """The text as one word, whatever it holds."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def as_word(text: str) -> str:
    """The text as one word, in quotes only when it needs them."""
    word = word_at(text, 0, lambda _: True)
    plain = word and not word.quoted and not word.key and word.text == text
    return text if plain else quote(text)
