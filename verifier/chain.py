"""Entries in their order: what one says, that its tags say the same, and that each names the one before it.

There are two sorts of chain: one per task (`holdfast-log`), and the daemon's own (`holdfast-checkpoint`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from verifier.crypto import Event, canonical, is_hex64, read_json
from verifier.findings import Code, Finding, Notes
from verifier.rules import FACTS, HOUSE_TYPES, STATES, TYPES, WORKS, Fact

RECORD, ADDRESSABLE, PROOF = 78, 30078, 30079
LOG, HOUSE, TERMS, STATE = "holdfast-log", "holdfast-checkpoint", "holdfast-terms", "holdfast-state"
VERSION = 1
REORGANISATION = 6  # blocks by which the height may honestly fall back

HEARING_SLACK = 60  # seconds by which an outage proves shorter than it seemed while it lasted

_TASK_KEYS = frozenset(
    ["v", "task", "seq", "type", "state", "work", "by", "proven", "time", "deaf", "height", "block", "facts", "event"]
)
_HOUSE_KEYS = frozenset(["v", "seq", "type", "time", "height", "block", "facts"])
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a chain as it says itself. Of the daemon's own chain, the fields from `task` to `deaf` are empty."""

    event: Event
    seq: int
    type: str
    time: int
    height: int
    block: str
    facts: Mapping[str, Any]
    task: str = ""
    state: str = ""
    work: str = ""
    by: str = ""
    proven: str = ""
    deaf: int = 0
    embedded: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        return self.event.id

    @property
    def heard(self) -> int:
        """The clock on which deadlines run: it stands still while the daemon cannot hear."""
        return self.time - self.deaf


@dataclass(frozen=True, slots=True)
class Chain:
    """The entries of one chain in order, up to the first place where it breaks."""

    name: str
    entries: tuple[Entry, ...]
    whole: bool


def claimed_seq(event: Event) -> int:
    text = event.first("seq") or ""
    return int(text) if _NUMBER.fullmatch(text) else 0


def task_chain(task: str, events: Iterable[Event], notes: Notes) -> Chain:
    return _chain(task, events, notes, task)


def house_chain(events: Iterable[Event], notes: Notes) -> Chain:
    return _chain("", events, notes, "")


def _chain(name: str, events: Iterable[Event], notes: Notes, task: str) -> Chain:
    """Follows the numbers from 1. Nothing behind a gap, a fork or an unreadable entry is believed."""
    places: dict[int, list[Event]] = {}
    for event in events:
        places.setdefault(claimed_seq(event), []).append(event)
    entries: list[Entry] = []
    whole = True
    for seq in range(1, max(places, default=0) + 1):
        found = places.get(seq, [])
        if len(found) != 1:
            code, detail = (
                (Code.FORK, f"{len(found)} entries have this number") if found else (Code.GAP, "it is missing")
            )
            notes.violations.append(Finding(code, detail, task, seq, found[0].id if found else ""))
            whole = False
            break
        entry = _entry(found[0], task, notes)
        if entry is None or not _follows(entries[-1] if entries else None, entry, notes):
            whole = False
            break
        entries.append(entry)
    if 0 in places:
        detail = "the tag seq is not a number from 1 up"
        notes.violations.append(Finding(Code.TAGS_DISAGREE, detail, task, 0, places[0][0].id))
        whole = False
    return Chain(name, tuple(entries), whole)


def _entry(event: Event, task: str, notes: Notes) -> Entry | None:
    """What an entry says, or None and a violation."""

    def wrong(code: Code, detail: str) -> None:
        notes.violations.append(Finding(code, detail, task, claimed_seq(event), event.id))

    try:
        said = read_json(event.content)
        plain = canonical(said) == event.content
    except (ValueError, RecursionError):
        said, plain = None, False
    if not plain or not isinstance(said, dict):
        wrong(Code.BAD_CONTENT, "the content is not an object in canonical JSON")
        return None
    for code, problem in _problems(event, said, task):
        if problem:
            wrong(code, problem)
            return None
    if task and (strange := check_facts(said["facts"], FACTS[said["type"]])[1]):
        detail = f"not part of this version: {', '.join(strange)}"
        notes.warnings.append(Finding(Code.UNKNOWN_FACT, detail, task, said["seq"], event.id))
    common = (event, said["seq"], said["type"], said["time"], said["height"], said["block"], said["facts"])
    if not task:
        return Entry(*common)
    whom = (said["task"], said["state"], said["work"], said["by"], said["proven"], said["deaf"], said["event"])
    return Entry(*common, *whom)


