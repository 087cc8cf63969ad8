"""Asks the sources again and again, side by side, and keeps what they agree on. What fails is said once, by the source's name.

Dying at any point loses nothing: rates that were kept are there at the next start, as long as they count.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import httpx
import structlog
from sqlalchemy import Connection

from bot.prices.agreeing import Doubt, Rule, agreed, outliers
from bot.prices.asking import Trouble, ask
from bot.prices.board import Board
from kinds.rate import Rate
from storage import rates

if TYPE_CHECKING:
    from bot.world import World

Answers = dict[str, dict[str, Decimal | Trouble]]
"""source -> currency -> what it says."""

log = structlog.get_logger()


class Refresher:
    """A part of the open house."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._told: set[tuple[str, str, str]] = set()  # (source or "", currency, what): complaints that still hold

    async def run(self) -> None:
        world, board = self._world, self._world.prices
        if board.is_fixed or not board.currencies:
            await asyncio.Event().wait()
        async with reached(board) as web:
            while True:
                began = world.moments.time
                answers = await asked(board, web)
                found = await world.writer.do(partial(self._keep, answers=answers, time=began))
                self._complain(answers, found)
                await asyncio.sleep(board.settings.refresh_seconds)

    def _keep(self, tx: Connection, answers: Answers, time: int) -> dict[str, Rate | Doubt]:
        """`time`: when the sources were asked."""
        board = self._world.prices
        found = {
            currency: judged(currency, answers, rates.newest(tx, currency), board.rule, time)
            for currency in board.currencies
        }
        rates.keep(tx, [rate for rate in found.values() if isinstance(rate, Rate)])
        return found

    def _complain(self, answers: Answers, found: dict[str, Rate | Doubt]) -> None:
        wrong = {
            (source, currency, str(said))
            for source, each in answers.items()
            for currency, said in each.items()
            if isinstance(said, Trouble)
        }
        for currency, rate in found.items():
            if isinstance(rate, Rate):
                wrong |= {(name, currency, "it is an outlier") for name in outliers(_said(currency, answers), rate)}
            else:
                wrong.add(("", currency, str(rate)))
        for source, currency, what in sorted(wrong - self._told):
            if source:
                log.warning("a source of prices cannot be used", source=source, currency=currency, why=what)
            else:
                log.warning("there is no new exchange rate", currency=currency, why=what)
        self._told = wrong


@asynccontextmanager
async def reached(board: Board) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """The way to the sources."""
    if board.web is not None:
        yield board.web
        return
    async with httpx.AsyncHTTPTransport(verify=httpx.create_ssl_context(trust_env=False), trust_env=False) as web:
        yield web


async def asked(board: Board, web: httpx.AsyncBaseTransport) -> Answers:
    """Every source at the same time."""
    said = board.settings
    found = await asyncio.gather(
        *(ask(web, each, board.currencies, said.timeout, said.max_bytes) for each in said.sources)
    )
    return {source.name: each for source, each in zip(said.sources, found, strict=True)}


def judged(currency: str, answers: Answers, last: Rate | None, rule: Rule, time: int) -> Rate | Doubt:
    return agreed(currency, _said(currency, answers), last, rule, time)


def _said(currency: str, answers: Answers) -> dict[str, Decimal]:
    said = {name: each.get(currency) for name, each in answers.items()}
    return {name: price for name, price in said.items() if isinstance(price, Decimal)}
