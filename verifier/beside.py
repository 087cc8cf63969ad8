"""What stands beside the tasks' chains: the operator's terms, the daemon's own chain, and the state events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from verifier.chain import RECORD, TERMS, VERSION, Chain, Entry
from verifier.crypto import Event, is_hex64, read_json
from verifier.findings import Code, Finding, Notes
from verifier.standing import CLOCK_SLACK, Standing

_NUMBERS = frozenset(
    [
        "budget_base_msat",
        "budget_ppm",
        "service_fee_ppm",
        "service_fee_base_msat",
        "service_fee_minimum_msat",
        "insurance_percent",
        "min_reward_msat",
        "max_reward_msat",
        "min_part_msat",
        "max_parts",
        "hold_cltv",
        "margin",
        "payout_limit",
        "dispute_reserve",
        "invoice_expiry",
        "hold_timeout",
        "review_window",
        "max_deadline",
        "dispute_limit",
        "quotes_a_day",
        "rate_age",
        "proofs_a_day",
    ]
)
_LISTS = frozenset({"custody_modes", "on_hold_end", "currencies"})
_WORDS = frozenset({"service_fee_payer"})


def terms(events: Iterable[Event]) -> dict[str, dict[str, Any]]:
    """The versions of the operator's terms by id, with those of their facts that this verifier can judge by."""
    found = {}
    for event in events:
        if event.kind == RECORD and event.values("t") == [TERMS]:
            said = _object(event)
            if said and said.get("v") == VERSION:
                found[event.id] = {name: value for name, value in said.items() if _usable(name, value)}
    return found


def _usable(name: str, value: object) -> bool:
    if name in _NUMBERS:
        return type(value) is int and 0 <= value < 2**63
    return (name in _LISTS and isinstance(value, list)) or (name in _WORDS and isinstance(value, str))


def outages(chain: Chain, notes: Notes) -> tuple[tuple[int, int | None], ...]:
    """When the daemon was deaf: since when, until when (None while it still is).

    A long outage is published when it is noticed (`clock.paused`, told again after a restart), every one after its end, also the
    short one at a restart (`clock.resumed`, with the deaf seconds of all so far).
    """
    found: list[tuple[int, int | None]] = []
    total = over = 0
    since: int | None = None  # of the open outage
    for entry in chain.entries:
        if entry.type == "clock.paused":
            begun, problem = entry.facts.get("since"), ""
            if type(begun) is not int or not over <= begun <= entry.time:
                problem = "an outage begins after the last one and before it is published"
            elif since is not None and begun != since:
                problem = "an outage begins inside another"
            else:
                since = begun
        elif entry.type == "clock.resumed":
            said: list[Any] = [entry.facts.get(name) for name in ("since", "until", "deaf")]
            begun, until, deaf = said
            problem = _resumed(begun, until, deaf, since, over, total, entry.time)
            if not problem:
                found.append((begun, until))
                over, total, since = until, deaf, None
        else:
            continue
        if problem:
            notes.violations.append(Finding(Code.DEAF_UNACCOUNTED, problem, "", entry.seq, entry.id))
    return tuple(found) if since is None else (*found, (since, None))


def _resumed(begun: Any, until: Any, deaf: Any, since: int | None, over: int, total: int, time: int) -> str:
    """What is wrong with the end of an outage, or ''. `since`: of the one that is known to be open; `over`: when the last ended."""
    if not all(type(number) is int for number in (begun, until, deaf)):
        return "an outage has a beginning, an end and a sum"
    if (since is not None and begun != since) or begun < over:
        return "an outage ends that began at another time"
    if not begun <= until <= time:
        return "an outage ends before it began, or after it is published"
    return "" if deaf == total + until - begun else "the outages do not sum up to its deaf time"


def pauses(chain: Chain, notes: Notes) -> None:
    """The operator closes the house to new business and opens it again, in turn; the second says since when it was closed."""
    closed: Entry | None = None
    for entry in chain.entries:
        problem = ""
        match entry.type:
            case "house.paused":
                problem = "it is paused already" if closed else ""
                closed = closed or entry
            case "house.resumed":
                since = entry.facts.get("since")
                if closed is None:
                    problem = "nothing was paused"
                elif type(since) is not int or not closed.time - CLOCK_SLACK <= since <= closed.time:
                    problem = "it was paused at another time"
                closed = None
        if problem:
            notes.violations.append(
                Finding(Code.HOUSE_CONTRADICTS, f"{entry.type}, but {problem}", "", entry.seq, entry.id)
            )


def announced(chain: Chain) -> tuple[tuple[int, str], ...]:
    """Which terms were in force since when."""
    said = [(entry.time, entry.facts.get("terms")) for entry in chain.entries if entry.type in ("start", "terms")]
    return tuple((at, version) for at, version in said if isinstance(version, str) and is_hex64(version))


def check_state(s: Standing, chain: Chain, events: list[Event]) -> None:
    """The state event says what the log's head says. An older one is stale; one that knows more than the log betrays a hidden entry."""
    if not events:
        s.notes.warnings.append(Finding(Code.STATE_MISSING, "no state event was found", s.task))
        return
    event = min(events, key=lambda each: (-each.created_at, each.id))

    def wrong(code: Code, detail: str) -> None:
        s.notes.violations.append(Finding(code, detail, s.task, 0, event.id))

    said = _object(event)
    heads = [tag[1] for tag in event.tags if tag[0] == "e" and len(tag) == 2]
    seq = event.first("seq") or ""
    if said is None or said.get("task") != s.task or len(heads) != 1 or not seq.isdecimal() or len(seq) > 9:
        return wrong(Code.STATE_CONTRADICTS, "the state event does not name its task and one head")
    if int(seq) > len(chain.entries):
        return wrong(Code.STATE_AHEAD, f"it knows {seq} entries, the log shows {len(chain.entries)}")
    if int(seq) == 0 or chain.entries[int(seq) - 1].id != heads[0]:
        return wrong(Code.STATE_CONTRADICTS, f"its head is not entry {seq} of the log")
    head = chain.entries[int(seq) - 1]
    next_one = head.work == "RELEASED" and head.state == "Draft"  # the state is that of the milestone which follows
    wanted: dict[str, Any] = {
        "state": head.state,
        "work": "PENDING" if next_one else head.work,
        "seq": head.seq,
        "head": head.id,
    }
    if head is s.last:
        wanted |= {
            "employer": s.employer,
            "worker": s.worker or None,
            "reward_msat": s.reward,
            "net_msat": s.net,
            "hold_msat": s.hold,
            "currency": s.words.get("currency"),
            "price": s.words.get("price"),
            "rate": s.rate or None,
            "title": s.title,
            **(
                {"milestone": s.number, "milestones": len(s.parts), "total_msat": sum(part.reward for part in s.parts)}
                if s.parts
                else {}
            ),
        }
    differ = [name for name, value in wanted.items() if name in said and said[name] != value]
    if event.values("a") != [s.address]:
        differ.append("a")
    if differ:
        wrong(Code.STATE_CONTRADICTS, f"not as in the log: {', '.join(differ)}")
    if head is not chain.entries[-1]:
        behind = len(chain.entries) - head.seq
        s.notes.warnings.append(
            Finding(Code.STATE_STALE, f"it is {behind} entries behind the log", s.task, 0, event.id)
        )


def _object(event: Event) -> Mapping[str, Any] | None:
    try:
        said = read_json(event.content)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
