"""Payouts by LND's router: sent once, tracked, and blamed on whose trouble they are.

LND pays a hash at most once at a time and never again once it has paid; what is asked before each attempt here only keeps us from
guessing. If this process dies inside a call, the payment may or may not have begun: `payment` tells, later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

from bot.nodes.lnd import wire
from bot.nodes.lnd.rest import Refusal, Reply, Rest, Silence, complain
from kinds import bolt11
from kinds.lightning import Fault, NodeFacts, PaymentStatus, PaymentView, PaySpec
from kinds.units import Msat, PaymentHash, sats

ANY_FEE = sats(1_000_000)  # more than any payout's routing costs
_ANSWER = 3.0  # seconds after which a payment that is not over is in flight


class Payouts:
    """`facts` and `channels` are asked anew whenever something is decided by them."""

    def __init__(
        self,
        rest: Rest,
        facts: Callable[[], Awaitable[NodeFacts | None]],
        channels: Callable[[], Awaitable[wire.Channels | None]],
    ) -> None:
        self._rest, self._facts, self._channels = rest, facts, channels
        self._who: NodeFacts | None = None  # once known; only network and identity are read from it

    async def pay(self, spec: PaySpec) -> PaymentView:
        before, channels = await asyncio.gather(self.payment(spec.payment_hash), self._channels())
        if before.status not in (PaymentStatus.ABSENT, PaymentStatus.FAILED):
            return before
        who = self._who or await self._know()
        if who is None or channels is None:
            return _failed(spec, "node_away", Fault.OURS)  # nothing was sent, and nothing of it was before
        try:
            invoice = bolt11.decode(spec.invoice.reveal())
        except bolt11.BadInvoice:
            return _failed(spec, "bad_invoice", Fault.OURS)
        reason = _unsendable(spec, invoice, who, channels)
        return _failed(spec, reason, Fault.OURS) if reason else await self._send(spec, invoice)

    async def payment(self, payment_hash: PaymentHash) -> PaymentView:
        path = f"/v2/router/track/{wire.in_path(payment_hash)}"
        match await self._first("GET", path, params={"no_inflight_updates": "false"}):
            case Refusal(message=message) if message == wire.NEVER_PAID:
                return PaymentView(payment_hash, PaymentStatus.ABSENT)
            case Refusal() as refusal:
                complain("LND shows no payment", refusal)
                return PaymentView(payment_hash, PaymentStatus.UNKNOWN)
            case Silence():
                return PaymentView(payment_hash, PaymentStatus.UNKNOWN)
            case row:
                return await self._blamed(wire.payment_view(payment_hash, row), str(row.get("payment_request", "")))

    async def _send(self, spec: PaySpec, invoice: bolt11.Bolt11) -> PaymentView:
        """Begins the payment and waits a moment for its end. Leaving the stream stops nothing at LND (it is not `cancelable`)."""
        body = {
            "payment_request": spec.invoice.reveal(),
            "fee_limit_msat": str(spec.fee_limit),
            "cltv_limit": spec.cltv_limit,
            "timeout_seconds": spec.timeout,
            "no_inflight_updates": False,
        } | ({} if invoice.amount is not None else {"amt_msat": str(spec.amount)})
        last: Reply = Silence()
        latest: PaymentView | None = None
        try:
            async with (
                asyncio.timeout(_ANSWER),
                aclosing(self._rest.stream("POST", "/v2/router/send", body)) as replies,
            ):
                async for last in replies:
                    if isinstance(last, (Refusal, Silence)):
                        break
                    latest = wire.payment_view(spec.payment_hash, last)  # LND ends the stream when this is over
        except TimeoutError:
            pass
        if latest is not None:
            return await self._blamed(latest, spec.invoice.reveal())
        if isinstance(last, Refusal):
            return await self._refused(spec, last)
        view = await self.payment(spec.payment_hash)  # it may still arrive: only what has begun is proof of anything
        if view.status in (PaymentStatus.IN_FLIGHT, PaymentStatus.COMPLETE):
            return view
        return PaymentView(spec.payment_hash, PaymentStatus.UNKNOWN)

    async def _refused(self, spec: PaySpec, refusal: Refusal) -> PaymentView:
        """LND refuses to begin: by known words nothing was sent. Of any other words only a look tells what they are worth."""
        known = wire.unsent(refusal.message)
        if known:
            return _failed(spec, *known)
        complain("LND begins no payment", refusal)
        return await self.payment(spec.payment_hash)

    async def _blamed(self, view: PaymentView, invoice: str) -> PaymentView:
        """No route is the payee's trouble only if there is none at any fee, while our side is well; what is unknown is ours."""
        if view.status is not PaymentStatus.FAILED or view.reason != wire.NO_ROUTE:
            return view
        try:
            payee = bolt11.decode(invoice)
        except bolt11.BadInvoice:
            return view
        facts, channels = await asyncio.gather(self._know(), self._channels())
        well = facts is not None and facts.synced and facts.outbound >= view.amount
        if not well or channels is None or not channels.free_out:
            return view
        asked = await self._rest.ask(
            "POST",
            f"/v1/graph/routes/{payee.payee}/0",
            {
                "amt_msat": str(view.amount),
                "fee_limit": {"fixed_msat": str(ANY_FEE)},
                "final_cltv_delta": payee.final_cltv,
                "use_mission_control": True,
                "route_hints": [
                    {
                        "hop_hints": [
                            {
                                "node_id": hop.pubkey,
                                "chan_id": str(_channel(hop.channel)),
                                "fee_base_msat": hop.base,
                                "fee_proportional_millionths": hop.ppm,
                                "cltv_expiry_delta": hop.cltv_delta,
                            }
                            for hop in hint
                        ]
                    }
                    for hint in payee.route_hints
                ],
            },
        )
        none = isinstance(asked, Refusal) and wire.no_path(asked.message)
        return replace(view, fault=Fault.THEIRS) if none else view

    async def _know(self) -> NodeFacts | None:
        facts = await self._facts()
        self._who = facts or self._who
        return facts

    async def _first(self, method: str, path: str, params: dict[str, str]) -> Reply:
        """The first message of a stream."""
        try:
            async with (
                asyncio.timeout(_ANSWER),
                aclosing(self._rest.stream(method, path, params=params)) as replies,
            ):
                async for reply in replies:
                    return reply
        except TimeoutError:
            pass
        return Silence()


def _unsendable(spec: PaySpec, invoice: bolt11.Bolt11, who: NodeFacts, channels: wire.Channels) -> str:
    """Why this is not even asked of LND; empty when it is. LND takes a cltv limit of 0 for none at all, and of a payment that is
    more than it has it sends what it has, which then waits at the payee for the rest."""
    if invoice.hrp != who.hrp or invoice.payment_hash != spec.payment_hash:
        return "bad_invoice"
    if spec.amount <= 0 or invoice.amount not in (None, spec.amount):
        return "wrong_amount"
    if invoice.payee == who.pubkey:
        return "self_payment"
    if spec.cltv_limit <= 0 or spec.fee_limit < 0:
        return "cltv_limit" if spec.cltv_limit <= 0 else "fee_limit"
    return "no_balance" if channels.outbound < spec.amount or not channels.free_out else ""


def _failed(spec: PaySpec, reason: str, fault: Fault) -> PaymentView:
    return PaymentView(spec.payment_hash, PaymentStatus.FAILED, Msat(spec.amount), fault=fault, reason=reason)


def _channel(text: str) -> int:
    block, transaction, output = (int(each) for each in text.split("x"))
    return block << 40 | transaction << 16 | output
