"""The books: double entry over everything that the house keeps, for itself and for others (`handlers.booking`).

Each commit that moves booked money writes one journal: its postings first, then the row that closes them. The database refuses a journal
that does not sum to zero, postings that no journal closes, a line that changes, and an account below zero; it keeps each
balance with the posting, so that to know one costs one look.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, insert, literal, select

from handlers.booking import Posting, Sort, party
from kinds.units import Msat, Pubkey
from storage.schema import balances, journals, postings, totals, withdrawals
from storage.statements import Statement

DAY = 86400

_NEXT = Statement(select(func.coalesce(func.max(journals.c.n), 0) + 1))
_POST = Statement(insert(postings), "journal", "account", "amount", "why", "withdrawal")
_CLOSE = Statement(insert(journals), "n", "at", "task", "milestone")
_BALANCE = Statement(select(balances.c.amount).where(balances.c.account == bindparam("which")))
_TOTAL = Statement(select(totals.c.amount).where(totals.c.sort == bindparam("which")))
_CREDITED = Statement(
    select(func.count().label("entries"), func.coalesce(func.sum(postings.c.amount), 0).label("amount")).where(
        postings.c.account == bindparam("which"), postings.c.withdrawal == ""
    )
)
_LINES = Statement(
    select(
        journals.c.at,
        journals.c.task,
        postings.c.amount,
        postings.c.why,
        func.coalesce(withdrawals.c.payment_hash, "").label("payment_hash"),
    )
    .join(journals, journals.c.n == postings.c.journal)
    .outerjoin(withdrawals, withdrawals.c.ref == postings.c.withdrawal)
    .where(postings.c.account == bindparam("which"))
    .order_by(postings.c.n.desc())
    .limit(bindparam("most"))
)
_COUNT = Statement(select(func.count()).where(postings.c.account == bindparam("which")))


def write(tx: Connection, lines: Sequence[Posting], at: int, task: str = "", milestone: int = 0) -> None:
    """One journal; nothing when nothing moves."""
    if not lines:
        return
    number = _NEXT.scalar(tx)
    rows = [
        {"journal": number, "account": each.account, "amount": each.amount, "why": each.why, "withdrawal": each.withdrawal}
        for each in lines
    ]  # fmt: skip
    _POST.many(tx, rows)
    _CLOSE.run(tx, {"n": number, "at": at, "task": task, "milestone": milestone})


def balance(tx: Connection, account: str) -> Msat:
    return Msat(int(_BALANCE.scalar(tx, {"which": str(account)}) or 0))


def people(tx: Connection) -> dict[str, int]:
    """What stands in people's accounts or is reserved for their withdrawals, msat, by their keys; nobody who has nothing."""
    theirs = balances.c.sort.in_((str(Sort.PARTY), str(Sort.MOVING)))
    found = select(balances.c.account, balances.c.amount).where(theirs, balances.c.amount > 0)
    sums: dict[str, int] = {}
    for row in tx.execute(found):
        who = row.account.partition(":")[2]
        sums[who] = sums.get(who, 0) + row.amount
    return sums


def total(tx: Connection, sort: Sort) -> Msat:
    """Over all accounts of this sort."""
    return Msat(int(_TOTAL.scalar(tx, {"which": str(sort)}) or 0))


def insured(tx: Connection) -> Msat:
    """What is left in the insurance account."""
    return balance(tx, Sort.INSURANCE)


def credited(tx: Connection, who: Pubkey) -> tuple[int, Msat]:
    """(in how many entries, how much) tasks have ever put to his account."""
    row = _CREDITED.first(tx, {"which": party(who)})
    return (row.entries, Msat(int(row.amount))) if row else (0, Msat(0))


def statement(tx: Connection, who: Pubkey, most: int) -> dict[str, Any]:
    """His lines, the newest first, each with what stood in the account after it; `earlier`: how many more there are."""
    own = {"which": party(who)}
    stood = available = balance(tx, party(who))
    lines = []
    for row in _LINES.rows(tx, own | {"most": most}):
        about = {"task": row.task or None, "payment_hash": row.payment_hash or None}
        lines.append({"at": row.at, "amount_msat": row.amount, "balance_msat": stood, "what": row.why, **about})
        stood = Msat(stood - row.amount)
    earlier = int(_COUNT.scalar(tx, own) or 0) - len(lines)
    return {"available_msat": available, "lines": lines, "earlier": earlier}


@dataclass(frozen=True, slots=True)
class Day:
    """What one day, in UTC, has brought to the house. `day` is its first second."""

    day: int
    earned: Msat
    insured: Msat
    given: Msat  # for losses


def days(tx: Connection) -> list[Day]:
    """The oldest first."""
    day = (journals.c.at - journals.c.at % DAY).label("day")

    def when(sort: Sort, why: str) -> Any:
        fits = (postings.c.account == sort) & (postings.c.why == why)
        return func.sum(case((fits, postings.c.amount), else_=literal(0)))

    found = (
        select(
            day,
            when(Sort.FEES, "fee").label("earned"),
            when(Sort.INSURANCE, "insured").label("insured"),
            when(Sort.INSURANCE, "compensation").label("given"),
        )
        .join(postings, postings.c.journal == journals.c.n)
        .where(postings.c.account.in_([str(Sort.FEES), str(Sort.INSURANCE)]))
        .group_by(day)
        .order_by(day)
    )
    return [Day(row.day, Msat(row.earned), Msat(row.insured), Msat(-row.given)) for row in tx.execute(found)]


@dataclass(frozen=True, slots=True)
class Class:
    """All accounts of a sort: how many there are, and what stands in them."""

    sort: Sort
    accounts: int
    amount: Msat


def classes(tx: Connection) -> list[Class]:
    found = select(balances.c.sort, func.count().label("many"), func.sum(balances.c.amount).label("amount"))
    rows = {row.sort: row for row in tx.execute(found.group_by(balances.c.sort))}
    return [
        Class(sort, rows[sort].many if sort in rows else 0, Msat(int(rows[sort].amount) if sort in rows else 0))
        for sort in Sort
    ]


def differences(tx: Connection) -> list[str]:
    """Where what is kept is not what the lines add up to: accounts, sorts, journals. Nothing, in sound books."""
    lines = select(postings.c.account, func.sum(postings.c.amount)).group_by(postings.c.account)
    kept = select(balances.c.account, balances.c.amount)
    by_sort = select(balances.c.sort, func.sum(balances.c.amount)).group_by(balances.c.sort)
    kept_by_sort = select(totals.c.sort, totals.c.amount)
    unbalanced = select(postings.c.journal).group_by(postings.c.journal).having(func.sum(postings.c.amount) != 0)
    return [
        *_unlike(_read(tx, lines), _read(tx, kept)),
        *_unlike(_read(tx, by_sort), _read(tx, kept_by_sort)),
        *(f"journal {row.journal}" for row in tx.execute(unbalanced)),
    ]


def _read(tx: Connection, found: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in tx.execute(found)}


def _unlike(one: dict[str, int], other: dict[str, int]) -> Iterable[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name, 0) != other.get(name, 0))