def _problems(event: Event, said: Mapping[str, Any], task: str) -> Iterator[tuple[Code, str]]:
    """The checks of one entry, in an order in which each may rely on those before."""
    yield Code.BAD_CONTENT, _shape(said, task)
    known = said["type"] in (TYPES if task else HOUSE_TYPES)
    yield Code.UNKNOWN_TYPE, "" if known else f"{said['type'][:40]} is not a type of entry"
    yield Code.TAGS_DISAGREE, _tags(event, said, task)
    if task:
        built = said["type"] in FACTS
        yield Code.ILLEGAL_MOVE, "" if built else f"{said['type']} has a name but no rule in this version"
        yield Code.BAD_FACTS, check_facts(said["facts"], FACTS[said["type"]])[0]


def _shape(said: Mapping[str, Any], task: str) -> str:
    """What is wrong with the kinds of the values, or ''."""
    keys = _TASK_KEYS if task else _HOUSE_KEYS
    if set(said) != keys:
        return f"the content has exactly {', '.join(sorted(keys))}"
    numbers, words = ["v", "seq", "time", "height"], ["type", "block"]
    if task:
        numbers.append("deaf")
        words += ["task", "state", "work", "by", "proven"]
    for name in numbers:
        if type(said[name]) is not int or said[name] < 0:
            return f"{name} is a whole number"
    for name in words:
        if not isinstance(said[name], str):
            return f"{name} is text"
    if said["v"] != VERSION:
        return f"version {said['v']} is not known here"
    if not isinstance(said["facts"], dict):
        return "facts is an object"
    if task and (said["state"] not in STATES or said["work"] not in WORKS):
        return "state or work is not one of the protocol's words"
    if task and not (said["event"] is None or isinstance(said["event"], dict)):
        return "event is an object or null"
    if task and not (is_hex64(said["by"]) or said["by"] in ("node", "clock", "operator")):
        return "by is a public key, or node, clock, operator"
    return ""


def _tags(event: Event, said: Mapping[str, Any], task: str) -> str:
    """Where tags and content differ, or ''. Tags are what relays filter by: a search must find what the content says."""
    name = task or HOUSE
    wanted = {"d": name, "t": LOG if task else HOUSE, "seq": str(said["seq"]), "type": said["type"]}
    if task:
        wanted |= {"state": said["state"]}
        if said["task"] != task:
            return "content and tag d name different tasks"
    for tag, value in wanted.items():
        if event.values(tag) != [value]:
            return f"tag {tag} must stand once and say {value}"
    if event.created_at != said["time"]:
        return "created_at is not the content's time"
    for tag in ("prev", "e", "a") if task else ("prev",):
        if len(event.values(tag)) > 1:
            return f"tag {tag} stands twice"
    return ""


def check_facts(facts: Mapping[str, Any], wanted: tuple[Fact, ...]) -> tuple[str, list[str]]:
    """(what is wrong or '', names that are not known)."""
    for fact in wanted:
        if fact.name not in facts:
            if fact.optional:
                continue
            return f"the fact {fact.name} is missing", []
        value = facts[fact.name]
        if not (value is None and fact.nullable) and not _is(value, fact.kind):
            return f"the fact {fact.name} is not of its kind ({fact.kind})", []
    return "", sorted(set(facts) - {fact.name for fact in wanted})


def _is(value: object, kind: str) -> bool:
    match kind:
        case "hex":
            return is_hex64(value)
        case "text":
            return isinstance(value, str)
        case "list":
            return isinstance(value, list) and all(isinstance(item, dict) for item in value)
        case "names":
            return isinstance(value, list) and all(isinstance(item, str) and item for item in value)
        case "percent":
            return type(value) is int and 0 <= value <= 100
        case _:  # int, msat
            return type(value) is int and 0 <= value < 2**63


def _follows(last: Entry | None, entry: Entry, notes: Notes) -> bool:
    """Does this entry stand behind that one? Clock and height faults are noted but do not break the chain."""

    def wrong(code: Code, detail: str) -> None:
        notes.violations.append(Finding(code, detail, entry.task, entry.seq, entry.id))

    prev = entry.event.first("prev")
    if prev != (last.id if last else None):
        wrong(Code.WRONG_PREV, "prev does not name the entry before")
        return False
    if last is None:
        return True
    if entry.time < last.time:
        wrong(Code.TIME_BACKWARDS, f"{last.time - entry.time} s before the entry before")
    if entry.deaf < last.deaf - HEARING_SLACK:
        wrong(Code.DEAF_BACKWARDS, "the deaf time has become less")
    if entry.height < last.height - REORGANISATION:
        wrong(Code.HEIGHT_BACKWARDS, f"the height fell from {last.height} to {entry.height}")
    return True
