"""A database of the version before records: what its log and its tasks say of each payment stands in its row afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text

from storage.open import engine_for, migrate
from storage.schema import allowed, fundings, journals, metadata, payouts, tasks
from tests.handlers import builders
from tests.storage.memory import KeptLife, kept

NEW = {
    "fundings": ("milestone", "held_at", "ended_at", "preimage", "covers"),
    "payouts": ("milestone", "to", "at", "ended_at", "preimage"),
    "journals": ("milestone",),
}
KEPT_BY_TRIGGER = ("balances", "totals", "allowed")


def as_before(life: KeptLife) -> Engine:
    """The same rows in a database of the version before."""
    engine = engine_for(None)
    migrate(engine, "0007")
    with life.engine.begin() as now, engine.begin() as old:
        for row in now.execute(select(tasks.c.state)):
            old.execute(insert(allowed).values(source="", target=row.state).prefix_with("OR IGNORE"))
        for table in sorted(metadata.sorted_tables, key=lambda each: each.name == "journals"):  # it closes the postings
            if table.name not in KEPT_BY_TRIGGER:
                columns = [column for column in table.columns if column.name not in NEW.get(table.name, ())]
                names = ", ".join(f'"{column.name}"' for column in columns)
                marks = ", ".join("?" * len(columns))
                for row in now.execute(select(*columns)):
                    old.exec_driver_sql(f"insert into {table.name} ({names}) values ({marks})", tuple(row))
    return engine


def money(engine: Engine) -> dict[str, list[Any]]:
    with engine.begin() as tx:
        found = {
            table.name: tx.execute(select(table).order_by(text("1"))).all() for table in (fundings, payouts, journals)
        }
    return {name: [tuple(row) for row in rows] for name, rows in found.items()}


@pytest.mark.parametrize(
    "start",
    [
        builders.paid, builders.refunded, builders.credited, builders.funded, builders.verified, builders.pending,
        lambda: builders.split(33),
    ],
)  # fmt: skip
def test_the_past_is_told_as_it_would_have_been(start: Callable[..., Any]) -> None:
    life: KeptLife = kept(start)
    old = as_before(life)
    migrate(old)
    assert money(old) == money(life.engine)
    old.dispose()


def test_what_no_entry_tells_stays_unknown() -> None:
    life: KeptLife = kept(builders.paid)
    old = as_before(life)
    with old.begin() as tx:
        tx.exec_driver_sql("delete from events")
    migrate(old)
    with old.begin() as tx:
        row = tx.execute(select(fundings)).one()
        assert (row.held_at, row.ended_at, row.milestone) == (0, 0, 1)
        assert tx.execute(select(payouts.c.to)).scalar_one() == life.task.worker
    old.dispose()
