"""The books: what each step moves, and what the database refuses whatever the code above it does."""

from __future__ import annotations

import dataclasses

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import IntegrityError

from handlers.booking import Posting, Sort, party
from handlers.fees import Fees
from kinds.inputs import BY_HAND
from kinds.lightning import NodeFacts
from kinds.states import Payer
from kinds.units import Msat, sats
from storage import books, gate
from storage.books import Day
from storage.schema import balances, journals, postings, totals
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, POLICY, WORKER, Life, invoice
from tests.handlers.purse import PS
from tests.storage.bank import Bank
from tests.storage.memory import KeptLife, kept

POLICY_WITH_FEE = dataclasses.replace(POLICY, fees=Fees(ppm=10_000, payer=Payer.SPLIT))


def lines(engine: Engine) -> list[tuple[str, int]]:
    with engine.begin() as tx:
        return [(row.account, row.amount) for row in tx.execute(select(postings).order_by(postings.c.n))]


def sound(engine: Engine) -> None:
    with engine.begin() as tx:
        assert books.differences(tx) == []
        assert sum(each.amount for each in books.classes(tx)) == 0


def test_nothing_is_booked_before_the_settlement_and_everything_with_it() -> None:
    life: KeptLife = kept(builders.settling, policy=POLICY_WITH_FEE)
    assert lines(life.engine) == []
    life.see(builders.H.SETTLED)
    spared = life.task.budget - life.share.fee
    assert lines(life.engine) == [
        ("fees", sats(450)), ("insurance", sats(50)+ spared), ("node", -sats(500) - spared),
    ]  # fmt: skip
    sound(life.engine)


def test_what_a_task_owes_stands_in_peoples_accounts() -> None:
    life: KeptLife = kept(builders.split, 33)
    with life.engine.begin() as tx:
        assert books.balance(tx, party(EMPLOYER)) == life.task.credit(EMPLOYER) > 0
        assert books.balance(tx, party(WORKER)) == 0
        assert books.credited(tx, EMPLOYER) == (1, life.task.credit(EMPLOYER))
        told = books.statement(tx, EMPLOYER, 10)
    [line] = told["lines"]
    assert (line["task"], line["what"], line["balance_msat"]) == (life.id, "change", life.task.credit(EMPLOYER))
    assert told["earlier"] == 0
    sound(life.engine)


def test_a_refund_books_nothing() -> None:
    life: KeptLife = kept(builders.refunded, policy=POLICY_WITH_FEE)
    assert lines(life.engine) == []


def test_a_compensation_comes_out_of_the_insurance_account() -> None:
    life: KeptLife = kept(builders.lost)
    with life.engine.begin() as tx:
        books.write(tx, (Posting(Sort.INSURANCE, sats(9_000), "insured"), Posting(Sort.NODE, sats(-9_000))), 1, "t")
        assert gate.load(tx).insured == 0
        life.house = gate.load(tx, insurance=True)
    assert life.house.insured == sats(9_000)
    life.say(BY_HAND, life.command("compensate", amount=5_000))
    with life.engine.begin() as tx:
        assert books.insured(tx) == sats(3_950)
        assert books.balance(tx, party(WORKER)) == sats(5_050)
    assert [line for line in lines(life.engine) if line[0] == "node"] == [("node", sats(-9_000))], (
        "nothing left the house"
    )
    sound(life.engine)


def test_a_statement_is_bounded_and_says_what_stood_there_after_each_line() -> None:
    bank = Bank()
    for number in range(30):
        bank.credit(sats(100), f"task {number}")
    bank.withdraw(sats(1_000))
    bank.sees(PS.COMPLETE, fee=Msat(3_000))
    with bank.engine.begin() as tx:
        told = books.statement(tx, bank.owner, 5)
    assert told["earlier"] == 32 - 5
    assert told["available_msat"] == sats(2_000) - 3_000
    assert [(each["amount_msat"], each["balance_msat"], each["what"]) for each in told["lines"][:3]] == [
        (7_000, sats(2_000) - 3_000, "fee_unused"),
        (sats(-1_010), sats(1_990), "withdrawal"),
        (sats(100), sats(3_000), "change"),
    ]
    assert told["lines"][1]["payment_hash"] == bank.last.payment_hash
    assert told["lines"][1]["task"] is None


