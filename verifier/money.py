"""Money: that amounts are the agreed ones to the msat, commitments open to what they hid, and nothing is left unexplained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verifier import holds, rates
from verifier.chain import Entry
from verifier.crypto import commit, is_hex64, opens
from verifier.findings import Code
from verifier.rules import CREDIT_FACTS, ENDS_MARKED, PAYOUT_FACTS, Move
from verifier.standing import CLOCK_SLACK, DAY, FALL_BACK, Cover, Credit, Say, Standing, strength, weakest

OF_A_SETTLEMENT = ("hold_msat", "payouts", "fee_msat", "insurance_msat")
RENEWAL_BLOCKS = 144  # a fresh hold is asked for so long before L, and ends so much later than the one before


def budget(terms: Mapping[str, Any], amount: int) -> int:
    """The fee budget of a payout: a part in ppm, rounded up to the sat, and at least the base."""
    ppm = -(-amount * int(terms["budget_ppm"]) // 1_000_000)
    return max(int(terms["budget_base_msat"]), -(-ppm // 1000) * 1000)


def invoiced(s: Standing, entry: Entry, move: Move) -> None:
    say = s.sayer(entry)
    if s.hires_first and not s.worker:
        say(Code.AGAINST_TERMS, "by the terms somebody is hired before the money is asked for")
    if s.words.get("payment_type") == "MILESTONE" and not s.parts:
        say(Code.AGAINST_TERMS, "by the terms the milestones are agreed on before the money is asked for")
    if s.on_approval and s.state == "Draft":
        say(Code.AGAINST_TERMS, "by the terms the money is asked for when the work is approved")
    if entry.type == "invoice.created":
        rates.quoted(s, entry)
    if s.asked <= 0:
        say(Code.ILLEGAL_MOVE, "the deposit is all that it costs, and nothing is left to be asked for")
    _quote(s, entry, s.asked)
    if (cover := s.covers.get(s.number)) and not cover.held:
        cover.dropped = True


def _quote(s: Standing, entry: Entry, amount: int, renews: str = "") -> None:
    """An invoice over this amount is open."""
    if entry.facts["amount_msat"] != amount:
        detail = f"the invoice is for {entry.facts['amount_msat']} msat, and {amount} are asked for"
        s.sayer(entry)(Code.WRONG_AMOUNT, detail)
    s.quote, s.quoted, s.renews = fresh(s, entry), amount, renews


def fresh(s: Standing, entry: Entry) -> str:
    """The name of a new funding, whose commitment is noted."""
    ref = str(entry.facts["funding"])
    if ref in s.commitments or not ref.startswith(f"{s.task}/h"):
        s.sayer(entry)(Code.WRONG_FUNDING, f"{ref[:40]} is not a fresh name for a funding of this task")
    s.commitments[ref] = entry.facts["hash_commitment"]
    return ref


def voided(s: Standing, entry: Entry, move: Move) -> None:
    if s.cover and entry.facts["funding"] == s.cover.asked:
        s.cover.asked = ""
        return
    if not s.quote or entry.facts["funding"] != s.quote:
        s.sayer(entry)(Code.WRONG_FUNDING, f"the open invoice is {s.quote}")
    s.quote = ""


def renewal_asked(s: Standing, entry: Entry, move: Move) -> None:
    """A fresh hold is asked for: by the terms, for the present hold (of two the one that ends first), and in its last day."""
    say, facts = s.sayer(entry), entry.facts
    replaced = next((hold for hold in s.holds if hold.funding == facts["replaces"]), None)
    if replaced and replaced.booked:
        say(Code.ILLEGAL_MOVE, "it is in the books, and no hold any more that could be renewed")
    elif replaced is None or replaced.expiry_height > s.expiry_height:
        say(Code.WRONG_FUNDING, f"the money is held by {', '.join(hold.funding for hold in s.unbooked)}")
    renewable(s, entry, s.last_safe_height)
    _quote(s, entry, replaced.amount if replaced else s.hold, facts["replaces"])


def renewable(s: Standing, entry: Entry, last_safe_height: int) -> None:
    """The terms have a fresh hold, and the time for it has come."""
    say = s.sayer(entry)
    if not str(s.words["on_hold_end"]).startswith("rollover"):
        say(Code.OUTSIDE_TERMS, "the terms have no rollover")
    if entry.height < last_safe_height - RENEWAL_BLOCKS:
        say(Code.TOO_EARLY, f"a fresh hold is asked for from block {last_safe_height - RENEWAL_BLOCKS} on")


def renewed(s: Standing, entry: Entry, move: Move) -> None:
    """The fresh hold lasts a day longer than the one that it replaces."""
    say, facts = s.sayer(entry), entry.facts
    if s.cover and facts["funding"] == s.cover.asked:  # it was asked for before the turn of its milestone came
        s.quote, s.quoted, s.renews, s.cover.asked = s.cover.asked, s.cover.amount, s.cover.funding, ""
    replaced = next((hold for hold in s.unbooked if hold.funding == facts["replaces"]), None)
    if replaced is None or facts["replaces"] != s.renews:
        say(Code.WRONG_FUNDING, f"the hold that is to be replaced is {s.renews}")
    if replaced:
        lasts(s, entry, replaced.expiry_height)
    held(s, entry, cover=s.cover if s.cover and s.cover.funding == facts["replaces"] else None)


def lasts(s: Standing, entry: Entry, expiry_height: int) -> None:
    """The fresh hold ends a day later than the one before."""
    if entry.facts["expiry_height"] < expiry_height + RENEWAL_BLOCKS:
        s.sayer(entry)(Code.WRONG_HEIGHT, f"a fresh hold ends at {expiry_height + RENEWAL_BLOCKS} or later")


def accepted(s: Standing, entry: Entry, move: Move) -> None:
    say, facts = s.sayer(entry), entry.facts
    if entry.heard >= s.deadline:
        say(Code.TOO_LATE, "the deadline had passed when the money came")
    held(s, entry)
    if move.state_after == "Claimed":
        return
    if s.worker:
        say(Code.ILLEGAL_MOVE, "somebody is hired, and the work does not begin with the money")
    if "until" not in facts:
        return say(Code.BAD_FACTS, "the fact until is missing")
    s.funded_until = min(entry.heard + s.words["hold_timeout"], s.deadline)
    found = facts["until"] - entry.deaf
    if not s.funded_until - CLOCK_SLACK <= found <= s.funded_until:
        say(Code.WRONG_UNTIL, f"until is {found - s.funded_until:+d} s off")
    s.funded_until = found


def held(s: Standing, entry: Entry, cover: Cover | None = None) -> None:
    """The open invoice was paid. `cover`: it is a fresh hold for this one of the deposit."""
    say, facts = s.sayer(entry), entry.facts
    if not s.quote or facts["funding"] != s.quote:
        say(Code.WRONG_FUNDING, f"the open invoice is {s.quote}")
    if not s.renews and s.asked != s.quoted and s.quote:
        say(Code.WRONG_AMOUNT, f"{s.quoted} msat were asked for, and {s.asked} are due by now")
    arrived(s, entry, s.quoted if s.quote else s.asked)
    s.quote = s.renews = ""
    if cover:
        cover.funding, cover.expiry_height = facts["funding"], facts["expiry_height"]
    else:
        s.held, s.held_amount, s.held_until = facts["funding"], facts["amount_msat"], facts["expiry_height"]


def arrived(s: Standing, entry: Entry, amount: int) -> None:
    """What was asked for is held, exactly and in no more parts than the terms allow, and long enough."""
    say, facts = s.sayer(entry), entry.facts
    if facts["amount_msat"] != amount:
        say(Code.WRONG_AMOUNT, f"{facts['amount_msat']} msat are held, and {amount} were asked for")
    if not 1 <= facts["parts"] <= s.terms.get("max_parts", facts["parts"]):
        say(Code.OUTSIDE_TERMS, f"{facts['parts']} parts")
    last_safe_height = s.safe_height(facts["expiry_height"])
    if facts["last_safe_height"] != last_safe_height or last_safe_height <= entry.height:
        say(Code.WRONG_HEIGHT, f"the last safe height is {last_safe_height}")


def settling(s: Standing, entry: Entry, move: Move) -> None:
    say = s.sayer(entry)
    s.reason = entry.facts["reason"]
    if entry.facts["funding"] != s.main:
        say(Code.WRONG_FUNDING, f"the money is held by {s.main}")
    if s.reason in ("margin", "unreached"):
        _unpaid(s, entry)
    if s.reason == "margin" and entry.height < s.settle_height:
        say(Code.TOO_EARLY, f"an unpaid hold is settled at {s.settle_height} and not before")


def _unpaid(s: Standing, entry: Entry) -> None:
    """An approved task is settled though nobody was paid: a hold at its margin; out of the books when nobody could be paid for a day."""
    say = s.sayer(entry)
    if (entry.facts["reason"] == "unreached") != s.locked:
        say(Code.ILLEGAL_MOVE, "a hold has a margin, and money in the books has none")
    if s.locked and entry.heard < s.approved_at + DAY - FALL_BACK:
        say(Code.TOO_EARLY, "he could not yet have been tried for a day")


def lost(s: Standing, entry: Entry, move: Move) -> None:
    """Of two holds it is the one that vanished; the other goes back now, when the task ends with that."""
    say = s.sayer(entry)
    if entry.facts["funding"] in s.books:
        say(Code.ILLEGAL_MOVE, "what is in the books cannot vanish with a hold")
    ref = entry.facts["funding"] if may_vanish(s, entry) else s.main
    holds.open_hold(s, entry, say, ref)
    if "task.expired" in move.types:
        holds.open_others(s, entry, say, ref)
        holds.credited(s, entry, [hold for hold in s.holds if hold.booked and hold.funding != ref], say)
    elif strange := [name for name in ("other_holds", "credited") if name in entry.facts]:
        say(Code.BAD_FACTS, f"nothing is said yet of another hold: {', '.join(strange)}")
    s.vanished = (*s.vanished, ref)
    s.lost = True
    s.warn(entry, Code.HOLD_LOST, "the daemon says that the hold vanished; only its node knows")


def may_vanish(s: Standing, entry: Entry) -> bool:
    """It is one of the holds that are still there; of two the other one may follow the first."""
    left = [hold.funding for hold in s.holds if hold.funding not in s.vanished]
    return entry.facts.get("funding") in left


def settled(s: Standing, entry: Entry, move: Move) -> None:
    """The end of a paid task: one payment to the worker, or a credit, and every msat of the hold explained."""
    say, facts = s.sayer(entry), entry.facts
    lost_after = "incident" in move.types
    unpaid = move.why == "unpaid"
    if unpaid != (s.borne is not None and not lost_after):
        say(
            Code.ILLEGAL_MOVE,
            "what is paid out of the deposit, since the employer has not paid, ends the task as unpaid",
        )
    if not unpaid and (strange := [name for name in ("reason", "mark") if name in facts]):
        say(Code.BAD_FACTS, f"{', '.join(strange)} have no place in this settlement")
    if lost_after != s.lost:
        say(Code.ILLEGAL_MOVE, "a payout out of a lost hold is an incident, and only that")
    holds.open_hold(s, entry, say, s.main)
    holds.open_others(s, entry, say, s.main)
    if facts["hold_msat"] != s.kept:
        say(Code.WRONG_AMOUNT, f"{s.kept} msat were held")
    if facts["percent"] != s.percent:
        say(Code.WRONG_SHARE, f"the worker's part is {s.percent} percent")
    paid = [item for item in facts["payouts"] if holds.well_formed(item, PAYOUT_FACTS, say)]
    owed = [item for item in facts["credited"] if holds.well_formed(item, CREDIT_FACTS, say)]
    _check_payouts(s, entry, paid, say)
    _check_credits(s, owed, "worker" if not paid else "", say)
    if (s.reason == "paid" or lost_after) and not paid:
        say(Code.UNBALANCED, "it was settled because the worker was paid, and no payment is shown")
    out = sum(item["amount_msat"] + item["fee_msat"] for item in paid)
    if lost_after:
        still = sum(hold.amount for hold in s.holds if hold.funding not in s.vanished)  # there, and settled
        loss, over = max(0, out - still), max(0, still - out)
        if owed or facts.get("fee_msat") or facts["insurance_msat"] != over or facts.get("loss_msat") != loss:
            say(Code.UNBALANCED, f"{loss} msat are the loss, and {over} are left")
    else:
        _balance(s, facts, out, owed, say)
    before = [s.evidence] if s.evidence else []  # that of milestones which were paid before
    s.evidence = weakest([strength(s.newest["task.created"]), *s.consent, *s.decision, *before])


def _balance(s: Standing, facts: Mapping[str, Any], out: int, owed: list[Any], say: Say) -> None:
    """hold = paid + routing fees + credits + service fee + insurance; of an agreed share the employer gets all that is left, and else
    what a deposit was more than it costs."""
    due = s.fee_due
    insured = s.fee.insured(due)
    if facts.get("fee_msat", 0) != due - insured:
        say(
            Code.WRONG_FEE,
            f"of a service fee of {due} msat {insured} are insurance, and {facts.get('fee_msat', 0)} were kept",
        )
    credited = {item["role"]: item["amount_msat"] for item in owed}
    rest = s.kept - out - credited.get("worker", 0) - due
    change = credited.get("employer", 0)
    kept = facts["insurance_msat"] - insured
    over = max(0, s.kept - s.share - due - s.budget)
    if change != (over if s.takes_all else rest) or kept != rest - change:
        say(
            Code.UNBALANCED, f"{rest} msat are left of the hold: {change} of change and {kept} kept do not explain them"
        )


def _check_payouts(s: Standing, entry: Entry, paid: list[Any], say: Say) -> None:
    s.payout = "credited" if not paid else "attested"
    if len(paid) > 1:
        say(Code.WRONG_SHARE, "the worker is paid once")
    for item in paid:
        if (item["role"], item["to"], item["amount_msat"]) != ("worker", s.worker, s.share):
            say(Code.WRONG_SHARE, f"the worker's share is {s.share} msat")
        if _check_payment(s, entry, item, s.budget, say):
            s.payout = "proven"


def _check_payment(s: Standing, entry: Entry, item: Mapping[str, Any], most: int, say: Say) -> bool:
    """The preimage opens the payment hash, and the salt, where one is shown, the claim's commitment to it. True when the worker
    had signed that commitment; what the daemon committed to for him is its own word."""
    if item["fee_msat"] > most:
        say(Code.FEE_ABOVE_BUDGET, f"the routing fee is above {most} msat")
    if not opens(item["preimage"], item["payment_hash"]):
        say(Code.WRONG_PREIMAGE, "the preimage does not hash to the payment hash")
    holds.use(s, entry, f"{s.task} #{entry.seq}", item["payment_hash"], say)
    salt = item["dest_salt"]
    promised = bool(salt) and s.claim_signed
    if item["status"] != ("proven" if promised else "attested"):
        say(Code.COMMITMENT_BROKEN, "a payment is proven when a signed claim promised it and its salt is shown")
    if salt and (not is_hex64(salt) or commit(salt, item["payment_hash"]) != s.dest_hash):
        say(Code.COMMITMENT_BROKEN, "the payment does not open the destination of the claim")
        return False
    return promised


def _check_credits(s: Standing, owed: list[Any], needed: str, say: Say) -> None:
    """The worker is owed his share, and what sending it may cost, when he was not paid; the employer his change; nobody anything else."""
    for item in owed:
        who = {"worker": s.worker, "employer": s.employer}.get(item["role"])
        right = item["to"] == who and item["role"] not in s.credits and item["amount_msat"] > 0
        if item["role"] == "worker":
            right = right and needed == "worker" and item["amount_msat"] == s.share + s.budget
        if not right:
            say(Code.WRONG_SHARE, f"{item['role'][:20]} is credited with what he is not owed")
        s.credits[item["role"]] = (Credit(item["to"], item["amount_msat"]),)
    if needed and needed not in s.credits:
        say(Code.UNBALANCED, f"the {needed} was neither paid nor credited")


def ended(s: Standing, entry: Entry, move: Move) -> None:
    """refund.completed and task.expired: without a hold at once, else on the node's word, which opens the commitment."""
    say, facts = s.sayer(entry), entry.facts
    marks(s, entry, move)
    if "settlement.completed" not in move.types and (strange := [name for name in OF_A_SETTLEMENT if name in facts]):
        say(Code.BAD_FACTS, f"{', '.join(strange)} have no place in this end")
    if move.why == "hold_lost":
        if not s.lost:
            say(Code.ILLEGAL_MOVE, "no hold was lost")
        if move.types == ("task.expired",):
            holds.left(s, entry, say)
        return
    if s.phase != "refunding":
        if facts.get("amount_msat", 0):
            say(Code.WRONG_AMOUNT, "nothing was held that could be given back")
        if "credited" in facts and "settlement.completed" not in move.types:
            say(Code.BAD_FACTS, "nothing goes back with this end, and nobody is credited")
        if move.why == "unfunded" and entry.heard < s.deadline:
            say(Code.TOO_EARLY, "the deadline had not passed")
        s.quote = ""
        return
    if facts["reason"] != s.reason:
        say(Code.ILLEGAL_MOVE, f"the refund was started for another reason: {s.reason}")
    holds.open_hold(s, entry, say, s.main)
    holds.open_others(s, entry, say, s.main)
    credited = holds.credited(s, entry, s.holds, say)
    if facts.get("amount_msat") != s.kept - credited:
        say(Code.WRONG_AMOUNT, f"{s.kept - credited} msat go back")
    s.evidence = weakest([strength(s.newest["task.created"]), *s.decision])


