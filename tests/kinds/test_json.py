"""The JSON that ids are made of: letter for letter what Python's own `json` writes, and so what every other client hashes."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kinds.events import Unsigned, plain_json
from kinds.units import Pubkey

EVERY_LETTER = "".join(chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000)
values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner) | some.tuples(inner, inner),
)


def as_python_writes_it(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def test_every_letter_is_written_alike() -> None:
    assert plain_json(EVERY_LETTER) == as_python_writes_it(EVERY_LETTER)


@given(values)
def test_every_value_is_written_alike(value: object) -> None:
    assert plain_json(value) == as_python_writes_it(value)


@given(some.text(), some.lists(some.lists(some.text(), min_size=1)))
def test_an_id_is_the_hash_of_it(content: str, tags: list[list[str]]) -> None:
    event = Unsigned(Pubkey("a" * 64), 1_700_000_000, 1, tuple(map(tuple, tags)), content)
    said = as_python_writes_it([0, event.pubkey, event.created_at, event.kind, tags, content])
    assert event.id == hashlib.sha256(said.encode()).hexdigest()


def test_what_no_utf8_can_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        plain_json(["\ud800"])
