"""The node behind a wallet that speaks NIP-47: `bot.nodes.base.Node` over requests and answers that may be lost.

Whatever a wallet answers to a call, the view that is returned comes from looking afterwards (`lookup_invoice`), so that a lost
answer, a late one and a repeated call all end the same way. What is remembered only sharpens a view: the wallet's reason for a
failed payment (verdicts.py), and that it has confirmed a cancel. Without it those views are vaguer, never wrong.
Preimages are derived (bot.nodes.preimages) and leave by `settle` alone, and only when the hold is held.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bot.findings import Finding, good, note, risk
from bot.nodes.hints import Hints
from bot.nodes.nwc import wire
from bot.nodes.nwc.connection import Connection
from bot.nodes.nwc.health import Health
from bot.nodes.nwc.talk import LIFE, Asked, Talk
from bot.nodes.nwc.verdicts import Verdicts
from bot.nodes.nwc.wire import Answer
from bot.nodes.preimages import Preimages
from kinds import bolt11
from kinds.lightning import HoldRef, HoldSpec, HoldStatus, HoldView, NodeFacts, PaymentStatus, PaymentView, PaySpec
from kinds.units import PaymentHash

ANSWER_WAIT = 8.0  # seconds for the answer to a question
PAY_WAIT = 1.0  # seconds for the answer to a payment before it is looked at: it comes when the payment is over
MIN_CLTV = 18  # blocks: what an invoice means that names none (BOLT 11)
REMEMBERED = 10_000  # hashes
log = structlog.get_logger()
V = TypeVar("V")


class Memory(OrderedDict[PaymentHash, V]):
    """The newest of what we know about hashes."""

    def keep(self, payment_hash: PaymentHash, value: V) -> None:
        self[payment_hash] = value
        self.move_to_end(payment_hash)
        if len(self) > REMEMBERED:
            self.popitem(last=False)


class NwcNode:
    """`start` connects; all calls answer UNKNOWN until it is connected, and after `aclose`."""

    def __init__(
        self,
        connection: Connection,
        preimages: Preimages,
        clock: Callable[[], float],
        *,
        refresh: float = 20.0,
        extra_cltv: int = 0,
        verdicts: Path | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`clock`: unix seconds. `refresh`: seconds for which the wallet's word about itself is good. `extra_cltv`: blocks added
        to a hold, since the wallet's `settle_deadline` lies so long before its end. `verdicts`: a file of our own. OSError."""
        self._preimages, self._clock, self._extra_cltv = preimages, clock, extra_cltv
        self._talk = Talk(connection, clock, jitter, notice=lambda about: self._hints.say([about]), late=self._late)
        self._hints = Hints()
        self._running: asyncio.Task[None] | None = None
        self._closed = False
        self._health = Health(self._ask, lambda: self._talk.offer, clock, refresh)
        self._given_back: Memory[bool] = Memory()  # accepted holds whose cancel the wallet has confirmed
        self._verdicts = Verdicts(verdicts, clock())
        self._paying: set[PaymentHash] = set()
        self._sent: Memory[float] = Memory()  # loop time of the last pay_invoice
        self._unanswered: set[PaymentHash] = set()  # of those

    def start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """For ever: a defect of ours must not leave the daemon without its node."""
        while True:
            try:
                await self._talk.run()
            except Exception as error:
                log.error("the talk with the wallet broke off", error=type(error).__name__)
            await asyncio.sleep(1.0)

    async def aclose(self) -> None:
        self._closed = True
        self._hints.close()
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    async def lacks(self, within: float) -> tuple[str, ...]:
        """What an escrow needs and this wallet has not, by name; () also when the wallet does not answer."""
        if not await self._talk.ready(within) or self._talk.offer is None:
            return ()
        return await self._health.lacks(self._talk.offer)

    async def facts(self) -> NodeFacts | None:
        return None if self._closed else await self._health.facts()

    def hints(self) -> AsyncIterator[PaymentHash]:
        return self._hints.listen()

    async def examine(self) -> list[Finding]:
        """The connection itself; what the wallet lacks was said when it was opened, or never is by a node without an answer."""
        offer = self._talk.offer
        if offer is None:
            return [
                risk("node", "the wallet has not introduced itself", "is it running, on the relay of its connection?")
            ]
        found = [good("node", "the wallet can hold payments, settle them and give them back")]
        if offer.encryption != wire.NIP44:
            advice = "use a newer wallet, one that knows NIP-44"
            found.append(note("node", "the wallet knows only the old encryption (NIP-04)", advice))
        away = self._talk.away()
        found += [note("node", f"the wallet's relay {url} is not connected", "is it up?") for url in away]
        return found

    # Holds

    async def make_hold(self, spec: HoldSpec) -> HoldView:
        """Under whichever key it was made, an earlier hold of this ref is found first."""
        for payment_hash in self._preimages.hashes(spec.ref):
            view = await self.hold(HoldRef(spec.ref, payment_hash))
            if view.status is not HoldStatus.ABSENT:
                return self._long_enough(view, spec)
        payment_hash = self._preimages.hash_for(spec.ref)
        if (
            min(spec.amount, spec.expiry) <= 0 or spec.cltv < MIN_CLTV
        ):  # some wallets put a value of their own in its place
            return HoldView(payment_hash, HoldStatus.UNKNOWN)
        await self._ask(
            "make_hold_invoice",
            amount=int(spec.amount),
            payment_hash=payment_hash,
            description=spec.memo,
            expiry=spec.expiry,
            min_cltv_expiry_delta=spec.cltv + self._extra_cltv,
        )
        view = await self.hold(HoldRef(spec.ref, payment_hash))
        if view.status is HoldStatus.ABSENT:
            view = replace(view, status=HoldStatus.UNKNOWN)  # not made, or not yet
        return self._long_enough(view, spec)

    async def hold(self, hold: HoldRef) -> HoldView:
        payment_hash = hold.payment_hash
        answer = await self._ask("lookup_invoice", payment_hash=payment_hash)
        view = wire.hold_view(payment_hash, answer, self._health.height, given_back=payment_hash in self._given_back)
        if view.status is HoldStatus.HELD and not view.expiry_height:
            log.error("the wallet gives no settle_deadline for a hold: it is not fit for an escrow", ref=hold.ref)
        return view

    async def find(self, ref: str) -> HoldView:
        view = HoldView(self._preimages.hash_for(ref), HoldStatus.ABSENT)
        for payment_hash in self._preimages.hashes(ref):
            view = await self.hold(HoldRef(ref, payment_hash))
            if view.status is not HoldStatus.ABSENT:
                break
        return view

    async def own_holds(self, since: int) -> tuple[HoldRef, ...] | None:
        """A wallet tells of one hash at a time; its list of transactions leaves out what was never paid."""
        return None

    async def settle(self, hold: HoldRef) -> HoldView:
        view, preimage = await self.hold(hold), self._preimages.find(hold)
        if preimage is None and view.status is HoldStatus.HELD:
            log.error("no key of ours made this hold: is it another key file?", ref=hold.ref)
        if view.status is not HoldStatus.HELD or preimage is None:
            return view
        await self._ask("settle_hold_invoice", preimage=preimage.reveal())
        return await self.hold(hold)

    async def cancel(self, hold: HoldRef) -> HoldView:
        view = await self.hold(hold)
        if view.status not in (HoldStatus.OPEN, HoldStatus.HELD):
            return view
        answer = await self._ask("cancel_hold_invoice", payment_hash=hold.payment_hash)
        if view.status is HoldStatus.HELD and answer is not None and answer.code in ("", "NOT_FOUND"):
            self._given_back.keep(hold.payment_hash, True)
        return await self.hold(hold)

    def _long_enough(self, view: HoldView, spec: HoldSpec) -> HoldView:
        """A wallet that ignores `min_cltv_expiry_delta` makes holds that end too soon: better none."""
        if view.status is not HoldStatus.OPEN or bolt11.decode(view.invoice.reveal()).final_cltv >= spec.cltv:
            return view
        log.error("the wallet ignores min_cltv_expiry_delta: it is not fit for an escrow", ref=spec.ref)
        return HoldView(view.payment_hash, HoldStatus.UNKNOWN)

    # Payouts

    async def payment(self, payment_hash: PaymentHash) -> PaymentView:
        answer = await self._ask("lookup_invoice", payment_hash=payment_hash)
        view = wire.payment_view(payment_hash, answer, self._verdicts.get(payment_hash), self._clock())
        if view.status is PaymentStatus.ABSENT and self._may_arrive(payment_hash):
            return replace(view, status=PaymentStatus.UNKNOWN)
        return view

    def _may_arrive(self, payment_hash: PaymentHash) -> bool:
        """Whether a request to pay this, as yet unanswered, may still reach the wallet."""
        sent = self._sent.get(payment_hash, 0.0) if payment_hash in self._unanswered else -LIFE
        return asyncio.get_running_loop().time() - sent < LIFE

    async def pay(self, spec: PaySpec) -> PaymentView:
        """Never two requests for one hash at a time, and none without looking first. If we are cancelled or die in here, one
        may be on its way until it expires (LIFE, far less than the money worker's grace)."""
        if spec.payment_hash in self._paying:
            return PaymentView(spec.payment_hash, PaymentStatus.UNKNOWN)
        self._paying.add(spec.payment_hash)
        try:
            return await self._pay(spec)
        finally:
            self._paying.discard(spec.payment_hash)

    async def _pay(self, spec: PaySpec) -> PaymentView:
        payment_hash = spec.payment_hash
        before = await self.payment(payment_hash)
        if before.status not in (PaymentStatus.ABSENT, PaymentStatus.FAILED):
            return before
        facts = await self.facts()
        if facts is None or self._may_arrive(payment_hash):
            return PaymentView(payment_hash, PaymentStatus.UNKNOWN)
        no = wire.unsendable(spec, facts, self._clock())
        if no is not None:
            return no
        if not self._verdicts.sending(payment_hash):
            return PaymentView(payment_hash, PaymentStatus.UNKNOWN)
        self._sent.keep(payment_hash, asyncio.get_running_loop().time())
        self._unanswered.add(payment_hash)
        params: dict[str, Any] = {"invoice": spec.invoice.reveal()}
        if bolt11.decode(spec.invoice.reveal()).amount is None:
            params["amount"] = int(spec.amount)
        answer = await self._talk.ask("pay_invoice", params, within=PAY_WAIT, about=payment_hash)
        if answer is not None:
            self._paid(payment_hash, answer)
        return self._outcome(await self.payment(payment_hash), answer)

    def _outcome(self, view: PaymentView, answer: Answer | None) -> PaymentView:
        """A preimage proves more than a look. An error to a payment that the wallet does not know leaves it open, unless the
        error says that nothing was begun."""
        if answer is None or view.status is PaymentStatus.COMPLETE:
            return view
        if view.status is PaymentStatus.ABSENT:
            view = replace(view, status=PaymentStatus.UNKNOWN)
        return wire.complete(view, answer.result) or view

    def _paid(self, payment_hash: PaymentHash, answer: Answer) -> None:
        """The wallet has answered a `pay_invoice`: a reason to look."""
        self._unanswered.discard(payment_hash)
        verdict = wire.verdict_of(answer) if answer.code else None
        if verdict is not None:
            self._verdicts.ended(payment_hash, verdict, self._clock())
        elif answer.code:
            log.warning("a payout has failed or has not: the wallet's answer leaves it open", code=answer.code)
        self._hints.say([payment_hash])

    def _late(self, asked: Asked, answer: Answer) -> None:
        """What was said of an attempt before the last one is only a reason to look."""
        about = PaymentHash(asked.about)
        if asked.method == "pay_invoice" and asked.at >= self._sent.get(about, 0.0):
            self._paid(about, answer)
        elif about:
            self._hints.say([about])

    # Asking

    async def _ask(self, method: str, **params: Any) -> Answer | None:
        if self._closed:
            return None
        answer = await self._talk.ask(method, params, within=ANSWER_WAIT, about=params.get("payment_hash", ""))
        if answer is not None and answer.code not in ("", "NOT_FOUND"):
            log.info("the wallet refuses a request", method=method, code=answer.code)
        return answer
