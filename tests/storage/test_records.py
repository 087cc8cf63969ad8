"""The rows of whole lives: what came is what went, to the msat, by the rows alone; and each moment is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from handlers.booking import Posting, Sort
from handlers.records import Rows, records
from kinds.states import RecordStatus, RecordType
from kinds.units import Msat, sats
from storage import books
from storage.records import lines, rows_of
from storage.schema import fundings, journals, payouts
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, WORKER, Life
from tests.storage.memory import KeptLife, kept

T, S = RecordType, RecordStatus
ENDS: dict[str, Callable[[], Life]] = {
    "paid": builders.paid,
    "credited": builders.credited,
    "split": lambda: builders.split(33),
    "refunded": builders.refunded,
    "expired": builders.expired,
    "unreachable": builders.unreachable,
    "from the books": lambda: builders.in_books(),
    "lost": builders.lost,
    "lost after the payout": builders.lost_after_payout,
}


def rows(life: KeptLife) -> Rows:
    with life.engine.begin() as tx:
        return rows_of(tx, life.id)


@pytest.mark.parametrize("name", ENDS)
def test_what_came_is_what_went(name: str) -> None:
    life: KeptLife = kept(ENDS[name])
    found = rows(life)
    done = [each for each in records(life.task, found) if each.status is S.SUCCESS]

    def total(*kinds: RecordType) -> int:
        return sum(each.amount for each in done if each.type in kinds)

    assert life.task.state is not None
    if life.task.state.is_final and "lost" not in name:
        went = total(T.FULL_PAYMENT, T.REFUND) + sum(each.fee for each in done) + found.fee + found.insurance
        assert total(T.UPFRONT_ESCROW) == went
    assert {each.paid_by for each in done if each.type is not T.COMPENSATION} <= {EMPLOYER}
    assert len({each.id for each in records(life.task, found)}) == len(records(life.task, found))


@pytest.mark.parametrize("name", ENDS)
def test_every_moment_is_kept(name: str) -> None:
    life: KeptLife = kept(ENDS[name])
    with life.engine.begin() as tx:
        for row in tx.execute(select(fundings)):
            assert (row.held_at > 0) == (row.state in ("accepted", "settled", "lost", "cancelled"))
            assert (row.ended_at > 0) == (row.state not in ("accepted", "created", "making"))
            assert row.milestone == 1
            assert bool(row.preimage) == (row.state == "settled")
        for row in tx.execute(select(payouts)):
            assert row.to == WORKER
            assert row.at > 0
            assert (row.ended_at > 0) == (row.state in ("complete", "failed", "abandoned"))
            assert bool(row.preimage) == (row.state == "complete")
        assert set(tx.execute(select(journals.c.milestone)).scalars()) <= {1}


def test_a_compensation_is_a_line_of_its_own() -> None:
    life: KeptLife = kept(builders.lost_after_payout)
    saved = sats(1_000_000)
    with life.engine.begin() as tx:
        books.write(tx, (Posting(Sort.INSURANCE, saved, "insured"), Posting(Sort.NODE, Msat(-saved))), 1, "earlier")
    builders.compensate(life, saved)
    with life.engine.begin() as tx:
        listed = [(each.type, each.status, each.paid_by) for each in lines(tx, 0, 1 << 40)]
    assert ("COMPENSATION", "SUCCESS", None) in listed
    assert ("UPFRONT_ESCROW", "FAILED", EMPLOYER) in listed


def test_a_line_stands_under_the_day_on_which_it_was_over() -> None:
    life: KeptLife = kept(builders.paid)
    with life.engine.begin() as tx:
        every = lines(tx, 0, 1 << 40)
        assert [each.at for each in every] == sorted(each.at for each in every)
        for each in every:
            assert each.id in [other.id for other in lines(tx, each.at, each.at + 1)]
            assert each.id not in [other.id for other in lines(tx, each.at + 1, 1 << 40)]
        assert lines(tx, 0, 1 << 40, "0000000000000") == []