def marks(s: Standing, entry: Entry, move: Move) -> None:
    """Who gets a bad mark at the end: the worker for what he has not done, unless he was called late; and nobody else."""
    marked = move.why in ENDS_MARKED
    if move.why == "no_proof" and s.rushed is not False:
        marked = s.rushed is None and entry.facts.get("mark") is not None
    if entry.facts.get("mark") != (s.worker if marked else None):
        s.sayer(entry)(Code.WRONG_MARK, f"{move.why} {'puts a' if marked else 'puts no'} mark on the worker")


def compensated(s: Standing, entry: Entry, move: Move) -> None:
    """The insurance makes good for a lost hold: the worker, unless he was paid or there was none; then the employer."""
    say, facts = s.sayer(entry), entry.facts
    if not s.lost:
        say(Code.ILLEGAL_MOVE, "no hold was lost that could be made good for")
    role = "worker" if s.worker and s.payout is None else "employer"
    if (facts["role"], facts["to"]) != (role, s.worker if role == "worker" else s.employer):
        say(Code.WRONG_SHARE, f"it was the {role} who lost")
    if facts["amount_msat"] <= 0 or facts["amount_msat"] % 1000:
        say(Code.WRONG_AMOUNT, "a compensation is whole sats")
    fresh = Credit(facts["to"], facts["amount_msat"])
    s.credits[facts["role"]] = (*s.credits.get(facts["role"], ()), fresh)
