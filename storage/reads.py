"""Reads: which task is meant, what a decision rests on, what is due, what is watched, lists for answers and the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from handlers.task import Task
from kinds.inputs import Basis
from kinds.lightning import HoldRef
from kinds.states import LogType
from kinds.units import PaymentHash, TaskId
from storage.codec import read_task
from storage.commit import WATCHED
from storage.schema import effects, events, fundings, letters, log, people, tasks


def find_task(tx: Connection, letters_: str, asker: str | None) -> list[TaskId]:
    """The tasks that these letters can mean: a whole id, or a prefix among the asker's own tasks."""
    if len(letters_) == 13:
        return [TaskId(row.id) for row in tx.execute(select(tasks.c.id).where(tasks.c.id == letters_))]
    mine = and_(tasks.c.id.startswith(letters_), or_(tasks.c.employer == asker, tasks.c.worker == asker))
    return [TaskId(row.id) for row in tx.execute(select(tasks.c.id).where(mine).limit(5))]


def task_by_pinned(tx: Connection, event_id: str) -> TaskId | None:
    """The task that this event made; a posted task is also named by its first log entry."""
    found = tx.execute(select(tasks.c.id).where(or_(tasks.c.pinned == event_id, tasks.c.root == event_id))).scalar()
    return TaskId(found) if found else None


def task_by_address(tx: Connection, address: str) -> TaskId | None:
    found = tx.execute(select(tasks.c.id).where(tasks.c.address == address)).scalar()
    return TaskId(found) if found else None


def basis(tx: Connection, task: str, entry: str) -> Basis | None:
    """The entry of this task's log that an event id names."""
    row = tx.execute(select(log.c.type, log.c.seq).where(log.c.id == entry, log.c.task == task)).first()
    return Basis(LogType(row.type), row.seq) if row else None


def entry_id(tx: Connection, task: str, seq: int) -> str | None:
    return tx.execute(select(log.c.id).where(log.c.task == task, log.c.seq == seq)).scalar()


def due_tasks(tx: Connection, heard: int, time: int, height: int, limit: int) -> list[tuple[TaskId, int]]:
    """(task, version) of those for which a time or a height has come."""
    over = or_(tasks.c.due_heard <= heard, tasks.c.due_time <= time, tasks.c.due_height <= height)
    return [(TaskId(r.id), r.version) for r in tx.execute(select(tasks.c.id, tasks.c.version).where(over).limit(limit))]


def next_due(tx: Connection) -> tuple[int | None, int | None, int | None]:
    """The soonest (hearing clock, unix time, height) at which any task needs a tick."""
    row = tx.execute(
        select(func.min(tasks.c.due_heard), func.min(tasks.c.due_time), func.min(tasks.c.due_height))
    ).one()
    return row[0], row[1], row[2]


def watched_holds(tx: Connection, payment_hash: str | None = None) -> list[tuple[HoldRef, str, str]]:
    """(hold, task, digest of the node's last word) of every hold that may still change, or of the one with this hash."""
    watched = fundings.c.state.in_([str(state) for state in WATCHED])
    one = fundings.c.payment_hash == payment_hash if payment_hash else watched
    rows = tx.execute(select(fundings).where(and_(one, fundings.c.payment_hash != "")))
    return [(HoldRef(row.ref, PaymentHash(row.payment_hash)), row.task, row.seen) for row in rows]


def mine(tx: Connection, who: str, limit: int = 50) -> list[Task]:
    rows = tx.execute(
        select(tasks.c.document)
        .where(or_(tasks.c.employer == who, tasks.c.worker == who))
        .order_by(tasks.c.state_at.desc())
        .limit(limit)
    )
    return [read_task(row.document) for row in rows]


def claimable(tx: Connection, limit: int = 20) -> list[Task]:
    rows = tx.execute(
        select(tasks.c.document)
        .where(tasks.c.state == "Funded", tasks.c.phase == "")
        .order_by(tasks.c.state_at.desc())
        .limit(limit)
    )
    return [read_task(row.document) for row in rows]


def all_tasks(tx: Connection) -> Sequence[Any]:
    return tx.execute(select(tasks).order_by(tasks.c.state_at.desc())).all()


def history(tx: Connection, task: str) -> list[dict[str, Any]]:
    rows = tx.execute(select(log).where(log.c.task == task).order_by(log.c.seq))
    return [{"seq": row.seq, "type": row.type, "state": row.state, "time": row.time, "id": row.id} for row in rows]


def published_log(tx: Connection, task: str | None = None) -> list[dict[str, Any]]:
    """The log entries as published (unsigned ones are still on their way), of one task or of all."""
    found = select(events.c.body).join(log, log.c.id == events.c.id).order_by(log.c.task, log.c.seq)
    if task:
        found = found.where(log.c.task == task)
    return [json.loads(row.body) for row in tx.execute(found)]


def person(tx: Connection, who: str) -> Any:
    return tx.execute(select(people).where(people.c.pubkey == who)).first()


def backlog(tx: Connection) -> dict[str, int]:
    """How much is on its way, for metrics and the shutdown."""

    def count(table: Any, where: Any) -> int:
        return int(tx.execute(select(func.count()).select_from(table).where(where)).scalar_one())

    return {
        "events": count(events, events.c.state == "pending"),
        "letters": count(letters, letters.c.state == "pending"),
        "effects": count(effects, effects.c.state != "done"),
    }
