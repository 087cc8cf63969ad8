"""LND as a `Node`: every answer is what LND says now.

Nothing is remembered here but who the node is. Preimages are derived from the key file and the funding's ref; LND gets the hash when a
hold is made and the preimage when it is settled. If this process dies inside a call, the call may or may not have reached
LND: holds are made, settled and cancelled once by their hash whatever we repeat, and LND pays a hash at most once at a time and
never again once it has paid.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import structlog

from bot.nodes.lnd import wire
from bot.nodes.lnd.ears import Ears
from bot.nodes.lnd.rest import Refusal, Reply, Rest, Silence
from bot.nodes.lnd.shared import Shared
from bot.nodes.preimages import Preimages
from kinds import bolt11
from kinds.lightning import (
    Fault,
    HoldRef,
    HoldSpec,
    HoldStatus,
    HoldView,
    NodeFacts,
    PaymentStatus,
    PaymentView,
    PaySpec,
)
from kinds.units import Msat, PaymentHash, sats

MOST_CLTV = 2006  # blocks: payers bound the whole route at 2016, and LND itself takes any number
LEAST_CLTV = 21  # LND's own bound, 18 and its padding
MOST_EXPIRY = 31_536_000  # seconds: a year, LND's own bound
ANY_FEE = sats(1_000_000)  # more than any payout's routing costs
_ANSWER = 3.0  # seconds after which a payment that is not over is in flight
_GONE = 2.0  # seconds to wait after a settle until the HTLCs are gone
_AGAIN = 0.02
log = structlog.get_logger()


class LndNode:
    def __init__(self, rest: Rest, preimages: Preimages, private_channels: bool = False) -> None:
        """`private_channels`: invoices name the private channels by which the node can be reached."""
        self._rest = rest
        self._preimages = preimages
        self._private = private_channels
        self._ears = Ears(rest)
        self._info = Shared(lambda: rest.ask("GET", "/v1/getinfo"))
        self._list = Shared(lambda: rest.ask("GET", "/v1/channels"))
        self._who: NodeFacts | None = None  # the last facts; only network and identity are read from them

    async def facts(self) -> NodeFacts | None:
        info, channels = await asyncio.gather(self._info(), self._channels())
        if isinstance(info, (Refusal, Silence)) or channels is None:
            return None
        facts = wire.node_facts(info, channels)
        self._who = facts or self._who
        return facts

    # Holds

    async def make_hold(self, spec: HoldSpec) -> HoldView:
        """A hold under a key that has been replaced meanwhile is that hold still: no second one is made for its ref."""
        newest, *older = self._preimages.hashes(spec.ref)
        unknown = HoldView(newest, HoldStatus.UNKNOWN)
        if spec.amount <= 0 or not LEAST_CLTV <= spec.cltv <= MOST_CLTV or not 0 < spec.expiry <= MOST_EXPIRY:
            return unknown
        for payment_hash in older:
            view = await self.hold(HoldRef(spec.ref, payment_hash))
            if view.status is HoldStatus.UNKNOWN:
                return unknown
            if view.status is not HoldStatus.ABSENT:
                return view
        made = await self._rest.ask(
            "POST",
            "/v2/invoices/hodl",
            {
                "memo": spec.memo,
                "hash": wire.in_body(newest),
                "value_msat": str(spec.amount),
                "expiry": str(spec.expiry),
                "cltv_expiry": str(spec.cltv),
                "private": self._private,
            },
        )  # a second one of that hash is refused: the look below is the answer either way
        view = await self.hold(HoldRef(spec.ref, newest))
        if view.status is HoldStatus.ABSENT:
            self._complain("LND makes no hold", made)
            return unknown
        return view

    async def hold(self, hold: HoldRef) -> HoldView:
        payment_hash = hold.payment_hash
        found = await self._rest.ask("GET", "/v2/invoices/lookup", params={"payment_hash": wire.in_path(payment_hash)})
        match found:
            case Refusal(message=message) if message in wire.NO_SUCH_HOLD:
                return HoldView(payment_hash, HoldStatus.ABSENT)
            case Refusal() | Silence():
                self._complain("LND shows no hold", found)
                return HoldView(payment_hash, HoldStatus.UNKNOWN)
        channels = await self._channels() if wire.needs_channels(found) else None
        view = wire.hold_view(payment_hash, found, channels)
        if view.status in (HoldStatus.OPEN, HoldStatus.HELD) and self._preimages.find(hold) is None:
            log.error("no key of the preimage file fits this hold: restore the file from its backup", ref=hold.ref)
            return HoldView(payment_hash, HoldStatus.UNKNOWN)  # nothing may rest on what can never be settled
        if view.status is HoldStatus.OPEN:
            self._ears.follow(payment_hash)
        return view

    async def settle(self, hold: HoldRef) -> HoldView:
        """If the process dies after the call, LND has the preimage and finishes alone; the next look sees it."""
        preimage = self._preimages.find(hold)
        if preimage is None:
            return await self.hold(hold)
        told = await self._rest.ask("POST", "/v2/invoices/settle", {"preimage": wire.in_body(preimage.reveal())})
        view = await self.hold(hold)
        if isinstance(told, (Refusal, Silence)):
            return view
        loop, pause = asyncio.get_running_loop(), _AGAIN
        end = loop.time() + _GONE
        while view.status is HoldStatus.HELD and loop.time() < end:  # the HTLCs leave the channels in a moment
            await asyncio.sleep(pause)
            pause *= 1.5
            view = await self.hold(hold)
        return view

    async def cancel(self, hold: HoldRef) -> HoldView:
        await self._rest.ask("POST", "/v2/invoices/cancel", {"payment_hash": wire.in_body(hold.payment_hash)})
        return await self.hold(hold)

    # Payments

    async def pay(self, spec: PaySpec) -> PaymentView:
        before, channels = await asyncio.gather(self.payment(spec.payment_hash), self._channels())
        if before.status not in (PaymentStatus.ABSENT, PaymentStatus.FAILED):
            return before
        who = self._who or await self.facts()
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
                self._complain("LND shows no payment", refusal)
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
                    latest = wire.payment_view(spec.payment_hash, last)
                    if latest.status is not PaymentStatus.IN_FLIGHT:
                        break
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
        self._complain("LND begins no payment", refusal)
        return await self.payment(spec.payment_hash)

    async def _blamed(self, view: PaymentView, invoice: str) -> PaymentView:
        """No route is the payee's trouble only if there is none at any fee, while our side is well; what is unknown is ours."""
        if view.status is not PaymentStatus.FAILED or view.reason != wire.NO_ROUTE:
            return view
        try:
            payee = bolt11.decode(invoice)
        except bolt11.BadInvoice:
            return view
        facts, channels = await asyncio.gather(self.facts(), self._channels())
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

    # The node

    def hints(self) -> AsyncIterator[PaymentHash]:
        return self._ears.listen()

    async def aclose(self) -> None:
        await self._ears.aclose()
        await self._rest.aclose()

    async def _channels(self) -> wire.Channels | None:
        listed = await self._list()
        return None if isinstance(listed, (Refusal, Silence)) else wire.channels_of(listed)

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

    def _complain(self, what: str, reply: Reply) -> None:
        """LND's words are the operator's own node's: they help him, and hold no secret (a macaroon or invoice is not in them)."""
        if isinstance(reply, Refusal):
            log.warning(what, code=reply.code, message=reply.message[:200])


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
