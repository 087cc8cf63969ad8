"""`holdfast fees` and `holdfast books`: what the house has earned, what is in its insurance account, and what it has for whom, from the
database beside a running daemon."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from bot.cli.complaints import friendly
from bot.cli.look import Data, Json, look
from handlers.booking import Sort
from kinds.figures import sats_text
from storage import books
from storage.books import Class, Day

FORMS = {"day": "%Y-%m-%d", "month": "%Y-%m"}
_NAMES = ("earned", "insurance", "compensation")
_SHOWN = {
    Sort.NODE: "the node (outside)",
    Sort.LOCKED: "tasks: settled and not decided",
    Sort.PARTY: "people's accounts",
    Sort.MOVING: "withdrawals under way",
    Sort.FEES: "fees earned",
    Sort.INSURANCE: "insurance",
}


@friendly
def fees_command(
    by: Annotated[Literal["day", "month"], typer.Option(help="Totals per day or per month, in UTC.")] = "month",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Report the fees that were earned and what was kept for the insurance, per month or day."""

    def read(connection: Connection) -> tuple[list[Day], int, int]:
        return books.days(connection), books.balance(connection, Sort.FEES), books.insured(connection)

    found, earned, insured = look(data, read)
    if as_json:
        report = {
            "days": _totals(found, "day"),
            "months": _totals(found, "month"),
            "earned_msat": earned,
            "insurance_balance_msat": insured,
        }
        typer.echo(json.dumps(report))
        return
    table = Table(by, "earned", "insured", "given for losses")
    for total in _totals(found, by):
        table.add_row(str(total[by]), *(sats_text(int(total[f"{name}_msat"])) for name in _NAMES))
    Console().print(table if found else "Nothing was booked yet.")
    if found:
        typer.echo(f"Earned in all: {sats_text(earned)}. In the insurance account: {sats_text(insured)}.")


def _totals(found: Iterable[Day], by: str) -> list[dict[str, str | int]]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for each in found:
        of_span = sums[datetime.fromtimestamp(each.day, UTC).strftime(FORMS[by])]
        for place, amount in enumerate((each.earned, each.insured, each.given)):
            of_span[place] += amount
    return [
        {by: span, **{f"{name}_msat": amount for name, amount in zip(_NAMES, amounts, strict=True)}}
        for span, amounts in sums.items()
    ]


@friendly
def books_command(data: Data = None, as_json: Json = False) -> None:
    """Show the books: what stands in each sort of account. All of it together is zero: the node is minus what it must have for the
    others. Exit code 1 when the lines do not add up to what is kept."""

    def read(connection: Connection) -> tuple[list[Class], list[str]]:
        return books.classes(connection), books.differences(connection)

    found, wrong = look(data, read)
    trial = sum(each.amount for each in found)
    if as_json:
        report: dict[str, Any] = {
            "accounts": {str(each.sort): {"count": each.accounts, "amount_msat": each.amount} for each in found},
            "trial_balance_msat": trial,
            "differences": wrong,
        }
        typer.echo(json.dumps(report))
    else:
        table = Table("accounts", "how many", "what stands there")
        for each in found:
            table.add_row(_SHOWN[each.sort], str(each.accounts), sats_text(each.amount))
        Console().print(table)
        typer.echo(f"Trial balance: {sats_text(trial)}.")
        for name in wrong:
            typer.echo(f"Does not add up: {name}", err=True)
    if wrong or trial:
        raise typer.Exit(1)
