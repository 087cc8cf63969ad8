"""Offer, proof and judgement: that each came in its time and as the task's own terms say."""

from __future__ import annotations

from verifier import fees, hours, ledger, projects, rates
from verifier.chain import ADDRESSABLE, Entry
from verifier.crypto import task_id
from verifier.findings import Code
from verifier.money import budget
from verifier.rules import Move
from verifier.standing import DAY, FALL_BACK, Standing, strength

PROLONGATIONS = 3
FETCH_TIME = 3600  # the longest that looking at a deliverable may keep its entry back
ORDERS, CLAIMS = ("fund_first", "hire_first"), ("first", "pick")
SEALED = ("refused", "accepted")
CHECKED = ("matched", "unchecked")


def created(s: Standing, entry: Entry, move: Move) -> None:
    say, facts = s.sayer(entry), entry.facts
    s.words, s.employer, s.title = facts, facts["employer"], facts["title"]
    s.reward, s.budget, s.hold = facts["reward_msat"], facts["budget_msat"], facts["hold_msat"]
    s.deadline = s.whole_deadline = facts["deadline"] - entry.deaf
    s.whole_price = "" if "milestones" in facts else str(facts.get("price", ""))
    s.total = sum(part.get("reward_msat", 0) for part in facts.get("milestones", [])) or s.reward
    s.address = entry.event.first("a") or ""
    if entry.proven == "attested":
        s.root = entry.id
        if entry.event.first("e") is not None:
            say(Code.WRONG_ROOT, "a posted task has no task event to name")
        if s.address != f"{ADDRESSABLE}:{s.book.bot}:holdfast-{s.task}":
            say(Code.WRONG_ADDRESS, "a posted task lives at the daemon's own state event")
    else:
        s.root = entry.event.first("e") or ""
        if s.root != facts["pinned"]:
            say(Code.WRONG_ROOT, "tag e is not the id of the pinned task event")
    if task_id(facts["pinned"]) != s.task:
        say(Code.WRONG_TASK_ID, f"the pinned id gives {task_id(facts['pinned'])}")
    if s.employer == s.book.bot:
        say(Code.WRONG_AUTHOR, "the daemon may not be a party")
    rates.offered(s, entry)
    s.fee = fees.service_fee(facts)
    if problem := fees.problem(facts):
        say(Code.BAD_FACTS, problem)
    if facts.get("service_fee_msat", 0) != s.fee.whole:
        say(Code.WRONG_FEE, f"by these terms the service fee is {s.fee.whole} msat")
    if facts.get("net_msat", s.reward) != s.net or s.net <= 0:
        say(Code.WRONG_FEE, f"the worker's part of the service fee leaves him {s.net} msat")
    if s.hold != s.net + s.fee.whole + s.budget or s.reward <= 0 or s.reward % 1000:
        say(Code.WRONG_AMOUNT, "the hold is the reward in whole sats, the service fee and the fee budget")
    if facts.get("order", ORDERS[0]) not in ORDERS or facts.get("claim", CLAIMS[0]) not in CLAIMS:
        say(Code.BAD_FACTS, "order or claim is not one of the protocol's words")
    if facts.get("sealed", SEALED[0]) not in SEALED:
        say(Code.BAD_FACTS, "sealed is not one of the protocol's words")
    if facts.get("funding", projects.FUNDINGS[0]) not in projects.FUNDINGS:
        say(Code.BAD_FACTS, "funding is not one of the protocol's words")
    projects.funding(s, say)
    if facts["deadline"] <= entry.time:
        say(Code.TOO_LATE, "the deadline had passed when the task was made")
    other = s.book.addresses.setdefault(s.address, s.task)
    if other != s.task:
        say(Code.ADDRESS_REUSED, f"this address belongs to {other}")
    _terms(s, entry)
    _project(s, entry)
    hours.offered(s, entry)


