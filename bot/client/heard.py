"""What the bot says, read: letters to one person, entries of the public log, states of tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from kinds.events import RECORD, BadEvent, Event, read_json
from kinds.log import LOG_TAG
from kinds.state import STATE_TAG

Channel = Literal["nip17", "nip04"]

_LINK = re.compile(r"lightning:(\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of the bot to us, decrypted. `said` holds its fields when it is JSON, else nothing."""

    id: str  # of the rumor, or of the kind 4 event
    channel: Channel
    reply_to: str  # id of the rumor or event that it answers; "" for a notice
    created_at: int
    text: str
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The stable code of a JSON letter; "" in words for people."""
        return str(self.said.get("code", ""))

    @property
    def ok(self) -> bool:
        """False for a refusal; only a JSON letter says so."""
        return bool(self.said.get("ok", True))

    @property
    def task(self) -> str:
        return str(self.said.get("task") or "")

    @property
    def invoice(self) -> str:
        """The invoice in it, in lower case; "" when there is none."""
        link = _LINK.search(self.text)
        return str(self.said.get("invoice") or (link[1] if link else "")).lower()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a task's public log."""

    event: Event
    task: str
    seq: int
    type: str
    state: str
    facts: dict[str, Any]

    @property
    def id(self) -> str:
        return self.event.id


@dataclass(frozen=True, slots=True)
class TaskCard:
    """The bot's newest state event of a task."""

    event: Event
    task: str
    seq: int
    state: str
    facts: dict[str, Any]


def letter(rumor_id: str, channel: Channel, reply_to: str | None, created_at: int, text: str) -> Letter:
    said: Any = {}
    if text.lstrip().startswith("{"):
        try:
            said = read_json(text)
        except BadEvent:
            said = {}
    return Letter(rumor_id, channel, reply_to or "", created_at, text, said if isinstance(said, dict) else {})


def public(event: Event) -> Entry | TaskCard | None:
    """What an event of the bot's is; None when it is neither a log entry nor a state, or not as the protocol says."""
    entry = event.kind == RECORD and LOG_TAG in event.tag_values("t")
    if not entry and STATE_TAG not in event.tag_values("t"):
        return None
    try:
        said = read_json(event.content)
        task, seq, state = str(said["task"]), int(said["seq"]), str(said["state"])
        if entry:
            return Entry(event, task, seq, str(said["type"]), state, dict(said["facts"]))
        return TaskCard(event, task, seq, state, dict(said))
    except (BadEvent, KeyError, TypeError, ValueError):
        return None
