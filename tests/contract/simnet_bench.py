"""The simulated node in the contract suite: time and blocks are made by hand, so that nothing waits."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bot.nodes.simnet import Faults, SimNode
from kinds.lightning import PaymentStatus
from kinds.units import Msat, PaymentHash, sats
from tests.contract.bench import Bench

START = 1_900_000_000


class Clock:
    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class SimBench:
    cannot: frozenset[str] = frozenset()

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self._path, self._entropy = folder / "simnet.db", random.Random(7).randbytes
        self.node = SimNode(self.clock, self._entropy, self._path)
        self._payer = self.node.wallet("payer", sats(20_000_000))
        self._payee = self.node.wallet("payee")

    async def pay_hold(self, invoice: str, parts: int | Sequence[Msat] = 1, amount: Msat | None = None) -> None:
        self._payer.pay(invoice, parts, amount)

    async def payer_sees(self, payment_hash: PaymentHash) -> PaymentStatus:
        return self._payer.payment(payment_hash).status

    async def bill(self, amount: Msat, expiry: int = 3600, cltv: int = 80) -> str:
        return self._payee.invoice(amount, expiry, cltv)

    async def lost_bill(self, amount: Msat) -> str:
        elsewhere = SimNode(self.clock, self._entropy)
        invoice = elsewhere.wallet("stranger").invoice(amount)
        await elsewhere.aclose()
        return invoice

    async def payee_holds(self) -> None:
        self.node.network.faults = Faults(payout_stuck=True)

    async def release(self, payment_hash: PaymentHash) -> None:
        self.node.network.release(payment_hash)

    async def silence_hints(self) -> None:
        self.node.network.faults = Faults(deaf=True)

    async def restart(self) -> None:
        self.node.network.restart()

    async def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    async def mine(self, blocks: int) -> None:
        self.node.network.mine(blocks)

    async def aclose(self) -> None:
        await self.node.aclose()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Bench]:
    bench = SimBench(folder)
    yield bench
    await bench.aclose()