def _terms(s: Standing, entry: Entry) -> None:
    """The operator's terms that govern this task exist, and its numbers lie within them."""
    say, facts = s.sayer(entry), entry.facts
    terms = s.book.terms.get(facts["terms"])
    if terms is None:
        return say(Code.TERMS_MISSING, "the terms that it names were never published")
    s.terms = terms
    named = [version for at, version in s.book.announced if at <= entry.time]
    if s.book.announced and facts["terms"] not in named[-1:]:
        s.warn(entry, Code.TERMS_UNANNOUNCED, "these were not the terms in force by the daemon's own chain")
    least, most = terms.get("min_reward_msat"), terms.get("max_reward_msat")
    outside = []
    if (least is not None and s.reward < least) or (most is not None and s.reward > most):
        outside.append("reward_msat")
    if {"budget_base_msat", "budget_ppm"} <= set(terms) and s.budget != budget(terms, s.reward):
        outside.append("budget_msat")
    theirs, agreed = fees.terms_of(terms), fees.terms_of(facts)
    outside += [name for name in fees.NONE if theirs[name] != agreed[name]]
    outside += [name for name in ("margin", "payout_limit") if terms.get(name, facts[name]) != facts[name]]
    if facts["custody_mode"] not in terms.get("custody_modes", [facts["custody_mode"]]):
        outside.append("custody_mode")
    if facts["on_hold_end"] not in terms.get("on_hold_end", [facts["on_hold_end"]]):
        outside.append("on_hold_end")
    if s.deadline > entry.heard + terms.get("max_deadline", s.deadline):
        outside.append("deadline")
    if terms.get("dispute_limit", facts.get("dispute_limit")) != facts.get("dispute_limit", terms.get("dispute_limit")):
        outside.append("dispute_limit")
    if (s.outlasts_hold or s.on_approval) and "dispute_limit" not in facts:
        outside.append("dispute_limit")
    if outside:
        say(Code.OUTSIDE_TERMS, f"not within the operator's terms: {', '.join(outside)}")
    missing = sorted({"min_reward_msat", "max_reward_msat", "budget_base_msat", "budget_ppm", "margin"} - set(terms))
    if missing:
        s.warn(entry, Code.TERMS_INCOMPLETE, f"the terms do not say {', '.join(missing)}")


def _project(s: Standing, entry: Entry) -> None:
    """A task whose event names its milestones is cut from the start."""
    say, facts = s.sayer(entry), entry.facts
    parts = "milestones" in facts
    kind, cut = facts.get("payment_type", "FIXED_PRICE"), (projects.MILESTONE, hours.HOURLY)
    if kind not in ("FIXED_PRICE", *cut) or (parts and kind not in cut):
        say(Code.BAD_FACTS, "payment_type is not one of the protocol's words")
    elif parts:
        first = (s.reward, s.budget)
        projects.cut(s, entry, projects.read_parts(s, entry, s.total, say), say)
        if first != (s.reward, s.budget):
            say(Code.WRONG_AMOUNT, "the first milestone is another one")


def submitted(s: Standing, entry: Entry, move: Move) -> None:
    say, facts = s.sayer(entry), entry.facts
    until = s.resubmit_until if s.work == "REJECTED" else s.deadline
    at_once = facts["check_reason"] in ("fetching_off", "scheme")
    heard_at = facts["heard_at"]
    begun = 0 if s.overtaken(entry) else s.begun
    if not begun <= heard_at <= entry.time or entry.time - heard_at > FETCH_TIME + s.outage(heard_at, entry):
        say(Code.TOO_LATE, "heard_at is not between the claim and this entry")
    elif at_once and not s.told_of(heard_at, entry):
        say(Code.TOO_LATE, "heard_at lies back although nothing was fetched")
    if heard_at - entry.deaf >= until:
        say(Code.TOO_LATE, "the time for a proof was over")
    if facts["number"] <= s.proofs:
        say(Code.ILLEGAL_MOVE, "a proof's number is above that of the one before")
    if facts["check"] not in CHECKED:
        say(Code.BAD_FACTS, "a proof is matched or unchecked; one that does not match is refused")
    if key_hash := facts.get("key_hash"):
        if s.words.get("sealed") != "accepted":
            say(Code.AGAINST_TERMS, "by the terms no sealed work is accepted")
        s.key_hashes.add(key_hash)
    s.proof = s.proofs = facts["number"]
    s.prolonged = 0
    hours.delivered(s, entry)
    s.review_until = published_until(s, entry, "review_until", entry.heard + s.words["review_window"])


