"""Money of countries beside sats: an amount in a currency, the price of a bitcoin in it, and the way from the one to the other.

An amount is a whole number of the currency's smallest unit (ISO 4217: two decimals for most, none for the yen, three for the Kuwaiti
dinar). What an amount is in sats is rounded up to the sat, once, when a rate is frozen; what sats are in a currency is only ever
told beside them. No floating point anywhere: a rate is a Decimal, and the division is one of whole numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from kinds.figures import sats_text
from kinds.units import MSAT_PER_SAT, Msat, sats

SATS_PER_BTC = 100_000_000
MOST_DIGITS = 15  # of an amount in its smallest unit
PRICE_STEP = Decimal("0.01")  # a rate is kept to two decimals
HIGHEST_PRICE = Decimal(10**15)

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP"
    " DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR"
    " LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB"
    " SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW"
)
DIGITS: Mapping[str, int] = {
    **dict.fromkeys(_TWO.split(), 2), **dict.fromkeys(_NONE.split(), 0), **dict.fromkeys(_THREE.split(), 3),
}  # fmt: skip
"""The currencies that are known here, and the decimals of each."""

_AMOUNT = re.compile(r"(\d{1,15})(?:\.(\d{1,3}))?", re.ASCII)
_PRICE = re.compile(r"\d{1,15}(?:\.\d{1,30})?", re.ASCII)
_FRACTION = re.compile(r"(\d{1,15}|\d{1,3}(?:[,_]\d{3}){1,4})\.(\d{1,3})", re.ASCII)


class BadAmount(ValueError):
    """What was written is no amount in that currency; the text says why."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a bitcoin costs, who says so, and when they were asked."""

    currency: str
    price: Decimal  # units of the currency per BTC, with two decimals
    sources: tuple[str, ...]
    time: int  # unix seconds

    def __post_init__(self) -> None:
        if self.currency not in DIGITS or not (self.price.is_finite() and PRICE_STEP <= self.price <= HIGHEST_PRICE):
            raise ValueError("a rate has a currency that is known, and a price above zero")
        object.__setattr__(self, "price", self.price.quantize(PRICE_STEP))  # as it is published and reckoned with

    def reward(self, amount: int) -> Msat:
        """An amount in the currency's smallest unit as msat, rounded up to the sat: nobody gets less than was agreed."""
        price, part = self.price.as_integer_ratio()
        return sats(-(-amount * SATS_PER_BTC * part // (price * _whole(self.currency))))

    def worth(self, msat: int) -> int:
        """What so many msat are in the currency's smallest unit, to the nearest."""
        price, part = self.price.as_integer_ratio()
        above, below = msat * price * _whole(self.currency), SATS_PER_BTC * MSAT_PER_SAT * part
        return (2 * above + below) // (2 * below)


def read_price(text: str) -> Decimal | None:
    """The price of a bitcoin as a source writes it: plain digits, above zero. None for what is no such number."""
    if not _PRICE.fullmatch(text):
        return None
    price = Decimal(text).quantize(PRICE_STEP)
    return price if PRICE_STEP <= price <= HIGHEST_PRICE else None


def read_fraction(text: str) -> str | None:
    """An amount with decimals, 12.50 or 1,250.75, as plain digits; None for anything else."""
    found = _FRACTION.fullmatch(text)
    return f"{re.sub('[,_]', '', found[1])}.{found[2]}" if found else None


def is_fraction(text: str) -> bool:
    """Is this an amount with decimals in plain digits, as programs write it?"""
    return "." in text and _AMOUNT.fullmatch(text) is not None


def read_amount_of(text: str | int, currency: str) -> int:
    """An amount of this currency in its smallest unit. Raises BadAmount."""
    digits = DIGITS[currency]
    found = _AMOUNT.fullmatch(str(text)) if type(text) in (str, int) else None
    if found is None:
        raise BadAmount(f"an amount in {currency} is written in plain digits, like {_example(digits)}")
    whole, rest = found[1], found[2] or ""
    if len(rest) > digits:
        told = f"{digits} decimals at most" if digits else "no decimals"
        raise BadAmount(f"{currency} has {told}: write it like {_example(digits)}")
    amount = int(whole) * _whole(currency) + int(rest.ljust(digits, "0") or 0)
    if not 0 < amount < 10**MOST_DIGITS:
        raise BadAmount(f"an amount in {currency} is above zero, and less than a million millions")
    return amount


def in_smallest(amount: int, currency: str) -> int:
    """So many whole units of a currency, in its smallest unit; also none."""
    return amount * _whole(currency)


def _whole(currency: str) -> int:
    """How many of its smallest units make one of it."""
    return int(10 ** DIGITS[currency])


def _example(digits: int) -> str:
    return f"500 or 12.{'50'.ljust(digits, '0')[:digits]}" if digits else "500"


def plain(amount: int, currency: str) -> str:
    """The amount as it is published: all its decimals, no separators."""
    digits = DIGITS[currency]
    whole, rest = divmod(amount, 10**digits)
    return f"{whole}.{rest:0{digits}}" if digits else str(whole)


def amount_text(amount: int, currency: str) -> str:
    """20,000 INR; 12.50 USD: for people."""
    digits = DIGITS[currency]
    whole, rest = divmod(amount, 10**digits)
    return f"{whole:,}.{rest:0{digits}} {currency}" if rest else f"{whole:,} {currency}"


def price_text(price: Decimal, currency: str) -> str:
    """8,000,000 INR: what a bitcoin costs."""
    return f"{price:,.2f} {currency}".replace(".00 ", " ")


def both_text(msat: int, facts: Mapping[str, Any]) -> str:
    """An amount of a task in sats and in the currency of its price, if it has one (`currency`, `rate`, `price`, `indicative` among the
    facts). While the rate is not frozen the currency stands in front, since that is what was agreed: 20,000 INR (≈ 250,000 sats)."""
    currency, said = facts.get("currency"), facts.get("rate")
    if not (currency and said):
        return sats_text(msat)
    rate = Rate(str(currency), Decimal(str(said)), (), 0)
    agreed = read_amount_of(str(facts["price"]), rate.currency) if facts.get("price") else 0
    exact = bool(agreed) and rate.reward(agreed) == msat
    money = amount_text(agreed if exact else rate.worth(abs(msat)), rate.currency)
    money = f"-{money}" if msat < 0 else money
    if facts.get("indicative"):
        return f"{money} (≈ {sats_text(msat)})"
    return f"{sats_text(msat)} ({'' if exact else '≈ '}{money})"
