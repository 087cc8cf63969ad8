"""The people around the double: a payer who sends to its node, and the payees that `xpay` reaches."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kinds import bolt11
from kinds.lightning import PaymentStatus
from kinds.units import Msat, PaymentHash, Secret
from tests.cln.ledger import OUR_KEY, PAYEE_KEY, PAYER, Htlc, Ledger, Row

ROUTE_DELTA, BASE, PPM = 6, 1, 10


def routing(amount: int) -> int:
    """What a payment of this amount costs on its way, in msat."""
    return BASE + amount * PPM // 1_000_000


class Refusal(Exception):
    """lightningd's answer with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(slots=True)
class Bill:
    preimage: bytes
    held: bool


class Routes:
    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._attempts: dict[str, list[Htlc]] = {}
        self._bills: dict[str, Bill] = {}
        self._numbers = itertools.count(1)
        self._change = asyncio.Event()
        self._trying: set[str] = set()
        self.holds = False  # payees keep what arrives
        self.slow = 0.0  # seconds until an outgoing payment ends
        self.lag = 0.0  # seconds between the error of `xpay` and the row that says so
        self.payee_key = PAYEE_KEY

    # --- the payer -----------------------------------------------------------------------------------------------

    def send(
        self, invoice: bolt11.Bolt11, parts: Sequence[int], total: int, expiry: int = 0, **changes: Any
    ) -> list[Htlc]:
        """HTLCs for our node. `changes` lie about what the onion says."""
        ledger = self._ledger
        expiry = expiry or ledger.height + invoice.final_cltv + 1
        onion = {
            "payload": "00",
            "type": "tlv",
            "outgoing_cltv_value": expiry,
            "total_msat": total,
            "payment_secret": invoice.payment_secret.reveal(),
            "next_onion": "00",
            "shared_secret": "00" * 32,
        }
        extra = {"forward_to": changes.pop("forward_to")} if "forward_to" in changes else {}
        sent = [
            ledger.offer(
                PAYER, amount, expiry, invoice.payment_hash, {**onion, "forward_msat": amount, **changes}, extra
            )
            for amount in parts
        ]
        self._attempts[invoice.payment_hash] = sent
        return sent

    def payer_heard(self, htlc: Htlc) -> None:
        self._wake()

    def payer_sees(self, payment_hash: str) -> PaymentStatus:
        parts = self._attempts.get(payment_hash, [])
        if not parts:
            return PaymentStatus.ABSENT
        if any(part.end == "fulfilled" for part in parts):
            return PaymentStatus.COMPLETE
        return PaymentStatus.IN_FLIGHT if any(part.state for part in parts) else PaymentStatus.FAILED

    # --- the payees ----------------------------------------------------------------------------------------------

    def bill(self, amount: Msat, expiry: int, cltv: int, key: bytes = PAYEE_KEY) -> str:
        preimage = hashlib.sha256(f"bill {next(self._numbers)}".encode()).digest()
        payment_hash = PaymentHash(hashlib.sha256(preimage).hexdigest())
        if key == PAYEE_KEY:
            self._bills[payment_hash] = Bill(preimage, self.holds)
        return bolt11.encode(
            bolt11.Bolt11(
                hrp="lnbcrt",
                timestamp=int(self._clock()),
                payment_hash=payment_hash,
                payment_secret=Secret("77" * 32),
                amount=amount,
                description="work",
                expiry=expiry,
                final_cltv=cltv,
            ),
            key,
        )

    def release(self, payment_hash: str) -> None:
        self._bills[payment_hash].held = False
        self._wake()

    def forget(self, payment_hash: str) -> None:
        """The payee denies his own invoice."""
        del self._bills[payment_hash]

    def _wake(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    async def changed(self) -> None:
        await self._change.wait()

    async def xpay(
        self,
        invstring: str,
        maxfee: int,
        maxdelay: int,
        retry_for: int,
        amount_msat: int | None = None,
    ) -> Row:
        try:
            invoice = bolt11.decode(invstring)
        except bolt11.BadInvoice:
            raise Refusal(-32602, "Invalid bolt11 invoice: Bad bech32 string") from None
        if (invoice.amount is None) != (amount_msat is not None):
            raise Refusal(-32602, "amount_msat unnecessary" if amount_msat else "amount_msat required")
        amount = int(invoice.amount or amount_msat or 0)
        row = self._sent(invoice, invstring, amount, maxfee, maxdelay)
        self._trying.add(invoice.payment_hash)
        try:
            while self._bills.get(invoice.payment_hash, Bill(b"", False)).held:
                await self.changed()
            await asyncio.sleep(self.slow)
            return self._end(row)
        finally:
            self._trying.discard(invoice.payment_hash)

    def trying(self, payment_hash: str) -> bool:
        """Is an `xpay` at work on it?"""
        return payment_hash in self._trying

    def _sent(self, invoice: bolt11.Bolt11, invstring: str, amount: int, maxfee: int, maxdelay: int) -> Row:
        ledger, now = self._ledger, int(self._clock())
        before = {row["status"] for row in ledger.sendpays if row["payment_hash"] == invoice.payment_hash}
        if now >= invoice.expires_at:
            raise Refusal(207, f"Invoice expired {now - invoice.expires_at} seconds ago")
        if "complete" in before:
            raise Refusal(219, "Already paid this invoice successfully")
        if invoice.payee == bolt11.public_key(OUR_KEY):
            raise AssertionError("lightningd would pay itself")
        if invoice.payee != bolt11.public_key(PAYEE_KEY):
            raise Refusal(205, f"Failed: Unknown destination node {invoice.payee}")
        fee = routing(amount)
        if amount + fee > ledger.spendable():
            raise Refusal(205, "Failed: We could not find a usable set of paths. Total source capacity is only 1msat")
        if fee > maxfee:
            raise Refusal(206, "Failed: Could not find route without excessive cost")
        if invoice.final_cltv + ROUTE_DELTA > maxdelay:
            raise Refusal(206, "Failed: Could not find route without excessive delays")
        if "pending" in before:
            raise Refusal(-3, 'Unexpected injectpaymentonion error 200: {"code":200,"message":"..."}')
        number = len(ledger.sendpays) + 1
        row = {
            "created_index": number,
            "id": number,
            "payment_hash": invoice.payment_hash,
            "groupid": 6917963351349623359,
            "partid": 1,
            "destination": invoice.payee,
            "amount_msat": amount,
            "amount_sent_msat": amount + fee,
            "created_at": now,
            "status": "pending",
            "bolt11": invstring,
        }
        ledger.sendpays.append(row)
        return row

    def _end(self, row: Row) -> Row:
        ledger, now = self._ledger, int(self._clock())
        bill = self._bills.get(row["payment_hash"])
        if bill is None:
            if self.lag:
                asyncio.get_running_loop().call_later(self.lag, self._failed, row, now)
            else:
                self._failed(row, now)
            raise Refusal(203, "Destination said it doesn't know invoice: incorrect_or_unknown_payment_details")
        ledger.update(row, status="complete", completed_at=now, payment_preimage=bill.preimage.hex())
        ledger.outgoing += row["amount_sent_msat"]
        self._wake()
        return {
            "payment_preimage": bill.preimage.hex(),
            "amount_msat": row["amount_msat"],
            "amount_sent_msat": row["amount_sent_msat"],
            "failed_parts": 0,
            "successful_parts": 1,
        }

    def _failed(self, row: Row, now: int) -> None:
        self._ledger.update(row, status="failed", completed_at=now, erroronion="69713")
        self._wake()

    async def finish(self) -> None:
        """Payments that were out when lightningd ended: they end as if nothing had happened."""
        for row in self._ledger.sendpays:
            bill = self._bills.get(row["payment_hash"])
            if row["status"] == "pending" and bill is not None and not bill.held:
                self._end(row)
