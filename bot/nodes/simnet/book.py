"""What the simulated network remembers: accounts, invoices, HTLCs, payments. Money only ever moves between two
accounts.

SQLite (WAL, synchronous=NORMAL: a killed process loses nothing that was answered), or memory when there is no path.
Amounts are msat and CHECKed never to be negative, so that a wrong rule fails loudly instead of making money. Money in
HTLCs lies in the account `FLIGHT`; routing fees end in `ROUTERS`. Times are unix seconds, heights blocks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinds.lightning import Fault, HoldRef, HoldStatus, PaymentStatus
from kinds.units import Msat, PaymentHash

NODE, FLIGHT, ROUTERS = "@node", "@flight", "@routers"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS account (
    name TEXT PRIMARY KEY, pubkey TEXT UNIQUE, balance INTEGER NOT NULL CHECK (balance >= 0)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invoice (
    hash TEXT PRIMARY KEY, payee TEXT NOT NULL, ref TEXT NOT NULL, bolt11 TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0), cltv INTEGER NOT NULL, expires_at INTEGER NOT NULL,
    status TEXT NOT NULL, preimage TEXT NOT NULL, refused INTEGER NOT NULL, due_time INTEGER, due_height INTEGER,
    end TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS invoice_time ON invoice (due_time) WHERE due_time IS NOT NULL;
CREATE INDEX IF NOT EXISTS invoice_height ON invoice (due_height) WHERE due_height IS NOT NULL;
CREATE TABLE IF NOT EXISTS part (
    id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL REFERENCES invoice, payer TEXT NOT NULL,
    total INTEGER NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0), fee INTEGER NOT NULL CHECK (fee >= 0),
    expiry INTEGER NOT NULL, arrived_at INTEGER NOT NULL, on_channel INTEGER NOT NULL, live INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS part_live ON part (hash) WHERE live;
CREATE TABLE IF NOT EXISTS payment (
    payer TEXT NOT NULL, hash TEXT NOT NULL, status TEXT NOT NULL, amount INTEGER NOT NULL, fee INTEGER NOT NULL,
    preimage TEXT NOT NULL, fault TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (payer, hash)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice of the node (a hold) or of a wallet. HELD at a wallet: a payout that its payee has not ended yet."""

    hash: PaymentHash
    payee: str  # account
    ref: str  # the hold's, empty for a wallet's
    bolt11: str
    amount: Msat
    cltv: int
    expires_at: int
    status: HoldStatus
    preimage: str  # the node's only once it settles
    refused: Msat = Msat(0)
    due_time: int | None = None  # when the next thing happens to it by itself
    due_height: int | None = None
    end: str = ""  # what happens to a wallet's HELD invoice at due_time: "complete" or "fail"


@dataclass(frozen=True, slots=True)
class Htlc:
    id: int
    hash: PaymentHash
    payer: str
    total: Msat  # what the payer declares for the whole set
    amount: Msat
    fee: Msat
    expiry: int
    arrived_at: int
    on_channel: bool


@dataclass(frozen=True, slots=True)
class Payment:
    payer: str
    hash: PaymentHash
    status: PaymentStatus
    amount: Msat = Msat(0)
    fee: Msat = Msat(0)
    preimage: str = ""
    fault: Fault = Fault.OURS
    reason: str = ""


