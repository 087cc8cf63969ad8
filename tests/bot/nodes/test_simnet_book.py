"""What is due in the simulated network is found at its moment, though most looks are answered without a query."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.nodes.simnet.book import NODE, Book, Invoice
from kinds.lightning import HoldStatus
from kinds.units import Msat, PaymentHash


def invoice(letter: str, time: int | None, height: int | None = None) -> Invoice:
    return Invoice(
        PaymentHash(letter * 64), NODE, "", "", Msat(1), 18, 100, HoldStatus.OPEN, "", due_time=time, due_height=height
    )


def due(book: Book, now: int, height: int) -> str:
    found = sorted(each.hash[0] for each in book.due_invoices(now, height))
    assert book.is_due(now, height) == bool(found)
    return "".join(found)


@pytest.fixture
def book() -> Book:
    return Book(None)


def test_each_is_due_by_its_time_or_its_height(book: Book) -> None:
    assert due(book, 10**9, 10**6) == ""
    for each in (invoice("a", 100), invoice("b", None, 50), invoice("c", 120, 60)):
        book.put_invoice(each)
    assert [due(book, 99, 49), due(book, 100, 49), due(book, 99, 50), due(book, 120, 0)] == ["", "a", "b", "ac"]
    book.put_invoice(invoice("a", None))
    book.put_invoice(invoice("b", None))
    assert [due(book, 119, 59), due(book, 119, 60), due(book, 120, 59)] == ["", "c", "c"]


def test_what_comes_after_a_quiet_look_is_found(book: Book) -> None:
    book.put_invoice(invoice("a", 100))
    assert due(book, 50, 0) == ""
    book.put_invoice(invoice("b", 60))
    assert [due(book, 59, 0), due(book, 60, 0)] == ["", "b"]


def test_a_clock_that_is_set_back_hides_nothing(book: Book) -> None:
    book.put_invoice(invoice("a", 100))
    assert [due(book, 99, 0), due(book, 10, 0), due(book, 100, 0)] == ["", "", "a"]


def test_what_was_rolled_back_is_still_due(book: Book) -> None:
    book.put_invoice(invoice("a", 100))
    with pytest.raises(RuntimeError, match="undone"):
        _change_and_fail(book)
    assert due(book, 100, 0) == "a"


def _change_and_fail(book: Book) -> None:
    with book.transaction():
        book.put_invoice(replace(invoice("a", None), status=HoldStatus.CANCELLED))
        assert due(book, 100, 0) == ""
        raise RuntimeError("undone")
