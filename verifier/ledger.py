"""Money in the daemon's own books: that it went there by the agreed terms only, and what is said of it from then on."""

from __future__ import annotations

from verifier.chain import Entry
from verifier.findings import Code
from verifier.holds import open_hold
from verifier.rules import Move
from verifier.standing import Hold, Standing


def locked(s: Standing, entry: Entry, move: Move) -> None:
    """One of the holds on which the milestone rests is settled into the books, for a task that somebody has claimed."""
    say, ref = s.sayer(entry), entry.facts["funding"]
    hold = next((each for each in s.holds if each.funding == ref), None)
    if "task.claimed" not in s.newest:
        say(Code.ILLEGAL_MOVE, "before somebody has claimed the task its money stays a held payment")
    if hold is None:
        return say(Code.WRONG_FUNDING, f"the money is held by {', '.join(each.funding for each in s.holds)}")
    if ref in s.vanished:
        say(Code.ILLEGAL_MOVE, "this hold was lost, and cannot be settled any more")
    book(s, entry, hold)


def book(s: Standing, entry: Entry, hold: Hold) -> None:
    """All of this hold goes into the books, once, and as the agreed terms say: from the start, or at its end. It is not renewed any more."""
    say = s.sayer(entry)
    if hold.booked:
        say(Code.ILLEGAL_MOVE, "the money was in the books already")
    if entry.facts["amount_msat"] != hold.amount:
        say(Code.WRONG_AMOUNT, f"the hold was {hold.amount} msat")
    last_safe_height = s.safe_height(hold.expiry_height)
    if not s.outlasts_hold:
        say(Code.AGAINST_TERMS, "by the terms the money is a held payment to the end")
    elif s.words["custody_mode"] != "ledger" and entry.height < last_safe_height:
        say(Code.TOO_EARLY, f"by the terms it stays a held payment up to block {last_safe_height}")
    open_hold(s, entry, say, hold.funding)
    s.books.add(hold.funding)
    _forget_renewal(s, hold.funding)


def _forget_renewal(s: Standing, ref: str) -> None:
    if s.renews == ref:
        s.quote = s.renews = ""
    for cover in s.covers.values():
        if cover.funding == ref:
            cover.asked = ""


def dispute_limit(s: Standing, entry: Entry) -> None:
    """A dispute about money in the books gives it back after the agreed time, and one before any money just ends then."""
    say, limit = s.sayer(entry), s.words.get("dispute_limit")
    if s.bare and not limit:  # a plan may agree on what the task's event knew nothing of
        limit = s.terms.get("dispute_limit")
    if not (s.locked or s.bare) or not limit:
        say(Code.ILLEGAL_MOVE, "only a dispute about money in the books, or before any, has a limit")
    elif entry.heard < s.disputed_at + limit:
        say(Code.TOO_EARLY, f"the dispute had {s.disputed_at + limit - entry.heard} s left")
