"""The wallets of people: they pay the node's holds and make the invoices that it pays.

A wallet is a key and a balance in the network's book, and does what a person's phone does: it refuses what is expired
or locks its money for too long, pays in one or several parts, and learns the preimage when the other side settles.
Amounts are msat.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.nodes.preimages import hash_of
from bot.nodes.simnet import ends
from bot.nodes.simnet.book import Payment
from bot.nodes.simnet.invoices import issue
from bot.nodes.simnet.network import Network
from bot.nodes.simnet.rules import HRP, PADDING
from kinds import bolt11
from kinds.lightning import HoldStatus, PaymentStatus, PaymentView
from kinds.units import Msat, PaymentHash, Secret

MAX_CLTV = 2016  # blocks: the longest that usual wallets lock their money
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Wallet:
    def __init__(self, network: Network, name: str, balance: Msat | None = None) -> None:
        """The wallet of this name; a new one gets `balance`, or what the network gives by default."""
        if not _NAME.fullmatch(name):
            raise ValueError("a wallet's name is of lower-case letters, digits, - and _, at most 40")
        self._network, self.name = network, name
        self._key = network.signing_key(name)
        if network.book.balance(name) is None:
            with network.change():
                start = network.params.wallet_balance if balance is None else balance
                network.book.open_account(name, self.pubkey, start)

    @property
    def pubkey(self) -> str:
        return bolt11.public_key(self._key)

    @property
    def balance(self) -> Msat:
        self._network.advance()
        return self._network.book.balance(self.name) or Msat(0)

    @property
    def preimages(self) -> dict[PaymentHash, str]:
        """Of every invoice that this wallet has paid: its proofs of payment."""
        self._network.advance()
        paid = self._network.book.payments(self.name)
        return {payment.hash: payment.preimage for payment in paid if payment.status is PaymentStatus.COMPLETE}

    def invoice(self, amount: Msat, expiry: int = 3600, cltv: int = 80, memo: str = "") -> str:
        """A new BOLT11 invoice; expiry in seconds, cltv in blocks. ValueError for what no wallet would sign."""
        preimage = self._network.entropy(32)
        payment_hash = hash_of(preimage)
        network, name, secret = self._network, self.name, preimage.hex()
        return issue(
            network, name, payment_hash, amount=amount, expiry=expiry, cltv=cltv, memo=memo, preimage=secret
        ).bolt11

    def pay(self, text: str, parts: int | Sequence[Msat] = 1, amount: Msat | None = None) -> PaymentView:
        """Pay this invoice in so many equal parts, or in parts of these sizes, and say how it stands.

        `amount` is the whole that the payer declares, when it is not what the invoice asks for. Sizes that do not add
        up to it leave the set incomplete; another call may bring the rest. BadInvoice for a text that is no invoice,
        ValueError for amounts of zero and less.
        """
        network = self._network
        invoice = bolt11.decode(text)
        total = amount if amount is not None else invoice.amount
        sizes = _equal(total, parts) if isinstance(parts, int) and total is not None else parts
        if total is None or isinstance(sizes, int) or not sizes or min(total, *sizes) <= 0:
            raise ValueError("every part of a payment is above zero")
        network.advance()
        before = network.book.payment(self.name, invoice.payment_hash)
        at_payee = network.book.invoice(invoice.payment_hash)
        waits = at_payee is not None and at_payee.status is HoldStatus.OPEN
        if before is not None and before.status is not PaymentStatus.FAILED and not waits:
            return payment_view(before, invoice.payment_hash)
        reason = self._own_refusal(invoice, Msat(sum(sizes)))
        if reason:
            return failed(invoice.payment_hash, total, reason)
        network.send(self.name, invoice, sizes, total, fee=Msat(0))
        return self.payment(invoice.payment_hash)

    def payment(self, payment_hash: PaymentHash) -> PaymentView:
        self._network.advance()
        return payment_view(self._network.book.payment(self.name, payment_hash), payment_hash)

    def _own_refusal(self, invoice: bolt11.Bolt11, spent: Msat) -> str:
        if invoice.hrp != HRP:
            return "wrong_network"
        if self._network.now() >= invoice.expires_at:
            return "expired"
        if invoice.final_cltv + PADDING > MAX_CLTV:
            return "cltv_limit"
        return "no_balance" if spent > self.balance else ""


def _equal(total: Msat, parts: int) -> list[Msat]:
    """The whole in equal parts; what does not divide goes with the last one."""
    if parts < 1:
        return []
    size = total // parts
    return [Msat(size)] * (parts - 1) + [Msat(total - size * (parts - 1))]


def payment_view(payment: Payment | None, payment_hash: PaymentHash) -> PaymentView:
    if payment is None:
        return PaymentView(payment_hash, PaymentStatus.ABSENT)
    return PaymentView(
        payment_hash,
        payment.status,
        amount=payment.amount,
        fee=payment.fee if payment.status is PaymentStatus.COMPLETE else Msat(0),
        preimage=Secret(payment.preimage),
        fault=payment.fault,
        reason=payment.reason,
    )


def failed(payment_hash: PaymentHash, amount: Msat, reason: str) -> PaymentView:
    """The view of a payment that its payer did not even begin: nothing is remembered of it."""
    return PaymentView(payment_hash, PaymentStatus.FAILED, amount, fault=ends.fault_of(reason), reason=reason)
