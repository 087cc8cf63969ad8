"""What the double of lightningd knows: channels, HTLCs, the datastore, outgoing payments. It outlives a restart of the double.

Shapes are those of the recorded conversations (`recorded/`). Amounts are msat, times unix seconds, heights blocks.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kinds import bolt11

Row = dict[str, Any]
RECORDED = Path(__file__).parent / "recorded"
PAYER, PAYEE = "113x2x0", "113x1x0"
OUR_KEY, PAYER_KEY, ROUTER_KEY, PAYEE_KEY = (hashlib.sha256(name).digest() for name in (b"us", b"er", b"ro", b"ee"))
HELD_STATE, REMOVING = "RCVD_ADD_ACK_REVOCATION", "SENT_REMOVE_HTLC"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


@dataclass(slots=True)
class Htlc:
    """One that the payer offered us."""

    channel: str
    id: int
    amount: int
    expiry: int
    payment_hash: str
    onion: Row
    extra: Row = field(default_factory=dict)  # beside onion and htlc: forward_to
    state: str = HELD_STATE
    asked: bool = False  # the hook is asked and has not answered
    end: str = ""  # "fulfilled", or the failure message


@dataclass(slots=True)
class Ledger:
    height: int = 118
    datastore: dict[tuple[str, ...], tuple[str, int]] = field(default_factory=dict)  # text, generation
    htlcs: list[Htlc] = field(default_factory=list)
    sendpays: list[Row] = field(default_factory=list)
    updates: int = 0
    unsent: set[int] = field(default_factory=set)  # of sendpays: lightningd died before they were on a channel
    moves: list[Row] = field(default_factory=list)
    chain_moves: list[Row] = field(default_factory=list)
    incoming: int = 0  # what came in to stay
    outgoing: int = 0
    onchain: set[str] = field(default_factory=set)  # channels that were closed by force
    offline: set[str] = field(default_factory=set)  # channels whose peer is away
    next_id: int = 0

    def block_hash(self, height: int) -> str:
        return hashlib.sha256(f"block {height}".encode()).hexdigest()

    def offer(self, channel: str, amount: int, expiry: int, payment_hash: str, onion: Row, extra: Row) -> Htlc:
        htlc = Htlc(channel, self.next_id, amount, expiry, payment_hash, onion, extra)
        self.next_id += 1
        self.htlcs.append(htlc)
        return htlc

    def on_channel(self, channel: str = "") -> Iterator[Htlc]:
        yield from (h for h in self.htlcs if h.state and (not channel or h.channel == channel))

    def fulfil(self, htlc: Htlc) -> Row:
        """The HTLC is gone from the channel and its amount is ours: the move that lightningd writes down."""
        htlc.state = ""
        self.incoming += htlc.amount
        return self._credit("channel", htlc, self.moves)

    def claim(self, htlc: Htlc) -> Row:
        """Taken on the chain: the move, and for some hundred blocks the HTLC is still listed."""
        self.incoming += htlc.amount
        return self._credit("chain", htlc, self.chain_moves)

    def _credit(self, where: str, htlc: Htlc, book: list[Row]) -> Row:
        """Writes it down; what is told of it."""
        form = recorded("moves")[where]
        facts = {
            "created_index": len(book) + 1,
            "account_id": hashlib.sha256(htlc.channel.encode()).hexdigest(),
            "credit_msat": htlc.amount,
            "payment_hash": htlc.payment_hash,
        }
        book.append(form["listed"] | facts)
        return dict(form["told"] | facts)

    def spendable(self) -> int:
        pending = sum(int(row["amount_sent_msat"]) for row in self.sendpays if row["status"] == "pending")
        return 9_900_000_000 + self.incoming - self.outgoing - pending

    def channels(self) -> list[Row]:
        """`listpeerchannels`: what comes in by the payer's channel can go out by the payee's; a simplification."""
        payer, payee = (copy.deepcopy(recorded("channel")) for _ in range(2))
        payer |= {
            "short_channel_id": PAYER,
            "peer_id": bolt11.public_key(PAYER_KEY),
            "spendable_msat": self.incoming,
            "receivable_msat": 19_800_000_000 - self.incoming - sum(h.amount for h in self.on_channel()),
            "htlcs": [self._htlc_row(htlc) for htlc in self.on_channel(PAYER)],
        }
        payee |= {
            "short_channel_id": PAYEE,
            "peer_id": bolt11.public_key(ROUTER_KEY),
            "alias": {"local": "1x1x1", "remote": "2x2x2"},
            "spendable_msat": self.spendable() - self.incoming,
            "receivable_msat": 0,
            "htlcs": [
                _out(row) for row in self.sendpays if row["status"] == "pending" and row["id"] not in self.unsent
            ],
        }
        for channel in (payer, payee):
            if channel["short_channel_id"] in self.onchain:
                channel["state"] = "ONCHAIN"
            channel["peer_connected"] = channel["short_channel_id"] not in self.offline
        return [payer, payee]

    def _htlc_row(self, htlc: Htlc) -> Row:
        row = {
            "direction": "in",
            "id": htlc.id,
            "amount_msat": htlc.amount,
            "expiry": htlc.expiry,
            "payment_hash": htlc.payment_hash,
            "state": htlc.state,
        }
        waits = {"status": "Waiting for the htlc_accepted hook of plugin holdfast-hold"}
        return row | waits if htlc.asked else row

    def update(self, row: Row, **changes: Any) -> None:
        self.updates += 1
        row.update(changes, updated_index=self.updates)


def _out(row: Row) -> Row:
    """The HTLC of an outgoing part."""
    return {
        "direction": "out",
        "id": row["id"],
        "amount_msat": row["amount_sent_msat"],
        "expiry": 500,
        "payment_hash": row["payment_hash"],
        "state": "SENT_ADD_ACK_REVOCATION",
    }
