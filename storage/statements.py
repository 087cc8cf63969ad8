"""Statements that are built with SQLAlchemy Core once, when a module is imported, and are SQL text from then on.

To run one through Core's own `execute` costs some 35 microseconds beside the 6 that SQLite needs for it (measured; a life
runs 250 of them), and to build an expression anew costs several times that. So a `Statement` keeps the SQL that Core made and
gives it to the driver's cursor, inside the transaction of the Core connection that it is handed. Errors are Core's, as ever.

A word that a partial index is about (`state = 'pending'`) stands in the SQL itself, as `word`: of a bound value SQLite does not know,
when it plans, that the index applies, and plans again or reads the whole table. A list is bound as JSON (`among`), since the
number of its members would change the SQL.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Column, ColumnElement, Connection, Select, Table, bindparam, func, literal_column, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

_SQLITE = sqlite.dialect(paramstyle="named")
_NOTHING: dict[str, Any] = {}


class Statement:
    """SQL with named values. `columns` are those that an INSERT or UPDATE sets, each from the value of its name."""

    __slots__ = ("_fixed", "_row", "_sql")

    def __init__(self, core: ClauseElement, *columns: str) -> None:
        compiled = core.compile(dialect=_SQLITE, column_keys=list(columns) or None)
        self._sql = str(compiled)
        if "POSTCOMPILE" in self._sql:
            raise ValueError("the members of a list are bound by `among`, or are words")
        known = compiled.params or {}
        self._fixed = {name: known[name] for name in known if name not in columns and known[name] is not None}
        self._row: Callable[[Iterable[Any]], Any] = tuple
        if isinstance(core, Select):
            names = core.selected_columns.keys()
            row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc]
            self._row = partial(tuple.__new__, row)  # as its `_make`, without a step in Python for each row

    def run(self, tx: Connection, values: dict[str, Any] = _NOTHING) -> int:
        """How many rows it changed."""
        try:
            return int(self._execute(tx, values).rowcount)
        except sqlite3.Error as error:
            raise self._as_core(error) from error

    def many(self, tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Once for each of these."""
        try:
            _driver(tx).executemany(self._sql, [self._fixed | row for row in rows])
        except sqlite3.Error as error:
            raise self._as_core(error) from error

    def rows(self, tx: Connection, values: dict[str, Any] = _NOTHING) -> list[Any]:
        """All that it finds; a row's columns are its attributes."""
        try:
            return list(map(self._row, self._execute(tx, values)))
        except sqlite3.Error as error:
            raise self._as_core(error) from error

    def first(self, tx: Connection, values: dict[str, Any] = _NOTHING) -> Any | None:
        """The first row, or None."""
        try:
            row = self._execute(tx, values).fetchone()
        except sqlite3.Error as error:
            raise self._as_core(error) from error
        return None if row is None else self._row(row)

    def scalar(self, tx: Connection, values: dict[str, Any] = _NOTHING) -> Any | None:
        """The first column of the first row, or None."""
        row = self.first(tx, values)
        return None if row is None else row[0]

    def _execute(self, tx: Connection, values: dict[str, Any]) -> sqlite3.Cursor:
        return _driver(tx).execute(self._sql, self._fixed | values if self._fixed else values)

    def _as_core(self, error: sqlite3.Error) -> BaseException:
        """As Core would raise it, without the values, which may be private."""
        return DBAPIError.instance(self._sql, None, error, sqlite3.Error, hide_parameters=True)


def _driver(tx: Connection) -> sqlite3.Connection:
    driver: sqlite3.Connection = tx.connection.dbapi_connection  # type: ignore[assignment]  # for SQLite, it is the driver's
    return driver


def word(constant: str) -> ColumnElement[str]:
    """A plain word of ours as it stands in SQL."""
    if not constant.replace("_", "").isalnum():
        raise ValueError("only letters, digits and _ stand in SQL as they are")
    return literal_column(f"'{constant}'")


def among(name: str) -> Select[Any]:
    """For `column.in_(...)`: the members of the list that is bound to this name, by `listed`."""
    return select(func.json_each(bindparam(name)).table_valued("value").c.value)


@cache
def present(column: Column[str], name: str) -> Statement:
    """Which values of this column, which has an index, are in the list that is bound to this name."""
    asked = func.json_each(bindparam(name)).table_valued("value")
    return Statement(select(column).join_from(asked, column.table, column == asked.c.value))


def listed(members: Iterable[str | int]) -> str:
    return to_json(list(members)).decode()


@cache
def insert_new(table: Table, names: tuple[str, ...], key: str = "") -> Statement:
    """Inserts these columns unless a row with the same `key` (none named: any unique one) is there; `run` says whether it did."""
    return Statement(upsert(table).on_conflict_do_nothing(index_elements=[key] if key else None), *names)


@cache
def insert_or_update(table: Table, names: tuple[str, ...], key: str) -> Statement:
    """Inserts these columns, or gives them their new values in the row with the same `key`."""
    statement = upsert(table)
    newer = {name: statement.excluded[name] for name in names if name != key}
    return Statement(statement.on_conflict_do_update(index_elements=[key], set_=newer), *names)
