"""LND as a `Node`: every answer is what LND says now.

Nothing is remembered here. Preimages are derived from the key file and the funding's ref; LND gets the hash when a
hold is made and the preimage when it is settled. If this process dies inside a call, the call may or may not have reached
LND: holds are made, settled and cancelled once by their hash whatever we repeat. Payouts are in `payouts.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog

from bot.findings import Finding, good, note, risk
from bot.nodes.lnd import wire
from bot.nodes.lnd.ears import Ears
from bot.nodes.lnd.payouts import Payouts
from bot.nodes.lnd.rest import Refusal, Rest, Silence, complain
from bot.nodes.lnd.rights import BAKE, NEEDED, rights_of
from bot.nodes.lnd.shared import Shared
from bot.nodes.preimages import Preimages, ref_of
from kinds.lightning import (
    HoldRef,
    HoldSpec,
    HoldStatus,
    HoldView,
    NodeFacts,
    PaymentView,
    PaySpec,
)
from kinds.units import PaymentHash

MOST_CLTV = 2006  # blocks: payers bound the whole route at 2016, and LND itself takes any number
LEAST_CLTV = 21  # LND's own bound, 18 and its padding
MOST_EXPIRY = 31_536_000  # seconds: a year, LND's own bound
_PAGE = 1000  # invoices of one answer
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
        self._channels = Shared(self._list)
        self._payouts = Payouts(rest, self.facts, self._channels)

    async def facts(self) -> NodeFacts | None:
        info, channels = await asyncio.gather(self._info(), self._channels())
        if isinstance(info, (Refusal, Silence)) or channels is None:
            return None
        return wire.node_facts(info, channels)

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
            complain("LND makes no hold", made)
            return unknown
        return view

    async def hold(self, hold: HoldRef) -> HoldView:
        payment_hash = hold.payment_hash
        found = await self._rest.ask("GET", "/v2/invoices/lookup", params={"payment_hash": wire.in_path(payment_hash)})
        match found:
            case Refusal(message=message) if message in wire.NO_SUCH_HOLD:
                return HoldView(payment_hash, HoldStatus.ABSENT)
            case Refusal() | Silence():
                complain("LND shows no hold", found)
                return HoldView(payment_hash, HoldStatus.UNKNOWN)
        channels = await self._channels() if wire.needs_channels(found) else None
        view = wire.hold_view(payment_hash, found, channels)
        if view.status in (HoldStatus.OPEN, HoldStatus.HELD) and self._preimages.find(hold) is None:
            log.error("no key of the preimage file fits this hold: restore the file from its backup", ref=hold.ref)
            return HoldView(payment_hash, HoldStatus.UNKNOWN)  # nothing may rest on what can never be settled
        if view.status is HoldStatus.OPEN:
            self._ears.follow(payment_hash)
        return view

    async def find(self, ref: str) -> HoldView:
        newest, *older = self._preimages.hashes(ref)
        view = HoldView(newest, HoldStatus.ABSENT)
        for payment_hash in (newest, *older):
            view = await self.hold(HoldRef(ref, payment_hash))
            if view.status is not HoldStatus.ABSENT:
                break
        return view

    async def own_holds(self, since: int) -> tuple[HoldRef, ...] | None:
        """LND keeps no ref: by its memo an invoice claims to be ours, by its hash, which only our key derives, it is."""
        found: list[HoldRef] = []
        offset = 0
        while True:
            params = {"index_offset": str(offset), "num_max_invoices": str(_PAGE), "creation_date_start": str(since)}
            page = await self._rest.ask("GET", "/v1/invoices", params=params)
            if isinstance(page, (Refusal, Silence)):
                return None
            listed = wire.invoices(page)
            if listed is None:
                return None
            for memo, payment_hash in listed:
                ref = ref_of(memo, payment_hash, self._preimages)
                if ref:
                    found.append(HoldRef(ref, payment_hash))
            last = wire.last_index(page)
            if len(listed) < _PAGE or last <= offset:
                return tuple(found)
            offset = last

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
        return await self._payouts.pay(spec)

    async def payment(self, payment_hash: PaymentHash) -> PaymentView:
        return await self._payouts.payment(payment_hash)

    # The node

    def hints(self) -> AsyncIterator[PaymentHash]:
        return self._ears.listen()

    async def examine(self) -> list[Finding]:
        info = await self._info()
        if isinstance(info, (Refusal, Silence)):
            why = f": {info.message}" if isinstance(info, Refusal) else ""
            return [
                risk(
                    "node",
                    f"LND does not answer{why}",
                    "is it up, is lnd.tls_cert its certificate, is the macaroon its own?",
                )
            ]
        found = [good("node", f"LND is {info.get('version')}")]
        rights = rights_of(bytes.fromhex(self._rest.macaroon.reveal()))
        if rights is None:
            return [*found, note("node", "what the macaroon allows cannot be read from it", f"better: {BAKE}")]
        if NEEDED - rights:
            found.append(risk("node", f"the macaroon does not allow {', '.join(sorted(NEEDED - rights))}", BAKE))
        if rights - NEEDED:
            more = ", ".join(sorted(rights - NEEDED))
            found.append(note("node", f"the macaroon allows more than is needed: {more}", f"better: {BAKE}"))
        if rights == NEEDED:
            found.append(good("node", "the macaroon allows what is needed, and nothing else"))
        return found

    async def aclose(self) -> None:
        await self._ears.aclose()
        await self._rest.aclose()

    async def _list(self) -> wire.Channels | None:
        listed = await self._rest.ask("GET", "/v1/channels")
        return None if isinstance(listed, (Refusal, Silence)) else wire.channels_of(listed)
