"""What a Lightning node can be asked and what it can answer, as plain values.

Every answer about a hold or a payment says what the node says NOW about that hash, and `UNKNOWN` is an answer of its own:
no bool, no exception. Amounts are msat, heights and deltas blocks, times unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kinds.units import Msat, PaymentHash, Secret


class HoldStatus(StrEnum):
    OPEN = "open"  # the invoice exists, nothing is held
    HELD = "held"  # every part of the payment has arrived and is held
    SETTLED = "settled"
    CANCELLED = "cancelled"  # cancelled by us, by the node's own deadline, or expired unpaid
    ABSENT = "absent"  # the node knows no such hash
    UNKNOWN = "unknown"  # no answer, or one that cannot be trusted


class PaymentStatus(StrEnum):
    ABSENT = "absent"  # the node knows no payment of that hash
    IN_FLIGHT = "in_flight"
    COMPLETE = "complete"
    FAILED = "failed"  # for good, on every part
    UNKNOWN = "unknown"


class Fault(StrEnum):
    """Whose trouble a failed payment is (`lifecycle`: Paying)."""

    OURS = "ours"  # not synced, no usable channel, too little outbound, no route within our budget, every unknown
    THEIRS = "theirs"  # the destination refused, its invoice expired, or there is no route to it at any fee


@dataclass(frozen=True, slots=True)
class HoldRef:
    """Names a hold at the node: our reference (the preimage is derived from it, so it is never reused) and its hash."""

    ref: str
    payment_hash: PaymentHash


@dataclass(frozen=True, slots=True)
class HoldSpec:
    """A hold invoice to make. Repeating it gives the same hash and the same invoice."""

    ref: str
    amount: Msat  # matched exactly
    expiry: int  # seconds until an unpaid invoice is void
    cltv: int  # min_final_cltv_expiry_delta in blocks
    memo: str


@dataclass(frozen=True, slots=True)
class Part:
    """One HTLC of a hold."""

    channel: str
    htlc: int  # the HTLC's id on that channel
    amount: Msat
    expiry: int  # absolute cltv_expiry height
    on_channel: bool  # still on an open channel, not only in the node's invoice table


@dataclass(frozen=True, slots=True)
class HoldView:
    """What the node says about a hold now. `parts` are those that have arrived and are neither settled nor failed."""

    payment_hash: PaymentHash
    status: HoldStatus
    amount: Msat = Msat(0)  # what the invoice asks for
    parts: tuple[Part, ...] = ()
    invoice: Secret = Secret("")  # BOLT11
    expires_at: int = 0
    preimage: Secret = Secret("")  # only when settled
    refused: Msat = Msat(0)  # the last payment of a wrong amount that the node turned away, where it reports it

    @property
    def received(self) -> Msat:
        return Msat(sum(part.amount for part in self.parts))

    @property
    def expiry_height(self) -> int:
        """E: the lowest cltv_expiry over all parts, in blocks; 0 when there are none."""
        return min((part.expiry for part in self.parts), default=0)


@dataclass(frozen=True, slots=True)
class PaySpec:
    """A payment to send. The node never pays one hash twice."""

    ref: str
    payment_hash: PaymentHash
    invoice: Secret  # BOLT11
    amount: Msat
    fee_limit: Msat
    cltv_limit: int  # the whole route's delta in blocks, payee's final delta included
    timeout: int  # seconds in which new attempts may start


@dataclass(frozen=True, slots=True)
class PaymentView:
    """What the node says about an outgoing payment now."""

    payment_hash: PaymentHash
    status: PaymentStatus
    amount: Msat = Msat(0)
    fee: Msat = Msat(0)  # routing fee paid, when complete
    preimage: Secret = Secret("")  # when complete
    fault: Fault = Fault.OURS  # when failed
    reason: str = ""  # when failed: a short word for the log, never a secret


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The node itself. `hrp` is the BOLT11 prefix of its network, without the amount ("lnbc", "lnbcrt", simnet: "lnplay").

    `can` names what not every kind of node knows. "parts": the HTLCs of a hold and its own channels; without it a hold is shown as
    one part that ends when the hold must be settled, and `inbound` and `free_slots` are 0. "limits": the fee and the length of a
    payout's route are bounded as asked; without it both are the node's own affair.
    """

    network: str
    hrp: str
    pubkey: str  # compressed, 66 hex digits
    height: int
    block_hash: str
    synced: bool
    outbound: Msat
    inbound: Msat
    free_slots: int
    can: frozenset[str] = frozenset({"parts", "limits"})
