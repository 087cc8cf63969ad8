"""Ids that can be spoken and typed, secrets that do not print, commitments."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from kinds.units import EventId, Secret, commitment, is_hex64, read_task_id, sats, task_id

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ids = st.binary(min_size=32, max_size=32).map(lambda raw: task_id(EventId(raw.hex())))


@given(ids)
def test_an_id_reads_as_itself(task: str) -> None:
    assert len(task) == 13
    assert set(task) <= set(ALPHABET)
    assert read_task_id(task) == task
    assert read_task_id(task.upper()) == task
    assert read_task_id(f"{task[:4]}-{task[4:8]}-{task[8:]}") == task


@given(ids, st.integers(0, 12), st.sampled_from(ALPHABET))
def test_every_wrong_letter_is_noticed(task: str, at: int, letter: str) -> None:
    wrong = task[:at] + letter + task[at + 1 :]
    assert read_task_id(wrong) == (task if wrong == task else None)


@given(ids, st.integers(0, 11))
def test_every_swap_of_neighbours_is_noticed(task: str, at: int) -> None:
    swapped = task[:at] + task[at + 1] + task[at] + task[at + 2 :]
    assert read_task_id(swapped) == (task if swapped == task else None)


def test_letters_that_look_alike_are_the_same() -> None:
    assert read_task_id("oOiIlL") == "001111"


@pytest.mark.parametrize("text", ["", "-", "u", "ü", "1" * 14, "a b", "7qk\n", "٣", "🙂", "\ud800", "../etc", "a\x00"])
def test_what_is_no_id_is_none(text: str) -> None:
    assert read_task_id(text) is None


@given(st.text(max_size=20))
def test_any_text_is_an_id_or_none(text: str) -> None:
    found = read_task_id(text)
    assert found is None or set(found) <= set(ALPHABET)


@pytest.mark.parametrize("value", ["AB" * 32, "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 32 + "\n", None, 5, b"ab" * 32])
def test_what_is_not_hex64(value: object) -> None:
    assert not is_hex64(value)


def test_a_secret_does_not_print() -> None:
    secret = Secret("nsec1xyz")
    for shown in (str(secret), repr(secret), f"{secret}", f"{secret!r}", f"{secret:>9}", "%s" % secret, str([secret])):  # noqa: UP031
        assert "nsec" not in shown
    assert secret.reveal() == "nsec1xyz"
    assert secret == "nsec1xyz"


def test_a_stored_secret_comes_back_as_one() -> None:
    class Box(BaseModel):
        key: Secret

    stored = Box(key=Secret("x")).model_dump_json()
    assert json.loads(stored) == {"key": "x"}
    assert isinstance(Box.model_validate_json(stored).key, Secret)


def test_commitments_depend_on_salt_and_value() -> None:
    assert commitment("00" * 32, "a") == "41a0370c3d9f42773a59e8e01651911cf43b1e3f66944cbb690029debc4eb647"
    assert len({commitment("00" * 32, "a"), commitment("11" * 32, "a"), commitment("00" * 32, "b")}) == 3


def test_sats_are_a_thousand_msat() -> None:
    assert sats(21) == 21_000
