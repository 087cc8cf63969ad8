"""Statements: SQL that Core made once, run by the driver inside Core's transaction, with Core's errors."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from storage.schema import house
from storage.statements import Statement, among, insert_new, insert_or_update, listed, word

_PUT = Statement(insert(house), "key", "value")
_ALL = Statement(select(house).order_by(house.c.key))
_SOME = Statement(select(house.c.value, func.length(house.c.value)).where(house.c.key.in_(among("keys"))))
_SET = Statement(update(house).where(house.c.key == bindparam("which"), house.c.value != "fixed"), "value")


def test_rows_are_found_and_changed_inside_the_transaction_of_core(engine: Engine) -> None:
    with engine.begin() as tx:
        before = len(_ALL.rows(tx))
        _PUT.many(tx, [{"key": "a", "value": "1"}, {"key": "b", "value": "fixed"}])
        assert [tuple(row) for row in tx.execute(select(house).where(house.c.key == "a"))] == [("a", "1")]
        assert _SET.run(tx, {"which": "a", "value": "2"}) == 1
        assert _SET.run(tx, {"which": "b", "value": "2"}) == 0, "a value that stands in the statement is bound, too"
        assert [row[0] for row in _SOME.rows(tx, {"keys": listed(["a", "b", "c"])})] == ["2", "fixed"]
        assert _SOME.rows(tx, {"keys": listed([])}) == []
        first = _SOME.first(tx, {"keys": listed("a")})
        assert first is not None
        assert (first.value, first[1]) == ("2", 1)
        assert _SOME.first(tx, {"keys": listed("x")}) is None
        assert _SOME.scalar(tx, {"keys": listed("x")}) is None
        tx.rollback()
    with engine.begin() as tx:
        assert len(_ALL.rows(tx)) == before


def test_what_is_there_already_is_kept_or_replaced(engine: Engine) -> None:
    row = {"key": "a", "value": "1"}
    with engine.begin() as tx:
        assert insert_new(house, tuple(row), "key").run(tx, row) == 1
        assert insert_new(house, tuple(row), "key").run(tx, row | {"value": "2"}) == 0
        assert _SOME.scalar(tx, {"keys": listed("a")}) == "1"
        insert_or_update(house, tuple(row), "key").run(tx, row | {"value": "3"})
        assert _SOME.scalar(tx, {"keys": listed("a")}) == "3"


def test_errors_are_those_of_core_and_name_no_value(engine: Engine) -> None:
    row = {"key": "a", "value": "private"}
    missing = Statement(select(house.c.key).where(func.no_such_function(house.c.key)))
    with engine.begin() as tx:
        _PUT.run(tx, row)
        with pytest.raises(IntegrityError) as refused:
            _PUT.run(tx, row)
        assert "private" not in str(refused.value)
        with pytest.raises(IntegrityError):
            _PUT.many(tx, [row])
        for find in (missing.rows, missing.first, missing.scalar, missing.run):
            with pytest.raises(OperationalError):
                find(tx)
        with pytest.raises(ProgrammingError):
            _SET.run(tx, {"which": "a"})


def test_a_list_of_bound_values_and_a_strange_word_are_refused_when_they_are_made() -> None:
    with pytest.raises(ValueError, match="among"):
        Statement(select(house).where(house.c.key.in_(["a", "b"])))
    with pytest.raises(ValueError, match="only letters, digits"):
        word("x'")
