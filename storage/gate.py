"""The house's own state: whether it takes new business, from whom not, and how much room there is for it."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, bindparam, delete, func, select

from handlers.booking import Sort
from handlers.house import House
from handlers.liquidity import Room, Tight, room
from kinds.inputs import Now
from kinds.lightning import NodeFacts
from kinds.units import Msat, Pubkey
from storage import accounts, books, house
from storage.schema import bans, fundings, payouts
from storage.statements import Statement, insert_new, listed, present, word

_PAUSED, _TIGHT = "paused", "tight"
_HELD = Statement(
    select(func.coalesce(func.sum(fundings.c.amount), 0)).where(
        fundings.c.state.in_([word(state) for state in ("making", "created", "pending", "accepted")])
    )
)
_APPROVED = Statement(
    select(func.coalesce(func.sum(payouts.c.amount + payouts.c.budget), 0)).where(
        payouts.c.state.in_([word("planned"), word("claimed")])
    )
)
_BANNED = present(bans.c.pubkey, "about")
_UNBAN = Statement(delete(bans).where(bans.c.pubkey == bindparam("who")))


def load(tx: Connection, *about: str, insurance: bool = False) -> House:
    """As far as it concerns these people; with the insurance account only where it is asked for."""
    banned = _BANNED.rows(tx, {"about": listed(about)}) if about else []
    return House(
        paused_at=int(house.get(tx, _PAUSED) or 0),
        insured=books.insured(tx) if insurance else Msat(0),
        banned=frozenset(Pubkey(row.pubkey) for row in banned),
    )


def keep(tx: Connection, before: House, after: House, now: Now) -> None:
    """Writes what has changed."""
    if after.paused_at != before.paused_at:
        house.put(tx, _PAUSED, str(after.paused_at))
    for who in after.banned - before.banned:
        insert_new(bans, ("pubkey", "at")).run(tx, {"pubkey": who, "at": now.time})
    for who in before.banned - after.banned:
        _UNBAN.run(tx, {"who": who})


def measure(tx: Connection, facts: NodeFacts) -> Room:
    """The room for another hold, by the node's word and what our books promise."""
    approved = int(_APPROVED.scalar(tx) or 0) + books.total(tx, Sort.PARTY) + accounts.promised(tx)
    return room(facts, Msat(int(_HELD.scalar(tx) or 0)), Msat(approved))


def tight(tx: Connection) -> Tight | None:
    """The episode in which invoices are refused for want of room, if there is one."""
    known = house.get_json(tx, _TIGHT, None)
    return Tight(**known) if known else None


def keep_tight(tx: Connection, after: Tight | None) -> None:
    house.put_json(tx, _TIGHT, asdict(after) if after else None)
