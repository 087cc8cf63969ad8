"""Other people's words made safe to stand inside ours: one line, nothing invisible, nothing that reorders what is around it.

A title or a reason is written by a stranger and read by somebody with money at stake; it must not be able to fake a line of a card.
"""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"  # needed inside Persian and Indic words and by emoji
_RIGHT_TO_LEFT = ("R", "AL", "AN")
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"


def one_line(text: str, most: int = 300) -> str:
    """The text on one line of at most `most` characters; right-to-left text is kept apart from its surroundings."""
    kept = text[: 8 * most]
    plain = kept.isascii() and kept.isprintable()  # as hashes, invoices and most words are: no letter need be looked at
    if not plain:
        kept = "".join(map(_kept, kept))
    line = " ".join(kept.split())
    if len(line) > most:
        line = line[: most - 1].rstrip() + "…"
    if not plain and any(unicodedata.bidirectional(letter) in _RIGHT_TO_LEFT for letter in line):
        return f"{_ISOLATE}{line}{_END_ISOLATE}"
    return line


def valid(text: str) -> str:
    """The text without lone surrogates, which no UTF-8 can carry."""
    return text.encode(errors="replace").decode()


def _kept(letter: str) -> str:
    """Controls and separators become a space; formats and surrogates go."""
    kind = unicodedata.category(letter)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    return "" if kind in ("Cf", "Cs") and letter not in _JOINERS else letter
