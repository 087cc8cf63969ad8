"""`holdfast tasks`, `show`, `log`: what the database remembers, read beside a running daemon and never written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from bot.cli.complaints import Complaint, friendly
from bot.cli.daemon import settings_from
from handlers import answers
from handlers.task import Task, in_both
from kinds.cards import history_card, status_card
from kinds.inputs import Now
from kinds.rate import both_text
from kinds.units import read_task_id
from storage import commit, house, reads
from storage.codec import read_task

R = TypeVar("R")
Data = Annotated[Path | None, typer.Option(help="The daemon's data directory.")]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of words.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="A task's id, or the beginning of one.")]


@contextmanager
def reading(data: Path | None) -> Iterator[Connection]:
    """The database of this data directory, read-only. Raises Complaint."""
    file = settings_from(None, data).daemon.data / "holdfast.db"
    if not file.exists():
        raise Complaint(f"there is no database {file}; give the --data directory of a daemon that has run once")
    engine = create_engine(f"sqlite:///file:{file.resolve()}?mode=ro&uri=true", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    except DatabaseError as error:
        other = "no such" in str(error.orig)
        why = "it is of another version; `holdfast run` brings it up to date" if other else str(error.orig)
        raise Complaint(f"the database {file} cannot be read: {why}") from error
    finally:
        engine.dispose()


def look(data: Path | None, read: Callable[[Connection], R]) -> R:
    with reading(data) as connection:
        return read(connection)


def whole_id(connection: Connection, text: str) -> str:
    """The one task that these letters mean. Raises Complaint."""
    letters = read_task_id(text)
    if letters is None:
        raise Complaint(f"{text} is no task's id: it has 13 letters and digits, check for a typing error", 2)
    found = [row.id for row in reads.all_tasks(connection) if row.id.startswith(letters)]
    if not found:
        raise Complaint(f"there is no task {text} here")
    if len(found) > 1:
        raise Complaint(f"{text} can mean {len(found)} tasks: {', '.join(found[:5])}")
    return str(found[0])


@friendly
def tasks_command(data: Data = None, as_json: Json = False) -> None:
    """List all tasks of this daemon."""
    rows = look(data, lambda connection: [read_task(row.document) for row in reads.all_tasks(connection)])
    if as_json:
        for task in rows:
            typer.echo(json.dumps(_line(task), ensure_ascii=False))
        return
    table = Table("id", "state", "reward", "title")
    for task in rows:
        table.add_row(task.id, _state(task), both_text(task.reward, in_both(task)), task.title)
    Console().print(table if rows else "No tasks yet.")


def _state(task: Task) -> str:
    phase = str(task.phase)
    return f"{task.state}{f', {phase}' if phase else ''}"


def _line(task: Task) -> dict[str, Any]:
    return {
        "task": task.id,
        "title": task.title,
        "state": str(task.state),
        "phase": str(task.phase),
        "employer": task.employer,
        "worker": task.worker,
        "reward_msat": task.reward,
        **in_both(task),
    }


def hearing_now(connection: Connection) -> Now:
    """This moment as the daemon counts it, but for the height, which only the node knows."""
    hearing = house.get_json(connection, "hearing", {"confirmed": None, "deaf": 0})
    return Now(int(time.time()), 0, "", int(hearing["deaf"]), "")


@friendly
def show_command(task: Id, data: Data = None, as_json: Json = False) -> None:
    """Show where a task stands, as its employer sees it."""

    def read(connection: Connection) -> dict[str, Any]:
        held = commit.load(connection, whole_id(connection, task))
        assert held is not None, "it was just found"
        facts = answers.status(held.task, held.task.employer, hearing_now(connection))
        if facts["proof"]:
            facts["proof"] |= {"key": None}  # of sealed work: the employer's alone
        return {name: fact for name, fact in facts.items() if name not in ("role", "may", "height")}

    facts = look(data, read)
    typer.echo(json.dumps(facts, ensure_ascii=False) if as_json else status_card(facts, int(time.time())))


@friendly
def log_command(task: Id, data: Data = None, as_json: Json = False) -> None:
    """List the log entries of a task."""

    def read(connection: Connection) -> dict[str, Any]:
        whole = whole_id(connection, task)
        return {"task": whole, "entries": reads.history(connection, whole)}

    facts = look(data, read)
    if as_json:
        for entry in facts["entries"]:
            typer.echo(json.dumps({"task": facts["task"], **entry}))
    else:
        typer.echo(history_card(facts, int(time.time())))
