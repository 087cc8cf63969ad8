"""The node interface, and what every adapter guarantees.

1. A call never raises for trouble of the node: it answers UNKNOWN (or None for `facts`). Only cancellation passes through.
2. Every answer is what the node says now about that hash, never what we believe we did.
3. `make_hold` is idempotent by `ref`: the preimage is derived from the adapter's key and the ref, so that a repeated call gives
   the same hash and, while it is open, the same invoice. The preimage leaves the adapter only by `settle`.
4. `settle`, `cancel` and `pay` are idempotent by hash, and their answer is a fresh look after the call.
5. A hint is only a reason to look: hints may be lost, repeated or wrong.
6. If a call is cancelled or the process dies inside it, the call may or may not have reached the node: look again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from bot.findings import Finding
from kinds.lightning import HoldRef, HoldSpec, HoldView, NodeFacts, PaymentView, PaySpec
from kinds.units import PaymentHash


class NodeAway(RuntimeError):
    """The Lightning node does not answer at start."""


class Node(Protocol):
    async def facts(self) -> NodeFacts | None:
        """The node's own state, or None when it does not answer."""

    async def make_hold(self, spec: HoldSpec) -> HoldView: ...

    async def hold(self, hold: HoldRef) -> HoldView: ...

    async def settle(self, hold: HoldRef) -> HoldView: ...

    async def cancel(self, hold: HoldRef) -> HoldView: ...

    async def pay(self, spec: PaySpec) -> PaymentView:
        """Start the payment and look: usually IN_FLIGHT, COMPLETE or FAILED; never waits longer than a few seconds."""

    async def payment(self, payment_hash: PaymentHash) -> PaymentView: ...

    async def find(self, ref: str) -> HoldView:
        """The hold that was ever made under this ref, by whichever key; ABSENT when there is none. Its hash is in the view."""

    async def own_holds(self, since: int) -> tuple[HoldRef, ...] | None:
        """Every hold made for this daemon that may have been made since then (unix seconds), whatever became of it, and nothing else
        that the node holds or has issued. None: this kind of node cannot tell, or did not answer."""

    def hints(self) -> AsyncIterator[PaymentHash]:
        """Hashes about which something may have changed, until closed."""

    async def examine(self) -> list[Finding]:
        """For `holdfast doctor`: what only this adapter can know (version, permissions, plugin, margins of its own). It changes
        nothing, and an answer that does not come is a finding."""

    async def aclose(self) -> None: ...
