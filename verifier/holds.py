"""Holds that are over: that what was committed to when their invoices were made is opened, once, and that all of them are accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from verifier.chain import Entry, check_facts
from verifier.crypto import commit
from verifier.findings import Code
from verifier.rules import CREDIT_FACTS, HOLD_FACTS
from verifier.standing import Credit, Hold, Say, Standing


def open_hold(s: Standing, entry: Entry, say: Say, ref: str) -> None:
    """The hold's payment hash, shown when it is over, is the one that was committed to when its invoice was made."""
    facts = entry.facts
    if facts.get("funding") != ref:
        say(Code.WRONG_FUNDING, f"the money is held by {ref}")
    if "payment_hash" not in facts or "hash_salt" not in facts:
        say(Code.BAD_FACTS, "payment_hash and hash_salt open the commitment at the end")
        return
    _open(s, entry, ref, facts, say)


def open_others(s: Standing, entry: Entry, say: Say, *but: str) -> None:
    """The same for the other hold, where the milestone rests on two."""
    left = [hold for hold in s.holds if hold.funding not in but]
    if "other_holds" not in entry.facts:
        if left:
            say(Code.BAD_FACTS, f"other_holds does not say what becomes of {left[0].funding}")
        return
    said = [item for item in entry.facts["other_holds"] if well_formed(item, HOLD_FACTS, say)]
    if not said or [(i["funding"], i["amount_msat"]) for i in said] != [(h.funding, h.amount) for h in left]:
        return say(Code.WRONG_FUNDING, f"the other holds are {', '.join(hold.funding for hold in left) or 'none'}")
    for item in said:
        _open(s, entry, item["funding"], item, say)


def left(s: Standing, entry: Entry, say: Say) -> None:
    """The end behind a loss of one of two holds: the other goes back, and is named there; or it was in the books, or settled before that."""
    if "funding" in entry.facts and entry.facts["funding"] not in s.vanished:
        say(Code.WRONG_FUNDING, f"what was lost is {', '.join(s.vanished)}")
    open_others(s, entry, say, *s.vanished)
    credited(s, entry, [hold for hold in s.holds if hold.funding not in s.vanished], say)


def _open(s: Standing, entry: Entry, ref: str, shown: Mapping[str, Any], say: Say) -> None:
    if commit(shown["hash_salt"], shown["payment_hash"]) != s.commitments.get(ref):
        say(Code.COMMITMENT_BROKEN, "the payment hash is not the one that was committed to")
    use(s, entry, ref, shown["payment_hash"], say)


def use(s: Standing, entry: Entry, by: str, payment_hash: str, say: Say) -> None:
    """One hash, one use; the end of a lost hold may show its hash again."""
    if s.book.hashes.setdefault(payment_hash, by) != by:
        say(Code.HASH_REUSED, f"this payment hash was used by {s.book.hashes[payment_hash]}")
    s.opened.append((payment_hash, entry.seq))


def well_formed(item: Mapping[str, Any], wanted: Any, say: Say) -> bool:
    problem, _ = check_facts(item, wanted)
    if problem:
        say(Code.BAD_FACTS, problem)
    return not problem


def credited(s: Standing, entry: Entry, holds: list[Hold], say: Say) -> int:
    """What goes back out of the books is owed to the employer, hold by hold, as is what the node has settled instead of giving it back; how
    much that is."""
    owed = [item for item in entry.facts.get("credited", []) if well_formed(item, CREDIT_FACTS, say)]
    left = [hold.amount for hold in holds]
    for item in owed:
        if (item["role"], item["to"]) != ("employer", s.employer) or item["amount_msat"] <= 0:
            say(Code.WRONG_SHARE, f"{item['role'][:20]} is credited with what he is not owed")
        if item["amount_msat"] in left:
            left.remove(item["amount_msat"])
        else:
            say(Code.UNBALANCED, "what was in the books or settled instead of refunded is owed to the employer")
    booked = Counter(hold.amount for hold in holds if hold.booked)
    if booked - Counter(item["amount_msat"] for item in owed) or ("credited" in entry.facts and not owed):
        say(Code.UNBALANCED, "the employer was not credited")
    if owed:
        s.credits["employer"] = tuple(Credit(item["to"], item["amount_msat"]) for item in owed)
    return sum(item["amount_msat"] for item in owed)
