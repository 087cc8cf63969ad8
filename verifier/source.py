"""Where events come from: relays, asked page by page over NIP-01, or a file with one event per line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from verifier.chain import ADDRESSABLE, HOUSE, LOG, RECORD, STATE, TERMS

Filter = dict[str, Any]
MAX_MESSAGE = 4 * 1024 * 1024
MAX_PAGES = 2000  # per filter; a relay that always finds something new is not followed for ever
MAX_PER_PAGE = 20_000


class SourceError(RuntimeError):
    """Nothing could be fetched: the sentence says why."""


@dataclass(slots=True)
class Fetched:
    """What all relays together gave; equal copies once, differing copies of one id all. `trouble`: a sentence per relay that failed."""

    events: list[dict[str, Any]] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    def add(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
            text = json.dumps(event, sort_keys=True)
            if text not in self._known:
                self._known.add(text)
                self.events.append(event)


def filters(bot: str | None, task: str | None) -> list[Filter]:
    """What to ask for: state events, logs, the daemon's own chain, its terms. In this order: a daemon that is at work publishes
    a log entry before the state that follows from it, so a state that was read first is never ahead of the log. `task`: a
    whole id, else all of them."""
    who = {"authors": [bot]} if bot else {}
    logs: Filter = {"kinds": [RECORD], "#t": [LOG], **who}
    states: Filter = {"kinds": [ADDRESSABLE], "#t": [STATE], **who}
    if task:
        logs |= {"#d": [task]}
        states |= {"#d": [f"holdfast-{task}"]}
    return [
        states,
        logs,
        {"kinds": [RECORD], "#t": [HOUSE], **who},
        {"kinds": [RECORD, ADDRESSABLE], "#t": [TERMS], **who},
    ]


async def fetch(relays: Iterable[str], wanted: list[Filter], patience: float = 10.0, page: int = 500) -> Fetched:
    """Asks all relays at once. A relay that fails is named; SourceError when all do."""
    urls = list(dict.fromkeys(relays))
    if not urls:
        raise SourceError("no relay was named")
    found = Fetched()
    answers = await asyncio.gather(*(_ask(url, wanted, patience, page) for url in urls))
    for url, (events, problem) in zip(urls, answers, strict=True):
        found.add(events)
        if problem:
            found.trouble.append(f"{url}: {problem}")
    if len(found.trouble) == len(urls) and not found.events:
        raise SourceError("no relay answered: " + "; ".join(found.trouble))
    return found


def read_jsonl(path: str | Path) -> list[object]:
    """One event per line; empty lines are passed over. A line that is not JSON stays as text, which no event is."""
    found: list[object] = []
    for line in Path(path).read_text(encoding="utf-8", errors="replace").split("\n"):
        if line.strip():
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError):
                found.append(line)
    return found


async def _ask(url: str, wanted: list[Filter], patience: float, page: int) -> tuple[list[dict[str, Any]], str]:
    """Everything that one relay has, and what went wrong, or ''."""
    events: list[dict[str, Any]] = []
    try:
        async with connect(url, open_timeout=patience, close_timeout=1, max_size=MAX_MESSAGE) as line:
            for number, one in enumerate(wanted):
                await _pages(line, f"v{number}", one, patience, page, events)
            logs = next(one for one in wanted if one.get("#t") == [LOG])
            for task in _with_gaps(events):
                await _pages(line, f"g{task}", {**logs, "#d": [task]}, patience, page, events)
    except TimeoutError:
        return events, f"no answer within {patience:g} s"
    except (OSError, WebSocketException, ValueError, _Closed) as error:
        return events, str(error) or type(error).__name__
    return events, ""


class _Closed(Exception):
    """The relay ended the conversation, or we did."""


async def _pages(
    line: ClientConnection, name: str, wanted: Filter, patience: float, page: int, events: list[dict[str, Any]]
) -> None:
    """Newest first, page by page, until a page brings nothing new. Relays may send less than was asked for."""
    known: set[str] = set()
    until: int | None = None
    for number in range(MAX_PAGES):
        asked = {**wanted, "limit": page, **({} if until is None else {"until": until})}
        found = await _page(line, f"{name}-{number}", asked, patience)
        fresh = {str(event.get("id")): event for event in found if str(event.get("id")) not in known}
        known.update(fresh)
        events += fresh.values()
        times = [event["created_at"] for event in found if type(event.get("created_at")) is int]
        if not times or (until is not None and not fresh and max(times) > until):
            return  # the end, or a relay that does not understand `until`
        # once more the same second, since a page may end inside it; then the one before
        until = min(times) if until is None or min(times) < until else until - 1
        if until < 0:
            return


async def _page(line: ClientConnection, name: str, asked: Filter, patience: float) -> list[dict[str, Any]]:
    """One subscription, to its end."""
    await line.send(json.dumps(["REQ", name, asked]))
    found: list[dict[str, Any]] = []
    while True:
        async with asyncio.timeout(patience):
            text = await line.recv()
        match _words(text):
            case ["EVENT", str(given), dict(event), *_] if given == name:
                found.append(event)
                if len(found) > MAX_PER_PAGE:
                    raise _Closed("it sends without end")
            case ["EOSE", str(given), *_] if given == name:
                await line.send(json.dumps(["CLOSE", name]))
                return found
            case ["CLOSED", str(given), *rest] if given == name:
                raise _Closed(f"it refused: {rest[0] if rest else 'no reason given'}")


def _words(text: str | bytes) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _with_gaps(events: Iterable[Mapping[str, Any]]) -> list[str]:
    """Tasks of which the entries found are not as many as their highest number, in the log or in the state event: they are asked
    for again by name, since the end of a page may have lost some."""
    found: dict[str, set[str]] = {}
    highest: dict[str, int] = {}
    for event in events:
        tags = event.get("tags")
        first: dict[str, str] = {}
        for tag in tags if isinstance(tags, list) else []:
            if isinstance(tag, list) and len(tag) > 1 and all(isinstance(word, str) for word in tag):
                first.setdefault(tag[0], tag[1])
        topic, seq, task = first.get("t"), first.get("seq", ""), first.get("d", "").removeprefix("holdfast-")
        if topic in (LOG, STATE) and seq.isdecimal() and len(seq) < 10 and task:
            highest[task] = max(highest.get(task, 0), int(seq))
            if topic == LOG:
                found.setdefault(task, set()).add(seq)
    return sorted(task for task, seq in highest.items() if len(found.get(task, ())) < seq)
