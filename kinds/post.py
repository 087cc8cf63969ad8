"""The `post` command to the offer that it means: spans and dates to moments, words to the types of the terms."""

from __future__ import annotations

from kinds import task
from kinds.codes import BadWord, Refused
from kinds.commands import Post
from kinds.commands.base import Cap
from kinds.figures import read_amount, read_moment, read_span
from kinds.rate import read_fraction
from kinds.task import Offer, Seconds, TermsWords, Times

_SPANS = {name for name, field in TermsWords.model_fields.items() if field.annotation == (Seconds | None)}
_WHOLE = _SPANS | {
    name
    for name, field in TermsWords.model_fields.items()
    if field.annotation is int or field.annotation in (Times | None, Cap | None)
}


def offer_of(post: Post, now: int) -> Offer:
    """The same as an offer by event. A deadline may be a span from now. Raises BadWord."""
    terms = dict(post.terms)
    said = terms.pop("deadline", None)
    if said is None:
        raise BadWord(
            Refused.BAD_DEADLINE, problem="it is missing: add deadline=3d (or 12h, 2w, a date like 2026-12-31)"
        )
    deadline = read_moment(said, now)
    if deadline is None:
        raise BadWord(Refused.BAD_DEADLINE, problem="write it like deadline=3d, 12h, 2w or a date like 2026-12-31")
    words = {name: _value(name, word) for name, word in terms.items()}
    return task.offer(post.title, "" if post.amount is None else post.amount, deadline, words, post.currency)


def _value(name: str, word: str) -> str | int:
    if name == "rate":  # as people write amounts
        return read_amount(word) or read_fraction(word) or word
    if name not in _WHOLE:
        return word
    if word.isascii() and word.isdigit() and len(word) <= 16:
        return int(word)
    span = read_span(word) if name in _SPANS else None
    return word if span is None else span
