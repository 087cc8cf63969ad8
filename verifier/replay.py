"""A task's chain, entry by entry: which move of the table each is, and whether it was allowed, said, timed and counted right."""

from __future__ import annotations

from collections.abc import Callable

from verifier import approval, deposit, freezing, hiring, ledger, money, projects, voices, work
from verifier.chain import HEARING_SLACK, Chain, Entry
from verifier.findings import Code, Notes
from verifier.rules import FINAL, HIRES, MOVES, Move
from verifier.standing import Book, Standing

Step = Callable[[Standing, Entry, Move], None]

STEPS: dict[str, Step] = {
    "task.created": work.created,
    "claim.offered": hiring.offered,
    "task.accepted": hiring.accepted,
    "task.claimed": hiring.claimed,
    "plan.proposed": projects.proposed,
    "plan.agreed": projects.agreed,
    "task.abandoned": hiring.abandoned,
    "proof.submitted": work.submitted,
    "proof.verified": work.verified,
    "proof.rejected": work.rejected,
    "review.prolonged": work.prolonged,
    "dispute.opened": work.disputed,
    "dispute.resolved": work.resolved,
    "cancel.offered": work.offered,
    "refund.started": work.refund_started,
    "task.frozen": freezing.frozen,
    "task.unfrozen": freezing.unfrozen,
    "invoice.created": money.invoiced,
    "invoice.expired": money.voided,
    "funding.failed": money.voided,
    "invoice.accepted": money.accepted,
    "rollover.asked": money.renewal_asked,
    "rollover.completed": money.renewed,
    "ledger.locked": ledger.locked,
    "settlement.started": money.settling,
    "settlement.completed": money.settled,
    "hold.lost": money.lost,
    "refund.completed": money.ended,
    "task.expired": money.ended,
    "compensation": money.compensated,
}

# The same where nothing is held, since the task is paid on approval.
WITHOUT_MONEY: dict[str, Step] = {
    "task.claimed": approval.begun,
    "proof.verified": approval.verified,
    "dispute.resolved": approval.resolved,
    "invoice.created": approval.invoiced,
    "invoice.accepted": approval.accepted,
    "payment.missed": approval.missed,
    "refund.completed": approval.ended,
    "task.expired": approval.ended,
}

AFTER_LOSS = frozenset(
    {"settlement.completed", "task.expired", "funding.stray", "task.frozen", "task.unfrozen", "ledger.locked"}
)


def replay(chain: Chain, book: Book, notes: Notes) -> Standing:
    """Reads as far as the table allows: behind an illegal move nothing more can be judged."""
    s = Standing(chain.name, book, notes)
    entries = chain.entries
    at = 0
    while at < len(entries):
        if deposit.concerns(entries[at]):
            if not _beside(s, entries[at]):
                break
            at += 1
            continue
        move = _find(s, entries, at)
        if move is None:
            break
        group = entries[at : at + len(move.types)]
        _step(s, group, move)
        at += len(group)
    return s


def _beside(s: Standing, entry: Entry) -> bool:
    """An entry about a deposit; False where it has no place."""
    move = deposit.move(s, entry)
    if move is None:
        return False
    deposit.check(s, entry, move)
    if entry.facts.get("reason") != deposit.OVER:  # what stands right before an end is said by who ends it
        voices.check(s, entry, entry, move)
    deposit.STEPS[entry.type](s, entry, move)
    s.seen[entry.id] = s.newest[entry.type] = entry
    _place(s, (entry,))
    _deaf(s, entry)
    s.last = entry
    return True


def _find(s: Standing, entries: tuple[Entry, ...], at: int) -> Move | None:
    """The move that stands here, the longest and most particular one first; or None and a violation."""
    first = entries[at]
    say = s.sayer(first)
    if s.state in FINAL and first.type not in ("compensation", "funding.stray"):
        say(Code.AFTER_FINAL, f"{first.type} after {s.state}")
        return None
    here = [m for m in MOVES if (m.state, m.phase) == (s.state, s.phase) and s.work in m.works and _paid(s, m)]
    here.sort(key=lambda m: (-len(m.types), m.why == ""))
    fitting = [m for m in here if _fits(m, entries[at : at + len(m.types)], s.work)]
    if not fitting:
        where = f"{s.state or 'nothing'}{'/' + s.phase if s.phase else ''}, {s.work}"
        where += ", nothing held," if s.bare else ""
        say(Code.ILLEGAL_MOVE, f"from {where} no {first.type} leads to {first.state}, {first.work}")
        return None
    move = next((m for m in fitting if _may(s, m, first)), None)
    if move is None:
        say(Code.WRONG_AUTHOR, f"{first.type} takes the word of the {fitting[0].by}")
    return move


