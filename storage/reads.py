"""Reads: which task is meant, what a decision rests on, what is due, what is watched, lists for answers and the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, String, and_, bindparam, case, func, or_, select, update

from handlers.task import Task
from kinds.events import RECORD, TASK
from kinds.inputs import Basis
from kinds.lightning import HoldRef
from kinds.states import LogType
from kinds.units import PaymentHash, TaskId
from storage.codec import read_task
from storage.commit import WATCHED
from storage.schema import effects, events, fundings, letters, log, payment_hashes, payouts, people, tasks
from storage.statements import word

_BY_ID = select(tasks.c.id).where(tasks.c.id == bindparam("which"))
_BY_PINNED = select(tasks.c.id).where(tasks.c.pinned == bindparam("which"))
_BY_FIRST_ENTRY = (
    select(tasks.c.id)
    .join(log, log.c.task == tasks.c.id)
    .where(log.c.id == bindparam("which"), log.c.seq == 1, tasks.c.root == bindparam("which"))
)
_BY_ADDRESS = select(tasks.c.id).where(tasks.c.address == bindparam("which"))
_BASIS = select(log.c.type, log.c.seq).where(log.c.id == bindparam("entry"), log.c.task == bindparam("which"))
_ENTRY = select(log.c.id).where(log.c.task == bindparam("which"), log.c.seq == bindparam("at"))
_TICKED = update(tasks).where(tasks.c.id == bindparam("which"))
_NEXT_DUE = select(
    *(
        select(func.min(column)).scalar_subquery()
        for column in (tasks.c.due_heard, tasks.c.due_time, tasks.c.due_height)
    )
)
_WATCHED = select(fundings).where(
    fundings.c.state.in_([word(str(state)) for state in WATCHED]), fundings.c.payment_hash != ""
)
_HOLD = (
    select(fundings)
    .join(payment_hashes, payment_hashes.c.task == fundings.c.task)
    .where(payment_hashes.c.hash == bindparam("hash"), fundings.c.payment_hash == bindparam("hash"))
)
_GIVEN_UP = (
    select(payouts.c.ref, payouts.c.task)
    .join(payment_hashes, payment_hashes.c.task == payouts.c.task)
    .where(payment_hashes.c.hash == bindparam("hash"), payouts.c.payment_hash == bindparam("hash"))
    .where(payouts.c.state.in_(("failed", "abandoned")))
)
_PERSON = select(people).where(people.c.pubkey == bindparam("who"))
_HISTORY = select(log).where(log.c.task == bindparam("which")).order_by(log.c.seq)
_AGAIN = 600  # seconds until a tick that changed nothing is given again


def find_task(tx: Connection, letters_: str, asker: str | None) -> list[TaskId]:
    """The tasks that these letters can mean: a whole id, or a prefix among the asker's own tasks."""
    if len(letters_) == 13:
        return [TaskId(row.id) for row in tx.execute(_BY_ID, {"which": letters_})]
    mine = and_(
        tasks.c.id.startswith(letters_, autoescape=True), or_(tasks.c.employer == asker, tasks.c.worker == asker)
    )
    return [TaskId(row.id) for row in tx.execute(select(tasks.c.id).where(mine).limit(5))]


def task_by_pinned(tx: Connection, event_id: str) -> TaskId | None:
    """The task that this event made; a posted task is also named by its first log entry."""
    found = tx.execute(_BY_PINNED, {"which": event_id}).scalar()
    found = found or tx.execute(_BY_FIRST_ENTRY, {"which": event_id}).scalar()
    return TaskId(found) if found else None


def task_by_address(tx: Connection, address: str) -> TaskId | None:
    found = tx.execute(_BY_ADDRESS, {"which": address}).scalar()
    return TaskId(found) if found else None


def basis(tx: Connection, task: str, entry: str) -> Basis | None:
    """The entry of this task's log that an event id names."""
    row = tx.execute(_BASIS, {"entry": entry, "which": task}).first()
    return Basis(LogType(row.type), row.seq) if row else None


def head(tx: Connection, task: str) -> Basis | None:
    """The newest entry of this task's log."""
    newest = select(log.c.type, log.c.seq).where(log.c.task == task).order_by(log.c.seq.desc()).limit(1)
    row = tx.execute(newest).first()
    return Basis(LogType(row.type), row.seq) if row else None


def entry_id(tx: Connection, task: str, seq: int) -> str | None:
    return tx.execute(_ENTRY, {"which": task, "at": seq}).scalar()


