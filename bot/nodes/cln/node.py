"""The daemon's side of a Core Lightning node: `bot.nodes.base.Node`, over lightningd's JSON-RPC and the plugin's calls.

Quirks that end here: an error of `xpay` proves nothing (paying.py); a settled hold counts as settled when lightningd has credited
it, and so does one that lightningd gave back instead (plugin/keeper.py); `getinfo` knows no block hash.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from bot.findings import Finding, good, note, risk
from bot.nodes.cln import wire
from bot.nodes.cln.channels import room
from bot.nodes.cln.hints import Hints
from bot.nodes.cln.paying import PATIENCE, Payments
from bot.nodes.cln.rpc import NoAnswer, Refused, Rpc, Shared, rows
from bot.nodes.cln.views import all_seen, hold_view
from kinds.lightning import HoldRef, HoldSpec, HoldStatus, HoldView, NodeFacts, PaymentStatus, PaymentView, PaySpec
from kinds.units import Msat, PaymentHash

HRP = {"bitcoin": "lnbc", "testnet": "lntb", "testnet4": "lntb", "signet": "lntbs", "regtest": "lnbcrt"}
OLDEST = (25, 9)
"""The first version that keeps a book of its moves of money (`listchannelmoves`): a settle is believed by it."""
NOT_SYNCED = ("warning_bitcoind_sync", "warning_lightningd_sync")
_MOVING = (0.005, 0.01, 0.01, 0.02, 0.02, 0.04, 0.04, 0.08, 0.15, 0.3, 0.3)
"""Seconds between looks after a settle: the channel's two sides need a moment (26 ms over one hop)."""
_NOBODY = PaymentHash("0" * 64)


