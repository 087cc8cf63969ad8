"""What the database knows of its own past, and what it is told of it: the seal that keeps the daemon read-only, the newest entries,
and the entries that another memory of the same daemon has made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, literal_column, select

from kinds.events import canonical_json
from kinds.record import Entry
from kinds.units import EventId
from storage import house
from storage.schema import chain, events, incidents, log, policies, tasks
from storage.statements import Statement, insert_new, listed, present, word

_SEAL, _HEEDED, _RECOVERED = "readonly", "foreign", "recovered_at"
_LOGGED, _CHAINED = (present(table.c.id, "ids") for table in (log, chain))
_NEWEST = tuple(
    Statement(select(table.c.time).order_by(literal_column(f"{table.name}.rowid").desc()).limit(bindparam("most")))
    for table in (log, chain)
)
_LAST = Statement(
    select(log.c.task, log.c.time)
    .join(tasks, (tasks.c.id == log.c.task) & (tasks.c.seq == log.c.seq))
    .where(tasks.c.state.not_in((word("Paid"), word("Refunded"), word("Expired"))))
)
_LOG = Statement(insert(log), "task", "seq", "id", "type", "state", "time", "deaf", "height", "block")
_CHAIN = Statement(insert(chain), "seq", "id", "type", "time", "facts")
_NEWEST_POLICY = Statement(select(policies.c.id).order_by(policies.c.at.desc()).limit(bindparam("most")))


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing of the world that this memory cannot explain. `task` is "" for the daemon's own chain."""

    what: str  # a code
    task: str
    detail: str


@dataclass(frozen=True, slots=True)
class Seal:
    """Why the daemon is read-only, and since when (unix seconds)."""

    at: int
    why: str  # "older" or "second"
    missing: tuple[Missing, ...]


def seal(tx: Connection) -> Seal | None:
    """It holds across restarts, until `recover` takes it off."""
    found = house.get_json(tx, _SEAL, None)
    if not found:
        return None
    return Seal(found["at"], found["why"], tuple(Missing(**each) for each in found["missing"]))


def put_seal(tx: Connection, at: int, why: str, missing: Sequence[Missing]) -> Seal:
    """Seals the daemon, and puts it on record. Sealed already, it stays so since then, for what is known now."""
    before = seal(tx)
    new = Seal(before.at if before else at, why, tuple(missing) or (before.missing if before else ()))
    house.put_json(tx, _SEAL, asdict(new))
    code, facts = f"memory_{why}", canonical_json({"since": new.at})
    row = {"at": at, "code": code, "task": None, "facts": facts}
    if not tx.execute(select(incidents.c.n).where(incidents.c.code == code, incidents.c.facts == facts)).first():
        tx.execute(insert(incidents).values(**row))
    return new


def lift_seal(tx: Connection, recovered_at: int) -> None:
    house.put_json(tx, _SEAL, None)
    house.put(tx, _RECOVERED, str(max(recovered_at, said_before(tx))))


def said_before(tx: Connection) -> int:
    """What people said until then may have been carried out by the memory that was lost: it is not done a second time. 0: never."""
    return int(house.get(tx, _RECOVERED) or 0)


def unknown(tx: Connection, ids: Iterable[EventId]) -> list[EventId]:
    """Those of these that are no entries which this database has made or heeded."""
    asked = list(ids)
    bound = {"ids": listed(asked)}
    known = {row.id for row in (*_LOGGED.rows(tx, bound), *_CHAINED.rows(tx, bound))}
    known |= set(house.get_json(tx, _HEEDED, []))
    return [each for each in asked if each not in known]


def heed(tx: Connection, ids: Iterable[str]) -> None:
    """Entries of a fork, which stand beside ours for ever: they are known from now on."""
    house.put_json(tx, _HEEDED, sorted({*house.get_json(tx, _HEEDED, []), *ids}))


def newest(tx: Connection) -> int:
    """The time of the entry that we have written last; 0 without any."""
    return max(int(newest.scalar(tx, {"most": 1}) or 0) for newest in _NEWEST)


def open_tasks(tx: Connection) -> list[tuple[str, int]]:
    """(task, time of its newest entry) of all that are not over."""
    return [(row.task, row.time) for row in _LAST.rows(tx)]


def heads(tx: Connection) -> dict[str, tuple[int, str]]:
    """task -> (seq, id) of its newest entry; "" is the daemon's own chain."""
    found = {row.id: (row.seq, row.head) for row in tx.execute(select(tasks.c.id, tasks.c.seq, tasks.c.head))}
    last = tx.execute(select(chain.c.seq, chain.c.id).order_by(chain.c.seq.desc()).limit(1)).first()
    return found | ({"": (last.seq, last.id)} if last else {})


def add_entry(tx: Connection, entry: Entry) -> None:
    """An entry of ours, signed and public, comes home: it is not sent again, unless a relay lacks it."""
    if entry.task:
        row: Mapping[str, Any] = {
            "task": entry.task, "seq": entry.seq, "id": entry.id, "type": entry.type, "state": entry.state,
            "time": entry.time, "deaf": entry.deaf, "height": entry.height, "block": entry.block,
        }  # fmt: skip
        _LOG.run(tx, dict(row))
    else:
        facts = canonical_json(dict(entry.facts))
        _CHAIN.run(tx, {"seq": entry.seq, "id": entry.id, "type": entry.type, "time": entry.time, "facts": facts})
    keep = ("id", "kind", "address", "created_at", "body", "signed", "state")
    insert_new(events, keep, "id").run(
        tx,
        {
            "id": entry.id, "kind": entry.event.kind, "address": "", "created_at": entry.event.created_at,
            "body": entry.event.as_json(), "signed": 1, "state": "done",
        },
    )  # fmt: skip


def last_resumed(tx: Connection) -> tuple[int, int | None]:
    """(deaf seconds of all outages that are over, the beginning of the one that is not) by the daemon's own chain."""
    deaf, since = 0, None
    found = select(chain.c.type, chain.c.facts).where(chain.c.type.in_(("clock.resumed", "clock.paused")))
    for row in tx.execute(found.order_by(chain.c.seq)):
        facts = json.loads(row.facts)
        deaf, since = (int(facts["deaf"]), None) if row.type == "clock.resumed" else (deaf, int(facts["since"]))
    return deaf, since


def newest_policy(tx: Connection) -> str:
    """The rules of the last start, or "" before the first one."""
    return str(_NEWEST_POLICY.scalar(tx, {"most": 1}) or "")
