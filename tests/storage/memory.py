"""A life that is remembered: every decision is stored and read back, as the daemon does it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select

from handlers.decision import Decision, Refusal
from kinds.inputs import What
from storage import commit
from storage.codec import forget_tasks
from storage.commit import Held
from storage.open import engine_for, migrate
from storage.schema import metadata
from tests.handlers import builders
from tests.handlers.life import Life


def fresh() -> Engine:
    engine = engine_for(None)
    migrate(engine)
    return engine


@dataclass
class KeptLife(Life):
    engine: Engine = field(default_factory=fresh)

    def hear(self, what: What) -> Decision | Refusal:
        before, kept = self.remembered, self.held()
        task = kept.task if kept else None
        assert task == before, "what is read is what was written"
        assert repr(task) == repr(before), "to the type of each field"
        now = _next_now(self)
        outcome = super().hear(what)
        if isinstance(outcome, Refusal):
            return outcome
        if before is not None and outcome.task == before and not outcome.log and not outcome.effects:
            return outcome
        with self.engine.begin() as tx:
            refused = commit.store(tx, kept, outcome, now, self.policy)
        if refused is not None:
            self.remembered = before
            return refused
        return outcome

    def held(self) -> Held | None:
        if self.remembered is None:
            return None
        forget_tasks()
        with self.engine.begin() as tx:
            return commit.load(tx, self.remembered.id)


def _next_now(life: Life) -> Any:
    life.inputs += 1
    now = life.now
    life.inputs -= 1
    return now


def kept(start: Callable[..., Any], *args: Any, engine: Engine | None = None, **given: Any) -> Any:
    """Runs one of the builders with lives that are remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builders, "Life", functools.partial(KeptLife, engine=engine) if engine else KeptLife)
        return start(*args, **given)


def everything(tx: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    return {table.name: [tuple(row) for row in tx.execute(select(table))] for table in metadata.sorted_tables}
