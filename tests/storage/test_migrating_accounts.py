"""A database of the version before accounts: what its tasks owed, had paid out and were paying out is where it belongs afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, text

from handlers.booking import Sort, party
from handlers.check import check
from kinds.units import Msat, Pubkey
from storage import accounts, books, commit, outbox
from storage.codec import read_fact, task_text
from storage.open import engine_for, migrate
from storage.schema import inputs, payouts, withdrawals
from tests.handlers import builders
from tests.handlers.life import WORKER, hash_of, preimage_of

SHARE, BUDGET = 50_000_000, 500_000


def entry(amount: int, budget: int, why: str) -> dict[str, Any]:
    return {"role": "worker", "to": WORKER, "amount": amount, "budget": budget, "why": why}


def payout(task: str, n: int, state: str, **more: Any) -> dict[str, Any]:
    return {
        "ref": f"{task}/p{n}", "role": "worker", "to": WORKER, "amount": SHARE, "budget": BUDGET, "from_credit": True, "state": state,
        "salt": "", "promised": False, "invoice": "lnplay1x", "payment_hash": hash_of(preimage_of(f"{task}{n}")), "expires_at": 9_000,
        "final_cltv": 40, "attempts": 0, "ordered": False, "next_try": 0, "fee": 0, "preimage": "", "reason": "", **more,
    }  # fmt: skip


def old_task(tx: Connection, credits: list[Any], paid: list[Any], insurance: int = 0) -> str:
    """A task of which the worker was owed his share, as it was remembered then."""
    life = builders.credited()
    document = json.loads(task_text(life.task))
    (milestone,) = document["milestones"]
    document |= {name: milestone.pop(name) for name in ("budget", "fee", "insurance")} | {"reward": milestone["reward"]}
    document |= {"credits": credits, "payouts": [*document["payouts"], *paid], "insurance": insurance}
    row = {"id": life.id, "e": life.task.employer, "w": WORKER, "d": json.dumps(document)}
    names = (
        "id, address, pinned, root, employer, worker, state, phase, version, seq, head, state_at, due_time, document"
    )
    tx.execute(
        text(f"insert into tasks ({names}) values (:id, :id, :id, 'r', :e, :w, 'Paid', '', 3, 9, 'h', 777, 5, :d)"), row
    )
    for number, each in enumerate(credits, 1):
        tx.execute(
            text("insert into credits values (:t, :n, :p, 'worker', :a, :w)"),
            {"t": life.id, "n": number, "p": WORKER, "a": each["amount"], "w": each["why"]},
        )
    for each in paid:
        tx.execute(
            text("insert into payouts values (:ref, :t, 'worker', 1, :state, :amount, :budget, :fee, :payment_hash)"),
            each | {"t": life.id},
        )
        tx.execute(text("insert into payment_hashes values (:payment_hash, :ref, :t)"), each | {"t": life.id})
    return life.id


@pytest.fixture
def old() -> Iterator[Engine]:
    engine = engine_for(None)
    migrate(engine, "0004")
    with engine.begin() as tx:
        tx.execute(text("insert into allowed values ('', 'Paid')"))
        for at, account, amount in ((100, "fee", 900), (100, "insurance", 90_000), (90_000, "compensation", 50)):
            line = "insert into bookings (at, task, account, amount) values (:at, 't', :account, :amount)"
            tx.execute(text(line), {"at": at, "account": account, "amount": amount})
    yield engine
    engine.dispose()


def sound(tx: Connection) -> None:
    assert books.differences(tx) == []
    assert sum(each.amount for each in books.classes(tx)) == 0


FIRST = "unpaid at the end of the hold"


def test_what_is_owed_is_in_the_account_with_its_budget(old: Engine) -> None:
    with old.begin() as tx:
        task = old_task(tx, [entry(SHARE, BUDGET, FIRST)], [])
    migrate(old)
    with old.begin() as tx:
        account = accounts.load(tx, WORKER).account
        assert (account.available, account.credits, account.credited, account.open) == (
            SHARE + BUDGET, 1, SHARE + BUDGET, (),
        )  # fmt: skip
        held = commit.load(tx, task)
        assert held is not None
        check(held.task)
        assert [(each.amount, each.why) for each in held.task.credits] == [(SHARE + BUDGET, FIRST)]
        [line] = books.statement(tx, WORKER, 9)["lines"]
        assert (line["at"], line["task"], line["what"]) == (777, task, FIRST)
        sound(tx)


def test_the_bookings_keep_their_days(old: Engine) -> None:
    migrate(old)
    with old.begin() as tx:
        assert (books.balance(tx, Sort.FEES), books.insured(tx)) == (900, 89_950)
        assert [(each.day, each.earned, each.insured, each.given) for each in books.days(tx)] == [
            (0, 900, 90_000, 0), (86_400, 0, 0, 50),
        ]  # fmt: skip
        sound(tx)


def test_what_was_paid_out_is_a_withdrawal_that_is_over(old: Engine) -> None:
    with old.begin() as tx:
        paid = payout("x", 2, "complete", fee=7_000, preimage=preimage_of("x2"))
        task = old_task(
            tx, [entry(SHARE, BUDGET, FIRST), entry(-SHARE, -BUDGET, "x/p2")], [paid], insurance=BUDGET - 7_000
        )
    migrate(old)
    with old.begin() as tx:
        account = accounts.load(tx, WORKER, "x/p2").account
        assert (account.available, account.open) == (0, ())
        one = account.withdrawal("x/p2")
        assert one is not None
        assert (one.fee, one.state) == (7_000, "complete")
        held = commit.load(tx, task)
        assert held is not None
        check(held.task)
        assert tx.execute(select(payouts.c.ref)).all() == []
        sound(tx)


def test_what_is_under_way_goes_on(old: Engine) -> None:
    """Failed once, then planned again, sent, and the node's word has come and was not heard yet."""
    with old.begin() as tx:
        failed = payout("x", 2, "failed")
        flying = payout("x", 3, "claimed", ordered=True, next_try=0)
        resting = payout("x", 4, "planned", next_try=4_000)
        credits = [
            entry(2 * SHARE, 2 * BUDGET, FIRST), entry(-SHARE, -BUDGET, "x/p2"), entry(SHARE, BUDGET, "x/p2 failed"),
            entry(-SHARE, -BUDGET, "x/p3"), entry(-SHARE, -BUDGET, "x/p4"),
        ]  # fmt: skip
        task = old_task(tx, credits, [failed, flying, resting])
        tx.execute(
            text(
                "insert into effects (task, sort, ref, body, state, started_at) values (:t, 'pay', 'x/p3', :b, 'started', 5)"
            ),
            {"t": task, "b": json.dumps({"ref": "x/p3", "payment_hash": flying["payment_hash"]})},
        )
        view = {"payment_hash": flying["payment_hash"], "status": "failed", "fault": "ours", "reason": "no_route"}
        tx.execute(
            text(
                "insert into inputs (key, sort, task, body, time, height, block, deaf, entropy, policy)"
                " values ('k', 'payment_seen', :t, :b, 1, 1, 'b', 0, :e, 'p')"
            ),
            {"t": task, "b": json.dumps({"ref": "x/p3", "view": view}), "e": "00" * 32},
        )
    migrate(old)
    with old.begin() as tx:
        account = accounts.load(tx, WORKER).account
        assert (account.available, [each.ref for each in account.open]) == (0, ["x/p3", "x/p4"])
        assert books.balance(tx, f"moving:{WORKER}") == account.under_way == 2 * (SHARE + BUDGET)
        [order] = outbox.open_orders(tx, ("remit",))
        assert (order.task, order.started_at, order.effect.ref) == ("", 5, "x/p3")
        row = tx.execute(select(inputs)).one()
        fact = read_fact(row.sort, row.body)
        assert (row.sort, row.task, fact.owner, fact.ref) == ("remit_seen", None, WORKER, "x/p3")  # type: ignore[union-attr]
        assert accounts.next_due(tx) == 4_000
        assert tx.execute(text("select due_time from tasks")).scalar() is None, "the task has nothing left to do"
        assert tx.execute(select(withdrawals.c.open).order_by(withdrawals.c.ref)).scalars().all() == [0, 1, 1]
        sound(tx)


def test_people_of_several_tasks_have_one_account(old: Engine) -> None:
    migrate(old)
    with old.begin() as tx:
        assert accounts.load(tx, Pubkey("ab" * 32)).account.available == Msat(0)
        assert books.balance(tx, party(WORKER)) == 0
