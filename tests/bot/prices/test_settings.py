"""The operator's settings of prices: what is offered where, and what is refused by name, without telling an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.config import BadConfig, PriceSettings, Settings, load
from bot.prices.board import Board, play_price
from kinds.rate import DIGITS

TWO = """
[prices]
currencies = ["inr", "NGN"]
[[prices.sources]]
name = "one"
url = "https://one.example.org/?key=secret-key"
path = "data.{CURRENCY}"
[[prices.sources]]
name = "two"
url = "https://two.example.org/{currency}"
paths = { INR = "inr.last" }
"""


def written(folder: Path, text: str) -> Settings:
    file = folder / "config.toml"
    file.write_text(text)
    return load(file)


def test_sources_and_currencies(tmp_path: Path) -> None:
    prices = written(tmp_path, TWO).prices
    assert (prices.currencies, [each.name for each in prices.sources]) == (("INR", "NGN"), ["one", "two"])
    assert prices.offered("bitcoin") == prices.offered("simnet") == ("INR", "NGN")
    assert "secret-key" not in repr(prices)


def test_without_sources_there_is_play_money_only() -> None:
    nothing = PriceSettings()
    assert nothing.offered("bitcoin") == nothing.offered("regtest") == ()
    assert sorted(nothing.offered("simnet")) == sorted(DIGITS)
    assert PriceSettings(currencies=("INR",)).offered("simnet") == ("INR",)
    assert PriceSettings(currencies=("INR",)).offered("bitcoin") == ()
    assert (Board(nothing, "simnet").is_fixed, Board(nothing, "bitcoin").is_fixed) == (True, False)
    assert all(play_price(code, 0) > 0 for code in DIGITS)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (TWO.replace('"one"', '"two"', 1), "a name of its own"),
        (TWO.replace('"one"', '"fixed"', 1), "a name of its own"),
        (TWO.replace("https://one", "http://one"), "asked by https"),
        (TWO.replace("https://one.example.org", "ftp://one"), "asked by https"),
        (TWO.replace('"NGN"', '"XYZ"'), "XYZ: no currency"),
        (TWO.replace('currencies = ["inr", "NGN"]', ""), "the currencies for which"),
        (TWO.replace("[[prices.sources]]", "agree = 3\n[[prices.sources]]", 1), "3 sources or more"),
        (TWO.replace("[[prices.sources]]", "agree = 1\n[[prices.sources]]", 1), "prices.agree"),
        (TWO.replace("[[prices.sources]]", "max_age_minutes = 31\n[[prices.sources]]", 1), "prices.max_age_minutes"),
    ],
)
def test_what_is_refused_tells_no_key(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadConfig, match=complaint) as caught:
        written(tmp_path, text)
    assert "secret-key" not in str(caught.value)


def test_a_source_on_this_machine_may_do_without_https(tmp_path: Path) -> None:
    for host in ("127.0.0.1:8080", "localhost", "[::1]:80"):
        written(tmp_path, TWO.replace("https://one.example.org", f"http://{host}"))
    for host in ("127.0.0.1.example.org", "localhost@example.org"):
        with pytest.raises(BadConfig, match="asked by https"):
            written(tmp_path, TWO.replace("https://one.example.org", f"http://{host}"))
