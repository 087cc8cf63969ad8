"""What goes out: events to publish, letters to people, effects on node and web. At least once, each with an identity of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from handlers.decision import Effect
from kinds.events import Unsigned, plain_json
from kinds.units import EventId, Pubkey
from storage.codec import body_of, read_effect, sort_of
from storage.schema import effects, events, letters, payment_hashes, payouts
from storage.statements import Statement, among, listed, word

_SUPERSEDE = Statement(
    update(events)
    .where(events.c.address == bindparam("which"), events.c.address != literal_column("''"))
    .where(events.c.state != word("superseded"))
    .values(state="superseded")
)
_EVENT = Statement(insert(events), "id", "kind", "address", "created_at", "body")
_PARCELS = Statement(
    select(events)
    .where(events.c.state == word("pending"), events.c.next_at <= bindparam("now"))
    .where(events.c.n.not_in(among("skip")))
    .order_by(events.c.tries, events.c.n)  # what is new before what is tried again
    .limit(bindparam("most"))
)
_PAGE = (
    select(events.c.n, events.c.id)
    .where(events.c.n > bindparam("after"), events.c.state == word("done"))
    .where(
        or_(events.c.kind < literal_column("20000"), events.c.kind >= literal_column("30000"))
    )  # the rest is ephemeral
    .order_by(events.c.n)
    .limit(bindparam("most"))
    .subquery()
)
_FINISHED = (
    Statement(  # one row and not hundreds: everything that was ever published is asked for, every quarter of an hour
        select(func.max(_PAGE.c.n).label("last"), func.group_concat(_PAGE.c.id, literal_column("' '")).label("ids"))
    )
)
_SIGNED = Statement(update(events).where(events.c.n == bindparam("row"), events.c.signed == 0), "body", "signed")
_ACKED = Statement(
    update(events).where(events.c.n == bindparam("row"), events.c.state == bindparam("was")),
    "acked",
    "state",
    "tries",
    "next_at",
)
_HURRIED = Statement(
    update(events)
    .where(events.c.state == word("pending"), events.c.next_at > bindparam("now"))
    .where(func.instr(events.c.acked, bindparam("line")) == 0),
    "next_at",
)
_HELD = Statement(
    select(events.c.n, events.c.acked).where(events.c.id.in_(among("ids")), events.c.state == word("done"))
)
_AGAIN = Statement(update(events).where(events.c.n == bindparam("row")), "acked", "state", "tries", "next_at")
_LETTER = Statement(
    insert(letters), "source", "task", "to", "channel", "relay", "created_at", "reply_to", "text", "ref"
)
_OLDEST = (
    select(func.min(letters.c.n))
    .where(letters.c.state == word("pending"), letters.c.to.not_in(among("skip")))
    .group_by(letters.c.to)
)
_LETTERS = Statement(
    select(letters)
    .where(letters.c.n.in_(_OLDEST), letters.c.next_at <= bindparam("now"))
    .order_by(letters.c.n)
    .limit(bindparam("most"))
)
_SENT = Statement(update(letters).where(letters.c.n == bindparam("row")), "state", "tries", "next_at")
_ORDER = Statement(insert(effects), "task", "sort", "ref", "body")
_STARTED = Statement(update(effects).where(effects.c.n == bindparam("row")), "state", "started_at")
_LATER = Statement(update(effects).where(effects.c.n == bindparam("row")), "tries", "next_at")
_DONE = Statement(update(effects).where(effects.c.n == bindparam("row")), "state")
_HINTED = Statement(select(payment_hashes.c.ref).where(payment_hashes.c.hash == bindparam("hash")))
_PAID_BY = Statement(
    select(payouts.c.ref)
    .join(payment_hashes, payment_hashes.c.task == payouts.c.task)
    .where(payment_hashes.c.hash == bindparam("hash"), payouts.c.payment_hash == bindparam("hash"))
)
_LOOK_AGAIN = Statement(
    update(effects).where(effects.c.ref.in_(among("refs")), effects.c.state != word("done")), "next_at"
)
_EVER = 2**62  # later than any time


def _unfinished(table: Table, sorts: tuple[str, ...]) -> ColumnElement[bool]:
    """Of effects, only those of these sorts."""
    if table is effects:
        return (effects.c.state != word("done")) & effects.c.sort.in_(map(word, sorts))
    return table.c.state == word("pending")


@cache
def _open(sorts: tuple[str, ...]) -> Statement:
    unfinished = _unfinished(effects, sorts)
    return Statement(select(effects).where(unfinished, effects.c.next_at <= bindparam("now")).order_by(effects.c.n))


@cache
def _soonest(table: Table, sorts: tuple[str, ...] = ()) -> Statement:
    unfinished = _unfinished(table, sorts)
    return Statement(select(func.min(table.c.next_at)).where(unfinished, table.c.next_at > bindparam("after")))


@dataclass(frozen=True, slots=True)
class Parcel:
    """An event on its way: unsigned until `signed`, then the bytes that every relay gets."""

    n: int
    id: str
    kind: int
    body: str
    signed: bool
    acked: frozenset[str]
    tries: int

    def unsigned(self) -> Unsigned:
        raw = json.loads(self.body)
        return Unsigned(
            Pubkey(raw["pubkey"]), raw["created_at"], raw["kind"], tuple(tuple(t) for t in raw["tags"]), raw["content"]
        )


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way to one person."""

    n: int
    to: Pubkey
    channel: str
    relay: str
    created_at: int
    reply_to: str
    text: str
    ref: str
    task: str | None
    tries: int


