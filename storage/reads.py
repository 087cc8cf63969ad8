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
from kinds.states import LogType, PayoutState
from kinds.units import PaymentHash, TaskId
from storage.codec import read_task
from storage.commit import WATCHED
from storage.schema import (
    effects,
    events,
    fundings,
    incidents,
    letters,
    log,
    payment_hashes,
    payouts,
    people,
    tasks,
    withdrawals,
)
from storage.statements import Statement, word

_BY_ID = Statement(select(tasks.c.id).where(tasks.c.id == bindparam("which")))
_BY_PINNED = Statement(select(tasks.c.id).where(tasks.c.pinned == bindparam("which")))
_BY_FIRST_ENTRY = Statement(
    select(tasks.c.id)
    .join(log, log.c.task == tasks.c.id)
    .where(log.c.id == bindparam("which"), log.c.seq == 1, tasks.c.root == bindparam("which"))
)
_BY_ADDRESS = Statement(select(tasks.c.id).where(tasks.c.address == bindparam("which")))
_BASIS = Statement(
    select(log.c.type, log.c.seq).where(log.c.id == bindparam("entry"), log.c.task == bindparam("which"))
)
_HEAD = Statement(
    select(log.c.type, log.c.seq).where(log.c.task == bindparam("which")).order_by(log.c.seq.desc()).limit(1)
)
_ENTRY = Statement(select(log.c.id).where(log.c.task == bindparam("which"), log.c.seq == bindparam("at")))
_HEARD_OVER = tasks.c.due_heard <= bindparam("heard")
_TIME_OVER = tasks.c.due_time <= bindparam("time")
_HEIGHT_OVER = tasks.c.due_height <= bindparam("height")
_TICK = (
    tasks.c.version.cast(String)
    + case((_HEARD_OVER, "/heard"), else_="")
    + case((_TIME_OVER, "/time"), else_="")
    + case((_HEIGHT_OVER, "/height"), else_="")
    + bindparam("again")
)
_DUE = Statement(
    select(tasks.c.id, _TICK.label("tick"))
    .where(or_(_HEARD_OVER, _TIME_OVER, _HEIGHT_OVER), tasks.c.ticked != _TICK)
    .order_by(func.coalesce(tasks.c.due_heard, tasks.c.due_time, 0))
    .limit(bindparam("most"))
)
_TICKED = Statement(update(tasks).where(tasks.c.id == bindparam("which")), "ticked")
_NEXT_DUE = Statement(
    select(
        *(
            select(func.min(column)).scalar_subquery()
            for column in (tasks.c.due_heard, tasks.c.due_time, tasks.c.due_height)
        )
    )
)
_ASKED = Statement(
    select(fundings.c.asked)
    .where(fundings.c.payer == bindparam("who"), fundings.c.asked > bindparam("since"))
    .order_by(fundings.c.asked)
)
_WATCHED = Statement(
    select(fundings)
    .where(
        fundings.c.state.in_([word(str(state)) for state in WATCHED]),
        fundings.c.payment_hash != "",
        fundings.c.ref > bindparam("after"),
    )
    .order_by(fundings.c.ref)
    .limit(bindparam("most"))
)
_HOLD = Statement(
    select(fundings)
    .join(payment_hashes, payment_hashes.c.task == fundings.c.task)
    .where(payment_hashes.c.hash == bindparam("hash"), fundings.c.payment_hash == bindparam("hash"))
)
_SENDING = (str(PayoutState.CLAIMED), str(PayoutState.IN_FLIGHT))
_UNDER_WAY = Statement(
    select(
        select(func.count()).where(or_(*(payouts.c.state == each for each in _SENDING))).scalar_subquery()
        + select(func.count()).where(or_(*(withdrawals.c.state == each for each in _SENDING))).scalar_subquery()
    )
)
_LOOKED = Statement(
    update(fundings).where(fundings.c.ref == bindparam("which"), fundings.c.looks == bindparam("was")), "seen", "looks"
)
_GIVEN_UP = Statement(
    select(payouts.c.ref, payouts.c.task)
    .join(payment_hashes, payment_hashes.c.task == payouts.c.task)
    .where(payment_hashes.c.hash == bindparam("hash"), payouts.c.payment_hash == bindparam("hash"))
    .where(payouts.c.state.in_((word("failed"), word("abandoned"))))
)
_PERSON = Statement(select(people).where(people.c.pubkey == bindparam("who")))
_HISTORY = Statement(
    select(log.c.seq, log.c.type, log.c.state, log.c.time, log.c.id, events.c.body)
    .outerjoin(events, events.c.id == log.c.id)
    .where(log.c.task == bindparam("which"))
    .order_by(log.c.seq)
)
_MOVES = (
    *("invoice.accepted", "rollover.completed", "ledger.locked", "funding.stray"),
    *("settlement.completed", "refund.completed", "task.expired", "compensation"),
)
_PROOF = "proof.submitted"
_AGAIN = 600  # seconds until a tick that changed nothing is given again


