"""The sources of exchange rates: each asked once, and whether enough of them agree. Addresses are not shown: they may hold keys."""

from __future__ import annotations

import httpx

from bot.config import Settings
from bot.findings import Finding, good, note
from bot.prices.asking import Trouble
from bot.prices.board import Board
from bot.prices.refresh import asked, judged, reached
from kinds.rate import Rate, price_text

AREA = "prices"


async def examine(settings: Settings, now: int, web: httpx.AsyncBaseTransport | None = None) -> list[Finding]:
    """`web`: how the sources are reached, None for the network itself."""
    prices = settings.prices
    if not prices.sources:
        play = settings.node.kind == "simnet"
        return [
            good(AREA, "play money has a fixed play rate for every currency" if play else "prices are in sats only")
        ]
    board = Board(prices, settings.node.network, web)
    async with reached(board) as way:
        answers = await asked(board, way)
    found: list[Finding] = []
    for currency in board.currencies:
        rate = judged(currency, answers, None, board.rule, now)
        if isinstance(rate, Rate):
            told = f"a bitcoin costs {price_text(rate.price, currency)}, by {', '.join(rate.sources)}"
            found.append(good(AREA, told))
        else:
            advice = (
                "offers and invoices in it are refused; look at prices.sources, or leave it out of prices.currencies"
            )
            found.append(note(AREA, f"there is no rate for {currency}: {rate}", advice))
    for name, each in answers.items():
        wrong = sorted({f"{currency}: {said}" for currency, said in each.items() if isinstance(said, Trouble)})
        if wrong:
            found.append(note(AREA, f"{name} cannot be used ({'; '.join(wrong)})", "look at its url and path"))
    return found
