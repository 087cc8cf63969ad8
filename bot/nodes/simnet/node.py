"""The simulated node: `bot.nodes.base.Node` over a simulated network, with no channel, no coin and no waiting.

The answers are those of LND as measured: what it refuses before sending anything (an expired invoice, a cltv limit
that is too small) it does not remember, so `payment` says ABSENT afterwards; a payment that failed may be sent again;
overpayment is accepted, and the view shows it. Amounts are msat, times unix seconds, heights and deltas blocks.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from bot.findings import Finding, note
from bot.nodes.preimages import Preimages
from bot.nodes.simnet import ends
from bot.nodes.simnet.book import NODE, Htlc
from bot.nodes.simnet.chain import START_HEIGHT, block_hash
from bot.nodes.simnet.invoices import issue
from bot.nodes.simnet.network import Network
from bot.nodes.simnet.rules import HOP_DELTA, HRP, PADDING, Params
from bot.nodes.simnet.wallets import Wallet, failed, payment_view
from kinds import bolt11
from kinds.lightning import (
    HoldRef,
    HoldSpec,
    HoldStatus,
    HoldView,
    NodeFacts,
    Part,
    PaymentStatus,
    PaymentView,
    PaySpec,
)
from kinds.units import Msat, PaymentHash, Secret

Answer = TypeVar("Answer")
View = TypeVar("View", HoldView, PaymentView)


class SimNode:
    """`clock` gives unix seconds, `entropy` random bytes. State and key file (`path`, and `path` with .key) survive;
    without a path all is in memory, and the key is `key` or a new one. Faults are set on `network.faults`."""

    def __init__(
        self,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        path: Path | None = None,
        key: bytes | None = None,
        params: Params | None = None,
    ) -> None:
        self.network = Network(clock, entropy, path, key, params or Params())
        self._preimages = Preimages((self.network.key,))
        self._pubkey = bolt11.public_key(self.network.signing_key(NODE))
        self._known: tuple[object, NodeFacts] | None = None  # the newest facts, and what they rest on
        self._news: dict[PaymentHash, HoldView | PaymentView] = {}  # what was under way when it was last told

    def wallet(self, name: str, balance: Msat | None = None) -> Wallet:
        return Wallet(self.network, name, balance)

    async def facts(self) -> NodeFacts | None:
        return await self._call("facts", self._facts, None)

    async def make_hold(self, spec: HoldSpec) -> HoldView:
        payment_hash = self._preimages.hash_for(spec.ref)
        return await self._call("make_hold", lambda: self._make_hold(spec, payment_hash), _unknown_hold(payment_hash))

    async def hold(self, hold: HoldRef) -> HoldView:
        payment_hash = hold.payment_hash
        return await self._call("hold", lambda: self._hold(payment_hash), _unknown_hold(payment_hash))

    async def settle(self, hold: HoldRef) -> HoldView:
        return await self._call("settle", lambda: self._settle(hold), _unknown_hold(hold.payment_hash))

    async def cancel(self, hold: HoldRef) -> HoldView:
        payment_hash = hold.payment_hash
        return await self._call("cancel", lambda: self._cancel(payment_hash), _unknown_hold(payment_hash))

    async def pay(self, spec: PaySpec) -> PaymentView:
        return await self._call("pay", lambda: self._pay(spec), _unknown_payment(spec.payment_hash))

    async def payment(self, payment_hash: PaymentHash) -> PaymentView:
        return await self._call("payment", lambda: self._payment(payment_hash), _unknown_payment(payment_hash))

    async def find(self, ref: str) -> HoldView:
        return await self.hold(HoldRef(ref, self._preimages.hash_for(ref)))

    async def own_holds(self, since: int) -> tuple[HoldRef, ...] | None:
        return await self._call("own_holds", lambda: self.network.book.holds(NODE, since), None)

    def hints(self) -> AsyncIterator[PaymentHash]:
        return self.network.hints.listen()

    async def examine(self) -> list[Finding]:
        return [note("node", "it is simulated, with play money", "name a real node in the settings when you are ready")]

    async def aclose(self) -> None:
        self.network.close()

    async def _call(self, name: str, act: Callable[[], Answer], lost: Answer) -> Answer:
        """One call over an imagined wire: it may take long, not arrive, or arrive while its answer does not."""
        delay = self.network.faults.delay
        if delay:
            await asyncio.sleep(delay / 2)
        arrives, answers = self._luck(name)
        try:
            answer = act() if arrives else lost
        except sqlite3.Error:  # the disk under the network
            answer = lost
        if delay:
            await asyncio.sleep(delay / 2)
        return answer if answers else lost

    def _luck(self, name: str) -> tuple[bool, bool]:
        """Whether this call arrives, and whether its answer does; counts the faults down."""
        network, faults = self.network, self.network.faults
        if faults.down:
            return False, False
        if faults.only and name not in faults.only:
            return True, True
        if faults.lose_requests:
            network.faults = replace(faults, lose_requests=faults.lose_requests - 1)
            return False, False
        if faults.lose_answers:
            network.faults = replace(faults, lose_answers=faults.lose_answers - 1)
            return True, False
        return True, True

    def _facts(self) -> NodeFacts:
        """Asked for all the time, and the same most of the time."""
        network = self.network
        network.advance()
        height = network.height
        ground = height, network.book.version, network.faults, network.params
        if self._known is None or self._known[0] != ground:
            self._known = ground, self._new_facts(height)
        return self._known[1]

    def _new_facts(self, height: int) -> NodeFacts:
        network = self.network
        return NodeFacts(
            network="simnet",
            hrp=HRP,
            pubkey=self._pubkey,
            height=height,
            block_hash=block_hash(height),
            synced=not network.faults.unsynced,
            outbound=network.book.balance(NODE) or Msat(0),
            inbound=network.inbound(),
            free_slots=network.free_slots(),
        )

    def _make_hold(self, spec: HoldSpec, payment_hash: PaymentHash) -> HoldView:
        network = self.network
        if network.book.invoice(payment_hash) is None:
            try:
                issue(
                    network,
                    NODE,
                    payment_hash,
                    amount=spec.amount,
                    expiry=spec.expiry,
                    cltv=spec.cltv,
                    memo=spec.memo,
                    ref=spec.ref,
                )
            except ValueError:
                return _unknown_hold(payment_hash)
        return self._hold(payment_hash)

    def _hold(self, payment_hash: PaymentHash) -> HoldView:
        self.network.advance()
        row = self.network.book.invoice(payment_hash)
        if row is None or row.payee != NODE:
            return HoldView(payment_hash, HoldStatus.ABSENT)
        view = HoldView(
            payment_hash,
            row.status,
            amount=row.amount,
            parts=tuple(self._part(part) for part in self.network.book.parts(payment_hash)),
            invoice=Secret(row.bolt11),
            expires_at=row.expires_at,
            preimage=Secret(row.preimage),
            refused=row.refused,
        )
        return self._told(view, row.status in (HoldStatus.OPEN, HoldStatus.HELD))

    def _part(self, part: Htlc) -> Part:
        """HTLCs are spread over the channels in turn: channel and HTLC id together follow from the part's own id."""
        htlc, channel = divmod(part.id, self.network.params.channels)
        return Part(f"{START_HEIGHT}x{channel + 1}x0", htlc, part.amount, part.expiry, part.on_channel)

    def _told(self, view: View, under_way: bool) -> View:
        """This view; with old news, the first one that was told of what was under way since they are old."""
        if not self.network.faults.old_news:
            self._news.clear()
            return view
        before = self._news.setdefault(view.payment_hash, view) if under_way else self._news.get(view.payment_hash)
        return before if isinstance(before, type(view)) else view

    def _settle(self, hold: HoldRef) -> HoldView:
        self._hold(hold.payment_hash)
        preimage = self._preimages.find(hold)
        if preimage:  # LND locates the invoice by the preimage
            self.network.settle(hold.payment_hash, preimage.reveal())
        return self._hold(hold.payment_hash)

    def _cancel(self, payment_hash: PaymentHash) -> HoldView:
        self._hold(payment_hash)
        self.network.cancel(payment_hash)
        return self._hold(payment_hash)

    def _payment(self, payment_hash: PaymentHash) -> PaymentView:
        self.network.advance()
        view = payment_view(self.network.book.payment(NODE, payment_hash), payment_hash)
        return self._told(view, view.status is PaymentStatus.IN_FLIGHT)

    def _pay(self, spec: PaySpec) -> PaymentView:
        before = self._payment(spec.payment_hash)
        if before.status not in (PaymentStatus.ABSENT, PaymentStatus.FAILED):
            return before
        try:
            invoice = bolt11.decode(spec.invoice.reveal())
        except bolt11.BadInvoice:
            return failed(spec.payment_hash, spec.amount, "bad_invoice")
        reason = self._unsent(spec, invoice)
        if reason:
            return failed(spec.payment_hash, spec.amount, reason)
        network = self.network
        fee = Msat(network.params.base_fee + spec.amount * network.params.fee_ppm // 1_000_000)
        reason = self._unroutable(spec, fee)
        if reason:
            with network.change():
                ends.fail_payment(network.book, NODE, spec.payment_hash, spec.amount, reason)
        else:
            network.send(NODE, invoice, [spec.amount], spec.amount, fee)
        return self._payment(spec.payment_hash)

    def _unsent(self, spec: PaySpec, invoice: bolt11.Bolt11) -> str:
        """Why this payment is refused before anything is sent or remembered; empty when it is not."""
        if invoice.hrp != HRP or invoice.payment_hash != spec.payment_hash:
            return "bad_invoice"
        if spec.amount <= 0 or invoice.amount not in (None, spec.amount):
            return "wrong_amount"
        if invoice.payee == self._pubkey:
            return "self_payment"
        if self.network.now() >= invoice.expires_at:
            return "expired"
        return "cltv_limit" if invoice.final_cltv + PADDING + HOP_DELTA > spec.cltv_limit else ""

    def _unroutable(self, spec: PaySpec, fee: Msat) -> str:
        faults, balance = self.network.faults, self.network.book.balance(NODE) or 0
        if faults.no_outbound or balance < spec.amount + fee or not self.network.free_slots():
            return "no_balance"
        if faults.no_route:
            return "no_route"
        return "fee_limit" if fee > spec.fee_limit else ""


def _unknown_hold(payment_hash: PaymentHash) -> HoldView:
    return HoldView(payment_hash, HoldStatus.UNKNOWN)


def _unknown_payment(payment_hash: PaymentHash) -> PaymentView:
    return PaymentView(payment_hash, PaymentStatus.UNKNOWN)