class Book:
    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.touch(mode=0o600)
        self._due: tuple[int | None, int | None] | None = None  # as `next_due` found it; None: some invoice has changed
        self._undone = 0  # transactions
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;" + _SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at the end; inside another one it is part of that."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._due = None
            self._undone += 1
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @property
    def version(self) -> int:
        """Another one whenever anything may have changed."""
        return self._db.total_changes + self._undone

    def fact(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (name, value))

    def open_account(self, name: str, pubkey: str | None, minted: Msat) -> None:
        """The only way in which money comes into being."""
        self._db.execute("INSERT INTO account VALUES (?, ?, ?)", (name, pubkey, minted))
        self.put_fact("minted", str(self.minted() + minted))

    def minted(self) -> Msat:
        return Msat(int(self.fact("minted") or 0))

    def balances(self) -> dict[str, Msat]:
        return {name: Msat(balance) for name, balance in self._db.execute("SELECT name, balance FROM account")}

    def balance(self, name: str) -> Msat | None:
        row = self._db.execute("SELECT balance FROM account WHERE name = ?", (name,)).fetchone()
        return None if row is None else Msat(row[0])

    def account_of(self, pubkey: str) -> str | None:
        row = self._db.execute("SELECT name FROM account WHERE pubkey = ?", (pubkey,)).fetchone()
        return None if row is None else str(row[0])

    def move(self, amount: int, source: str, target: str) -> None:
        """Raises sqlite3.IntegrityError when the source has less, LookupError when there is no such account."""
        for name, change in ((source, -amount), (target, amount)):
            if not self._db.execute("UPDATE account SET balance = balance + ? WHERE name = ?", (change, name)).rowcount:
                raise LookupError(f"no account {name}")

    def invoice(self, payment_hash: PaymentHash) -> Invoice | None:
        row = self._db.execute("SELECT * FROM invoice WHERE hash = ?", (payment_hash,)).fetchone()
        return None if row is None else _invoice(row)

    def holds(self, payee: str, since: int) -> tuple[HoldRef, ...]:
        """The holds of an account whose invoices were still good then."""
        query = "SELECT ref, hash FROM invoice WHERE payee = ? AND ref != '' AND expires_at >= ? ORDER BY ref"
        return tuple(HoldRef(ref, PaymentHash(name)) for ref, name in self._db.execute(query, (payee, since)))

    def put_invoice(self, invoice: Invoice) -> None:
        values = (
            *(
                invoice.hash,
                invoice.payee,
                invoice.ref,
                invoice.bolt11,
                invoice.amount,
                invoice.cltv,
                invoice.expires_at,
            ),
            *(invoice.status, invoice.preimage, invoice.refused, invoice.due_time, invoice.due_height, invoice.end),
        )
        self._due = None
        self._db.execute(f"REPLACE INTO invoice VALUES ({', '.join('?' * len(values))})", values)

    def is_due(self, now: int, height: int) -> bool:
        """Whether `due_invoices` would find anything; everybody asks before everything, so it costs nothing."""
        at_time, at_height = self.next_due()
        return (at_time is not None and at_time <= now) or (at_height is not None and at_height <= height)

    def due_invoices(self, now: int, height: int) -> list[Invoice]:
        query = "SELECT * FROM invoice WHERE due_time <= ? UNION SELECT * FROM invoice WHERE due_height <= ?"
        return [_invoice(row) for row in self._db.execute(query, (now, height))]

    def next_due(self) -> tuple[int | None, int | None]:
        """The time and the height at which something next happens by itself."""
        if self._due is None:
            time = self._db.execute("SELECT min(due_time) FROM invoice WHERE due_time IS NOT NULL").fetchone()[0]
            height = self._db.execute("SELECT min(due_height) FROM invoice WHERE due_height IS NOT NULL").fetchone()[0]
            self._due = time, height
        return self._due

    def add_part(self, part: Htlc) -> None:
        """The id in `part` is not read: ids count up and are never used twice."""
        values = (
            part.hash,
            part.payer,
            part.total,
            part.amount,
            part.fee,
            part.expiry,
            part.arrived_at,
            part.on_channel,
        )
        self._db.execute(
            "INSERT INTO part (hash, payer, total, amount, fee, expiry, arrived_at, on_channel, live)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            values,
        )

    def parts(self, payment_hash: PaymentHash) -> list[Htlc]:
        """The live HTLCs of an invoice, in the order of their arrival."""
        rows = self._db.execute("SELECT * FROM part WHERE hash = ? AND live ORDER BY id", (payment_hash,))
        return [_htlc(row) for row in rows]

    def live_parts(self) -> tuple[int, Msat]:
        """How many HTLCs there are now, and the money in them, fees included: always the balance of FLIGHT."""
        count, money = self._db.execute(
            "SELECT count(*), coalesce(sum(amount + fee), 0) FROM part WHERE live"
        ).fetchone()
        return count, Msat(money)

    def held(self) -> Msat:
        """The money in HTLCs that have arrived at the node."""
        query = "SELECT coalesce(sum(part.amount), 0) FROM part JOIN invoice USING (hash) WHERE live AND payee = ?"
        return Msat(self._db.execute(query, (NODE,)).fetchone()[0])

    def end_parts(self, payment_hash: PaymentHash) -> None:
        self._db.execute("UPDATE part SET live = 0 WHERE hash = ? AND live", (payment_hash,))

    def take_off_channel(self, payment_hash: PaymentHash) -> None:
        self._db.execute("UPDATE part SET on_channel = 0 WHERE hash = ? AND live", (payment_hash,))

    def replay_parts(self, now: int) -> list[Invoice]:
        """Every live HTLC arrives anew; answers the invoices that are still open."""
        self._db.execute("UPDATE part SET arrived_at = ? WHERE live", (now,))
        query = "SELECT * FROM invoice WHERE status = ? AND hash IN (SELECT hash FROM part WHERE live)"
        return [_invoice(row) for row in self._db.execute(query, (HoldStatus.OPEN,))]

    def payment(self, payer: str, payment_hash: PaymentHash) -> Payment | None:
        row = self._db.execute("SELECT * FROM payment WHERE payer = ? AND hash = ?", (payer, payment_hash)).fetchone()
        return None if row is None else _payment(row)

    def payments(self, payer: str) -> list[Payment]:
        return [_payment(row) for row in self._db.execute("SELECT * FROM payment WHERE payer = ?", (payer,))]

    def put_payment(self, payment: Payment) -> None:
        values = (
            *(payment.payer, payment.hash, payment.status, payment.amount, payment.fee),
            *(payment.preimage, payment.fault, payment.reason),
        )
        self._db.execute("REPLACE INTO payment VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def _invoice(row: tuple[Any, ...]) -> Invoice:
    payment_hash, payee, ref, bolt11, amount, cltv, expires_at, status, *rest = row
    return Invoice(payment_hash, payee, ref, bolt11, amount, cltv, expires_at, HoldStatus(status), *rest)


def _htlc(row: tuple[Any, ...]) -> Htlc:
    number, payment_hash, payer, total, amount, fee, expiry, arrived_at, on_channel, _live = row
    return Htlc(number, payment_hash, payer, total, amount, fee, expiry, arrived_at, bool(on_channel))


def _payment(row: tuple[Any, ...]) -> Payment:
    payer, payment_hash, status, amount, fee, preimage, fault, reason = row
    return Payment(payer, payment_hash, PaymentStatus(status), amount, fee, preimage, Fault(fault), reason)
