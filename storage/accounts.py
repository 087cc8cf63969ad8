"""People's accounts: read, and written by compare-and-set. What stands in one is what the books say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, String, bindparam, cast, func, insert, literal_column, or_, select, update

from handlers.account import Account, Movement
from handlers.booking import of_account, party
from handlers.check import Broken, check_account
from handlers.decision import Refusal, refuse
from handlers.policy import Policy
from handlers.recovery.accounts import paid
from kinds.codes import Refused
from kinds.inputs import Now
from kinds.units import Msat, Pubkey
from storage import books, house, outbox
from storage.codec import read_withdrawal, withdrawal_text
from storage.commit import Stale
from storage.schema import accounts, payment_hashes, withdrawals
from storage.statements import Statement, insert_or_update, word

_ROW = Statement(select(accounts.c.version, accounts.c.counter).where(accounts.c.owner == bindparam("who")))
_OPEN = withdrawals.c.open == literal_column("1")
_WITHDRAWALS = Statement(
    select(withdrawals.c.document)
    .where(withdrawals.c.owner == bindparam("who"), or_(_OPEN, withdrawals.c.ref == bindparam("ref")))
    .order_by(withdrawals.c.ref)
)
_NEW = Statement(insert(accounts), "owner", "version", "counter", "due_time")
_CHANGED = Statement(
    update(accounts).where(accounts.c.owner == bindparam("who"), accounts.c.version == bindparam("was")),
    "version",
    "counter",
    "due_time",
)
_USED = Statement(select(payment_hashes.c.hash).where(payment_hashes.c.hash == bindparam("hash")))
_HASH = Statement(insert(payment_hashes), "hash", "ref", "task")
_PROMISED = Statement(
    select(func.coalesce(func.sum(withdrawals.c.amount + withdrawals.c.budget), 0)).where(
        _OPEN, withdrawals.c.state.in_([word("planned"), word("claimed")])
    )
)
_TICK = cast(accounts.c.version, String) + bindparam("again")
_DUE = Statement(
    select(accounts.c.owner, _TICK.label("tick"))
    .where(accounts.c.due_time <= bindparam("time"), accounts.c.ticked != _TICK)
    .limit(bindparam("most"))
)
_TICKED = Statement(update(accounts).where(accounts.c.owner == bindparam("who")), "ticked")
_NEXT_DUE = Statement(select(func.min(accounts.c.due_time)))
_GIVEN_UP = Statement(
    select(withdrawals.c.ref, withdrawals.c.owner).where(
        withdrawals.c.payment_hash == bindparam("hash"), withdrawals.c.state == word("failed")
    )
)
_BY_HASH = Statement(
    select(withdrawals.c.document).where(
        withdrawals.c.payment_hash == bindparam("hash"), withdrawals.c.owner == bindparam("who")
    )
)
_UNSURE = "unsure"
_AGAIN = 600  # seconds until a tick that changed nothing is given again


@dataclass(frozen=True, slots=True)
class HeldAccount:
    """An account as it is remembered. `version` 0: nothing was ever withdrawn from it."""

    account: Account
    version: int


def load(tx: Connection, owner: Pubkey, ref: str = "") -> HeldAccount:
    """With the withdrawals that are under way, and the one that is named."""
    row = _ROW.first(tx, {"who": owner})
    found = _WITHDRAWALS.rows(tx, {"who": owner, "ref": ref}) if row else []
    credits, credited = books.credited(tx, owner)
    account = Account(
        owner=owner,
        available=books.balance(tx, party(owner)),
        credited=credited,
        credits=credits,
        withdrawals=tuple(read_withdrawal(each.document) for each in found),
        counter=row.counter if row else 0,
        unsure=owner in unsure(tx),
    )
    return HeldAccount(account, row.version if row else 0)


def unsure(tx: Connection) -> dict[str, int]:
    """Whose accounts pay nobody until the operator has looked, and what stood in them when they were restored."""
    found: dict[str, int] = house.get_json(tx, _UNSURE, {})
    return found


def put_unsure(tx: Connection, owners: dict[str, int]) -> None:
    house.put_json(tx, _UNSURE, owners)


def restore(tx: Connection, owner: Pubkey, facts: Mapping[str, Any], now: Now, policy: Policy) -> None:
    """Brings an account to where an `account.paid` of our own chain says that it stands. Raises Broken, or what the books refuse."""
    before = load(tx, owner)
    known = _BY_HASH.first(tx, {"hash": facts["payment_hash"], "who": owner})
    if known is None or not read_withdrawal(known.document).state.is_final:
        refused = store(tx, before, Movement(paid(before.account, facts, now.time)), now, policy)
        if refused is not None:
            raise Broken(f"the payment {facts['payment_hash']} is known as something else")


def store(tx: Connection, before: HeldAccount, done: Movement, now: Now, policy: Policy) -> Refusal | None:
    """Writes the whole decision. A Refusal, and nothing written, when a payment hash was used before."""
    was, account = before.account, done.account
    check_account(was, account)
    known = {each.ref: each for each in was.withdrawals}
    fresh = [each for each in account.withdrawals if each.ref not in known]
    if any(_USED.first(tx, {"hash": each.payment_hash}) for each in fresh):
        return refuse(Refused.HASH_USED)
    for each in fresh:
        _HASH.run(tx, {"hash": each.payment_hash, "ref": each.ref, "task": ""})
    if account != was:
        _write(tx, before, account)
    for each in account.withdrawals:
        if each != known.get(each.ref):
            row = {
                "ref": each.ref,
                "owner": account.owner,
                "state": str(each.state),
                "open": int(not each.state.is_final),
                "amount": each.amount,
                "budget": each.budget,
                "fee": each.fee,
                "payment_hash": each.payment_hash,
                "document": withdrawal_text(each),
            }
            insert_or_update(withdrawals, tuple(row), "ref").run(tx, row)
    books.write(tx, of_account(was, account), now.time)
    for effect in done.effects:
        outbox.order(tx, "", effect)
    for entry in done.published:
        house.add_checkpoint(tx, policy.bot, entry.type, now, entry.facts)
    for found in done.incidents:
        house.incident(tx, now, found.code, None, found.facts)
    return None


def _write(tx: Connection, before: HeldAccount, account: Account) -> None:
    row = {"version": before.version + 1, "counter": account.counter, "due_time": account.due}
    if before.version == 0:
        _NEW.run(tx, {"owner": account.owner, **row})
    elif _CHANGED.run(tx, {**row, "who": account.owner, "was": before.version}) != 1:
        raise Stale(account.owner)


def promised(tx: Connection) -> Msat:
    """What withdrawals that are not at the node yet will need there."""
    return Msat(int(_PROMISED.scalar(tx) or 0))


@dataclass(frozen=True, slots=True)
class DueAccount:
    """An account of which a withdrawal is to be tried again; `tick` is new."""

    owner: Pubkey
    tick: str


def due(tx: Connection, time: int, limit: int) -> list[DueAccount]:
    values = {"time": time, "again": f"/{time // _AGAIN}", "most": limit}
    return [DueAccount(Pubkey(row.owner), row.tick) for row in _DUE.rows(tx, values)]


def ticked(tx: Connection, which: DueAccount) -> None:
    _TICKED.run(tx, {"who": which.owner, "ticked": which.tick})


def next_due(tx: Connection) -> int | None:
    """The soonest time at which any account needs a tick, unix seconds."""
    return _NEXT_DUE.scalar(tx)


def given_up(tx: Connection, payment_hash: str) -> tuple[str, Pubkey] | None:
    """(ref, owner) of a withdrawal that was given up, should its payment arrive all the same."""
    row = _GIVEN_UP.first(tx, {"hash": payment_hash})
    return (row.ref, Pubkey(row.owner)) if row else None
