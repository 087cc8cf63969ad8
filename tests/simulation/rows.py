"""Which rows of the transition table a simulation has walked: each row must be walked by somebody, some time, and nothing else can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import handlers.transitions as transitions
from handlers.transitions import TABLE, Cause, Row
from kinds.states import Phase, TaskState

Key = tuple[TaskState | None, Phase, Cause]


class Walked(dict[Key, Row]):
    """The table, counting."""

    def __init__(self) -> None:
        super().__init__(TABLE)
        self.counts: Counter[Key] = Counter()

    def get(self, key: Key, default: Row | None = None) -> Row | None:  # type: ignore[override]
        found = super().get(key, default)
        if found is not None:
            self.counts[key] += 1
        return found


@contextmanager
def walked() -> Iterator[Walked]:
    """Counts the rows that are walked meanwhile."""
    table = Walked()
    transitions.TABLE = table
    try:
        yield table
    finally:
        transitions.TABLE = TABLE


def name(key: Key) -> str:
    state, phase, cause = key
    return f"{state or 'new'}{'/' + phase if phase else ''}: {cause.name}"