def find_task(tx: Connection, letters_: str, asker: str | None) -> list[TaskId]:
    """The tasks that these letters can mean: a whole id, or a prefix among the asker's own tasks (None: among all)."""
    if len(letters_) == 13:
        return [TaskId(row.id) for row in _BY_ID.rows(tx, {"which": letters_})]
    found = select(tasks.c.id).where(tasks.c.id.startswith(letters_, autoescape=True))
    if asker is not None:
        found = found.where(or_(tasks.c.employer == asker, tasks.c.worker == asker))
    return [TaskId(row.id) for row in tx.execute(found.limit(5))]


def task_by_pinned(tx: Connection, event_id: str) -> TaskId | None:
    """The task that this event made; a posted task is also named by its first log entry."""
    found = _BY_PINNED.scalar(tx, {"which": event_id})
    found = found or _BY_FIRST_ENTRY.scalar(tx, {"which": event_id})
    return TaskId(found) if found else None


def task_by_address(tx: Connection, address: str) -> TaskId | None:
    found = _BY_ADDRESS.scalar(tx, {"which": address})
    return TaskId(found) if found else None


def basis(tx: Connection, task: str, entry: str) -> Basis | None:
    """The entry of this task's log that an event id names."""
    row = _BASIS.first(tx, {"entry": entry, "which": task})
    return Basis(LogType(row.type), row.seq) if row else None


def head(tx: Connection, task: str) -> Basis | None:
    """The newest entry of this task's log."""
    row = _HEAD.first(tx, {"which": task})
    return Basis(LogType(row.type), row.seq) if row else None


def entry_id(tx: Connection, task: str, seq: int) -> str | None:
    return _ENTRY.scalar(tx, {"which": task, "at": seq})


@dataclass(frozen=True, slots=True)
class DueTask:
    """A task for which a time or a height has come; `tick` names the version and what is over, and is new."""

    id: TaskId
    tick: str


def due_tasks(tx: Connection, heard: int, time: int, height: int, limit: int) -> list[DueTask]:
    """The most overdue first. A tick that changed nothing is given again after a while: what is due later may be over by then."""
    values = {"heard": heard, "time": time, "height": height, "again": f"/{time // _AGAIN}", "most": limit}
    return [DueTask(TaskId(row.id), row.tick) for row in _DUE.rows(tx, values)]


def ticked(tx: Connection, due: DueTask) -> None:
    _TICKED.run(tx, {"which": due.id, "ticked": due.tick})


def next_due(tx: Connection) -> tuple[int | None, int | None, int | None]:
    """The soonest (hearing clock, unix time, height) at which any task needs a tick."""
    [row] = _NEXT_DUE.rows(tx)
    return row[0], row[1], row[2]


def invoices_since(tx: Connection, payer: str, since: int) -> list[int]:
    """When this person asked for his invoices, over all his tasks, the oldest first."""
    return [row.asked for row in _ASKED.rows(tx, {"who": payer, "since": since})]


@dataclass(frozen=True, slots=True)
class Watched:
    hold: HoldRef
    task: str
    seen: str  # digest of the node's last word
    looks: int


