"""What LND says in JSON, read into the house's values. Pure; every function is total: what makes no sense is UNKNOWN or None.

As measured on v0.21.2-beta: bytes are base64 in bodies and url-safe base64 in paths, 64-bit numbers are strings, amounts msat
where the field says so and sat elsewhere, `htlcs[].expiry_height` is absolute. A refusal is known by its words: its code is
mostly 2, and code 5 is also what a path answers that this LND has not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinds.lightning import Fault, HoldStatus, HoldView, NodeFacts, Part, PaymentStatus, PaymentView
from kinds.units import Msat, PaymentHash, Secret, is_hex64, sats

Row = Mapping[str, Any]

NETWORKS = {
    "mainnet": ("bitcoin", "lnbc"),
    "testnet": ("testnet", "lntb"),
    "testnet4": ("testnet4", "lntb"),
    "signet": ("signet", "lntbs"),
    "regtest": ("regtest", "lnbcrt"),
    "simnet": ("lnd-simnet", "lnsb"),  # btcd's, with real blocks: nothing to do with the house's play money
}
NO_ROUTE = "no_route"
NEVER_PAID = "payment isn't initiated"
NO_SUCH_HOLD = ("unable to locate invoice", "there are no existing invoices")
FEE_ROOM = 20  # HTLCs for whose weight the initiator of a channel keeps fees back
_HTLC_WEIGHT, _COMMIT_WEIGHT = 172, 1124  # BOLT 3

_HOLD_STATES = {
    "OPEN": HoldStatus.OPEN,
    "ACCEPTED": HoldStatus.HELD,
    "SETTLED": HoldStatus.SETTLED,
    "CANCELED": HoldStatus.CANCELLED,
}
_PAYMENT_STATES = {
    "INITIATED": PaymentStatus.IN_FLIGHT,
    "IN_FLIGHT": PaymentStatus.IN_FLIGHT,
    "SUCCEEDED": PaymentStatus.COMPLETE,
    "FAILED": PaymentStatus.FAILED,
}
_FAILURES = {
    "FAILURE_REASON_TIMEOUT": ("timeout", Fault.OURS),
    "FAILURE_REASON_NO_ROUTE": (NO_ROUTE, Fault.OURS),  # until it is known that there is none at any fee
    "FAILURE_REASON_INCORRECT_PAYMENT_DETAILS": ("refused", Fault.THEIRS),
    "FAILURE_REASON_INSUFFICIENT_BALANCE": ("no_balance", Fault.OURS),
    "FAILURE_REASON_CANCELED": ("cancelled", Fault.OURS),
    "FAILURE_REASON_ERROR": ("error", Fault.OURS),
}
_UNSENT = (  # words with which LND refuses a payment before it begins one
    ("invoice expired", "expired", Fault.THEIRS),
    ("cltv limit", "cltv_limit", Fault.OURS),
    ("self-payments not allowed", "self_payment", Fault.OURS),
    ("not for current active network", "bad_invoice", Fault.OURS),
    ("payment request must contain", "bad_invoice", Fault.OURS),
    ("the amp flag", "bad_invoice", Fault.OURS),
    ("amount must", "wrong_amount", Fault.OURS),
    ("permission denied", "no_permission", Fault.OURS),
)


class _Strange(Exception):
    """A field is not what LND would say."""


@dataclass(frozen=True, slots=True)
class Channels:
    """The open channels. Money in msat, of active channels only: what can be sent and received now, reserves kept back."""

    outbound: Msat
    inbound: Msat
    free_in: int  # HTLCs that may still arrive
    free_out: int
    arrived: frozenset[tuple[int, int, str]]  # every HTLC on its way in: a channel's id (each of its ids), index, hash


def invoices(page: Row) -> list[tuple[str, PaymentHash]] | None:
    """(memo, payment hash) of each invoice of a page; None when it is no such page."""
    listed = page.get("invoices", [])
    if not isinstance(listed, list):
        return None
    found = []
    for row in listed:
        try:
            name = base64.b64decode(str(row["r_hash"]), validate=True).hex()
        except (KeyError, TypeError, ValueError):
            return None
        found.append((str(row.get("memo", "")), PaymentHash(name)))
    return found


def last_index(page: Row) -> int:
    """Where the next page begins; 0 when the answer does not say."""
    told = str(page.get("last_index_offset", ""))
    return int(told) if told.isascii() and told.isdigit() else 0


def hold_view(payment_hash: PaymentHash, row: Row, channels: Channels | None) -> HoldView:
    """`channels` must be asked for after the invoice when it is not open; None when they are not known.

    Settled means settled and gone from the channels: as long as an HTLC of it is still there, it is shown as held. What is
    cancelled is so at once, since it can never be settled any more.
    """
    try:
        return _hold_view(payment_hash, row, channels)
    except _Strange:
        return HoldView(payment_hash, HoldStatus.UNKNOWN)


def _hold_view(payment_hash: PaymentHash, row: Row, channels: Channels | None) -> HoldView:
    status = _HOLD_STATES.get(_text(row, "state"))
    if status is None or _bytes(row, "r_hash") != payment_hash:
        raise _Strange
    wanted = {HoldStatus.CANCELLED: "", HoldStatus.SETTLED: "SETTLED"}.get(status, "ACCEPTED")
    parts = [_part(htlc, payment_hash, channels) for htlc in _rows(row, "htlcs") if htlc.get("state") == wanted]
    if parts and channels is None:
        raise _Strange
    if status is HoldStatus.SETTLED:
        parts = [part for part in parts if part.on_channel]
        status = HoldStatus.HELD if parts else status
    if status is HoldStatus.HELD and not parts:
        raise _Strange
    return HoldView(
        payment_hash,
        status,
        amount=Msat(_number(row, "value_msat")),
        parts=tuple(parts),
        invoice=Secret(_text(row, "payment_request")),
        expires_at=_number(row, "creation_date") + _number(row, "expiry"),
        preimage=Secret(_bytes(row, "r_preimage")) if status is HoldStatus.SETTLED else Secret(""),
    )


def needs_channels(row: Row) -> bool:
    """Whether the view of this invoice has parts, which are only shown together with where they are."""
    return row.get("state") != "CANCELED" and bool(row.get("htlcs"))


def _part(htlc: Row, payment_hash: PaymentHash, channels: Channels | None) -> Part:
    channel, index = _number(htlc, "chan_id"), _number(htlc, "htlc_index")
    there = channels is not None and (channel, index, payment_hash) in channels.arrived
    return Part(short_id(channel), index, Msat(_number(htlc, "amt_msat")), _number(htlc, "expiry_height"), there)


def channels_of(row: Row) -> Channels | None:
    try:
        return _channels_of(_rows(row, "channels"))
    except _Strange:
        return None


def _channels_of(rows: Sequence[Row]) -> Channels:
    outbound = inbound = free_in = free_out = 0
    arrived: set[tuple[int, int, str]] = set()
    for row in rows:
        ids = {_number(row, "chan_id"), *(int(each) for each in row.get("alias_scids", ()) if str(each).isdigit())}
        ids |= {_number(row, name) for name in ("zero_conf_confirmed_scid", "peer_scid_alias") if row.get(name)}
        htlcs = _rows(row, "pending_htlcs")
        coming = [
            (_number(htlc, "htlc_index"), _bytes(htlc, "hash_lock")) for htlc in htlcs if htlc.get("incoming") is True
        ]
        arrived |= {(each, *htlc) for each in ids for htlc in coming}
        if row.get("active") is not True:
            continue
        ours, theirs = _constraints(row, "local_constraints"), _constraints(row, "remote_constraints")
        free_in += max(0, _number(ours, "max_accepted_htlcs") - len(coming))
        free_out += max(0, _number(theirs, "max_accepted_htlcs") - (len(htlcs) - len(coming)))
        mine, yours = _number(row, "local_balance"), _number(row, "remote_balance")
        fees = _number(row, "fee_per_kw") * (_COMMIT_WEIGHT + FEE_ROOM * _HTLC_WEIGHT) // 1000
        if row.get("initiator") is True:  # balances are without the commitment's fee, which changes with every HTLC
            mine += _number(row, "commit_fee") - fees
        else:
            yours += _number(row, "commit_fee") - fees
        outbound += max(0, mine - _number(ours, "chan_reserve_sat"))
        inbound += max(0, yours - _number(theirs, "chan_reserve_sat"))
    return Channels(sats(outbound), sats(inbound), free_in, free_out, frozenset(arrived))


def node_facts(info: Row, channels: Channels) -> NodeFacts | None:
    try:
        chains = _rows(info, "chains")
        named = NETWORKS.get(_text(chains[0], "network")) if len(chains) == 1 else None
        if named is None or not is_hex64(info.get("block_hash")) or not _text(info, "identity_pubkey"):
            return None
        return NodeFacts(
            network=named[0],
            hrp=named[1],
            pubkey=_text(info, "identity_pubkey"),
            height=_number(info, "block_height"),
            block_hash=_text(info, "block_hash"),
            synced=info.get("synced_to_chain") is True,
            outbound=channels.outbound,
            inbound=channels.inbound,
            free_slots=channels.free_in,
        )
    except _Strange:
        return None


def payment_view(payment_hash: PaymentHash, row: Row) -> PaymentView:
    """FAILED is for good on every part: LND says so only when no attempt is in flight any more."""
    try:
        status = _PAYMENT_STATES.get(_text(row, "status"))
        if status is None or row.get("payment_hash") != payment_hash:
            raise _Strange
        amount = Msat(_number(row, "value_msat"))
        if status is PaymentStatus.COMPLETE:
            fee, preimage = Msat(_number(row, "fee_msat")), Secret(_text(row, "payment_preimage"))
            return PaymentView(payment_hash, status, amount, fee, preimage)
        if status is PaymentStatus.FAILED:
            reason, fault = _FAILURES.get(str(row.get("failure_reason")), ("unknown", Fault.OURS))
            return PaymentView(payment_hash, status, amount, fault=fault, reason=reason)
        return PaymentView(payment_hash, status, amount)
    except _Strange:
        return PaymentView(payment_hash, PaymentStatus.UNKNOWN)


def unsent(message: str) -> tuple[str, Fault] | None:
    """Why LND refused to begin a payment, in a word, and whose trouble it is; None when the words are not known."""
    words = message.lower()
    return next(((reason, fault) for known, reason, fault in _UNSENT if known in words), None)


def no_path(message: str) -> bool:
    """Whether LND says that no route exists."""
    return "unable to find a path" in message.lower()


def short_id(channel: int) -> str:
    """BOLT 7's short channel id: block, transaction, output."""
    return f"{channel >> 40}x{channel >> 16 & 0xFFFFFF}x{channel & 0xFFFF}"


def in_body(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def in_path(hexadecimal: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(hexadecimal)).decode()


def _constraints(row: Row, name: str) -> Row:
    found = row.get(name)
    if not isinstance(found, Mapping):
        raise _Strange
    return found


def _rows(row: Row, name: str) -> list[Row]:
    found = row.get(name)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise _Strange
    return found


def _text(row: Row, name: str) -> str:
    found = row.get(name)
    if not isinstance(found, str):
        raise _Strange
    return found


def _number(row: Row, name: str) -> int:
    """A number of 64 bits is text, a smaller one is not; never negative here."""
    found = row.get(name)
    if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
        return found
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 20:
        return int(found)
    raise _Strange


def _bytes(row: Row, name: str) -> str:
    """Base64 as hex."""
    try:
        return base64.b64decode(_text(row, name), validate=True).hex()
    except (binascii.Error, ValueError) as error:
        raise _Strange from error
