"""The plugin's word on a hold and lightningd's word on its channels, put together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.nodes.cln.channels import Channels, held_on
from bot.nodes.cln.rpc import NoAnswer, msat, rows
from bot.nodes.cln.wire import State
from kinds.lightning import HoldStatus, HoldView, Part
from kinds.units import Msat, PaymentHash, Secret, is_hex64


def hold_view(told: Mapping[str, Any], channels: Channels) -> HoldView:
    """Raises NoAnswer for what the plugin never says.

    `settling` stays HELD while its HTLCs are on channels, for the money is ours only when they are gone; gone but not credited
    yet is UNKNOWN. `lost` is CANCELLED: the daemon knows whether it asked for that.
    """
    try:
        payment_hash, state = PaymentHash(str(told["payment_hash"])), State(str(told["state"]))
    except (KeyError, ValueError):
        raise NoAnswer("a hold of another form") from None
    there = held_on(channels, payment_hash)
    parts = tuple(_part(row, there) for row in rows(told, "parts"))
    match state:
        case State.OPEN:
            status = HoldStatus.OPEN
        case State.HELD:
            status = HoldStatus.HELD
        case State.SETTLING:
            parts = tuple(part for part in parts if (part.channel, part.htlc) in there)
            status = HoldStatus.HELD if parts else HoldStatus.UNKNOWN
        case State.SETTLED:
            status, parts = HoldStatus.SETTLED, ()
        case State.CANCELLED | State.LOST:
            status, parts = HoldStatus.CANCELLED, ()
        case State.WAITING:
            status = HoldStatus.UNKNOWN
    preimage = str(told.get("preimage", ""))
    if status is HoldStatus.SETTLED and not is_hex64(preimage):
        status = HoldStatus.UNKNOWN
    return HoldView(
        payment_hash,
        status,
        amount=Msat(msat(told, "amount_msat")),
        parts=parts,
        invoice=Secret(str(told.get("bolt11", ""))),
        expires_at=msat(told, "expires_at"),
        preimage=Secret(preimage if status is HoldStatus.SETTLED else ""),
        refused=Msat(msat(told, "refused_msat")),
    )


def all_seen(view: HoldView, channels: Channels) -> bool:
    """Are all its parts where the plugin says? If not, the two answers are of two moments."""
    there = held_on(channels, view.payment_hash)
    return all((part.channel, part.htlc) in there for part in view.parts)


def _part(row: Mapping[str, Any], there: Mapping[tuple[str, int], bool]) -> Part:
    try:
        channel, htlc = str(row["short_channel_id"]), int(row["id"])
        return Part(
            channel, htlc, Msat(msat(row, "amount_msat")), int(row["cltv_expiry"]), there.get((channel, htlc), False)
        )
    except (KeyError, ValueError, TypeError):
        raise NoAnswer("a part of another form") from None
