"""Who does the work: that he offered it himself, that the one who was picked had offered it, and that both came in their time."""

from __future__ import annotations

from verifier.chain import Entry
from verifier.findings import Code
from verifier.rules import Move
from verifier.standing import CLOCK_SLACK, Standing, strength


def offered(s: Standing, entry: Entry, move: Move) -> None:
    """Somebody would do it; his newest offer counts."""
    say = s.sayer(entry)
    _own_word(s, entry)
    if not s.picks:
        say(Code.AGAINST_TERMS, "by the terms the first claim wins, and nobody is picked")
    _place(s, entry)
    s.applicants[entry.by] = entry


def accepted(s: Standing, entry: Entry, move: Move) -> None:
    """The worker is bound before the money."""
    if not s.hires_first:
        s.sayer(entry)(Code.AGAINST_TERMS, "by the terms the money comes before the worker")
    _bind(s, entry, move)


def claimed(s: Standing, entry: Entry, move: Move) -> None:
    """The work begins: for the one who takes it or is picked now, or for the one who was bound before the money came."""
    if move.by != "node":
        _bind(s, entry, move)
    else:
        bound(s, entry)
    begin(s, entry)


def bound(s: Standing, entry: Entry) -> None:
    """It is the worker who was bound before, with the destination that he named."""
    if not s.worker or entry.facts["worker"] != s.worker:
        s.sayer(entry)(Code.WRONG_AUTHOR, "this worker was not bound before the work begins")
    elif (entry.facts["dest_hash"] or "") != s.dest_hash:
        s.sayer(entry)(Code.COMMITMENT_BROKEN, "the destination is not the one with which he was bound")


def begin(s: Standing, entry: Entry) -> None:
    """From here on he works; called so late that half of the time is gone, he gets no mark."""
    left, whole = s.deadline - entry.heard, s.deadline - s.consented
    near = abs(2 * left - whole) <= 2 * CLOCK_SLACK and s.consented != entry.heard
    s.rushed = None if near else 2 * left < whole
    s.begun = 0 if s.overtaken(entry) else entry.time
    s.proof, s.hours, s.rejects, s.prolonged, s.offers = 0, 0, 0, 0, {}


def abandoned(s: Standing, entry: Entry, move: Move) -> None:
    """The worker gives it back, or one who was not picked takes his offer back."""
    if entry.facts.get("worker", entry.by) != entry.by:
        s.sayer(entry)(Code.BAD_FACTS, "worker is somebody else than the one who did it")
    if move.by == "applicant":
        s.applicants.pop(entry.by, None)
        return
    if move.state_after not in ("Draft", "Funded"):
        return
    if move.state_after == "Funded":
        if entry.heard >= s.deadline + s.late(entry):
            s.sayer(entry)(Code.TOO_LATE, "after the deadline nobody else can take the task")
        s.funded_until = min(entry.heard + s.words["hold_timeout"], s.deadline)
    s.quote = ""
    s.worker, s.dest_hash, s.offers, s.bound, s.consent, s.plan = "", "", {}, 0, [], None


def _bind(s: Standing, entry: Entry, move: Move) -> None:
    say, who = s.sayer(entry), entry.facts["worker"]
    picked = move.by == "employer"
    if picked != s.picks:
        say(Code.AGAINST_TERMS, f"by the terms {'the employer picks' if s.picks else 'the first claim wins'}")
    _place(s, entry)
    offer = s.applicants.pop(who, None)
    if not picked:
        _own_word(s, entry)
        offer = entry
    elif who in (s.employer, s.book.bot):
        say(Code.WRONG_AUTHOR, "the worker is one of the other parties")
    if offer is None:
        say(Code.NO_AGREEMENT, "he had not offered to do it, or had taken that back")
        offer = entry
    elif offer.facts["dest_hash"] != entry.facts["dest_hash"]:
        say(Code.COMMITMENT_BROKEN, "the destination is not the one that he offered it with")
    s.worker, s.dest_hash, s.claim_signed = who, entry.facts["dest_hash"] or "", offer.proven == "signed"
    s.bound, s.consented = entry.seq, offer.heard
    s.consent = [strength(offer), *([strength(entry)] if picked else [])]


def _place(s: Standing, entry: Entry) -> None:
    """There is a place for a worker, and time for the work."""
    say = s.sayer(entry)
    if s.worker:
        say(Code.ILLEGAL_MOVE, "somebody has the task already")
    if s.state == "Draft" and not s.hires_first:
        say(Code.AGAINST_TERMS, "by the terms the money comes before the worker")
    until = min(s.deadline, s.funded_until) if s.state == "Funded" else s.deadline
    if entry.heard >= until + s.late(entry):
        say(Code.TOO_LATE, "the time for a claim was over")


def _own_word(s: Standing, entry: Entry) -> None:
    if entry.facts["worker"] != entry.by or entry.by in (s.employer, s.book.bot):
        s.sayer(entry)(Code.WRONG_AUTHOR, "the worker is somebody else than the claimant, or one of the other parties")