def _paid(s: Standing, move: Move) -> bool:
    """Some moves take that all the money is there, and some that it is not, yet. A deposit may be enough for what is approved, and for
    the work to begin."""
    if s.cover and s.state == "Draft" and move.types == ("task.claimed",):
        return s.on_approval or (s.cover.whole and bool(s.worker))
    if (
        s.cover
        and s.bare
        and move.types[0] in ("proof.verified", "dispute.resolved")
        and move.state_after == "Verified"
    ):
        return True
    return move.money in ("", "none" if s.bare else "held")


def _fits(move: Move, group: tuple[Entry, ...], before: str) -> bool:
    if tuple(entry.type for entry in group) != move.types:
        return False
    facts = group[-1].facts
    words = {facts.get("how"), facts.get("reason"), facts.get("verified_by")}
    outcome = (move.state_after, move.work_after or before)
    return (not move.why or move.why in words) and all((entry.state, entry.work) == outcome for entry in group)


def _may(s: Standing, move: Move, entry: Entry) -> bool:
    match move.by:
        case "employer" if entry.type == "task.created":
            return bool(entry.by == entry.facts["employer"])
        case "employer":
            return entry.by == s.employer
        case "worker" if entry.type in HIRES:  # whoever takes it
            return len(entry.by) == 64 and entry.by != s.employer
        case "anybody":
            return len(entry.by) == 64
        case "applicant":
            return entry.by in s.applicants
        case "worker":
            return entry.by == s.worker
        case "party":
            return entry.by in (s.employer, s.worker)
        case _:
            return entry.by == move.by


def _step(s: Standing, group: tuple[Entry, ...], move: Move) -> None:
    first, last = group[0], group[-1]
    for entry in group[1:]:
        same = [(e.by, e.proven, e.embedded, e.time, e.deaf, e.height, e.facts) for e in (first, entry)]
        if same[0] != same[1]:
            s.sayer(entry)(Code.BAD_FACTS, "the entries of one move do not say the same")
    settles = (
        move.types == ("settlement.started",) and move.why == "paid" and len(s.holds) > 1
    )  # what is left of two holds
    follows = move.types == ("hold.lost",) and money.may_vanish(s, first)  # the other one is gone, too
    if s.lost and s.state not in FINAL and not (settles or follows) and not AFTER_LOSS & set(move.types):
        s.sayer(first)(Code.ILLEGAL_MOVE, f"{first.type} after the hold was lost")
    deposit.before(s, group, move)
    freezing.check(s, first, move)
    approval.check(s, first, move)
    voices.check(s, first, last, move)
    steps = STEPS | WITHOUT_MONEY if move.money == "none" else STEPS
    enough = s.bare and s.cover is not None and s.work != "APPROVED" and move.state_after == "Verified"
    for entry in group:
        projects.check(s, entry)
        if step := steps.get(entry.type):
            step(s, entry, move)
        s.seen[entry.id] = s.newest[entry.type] = entry
    if enough:
        approval.covered(s, last)
    _place(s, group)
    _deaf(s, last)
    if "settlement.completed" in move.types and move.why != "unpaid":
        projects.settled(s, group[0], move)
    s.state, s.phase, s.work, s.last = move.state_after, move.phase_after, move.work_after or s.work, last
    if s.work == "RELEASED" and s.state == "Draft":  # of the next milestone
        s.work = "PENDING"


def _place(s: Standing, group: tuple[Entry, ...]) -> None:
    """The tags that say where an entry belongs and whom it concerns."""
    parties = [s.employer, s.worker] if s.worker else [s.employer]
    for entry in group:
        say = s.sayer(entry)
        root = s.root if entry.id != s.root else None
        if entry.event.first("e") != root:
            say(Code.WRONG_ROOT, "tag e does not name the beginning of this task")
        if entry.event.values("a") != [s.address]:
            say(Code.WRONG_ADDRESS, "tag a is not this task's address")
        if entry.event.values("p") != parties:
            say(Code.WRONG_PARTIES, "the tags p are not the parties")


def _deaf(s: Standing, entry: Entry) -> None:
    """The deaf time by which deadlines are moved is the sum of the outages in the daemon's own chain."""
    if not s.outages or entry.deaf > s.outages[-1][1]:
        s.outages.append((entry.time, entry.deaf))
    if s.book.outages is None:
        return
    least = sum(until - since for since, until in s.book.outages if until is not None and until <= entry.time)
    most = sum(max(0, min(until or entry.time, entry.time) - since) for since, until in s.book.outages)
    if not least - HEARING_SLACK <= entry.deaf <= most + HEARING_SLACK:
        detail = f"{entry.deaf} s of deaf time, the daemon's own chain shows {least if entry.deaf < least else most}"
        s.sayer(entry)(Code.DEAF_UNACCOUNTED, detail)