def verified(s: Standing, entry: Entry, move: Move) -> None:
    say, facts = s.sayer(entry), entry.facts
    s.approved_at = entry.heard
    if move.why == "agreement":
        agreed(s, entry)
    else:
        s.percent, s.decision = 100, [strength(entry)]
        if facts["verified_by"] != (entry.by if move.by == "employer" else "silence"):
            say(Code.BAD_FACTS, "verified_by is somebody else than the one who did it")
        if facts.get("proof") != s.proof:
            say(Code.BASIS_STALE, f"it judges proof {facts.get('proof')}, the newest is {s.proof}")
    if move.why == "silence":
        _silent(s, entry, "approve")


def _silent(s: Standing, entry: Entry, terms: str) -> None:
    say = s.sayer(entry)
    if s.words["on_silence"] != terms:
        say(Code.AGAINST_TERMS, f"by the terms silence means {s.words['on_silence']}")
    by_height = bool(s.unbooked) and entry.height >= s.last_safe_height
    if entry.heard < s.review_until and not by_height:
        say(Code.TOO_EARLY, f"the review had {s.review_until - entry.heard} s left")


def prolonged(s: Standing, entry: Entry, move: Move) -> None:
    say = s.sayer(entry)
    if entry.heard < s.review_until:
        say(Code.TOO_EARLY, "the review was not over")
    s.prolonged += 1
    if s.prolonged > PROLONGATIONS:
        say(Code.AGAINST_TERMS, f"a review is prolonged {PROLONGATIONS} times at most")
    s.review_until = published_until(s, entry, "until", entry.heard + DAY)
    if s.unbooked and s.review_until > s.at_height(entry, s.last_safe_height):
        say(Code.WRONG_UNTIL, "it goes past the last safe height")


def rejected(s: Standing, entry: Entry, move: Move) -> None:
    say, terms = s.sayer(entry), s.words
    again = terms["on_reject"] == "revise" and s.rejects < terms["max_rejects"]
    if again != (move.state_after == "Claimed"):
        word = "another try" if again else "a dispute"
        return say(Code.AGAINST_TERMS, f"by the terms {word} follows")
    if again:
        s.rejects += 1
        until = max(entry.heard + DAY, s.deadline)
        if s.holds and not s.outlasts_hold:
            until = min(until, s.at_height(entry, s.last_safe_height))
        if "until" not in entry.facts:
            return say(Code.BAD_FACTS, "until is missing")
        s.resubmit_until = published_until(s, entry, "until", until)


def disputed(s: Standing, entry: Entry, move: Move) -> None:
    say = s.sayer(entry)
    if move.by == "clock":
        _silent(s, entry, "dispute")
    if entry.facts["by"] != ("silence" if move.by == "clock" else entry.by):
        say(Code.BAD_FACTS, "by is somebody else than the one who did it")
    if s.state == "Verified" and s.percent != 100:
        say(Code.AGAINST_TERMS, "what both agreed on cannot be disputed")
    if s.borne is not None:
        say(Code.AGAINST_TERMS, "what the employer has not paid for is paid out of the deposit and over")
    s.approved_at, s.disputed_at, s.offers, s.closing = 0, entry.heard, {}, False


def offered(s: Standing, entry: Entry, move: Move) -> None:
    percent = entry.facts["percent"]
    if entry.facts["by"] != entry.by:
        s.sayer(entry)(Code.BAD_FACTS, "by is somebody else than the one who did it")
    if any(who != entry.by and other == percent for who, (other, _) in s.offers.items()):
        s.sayer(entry)(Code.AGREEMENT_IGNORED, "the other side had offered the same: that is an agreement")
    s.offers[entry.by] = (percent, entry)


