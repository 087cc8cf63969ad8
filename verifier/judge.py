"""The whole judgement over events that are at hand: sort them, follow each chain, replay it, compare what stands beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from verifier import accounts, beside, leaks
from verifier.chain import ADDRESSABLE, HOUSE, LOG, RECORD, STATE, TERMS, Chain, house_chain, task_chain
from verifier.crypto import Bad, Event, is_hex64, read, read_task_id
from verifier.findings import Code, Finding, Notes
from verifier.replay import replay
from verifier.report import Report, Verdict
from verifier.rules import FINAL
from verifier.standing import Book, Standing


@dataclass(slots=True)
class Sorted:
    """The daemon's genuine events by what they are, and the ones that are not genuine."""

    logs: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    states: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    house: list[Event] = field(default_factory=list)
    terms: list[Event] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)
    genuine: set[str] = field(default_factory=set)  # ids


def check(events: Iterable[object], bot: str, task: str | None = None) -> Report:
    """Judges every task of this daemon among the events, or the one task named (by its id or a beginning of it).

    Pure: asks nobody and trusts nothing but signatures. `bot` is a public key in hex. An event that is not genuine and of which no
    genuine copy is at hand is a violation, since what it replaced is unknown. Events of other authors are passed over.
    Raises ValueError for a `bot` or `task` that cannot be one; never for anything in the events.
    """
    if not is_hex64(bot):
        raise ValueError("the daemon's public key is 64 lower-case hex digits")
    wanted = "" if task is None else read_task_id(task)
    found, notes = _sort(events, bot), Notes()
    house = house_chain(found.house, notes)
    book = Book(
        bot=bot,
        terms=beside.terms(found.terms),
        announced=beside.announced(house),
        outages=beside.outages(house, notes) if house.entries else None,
    )
    beside.pauses(house, notes)
    if not house.entries and not found.house:
        detail = "the daemon's own chain was not found: its outages are only its word"
        notes.warnings.append(Finding(Code.HOUSE_MISSING, detail))
    judged = [_judge(name, found, book) for name in _in_time(found) if name.startswith(wanted)]
    _overdue(
        judged, max((entry.height for chain in (house, *(c for _, c in judged)) for entry in chain.entries), default=0)
    )
    accounts.check(house, [s for s, _ in judged], book, notes, all_tasks=not wanted)
    if wanted and not judged:
        notes.violations.append(Finding(Code.NOT_FOUND, "no entry of this task was found", wanted))
    for event in (*found.house, *found.terms):
        notes.violations.extend(leaks.in_event(event, ""))
    _forged(found, notes)
    verdicts = tuple(_verdict(s, chain) for s, chain in judged)
    return Report(bot, verdicts, len(house.entries), tuple(notes.violations), tuple(notes.warnings))


def _sort(events: Iterable[object], bot: str) -> Sorted:
    found = Sorted()
    for raw in events:
        event = read(raw)
        if isinstance(event, Bad):
            found.bad.append(event)
        elif event.id not in found.genuine:
            found.genuine.add(event.id)
            if event.pubkey == bot:
                _place(found, event)
    return found


def _place(found: Sorted, event: Event) -> None:
    topics = event.values("t")
    if event.kind == RECORD and LOG in topics:
        found.logs[event.first("d") or "?"].append(event)
    elif event.kind == RECORD and HOUSE in topics:
        found.house.append(event)
    elif event.kind in (RECORD, ADDRESSABLE) and TERMS in topics:
        found.terms.append(event)
    elif event.kind == ADDRESSABLE and STATE in topics:
        found.states[(event.first("d") or "?").removeprefix("holdfast-")].append(event)


def _in_time(found: Sorted) -> list[str]:
    """The tasks by the time of their first entry: what is used twice is held against the later one."""
    begun = {
        name: min((event.created_at for event in found.logs.get(name, [])), default=0)
        for name in {*found.logs, *found.states}
    }
    return sorted(begun, key=lambda name: (begun[name], name))


def _forged(found: Sorted, notes: Notes) -> None:
    for bad in found.bad:
        event = next(iter(bad.ids), "")
        if found.genuine & set(bad.ids):
            notes.warnings.append(Finding(Code.FORGED_COPY, "an altered copy of a genuine event", "", 0, event))
        else:
            notes.violations.append(Finding(bad.code, bad.detail, "", 0, event))


def _judge(name: str, found: Sorted, book: Book) -> tuple[Standing, Chain]:
    notes = Notes()
    chain = task_chain(name, found.logs.get(name, []), notes)
    s = replay(chain, book, notes)
    leaks.in_chain(s, chain)
    if chain.whole:
        beside.check_state(s, chain, found.states.get(name, []))
    for event in found.states.get(name, []):
        notes.violations.extend(leaks.in_event(event, name))
    return s, chain


def _overdue(judged: list[tuple[Standing, Chain]], height: int) -> None:
    for s, _ in judged:
        if not s.last or s.state in FINAL:
            continue
        if s.held and s.unbooked and height >= s.expiry_height:
            s.warn(s.last, Code.OVERDUE, f"the hold ended at {s.expiry_height}, and no end of the task is published")
        for cover in s.covers.values():
            if cover.held and cover.funding not in s.books and height >= cover.expiry_height:
                s.warn(s.last, Code.OVERDUE, f"the deposit's hold {cover.funding} ended at {cover.expiry_height}")


def _verdict(s: Standing, chain: Chain) -> Verdict:
    entries = len(chain.entries)
    violations = tuple(sorted(s.notes.violations, key=lambda finding: finding.seq or entries + 1))
    return Verdict(s.task, s.title, s.state, entries, s.evidence, s.payout, violations, tuple(s.notes.warnings))