class ClnNode:
    """`patience`: seconds that `pay` waits for the end of an attempt before it reports it as in flight."""

    def __init__(self, socket: Path, seconds: float = 15.0, patience: float = PATIENCE) -> None:
        self._rpc = Rpc(socket, seconds)
        self._peers = Shared(self._rpc, "listpeerchannels")
        self._hints = Hints(self._rpc)
        self._payments = Payments(self._rpc, self._hints.tell, patience)
        self._blocks: tuple[int, str] = (0, "")
        self._closed = False

    async def problem(self) -> str:
        """What keeps this node from holding payments, as a sentence that says what to do; empty when nothing does.
        Raises NoAnswer while lightningd does not answer."""
        try:
            version = str((await self._rpc.call("getinfo")).get("version", ""))
            if _too_old(version):
                return f"lightningd is {version}, and Holdfast needs v{OLDEST[0]}.{OLDEST[1]:02} or newer"
            health = await self._rpc.call(wire.HEALTH)
        except Refused as refused:
            if refused.code != -32601:  # JSON-RPC: no such method
                raise NoAnswer(f"{wire.HEALTH}: {refused}") from None
            return (
                f"lightningd answers, but its plugin {wire.PLUGIN} is not there; install it by "
                "`holdfast cln-plugin install DIRECTORY`, add the line that it prints to lightningd's config, restart lightningd"
            )
        if health.get("api") != wire.API:
            return (
                f"the plugin {wire.PLUGIN} in lightningd is of another version ({health.get('version')}); "
                "run `holdfast cln-plugin install` again and restart lightningd"
            )
        if health.get("installed") in (wire.Installed.PLAIN, wire.Installed.ABSENT):
            return (
                f"lightningd's config does not name the plugin {wire.PLUGIN} as important-plugin, so a restart or its death "
                "would give held payments back; `holdfast cln-plugin install` prints the line"
            )
        return ""

    async def examine(self) -> list[Finding]:
        try:
            problem = await self.problem()
            if problem:
                return [risk("node", problem, "without it no payment can be held safely")]
            info, health = await asyncio.gather(self._rpc.call("getinfo"), self._rpc.call(wire.HEALTH))
        except (NoAnswer, Refused) as trouble:
            return [risk("node", f"lightningd did not answer: {trouble}", "look into lightningd's log")]
        found = [
            good("node", f"lightningd is {info.get('version')}"),
            good("node", f"the plugin {wire.PLUGIN} {health.get('version')} is in it, by its config"),
        ]
        for name in sorted(name for name in info if name.startswith("warning_") and name not in NOT_SYNCED):
            found.append(note("node", f"lightningd warns: {info[name]}", "look into lightningd's log"))
        return found

    async def facts(self) -> NodeFacts | None:
        if self._closed:
            return None
        try:
            info, peers, health = await asyncio.gather(
                self._rpc.call("getinfo"), self._peers.get(), self._rpc.call(wire.HEALTH)
            )
            space = room(rows(peers, "channels"))
            height = int(info["blockheight"])
            return NodeFacts(
                network=str(info["network"]),
                hrp=HRP.get(str(info["network"]), ""),
                pubkey=str(info["id"]),
                height=height,
                block_hash=await self._block_hash(height, health),
                synced=not any(warning in info for warning in NOT_SYNCED),
                outbound=Msat(space.outbound),
                inbound=Msat(space.inbound),
                free_slots=space.free_slots,
            )
        except (NoAnswer, Refused, KeyError, ValueError, TypeError):
            return None

    async def make_hold(self, spec: HoldSpec) -> HoldView:
        return await self._hold_call(
            _NOBODY,
            wire.CREATE,
            {
                "ref": spec.ref,
                "amount_msat": int(spec.amount),
                "expiry": spec.expiry,
                "cltv": spec.cltv,
                "memo": spec.memo,
            },
        )

    async def hold(self, hold: HoldRef) -> HoldView:
        return await self._look(hold.payment_hash)

    async def settle(self, hold: HoldRef) -> HoldView:
        """Waits a moment for the money to move; if it takes longer, the view says HELD, and a hint will come."""
        view = await self._hold_call(hold.payment_hash, wire.SETTLE)
        try:
            for pause in _MOVING:
                told = await self._rpc.call(wire.LOOKUP, {"payment_hash": hold.payment_hash})
                if told.get("state") != wire.State.SETTLING:
                    break
                await asyncio.sleep(pause)
        except (NoAnswer, Refused):
            return view
        return await self._look(hold.payment_hash)

    async def cancel(self, hold: HoldRef) -> HoldView:
        return await self._hold_call(hold.payment_hash, wire.CANCEL)

    async def pay(self, spec: PaySpec) -> PaymentView:
        if self._closed:
            return PaymentView(spec.payment_hash, PaymentStatus.UNKNOWN)
        try:
            info = await self._rpc.call("getinfo")
            hrp, own = HRP[str(info["network"])], str(info["id"])
        except (NoAnswer, Refused, KeyError):
            return PaymentView(spec.payment_hash, PaymentStatus.UNKNOWN)
        return await self._payments.pay(spec, hrp, own)

    async def payment(self, payment_hash: PaymentHash) -> PaymentView:
        if self._closed:
            return PaymentView(payment_hash, PaymentStatus.UNKNOWN)
        return await self._payments.look(payment_hash)

    async def find(self, ref: str) -> HoldView:
        listed = await self.own_holds(0)
        if listed is None:
            return HoldView(_NOBODY, HoldStatus.UNKNOWN)
        found = next((hold for hold in listed if hold.ref == ref), None)
        return await self.hold(found) if found else HoldView(_NOBODY, HoldStatus.ABSENT)

    async def own_holds(self, since: int) -> tuple[HoldRef, ...] | None:
        """The plugin's whole list: it forgets holds a month after their end, and of settled ones keeps the ref out of use."""
        if self._closed:
            return None
        try:
            told = rows(await self._rpc.call(wire.LIST), "holds")
            return tuple(
                HoldRef(str(row["ref"]), PaymentHash(str(row["payment_hash"])))
                for row in told
                if int(row["expires_at"]) >= since
            )
        except (NoAnswer, Refused, KeyError, ValueError, TypeError):
            return None

    def hints(self) -> AsyncIterator[PaymentHash]:
        return self._hints.listen()

    async def aclose(self) -> None:
        self._closed = True
        await self._payments.aclose()
        await self._hints.aclose()

    async def _look(self, payment_hash: PaymentHash) -> HoldView:
        return await self._hold_call(payment_hash, wire.LOOKUP)

    async def _hold_call(
        self, payment_hash: PaymentHash, method: str, params: Mapping[str, object] | None = None
    ) -> HoldView:
        """A call of the plugin, and its answer beside what is on the channels at that moment."""
        if self._closed:
            return HoldView(payment_hash, HoldStatus.UNKNOWN)
        try:
            told = await self._rpc.call(method, params or {"payment_hash": payment_hash})
            if not told.get("parts"):
                return hold_view(told, ())
            channels = rows(await self._peers.get(), "channels")
            view = hold_view(told, channels)
            if not all_seen(view, channels):  # it moved between the two answers; if it did not, it is off its channel
                view = hold_view(await self._rpc.call(wire.LOOKUP, {"payment_hash": view.payment_hash}), channels)
            return view
        except Refused as refused:
            absent = refused.code == wire.NO_SUCH_HOLD
            return HoldView(payment_hash, HoldStatus.ABSENT if absent else HoldStatus.UNKNOWN)
        except NoAnswer:
            return HoldView(payment_hash, HoldStatus.UNKNOWN)

    async def _block_hash(self, height: int, health: Mapping[str, Any]) -> str:
        """The plugin has heard the newest block's hash; right after a start lightningd's block source is asked, once a height."""
        if health.get("blockheight") == height and health.get("blockhash"):
            return str(health["blockhash"])
        if self._blocks[0] != height:
            block = await self._rpc.call("getrawblockbyheight", {"height": height})
            self._blocks = (height, str(block.get("blockhash") or ""))
        return self._blocks[1]


def _too_old(version: str) -> bool:
    """Is it? "v26.06.6" is not; a version that says nothing, of somebody's own making, is his own business."""
    found = re.match(r"v?(\d{2})\.(\d{2})", version)
    return found is not None and (int(found[1]), int(found[2])) < OLDEST
