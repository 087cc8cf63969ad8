"""Real Core Lightning nodes in the contract suite. They are started once for all tests, so every bench names its holds anew; time
and blocks are real.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.nodes.cln import wire
from bot.nodes.cln.node import ClnNode
from bot.nodes.cln.rpc import Refused, Rpc
from kinds import bolt11
from kinds.lightning import HoldSpec, HoldView, PaymentStatus
from kinds.units import Msat, PaymentHash
from tests.cln.regtest import ONCE, Regtest
from tests.contract.bench import Bench


class FreshlyNamed(ClnNode):
    """The suite's tests all use the same refs, and a node never forgets one."""

    def __init__(self, socket: Path) -> None:
        super().__init__(socket)
        self._salt = secrets.token_hex(6)

    async def deaf(self) -> None:
        """Its long polls end, and its streams do not."""
        for poll in self._hints._polls:
            poll.cancel()
        await asyncio.gather(*self._hints._polls, return_exceptions=True)

    async def make_hold(self, spec: HoldSpec) -> HoldView:
        return await super().make_hold(replace(spec, ref=f"{self._salt}/{spec.ref}"))


class RealBench:
    cannot: frozenset[str] = frozenset()

    def __init__(self, nodes: Regtest) -> None:
        self._nodes = nodes
        self._payer, self._us, self._payee = (Rpc(node.socket) for node in (nodes.payer, nodes.us, nodes.payee))
        self._real = FreshlyNamed(nodes.us.socket)
        self.node: ClnNode = self._real
        self._holding = False

    async def pay_hold(self, invoice: str, parts: int | Sequence[Msat] = 1, amount: Msat | None = None) -> None:
        """By `sendpay`, so that each part is as the test wants it and none is sent again."""
        read = bolt11.decode(invoice)
        whole = amount or read.amount
        assert whole is not None
        sizes = [whole // parts + (n < whole % parts) for n in range(parts)] if isinstance(parts, int) else list(parts)
        channel = (await asyncio.to_thread(self._nodes.payer.channel, self._nodes.us))["short_channel_id"]
        group = secrets.randbits(40)
        for number, size in enumerate(sizes, 1):
            hop = {"id": self._nodes.us.id, "channel": channel, "amount_msat": size, "delay": read.final_cltv + 3}
            await self._payer.call(
                "sendpay",
                {
                    "route": [hop],
                    "payment_hash": read.payment_hash,
                    "payment_secret": read.payment_secret.reveal(),
                    "amount_msat": whole,
                    "partid": number,
                    "groupid": group,
                },
            )

    async def payer_sees(self, payment_hash: PaymentHash) -> PaymentStatus:
        """Of a payment that was tried again, the last try; the rows follow the HTLCs after a moment."""
        for _ in range(20):
            rows = (await self._payer.call("listsendpays", {"payment_hash": payment_hash}))["payments"]
            last = [row for row in rows if row.get("groupid") == rows[-1].get("groupid")]
            states = {row["status"] for row in last}
            if states != {"pending"}:
                break
            await asyncio.sleep(0.1)
        if not states:
            return PaymentStatus.ABSENT
        if "complete" in states:
            return PaymentStatus.COMPLETE
        return PaymentStatus.IN_FLIGHT if "pending" in states else PaymentStatus.FAILED

    async def bill(self, amount: Msat, expiry: int = 3600, cltv: int = 80) -> str:
        label = secrets.token_hex(8)
        if self._holding:
            wanted = {"ref": label, "amount_msat": int(amount), "expiry": expiry, "cltv": cltv, "memo": "work"}
            return str((await self._payee.call(wire.CREATE, wanted))["bolt11"])
        asked: dict[str, Any] = {"amount_msat": int(amount), "label": label, "description": "work"}
        return str((await self._payee.call("invoice", {**asked, "expiry": expiry, "cltv": cltv}))["bolt11"])

    async def lost_bill(self, amount: Msat) -> str:
        return bolt11.encode(
            replace(bolt11.decode(await self.bill(amount)), payment_hash=PaymentHash(secrets.token_hex(32))),
            secrets.token_bytes(32),
        )

    async def payee_holds(self) -> None:
        self._holding = True

    async def release(self, payment_hash: PaymentHash) -> None:
        for _ in range(100):
            told = await self._payee.call(wire.SETTLE, {"payment_hash": payment_hash})
            if told["state"] in (wire.State.SETTLING, wire.State.SETTLED):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the payee never had the payment")

    async def silence_hints(self) -> None:
        await self._real.deaf()

    async def restart(self) -> None:
        await asyncio.to_thread(self._nodes.restart)

    async def wait(self, seconds: int) -> None:
        await asyncio.sleep(seconds)

    async def mine(self, blocks: int) -> None:
        await asyncio.to_thread(self._nodes.mine, blocks)

    async def aclose(self) -> None:
        await self._real.aclose()
        for hold in (await self._us.call(wire.LIST))["holds"]:
            if hold["state"] in (wire.State.OPEN, wire.State.HELD):
                try:
                    await self._us.call(wire.CANCEL, {"payment_hash": hold["payment_hash"]})
                except Refused:
                    continue
        await asyncio.to_thread(self._nodes.at_rest)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Bench]:
    bench = RealBench(await asyncio.to_thread(ONCE.nodes))
    try:
        yield bench
    finally:
        await bench.aclose()
