"""What lightningd says of an outgoing payment. Pure.

`listsendpays` is the truth: one row a part. The error of `xpay` only says why it stopped trying; parts may still be out. The
parts of all attempts that are not failed belong to one payment, since lightningd keeps one group in flight per hash.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.nodes.cln.rpc import msat
from kinds.lightning import Fault, PaymentStatus, PaymentView
from kinds.units import Msat, PaymentHash, Secret

Parts = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a payment failed."""

    fault: Fault
    reason: str


LOST_WORD = Why(Fault.OURS, "unknown")
PENDING = "pending"


def view(payment_hash: PaymentHash, parts: Parts, why: Why) -> PaymentView:
    """A part that is complete shows the preimage, so the payment is made; the others can only follow, and their fees count."""
    alive = [part for part in parts if part.get("status") in (PENDING, "complete")]
    done = [part for part in alive if part.get("status") == "complete"]
    if done:
        amount = sum(msat(part, "amount_msat") for part in alive)
        sent = sum(msat(part, "amount_sent_msat") for part in alive)
        return PaymentView(
            payment_hash,
            PaymentStatus.COMPLETE,
            amount=Msat(amount),
            fee=Msat(max(0, sent - amount)),
            preimage=Secret(str(done[0].get("payment_preimage", ""))),
        )
    if alive:
        return PaymentView(
            payment_hash, PaymentStatus.IN_FLIGHT, Msat(sum(msat(part, "amount_msat") for part in alive))
        )
    if parts:
        return PaymentView(payment_hash, PaymentStatus.FAILED, fault=why.fault, reason=why.reason)
    return PaymentView(payment_hash, PaymentStatus.ABSENT)


def left_behind(parts: Parts, before: int) -> frozenset[int]:
    """Parts that are pending since an earlier life of lightningd, by their index; `before` is the last one of those lives."""
    pending = (int(part.get("created_index", before + 1)) for part in parts if part.get("status") == PENDING)
    return frozenset(index for index in pending if index <= before)


def given_up(parts: Parts, left: frozenset[int]) -> Parts:
    """The parts, those left behind as what they are."""
    return [
        {**part, "status": "failed"} if part.get("status") == PENDING and part.get("created_index") in left else part
        for part in parts
    ]


def why_failed(code: int, message: str, enough: bool) -> Why:
    """Whose trouble an error of `xpay` is. `enough`: our channels could have carried the amount and its fee."""
    match code:
        case 203:
            return Why(Fault.THEIRS, "refused")
        case 207:
            return Why(Fault.THEIRS, "expired")
        case 205 | 206 if not enough:
            return Why(Fault.OURS, "no_balance")
        case 206:
            return Why(Fault.OURS, "fee_or_cltv_limit")
        case 205 if "excessive" in message:
            return Why(Fault.OURS, "fee_or_cltv_limit")
        case 205:
            return Why(Fault.THEIRS, "no_route")
    return Why(Fault.OURS, f"code_{code}")
