"""Chance against the verifier: nothing that was altered passes, and nothing that is signed makes it fall over."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier import test_witness_deposit as deposits
from tests.verifier import test_witness_deposit_books as books
from tests.verifier.forge import BOT, Life, paid_life
from tests.verifier.test_witness_approval import SOUND
from verifier import check, read_jsonl

LIFE = paid_life()
DEPOSITS = (
    "in rupees",
    "nobody pays the rest of a milestone",
    "both go back, and one was settled",
    "a cover is renewed",
)
BOOKS = ("taken back", "a mix goes back", "the rest is lost", "nobody pays the rest of a milestone")
LIVES = [
    LIFE,
    *(books.SOUND[name]() for name in BOOKS),
    *(deposits.SOUND[name]() for name in DEPOSITS),
    *(SOUND[name]() for name in ("a price in a currency", "a plan", "never paid", "nothing in a dispute")),
]
TEXT = "\n".join(json.dumps(event, separators=(",", ":")) for event in LIFE.events()).encode()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)


def read(tmp: Path, data: bytes) -> list[object]:
    path = tmp / "events.jsonl"
    path.write_bytes(data)
    return read_jsonl(path)


def test_the_text_is_sound(tmp_path: Path) -> None:
    assert check(read(tmp_path, TEXT), BOT.pub).ok


@given(place=st.integers(0, len(TEXT) - 1), bit=st.integers(0, 7))
@settings(max_examples=300, deadline=None)
def test_no_flipped_bit_passes(place: int, bit: int) -> None:
    data = bytearray(TEXT)
    data[place] ^= 1 << bit
    found: list[object] = []
    for line in bytes(data).decode(errors="replace").split("\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            found.append(line)
    assert not check(found, BOT.pub).ok


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_nothing_that_the_daemon_signs_makes_it_fall_over(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(LIVES))
    life: Life = copy.copy(whole)
    life.lines = copy.deepcopy(whole.lines)
    line = data.draw(st.sampled_from(life.lines))
    name = data.draw(st.sampled_from(sorted(line.facts)))
    if data.draw(st.booleans()):
        line.facts[name] = data.draw(JSON)
    else:
        line.change[data.draw(st.sampled_from(["v", "time", "deaf", "by", "proven", "event", "facts", "type"]))] = (
            data.draw(JSON)
        )
    try:
        events = life.events()
    except (ValueError, TypeError, UnicodeEncodeError, KeyError):
        return  # not even an event
    check(events, BOT.pub).to_text()


@given(st.lists(JSON, max_size=3), JSON, st.dictionaries(st.text(max_size=9), JSON, max_size=4))
@settings(deadline=None)
def test_no_input_makes_it_fall_over(events: list[object], terms: object, house: dict[str, object]) -> None:
    life = copy.copy(LIFE)
    try:
        life.terms = BOT.sign(78, [["t", "holdfast-terms"]], json.dumps(terms), 1)
        life.house = [("clock.paused", 5, house), ("clock.resumed", 9, house)]
        made = life.events()
    except UnicodeEncodeError:
        return
    check([*events, *made], BOT.pub).to_json()


def test_deep_nesting_is_no_trouble() -> None:
    life = copy.copy(LIFE)
    deep = BOT.sign(78, [["t", "holdfast-log"], ["d", "x"], ["seq", "1"]], "[" * 100_000, 1)
    life.extra = [deep]
    assert not life.check().ok