def watched_holds(tx: Connection, after: str, most: int) -> list[Watched]:
    """Holds that may still change, a page of them: those behind that ref."""
    return [_watched(row) for row in _WATCHED.rows(tx, {"after": after, "most": most})]


def holds_of(tx: Connection, payment_hash: str) -> list[Watched]:
    """The hold with this hash, if it is one of ours."""
    return [_watched(row) for row in _HOLD.rows(tx, {"hash": payment_hash})]


def _watched(row: Any) -> Watched:
    return Watched(HoldRef(row.ref, PaymentHash(row.payment_hash)), row.task, row.seen, row.looks)


def payouts_under_way(tx: Connection) -> int:
    """How many payouts and withdrawals the node may be sending: their leave to go was committed, and nobody knows of their end."""
    return int(_UNDER_WAY.scalar(tx) or 0)


def looked(tx: Connection, watched: Watched, seen: str) -> bool:
    """Remembers the node's last word on a hold, and that it changed; False when somebody else has done so meanwhile."""
    values = {"which": watched.hold.ref, "was": watched.looks, "seen": seen, "looks": watched.looks + 1}
    return bool(_LOOKED.run(tx, values))


def given_up_payout(tx: Connection, payment_hash: str) -> tuple[str, TaskId] | None:
    """(ref, task) of a payout that was given up, should its payment arrive all the same."""
    row = _GIVEN_UP.first(tx, {"hash": payment_hash})
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
        select(tasks.c.document).where(tasks.c.open == word("1")).order_by(tasks.c.state_at.desc()).limit(limit)
    )
    return [read_task(row.document) for row in rows]


def holding(tx: Connection) -> list[Task]:
    """The tasks for which a payment is held."""
    held = select(fundings.c.task).where(fundings.c.state == word("accepted"))
    return [read_task(row.document) for row in tx.execute(select(tasks.c.document).where(tasks.c.id.in_(held)))]


def newest_incidents(tx: Connection, limit: int) -> dict[str, Any]:
    """How many there are, and the last of them, the oldest first."""
    rows = tx.execute(select(incidents).order_by(incidents.c.n.desc()).limit(limit)).all()
    found = [
        {"at": row.at, "code": row.code, "task": row.task, "facts": json.loads(row.facts)} for row in reversed(rows)
    ]
    return {"count": tx.execute(select(func.count()).select_from(incidents)).scalar_one(), "incidents": found}


def all_tasks(tx: Connection) -> Sequence[Any]:
    return tx.execute(select(tasks).order_by(tasks.c.state_at.desc())).all()


def history(tx: Connection, task: str) -> list[dict[str, Any]]:
    """All entries of its log; `amount_msat` where money was locked, used, or given, `hours` where some were delivered."""
    return [
        {
            "seq": row.seq, "type": row.type, "state": row.state, "time": row.time, "id": row.id,
            "amount_msat": _moved(row.body) if row.type in _MOVES else None,
            **(_hours(row.body) if row.type == _PROOF else {}),
        }
        for row in _HISTORY.rows(tx, {"which": task})
    ]  # fmt: skip


def _moved(body: str | None) -> int | None:
    facts = _facts(body)
    amount: int | None = facts.get("hold_msat", facts.get("amount_msat"))
    return amount or None


def _hours(body: str | None) -> dict[str, int]:
    hours = _facts(body).get("hours")
    return {"hours": hours} if hours else {}


def _facts(body: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(json.loads(body)["content"])["facts"] if body else {}
    return facts


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
    return _PERSON.first(tx, {"who": who})


def backlog(tx: Connection) -> dict[str, int]:
    """How much is on its way, for metrics and the shutdown."""

    def count(table: Any, where: Any) -> int:
        return int(tx.execute(select(func.count()).select_from(table).where(where)).scalar_one())

    return {
        "events": count(events, events.c.state == "pending"),
        "letters": count(letters, letters.c.state == "pending"),
        "effects": count(effects, effects.c.state != "done"),
    }
