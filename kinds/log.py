"""What the daemon publishes for ever: the hash-chained log of each task, its own chain, and its terms. Built unsigned; the id is
fixed by what is said, so an entry can point at the one before it before either is signed.

An entry's content is canonical JSON. It holds no secret: what is private stands as a commitment sha256(salt | value).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinds import events
from kinds.events import Unsigned, canonical_json
from kinds.units import EventId, Pubkey, TaskId

LOG_TAG = "holdfast-log"
CHECKPOINT_TAG = "holdfast-checkpoint"
TERMS_TAG = "holdfast-terms"
VERSION = 1


def entry(
    *,
    bot: Pubkey,
    task: TaskId,
    address: str,
    root: EventId | None,
    parties: tuple[Pubkey, ...],
    seq: int,
    prev: EventId | None,
    type: str,
    state: str,
    work: str,
    by: str,
    proven: str,
    time: int,
    deaf: int,
    height: int,
    block_hash: str,
    facts: Mapping[str, Any],
    event: Mapping[str, Any] | None,
) -> Unsigned:
    """One entry of a task's log. `root`: the pinned task event; of a posted task, its task.created (None in that entry)."""
    tags: list[tuple[str, ...]] = [("d", task), ("t", LOG_TAG), ("seq", str(seq))]
    if prev:
        tags.append(("prev", prev))
    if root:
        tags.append(("e", root))
    tags.append(("a", address))
    tags += [("p", party) for party in parties]
    tags += [("type", type), ("state", state)]
    said = {
        "v": VERSION,
        "task": task,
        "seq": seq,
        "type": type,
        "state": state,
        "work": work,
        "by": by,
        "proven": proven,
        "time": time,
        "deaf": deaf,
        "height": height,
        "block": block_hash,
        "facts": dict(facts),
        "event": event,
    }
    return Unsigned(bot, time, events.RECORD, tuple(tags), canonical_json(said))


def checkpoint(
    *,
    bot: Pubkey,
    seq: int,
    prev: EventId | None,
    type: str,
    time: int,
    height: int,
    block_hash: str,
    facts: Mapping[str, Any],
) -> Unsigned:
    """One entry of the daemon's own chain: start, terms, clock.paused, clock.resumed, incident."""
    tags: list[tuple[str, ...]] = [("d", "holdfast-checkpoint"), ("t", CHECKPOINT_TAG), ("seq", str(seq))]
    if prev:
        tags.append(("prev", prev))
    tags.append(("type", type))
    said = {
        "v": VERSION,
        "seq": seq,
        "type": type,
        "time": time,
        "height": height,
        "block": block_hash,
        "facts": dict(facts),
    }
    return Unsigned(bot, time, events.RECORD, tuple(tags), canonical_json(said))


def terms_record(bot: Pubkey, time: int, facts: Mapping[str, Any]) -> Unsigned:
    """A version of the operator's terms, for ever; task.created names its id."""
    tags = (("d", "holdfast-terms"), ("t", TERMS_TAG))
    return Unsigned(bot, time, events.RECORD, tags, canonical_json({"v": VERSION, **facts}))


def terms_current(bot: Pubkey, time: int, version: EventId, facts: Mapping[str, Any]) -> Unsigned:
    """The terms in force, addressable; `e` is their record."""
    tags = (("d", "holdfast-terms"), ("t", TERMS_TAG), ("e", version))
    return Unsigned(bot, time, events.TASK, tags, canonical_json({"v": VERSION, **facts}))
