"""Core Lightning in the contract suite: the real adapter, the real plugin in its own process, and the double of lightningd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bot.nodes.cln import wire
from bot.nodes.cln.node import ClnNode
from kinds import bolt11
from kinds.lightning import PaymentStatus
from kinds.units import Msat, PaymentHash
from tests.cln.double import Double
from tests.contract.bench import Bench

PATIENCE = 0.2  # seconds that a payout is waited for


class ClnBench:
    cannot: frozenset[str] = frozenset()

    def __init__(self, double: Double) -> None:
        self.double = double
        self.node = ClnNode(double.socket, patience=PATIENCE)

    async def pay_hold(self, invoice: str, parts: int | Sequence[Msat] = 1, amount: Msat | None = None) -> None:
        read = bolt11.decode(invoice)
        whole = amount or read.amount
        assert whole is not None
        sizes = [whole // parts + (n < whole % parts) for n in range(parts)] if isinstance(parts, int) else list(parts)
        for htlc in self.double.routes.send(read, sizes, whole):
            self.double.ask_hook(htlc)

    async def payer_sees(self, payment_hash: PaymentHash) -> PaymentStatus:
        return self.double.routes.payer_sees(payment_hash)

    async def bill(self, amount: Msat, expiry: int = 3600, cltv: int = 80) -> str:
        return self.double.routes.bill(amount, expiry, cltv)

    async def lost_bill(self, amount: Msat) -> str:
        return self.double.routes.bill(amount, 3600, 80, key=b"\x55" * 32)

    async def payee_holds(self) -> None:
        self.double.routes.holds = True

    async def release(self, payment_hash: PaymentHash) -> None:
        self.double.routes.release(payment_hash)
        if not self.double.routes.trying(payment_hash):
            await self.double.routes.finish()

    async def silence_hints(self) -> None:
        self.double.mute |= {wire.WAIT, "wait"}

    async def restart(self) -> None:
        await self.double.stop()
        await self.double.start()

    async def wait(self, seconds: int) -> None:
        self.double.clock.forward(seconds)
        await asyncio.sleep(0.01)

    async def mine(self, blocks: int) -> None:
        for _ in range(blocks):
            self.double.mine()

    async def aclose(self) -> None:
        await self.node.aclose()
        await self.double.aclose()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Bench]:
    double = Double()
    await double.start()
    bench = ClnBench(double)
    try:
        yield bench
    finally:
        await bench.aclose()