def test_totals_per_day(engine: Engine) -> None:
    noon = 1_800_014_400  # of a day, in UTC
    first = noon - noon % 86400
    with engine.begin() as tx:
        for at, account, amount, why in (
            (first + 86400, "fees", 3, "fee"), (first, "fees", 5, "fee"), (first + 86399, "fees", 2, "fee"),
            (first, "insurance", 7, "insured"), (first, "insurance", -4, "compensation"),
        ):  # fmt: skip
            books.write(tx, (Posting(account, Msat(amount), why), Posting("node", Msat(-amount))), at, "t")
        assert books.days(tx) == [Day(first, Msat(7), Msat(7), Msat(4)), Day(first + 86400, Msat(3), Msat(0), Msat(0))]
        assert (books.balance(tx, Sort.FEES), books.insured(tx)) == (10, 3)


POST = "insert into postings (journal, account, amount, why, withdrawal) values ({}, '{}', {}, '', '')"
CLOSE = "insert into journals (n, at, task) values ({}, 1, '')"


def run(engine: Engine, statements: list[str]) -> None:
    """In one commit."""
    with engine.begin() as tx:
        for statement in statements:
            tx.execute(text(statement))


@pytest.mark.parametrize(
    ("statements", "match"),
    [
        ([POST.format(9, "party:a", 5), CLOSE.format(9)], "sum to zero"),
        ([POST.format(9, "party:a", 5), POST.format(9, "node", -4), CLOSE.format(9)], "sum to zero"),
        ([CLOSE.format(9)], "sum to zero"),  # nothing in it
        ([POST.format(9, "party:a", 5), POST.format(9, "node", -5)], "FOREIGN KEY"),  # never closed
        ([POST.format(1, "party:a", 5)], "is closed"),
        *(
            ([POST.format(9, account, -amount), POST.format(9, "node", amount), CLOSE.format(9)], "never_below_zero")
            for account, amount in (
                ("party:a", 1001), ("party:b", 1), ("moving:a", 1), ("locked:t", 1), ("fees", 1), ("insurance", 1),
            )
        ),
    ],
)  # fmt: skip
def test_the_database_refuses_what_does_not_balance_or_overdraws(
    engine: Engine, statements: list[str], match: str
) -> None:
    with engine.begin() as tx:
        books.write(tx, (Posting("party:a", Msat(1000)), Posting("node", Msat(-1000))), 1, "t")
    before = lines(engine)
    with pytest.raises(IntegrityError, match=match):
        run(engine, statements)
    assert lines(engine) == before
    sound(engine)


def test_an_account_may_be_emptied_to_the_last_msat(engine: Engine) -> None:
    with engine.begin() as tx:
        books.write(tx, (Posting("party:a", Msat(1000)), Posting("node", Msat(-1000))), 1, "t")
        books.write(tx, (Posting("party:a", Msat(-1000)), Posting("node", Msat(1000))), 2, "t")
        assert books.balance(tx, "party:a") == books.total(tx, Sort.PARTY) == 0


@pytest.mark.parametrize("table", [balances, totals])
def test_what_is_kept_wrong_is_found(engine: Engine, table: object) -> None:
    with engine.begin() as tx:
        books.write(tx, (Posting("party:a", Msat(1000)), Posting("node", Msat(-1000))), 1, "t")
        tx.execute(text(f"update {table} set amount = amount + 1 where sort = 'party'"))
        assert books.differences(tx)


def test_what_is_owed_is_kept_free_when_room_is_measured() -> None:
    bank = Bank()
    bank.credit(sats(60_000))
    bank.withdraw(sats(20_000))

    def promised() -> int:
        with bank.engine.begin() as tx:
            return gate.measure(tx, _facts()).approved

    assert promised() == sats(60_000), "in the account, or reserved and not at the node yet"
    bank.leave()
    bank.sees(PS.IN_FLIGHT)
    assert promised() == sats(60_000 - 20_200), "the node has it already"


def _facts() -> NodeFacts:
    return Life().facts()


def test_a_hash_is_used_once_over_everything() -> None:
    bank = Bank()
    bank.credit(sats(60_000))
    paid = bank.withdraw(sats(100))
    again = bank.asks(invoice("mine", sats(100), bank.time))
    assert bank.refuses(again).code == "hash_used"
    bank.sees(PS.FAILED)
    assert bank.refuses(again).code == "hash_used"
    with bank.engine.begin() as tx:
        assert tx.execute(select(journals.c.n)).all()
    assert bank.read(paid.ref).withdrawal(paid.ref) is not None
