"""May this HTLC be kept? Pure.

`resolve` skips the checks that lightningd makes of a final HTLC, so they are made here, as BOLT 4 asks of a final node
("Failure Messages", "Basic Multi-Part Payments"). Every failure is a code of BOLT 4: payers' nodes have crashed on others.
Amounts are msat, expiries absolute heights, `now` unix seconds; lightningd's relative expiries are wrong after a restart.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.nodes.cln.plugin.records import Key, Record
from bot.nodes.cln.wire import State

MPP_SECONDS = 60
"""BOLT 4: an incomplete set is failed after a while, at least 60 seconds after its first HTLC."""
CANCEL_BLOCKS = 18
"""So many blocks before its first HTLC expires a hold goes back by itself. LND does the same. It must be more than the 17
blocks before which lightningd closes a channel for a preimage that the peer does not take, and it keeps the peer from
closing for an HTLC that nobody answers."""

# `failure_message` in hex: a code of BOLT 4, then its data
TEMPORARY = "2002"  # temporary_node_failure: our side is not well, or this is no payment to us
MPP_TIMEOUT = "0017"


def unknown_details(amount: int, height: int) -> str:
    """incorrect_or_unknown_payment_details. A payer takes it as final when `height` is not above the one he started at."""
    return f"400f{amount:016x}{height:08x}"


def wrong_amount(amount: int) -> str:
    return f"0013{amount:016x}"


def wrong_expiry(expiry: int) -> str:
    return f"0012{expiry:08x}"


@dataclass(frozen=True, slots=True)
class Htlc:
    """What lightningd says of an HTLC that arrived. `final`: the onion ends here and names a payment secret."""

    key: Key
    payment_hash: str
    amount: int  # on the channel
    expiry: int  # on the channel
    final: bool
    forward_amount: int = 0  # what the sender meant to arrive
    forward_expiry: int = 0
    total: int = 0  # of the whole payment, in all parts
    payment_secret: str = ""


def read_htlc(onion: Mapping[str, Any], htlc: Mapping[str, Any], others: Mapping[str, Any]) -> Htlc:
    """From the parameters of the hook `htlc_accepted`. Raises KeyError, ValueError or TypeError for what is none."""
    key = (str(htlc["short_channel_id"]), int(htlc["id"]))
    payment_hash, amount, expiry = str(htlc["payment_hash"]), int(htlc["amount_msat"]), int(htlc["cltv_expiry"])
    onwards = "forward_to" in others or "short_channel_id" in onion or "next_node_id" in onion
    if onwards or "payment_secret" not in onion or "total_msat" not in onion:
        return Htlc(key, payment_hash, amount, expiry, final=False)
    return Htlc(
        key,
        payment_hash,
        amount,
        expiry,
        final=True,
        forward_amount=int(onion["forward_msat"]),
        forward_expiry=int(onion["outgoing_cltv_value"]),
        total=int(onion["total_msat"]),
        payment_secret=str(onion["payment_secret"]),
    )


@dataclass(frozen=True, slots=True)
class Refused:
    """Why not: the failure for the payer, a word for the log."""

    failure: str
    why: str
    short: int = 0  # a whole payment of a wrong amount: how much it would have been


def is_replay(record: Record, htlc: Htlc) -> bool:
    """Was this very HTLC already part of the payment that was held? lightningd gives it to us again after a restart."""
    part = record.part(htlc.key)
    return part is not None and (part.amount, part.expiry) == (htlc.amount, htlc.expiry)


def refusal(record: Record, kept: Sequence[Htlc], htlc: Htlc, height: int, now: float) -> Refused | None:
    """Why a new HTLC with the hash of this hold may not join those that are kept; None when it may."""
    details = unknown_details(htlc.amount, height)
    if not htlc.final:
        return Refused(TEMPORARY, "not for us")
    if not hmac.compare_digest(htlc.payment_secret.encode(), record.payment_secret.encode()):
        return Refused(details, "wrong payment secret")
    if record.state is not State.OPEN:
        return Refused(details, f"the hold is {record.state}")
    if now >= record.expires_at:
        return Refused(details, "the invoice has expired")
    if not record.amount <= htlc.total <= 2 * record.amount:
        return Refused(details, "wrong amount", short=htlc.total)
    if any(other.total != htlc.total for other in kept):
        return Refused(wrong_amount(htlc.amount), "another total than the parts before it")
    if htlc.amount < htlc.forward_amount:
        return Refused(wrong_amount(htlc.amount), "a node on the way kept a part")
    if htlc.expiry < htlc.forward_expiry:
        return Refused(wrong_expiry(htlc.expiry), "a node on the way kept some blocks")
    if htlc.expiry < height + record.cltv:
        return Refused(details, "expires too early")
    if arrived([*kept, htlc]) > htlc.total:
        return Refused(details, "more than the whole payment")
    return None


def arrived(kept: Sequence[Htlc]) -> int:
    return sum(htlc.forward_amount for htlc in kept)


def is_complete(kept: Sequence[Htlc]) -> bool:
    return bool(kept) and arrived(kept) >= kept[0].total
