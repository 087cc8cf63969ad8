"""A model's complaint as a code with plain words: the same for text, JSON and events, and never in pydantic's own language."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from kinds.codes import BadWord, Refused

_CODES = {
    "amount": Refused.BAD_AMOUNT,
    "hours": Refused.BAD_HOURS,
    "url": Refused.BAD_URL,
    "sha256": Refused.BAD_HASH,
    "dest_hash": Refused.BAD_HASH,
    "salt": Refused.BAD_HASH,
}

_WORDS = {
    "missing": "it is missing",
    "string_type": "it must be text",
    "string_unicode": "it is not valid text",
    "string_too_short": "it is empty",
    "string_too_long": "it has more than {max_length} characters",
    "string_pattern_mismatch": "it has a form that is not known here",
    "int_type": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "greater_than_equal": "it must be at least {ge}",
    "less_than_equal": "it must be at most {le}",
    "literal_error": "it must be {expected}",
    "dict_type": "it must be a JSON object",
    "extra_forbidden": "there is no such field",
    "value_error": "{error}",
}


def bad_word(error: ValidationError) -> BadWord:
    """The first complaint as a refusal."""
    first = error.errors()[0]
    name = " ".join(str(part) for part in first["loc"] if part != "[key]")[:60]
    context: dict[str, Any] = first.get("ctx") or {}
    problem = _WORDS.get(first["type"], "it cannot be understood").format(**context)
    return BadWord(_CODES.get(name, Refused.BAD_FIELD), field=name, problem=problem)
