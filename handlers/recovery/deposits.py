"""What the log tells of a deposit: its holds stand beside the task until the turn of their milestone comes, and their entries move nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from handlers import pricing
from handlers.recovery import money
from handlers.task import LOCK, Deposit, Funding, Task
from kinds.rate import Rate, read_amount_of, read_price
from kinds.record import Entry
from kinds.states import FundingState, LogType
from kinds.units import Msat

F, L = FundingState, LogType


def is_beside(entry: Entry) -> bool:
    """It speaks of a deposit, and moves nothing."""
    return entry.type.startswith("deposit.") or "covers" in entry.facts


def adopt(task: Task, entry: Entry) -> Task:
    """The task with what this entry tells. Raises KeyError for a type that no deposit has."""
    return TABLE[LogType(entry.type)](task, entry)


def _price(task: Task, said: object) -> int:
    return read_amount_of(str(said), task.currency) if task.currency else int(str(said))


def _offered(task: Task, entry: Entry) -> Task:
    return task


def _accepted(task: Task, entry: Entry) -> Task:
    parts = tuple((int(part.get("milestone", 1)), _price(task, part["price"])) for part in entry.facts["covers"])
    return replace(task, deposit=Deposit(percent=int(entry.facts["percent"]), parts=parts), undeposited=False)


def _declined(task: Task, entry: Entry) -> Task:
    return replace(task, undeposited=True)


def _invoiced(task: Task, entry: Entry) -> Task:
    facts = entry.facts
    ref, replaces = str(facts["funding"]), str(facts.get("replaces", ""))
    made: dict[str, Any] = {"state": F.CREATED, "expires_at": int(facts["expires_at"])}
    if task.funding(ref) is None:
        new = Funding(
            ref=ref, milestone=int(facts.get("milestone", 1)), amount=Msat(facts["amount_msat"]), asked=entry.time, salt="",
            replaces=replaces, covers=_price(task, facts["covers"]),
            rate=money.of(task, replaces).rate if replaces else _rate(task, entry),
        )  # fmt: skip
        task = replace(task, fundings=(*task.fundings, new))
    number = int(ref.removeprefix(f"{task.id}/h"))
    return replace(task.with_funding(ref, **made), counter=max(task.counter, number))


def _rate(task: Task, entry: Entry) -> Rate | None:
    if not task.currency:
        return None
    facts, said = entry.facts, read_price(str(entry.facts["rate"]))
    if said is None:
        raise ValueError("a rate that is none")
    return Rate(task.currency, said, tuple(map(str, facts["rate_sources"])), int(facts["rate_time"]))


def _held(task: Task, entry: Entry) -> Task:
    held = money.held(task, entry)
    cover = money.funding(held, entry)
    if task.terms.custody_mode == "ledger":
        held = held.with_funding(cover.ref, goal=LOCK)
    return pricing.cover(held, cover.milestone, cover.covers, cover.rate)


def _renewed(task: Task, entry: Entry) -> Task:
    return money.held(task.with_funding(str(entry.facts["replaces"]), goal="stray"), entry)


def _lost(task: Task, entry: Entry) -> Task:
    opened = money.opened(_bare(task, entry), entry, F.LOST)
    return opened.with_funding(str(entry.facts["funding"]), goal="stray")


def _returned(task: Task, entry: Entry) -> Task:
    """That it is back is the node's to say, or it is the employer's in the books."""
    cover = money.funding(task, entry)
    if not cover.is_booked:
        opened = money.opened(_bare(task, entry), entry, F.ACCEPTED)
        return opened.with_funding(cover.ref, goal="stray")
    bare = _bare(task, entry).with_funding(cover.ref, goal="cancel")
    given = money.credited(task, entry, cover.milestone)
    return replace(bare, locked=Msat(task.locked - cover.amount), credits=(*task.credits, *given))


def _bare(task: Task, entry: Entry) -> Task:
    """Its milestone without it, and no renewal of it wanted any more."""
    cover = money.funding(task, entry)
    return money.unwanted(pricing.cover(task, cover.milestone, 0), lambda funding: funding.replaces == cover.ref)


TABLE: dict[LogType, Callable[[Task, Entry], Task]] = {
    L.DEPOSIT_OFFERED: _offered,
    L.DEPOSIT_ACCEPTED: _accepted,
    L.DEPOSIT_DECLINED: _declined,
    L.DEPOSIT_RETURNED: _returned,
    L.INVOICE_CREATED: _invoiced,
    L.INVOICE_ACCEPTED: _held,
    L.INVOICE_EXPIRED: money.void,
    L.FUNDING_FAILED: money.stray,
    L.ROLLOVER_ASKED: _invoiced,
    L.ROLLOVER_COMPLETED: _renewed,
    L.HOLD_LOST: _lost,
    L.LEDGER_LOCKED: money.locked,
}
"""Every type of entry that `transitions.note` writes."""
