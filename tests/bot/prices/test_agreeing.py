"""When several sources make a rate, and when they do not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.prices.agreeing import Doubt, Rule, agreed, outliers
from kinds.rate import Rate

RULE = Rule(agree=2, spread=3, jump=20, age=1800)
NOW = 1_800_000_000


def say(*prices: str) -> dict[str, Decimal]:
    return {f"s{at}": Decimal(price) for at, price in enumerate(prices)}


def last(price: str, age: int = 60) -> Rate:
    return Rate("INR", Decimal(price), ("s0", "s1"), NOW - age)


@pytest.mark.parametrize(
    ("prices", "price", "sources"),
    [
        (("100", "100"), "100.00", 2),
        (("100", "102"), "101.00", 2),
        (("100", "101", "102"), "101.00", 3),
        (("100", "101", "10000"), "100.50", 2),
        (("100", "101", "0.01"), "100.50", 2),
        (("99", "100", "101", "5000", "1"), "100.00", 3),
        (("100.005", "100.005"), "100.00", 2),  # half to even
    ],
)
def test_a_rate(prices: tuple[str, ...], price: str, sources: int) -> None:
    found = agreed("INR", say(*prices), None, RULE, NOW)
    assert isinstance(found, Rate)
    assert (str(found.price), len(found.sources), found.time) == (price, sources, NOW)
    assert len(outliers(say(*prices), found)) == len(prices) - sources


@pytest.mark.parametrize(
    ("prices", "doubt"),
    [
        ((), Doubt.TOO_FEW),
        (("100",), Doubt.TOO_FEW),
        (("100", "107"), Doubt.DISAGREE),
        (("100", "200", "300"), Doubt.DISAGREE),
        (("1", "1", "100", "100"), Doubt.DISAGREE),  # two lies agree, and so do two truths: nobody can tell
    ],
)
def test_no_rate(prices: tuple[str, ...], doubt: Doubt) -> None:
    assert agreed("INR", say(*prices), None, RULE, NOW) is doubt


def test_a_jump_is_doubted_as_long_as_the_last_rate_counts() -> None:
    jumped = say("125", "125")
    assert agreed("INR", jumped, last("100"), RULE, NOW) is Doubt.JUMP
    assert agreed("INR", jumped, last("100", 1800), RULE, NOW) is Doubt.JUMP
    assert isinstance(agreed("INR", jumped, last("100", 1801), RULE, NOW), Rate)
    assert isinstance(agreed("INR", jumped, last("100", -60), RULE, NOW), Rate), "from later: the clock was set back"
    assert isinstance(agreed("INR", say("120", "120"), last("100"), RULE, NOW), Rate)
    assert agreed("INR", say("79", "79"), last("100"), RULE, NOW) is Doubt.JUMP


prices = st.decimals(Decimal("0.01"), Decimal(10**12), places=2)


@given(st.lists(prices, max_size=7))
def test_a_rate_lies_among_those_who_made_it(found: list[Decimal]) -> None:
    said = {f"s{at}": price for at, price in enumerate(found)}
    rate = agreed("INR", said, None, RULE, NOW)
    if isinstance(rate, Rate):
        near = [said[name] for name in rate.sources]
        assert len(near) >= RULE.agree
        assert min(near) - Decimal("0.01") <= rate.price <= max(near) + Decimal("0.01")


@given(prices.filter(lambda price: price > 100), st.integers(-1, 1), prices)
def test_one_liar_among_three_moves_the_rate_by_no_more_than_the_honest_differ(
    true: Decimal, off: int, lie: Decimal
) -> None:
    rate = agreed("INR", {"a": true, "b": true + off, "liar": lie}, None, RULE, NOW)
    assert isinstance(rate, Rate)
    assert min(true, true + off) - 1 <= rate.price <= max(true, true + off) + 1
