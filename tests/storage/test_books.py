"""The house's own books say what the tasks' books say, and when."""

from __future__ import annotations

import dataclasses
import json

from sqlalchemy import Engine, insert, select, text

from handlers.fees import Fees
from kinds.inputs import BY_HAND
from kinds.lightning import PaymentStatus
from kinds.states import Payer
from kinds.units import Msat, sats
from storage import books, gate
from storage.books import Account, Booked
from storage.open import engine_for, migrate
from storage.schema import bookings
from tests.handlers import builders
from tests.handlers.life import POLICY
from tests.storage.memory import KeptLife, kept

POLICY_WITH_FEE = dataclasses.replace(POLICY, fees=Fees(ppm=10_000, payer=Payer.SPLIT))


def lines(engine: Engine) -> list[tuple[str, int]]:
    with engine.begin() as tx:
        return [(row.account, row.amount) for row in tx.execute(select(bookings).order_by(bookings.c.n))]


def test_nothing_is_booked_before_the_settlement_and_everything_with_it() -> None:
    life: KeptLife = kept(builders.settling, policy=POLICY_WITH_FEE)
    assert lines(life.engine) == []
    life.see(builders.H.SETTLED)
    spared = life.task.budget - life.share.fee
    assert lines(life.engine) == [("fee", sats(450)), ("insurance", sats(50) + spared)]
    with life.engine.begin() as tx:
        assert books.balance(tx, Account.FEE) == life.task.fee
        assert books.balance(tx, Account.INSURANCE) == life.task.insurance


def test_what_a_credits_payout_spares_is_booked_when_it_is_paid() -> None:
    life: KeptLife = kept(builders.credited, policy=POLICY_WITH_FEE)
    life.payout("owed")
    life.pay(PaymentStatus.COMPLETE, life.task.payouts[-1], fee=Msat(7_000))
    assert lines(life.engine)[-1] == ("insurance", life.task.budget - 7_000)


def test_a_compensation_comes_out_of_the_insurance_account() -> None:
    life: KeptLife = kept(builders.lost)
    with life.engine.begin() as tx:
        tx.execute(insert(bookings).values(at=1, task="t", account="insurance", amount=sats(9_000)))
        assert gate.load(tx).insured == 0
        life.house = gate.load(tx, insurance=True)
    assert life.house.insured == sats(9_000)
    life.say(BY_HAND, life.command("compensate", amount=5_000))
    with life.engine.begin() as tx:
        assert books.balance(tx, Account.COMPENSATION) == life.task.compensated == sats(5_050)
        assert books.insured(tx) == sats(3_950)
    life.payout("made good")
    life.pay(PaymentStatus.COMPLETE, life.task.payouts[-1], fee=Msat(1_000))
    with life.engine.begin() as tx:
        assert books.insured(tx) == sats(3_950 + 49)


def test_a_refund_books_nothing() -> None:
    life: KeptLife = kept(builders.refunded, policy=POLICY_WITH_FEE)
    assert lines(life.engine) == []


def test_totals_per_day(engine: Engine) -> None:
    noon = 1_800_014_400  # of a day, in UTC
    first = noon - noon % 86400
    with engine.begin() as tx:
        for at, account, amount in (
            (first + 86400, "fee", 3), (first, "fee", 5), (first + 86399, "fee", 2), (first, "insurance", 7),
        ):  # fmt: skip
            tx.execute(insert(bookings).values(at=at, task="t", account=account, amount=amount))
        assert books.days(tx) == [
            Booked(first, Account.FEE, Msat(7)),
            Booked(first, Account.INSURANCE, Msat(7)),
            Booked(first + 86400, Account.FEE, Msat(3)),
        ]
        assert (books.balance(tx, Account.FEE), books.balance(tx, Account.INSURANCE)) == (10, 7)


def test_what_was_kept_before_there_were_books_is_booked_by_the_migration() -> None:
    engine = engine_for(None)
    migrate(engine, "0003")
    row = (
        "insert into tasks (id, address, pinned, root, employer, state, phase, version, seq, head, state_at, document)"
    )
    with engine.begin() as tx:
        tx.execute(text("insert into allowed values ('', 'Paid')"))
        for name, document in (("a", {"insurance": 499_000}), ("b", {"insurance": 0}), ("c", {})):
            values = f" values ('{name}', '{name}', '{name}', 'r', 'e', 'Paid', '', 1, 1, 'h', 77, :document)"
            tx.execute(text(row + values), {"document": json.dumps(document)})
    migrate(engine)
    with engine.begin() as tx:
        found = [(each.at, each.task, each.account, each.amount) for each in tx.execute(select(bookings))]
    assert found == [(77, "a", "insurance", 499_000)]
    engine.dispose()
