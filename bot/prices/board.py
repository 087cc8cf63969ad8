"""The rates that are known now: of play money a fixed one, else the newest that was agreed on, as the database keeps it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import httpx
from sqlalchemy import Connection

from bot.config import FIXED, PriceSettings
from bot.prices.agreeing import Rule
from kinds.rate import Rate
from storage import rates

Fixed = Callable[[str, int], Decimal]
"""Currency and unix seconds to units per bitcoin."""

_PLAY = {
    "USD": 100_000, "EUR": 90_000, "GBP": 80_000, "CHF": 80_000, "INR": 8_000_000, "NGN": 150_000_000, "KES": 12_500_000,
    "JPY": 15_000_000, "KWD": 30_000, "BRL": 500_000, "ZAR": 2_000_000, "PHP": 5_000_000, "IDR": 1_600_000_000,
    "VND": 2_500_000_000, "GHS": 1_250_000, "MXN": 2_000_000,
}  # fmt: skip
_ANY = 1_000_000


def play_price(currency: str, time: int) -> Decimal:
    """A round number for every currency, the same at all times: worth nothing, like the money."""
    return Decimal(_PLAY.get(currency, _ANY))


class Board:
    """`web`: how sources are reached, None for the network itself."""

    def __init__(
        self,
        settings: PriceSettings,
        network: str,
        web: httpx.AsyncBaseTransport | None = None,
        fixed: Fixed = play_price,
    ) -> None:
        self.settings, self.web = settings, web
        self.currencies = settings.offered(network)
        self._fixed = fixed if settings.is_fixed(network) else None

    @property
    def is_fixed(self) -> bool:
        return self._fixed is not None

    @property
    def rule(self) -> Rule:
        said = self.settings
        return Rule(said.agree, said.spread_percent, said.jump_percent, said.max_age_minutes * 60)

    def rate(self, tx: Connection, currency: str, time: int) -> Rate | None:
        """The newest rate, however old it is; None when there was none yet or the currency is not offered."""
        if currency not in self.currencies:
            return None
        if self._fixed:
            return Rate(currency, self._fixed(currency, time), (FIXED,), time)
        return rates.newest(tx, currency)
