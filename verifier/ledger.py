"""Money in the daemon's own books: that it went there by the agreed terms only, and what is said of it from then on."""

from __future__ import annotations

from verifier.chain import Entry
from verifier.findings import Code
from verifier.holds import open_hold
from verifier.rules import Move
from verifier.standing import Standing


def locked(s: Standing, entry: Entry, move: Move) -> None:
    """The hold is settled into the books: the agreed terms say so, for a task that somebody has claimed, or at the hold's end."""
    say, facts = s.sayer(entry), entry.facts
    if s.locked:
        say(Code.ILLEGAL_MOVE, "the money was in the books already")
    if facts["amount_msat"] != s.hold:
        say(Code.WRONG_AMOUNT, f"the hold was {s.hold} msat")
    at_end = str(s.words["on_hold_end"]).endswith("ledger")
    if "task.claimed" not in s.newest:
        say(Code.ILLEGAL_MOVE, "before somebody has claimed the task its money stays a held payment")
    elif s.words["custody_mode"] != "ledger" and not at_end:
        say(Code.AGAINST_TERMS, "by the terms the money is a held payment to the end")
    elif s.words["custody_mode"] != "ledger" and entry.height < s.last_safe_height:
        say(Code.TOO_EARLY, f"by the terms it stays a held payment up to block {s.last_safe_height}")
    open_hold(s, entry, say, s.held)
    s.locked = True


def dispute_limit(s: Standing, entry: Entry) -> None:
    """A dispute about money in the books gives it back after the agreed time, and one before any money just ends then."""
    say, limit = s.sayer(entry), s.words.get("dispute_limit")
    if s.bare and not limit:  # a plan may agree on what the task's event knew nothing of
        limit = s.terms.get("dispute_limit")
    if not (s.locked or s.bare) or not limit:
        say(Code.ILLEGAL_MOVE, "only a dispute about money in the books, or before any, has a limit")
    elif entry.heard < s.disputed_at + limit:
        say(Code.TOO_EARLY, f"the dispute had {s.disputed_at + limit - entry.heard} s left")
