"""What a bitcoin costs in the city: it moves all the time, and never is a round number."""

from __future__ import annotations

from decimal import Decimal

from bot.prices.board import play_price


def moving_price(currency: str, time: int) -> Decimal:
    """Up and down by some eight percent within two hours, in steps of half a minute."""
    step = time // 30 % 240
    return play_price(currency, time) * (960 + min(step, 240 - step)) / 1000 + Decimal("7.13")
