"""What the database itself refuses, whatever the code above it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError

import storage
from handlers.transitions import pairs
from kinds.states import TaskState
from storage.open import engine_for, migrate
from storage.schema import APPEND_ONLY, NEVER_DELETED, allowed, log, metadata, payment_hashes, payouts, tasks
from storage.triggers import integrity
from tests.handlers import builders
from tests.storage.memory import KeptLife, kept

STATES = [str(state) for state in TaskState]


def test_from_an_empty_file_to_the_schema_of_the_code() -> None:
    engine = engine_for(None)
    migrate(engine)
    with engine.begin() as tx:
        assert compare_metadata(MigrationContext.configure(tx), metadata) == []
        assert integrity(tx) == "ok"
    engine.dispose()


def schema_of(tx: Connection) -> list[Any]:
    """Every table, index and trigger as SQLite keeps it."""
    return list(tx.execute(text("select name, sql from sqlite_master order by name")).all())


def revisions() -> list[str]:
    """All migrations, the first one first."""
    config = Config()
    config.set_main_option("script_location", str(Path(storage.__file__).parent / "migrations"))
    return [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()][::-1]


def test_from_each_revision_before_to_the_same_schema() -> None:
    """One step at a time, as an operator does who starts every version, and from each of them to the newest at once."""
    wanted = engine_for(None)
    migrate(wanted)
    with wanted.begin() as tx:
        schema = schema_of(tx)
    wanted.dispose()
    steps = revisions()
    for start in range(len(steps)):
        engine = engine_for(None)
        for revision in steps[: start + 1]:
            migrate(engine, revision)
        migrate(engine)
        with engine.begin() as tx:
            assert schema_of(tx) == schema, steps[start]
            assert tx.execute(text("select version_num from alembic_version")).scalar() == steps[-1]
        engine.dispose()


def test_the_second_start_changes_nothing(engine: Engine) -> None:
    with engine.begin() as tx:
        before = tx.execute(text("select name, sql from sqlite_master order by name")).all()
    migrate(engine)
    with engine.begin() as tx:
        assert tx.execute(text("select name, sql from sqlite_master order by name")).all() == before
        assert {tuple(row) for row in tx.execute(select(allowed))} == pairs()


def task_row(**changes: Any) -> dict[str, Any]:
    return {
        "id": "t", "address": "a", "pinned": "p", "root": "r", "employer": "e", "state": "Draft", "phase": "",
        "version": 1, "seq": 1, "head": "h", "state_at": 1, "document": "{}",
    } | changes  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_a_task_begins_as_a_draft(engine: Engine, state: str) -> None:
    with engine.connect() as tx:
        statement = insert(tasks).values(task_row(state=state))
        if state == "Draft":
            tx.execute(statement)
        else:
            with pytest.raises(IntegrityError, match="this state may not follow"):
                tx.execute(statement)


@pytest.mark.parametrize("source", STATES)
def test_only_declared_states_follow(engine: Engine, source: str) -> None:
    for target in [*STATES, "Bogus"]:
        with engine.connect() as tx:
            tx.execute(insert(allowed).values(source="", target=source).prefix_with("OR IGNORE"))
            tx.execute(insert(tasks).values(task_row(state=source)))
            change = update(tasks).values(state=target)
            if target == source or (source, target) in pairs():
                tx.execute(change)
            else:
                with pytest.raises(IntegrityError, match="this state may not follow"):
                    tx.execute(change)


def test_the_log_has_no_gap_and_no_twin(engine: Engine) -> None:
    def entry(seq: int, task: str = "t") -> Any:
        return insert(log).values(
            task=task, seq=seq, id=f"{task}{seq}", type="x", state="Draft", time=1, deaf=0, height=1, block="b"
        )

    with engine.begin() as tx:
        tx.execute(entry(1))
        tx.execute(entry(2))
        tx.execute(entry(1, "u"))
        for wrong in (2, 4, 0, 1):
            with pytest.raises(IntegrityError):
                tx.execute(entry(wrong))
        with pytest.raises(IntegrityError):
            tx.execute(entry(2, "v"))
        tx.execute(entry(3))


SAMPLES = {
    "heard": {"opened": 1},
    "inputs": {"state": "done"},
    "tasks": {"seq": 99},
    "fundings": {"state": "accepted"},
    "payouts": {"fee": 1},
    "effects": {"state": "done"},
    "incidents": {"at": 2},
}


def filled() -> Engine:
    """A database with a row in every table of which nothing may go."""
    life: KeptLife = kept(builders.split, 33)
    with life.engine.begin() as tx:
        for statement in (
            "insert into heard values ('i', 1, 'p', 1, 'r', 1, 0, 1, 'b', '{}', 0)",
            "insert into inputs (key, sort, body, time, height, block, deaf, entropy, policy)"
            " values ('k', 's', '{}', 1, 1, 'b', 0, 'e', 'p')",
            "insert into chain values (1, 'i', 'start', 1, '{}')",
            "insert into policies values ('i', 1, '{}')",
            "insert into accounts (owner, version, counter) values ('o', 1, 0)",
            "insert into withdrawals values ('o/w1', 'o', 'planned', 1, 1, 1, 0, 'h', '{}')",
            "insert into acts (at, who, what, result) values (1, 'cli', 'freeze x', 'done')",
            "insert into incidents (at, code, facts) values (1, 'c', '{}')",
        ):
            tx.execute(text(statement))
    return life.engine


def test_history_is_neither_changed_nor_deleted() -> None:
    engine = filled()
    with engine.begin() as tx:
        for name in (*APPEND_ONLY, *NEVER_DELETED):
            table = metadata.tables[name]
            assert tx.execute(select(table)).first(), f"{name} is empty here"
            with pytest.raises(IntegrityError, match="append-only"):
                tx.execute(delete(table))
        for name in APPEND_ONLY:
            table = metadata.tables[name]
            for column in table.columns:
                with pytest.raises(IntegrityError, match="append-only"):
                    tx.execute(update(table).values({column.name: 7}))


@pytest.mark.parametrize(("name", "may"), [("heard", {"opened"}), ("inputs", {"state", "result", "task"})])
def test_what_happened_stays_as_it_was(name: str, may: set[str]) -> None:
    engine = filled()
    table = metadata.tables[name]
    for column in table.columns:
        with engine.connect() as tx:
            change = update(table).values({column.name: 7})
            if column.name in may:
                tx.execute(change)
            else:
                with pytest.raises(IntegrityError, match="stays as it was"):
                    tx.execute(change)


@pytest.mark.parametrize("state", ["complete", "failed", "abandoned"])
def test_a_final_payout_stays(engine: Engine, state: str) -> None:
    row = {
        "ref": "r", "task": "t", "role": "worker", "state": state, "amount": 5, "budget": 1, "fee": 0,
        "payment_hash": "h",
    }  # fmt: skip
    with engine.begin() as tx:
        tx.execute(insert(payouts).values(row))
        for other in ("planned", "claimed", "in_flight", "complete", "failed", "abandoned"):
            if other != state:
                with pytest.raises(IntegrityError, match="a final payout stays"):
                    tx.execute(update(payouts).values(state=other))


def test_a_hash_is_used_once_across_holds_and_payouts(engine: Engine) -> None:
    with engine.begin() as tx:
        tx.execute(insert(payment_hashes).values(hash="h", ref="t/h1", task="t"))
        with pytest.raises(IntegrityError):
            tx.execute(insert(payment_hashes).values(hash="h", ref="u/p1", task="u"))
