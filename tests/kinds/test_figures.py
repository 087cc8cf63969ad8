"""Amounts, spans and moments, and the offers that `post` makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds.codes import BadWord, Refused
from kinds.commands import Post
from kinds.figures import left_text, moment_text, npub, read_amount, read_moment, read_span, sats_text, span_text
from kinds.grammar import read_command_text
from kinds.post import offer_of

NOW = 1_764_000_000  # 2025-11-24 16:00 UTC
DAY = 86400


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("50000", 50_000), ("50_000", 50_000), ("50,000", 50_000), ("50k", 50_000), ("50K", 50_000), ("1,000,000", 1_000_000),
        ("50000sats", 50_000), ("0", 0), ("-1", None), ("+1", None), ("1.5", None), ("50.000", None), ("5,00", None),
        ("1,0000", None), ("", None), ("k", None), ("１", None), ("1e3", None), ("9" * 17, None), (" 5", None), ("5\n", None),
    ],
)  # fmt: skip
def test_amounts(text: str, amount: int | None) -> None:
    assert read_amount(text) == amount


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400), ("24h", DAY), ("3d", 3 * DAY), ("2w", 14 * DAY), ("3days", 3 * DAY), ("1Hour", 3600), ("30mins", 1800),
        ("3", None), ("d", None), ("-3d", None), ("1.5h", None), ("3mo", None), ("3y", None), ("9999999d", None),
    ],
)  # fmt: skip
def test_spans(text: str, seconds: int | None) -> None:
    assert read_span(text) == seconds


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("3d", NOW + 3 * DAY),
        ("1800000000", 1_800_000_000),
        ("2025-12-31", 1_767_225_599),
        ("2025-12-31T12:00", 1_767_182_400),
        ("2025-12-31T12:00:00+02:00", 1_767_175_200),
        ("3", None),
        ("20251231", None),
        ("2025-02-30", None),
        ("tomorrow", None),
        ("9" * 50, None),
        ("0001-01-01", None),
        ("9999-12-31", 253_402_300_799),
    ],
)
def test_moments(text: str, moment: int | None) -> None:
    assert read_moment(text, NOW) == moment


@given(st.text(max_size=30))
def test_no_text_breaks_the_readers(text: str) -> None:
    read_amount(text), read_span(text), read_moment(text, NOW)


@pytest.mark.parametrize(
    ("msat", "text"),
    [
        (50_000_000, "50,000 sats"),
        (50_000_123, "50,000.123 sats"),
        (1000, "1 sat"),
        (0, "0 sats"),
        (1, "0.001 sats"),
        (-1500, "-1.500 sats"),
    ],
)
def test_sats(msat: int, text: str) -> None:
    assert sats_text(msat) == text


@given(st.integers(0, 10**15))
def test_a_written_amount_is_read_back(sat: int) -> None:
    assert read_amount(sats_text(sat * 1000).removesuffix(" sats").removesuffix(" sat")) == sat


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2 * DAY + 3 * 3600 + 59, "2 d 3 h"),
        (DAY, "1 d"),
        (3700, "1 h 1 min"),
        (3600, "1 h"),
        (120, "2 min"),
        (5, "5 s"),
        (-9, "0 s"),
    ],
)
def test_span_text(seconds: int, text: str) -> None:
    assert span_text(seconds) == text


def test_times() -> None:
    assert moment_text(NOW) == "2025-11-24 16:00 UTC"
    assert moment_text(10**18) == "9999-12-31 23:59 UTC"
    assert left_text(NOW + 7200, NOW) == "2 h left"
    assert left_text(NOW - 60, NOW) == "over since 1 min"


def test_npub_is_that_of_nip19() -> None:
    key = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
    assert npub(key) == "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"


# --- post ---


def offer(text: str) -> Any:
    command = read_command_text(text)
    assert isinstance(command, Post)
    return offer_of(command, NOW)


def test_a_post_becomes_an_offer() -> None:
    made = offer(
        'post 50k sats "A page" deadline=3d review_window=24h hold_timeout=7200 on_reject=revise max_rejects=2'
    )
    assert (made.title, made.reward, made.deadline) == ("A page", 50_000_000, NOW + 3 * DAY)
    terms = made.terms
    assert (terms.review_window, terms.hold_timeout, terms.on_reject, terms.max_rejects) == (DAY, 7200, "revise", 2)


def test_text_that_looks_like_a_number_stays_text_where_text_is_asked() -> None:
    assert offer('post 500 "A page" deadline=3d description=42').terms.description == "42"


def test_numbers_in_json_terms_are_as_good_as_words() -> None:
    post = Post(amount=500, title="x", terms={"deadline": NOW + DAY, "review_window": 7200})  # type: ignore[dict-item]
    made = offer_of(post, NOW)
    assert (made.deadline, made.terms.review_window) == (NOW + DAY, 7200)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('post 500 "x"', Refused.BAD_DEADLINE),
        ('post 500 "x" deadline=soon', Refused.BAD_DEADLINE),
        ('post 500 "x" deadline=3', Refused.BAD_DEADLINE),
        ('post 0 "x" deadline=3d', Refused.BAD_AMOUNT),
        (f'post {"9" * 16} "x" deadline=3d', Refused.BAD_AMOUNT),
        ('post 5 eux "x" deadline=3d', Refused.BAD_AMOUNT),
        ('post 12.50 sats "x" deadline=3d', Refused.BAD_AMOUNT),
        ('post 12.345 USD "x" deadline=3d', Refused.BAD_AMOUNT),
        ('post 12.5 JPY "x" deadline=3d', Refused.BAD_AMOUNT),
        ('post 0.00 USD "x" deadline=3d', Refused.BAD_AMOUNT),
        (f'post {"9" * 14} USD "x" deadline=3d', Refused.BAD_AMOUNT),
        ('post 500 "x" deadline=3d colour=red', Refused.UNKNOWN_TERM),
        ('post 500 "x" deadline=3d on_reject=maybe', Refused.BAD_FIELD),
        ('post 500 "x" deadline=3d review_window=5m5', Refused.BAD_FIELD),
        ('post 500 "x" deadline=3d review_window=1m0', Refused.BAD_FIELD),
        ('post 500 "x" deadline=3d review_window=10000w', Refused.BAD_FIELD),
        ('post 500 "x" deadline=3d max_rejects=1h', Refused.BAD_FIELD),
    ],
)
def test_bad_offers_are_refused(text: str, code: Refused) -> None:
    with pytest.raises(BadWord) as caught:
        offer(text)
    assert caught.value.code is code
