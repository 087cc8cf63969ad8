"""What `listpeerchannels` says: how much may come and go, and which HTLCs of a hold are on a channel. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.nodes.cln.rpc import msat

ON_CHANNEL = frozenset(
    {"CHANNELD_NORMAL", "CHANNELD_AWAITING_SPLICE", "CHANNELD_SHUTTING_DOWN", "DUALOPEND_AWAITING_LOCKIN"}
)
"""States in which an HTLC is in the hands of the channel's two sides. In all others it is on the chain, or on its way there."""
Channels = Sequence[Mapping[str, Any]]
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Room:
    """msat that can go out and come in, HTLCs that may still come in; over usable channels."""

    outbound: int
    inbound: int
    free_slots: int


def room(channels: Channels) -> Room:
    usable = [c for c in channels if c.get("state") == "CHANNELD_NORMAL" and c.get("peer_connected")]
    return Room(
        sum(msat(channel, "spendable_msat") for channel in usable),
        sum(msat(channel, "receivable_msat") for channel in usable),
        sum(max(0, int(c.get("max_accepted_htlcs", 0)) - len(_incoming(c))) for c in usable),
    )


def held_on(channels: Channels, payment_hash: str) -> dict[Key, bool]:
    """The incoming HTLCs of this hash: by their name, whether the channel is still a channel. A channel that is not on the chain
    yet goes by its alias, so both names count."""
    return {
        (name, int(htlc["id"])): channel.get("state") in ON_CHANNEL
        for channel in channels
        for htlc in _incoming(channel)
        if htlc.get("payment_hash") == payment_hash
        for name in _names(channel)
    }


def is_out(channels: Channels, payment_hash: str) -> bool:
    """Is an outgoing HTLC of this hash on any channel, or on the chain?"""
    return any(
        htlc.get("direction") == "out" and htlc.get("payment_hash") == payment_hash
        for channel in channels
        for htlc in channel.get("htlcs", [])
    )


def _incoming(channel: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [htlc for htlc in channel.get("htlcs", []) if htlc.get("direction") == "in"]


def _names(channel: Mapping[str, Any]) -> list[str]:
    alias = channel.get("alias")
    names = (channel.get("short_channel_id"), alias.get("local") if isinstance(alias, Mapping) else None)
    return [str(name) for name in names if name]
