"""What came in: verified events as they came, and inputs in the order in which they are processed. Each once, for ever."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, literal_column, select, update

from kinds.events import Event
from kinds.inputs import Now
from storage.schema import heard, inputs
from storage.statements import Statement, insert_new, listed, present, word

_SEALED = Statement(
    select(heard).where(heard.c.opened == literal_column("0")).order_by(heard.c.at).limit(bindparam("most"))
)
_KNOWN = present(heard.c.id, "ids")
_HEARD = Statement(select(heard.c.raw).where(heard.c.id == bindparam("which")))
_OPENED = Statement(update(heard).where(heard.c.id == bindparam("which")), "opened")
_WAITING = Statement(select(inputs).where(inputs.c.state == word("new")).order_by(inputs.c.n).limit(bindparam("most")))
_FINISH = Statement(update(inputs).where(inputs.c.n == bindparam("which")), "state", "result")
_FINISH_OF = Statement(update(inputs).where(inputs.c.n == bindparam("which")), "state", "result", "task")
_STUCK = Statement(select(inputs.c.task).where(inputs.c.state == word("stuck")))
_REVIVED = Statement(update(inputs).where(inputs.c.state == word("stuck")), "state", "result")
_RESULT = Statement(select(inputs.c.state, inputs.c.result).where(inputs.c.key == bindparam("which")))


@dataclass(frozen=True, slots=True)
class NewInput:
    """An input before it is stored. `key` is unique for ever."""

    key: str
    sort: str  # event, dm, or one of codec.FACTS
    body: str
    task: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A stored input."""

    n: int
    key: str
    sort: str
    task: str | None
    body: str
    now: Now
    policy: str


def hear(tx: Connection, events: Iterable[tuple[Event, str, bool]], now: Now) -> list[Event]:
    """Keeps verified events (event, relay, sealed); returns those that are new. `sealed` ones wait to be opened."""
    found = list(events)
    known = {row.id for row in _KNOWN.rows(tx, {"ids": listed(event.id for event, _, _ in found)})}
    fresh = []
    for event, relay, sealed in found:
        if event.id in known:
            continue
        known.add(event.id)
        row = {
            "id": event.id,
            "kind": event.kind,
            "pubkey": event.pubkey,
            "created_at": event.created_at,
            "relay": relay,
            "at": now.time,
            "deaf": now.deaf,
            "height": now.height,
            "block": now.block_hash,
            "raw": event.as_json(),
            "opened": 0 if sealed else 1,
        }
        insert_new(heard, tuple(row)).run(tx, row)
        fresh.append(event)
    return fresh


@dataclass(frozen=True, slots=True)
class Sealed:
    """A letter that nobody has opened yet, and the moment at which it was heard (`heard.entropy` is empty)."""

    event: Event
    relay: str
    heard: Now


def sealed_waiting(tx: Connection, limit: int) -> list[Sealed]:
    """Letters that nobody has opened yet, the oldest first."""
    rows = _SEALED.rows(tx, {"most": limit})
    return [
        Sealed(Event.parse(json.loads(row.raw)), row.relay, Now(row.at, row.height, row.block, row.deaf, ""))
        for row in rows
    ]


def heard_event(tx: Connection, event_id: str) -> Event | None:
    """An event as it was heard, or None."""
    raw = _HEARD.scalar(tx, {"which": event_id})
    return Event.parse(json.loads(raw)) if raw else None


def mark_opened(tx: Connection, ids: Iterable[str], readable: bool) -> None:
    rows = [{"which": event_id, "opened": 1 if readable else 2} for event_id in ids]
    if rows:
        _OPENED.many(tx, rows)


def known_events(tx: Connection, kinds: Sequence[int], since: int) -> list[tuple[int, str]]:
    """(created_at, id) of what was heard, for set reconciliation (NIP-77)."""
    found = select(heard.c.created_at, heard.c.id).where(heard.c.kind.in_(list(kinds)), heard.c.created_at >= since)
    return [(row.created_at, row.id) for row in tx.execute(found)]


def add(tx: Connection, new: NewInput, now: Now, policy: str) -> bool:
    """Stores an input; False when its key is known already."""
    row = {
        "key": new.key,
        "sort": new.sort,
        "task": new.task,
        "by": new.by,
        "body": new.body,
        "time": now.time,
        "height": now.height,
        "block": now.block_hash,
        "deaf": now.deaf,
        "entropy": now.entropy,
        "policy": policy,
    }
    return bool(insert_new(inputs, tuple(row), "key").run(tx, row))


def waiting(tx: Connection, limit: int) -> list[Row]:
    """The oldest inputs that have not been processed."""
    rows = _WAITING.rows(tx, {"most": limit})
    return [
        Row(
            row.n, row.key, row.sort, row.task, row.body,
            Now(row.time, row.height, row.block, row.deaf, row.entropy), row.policy,
        )
        for row in rows
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Past:
    """An input as an audit sees it: what became of it. `body` is as it came, and may hold what is private."""

    n: int
    at: int
    height: int
    sort: str
    by: str | None
    task: str | None
    state: str
    result: str
    body: str


def past(tx: Connection, limit: int | None, since: int = 0, until: int = 1 << 40) -> list[Past]:
    """The last inputs from `since` to before `until` (unix seconds), the oldest first; None: all."""
    found = select(inputs).where(inputs.c.time >= since, inputs.c.time < until).order_by(inputs.c.n.desc()).limit(limit)
    rows = tx.execute(found).all()
    return [
        Past(row.n, row.time, row.height, row.sort, row.by, row.task, row.state, row.result, row.body)
        for row in reversed(rows)
    ]


def finish(tx: Connection, n: int, state: str, result: str = "", task: str | None = None) -> None:
    (_FINISH_OF if task else _FINISH).run(tx, {"which": n, "state": state, "result": result, "task": task})


def result_of(tx: Connection, key: str) -> tuple[str, str] | None:
    """(state, result) of an input, or None when it never came."""
    row = _RESULT.first(tx, {"which": key})
    return (row.state, row.result) if row else None


def revive_stuck(tx: Connection) -> list[str]:
    """At start: inputs that an earlier version stumbled over get another try, in their order. Returns their tasks."""
    tasks = [row.task for row in _STUCK.rows(tx) if row.task]
    _REVIVED.run(tx, {"state": "new", "result": ""})
    return tasks


def count_new(tx: Connection) -> int:
    return int(tx.execute(select(func.count()).where(inputs.c.state == "new")).scalar_one())
