"""What the plugin remembers of a hold. It lives in lightningd's datastore, so that it is in the node's own backup.

The preimage is not in it: lightningd derives it again from its HSM secret and the ref (`makesecret`). Amounts are msat,
times unix seconds, expiries absolute heights.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace

from bot.nodes.cln.wire import State

FORM = 1
LIVE = frozenset({State.OPEN, State.HELD, State.SETTLING})
"""States that time, blocks and lightningd can still change."""
KEPT_SECONDS, KEPT_BLOCKS = 30 * 86400, 30 * 144
"""How long a finished hold is kept: after its invoice has expired, and after its last HTLC has."""

Key = tuple[str, int]
"""An HTLC's name: short channel id and the id on that channel. lightningd replays it under the same one after a restart."""


class BadRecord(ValueError):
    """A record in the datastore cannot be read; the plugin must not guess."""


@dataclass(frozen=True, slots=True)
class Part:
    """One HTLC of a payment that was held."""

    channel: str
    htlc: int
    amount: int
    expiry: int

    @property
    def key(self) -> Key:
        return self.channel, self.htlc


@dataclass(frozen=True, slots=True)
class Record:
    ref: str
    payment_hash: str
    payment_secret: str  # 64 hex digits: proves that a payer has read the invoice
    amount: int
    cltv: int  # min_final_cltv_expiry_delta in blocks
    expires_at: int
    invoice: str
    state: State = State.OPEN
    parts: tuple[Part, ...] = ()  # what was held, written down when the payment was complete
    reason: str = ""  # why it was cancelled
    moves: int = 0  # lightningd's index of channel moves just before the settle: the credit comes after it

    @property
    def expiry_height(self) -> int:
        """The lowest expiry of the parts; 0 without any."""
        return min((part.expiry for part in self.parts), default=0)

    @property
    def received(self) -> int:
        return sum(part.amount for part in self.parts)

    def part(self, key: Key) -> Part | None:
        return next((part for part in self.parts if part.key == key), None)

    @property
    def spent(self) -> bool:
        """Of a finished hold: its preimage may be known to others, so there must never be another hold with it."""
        return self.state is not State.CANCELLED

    def is_past(self, height: int, now: float) -> bool:
        """Finished, and so long ago that nobody can pay it and lightningd cannot ask about its HTLCs any more."""
        return (
            self.state not in LIVE
            and now >= self.expires_at + KEPT_SECONDS
            and all(height >= part.expiry + KEPT_BLOCKS for part in self.parts)
        )

    def turned(self, state: State, reason: str = "") -> Record:
        return replace(self, state=state, reason=reason)


def encode(record: Record) -> str:
    return json.dumps({"form": FORM, **asdict(record)}, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Record:
    """Raises BadRecord."""
    try:
        raw = json.loads(text)
        if raw.pop("form") != FORM:
            raise BadRecord("written by another version of the plugin")
        parts = tuple(Part(str(p["channel"]), int(p["htlc"]), int(p["amount"]), int(p["expiry"])) for p in raw["parts"])
        if set(raw) != {field.name for field in fields(Record)}:
            raise BadRecord("not the fields of a hold")
        return Record(**{**raw, "state": State(raw["state"]), "parts": parts})
    except BadRecord:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRecord(f"not a record of a hold ({type(error).__name__})") from error
