"""What a step moves in the books: derived from an aggregate before and after it, so that no handler can forget a line.

Double entry: the postings of a step sum to zero. `node` stands for everything outside of the books, so it is minus what the node must
have for everybody; each other account says how much of that is whose, and can't be below zero. A hold is nobody's money here
until it is settled: until then it can only go back where it came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from handlers.account import Account, Withdrawal
from handlers.task import Task
from kinds.states import PayoutState
from kinds.units import Msat, Pubkey


class Sort(StrEnum):
    """The sorts of accounts. A name is the sort alone, or `sort:whose`."""

    NODE = "node"  # outside
    LOCKED = "locked"  # of a task: settled, and not decided yet
    PARTY = "party"  # of a person: his own, to be withdrawn
    MOVING = "moving"  # of a person: reserved for his withdrawals that are under way
    FEES = "fees"  # the operator's part of service fees
    INSURANCE = (
        "insurance"  # the insured part of them and what was left of routing budgets, less what was given for losses
    )


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of a journal. `why` is a word for its owner's statement; `withdrawal` names the one that it is about."""

    account: str
    amount: Msat
    why: str = ""
    withdrawal: str = ""


def party(who: Pubkey) -> str:
    return f"{Sort.PARTY}:{who}"


def of_task(before: Task | None, after: Task) -> tuple[Posting, ...]:
    """What a commit of this task moves."""
    return _closed(_of_task(before, after))


def _of_task(before: Task | None, after: Task) -> Iterator[Posting]:
    yield Posting(f"{Sort.LOCKED}:{after.id}", Msat(_locked(after) - _locked(before)))
    for entry in after.credits[len(before.credits) if before else 0 :]:
        yield Posting(party(entry.to), entry.amount, entry.why)
    yield Posting(Sort.FEES, Msat(after.fee - (before.fee if before else 0)), "fee")
    yield Posting(Sort.INSURANCE, Msat(after.insurance - (before.insurance if before else 0)), "insured")
    yield Posting(Sort.INSURANCE, Msat((before.compensated if before else 0) - after.compensated), "compensation")


def _locked(task: Task | None) -> int:
    """What of a settled hold waits in the books for the task's end."""
    return task.locked if task else 0


def of_account(before: Account, after: Account) -> tuple[Posting, ...]:
    """What a commit of this account moves."""
    known = {each.ref: each for each in before.withdrawals}
    lines = [line for each in after.withdrawals for line in _of_withdrawal(after.owner, known.get(each.ref), each)]
    return _closed(lines)


def _of_withdrawal(owner: Pubkey, before: Withdrawal | None, after: Withdrawal) -> Iterator[Posting]:
    """Reserved when it begins; when it ends, what was not spent goes back."""
    moving, whole = f"{Sort.MOVING}:{owner}", after.amount + after.budget
    if before is None:
        yield Posting(party(owner), Msat(-whole), "withdrawal", after.ref)
        yield Posting(moving, Msat(whole), "withdrawal", after.ref)
    if after.state.is_final and not (before and before.state.is_final):
        paid = after.state is PayoutState.COMPLETE
        back, why = (after.budget - after.fee, "fee_unused") if paid else (whole, "withdrawal_failed")
        yield Posting(moving, Msat(-whole), why, after.ref)
        yield Posting(party(owner), Msat(back), why, after.ref)


def _closed(lines: Iterator[Posting] | list[Posting]) -> tuple[Posting, ...]:
    """With the line of the node, which makes it sum to zero; nothing when nothing moves."""
    moved = [line for line in lines if line.amount]
    outside = Posting(Sort.NODE, Msat(-sum(line.amount for line in moved)))
    return (*moved, outside) if outside.amount else tuple(moved)
