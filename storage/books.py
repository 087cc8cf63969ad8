"""The house's own books: what it has earned, and the insurance account. Each commit that changes one of them adds a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, bindparam, func, insert, select

from handlers.task import Task
from kinds.units import Msat
from storage.schema import bookings
from storage.statements import Statement

DAY = 86400


class Account(StrEnum):
    FEE = "fee"  # the operator's part of service fees
    INSURANCE = "insurance"  # the insured part of them, and what was left of routing budgets
    COMPENSATION = "compensation"  # what the insurance has given, with the budgets for sending it


_BOOK = Statement(insert(bookings), "at", "task", "account", "amount")
_SUM = Statement(select(func.coalesce(func.sum(bookings.c.amount), 0)).where(bookings.c.account == bindparam("which")))


def book(tx: Connection, before: Task | None, task: Task, time: int) -> None:
    """What this commit brings the house, by the task's own books."""
    for account, was, now in _moved(before, task):
        if now != was:
            _BOOK.run(tx, {"at": time, "task": task.id, "account": str(account), "amount": now - was})


def _moved(before: Task | None, task: Task) -> Iterator[tuple[Account, int, int]]:
    yield Account.FEE, before.fee if before else 0, task.fee
    yield Account.INSURANCE, before.insurance if before else 0, task.insurance
    yield Account.COMPENSATION, before.compensated if before else 0, task.compensated


def balance(tx: Connection, account: Account) -> Msat:
    return Msat(int(_SUM.scalar(tx, {"which": str(account)}) or 0))


def insured(tx: Connection) -> Msat:
    """What is left in the insurance account."""
    return Msat(balance(tx, Account.INSURANCE) - balance(tx, Account.COMPENSATION))


@dataclass(frozen=True, slots=True)
class Booked:
    """What one day, in UTC, has brought to one account. `day` is its first second."""

    day: int
    account: Account
    amount: Msat


def days(tx: Connection) -> list[Booked]:
    """The oldest first."""
    day = (bookings.c.at - bookings.c.at % DAY).label("day")
    found = select(day, bookings.c.account, func.sum(bookings.c.amount).label("amount")).group_by(
        day, bookings.c.account
    )
    return [Booked(row.day, Account(row.account), Msat(row.amount)) for row in tx.execute(found.order_by(day))]
