"""What is looked for all the time is found in an index, also in a database that was there before the index."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert, text

from storage import memory, outbox
from storage.open import engine_for, migrate
from storage.schema import events, letters
from storage.statements import Statement
from storage.triggers import integrity

LOOKS = [
    (outbox._FINISHED, {"after": 0, "most": 500}, "COVERING INDEX events_finished (n>?)"),
    (outbox._PARCELS, {"now": 1, "skip": "[]", "most": 200}, "INDEX events_pending (next_at<?)"),
    (outbox._soonest(events), {"after": 1}, "INDEX events_pending (next_at>?)"),
    (outbox._LETTERS, {"now": 1, "skip": "[]", "most": 200}, "COVERING INDEX letters_pending"),
    (outbox._soonest(letters), {"after": 1}, "COVERING INDEX letters_pending"),
    (memory._LAST, {}, "SCAN tasks USING INDEX tasks_unended"),
]


@pytest.mark.parametrize(("look", "values", "plan"), LOOKS, ids=[plan for *_, plan in LOOKS])
def test_a_look_goes_through_its_index(
    engine: Engine, look: Statement, values: dict[str, str | int], plan: str
) -> None:
    with engine.begin() as tx:
        rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {look._sql}", look._fixed | values)
        assert any(plan in row[3] for row in rows)


def test_what_was_published_before_is_found() -> None:
    engine = engine_for(None)
    migrate(engine, "0012")
    states = {
        "a": ("done", 78),
        "b": ("pending", 78),
        "c": ("done", 20001),
        "d": ("superseded", 30078),
        "e": ("done", 1),
    }
    with engine.begin() as tx:
        for name, (state, kind) in states.items():
            tx.execute(insert(events).values(id=name, kind=kind, address="", created_at=1, body="{}", state=state))
    migrate(engine)
    with engine.begin() as tx:
        assert integrity(tx) == "ok"
        assert outbox.finished(tx, 0, 500) == (5, ["a", "e"])
        assert [parcel.id for parcel in outbox.parcels(tx, 1, 200)] == ["b"]
        assert (
            tx.execute(text("select count(*) from events indexed by events_finished where state = 'done'")).scalar()
            == 3
        )
    engine.dispose()