def resolved(s: Standing, entry: Entry, move: Move) -> None:
    say, facts = s.sayer(entry), entry.facts
    match move.why:
        case "agreement":
            agreed(s, entry)
        case "approve":
            s.percent, s.decision = 100, [strength(entry)]
            if facts["percent"] != 100 or facts.get("verified_by") != entry.by or (facts.get("proof") or 0) != s.proof:
                say(Code.BAD_FACTS, "an approval is for everything, by the employer, of the newest proof")
        case "hold_end" | "dispute_limit":
            s.percent, s.decision = 0, [strength(entry)]
            if facts["percent"] != 0:
                say(Code.WRONG_SHARE, "what nobody ends gives everything back")
            hold_end(s, entry) if move.why == "hold_end" else ledger.dispute_limit(s, entry)
    s.approved_at = entry.heard


def agreed(s: Standing, entry: Entry) -> None:
    """Both want it: the other side's offer stands at exactly this percentage, and the worker's share decides which end it is."""
    say, percent = s.sayer(entry), entry.facts.get("percent")
    theirs = [offer for who, (offered, offer) in s.offers.items() if who != entry.by and offered == percent]
    if percent is None or not theirs:
        say(Code.NO_AGREEMENT, "the other side had not offered this")
        return
    s.percent, s.offers, s.closing = percent, {}, True
    if (entry.work == "APPROVED") != (s.share_of(percent) > 0):
        say(Code.WRONG_SHARE, f"{percent} percent of the reward ends otherwise")
    s.decision = [strength(entry), *map(strength, theirs)]


def refund_started(s: Standing, entry: Entry, move: Move) -> None:
    """The money goes back: not before the time that is named as the reason."""
    say, reason, heard = s.sayer(entry), entry.facts["reason"], entry.heard
    s.reason = reason
    if entry.facts["funding"] != s.main:
        say(Code.WRONG_FUNDING, f"the money is held by {s.main}")
    late = "the time for it had not come"
    match reason:
        case "hold_timeout":
            if heard < s.funded_until:
                say(Code.TOO_EARLY, late)
        case "unclaimed" | "no_proof":
            if heard < s.deadline:
                say(Code.TOO_EARLY, late)
        case "no_resubmission":
            if heard < s.resubmit_until:
                say(Code.TOO_EARLY, late)
        case "hold_end":
            hold_end(s, entry)
        case "worker_unreachable" if s.locked:
            say(Code.ILLEGAL_MOVE, "money in the books waits for the worker")
        case "worker_unreachable":
            if heard < s.approved_at + DAY - FALL_BACK and entry.height < s.settle_height:
                say(Code.TOO_EARLY, late)
        case "agreed" if move.types == ("refund.started",):
            return agreed(s, entry)
    if reason == "worker_unreachable":
        s.decision.append(strength(entry))
    elif "dispute.resolved" not in move.types:
        s.decision = [strength(entry)]


def hold_end(s: Standing, entry: Entry) -> None:
    if s.locked or (s.outlasts_hold and s.state != "Funded"):
        s.sayer(entry)(Code.AGAINST_TERMS, "by the terms the money goes into the books then, and not back")
    if entry.height < s.last_safe_height:
        s.sayer(entry)(Code.TOO_EARLY, f"the hold's last safe height is {s.last_safe_height}")


def published_until(s: Standing, entry: Entry, name: str, wanted: int) -> int:
    """A published time on the hearing clock; a violation when it is not the one that the terms give."""
    found = int(entry.facts[name]) - entry.deaf
    if found > wanted or not s.told_of(entry.time - (wanted - found), entry):
        s.sayer(entry)(Code.WRONG_UNTIL, f"{name} is {found - wanted:+d} s off")
    return found
