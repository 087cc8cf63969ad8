"""Events and JSON from strangers: what is too large, too deep or not quite an event is refused, quickly."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds.events import (
    MAX_CONTENT,
    MAX_DEPTH,
    MAX_TAG_TEXT,
    MAX_TAGS,
    BadEvent,
    Event,
    Unsigned,
    canonical_json,
    read_json,
)

GOOD: dict[str, Any] = {
    "id": "aa" * 32, "pubkey": "bb" * 32, "created_at": 1_764_000_000, "kind": 1, "tags": [["p", "x"], ["p", "y"], ["e"]],
    "content": "hi \"there\"\n🎉", "sig": "cc" * 64,
}  # fmt: skip


def test_an_event_comes_back_as_it_was() -> None:
    event = Event.parse(GOOD)
    assert event.as_dict() == GOOD
    assert json.loads(event.as_json()) == GOOD
    assert (event.tag("p"), event.tag_values("p"), event.tag("e"), event.tag("none")) == ("x", ["x", "y"], None, None)


def test_the_id_is_that_of_nip01() -> None:
    event = Event.parse(GOOD)
    said = [0, event.pubkey, event.created_at, 1, [list(tag) for tag in event.tags], event.content]
    wanted = hashlib.sha256(json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
    assert event.true_id == wanted != event.id
    assert Unsigned(event.pubkey, event.created_at, event.kind, event.tags, event.content).id == wanted


@pytest.mark.parametrize(
    "change",
    [
        {"id": "AA" * 32},
        {"id": None},
        {"pubkey": "bb" * 31},
        {"created_at": -1},
        {"created_at": 2**53},
        {"created_at": True},
        {"created_at": 1.0},
        {"created_at": "1"},
        {"kind": -1},
        {"kind": 65536},
        {"kind": None},
        {"sig": "cc" * 63},
        {"sig": 5},
        {"content": None},
        {"content": "x" * (MAX_CONTENT + 1)},
        {"content": "ü" * (MAX_CONTENT // 2 + 1)},
        {"content": "\ud800"},
        {"tags": None},
        {"tags": [[]]},
        {"tags": ["p"]},
        {"tags": [["p", 5]]},
        {"tags": [["p", None]]},
        {"tags": [["p", "\udfff"]]},
        {"tags": [["p"]] * (MAX_TAGS + 1)},
        {"tags": [["p", "x" * MAX_TAG_TEXT]]},
    ],
)
def test_what_is_not_quite_an_event_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadEvent):
        Event.parse(GOOD | change)


@pytest.mark.parametrize("raw", [None, [], "x", 5, {}])
def test_what_is_no_event_is_refused(raw: object) -> None:
    with pytest.raises(BadEvent):
        Event.parse(raw)


def test_the_limits_themselves_are_allowed() -> None:
    Event.parse(GOOD | {"content": "x" * MAX_CONTENT, "tags": [["p", "x" * (MAX_TAG_TEXT - 1)]] * MAX_TAGS})
    assert read_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{'a':1}",
        "[1,]",
        "NaN",
        "[Infinity]",
        "[-Infinity]",
        '{"a":1,"a":2}',
        '{"x":{"a":1,"a":1}}',
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "[" * 60_000,
        '{"a":' * 10_000,
        "1" * 5000,
        '"\ud800"',
        " " * (MAX_CONTENT + 1),
        "ü" * (MAX_CONTENT // 2 + 1),
        "x" * 1_000_000,
        '"\n"',
    ],
)
def test_bad_json_is_refused(text: str) -> None:
    with pytest.raises(BadEvent):
        read_json(text)


def test_brackets_inside_strings_are_no_depth() -> None:
    assert read_json('["[[[[[[[[[[", "\\"[[[[[[[[["]') == ["[[[[[[[[[[", '"[[[[[[[[[']


@pytest.mark.parametrize("text", ['"\\' * 30_000, '"' + '\\"' * 30_000, '"' * 60_000, '"\\\n' * 20_000, "\\" * 60_000])
def test_hostile_json_costs_no_time(text: str) -> None:
    start = time.process_time()
    with pytest.raises(BadEvent):
        read_json(text)
    assert time.process_time() - start < 1


nested = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(nested.filter(lambda value: depth(value) <= MAX_DEPTH))
def test_our_json_is_read_back(value: Any) -> None:
    assert read_json(canonical_json(value)) == value


@given(st.text(max_size=100))
def test_any_text_is_json_or_refused(text: str) -> None:
    with contextlib.suppress(BadEvent):
        read_json(text)


def test_canonical_json_has_one_form() -> None:
    assert canonical_json({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'


@pytest.mark.parametrize(
    ("zeros", "nonce", "work"),
    [
        ("0000", None, 16),
        ("0000", ("nonce", "7"), 16),
        ("0000", ("nonce", "7", "12"), 12),
        ("0000", ("nonce", "7", "20"), 16),
        ("0000", ("nonce", "7", "-1"), 0),
        ("0000", ("nonce", "7", "many"), 0),
        ("0000", ("nonce", "7", "9" * 4000), 0),
        ("001", ("nonce", "7", "11"), 11),
        ("f", ("nonce", "7", "11"), 0),
        ("0" * 64, None, 256),
    ],
)
def test_work_is_what_was_committed_to(zeros: str, nonce: tuple[str, ...] | None, work: int) -> None:
    raw = {
        "id": zeros.ljust(64, "f"), "pubkey": "a" * 64, "created_at": 1, "kind": 1, "tags": [list(nonce)] if nonce else [],
        "content": "", "sig": "0" * 128,
    }  # fmt: skip
    assert Event.parse(raw).work == work
