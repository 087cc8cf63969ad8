"""What the contract suite needs of the world around a node: a payer, a payee, a chain and a clock.

An adapter joins the suite by a Bench of its own in `BENCHES`. Money is msat, times seconds, heights blocks.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from bot.nodes.base import Node
from bot.nodes.simnet import Faults, SimNode
from kinds.lightning import HoldStatus, HoldView, PaymentStatus, PaymentView
from kinds.units import Msat, PaymentHash, sats

START = 1_900_000_000
SPENDABLE = sats(5_000_000)  # at least this much outbound, and in the payer's wallet

View = TypeVar("View", HoldView, PaymentView)


class Bench(Protocol):
    """Calls that move money return when the attempt has begun; what comes of it is looked up with `until`."""

    @property
    def node(self) -> Node: ...

    async def pay_hold(self, invoice: str, parts: int | Sequence[Msat] = 1, amount: Msat | None = None) -> None:
        """The payer pays; `amount` is the declared whole when it is not the invoice's."""

    async def payer_sees(self, payment_hash: PaymentHash) -> PaymentStatus:
        """The payer's own view of his payment."""

    async def bill(self, amount: Msat, expiry: int = 3600, cltv: int = 80) -> str:
        """The payee's invoice."""

    async def lost_bill(self, amount: Msat) -> str:
        """An invoice of somebody to whom there is no route."""

    async def payee_holds(self) -> None:
        """From now on the payee keeps what arrives until it is released."""

    async def release(self, payment_hash: PaymentHash) -> None: ...

    async def silence_hints(self) -> None:
        """The hint stream stays open and says nothing any more."""

    async def restart(self) -> None:
        """The node behind the adapter starts anew."""

    async def wait(self, seconds: int) -> None:
        """Time passes."""

    async def mine(self, blocks: int) -> None: ...

    async def aclose(self) -> None: ...


class Clock:
    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class SimBench:
    def __init__(self, folder: Path) -> None:
        self._clock = Clock()
        self._path, self._entropy = folder / "simnet.db", random.Random(7).randbytes
        self.node = SimNode(self._clock, self._entropy, self._path)
        self._payer = self.node.wallet("payer", sats(20_000_000))
        self._payee = self.node.wallet("payee")

    async def pay_hold(self, invoice: str, parts: int | Sequence[Msat] = 1, amount: Msat | None = None) -> None:
        self._payer.pay(invoice, parts, amount)

    async def payer_sees(self, payment_hash: PaymentHash) -> PaymentStatus:
        return self._payer.payment(payment_hash).status

    async def bill(self, amount: Msat, expiry: int = 3600, cltv: int = 80) -> str:
        return self._payee.invoice(amount, expiry, cltv)

    async def lost_bill(self, amount: Msat) -> str:
        elsewhere = SimNode(self._clock, self._entropy)
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
        self._clock.now += seconds

    async def mine(self, blocks: int) -> None:
        self.node.network.mine(blocks)

    async def aclose(self) -> None:
        await self.node.aclose()


async def _simnet(folder: Path) -> Bench:
    return SimBench(folder)


BENCHES: dict[str, Callable[[Path], Awaitable[Bench]]] = {"simnet": _simnet}


async def until(
    bench: Bench, look: Callable[[], Awaitable[View]], *wanted: HoldStatus | PaymentStatus, tries: int = 50
) -> View:
    """Look until the status is one of those wanted: real nodes take a moment between an answer and its effect."""
    for _ in range(tries):
        view = await look()
        if view.status in wanted:
            return view
        await bench.wait(1)
    raise AssertionError(f"still {view.status} and not {' or '.join(wanted)}")
