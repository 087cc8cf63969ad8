"""Statements that are built once, when a module is imported, and filled with values at each use.

To build a Core expression anew costs several times what SQLite needs to run it. SQLite's ON CONFLICT is worse: SQLAlchemy keeps no
compiled form of it and compiles it at each execution, a quarter of a millisecond; made into text once, it is as quick as any other.

A word that a partial index is about (`state = 'pending'`) stands in the SQL itself, as `word`: of a bound value SQLite does not know,
when it plans, that the index applies, and plans again or reads the whole table.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import ColumnElement, Table, TextClause, literal_column, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.dialects.sqlite import insert as upsert


def word(constant: str) -> ColumnElement[str]:
    """A plain word of ours as it stands in SQL."""
    if not constant.isalnum():
        raise ValueError("only letters and digits stand in SQL as they are")
    return literal_column(f"'{constant}'")


@cache
def insert_new(table: Table, names: tuple[str, ...], key: str = "") -> TextClause:
    """Inserts these columns unless a row with the same `key` (none named: any unique one) is there; rowcount says whether it did."""
    return _as_text(upsert(table).on_conflict_do_nothing(index_elements=[key] if key else None), names)


@cache
def insert_or_update(table: Table, names: tuple[str, ...], key: str) -> TextClause:
    """Inserts these columns, or gives them their new values in the row with the same `key`."""
    statement = upsert(table)
    newer = {name: statement.excluded[name] for name in names if name != key}
    return _as_text(statement.on_conflict_do_update(index_elements=[key], set_=newer), names)


def _as_text(statement: Insert, names: tuple[str, ...]) -> TextClause:
    return text(str(statement.compile(dialect=sqlite.dialect(paramstyle="named"), column_keys=list(names))))
