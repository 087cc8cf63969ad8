"""How HTLCs end: all parts of a set together, settled to the payee or given back to their payers.

Each function is one change of the book, to be called inside its transaction. After either end no part is live and
every payer's payment says what became of it.
"""

from __future__ import annotations

from dataclasses import replace

from bot.nodes.simnet.book import FLIGHT, ROUTERS, Book, Invoice, Payment
from kinds.lightning import Fault, HoldStatus, PaymentStatus
from kinds.units import Msat, PaymentHash

_THEIRS = frozenset({"refused", "no_route", "timeout", "expired"})


def fault_of(reason: str) -> Fault:
    return Fault.THEIRS if reason in _THEIRS else Fault.OURS


def settle(book: Book, invoice: Invoice, preimage: str) -> None:
    """A part that is no longer on a channel stays with its payer and is lost; the payee sees SETTLED all the same."""
    paid: dict[str, Payment] = {}
    for part in book.parts(invoice.hash):
        book.move(part.amount, FLIGHT, invoice.payee if part.on_channel else part.payer)
        book.move(part.fee, FLIGHT, ROUTERS)
        before = paid.get(part.payer, Payment(part.payer, invoice.hash, PaymentStatus.COMPLETE, preimage=preimage))
        paid[part.payer] = replace(before, amount=Msat(before.amount + part.amount), fee=Msat(before.fee + part.fee))
    for payment in paid.values():
        book.put_payment(payment)
    _close(book, replace(invoice, status=HoldStatus.SETTLED, preimage=preimage, due_time=None, due_height=None))


def give_back(book: Book, invoice: Invoice, reason: str, status: HoldStatus) -> None:
    """CANCELLED for good, or OPEN: the same invoice may be paid again until it expires."""
    back: dict[str, int] = {}
    for part in book.parts(invoice.hash):
        book.move(part.amount + part.fee, FLIGHT, part.payer)
        back[part.payer] = back.get(part.payer, 0) + part.amount
    for payer, amount in back.items():
        fail_payment(book, payer, invoice.hash, Msat(amount), reason)
    due = invoice.expires_at if status is HoldStatus.OPEN else None
    _close(book, replace(invoice, status=status, due_time=due, due_height=None))


def fail_payment(book: Book, payer: str, payment_hash: PaymentHash, amount: Msat, reason: str) -> None:
    book.put_payment(Payment(payer, payment_hash, PaymentStatus.FAILED, amount, fault=fault_of(reason), reason=reason))


def _close(book: Book, invoice: Invoice) -> None:
    book.end_parts(invoice.hash)
    book.put_invoice(invoice)
