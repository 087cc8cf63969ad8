"""Transactions as a view of rows, by the rules alone: several milestones, money that was lost, and who may see what."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from handlers.decision import Refusal
from handlers.records import MOST, Given, Lock, Rows, Sent, receipt, records
from handlers.task import Milestone, Task
from kinds.codes import Refused
from kinds.states import FundingState, PayoutState, RecordStatus, RecordType
from kinds.units import Msat, PaymentHash, Secret
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, STRANGER, WORKER

F, P, T, S = FundingState, PayoutState, RecordType, RecordStatus
HOLD, PAID = Msat(10_100_000), Msat(10_000_000)


def lock(number: int = 1, **more: Any) -> Lock:
    usual: dict[str, Any] = {
        "ref": f"t/h{number}", "milestone": number, "payer": EMPLOYER, "amount": HOLD, "state": F.SETTLED, "goal": "settle",
        "payment_hash": PaymentHash(f"{number:064x}"), "preimage": Secret("ab" * 32), "asked": 100 * number,
        "held_at": 100 * number + 10, "ended_at": 100 * number + 90,
    }  # fmt: skip
    return Lock(**usual | more)


def sent(number: int = 1, **more: Any) -> Sent:
    usual: dict[str, Any] = {
        "ref": f"t/p{number}", "milestone": number, "to": WORKER, "amount": PAID, "fee": Msat(1000), "state": P.COMPLETE,
        "payment_hash": PaymentHash(f"{number + 50:064x}"), "preimage": Secret("cd" * 32), "at": 100 * number + 50,
        "ended_at": 100 * number + 80,
    }  # fmt: skip
    return Sent(**usual | more)


def given(number: int = 1, **more: Any) -> Given:
    usual: dict[str, Any] = {
        "number": number, "milestone": 1, "to": EMPLOYER, "amount": HOLD, "why": "change", "at": 500,
    }  # fmt: skip
    return Given(**usual | more)


def project(parts: int = 3) -> Task:
    """A task that forgot all money but the present milestone's."""
    task = builders.paid().task
    each = tuple(Milestone(number=n + 1, title=f"part {n + 1}", reward=PAID, budget=Msat(0)) for n in range(parts))
    return dataclasses.replace(task, milestones=each, fundings=(), payouts=(), credits=())


def told(task: Task, rows: Rows) -> list[tuple[str, RecordType, RecordStatus, int, str | None]]:
    names = {EMPLOYER: "employer", WORKER: "worker", None: None}
    return [(each.id, each.type, each.status, each.milestone, names[each.released_to]) for each in records(task, rows)]


def test_each_milestone_has_its_own_transactions() -> None:
    rows = Rows(
        locks=(lock(1), lock(2), lock(3, state=F.ACCEPTED, goal="", ended_at=0, preimage=Secret(""))),
        sent=(sent(1), sent(2, state=P.FAILED), sent(3, ref="t/p9", milestone=2)),
    )
    assert told(project(), rows) == [
        ("t/h1", T.UPFRONT_ESCROW, S.SUCCESS, 1, "worker"),
        ("t/p1", T.MILESTONE_PAYMENT, S.SUCCESS, 1, "worker"),
        ("t/h2", T.UPFRONT_ESCROW, S.SUCCESS, 2, "worker"),
        ("t/p2", T.MILESTONE_PAYMENT, S.FAILED, 2, None),
        ("t/h3", T.UPFRONT_ESCROW, S.SUCCESS, 3, None),
        ("t/p9", T.MILESTONE_PAYMENT, S.SUCCESS, 2, "worker"),
    ]
    [escrow] = [each for each in records(project(), rows) if each.id == "t/h2"]
    assert escrow.released == 380, "when its worker had his money"


