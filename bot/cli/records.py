"""`holdfast receipt` and `holdfast export`: what is on record about money and tasks, read beside a running daemon and never written."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import typer
from sqlalchemy import Connection

from bot.cli.complaints import USAGE, Complaint, friendly
from bot.cli.look import Data, Id, Json, hearing_now, look, whole_id
from bot.cli.sheets import one_form, put, span
from handlers.decision import Refusal
from handlers.records import receipt
from kinds.codes import Told
from kinds.figures import iso_text
from kinds.hours import hours_text
from kinds.message import render
from kinds.page import receipt_page
from kinds.wording import en
from storage import commit, house, memory, reads
from storage.records import Line, lines, rows_of

Csv = Annotated[bool, typer.Option("--csv", help="A table for a spreadsheet.")]
From = Annotated[str | None, typer.Option("--from", metavar="DATE", help="From this day on, UTC.")]
To = Annotated[str | None, typer.Option("--to", metavar="DATE", help="To this day, it included.")]

_COLUMNS = (
    "id", "type", "status", "task", "title", "milestone", "amount_msat", "fee_msat", "currency", "currency_amount", "rate", "paid_by",
    "released_to", "created_at", "created", "released_at", "released", "payment_hash", "what", "hours",
)  # fmt: skip


@friendly
def receipt_command(
    task: Id,
    party: Annotated[Literal["employer", "worker"], typer.Option("--for", help="Whose receipt.")] = "employer",
    html: Annotated[bool, typer.Option("--html", help="A page for printing.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write the receipt of a party of a task, as he gets it himself: it holds his own proof of payment."""
    if html and as_json:
        raise Complaint("--html or --json: one of the two", USAGE)

    def read(connection: Connection) -> Mapping[str, Any]:
        held = commit.load(connection, whole_id(connection, task))
        assert held is not None, "it was just found"
        who = held.task.employer if party == "employer" else held.task.worker
        if who is None:
            raise Complaint(f"task {held.task.id} has no worker")
        policy = house.policy_by_id(connection, memory.newest_policy(connection))
        about = {"seq": held.task.seq, "head": held.head, "bot": policy.bot, "network": policy.network}
        try:
            return {**receipt(held.task, rows_of(connection, held.task.id), who, hearing_now(connection)), **about}
        except Refusal as refusal:
            raise Complaint(en.sentence(refusal.code, refusal.facts, int(time.time()))) from None

    facts = look(data, read)
    answer = render(Told.RECEIPT, facts, "text" if not (html or as_json) else "json", int(time.time()))
    typer.echo(receipt_page(json.loads(answer), int(time.time())) if html else answer, nl=not html)


@friendly
def export_command(
    task: Annotated[str | None, typer.Argument(metavar="[ID]", help="One task; without it, all of them.")] = None,
    data: Data = None,
    as_csv: Csv = False,
    as_json: Json = False,
    since: From = None,
    until: To = None,
) -> None:
    """Write what was published as signed Nostr events, one a line: `holdfast verify --file` judges it. With --csv or --json, instead, all
    transactions, fees and what was kept for the insurance, for a book-keeper."""
    one_form(as_csv, as_json)
    if not (as_csv or as_json):
        if since or until:
            raise Complaint("--from and --to belong to --csv or --json", USAGE)
        for event in look(data, lambda tx: reads.published(tx, whole_id(tx, task) if task else None)):
            typer.echo(json.dumps(event, ensure_ascii=False, separators=(",", ":")))
        return
    first, after = span(since, until)
    found = look(data, lambda tx: lines(tx, first, after, whole_id(tx, task) if task else None))
    put(_COLUMNS, map(_row, found), as_csv)


def _row(line: Line) -> dict[str, Any]:
    return {
        "id": line.id,
        "type": line.type,
        "status": line.status,
        "task": line.task or None,
        "title": line.title or None,
        "milestone": line.milestone or None,
        "amount_msat": line.amount,
        "fee_msat": line.fee,
        "currency": line.currency,
        "currency_amount": line.currency_amount,
        "rate": line.rate,
        "paid_by": line.paid_by,
        "released_to": line.released_to,
        "created_at": line.created or None,
        "created": iso_text(line.created) if line.created else None,
        "released_at": line.released or None,
        "released": iso_text(line.released) if line.released else None,
        "payment_hash": line.payment_hash or None,
        "what": line.what or None,
        "hours": hours_text(line.hours).replace(",", "") if line.hours else None,
    }
