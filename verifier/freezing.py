"""What may happen while the operator has frozen a task, and by how much its times move when he lets it go on."""

from __future__ import annotations

from verifier.chain import Entry
from verifier.findings import Code
from verifier.rules import Move
from verifier.standing import CLOCK_SLACK, Standing


def check(s: Standing, entry: Entry, move: Move) -> None:
    """Only the node's word counts then, what the heights ask for, and work that was delivered before and looked at meanwhile; and
    with the release of a milestone the work on the next one begins, where it waits for no money."""
    if s.frozen is None or move.by == "operator":
        return
    match move.by:
        case "node":
            fits = entry.type != "invoice.created"
        case "clock":
            released = s.last is not None and s.last.type == "settlement.completed"
            at_height = bool(s.unbooked) and entry.height >= s.last_safe_height
            fits = at_height or (released and entry.type == "task.claimed")
        case _:
            fits = entry.type == "proof.submitted" and entry.facts["heard_at"] <= s.frozen.time
    if not fits:
        s.sayer(entry)(Code.WHILE_FROZEN, f"{entry.type} by the {move.by}, and the task is frozen")


def frozen(s: Standing, entry: Entry, move: Move) -> None:
    if s.frozen is not None:
        s.sayer(entry)(Code.ILLEGAL_MOVE, "it is frozen already")
    s.frozen = entry


def unfrozen(s: Standing, entry: Entry, move: Move) -> None:
    """All times move by as much as it was frozen, on the hearing clock, which may fall back: silence becomes deafness afterwards."""
    say, seconds = s.sayer(entry), int(entry.facts["seconds"])
    if s.frozen is None:
        return say(Code.ILLEGAL_MOVE, "it is not frozen")
    passed, s.frozen = max(0, entry.heard - s.frozen.heard), None
    if abs(passed - seconds) > CLOCK_SLACK:
        say(Code.WRONG_UNTIL, f"it was frozen for {passed} s, and its times move by {seconds}")
    s.deadline += seconds
    s.whole_deadline += seconds
    for part in s.parts:
        part.due += seconds
    s.disputed_at = s.disputed_at and s.disputed_at + seconds
    s.funded_until = s.funded_until and s.funded_until + seconds
    s.review_until = s.review_until and s.review_until + seconds
    s.resubmit_until = s.resubmit_until and s.resubmit_until + seconds
    s.pay_until = s.pay_until and s.pay_until + seconds
    if not s.deadline - CLOCK_SLACK <= entry.facts["deadline"] - entry.deaf <= s.deadline:
        say(Code.WRONG_UNTIL, "the deadline is not the old one moved by that")
