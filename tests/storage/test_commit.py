"""One decision, one transaction: all of it or nothing, and what is read is what was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from handlers import check as rules
from handlers.booking import Posting, Sort, party
from handlers.check import Broken
from handlers.decision import Decision, Refusal
from handlers.policy import DAY
from handlers.tick import due
from kinds.codes import Refused
from kinds.inputs import Evidence, Offered, Proven
from kinds.lightning import PaymentStatus
from kinds.states import FundingState, TaskState
from kinds.task import offer
from kinds.units import EventId, Pubkey, sats
from storage import books, commit, outbox, reads
from storage.commit import Stale
from storage.schema import effects, events, fundings, log, payment_hashes, payouts, tasks
from tests.handlers import builders
from tests.handlers.life import BOT, EMPLOYER, OTHER, START, WORKER, H, Life, invoice
from tests.handlers.test_transitions import WALKS
from tests.storage.memory import KeptLife, everything, fresh, kept


@pytest.mark.parametrize("walk", range(len(WALKS)))
def test_every_life_is_remembered_as_it_was_decided(walk: int) -> None:
    engine = fresh()
    with engine.begin() as tx:  # where a walk is about the insurance, the account has it
        books.write(tx, (Posting(Sort.INSURANCE, sats(1_000_000)), Posting(Sort.NODE, sats(-1_000_000))), 1, "t")
    kept(WALKS[walk], engine=engine)
    with engine.begin() as tx:
        assert books.differences(tx) == []


def test_the_log_that_is_published_is_chained() -> None:
    life: KeptLife = kept(builders.paid)
    with life.engine.begin() as tx:
        rows = tx.execute(select(log).order_by(log.c.seq)).all()
        queued = {row.id: json.loads(row.body) for row in tx.execute(select(events))}
    assert [row.type for row in rows] == life.types
    prev = None
    for row in rows:
        event = queued[row.id]
        tags = {tag[0]: tag[1] for tag in event["tags"]}
        assert (tags.get("prev"), tags["seq"], tags["e"]) == (prev, str(row.seq), life.task.pinned)
        assert json.loads(event["content"])["state"] == row.state
        prev = row.id


def test_the_state_event_points_at_the_head_and_its_time_rises() -> None:
    life: KeptLife = kept(builders.paid)  # all of it within one second
    held = life.held()
    assert held
    with life.engine.begin() as tx:
        rows = tx.execute(select(events).where(events.c.address == f"state:{life.id}").order_by(events.c.n)).all()
    stamps = [row.created_at for row in rows]
    assert stamps == sorted(set(stamps))
    assert [row.state for row in rows] == ["superseded"] * (len(rows) - 1) + ["pending"]
    newest = json.loads(rows[-1].body)
    assert ["e", held.head] in newest["tags"]
    assert json.loads(newest["content"])["state"] == "Paid"


def test_money_stands_in_rows_of_its_own() -> None:
    life: KeptLife = kept(builders.split, 33)
    with life.engine.begin() as tx:
        holds = tx.execute(select(fundings)).all()
        paid = tx.execute(select(payouts)).all()
        owed = books.balance(tx, party(EMPLOYER))
        hashes = {row.hash for row in tx.execute(select(payment_hashes))}
    assert [(row.state, row.amount) for row in holds] == [("settled", life.task.hold_amount)]
    assert [(row.state, row.amount, row.fee) for row in paid] == [("complete", sats(16_500), 1000)]
    assert owed == life.task.credit(EMPLOYER)
    assert hashes == {life.task.fundings[0].payment_hash, life.task.payouts[0].payment_hash}


def test_what_the_watch_saw_survives_the_next_decision() -> None:
    life: KeptLife = kept(builders.funded)
    with life.engine.begin() as tx:
        tx.execute(update(fundings).values(seen="digest"))
    life.cancel(EMPLOYER)
    with life.engine.begin() as tx:
        assert tx.execute(select(fundings.c.seen)).scalar() == "digest"


def test_when_it_is_due_stands_beside_it() -> None:
    life: KeptLife = kept(builders.resting)
    when = due(life.task)
    with life.engine.begin() as tx:
        row = tx.execute(select(tasks)).one()
        assert (row.due_heard, row.due_time, row.due_height) == (when.heard, when.time, when.height)
        assert when.time is not None
        assert [found.id for found in reads.due_tasks(tx, 0, when.time, 0, 10)] == [life.id]
        assert reads.due_tasks(tx, 0, when.time - 1, 0, 10) == []


# ---------------------------------------------------------------------- all or nothing


@pytest.mark.parametrize("where", ["publish", "order"])
def test_an_error_in_the_middle_leaves_nothing(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    life: KeptLife = kept(builders.funded)
    with life.engine.begin() as tx:
        before = everything(tx)

    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of disk")

    monkeypatch.setattr(outbox, where, fails)
    with pytest.raises(RuntimeError):
        life.cancel(EMPLOYER)
    with life.engine.begin() as tx:
        assert everything(tx) == before


def test_what_breaks_the_rules_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    life: KeptLife = kept(builders.funded)
    held = life.held()
    assert held
    broken = Decision(held.task.with_funding(life.hold.ref, state=FundingState.CANCELLED))
    with life.engine.begin() as tx:
        before = everything(tx)
        with pytest.raises(Broken):
            commit.store(tx, held, broken, life.now, life.policy)
        assert everything(tx) == before
    assert rules.check(held.task) is None  # type: ignore[func-returns-value]


def test_two_writers_are_noticed() -> None:
    life: KeptLife = kept(builders.funded)
    stale = life.held()
    assert stale
    first = life.copy()
    assert isinstance(first, KeptLife)
    first.cancel(EMPLOYER)
    again = Life.hear(life, life.said(WORKER, life.command("claim")))
    assert isinstance(again, Decision)
    with pytest.raises((Stale, IntegrityError)), life.engine.begin() as tx:
        commit.store(tx, stale, again, life.now, life.policy)
    with life.engine.begin() as tx:
        found = commit.load(tx, life.id)
    assert found
    assert found.task.phase == "refunding"


def test_a_stale_version_without_log_lines_is_noticed_too() -> None:
    life: KeptLife = kept(builders.claimed)
    stale = life.held()
    assert stale
    noted = Life.hear(life.copy(), life.said(WORKER, life.command("payout", destination=invoice("x", sats(50_000)))))
    assert isinstance(noted, Decision)
    assert not noted.log
    with life.engine.begin() as tx:
        tx.execute(update(tasks).values(version=stale.version + 1))
    with pytest.raises(Stale), life.engine.begin() as tx:
        commit.store(tx, stale, noted, life.now, life.policy)


# ---------------------------------------------------------------------- a hash is used once


def second(engine: Engine, by: Pubkey = OTHER) -> KeptLife:
    """Another task in the same house."""
    life = KeptLife(engine=engine)
    words = offer("Another page", "50000", START + 2 * DAY, {})
    evidence = Evidence(Proven.SIGNED, {"id": "99" * 32}, None, life.time)
    life.did(Offered(by, words, EventId("99" * 32), f"30078:{by}:page", evidence))
    return life


def test_an_invoice_is_good_for_one_task(engine: Engine) -> None:
    first: KeptLife = kept(builders.claimed, True, engine=engine)
    other = second(engine)
    other.say(OTHER, other.command("fund"))
    other.make()
    other.see(H.HELD)
    same = other.said(WORKER, other.command("claim", destination=invoice("share", sats(50_000))))
    with engine.begin() as tx:
        before = everything(tx)
    assert other.refuses(same) is Refused.HASH_USED
    with engine.begin() as tx:
        assert everything(tx) == before
    assert first.task.destination
    held = other.said(
        WORKER, other.command("claim", destination=invoice("y", sats(50_000), payment_hash=first.hold.payment_hash))
    )
    assert other.refuses(held) is Refused.HASH_USED, "nor the hash of another task's hold"


def test_a_destination_that_was_replaced_cannot_come_back() -> None:
    life: KeptLife = kept(builders.claimed, True)
    life.payout("another")
    again = life.said(WORKER, life.command("payout", destination=invoice("share", sats(50_000))))
    assert life.refuses(again) is Refused.HASH_USED


def test_the_destination_of_the_claim_is_paid_under_the_same_hash() -> None:
    life: KeptLife = kept(builders.paid)
    assert life.task.state is TaskState.PAID


# ---------------------------------------------------------------------- one active payout


@pytest.mark.parametrize("start", [builders.verified, builders.in_flight, builders.paid])
def test_a_second_active_payout_is_refused_by_the_database(start: Callable[..., Any]) -> None:
    life: KeptLife = kept(start, True) if start is builders.verified else kept(start)
    row = {
        "ref": "another", "task": life.id, "role": "worker", "state": "planned", "amount": 1,
        "budget": 0, "fee": 0, "payment_hash": "",
    }  # fmt: skip
    with pytest.raises(IntegrityError), life.engine.begin() as tx:
        tx.execute(insert(payouts).values(row))
    with life.engine.begin() as tx:
        tx.execute(insert(payouts).values(row | {"ref": "change", "role": "employer"}))


def test_a_replaced_payout_makes_room_in_the_same_commit() -> None:
    for start in (builders.resting, lambda: builders.verified(True)):
        life: KeptLife = kept(start)
        life.payout("another")
        life.leave()
        life.pay(PaymentStatus.COMPLETE)
        with life.engine.begin() as tx:
            assert tx.execute(select(func.count()).select_from(payouts)).scalar() == 2


def test_effects_wait_in_the_order_of_their_decisions() -> None:
    life: KeptLife = kept(builders.settling)
    with life.engine.begin() as tx:
        assert [row.sort for row in tx.execute(select(effects).order_by(effects.c.n))] == ["make_hold", "pay", "settle"]
        orders = outbox.open_orders(tx, ("make_hold", "pay", "settle", "cancel"))
    assert [found.effect for found in orders] == life.effects


def test_a_posted_task_is_rooted_in_its_own_first_entry() -> None:
    life = KeptLife()
    words = offer("A page", "50000", START + 2 * DAY, {})
    life.did(Offered(EMPLOYER, words, EventId("88" * 32), "", Evidence(Proven.ATTESTED)))
    held = life.held()
    assert held
    assert held.root == held.head
    assert life.task.address == f"30078:{BOT}:holdfast-{life.id}"
    life.fund()
    assert not isinstance(life.make(), Refusal)
    again = life.held()
    assert again
    assert again.root == held.root


def test_a_step_that_was_taken_back_is_not_remembered() -> None:
    life: KeptLife = kept(builders.funded)
    held = life.held()
    assert held is not None
    other = replace(held.task, title="another")
    with life.engine.connect() as tx:
        step = tx.begin()
        commit._write_task(tx, held, other, held.root, held.head, held.state_at)
        assert commit.load(tx, other.id) == replace(held, task=other, version=held.version + 1)
        step.rollback()
    with life.engine.begin() as tx:
        assert commit.load(tx, other.id) == held
