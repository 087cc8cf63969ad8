"""`holdfast audit`: what the operator did, and every input that was decided, as a record that he can file.

What people wrote is private: of an input only who, what sort of word, about which task, and what became of it is shown.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bot.cli.complaints import friendly
from bot.cli.look import Data, Json, look
from bot.cli.records import Csv, From, To
from bot.cli.sheets import one_form, put, span
from kinds.codes import BadWord
from kinds.commands import COMMANDS
from kinds.events import PROOF, TASK
from kinds.figures import iso_text, moment_text
from kinds.grammar import read_message
from kinds.inputs import BY_HAND
from storage import acts, inbox
from storage.inbox import Past

Last = Annotated[int | None, typer.Option(min=1, help="So many of the newest; 100 by itself, all with --from or --to.")]

_ACTS = ("n", "at", "who", "what", "result")
_INPUTS = ("n", "at", "when", "height", "sort", "who", "what", "task", "state", "result")
_WORDS = frozenset(command.action for command in COMMANDS)


@friendly
def audit_command(
    last: Last = None,
    inputs: Annotated[
        bool, typer.Option("--inputs", help="Every input that was processed, not only the operator's.")
    ] = False,
    data: Data = None,
    as_csv: Csv = False,
    as_json: Json = False,
    since: From = None,
    until: To = None,
) -> None:
    """List what the operator did: when, by which door, what, and what became of it. With --inputs, everything that was decided."""
    one_form(as_csv, as_json)
    first, after = span(since, until)
    most = last or (None if since or until else 100)
    if inputs:
        _inputs(data, most, first, after, as_csv, as_json)
        return
    rows = look(data, lambda connection: acts.newest(connection, most, first, after))
    if as_csv or as_json:
        put(_ACTS, rows, as_csv)
        return
    table = Table("when", "who", "what", "result")
    for row in rows:
        table.add_row(moment_text(row["at"]), _who(row["who"]), row["what"], row["result"])
    Console().print(table if rows else "The operator has done nothing yet.")


def _inputs(data: Any, most: int | None, first: int, after: int, as_csv: bool, as_json: bool) -> None:
    rows = [_row(each) for each in look(data, lambda connection: inbox.past(connection, most, first, after))]
    if as_csv or as_json:
        put(_INPUTS, rows, as_csv)
        return
    table = Table("when", "who", "what", "task", "result")
    for row in rows:
        result = ": ".join(word for word in (row["state"], row["result"]) if word)
        table.add_row(moment_text(row["at"]), _who(row["who"]), row["what"], row["task"] or "", result)
    Console().print(table if rows else "Nothing was heard yet.")


def _who(who: str) -> str:
    return "this machine" if who == BY_HAND else who[:16]


def _row(past: Past) -> dict[str, Any]:
    who, what = _meaning(past)
    return {
        "n": past.n,
        "at": past.at,
        "when": iso_text(past.at),
        "height": past.height,
        "sort": past.sort,
        "who": who,
        "what": what,
        "task": past.task,
        "state": past.state,
        "result": past.result,
    }


def _meaning(past: Past) -> tuple[str, str]:
    """(who, what): a key and a command's word; of a fact its sort. Nothing else of what was written."""
    if past.sort in ("dm", "cli"):
        said = json.loads(past.body)
        return str(said.get("by") or (BY_HAND if past.sort == "cli" else "")), _word_of(str(said["text"]))
    if past.sort == "event":
        event = json.loads(past.body)["event"]
        return str(event["pubkey"]), _event(event)
    return past.by or ("clock" if past.sort in ("tick", "reached", "account_due") else "node"), past.sort


def _word_of(text: str) -> str:
    try:
        return read_message(text).command.action
    except BadWord:
        return "?"


def _event(event: dict[str, Any]) -> str:
    if event["kind"] in (TASK, PROOF):
        return "offer" if event["kind"] == TASK else "proof"
    try:
        action = json.loads(event["content"])["action"]
    except (ValueError, TypeError, LookupError):
        return "?"
    return action if isinstance(action, str) and action in _WORDS else "?"
