"""The witness: replays what a Holdfast daemon has published and says whether the protocol was kept.

It shares no code with the daemon: signatures by libsecp256k1, its own reading of events, its own table of moves (`rules`).
`check` judges events that are at hand, `verify` fetches them from relays first. docs/PROTOCOL.md says what is checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from verifier.chain import LOG
from verifier.crypto import Event, read, read_task_id
from verifier.findings import Code, Finding
from verifier.judge import check
from verifier.report import Report, Verdict
from verifier.source import SourceError, fetch, filters, read_jsonl

__all__ = ["Code", "Finding", "Report", "SourceError", "Verdict", "check", "read_jsonl", "verify"]

_WHOLE_ID = 13


async def verify(
    relays: list[str], bot: str | None = None, task: str | None = None, *, patience: float = 10.0, page: int = 500
) -> Report:
    """Fetches from all these relays and judges. `patience`: seconds for each answer of a relay; `page`: events asked for at once.

    Without `bot`, the one daemon that has signed a log there (or the log of this task) is judged. Raises SourceError when nothing
    could be fetched or when it is not clear whom to judge, ValueError for a `bot` or `task` that cannot be one.
    """
    wanted = read_task_id(task) if task is not None else None
    found = await fetch(relays, filters(bot, wanted if wanted and len(wanted) == _WHOLE_ID else None), patience, page)
    report = check(found.events, bot or _only_author(found.events, wanted or ""), wanted)
    trouble = tuple(Finding(Code.RELAY, sentence) for sentence in found.trouble)
    return replace(report, warnings=(*report.warnings, *trouble))


def _only_author(events: Iterable[object], task: str) -> str:
    """Who has signed the first entry of a log."""
    authors = set()
    for raw in events:
        event = read(raw)
        begins = isinstance(event, Event) and LOG in event.values("t") and event.first("seq") == "1"
        if isinstance(event, Event) and begins and (event.first("d") or "").startswith(task):
            authors.add(event.pubkey)
    if len(authors) == 1:
        return authors.pop()
    if not authors:
        raise SourceError("no log was found on these relays" + (f" for {task}" if task else ""))
    raise SourceError(f"logs of {len(authors)} daemons were found: name the one to judge by its public key")