@dataclass(frozen=True, slots=True)
class Order:
    """An effect on its way: the row is the intent; `started_at` says since when a call may have reached the node."""

    n: int
    task: str
    effect: Effect
    started_at: int
    tries: int
    next_at: int


def publish(tx: Connection, event: Unsigned, address: str = "") -> EventId:
    """Queues an event; its id. Of an addressable one only the newest version is still worth sending."""
    if address:
        _SUPERSEDE.run(tx, {"which": address})
    said = event.as_dict()
    _EVENT.run(
        tx,
        {
            "id": said["id"],
            "kind": event.kind,
            "address": address,
            "created_at": event.created_at,
            "body": plain_json(said),
        },
    )
    return EventId(said["id"])


def parcels(tx: Connection, now: int, limit: int, skip: Iterable[int] = ()) -> list[Parcel]:
    """Pending events that may be tried now, new ones first."""
    return [_parcel(row) for row in _PARCELS.rows(tx, {"now": now, "most": limit, "skip": listed(skip)})]


def _parcel(row: Any) -> Parcel:
    acked = frozenset(row.acked.split("\n")) - {""}
    return Parcel(row.n, row.id, row.kind, row.body, bool(row.signed), acked, row.tries)


def store_signed(tx: Connection, signed: Sequence[tuple[int, str]]) -> None:
    """Keeps the signed bytes (n, JSON), before they are sent."""
    _SIGNED.many(tx, [{"row": n, "body": body, "signed": 1} for n, body in signed])


def record_acks(tx: Connection, parcel_n: int, acked: Iterable[str], done: bool, tries: int, next_at: int) -> None:
    values = {
        "acked": "".join(f"{url}\n" for url in sorted(acked)),
        "state": "done" if done else "pending",
        "tries": tries,
        "next_at": next_at,
    }
    _ACKED.run(tx, values | {"row": parcel_n, "was": "pending"})


def hurry(tx: Connection, relay: str, now: int) -> int:
    """A relay is back: what is pending and not there yet is due at once, however long it was to wait. How many that are."""
    return _HURRIED.run(tx, {"now": now, "line": f"{relay}\n", "next_at": 0})