@dataclass(frozen=True, slots=True)
class DueTask:
    """A task for which a time or a height has come; `tick` names the version and what is over, and is new."""

    id: TaskId
    tick: str


def due_tasks(tx: Connection, heard: int, time: int, height: int, limit: int) -> list[DueTask]:
    """The most overdue first. A tick that changed nothing is given again after a while: what is due later may be over by then."""
    over = or_(tasks.c.due_heard <= heard, tasks.c.due_time <= time, tasks.c.due_height <= height)
    name = (
        tasks.c.version.cast(String)
        + case((tasks.c.due_heard <= heard, "/heard"), else_="")
        + case((tasks.c.due_time <= time, "/time"), else_="")
        + case((tasks.c.due_height <= height, "/height"), else_="")
        + f"/{time // _AGAIN}"
    )
    found = select(tasks.c.id, name.label("tick")).where(over, tasks.c.ticked != name)
    soonest = found.order_by(func.coalesce(tasks.c.due_heard, tasks.c.due_time, 0)).limit(limit)
    return [DueTask(TaskId(row.id), row.tick) for row in tx.execute(soonest)]


def ticked(tx: Connection, due: DueTask) -> None:
    tx.execute(_TICKED, {"which": due.id, "ticked": due.tick})


def next_due(tx: Connection) -> tuple[int | None, int | None, int | None]:
    """The soonest (hearing clock, unix time, height) at which any task needs a tick."""
    row = tx.execute(_NEXT_DUE).one()
    return row[0], row[1], row[2]


def invoices_since(tx: Connection, payer: str, since: int) -> list[int]:
    """When this person asked for his invoices, over all his tasks, the oldest first."""
    found = select(fundings.c.asked).where(fundings.c.payer == payer, fundings.c.asked > since)
    return [row.asked for row in tx.execute(found.order_by(fundings.c.asked))]


@dataclass(frozen=True, slots=True)
class Watched:
    hold: HoldRef
    task: str
    seen: str  # digest of the node's last word
    looks: int


def watched_holds(tx: Connection, payment_hash: str | None = None) -> list[Watched]:
    """Every hold that may still change, or the one with this hash."""
    rows = tx.execute(_HOLD, {"hash": payment_hash}) if payment_hash else tx.execute(_WATCHED)
    return [Watched(HoldRef(row.ref, PaymentHash(row.payment_hash)), row.task, row.seen, row.looks) for row in rows]


def given_up_payout(tx: Connection, payment_hash: str) -> tuple[str, TaskId] | None:
    """(ref, task) of a payout that was given up, should its payment arrive all the same."""
    row = tx.execute(_GIVEN_UP, {"hash": payment_hash}).first()
    return (row.ref, TaskId(row.task)) if row else None


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
        .where(tasks.c.state == word("Funded"), tasks.c.phase == "")
        .order_by(tasks.c.state_at.desc())
        .limit(limit)
    )
    return [read_task(row.document) for row in rows]


def all_tasks(tx: Connection) -> Sequence[Any]:
    return tx.execute(select(tasks).order_by(tasks.c.state_at.desc())).all()


def history(tx: Connection, task: str) -> list[dict[str, Any]]:
    rows = tx.execute(_HISTORY, {"which": task})
    return [{"seq": row.seq, "type": row.type, "state": row.state, "time": row.time, "id": row.id} for row in rows]


def published(tx: Connection, task: str | None = None) -> list[dict[str, Any]]:
    """What a verifier needs, as signed (what is unsigned is still on its way): the logs and states of one task or of all, the
    daemon's own chain and its terms."""
    found = (
        select(events.c.body)
        .outerjoin(log, log.c.id == events.c.id)
        .where(events.c.signed == 1, events.c.state != "superseded", events.c.kind.in_((RECORD, TASK)))
        .order_by(events.c.n)
    )
    if task:
        of_none = and_(log.c.task.is_(None), events.c.address.not_like("state:%"))
        found = found.where(or_(log.c.task == task, events.c.address == f"state:{task}", of_none))
    return [json.loads(row.body) for row in tx.execute(found)]


def person(tx: Connection, who: str) -> Any:
    return tx.execute(_PERSON, {"who": who}).first()


def backlog(tx: Connection) -> dict[str, int]:
    """How much is on its way, for metrics and the shutdown."""

    def count(table: Any, where: Any) -> int:
        return int(tx.execute(select(func.count()).select_from(table).where(where)).scalar_one())

    return {
        "events": count(events, events.c.state == "pending"),
        "letters": count(letters, letters.c.state == "pending"),
        "effects": count(effects, effects.c.state != "done"),
    }
