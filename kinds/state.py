"""The current state of a task as an addressable event (kind 30078 by the bot), for whoever does not want to read the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinds import events
from kinds.events import Unsigned, canonical_json
from kinds.units import EventId, Pubkey, TaskId

STATE_TAG = "holdfast-state"


def state(
    *,
    bot: Pubkey,
    task: TaskId,
    address: str,
    root: EventId | None,
    parties: tuple[Pubkey, ...],
    head: EventId,
    seq: int,
    created_at: int,
    facts: Mapping[str, Any],
) -> Unsigned:
    """`head`: the newest log entry; `created_at` must be above that of the last state event of this task."""
    tags: list[tuple[str, ...]] = [
        ("d", f"holdfast-{task}"),
        ("t", STATE_TAG),
        ("e", head),
        ("seq", str(seq)),
        ("a", address),
    ]
    if root:
        tags.append(("e", root, "", "root"))
    tags += [("p", party) for party in parties]
    return Unsigned(bot, created_at, events.TASK, tuple(tags), canonical_json({"v": 1, "task": task, **facts}))
