"""Real LND in the contract suite: the adapter at the escrow node, the payer and the payee at the two others. Time is real."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from bot.nodes.lnd import LndNode, Rest, read_certificate, read_macaroon
from bot.nodes.lnd.rest import Reply, Row
from bot.nodes.preimages import Preimages
from kinds import bolt11
from kinds.lightning import PaymentStatus
from kinds.units import Msat, PaymentHash
from tests.contract.bench import Bench
from tests.regtest import wallets
from tests.regtest.town import Town, shared


class Mutable(Rest):
    """The wire, on which the streams of news can fall silent without ending."""

    mute = False

    async def stream(
        self, method: str, path: str, body: Row | None = None, params: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Reply, None]:
        news = "/subscribe/" in path or path == "/v2/router/payments"
        async with aclosing(super().stream(method, path, body, params)) as replies:
            async for reply in replies:
                if not (news and self.mute):
                    yield reply


class LndBench:
    cannot: frozenset[str] = frozenset()

    def __init__(self, town: Town, folder: Path) -> None:
        self._town, self._payer, self._payee = town, town.employer, town.worker
        macaroon = read_macaroon(town.escrow.bake(folder / "holdfast.macaroon"))
        self._rest = Mutable(town.escrow.url, read_certificate(town.escrow.cert), macaroon)
        self.node = LndNode(self._rest, Preimages((os.urandom(32),)))
        self._holding = False
        self._kept: dict[str, str] = {}  # preimages of the payee's own holds, by hash

    async def pay_hold(self, invoice: str, parts: int | Sequence[Msat] = 1, amount: Msat | None = None) -> None:
        if parts == 1 and amount is None:
            await asyncio.to_thread(wallets.pay, self._payer, invoice)
            return
        total = amount if amount is not None else bolt11.decode(invoice).amount
        assert total is not None
        sizes = wallets.equal(total, parts) if isinstance(parts, int) else parts
        await asyncio.to_thread(wallets.pay_in_parts, self._payer, invoice, sizes, total)

    async def payer_sees(self, payment_hash: PaymentHash) -> PaymentStatus:
        return (await asyncio.to_thread(wallets.payment, self._payer, payment_hash)).status

    async def bill(self, amount: Msat, expiry: int = 3600, cltv: int = 80) -> str:
        if not self._holding:
            return wallets.invoice(self._payee, amount, expiry, cltv)
        invoice, preimage = wallets.held_invoice(self._payee, amount, expiry, cltv)
        self._kept[bolt11.decode(invoice).payment_hash] = preimage
        return invoice

    async def lost_bill(self, amount: Msat) -> str:
        return wallets.stranger_invoice(amount)

    async def payee_holds(self) -> None:
        self._holding = True

    async def release(self, payment_hash: PaymentHash) -> None:
        wallets.release(self._payee, self._kept[payment_hash])

    async def silence_hints(self) -> None:
        self._rest.mute = True

    async def restart(self) -> None:
        self._town.restart(self._town.escrow)

    async def wait(self, seconds: int) -> None:
        await asyncio.sleep(seconds)

    async def mine(self, blocks: int) -> None:
        await asyncio.to_thread(self._town.mine, blocks)

    async def aclose(self) -> None:
        await self.node.aclose()
        await asyncio.to_thread(self._town.tidy)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Bench]:
    bench = LndBench(shared(), folder)
    try:
        yield bench
    finally:
        await bench.aclose()
