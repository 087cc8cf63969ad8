"""`holdfast freeze`, `holds` and the like: what the operator says to his running daemon, and what needs his eye."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from bot.cli.complaints import Complaint, friendly
from bot.cli.daemon import settings_from
from bot.cli.look import Data, Id, Json, hearing_now, look
from bot.door import ask
from bot.hand import SOCKET
from handlers import answers
from kinds.cards import holds_card, incidents_card
from kinds.commands import Command, Compensate
from kinds.commands.base import TaskCommand
from kinds.commands.operator import ACTS
from kinds.grammar import read_command_text, write_json
from storage import reads

Last = Annotated[int, typer.Option(min=1, max=100_000, help="So many of the newest.")]
Key = Annotated[str, typer.Argument(metavar="NPUB", help="Somebody's public key, npub or hex.")]


def operator_commands() -> list[tuple[str, str, Callable[..., None]]]:
    """Name, help and function of each act."""
    return [(act.action, inspect.getdoc(act) or "", _function(act)) for act in ACTS]


def _function(act: type[Command]) -> Callable[..., None]:
    if act is Compensate:
        return _compensate
    if issubclass(act, TaskCommand):
        return _of_a_task(act)
    return _of_somebody(act) if act.model_fields else _of_the_house(act)


@friendly
def _compensate(
    task: Id,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In sats; 50k is 50,000.")],
    reason: Annotated[str, typer.Argument(metavar="REASON", help="Why, in words: he is told, and it stays on record.")],
    again: Annotated[bool, typer.Option("--again", help="Once more, though the same was given for the same.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    order(data, f"{Compensate.action} {task} {amount} {'again=yes ' if again else ''}{reason}", as_json)


def _of_the_house(act: type[Command]) -> Callable[..., None]:
    @friendly
    def said(data: Data = None, as_json: Json = False) -> None:
        order(data, act.action, as_json)

    return said


def _of_somebody(act: type[Command]) -> Callable[..., None]:
    @friendly
    def said(npub: Key, data: Data = None, as_json: Json = False) -> None:
        order(data, f"{act.action} {npub}", as_json)

    return said


def _of_a_task(act: type[Command]) -> Callable[..., None]:
    @friendly
    def said(task: Id, data: Data = None, as_json: Json = False) -> None:
        order(data, f"{act.action} {task}", as_json)

    return said


def order(data: Path | None, text: str, as_json: bool) -> None:
    """Says it to the running daemon and shows its answer. Exit code 1 when it was refused. Raises Complaint, BadWord."""
    said = write_json(read_command_text(text))
    place = settings_from(None, data).daemon.data
    try:
        answer: dict[str, Any] = asyncio.run(ask(place / SOCKET, {"say": said}))
    except (OSError, ValueError) as error:
        raise Complaint(
            f"no daemon answers in {place}; is `holdfast run` running, and is --data its directory?"
        ) from error
    if "error" in answer:
        raise Complaint(str(answer["error"]))
    if as_json:
        typer.echo(json.dumps(answer, ensure_ascii=False))
    elif answer["ok"]:
        typer.echo(answer["text"])
    else:
        raise Complaint(str(answer["text"]))
    if not answer["ok"]:
        raise typer.Exit(1)


@friendly
def holds_command(data: Data = None, as_json: Json = False) -> None:
    """List the payments that are held: for which task, how much, since when, and until which block."""

    def read(connection: Connection) -> dict[str, Any]:
        return answers.holds(reads.holding(connection), hearing_now(connection))

    _show(look(data, read), "holds", holds_card, as_json)


@friendly
def incidents_command(last: Last = 100, data: Data = None, as_json: Json = False) -> None:
    """List what needs the operator's eye, the newest last."""
    facts = look(data, lambda connection: reads.newest_incidents(connection, last))
    _show(facts, "incidents", incidents_card, as_json)


def _show(facts: dict[str, Any], name: str, card: Callable[[dict[str, Any], int], str], as_json: bool) -> None:
    if as_json:
        for each in facts[name]:
            typer.echo(json.dumps(each, ensure_ascii=False))
    else:
        typer.echo(card(facts, int(time.time())))
