"""The house's own state: whether it takes new business, and from whom not."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, select

from handlers.house import House
from kinds.inputs import Now
from kinds.units import Msat, Pubkey
from storage import books, house
from storage.schema import bans
from storage.statements import Statement, among, insert_new, listed

_PAUSED = "paused"
_BANNED = Statement(select(bans.c.pubkey).where(bans.c.pubkey.in_(among("about"))))
_UNBAN = Statement(delete(bans).where(bans.c.pubkey == bindparam("who")))


def load(tx: Connection, *about: str, insurance: bool = False) -> House:
    """As far as it concerns these people; with the insurance account, which is added up, only where it is asked for."""
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
