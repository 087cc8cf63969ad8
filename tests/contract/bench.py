"""What the contract suite needs of the world around a node: a payer, a payee, a chain and a clock.

An adapter joins the suite by a module with a Bench of its own, named in `conftest.py`. What a kind of node cannot do by its nature
is named in `cannot`; a test that needs it says so by `needs`, and only that test is left out. Money is msat, times seconds,
heights blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import pytest

from bot.nodes.base import Node
from kinds.lightning import HoldStatus, HoldView, NodeFacts, PaymentStatus, PaymentView
from kinds.units import Msat, PaymentHash, sats

SPENDABLE = sats(5_000_000)  # at least this much outbound, and in the payer's wallet

_QUICK = 5  # looks within the first half second, before time is made to pass
View = TypeVar("View", HoldView, PaymentView)


class Bench(Protocol):
    """Calls that move money return when the attempt has begun; what comes of it is looked up with `until`."""

    @property
    def node(self) -> Node: ...

    @property
    def cannot(self) -> frozenset[str]:
        """Of `parts` (and what they take of the channels) and `limits` of a payout, what this kind of node does not know
        (`NodeFacts.can`)."""

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


async def until(
    bench: Bench, look: Callable[[], Awaitable[View]], *wanted: HoldStatus | PaymentStatus, tries: int = 50
) -> View:
    """Look until the status is one of those wanted: real nodes take a moment between an answer and its effect."""
    for attempt in range(tries):
        view = await look()
        if view.status in wanted:
            return view
        await (asyncio.sleep(0.02 * 2**attempt) if attempt < _QUICK else bench.wait(1))
    raise AssertionError(f"still {view.status} and not {' or '.join(wanted)}")


async def payer_at_last(bench: Bench, payment_hash: PaymentHash, wanted: PaymentStatus) -> None:
    """The payer's payment ends like this, a moment after its other end."""

    async def look() -> PaymentView:
        return PaymentView(payment_hash, await bench.payer_sees(payment_hash))

    await until(bench, look, wanted)


async def at_rest(bench: Bench, outbound: Msat) -> NodeFacts:
    """The node's word once its channels have settled down to this much: an HTLC takes a moment to leave both sides, and takes room
    until then."""
    facts = await bench.node.facts()
    for attempt in range(25):
        if facts is not None and facts.outbound == outbound:
            break
        await (asyncio.sleep(0.02 * 2**attempt) if attempt < _QUICK else bench.wait(1))
        facts = await bench.node.facts()
    assert facts is not None
    return facts


def needs(bench: Bench, ability: str) -> None:
    """Leaves the test out for a node that cannot do this by its nature."""
    if ability in bench.cannot:
        pytest.skip(f"this kind of node has no {ability}")
