"""Proof of work: the worker's kind 30079 event, meaning the same as the `submit` command."""

from __future__ import annotations

from pydantic import ValidationError

from kinds import events
from kinds.codes import BadWord, Refused
from kinds.commands.problems import bad_word
from kinds.commands.work import Submit
from kinds.events import Event
from kinds.units import TaskId, is_hex64

PROOF_TAG = "holdfast-proof"


def concerns(event: Event, bot: str) -> bool:
    """True for a 30079 that is a proof for this bot: it names the bot, a task's address and the pinned task event."""
    return (
        event.kind == events.PROOF
        and bot in event.tag_values("p")
        and is_hex64(event.tag("e"))
        and (event.tag("a") or "").startswith(f"{events.TASK}:")
    )


def sealed_key(event: Event) -> str | None:
    """The key of a sealed file, NIP-44 encrypted from the worker to the bot; None when the proof is open."""
    return event.tag("sealed")


def parse(event: Event, task: TaskId, key: str | None = None) -> Submit:
    """A proof event for this task to the command that it is; `key`: what was found in its `sealed`. Raises BadWord."""
    for tag, code in (("url", Refused.BAD_URL), ("x", Refused.BAD_HASH)):
        if not event.tag(tag):
            raise BadWord(code, field=tag)
    if sealed_key(event) is not None and not key:
        raise BadWord(Refused.BAD_KEY, task=task, problem="unreadable")
    if key and event.tag("key") is None:
        raise BadWord(Refused.BAD_TAG, tag="key", problem="it is missing: the sha256 of the key, in hex")
    words = {
        "task": task,
        "url": event.tag("url"),
        "sha256": event.tag("x"),
        "mime": event.tag("m"),
        "key": key or None,
        "key_hash": event.tag("key"),
        "hours": event.tag("hours"),
        "notes": event.content,
    }
    try:
        return Submit.model_validate(words)
    except ValidationError as error:
        raise bad_word(error) from None
