"""What the simulated network can be told to do wrong.

Every fault is something that real nodes have done: the answer that never came although the call was carried out, the
stream that died without a word, the payee who keeps a payout in flight for a day, the answer that is true of a moment
ago. What a fault never does is lie about an end: SETTLED, CANCELLED, COMPLETE and FAILED are always true when they are said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Faults:
    """All off by default. Counters count themselves down; everything is kept over a restart."""

    down: bool = False  # the node answers nothing and takes no payment
    unsynced: bool = False  # facts say that the chain is not synced
    lose_requests: int = 0  # the next n calls do not reach the node; the caller sees UNKNOWN
    lose_answers: int = 0  # the next n calls are carried out, and still the caller sees UNKNOWN
    only: tuple[str, ...] = ()  # names of the calls that are lost ("settle", "pay", ...); empty: any call
    old_news: bool = False  # what is open, held or in flight is still said to be so when that is over
    delay: float = 0.0  # seconds of its clock that every call takes
    deaf: bool = False  # hint streams stay open and say nothing

    refuse_parts: int = 0  # the next n parts on their way to the node fail at its door
    # Of payouts; what counts is how things are when one is sent.
    no_outbound: bool = False  # payouts fail: too little outbound (OURS)
    no_route: bool = False  # payouts fail: the payee cannot be reached (THEIRS)
    payout_delay: int = 0  # seconds that a payout stays in flight before it ends
    payout_stuck: bool = False  # a payout stays in flight until it is released, or until its HTLC expires
    payout_end: Literal["complete", "fail"] = "complete"  # how the payee ends a payout


_FAULTS = TypeAdapter(Faults)


def load_faults(text: str) -> Faults:
    return _FAULTS.validate_json(text)


def dump_faults(faults: Faults) -> str:
    return _FAULTS.dump_json(faults).decode()


def changed_faults(faults: Faults, fields: Mapping[str, Any]) -> Faults:
    """These faults with some fields changed; ValueError for a name or a value that is none."""
    before = asdict(faults)
    unknown = fields.keys() - before.keys()
    if unknown:
        raise ValueError(f"there is no fault of the name {min(unknown)}")
    return _FAULTS.validate_python({**before, **fields})