@pytest.mark.parametrize(
    ("held", "more", "expected"),
    [
        ({"state": F.CREATED, "held_at": 0, "ended_at": 0}, (), [(T.UPFRONT_ESCROW, S.PENDING, None)]),
        ({"state": F.EXPIRED, "held_at": 0}, (), [(T.UPFRONT_ESCROW, S.FAILED, None)]),
        ({"state": F.CANCELLED, "held_at": 0}, (), [(T.UPFRONT_ESCROW, S.FAILED, None)]),
        ({"state": F.ACCEPTED, "goal": ""}, (), [(T.UPFRONT_ESCROW, S.SUCCESS, None)]),
        (
            {"state": F.ACCEPTED, "goal": "cancel", "ended_at": 0},
            (),
            [(T.UPFRONT_ESCROW, S.SUCCESS, None), (T.REFUND, S.PENDING, None)],
        ),
        (
            {"state": F.CANCELLED, "goal": "stray"},
            (),
            [(T.UPFRONT_ESCROW, S.SUCCESS, EMPLOYER), (T.REFUND, S.SUCCESS, EMPLOYER)],
        ),
        ({"state": F.LOST}, (), [(T.UPFRONT_ESCROW, S.FAILED, None)]),
        ({"goal": "lock"}, (), [(T.UPFRONT_ESCROW, S.SUCCESS, None)]),
        (
            {"goal": "lock"},
            (given(why="back from the books"),),
            [(T.UPFRONT_ESCROW, S.SUCCESS, EMPLOYER), (T.REFUND, S.SUCCESS, EMPLOYER)],
        ),
        (
            {"goal": "cancel"},
            (given(why="refund"),),
            [(T.UPFRONT_ESCROW, S.SUCCESS, EMPLOYER), (T.REFUND, S.SUCCESS, EMPLOYER)],
        ),
        (
            {},
            (given(to=WORKER, why="unpaid at the end of the hold"),),
            [(T.UPFRONT_ESCROW, S.SUCCESS, WORKER), (T.FULL_PAYMENT, S.SUCCESS, WORKER)],
        ),
        (
            {"state": F.LOST},
            (given(why="compensation"),),
            [(T.UPFRONT_ESCROW, S.FAILED, None), (T.COMPENSATION, S.SUCCESS, EMPLOYER)],
        ),
    ],
)
def test_what_became_of_a_hold(held: dict[str, Any], more: tuple[Given, ...], expected: list[Any]) -> None:
    found = records(project(1), Rows(locks=(lock(1, **held),), given=more))
    assert [(each.type, each.status, each.released_to) for each in found] == expected
    for each in found:
        assert (each.paid_by is None) == (each.type is T.COMPENSATION)
        assert (each.released > 0) == (each.released_to is not None)


def test_a_compensation_is_the_insurances_and_no_part_of_what_was_locked() -> None:
    rows = Rows(locks=(lock(state=F.LOST),), given=(given(to=WORKER, why="compensation", amount=PAID),))
    facts = receipt(project(1), rows, WORKER, builders.paid().now)
    assert (facts["paid_msat"], facts["compensated_msat"]) == (0, PAID)
    assert facts["transactions"][0]["what"] == "compensation"


def test_everybody_sees_his_own() -> None:
    task, rows, now = project(1), Rows(locks=(lock(),), sent=(sent(),)), builders.paid().now
    bought, sold = receipt(task, rows, EMPLOYER, now), receipt(task, rows, WORKER, now)
    assert [each["preimage"] for each in bought["transactions"]] == [Secret("ab" * 32), None]
    assert [each["payment_hash"] for each in bought["transactions"]] == [f"{1:064x}", None]
    assert [each["preimage"] for each in sold["transactions"]] == [Secret("cd" * 32)]
    assert "escrow_msat" not in sold
    with pytest.raises(Refusal) as caught:
        receipt(task, rows, STRANGER, now)
    assert caught.value.code is Refused.NOT_YOUR_TASK


@pytest.mark.parametrize(
    "rows",
    [
        Rows(),
        Rows(locks=(lock(state=F.CREATED, held_at=0),)),
        Rows(locks=(lock(state=F.LOST),)),
    ],
)
def test_nothing_moved_is_nothing_to_receipt(rows: Rows) -> None:
    for who in (EMPLOYER, WORKER):
        with pytest.raises(Refusal) as caught:
            receipt(project(1), rows, who, builders.paid().now)
        assert caught.value.code is Refused.NO_RECEIPT


def test_a_long_project_shows_its_newest_and_counts_all() -> None:
    many = 100
    rows = Rows(locks=tuple(lock(n) for n in range(1, many)), sent=tuple(sent(n) for n in range(1, many)))
    facts = receipt(project(many), rows, EMPLOYER, builders.paid().now)
    assert len(facts["transactions"]) == MOST
    assert facts["earlier"] == 2 * (many - 1) - MOST
    assert facts["escrow_msat"] == (many - 1) * HOLD
    assert facts["transactions"][-1]["id"] == f"t/p{many - 1}"


def test_a_worker_who_left_has_a_receipt_of_what_he_was_paid() -> None:
    """Of that alone: what came to the one after him is none of his."""
    task = dataclasses.replace(project(), worker=STRANGER)
    rows = Rows(locks=(lock(1), lock(2)), sent=(sent(1), sent(2, to=STRANGER)))
    facts = receipt(task, rows, WORKER, builders.paid().now)
    assert (facts["role"], [each["id"] for each in facts["transactions"]]) == ("worker", ["t/p1"])
