"""What a daemon has published for ever, read back from a relay: entries of a task's log and of its own chain (`kinds.log` writes them).

Whoever reads them has verified the signatures: an entry by our key that we do not know was made by another memory of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kinds.events import RECORD, BadEvent, Event, canonical_json, read_json
from kinds.log import CHECKPOINT_TAG, LOG_TAG, VERSION
from kinds.states import LogType, TaskState, WorkState
from kinds.units import EventId, Pubkey, TaskId, read_task_id

_NONE = TaskId("")
_SEQ = re.compile(r"[1-9][0-9]{0,8}")
_COMMON = {"v": int, "seq": int, "type": str, "time": int, "height": int, "block": str, "facts": dict}
_OF_A_TASK = {"task": str, "state": str, "work": str, "by": str, "proven": str, "deaf": int}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Of the daemon's own chain `task` is "", and so is everything that only a task has; `type` is a LogType in a task."""

    event: Event
    seq: int
    type: str
    time: int
    height: int
    block: str
    facts: Mapping[str, Any]
    task: TaskId = _NONE
    state: str = ""
    work: str = ""
    by: str = ""
    proven: str = ""
    deaf: int = 0
    embedded: Mapping[str, Any] | None = None

    @property
    def id(self) -> EventId:
        return self.event.id

    @property
    def prev(self) -> str | None:
        return self.event.tag("prev")

    @property
    def heard(self) -> int:
        """On the hearing clock."""
        return self.time - self.deaf


def read_entry(event: Event, bot: Pubkey) -> Entry | None:
    """None for what is no entry of ours, or not written as we write: the key may have signed other things too."""
    topics = event.tag_values("t")
    of_task = LOG_TAG in topics
    if event.pubkey != bot or event.kind != RECORD or not (of_task or CHECKPOINT_TAG in topics):
        return None
    try:
        said = read_json(event.content)
    except BadEvent:
        return None
    shape = _COMMON | _OF_A_TASK if of_task else _COMMON
    if not isinstance(said, dict) or canonical_json(said) != event.content:
        return None
    if any(type(said.get(name)) is not kind for name, kind in shape.items()) or said["v"] != VERSION:
        return None
    if not _SEQ.fullmatch(event.tag("seq") or "") or event.tag("seq") != str(said["seq"]):
        return None
    if event.created_at != said["time"] or min(said["time"], said["height"]) < 0:
        return None
    common = (event, said["seq"], said["type"], said["time"], said["height"], said["block"], said["facts"])
    if not of_task:
        return Entry(*common)
    if not _is_a_tasks(said, event):
        return None
    task = TaskId(said["task"])
    return Entry(*common, task, said["state"], said["work"], said["by"], said["proven"], said["deaf"], said["event"])


def _is_a_tasks(said: Mapping[str, Any], event: Event) -> bool:
    known = said["state"] in set(TaskState) and said["work"] in set(WorkState) and said["type"] in set(LogType)
    named = said["task"] == event.tag("d") == read_task_id(said["task"]) and len(said["task"]) == 13
    return known and named and (said.get("event") is None or isinstance(said["event"], dict)) and said["deaf"] >= 0