def lost_by(tx: Connection, relay: str, ids: Sequence[str]) -> int:
    """A relay does not have these: they are sent to it from our copy, after what is new."""
    found = _HELD.rows(tx, {"ids": listed(ids)})
    without = [(row.n, "".join(f"{url}\n" for url in row.acked.split("\n") if url and url != relay)) for row in found]
    _AGAIN.many(tx, [{"row": n, "acked": acked, "state": "pending", "tries": 1, "next_at": 0} for n, acked in without])
    return len(found)


def finished(tx: Connection, after: int, limit: int) -> tuple[int, list[str]]:
    """The ids of what every relay ought to have, a page of them, and the last one's n; (0, []) when there is no more."""
    page: Any = _FINISHED.first(tx, {"after": after, "most": limit})
    return (page.last, page.ids.split(" ")) if page.last else (0, [])


def write_letter(
    tx: Connection,
    *,
    source: str,
    task: str | None,
    to: Pubkey,
    channel: str,
    relay: str,
    created_at: int,
    reply_to: str,
    text: str,
    ref: str = "",
) -> None:
    row = {
        "source": source, "task": task, "to": to, "channel": channel, "relay": relay, "created_at": created_at,
        "reply_to": reply_to, "text": text, "ref": ref,
    }  # fmt: skip
    _LETTER.run(tx, row)


def pending_letters(tx: Connection, now: int, limit: int, skip: Iterable[str] = ()) -> list[Letter]:
    """The oldest pending letter of each person, if it may be tried now; nobody's letters stand in another's way."""
    found = _LETTERS.rows(tx, {"skip": listed(skip), "now": now, "most": limit})
    return [
        Letter(
            row.n,
            Pubkey(row.to),
            row.channel,
            row.relay,
            row.created_at,
            row.reply_to,
            row.text,
            row.ref,
            row.task,
            row.tries,
        )
        for row in found
    ]


def letter_sent(tx: Connection, n: int, done: bool, tries: int, next_at: int) -> None:
    _SENT.run(tx, {"row": n, "state": "done" if done else "pending", "tries": tries, "next_at": next_at})


def answer_again(tx: Connection, source: str, to: str, at: int) -> int:
    """The same message came twice: the same answer goes out again, not before `at`."""
    where = (letters.c.source == source) & (letters.c.to == to) & (letters.c.state == "done")
    return int(tx.execute(update(letters).where(where).values(state="pending", tries=0, next_at=at)).rowcount)


def order(tx: Connection, task: str, effect: Effect) -> None:
    _ORDER.run(tx, {"task": task, "sort": sort_of(effect), "ref": effect.ref, "body": body_of(effect)})


def open_orders(tx: Connection, sorts: tuple[str, ...], now: int | None = None) -> list[Order]:
    """All effects of these sorts that are not done, oldest first; with `now`, only those whose time has come."""
    found = _open(sorts).rows(tx, {"now": _EVER if now is None else now})
    return [
        Order(row.n, row.task, read_effect(row.sort, row.body), row.started_at, row.tries, row.next_at) for row in found
    ]


def order_started(tx: Connection, n: int, at: int) -> None:
    _STARTED.run(tx, {"row": n, "state": "started", "started_at": at})


def order_later(tx: Connection, n: int, tries: int, next_at: int) -> None:
    _LATER.run(tx, {"row": n, "tries": tries, "next_at": next_at})


def order_done(tx: Connection, n: int) -> None:
    _DONE.run(tx, {"row": n, "state": "done"})


def next_try(tx: Connection, table: Table, after: int, sorts: tuple[str, ...] = ()) -> int | None:
    """When the soonest of what waits for another try is due (unix seconds), for a worker that has nothing to do now. `sorts`:
    of effects, those that are this worker's."""
    return _soonest(table, sorts).scalar(tx, {"after": after})


def look_again(tx: Connection, payment_hash: str) -> None:
    """The node has hinted at this hash: its payout is looked at now and not when its time comes."""
    ref = _HINTED.scalar(tx, {"hash": payment_hash})
    named = [row.ref for row in _PAID_BY.rows(tx, {"hash": payment_hash})]
    _LOOK_AGAIN.run(tx, {"refs": listed([ref or "", *named]), "next_at": 0})
