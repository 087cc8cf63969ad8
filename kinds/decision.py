"""A signed decision: a kind 78 event by a party, publicly provable, resting on the log entry that it answers."""

from __future__ import annotations

from dataclasses import dataclass

from kinds import events
from kinds.codes import BadWord, Refused
from kinds.commands import Command, Submit
from kinds.commands.base import TaskCommand
from kinds.events import Event
from kinds.grammar import read_command_json
from kinds.units import TASK_LETTERS, EventId, is_hex64, read_task_id

DECISION_TAG = "holdfast-decision"


@dataclass(frozen=True, slots=True)
class Decided:
    command: Command
    basis: EventId | None  # the log entry that it rests on


def concerns(event: Event, bot: str) -> bool:
    """True for a kind 78 decision for this bot."""
    return event.kind == events.RECORD and DECISION_TAG in event.tag_values("t") and bot in event.tag_values("p")


def parse(event: Event) -> Decided:
    """A decision event to its command and basis. Raises BadWord."""
    if event.tag("expiration") is not None:
        raise BadWord(
            Refused.BAD_TAG, tag="expiration", problem="a decision must not expire: it is part of the public record"
        )
    command = read_command_json(event.content)
    if not isinstance(command, TaskCommand):
        raise BadWord(
            Refused.BAD_USAGE,
            action=command.action,
            usage=command.example,
            problem="only a task's commands can be signed",
        )
    if isinstance(command, Submit) and command.key is not None:
        raise BadWord(Refused.BAD_KEY, task=event.tag("d"), problem="public")
    named = read_task_id(event.tag("d") or "") or ""
    if len(named) != TASK_LETTERS or not named.startswith(command.letters) or event.tag("d") != named:
        raise BadWord(
            Refused.BAD_TAG, tag="d", problem="it is the whole id of the task that the command names, in small letters"
        )
    marked = [tag[1] for tag in event.tags if tag[0] == "e" and len(tag) > 3 and tag[3] == "basis"]
    plain = [tag[1] for tag in event.tags if tag[0] == "e" and len(tag) > 1]
    basis = next(iter(marked or plain), None)
    if basis is not None and not is_hex64(basis):
        raise BadWord(Refused.BAD_TAG, tag="e", problem="the basis is the id of a log entry, 64 hex digits")
    return Decided(command, EventId(basis) if basis else None)
