"""Outgoing payments: started with `xpay`, looked at with `listsendpays`.

`xpay` may run for as long as the payee likes, so each attempt is a task of its own, and `pay` returns when it is over or after a
few seconds. If this process dies, lightningd goes on by itself; the next life looks. An error of `xpay` proves nothing about
parts that are out, and an `xpay` whose answer got lost may still be trying: until its time is over nothing counts as failed.

lightningd writes a part down before it is on a channel. If it dies in between, it calls the part pending for ever, and refuses
another payment by the same invoice. Such a part has failed: it is of an earlier life, and no HTLC of its hash is anywhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from bot.nodes.cln import payments, wire
from bot.nodes.cln.channels import is_out, room
from bot.nodes.cln.payments import LOST_WORD, Why
from bot.nodes.cln.rpc import NoAnswer, Refused, Rpc, rows
from kinds import bolt11
from kinds.lightning import Fault, PaymentStatus, PaymentView, PaySpec
from kinds.units import PaymentHash

PATIENCE = 3.0  # seconds that `pay` waits for an attempt to end
PADDING = 3
"""Blocks by which a route's limit must exceed the payee's own: blocks are found while an attempt is on its way."""
_FOREVER = 30 * 86400.0  # a payee may hold a payment until its HTLC expires
_LOOK = 0.05
_WORDS = 1000  # reasons of failures that are remembered
_STRAGGLERS = 120  # seconds after the last new attempt of an `xpay` whose answer was lost
log = structlog.get_logger()


class Payments:
    """`hinted` is called with a hash whose attempt has ended."""

    def __init__(self, rpc: Rpc, hinted: Callable[[PaymentHash], None], patience: float = PATIENCE) -> None:
        self._rpc = rpc
        self._hinted = hinted
        self._patience = patience
        self._running: dict[PaymentHash, asyncio.Task[None]] = {}
        self._why: dict[PaymentHash, Why] = {}
        self._unsure: dict[PaymentHash, float] = {}  # until when an attempt without an answer may go on

    async def look(self, payment_hash: PaymentHash) -> PaymentView:
        try:
            parts = await self._without_the_left_behind(payment_hash, await self._parts(payment_hash))
            seen = payments.view(payment_hash, parts, self._why.get(payment_hash, LOST_WORD))
        except (NoAnswer, Refused):
            return PaymentView(payment_hash, PaymentStatus.UNKNOWN)
        if seen.status is PaymentStatus.COMPLETE:
            self._why.pop(payment_hash, None)
            self._unsure.pop(payment_hash, None)
        if seen.status not in (PaymentStatus.FAILED, PaymentStatus.ABSENT):
            return seen
        if payment_hash in self._running:
            return PaymentView(payment_hash, PaymentStatus.IN_FLIGHT)
        if time.monotonic() < self._unsure.get(payment_hash, 0.0):
            return PaymentView(payment_hash, PaymentStatus.UNKNOWN)
        why = self._why.get(payment_hash)
        if seen.status is PaymentStatus.ABSENT and why is not None:  # it ended before anything was sent
            return PaymentView(payment_hash, PaymentStatus.FAILED, fault=why.fault, reason=why.reason)
        return seen

    async def _parts(self, payment_hash: PaymentHash) -> payments.Parts:
        return rows(await self._rpc.call("listsendpays", {"payment_hash": payment_hash}), "payments")

    async def _without_the_left_behind(self, payment_hash: PaymentHash, parts: payments.Parts) -> payments.Parts:
        if payment_hash in self._running or not any(part.get("status") == payments.PENDING for part in parts):
            return parts
        health = await self._rpc.call(wire.HEALTH)
        left = payments.left_behind(parts, int(health.get("payments_before", 0)))
        if not left or is_out(rows(await self._rpc.call("listpeerchannels"), "channels"), payment_hash):
            return parts
        # Read again after the channels: an HTLC that ended meanwhile took its part's state along.
        return payments.given_up(await self._parts(payment_hash), left)

    async def pay(self, spec: PaySpec, hrp: str, own: str) -> PaymentView:
        """`hrp` and `own` are the node's invoice prefix and public key: it pays neither elsewhere nor itself."""
        before = await self.look(spec.payment_hash)
        if before.status not in (PaymentStatus.ABSENT, PaymentStatus.FAILED):
            return before
        invoice, reason = _read(spec, hrp, own)
        if invoice is None:
            return PaymentView(spec.payment_hash, PaymentStatus.FAILED, fault=Fault.OURS, reason=reason)
        attempt = asyncio.create_task(self._attempt(spec, invoice))
        self._running[spec.payment_hash] = attempt
        attempt.add_done_callback(lambda _: self._ended(spec.payment_hash))
        await asyncio.wait((attempt,), timeout=self._patience)
        return await self._settled_down(spec.payment_hash)

    async def _settled_down(self, payment_hash: PaymentHash) -> PaymentView:
        """A look, and for a moment another one: rows say `pending` a little longer than `xpay` tries."""
        for _ in range(int(0.5 / _LOOK)):
            seen = await self.look(payment_hash)
            if seen.status is not PaymentStatus.IN_FLIGHT or payment_hash in self._running:
                break
            await asyncio.sleep(_LOOK)
        return seen

    async def _attempt(self, spec: PaySpec, invoice: bolt11.Bolt11) -> None:
        now = time.monotonic()
        self._why.pop(spec.payment_hash, None)
        self._unsure = {each: until for each, until in self._unsure.items() if until > now or each in self._running}
        self._unsure[spec.payment_hash] = now + spec.timeout + _STRAGGLERS
        try:
            await self._rpc.call(
                "xpay",
                {
                    "invstring": spec.invoice.reveal(),
                    "amount_msat": spec.amount if invoice.amount is None else None,
                    "maxfee": spec.fee_limit,
                    "maxdelay": spec.cltv_limit,
                    "retry_for": spec.timeout,
                },
                _FOREVER,
            )
        except Refused as refused:
            why = payments.why_failed(refused.code, refused.message, await self._enough(spec))
            self._why[spec.payment_hash] = why
            while len(self._why) > _WORDS:  # without its reason a failure is only a failure
                del self._why[next(iter(self._why))]
            log.info("a payment attempt ended", ref=spec.ref, code=refused.code, reason=why.reason)
        except NoAnswer as lost:
            log.warning("a payment attempt has no answer", ref=spec.ref, trouble=str(lost))
            return
        self._unsure.pop(spec.payment_hash, None)

    async def _enough(self, spec: PaySpec) -> bool:
        try:
            channels = rows(await self._rpc.call("listpeerchannels"), "channels")
            return room(channels).outbound >= spec.amount + spec.fee_limit
        except (NoAnswer, Refused):
            return False

    def _ended(self, payment_hash: PaymentHash) -> None:
        self._running.pop(payment_hash, None)
        self._hinted(payment_hash)

    async def aclose(self) -> None:
        """Stops listening to attempts; lightningd goes on with them."""
        running = list(self._running.values())
        for attempt in running:
            attempt.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _read(spec: PaySpec, hrp: str, own: str) -> tuple[bolt11.Bolt11 | None, str]:
    """The invoice, or why nothing is sent for it."""
    try:
        invoice = bolt11.decode(spec.invoice.reveal())
    except bolt11.BadInvoice:
        return None, "bad_invoice"
    if invoice.hrp != hrp or invoice.payment_hash != spec.payment_hash:
        return None, "bad_invoice"
    if spec.amount <= 0 or invoice.amount not in (None, spec.amount):
        return None, "wrong_amount"
    if invoice.payee == own:
        return None, "self_payment"
    if invoice.final_cltv + PADDING > spec.cltv_limit:
        return None, "cltv_limit"
    return invoice, ""
