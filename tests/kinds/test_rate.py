"""Currencies, amounts and rates: nothing is lost by rounding, and nothing odd is taken for a number."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds.rate import (
    DIGITS,
    BadAmount,
    Rate,
    amount_text,
    both_text,
    is_fraction,
    plain,
    price_text,
    read_amount_of,
    read_fraction,
    read_price,
)

INR = Rate("INR", Decimal(8_000_000), ("one", "two"), 0)

currencies = st.sampled_from(sorted(DIGITS))
prices = st.decimals(Decimal("0.01"), Decimal(10**15), places=2)
amounts = st.integers(1, 10**15 - 1)


def test_the_table() -> None:
    assert (DIGITS["INR"], DIGITS["JPY"], DIGITS["KWD"]) == (2, 0, 3)
    assert all(len(code) == 3 and code.isupper() for code in DIGITS)
    assert len(DIGITS) == 151


@pytest.mark.parametrize(
    ("price", "currency", "amount", "sat"),
    [
        ("8000000", "INR", 2_000_000, 250_000),  # 20,000 INR
        ("8000000.01", "INR", 2_000_000, 250_000),  # 249,999.9997
        ("7999999.99", "INR", 2_000_000, 250_001),  # 250,000.0003
        ("15000000", "JPY", 7500, 50_000),
        ("30000", "KWD", 15_000, 50_000),  # 15 KWD
        ("100000", "USD", 1, 10),  # a cent
        ("1000000000000000.00", "USD", 1, 1),  # the smallest there is, for the smallest amount
        ("3", "USD", 100, 33_333_334),
    ],
)
def test_an_amount_in_sats(price: str, currency: str, amount: int, sat: int) -> None:
    assert Rate(currency, Decimal(price), (), 0).reward(amount) == sat * 1000


@given(currencies, prices, amounts)
def test_rounding_is_up_and_by_less_than_a_sat(currency: str, price: Decimal, amount: int) -> None:
    exact = Fraction(amount, 10 ** DIGITS[currency]) * 10**11 / Fraction(price)
    found = Rate(currency, price, (), 0).reward(amount)
    assert found % 1000 == 0
    assert exact <= found < exact + 1000


@given(currencies, prices, amounts)
def test_there_and_back_is_the_amount_wherever_a_sat_is_worth_less_than_its_smallest_unit(
    currency: str, price: Decimal, amount: int
) -> None:
    rate = Rate(currency, price, (), 0)
    if Fraction(price) * 10 ** DIGITS[currency] * 2 < 10**8:
        assert rate.worth(rate.reward(amount)) == amount


@given(currencies, prices, amounts, amounts)
def test_more_is_never_less(currency: str, price: Decimal, one: int, other: int) -> None:
    rate = Rate(currency, price, (), 0)
    assert (one <= other) <= (rate.reward(one) <= rate.reward(other))


@given(currencies, amounts)
def test_what_is_written_is_read(currency: str, amount: int) -> None:
    assert read_amount_of(plain(amount, currency), currency) == amount
    assert amount_text(amount, currency).endswith(f" {currency}")


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [(500, "INR", 50_000), ("500", "INR", 50_000), ("12.5", "USD", 1250), ("0.01", "USD", 1), ("007", "JPY", 7), ("1.25", "KWD", 1250)],
)  # fmt: skip
def test_amounts(text: str | int, currency: str, amount: int) -> None:
    assert read_amount_of(text, currency) == amount


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.00", "-1", "+1", "1.", ".5", "1e3", "1E3", "NaN", "nan", "inf", "Infinity", "1.234", "1,5", "1 000", "٥٠", "0x5", "1_0",
     "9" * 14, "9" * 16, "9" * 5000, "1.0.0", "½", " 1", "1\n", True, 1.5, None, -5, 0, 10**30, [1]],
)  # fmt: skip
def test_no_amounts(text: Any) -> None:
    with pytest.raises(BadAmount):
        read_amount_of(text, "USD")


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.00", "0.001", "-8000000", "+5", "8e6", "8E6", "NaN", "sNaN", "Infinity", "-inf", "1,000", "1_000", " 5", "5 ", "5\n",
     "٥", "0x10", "1.2.3", ".5", "5.", "9" * 16, "1" + "0" * 15 + ".01", "1." + "0" * 31],
)  # fmt: skip
def test_no_prices(text: str) -> None:
    assert read_price(text) is None


@given(st.text(max_size=30))
def test_any_text_is_a_price_above_zero_or_none(text: str) -> None:
    price = read_price(text)
    assert price is None or (price.is_finite() and 0 < price <= 10**15)


def test_prices() -> None:
    assert read_price("8000000") == Decimal("8000000.00")
    assert str(read_price("8123456.789")) == "8123456.79"
    assert read_price("1" + "0" * 15) is None  # sixteen digits
    assert price_text(Decimal("8123456.79"), "INR") == "8,123,456.79 INR"
    assert price_text(Decimal("8000000.00"), "INR") == "8,000,000 INR"


@pytest.mark.parametrize(
    ("currency", "price"),
    [("XXX", "1"), ("INR", "0"), ("INR", "-1"), ("INR", "NaN"), ("INR", "Infinity"), ("INR", "1e16")],
)
def test_no_rates(currency: str, price: str) -> None:
    with pytest.raises(ValueError, match="a rate has a currency"):
        Rate(currency, Decimal(price), (), 0)


def test_fractions_as_people_and_programs_write_them() -> None:
    assert [read_fraction(text) for text in ("12.50", "1,250.75", "1_250.5", "12,50", "1.2345", "50", ".5", "1,25.5")] == [
        "12.50", "1250.75", "1250.5", None, None, None, None, None,
    ]  # fmt: skip
    assert [is_fraction(text) for text in ("12.50", "12", "1,250.75", "NaN", "1e5", "")] == [True, *[False] * 5]


def test_both_amounts_are_told() -> None:
    frozen = {"currency": "INR", "rate": "8000000.00", "price": "20000.00"}
    early = frozen | {"indicative": True}
    assert both_text(250_000_000, early) == "20,000 INR (≈ 250,000 sats)"
    assert both_text(250_000_000, frozen) == "250,000 sats (20,000 INR)"
    assert both_text(252_500_000, frozen) == "252,500 sats (≈ 20,200 INR)"
    assert both_text(-1_000, frozen) == "-1 sat (≈ -0.08 INR)"
    assert both_text(0, frozen) == "0 sats (≈ 0 INR)"
    assert both_text(250_000_000, {}) == "250,000 sats"
    assert both_text(250_000_000, {"currency": "INR"}) == "250,000 sats"


@given(amounts)
def test_the_price_is_told_as_it_was_agreed(amount: int) -> None:
    facts = {"currency": "INR", "rate": str(INR.price), "price": plain(amount, "INR")}
    assert both_text(INR.reward(amount), facts).endswith(f"({amount_text(amount, 'INR')})")
