"""What is stored about money as rows: for receipts of one task, and for a book-keeper over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from handlers.booking import Sort
from handlers.records import Given, Lock, Record, Rows, Sent, records
from handlers.task import Task
from kinds.states import FundingState, PayoutState
from kinds.units import Msat, PaymentHash, Pubkey, Secret
from storage.codec import read_task, read_withdrawal
from storage.schema import fundings, journals, payouts, postings, tasks, withdrawals
from storage.statements import Statement

_LOCKS = Statement(select(fundings).where(fundings.c.task == bindparam("which")).order_by(fundings.c.asked))
_SENT = Statement(select(payouts).where(payouts.c.task == bindparam("which")).order_by(payouts.c.at))
_BOOKED = Statement(
    select(journals.c.at, journals.c.milestone, postings.c.account, postings.c.amount, postings.c.why)
    .join(postings, postings.c.journal == journals.c.n)
    .where(journals.c.task == bindparam("which"))
    .order_by(postings.c.n)
)
_HOUSE = ((Sort.FEES, "fee"), (Sort.INSURANCE, "insured"))


def rows_of(tx: Connection, task: str) -> Rows:
    """All rows about the money of a task, whatever its document still keeps of it."""
    booked = _BOOKED.rows(tx, {"which": task})
    theirs = [row for row in booked if row.account.startswith(f"{Sort.PARTY}:")]
    fee, insurance = (
        Msat(sum(row.amount for row in booked if (row.account, row.why) == (str(sort), why))) for sort, why in _HOUSE
    )
    return Rows(
        locks=tuple(_lock(row) for row in _LOCKS.rows(tx, {"which": task})),
        sent=tuple(_sent(row) for row in _SENT.rows(tx, {"which": task})),
        given=tuple(
            Given(
                number=number, milestone=row.milestone, to=Pubkey(row.account.partition(":")[2]), amount=Msat(row.amount),
                why=row.why, at=row.at,
            )
            for number, row in enumerate(theirs, 1)
        ),
        fee=fee,
        insurance=insurance,
    )  # fmt: skip


def _lock(row: Any) -> Lock:
    return Lock(
        ref=row.ref, milestone=row.milestone, payer=Pubkey(row.payer), amount=Msat(row.amount), state=FundingState(row.state),
        goal=row.goal, payment_hash=PaymentHash(row.payment_hash), preimage=Secret(row.preimage), asked=row.asked,
        held_at=row.held_at, ended_at=row.ended_at, covers=row.covers,
    )  # fmt: skip


def _sent(row: Any) -> Sent:
    return Sent(
        ref=row.ref, milestone=row.milestone, to=Pubkey(row.to), amount=Msat(row.amount), fee=Msat(row.fee),
        state=PayoutState(row.state), payment_hash=PaymentHash(row.payment_hash), preimage=Secret(row.preimage), at=row.at,
        ended_at=row.ended_at,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A line for a book-keeper, without secrets. `type` is that of a transaction, or SERVICE_FEE, INSURANCE, WITHDRAWAL."""

    id: str
    type: str
    status: str
    task: str
    title: str
    milestone: int | None
    amount: Msat
    fee: Msat
    paid_by: str | None
    released_to: str | None
    created: int
    released: int
    payment_hash: str
    what: str
    currency: str | None = None
    currency_amount: str | None = None
    rate: str | None = None
    hours: int | None = None

    @property
    def at(self) -> int:
        """Under which moment it is booked: when it was over, else when it began; unix seconds."""
        return self.released or self.created


def lines(tx: Connection, since: int, until: int, task: str | None = None) -> list[Line]:
    """All that is booked from `since` to before `until`, the oldest first. With `task`, of that one alone, and no withdrawals."""
    wanted = select(tasks.c.document)
    found: list[Line] = []
    titles: dict[str, str] = {}
    for row in tx.execute(wanted.where(tasks.c.id == task) if task else wanted):
        one = read_task(row.document)
        titles[one.id] = one.title
        found += [_line(one, record) for record in records(one, rows_of(tx, one.id))]
    found += _of_house(tx, titles)
    if task is None:
        found += _withdrawn(tx)
    return sorted((each for each in found if since <= each.at < until), key=lambda each: (each.at, each.id))


def _line(task: Task, record: Record) -> Line:
    return Line(
        record.id, str(record.type), str(record.status), task.id, task.title, record.milestone, record.amount, record.fee,
        record.paid_by, record.released_to, record.created, record.released, record.payment_hash, record.what, record.currency,
        record.currency_amount, record.rate, record.hours,
    )  # fmt: skip


def _of_house(tx: Connection, titles: dict[str, str]) -> Iterator[Line]:
    """What the house has earned of these tasks, and kept for its insurance."""
    for (sort, why), kind in zip(_HOUSE, ("SERVICE_FEE", "INSURANCE"), strict=True):
        booked = (
            select(postings.c.n, journals.c.at, journals.c.task, journals.c.milestone, postings.c.amount)
            .join(journals, journals.c.n == postings.c.journal)
            .where(postings.c.account == str(sort), postings.c.why == why)
        )
        for row in tx.execute(booked):
            if row.task in titles:
                yield Line(
                    f"{row.task}/b{row.n}", kind, "SUCCESS", row.task, titles[row.task], row.milestone, Msat(row.amount), Msat(0),
                    None, None, row.at, row.at, "", why,
                )  # fmt: skip


def _withdrawn(tx: Connection) -> Iterator[Line]:
    """What people were paid out of their accounts."""
    moved = (
        select(postings.c.withdrawal, func.max(journals.c.at).label("at"))
        .join(journals, journals.c.n == postings.c.journal)
        .where(postings.c.withdrawal != "")
        .group_by(postings.c.withdrawal)
    )
    ended = {row.withdrawal: row.at for row in tx.execute(moved)}
    for row in tx.execute(select(withdrawals)):
        over, done = not row.open, row.state == PayoutState.COMPLETE
        status = "SUCCESS" if done else "FAILED" if over else "PENDING"
        yield Line(
            row.ref, "WITHDRAWAL", status, "", "", None, Msat(row.amount), Msat(row.fee), row.owner, row.owner if done else None,
            read_withdrawal(row.document).asked, ended.get(row.ref, 0) if over else 0, row.payment_hash, "withdrawal",
        )  # fmt: skip
