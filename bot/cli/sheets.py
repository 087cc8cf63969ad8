"""Rows for a spreadsheet or a program: CSV or a line of JSON each. What strangers wrote can't become a formula."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from bot.cli.complaints import USAGE, Complaint
from kinds.figures import read_day
from kinds.legible import one_line

_FORMULA = "=+-@＝＋－＠\t\r\n|"
DAY, _END_OF_TIME = 86400, 1 << 40


def cell(value: Any) -> Any:
    """As it may stand in a sheet: numbers as they are; text on one line, and one that a spreadsheet would calculate gets an apostrophe
    in front."""
    if value is None or isinstance(value, int):
        return value
    text = str(value)
    risky = text[:1] in _FORMULA or text.lstrip()[:1] in _FORMULA if text else False
    line = one_line(text, 4096)
    return f"'{line}" if risky or (line[:1] in _FORMULA and line) else line


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(row[name]) for name in columns] for row in rows)
    return out.getvalue()


def put(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], as_csv_: bool) -> None:
    """Writes them to the standard output."""
    if as_csv_:
        typer.echo(as_csv(columns, rows), nl=False)
        return
    for row in rows:
        typer.echo(json.dumps({name: row[name] for name in columns}, ensure_ascii=False))


def one_form(as_csv_: bool, as_json: bool) -> None:
    """Raises Complaint when both are asked for."""
    if as_csv_ and as_json:
        raise Complaint("--csv or --json: one of the two", USAGE)


def span(since: str | None, until: str | None) -> tuple[int, int]:
    """(first second, first second after) of these days, UTC. Raises Complaint."""
    days: list[int] = []
    for name, text in (("--from", since), ("--to", until)):
        day = read_day(text) if text is not None else None
        if text is not None and day is None:
            raise Complaint(f"{name} {text}: write a day like 2026-12-31", USAGE)
        days.append(0 if day is None and name == "--from" else _END_OF_TIME if day is None else day)
    first, after = days[0], days[1] + (DAY if until is not None else 0)
    if first >= after:
        raise Complaint("--from lies behind --to", USAGE)
    return first, after
