"""`holdfast fees`: what the house has earned and what stands in its insurance account, from the database beside a running daemon."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from bot.cli.complaints import friendly
from bot.cli.look import Data, Json, look
from kinds.figures import sats_text
from storage import books
from storage.books import Account, Booked

ACCOUNTS = {"earned": Account.FEE, "insurance": Account.INSURANCE, "compensation": Account.COMPENSATION}
FORMS = {"day": "%Y-%m-%d", "month": "%Y-%m"}


@friendly
def fees_command(
    by: Annotated[Literal["day", "month"], typer.Option(help="Totals per day or per month, in UTC.")] = "month",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Report the fees that were earned and what was kept for the insurance, per month or day."""

    def read(connection: Connection) -> tuple[list[Booked], int, int]:
        return (
            books.days(connection),
            books.balance(connection, Account.FEE),
            books.insured(connection),
        )

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
        table.add_row(str(total[by]), *(sats_text(int(total[f"{name}_msat"])) for name in ACCOUNTS))
    Console().print(table if found else "Nothing was booked yet.")
    if found:
        typer.echo(f"Earned in all: {sats_text(earned)}. In the insurance account: {sats_text(insured)}.")


def _totals(found: Iterable[Booked], by: str) -> list[dict[str, str | int]]:
    sums: dict[str, dict[Account, int]] = defaultdict(lambda: defaultdict(int))
    for each in found:
        sums[datetime.fromtimestamp(each.day, UTC).strftime(FORMS[by])][each.account] += each.amount
    return [
        {by: span, **{f"{name}_msat": total[account] for name, account in ACCOUNTS.items()}}
        for span, total in sums.items()
    ]
