"""What goes out: events to publish, letters to people, effects on node and web. At least once, each with an identity of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, Table, and_, bindparam, func, insert, or_, select, update

from handlers.decision import Effect
from kinds.events import Unsigned, canonical_json
from kinds.units import Pubkey
from storage.codec import body_of, read_effect, sort_of
from storage.schema import effects, events, letters, payment_hashes, payouts


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


def publish(tx: Connection, event: Unsigned, address: str = "") -> None:
    """Queues an event. Of an addressable one only the newest version is still worth sending."""
    if address:
        older = and_(events.c.address == address, events.c.state != "superseded")
        tx.execute(update(events).where(older).values(state="superseded"))
    tx.execute(
        insert(events).values(
            id=event.id,
            kind=event.kind,
            address=address,
            created_at=event.created_at,
            body=canonical_json(event.as_dict()),
        )
    )


def parcels(tx: Connection, now: int, limit: int, skip: Iterable[int] = ()) -> list[Parcel]:
    """Pending events that may be tried now, new ones first."""
    may = select(events).where(events.c.state == "pending", events.c.next_at <= now)
    found = may.order_by(events.c.tries, events.c.n).limit(limit)  # what is new before what is tried again
    busy = set(skip)
    return [_parcel(row) for row in tx.execute(found) if row.n not in busy]


def _parcel(row: Row[tuple[object, ...]]) -> Parcel:
    acked = frozenset(row.acked.split("\n")) - {""}
    return Parcel(row.n, row.id, row.kind, row.body, bool(row.signed), acked, row.tries)


def store_signed(tx: Connection, signed: Sequence[tuple[int, str]]) -> None:
    """Keeps the signed bytes (n, JSON), before they are sent."""
    if signed:
        statement = update(events).where(events.c.n == bindparam("row"), events.c.signed == 0)
        tx.execute(
            statement.values(body=bindparam("bytes"), signed=1), [{"row": n, "bytes": body} for n, body in signed]
        )


def record_acks(tx: Connection, parcel_n: int, acked: Iterable[str], done: bool, tries: int, next_at: int) -> None:
    values = {
        "acked": "".join(f"{url}\n" for url in sorted(acked)),
        "state": "done" if done else "pending",
        "tries": tries,
        "next_at": next_at,
    }
    where = and_(events.c.n == parcel_n, events.c.state == "pending")
    tx.execute(update(events).where(where).values(values))


def lost_by(tx: Connection, relay: str, ids: Sequence[str]) -> int:
    """A relay does not have these: they are sent to it from our copy, after what is new."""
    again = 0
    for row in tx.execute(select(events).where(events.c.id.in_(list(ids)), events.c.state == "done")):
        acked = "".join(f"{url}\n" for url in row.acked.split("\n") if url and url != relay)
        tx.execute(update(events).where(events.c.n == row.n).values(acked=acked, state="pending", tries=1, next_at=0))
        again += 1
    return again


def finished(tx: Connection, after: int, limit: int) -> list[tuple[int, str]]:
    """(n, id) of what every relay ought to have, in pages."""
    kept = or_(events.c.kind < 20000, events.c.kind >= 30000)  # what lies between is ephemeral
    found = select(events.c.n, events.c.id).where(events.c.n > after, events.c.state == "done", kept)
    return [(row.n, row.id) for row in tx.execute(found.order_by(events.c.n).limit(limit))]


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
    tx.execute(
        insert(letters).values(
            source=source, task=task, to=to, channel=channel, relay=relay, created_at=created_at, reply_to=reply_to,
            text=text, ref=ref,
        )
    )  # fmt: skip


def pending_letters(tx: Connection, now: int, limit: int, skip: Iterable[str] = ()) -> list[Letter]:
    """The oldest pending letter of each person, if it may be tried now; nobody's letters stand in another's way."""
    oldest = select(func.min(letters.c.n)).where(letters.c.state == "pending", letters.c.to.not_in(list(skip)))
    first = oldest.group_by(letters.c.to)
    found = select(letters).where(letters.c.n.in_(first), letters.c.next_at <= now).order_by(letters.c.n).limit(limit)
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
        for row in tx.execute(found)
    ]


def letter_sent(tx: Connection, n: int, done: bool, tries: int, next_at: int) -> None:
    values = {"state": "done" if done else "pending", "tries": tries, "next_at": next_at}
    tx.execute(update(letters).where(letters.c.n == n).values(values))


def answer_again(tx: Connection, source: str, to: str, at: int) -> int:
    """The same message came twice: the same answer goes out again, not before `at`."""
    where = and_(letters.c.source == source, letters.c.to == to, letters.c.state == "done")
    return int(tx.execute(update(letters).where(where).values(state="pending", tries=0, next_at=at)).rowcount)


def order(tx: Connection, task: str, effect: Effect) -> None:
    tx.execute(insert(effects).values(task=task, sort=sort_of(effect), ref=effect.ref, body=body_of(effect)))


def open_orders(tx: Connection, sorts: Sequence[str], now: int | None = None) -> list[Order]:
    """All effects of these sorts that are not done, oldest first; with `now`, only those whose time has come."""
    found = select(effects).where(effects.c.state != "done", effects.c.sort.in_(list(sorts))).order_by(effects.c.n)
    if now is not None:
        found = found.where(or_(effects.c.next_at <= now))
    return [
        Order(row.n, row.task, read_effect(row.sort, row.body), row.started_at, row.tries, row.next_at)
        for row in tx.execute(found)
    ]


def order_started(tx: Connection, n: int, at: int) -> None:
    tx.execute(update(effects).where(effects.c.n == n).values(state="started", started_at=at))


def order_later(tx: Connection, n: int, tries: int, next_at: int) -> None:
    tx.execute(update(effects).where(effects.c.n == n).values(tries=tries, next_at=next_at))


def order_done(tx: Connection, n: int) -> None:
    tx.execute(update(effects).where(effects.c.n == n).values(state="done"))


def next_try(tx: Connection, table: Table, after: int) -> int | None:
    """When the soonest of what waits for another try is due (unix seconds), for a worker that has nothing to do now."""
    waiting = and_(table.c.state.not_in(("done", "superseded")), table.c.next_at > after)
    return tx.execute(select(func.min(table.c.next_at)).where(waiting)).scalar()


def look_again(tx: Connection, payment_hash: str) -> None:
    """The node has hinted at this hash: its payout is looked at now and not when its time comes."""
    ref = tx.execute(select(payment_hashes.c.ref).where(payment_hashes.c.hash == payment_hash)).scalar()
    named = [row.ref for row in tx.execute(select(payouts.c.ref).where(payouts.c.payment_hash == payment_hash))]
    where = and_(effects.c.ref.in_([ref or "", *named]), effects.c.state != "done")
    tx.execute(update(effects).where(where).values(next_at=0))
