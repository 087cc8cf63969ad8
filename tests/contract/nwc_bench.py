"""The NIP-47 adapter in the contract suite: a wallet service of the tests over a real relay, with the simulated node behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from bot.nodes.nwc import NwcNode, parse_connection
from bot.nodes.preimages import Preimages, hash_of
from bot.nodes.simnet import SimNode
from bot.nodes.simnet.book import NODE
from bot.nodes.simnet.invoices import issue
from bot.relays.embedded import embedded_relay
from kinds.bolt11 import decode
from kinds.lightning import HoldRef, HoldView, PaymentStatus, PaymentView, PaySpec
from kinds.units import Msat, PaymentHash, Secret
from tests.contract.bench import Bench
from tests.contract.nwc_wallet import Faults, Refusal, Wallet
from tests.contract.simnet_bench import SimBench

KEY = b"\x05" * 32
Inner = TypeVar("Inner", bound=Bench)
UNBOUND = 1008  # blocks: the route of a payment is no business of NIP-47


class SimBackend:
    """The simulated node as the wallet's Lightning node: it is told payment hashes, and knows no preimage before it settles."""

    def __init__(self, node: SimNode) -> None:
        self._node = node

    async def info(self) -> dict[str, Any]:
        facts = await self._node.facts()
        if facts is None:
            raise Refusal("INTERNAL", "the node is away")
        return {
            "network": facts.network,
            "pubkey": facts.pubkey,
            "block_height": facts.height,
            "block_hash": facts.block_hash,
        }

    async def balance(self) -> Msat:
        return self._node.network.figures().node

    async def make_hold(self, payment_hash: PaymentHash, amount: Msat, expiry: int, cltv: int, memo: str) -> None:
        try:
            issue(self._node.network, NODE, payment_hash, amount=amount, expiry=expiry, cltv=cltv, memo=memo)
        except ValueError as error:
            raise Refusal("INTERNAL", str(error)) from error

    async def settle(self, preimage: str) -> None:
        self._node.network.settle(hash_of(bytes.fromhex(preimage)), preimage)

    async def cancel(self, payment_hash: PaymentHash) -> None:
        self._node.network.cancel(payment_hash)

    async def incoming(self, payment_hash: PaymentHash) -> HoldView:
        return await self._node.hold(HoldRef("", payment_hash))

    async def pay(self, invoice: str, amount: Msat, fee_limit: Msat) -> PaymentView:
        payment_hash = decode(invoice).payment_hash
        return await self._node.pay(PaySpec("", payment_hash, Secret(invoice), amount, fee_limit, UNBOUND, 60))

    async def outgoing(self, payment_hash: PaymentHash) -> PaymentView:
        return await self._node.payment(payment_hash)

    def hints(self) -> Any:
        return self._node.hints()


class NwcBench(Generic[Inner]):
    """The world is that of the inner bench; only what the daemon sees of it comes by way of the wallet."""

    cannot = frozenset({"parts", "limits"})

    def __init__(self, inner: Inner, wallet: Wallet, key: bytes = KEY) -> None:
        self.inner, self.wallet = inner, wallet
        self.node = NwcNode(parse_connection(wallet.uri), Preimages((key,)), wallet.clock, refresh=0.0)

    async def pay_hold(self, invoice: str, parts: int | Sequence[Msat] = 1, amount: Msat | None = None) -> None:
        await self.inner.pay_hold(invoice, parts, amount)

    async def payer_sees(self, payment_hash: PaymentHash) -> PaymentStatus:
        return await self.inner.payer_sees(payment_hash)

    async def bill(self, amount: Msat, expiry: int = 3600, cltv: int = 80) -> str:
        return await self.inner.bill(amount, expiry, cltv)

    async def lost_bill(self, amount: Msat) -> str:
        return await self.inner.lost_bill(amount)

    async def payee_holds(self) -> None:
        await self.inner.payee_holds()

    async def release(self, payment_hash: PaymentHash) -> None:
        await self.inner.release(payment_hash)

    async def silence_hints(self) -> None:
        await self.inner.silence_hints()

    async def restart(self) -> None:
        await self.inner.restart()

    async def wait(self, seconds: int) -> None:
        await self.inner.wait(seconds)

    async def mine(self, blocks: int) -> None:
        await self.inner.mine(blocks)

    async def aclose(self) -> None:
        await self.node.aclose()
        await self.inner.aclose()


@asynccontextmanager
async def opened(folder: Path, **wallet_is: Any) -> AsyncIterator[NwcBench[SimBench]]:
    """A wallet that can also cancel an unpaid invoice; whatever else `wallet_is`."""
    inner = SimBench(folder)
    async with (
        embedded_relay("127.0.0.1", 0) as relay,
        Wallet(
            relay, SimBackend(inner.node), inner.clock, **{"faults": Faults(open_stays=False)} | wallet_is
        ) as wallet,
    ):
        bench = NwcBench(inner, wallet)
        bench.node.start()
        try:
            yield bench
        finally:
            await bench.aclose()


@asynccontextmanager
async def bench_opened(folder: Path) -> AsyncIterator[Bench]:
    async with opened(folder) as bench:
        yield bench
