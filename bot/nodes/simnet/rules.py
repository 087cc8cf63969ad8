"""The rules, size and prices of a simulated network, and the figures that it shows. Amounts msat, times seconds."""

from __future__ import annotations

from dataclasses import dataclass

from kinds.units import Msat, sats

HRP = "lnplay"
PADDING = 3  # blocks that a payer adds to the final delta
HOP_DELTA = 40  # blocks of the one hop between the node and a payee
OWN_DEADLINE = 18  # blocks before its first HTLC expires at which the node cancels a hold by itself (holdexpirydelta)
SET_TIMEOUT = 60  # seconds until an incomplete set of parts fails (BOLT 4)
MIN_FINAL_CLTV = 18


@dataclass(frozen=True, slots=True)
class Params:
    node_balance: Msat = sats(100_000_000)
    wallet_balance: Msat = sats(10_000_000)  # what a wallet starts with
    capacity: Msat = sats(1_000_000_000)  # of all the node's channels
    channels: int = 8
    slots: int = 483  # HTLCs per channel
    block_seconds: int = 600
    base_fee: Msat = sats(1)  # of a payout
    fee_ppm: int = 100


@dataclass(frozen=True, slots=True)
class Figures:
    """Where the money is, in msat. `total` never changes but by a new wallet: it is always `minted`."""

    node: Msat
    wallets: dict[str, Msat]
    in_flight: Msat  # in HTLCs of both directions, fees included
    held: Msat  # of that, what has arrived at the node
    routers: Msat
    total: Msat
    minted: Msat
