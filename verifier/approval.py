"""Paid on approval: the work begins without money, the employer is asked for it when the work is approved, and pays or is marked."""

from __future__ import annotations

from verifier import hiring, money, projects, work
from verifier.chain import Entry
from verifier.findings import Code
from verifier.rules import AWAITING, Move
from verifier.standing import DAY, Say, Standing

TIME_TO_PAY = 2 * DAY
OF_A_HOLD = (
    "funding",
    "amount_msat",
    "parts",
    "expiry_height",
    "last_safe_height",
    "payment_hash",
    "hash_salt",
    "other_holds",
)
OF_A_BEGINNING = ("until", "worker", "dest_hash")  # of a hold with which the work begins, or is open to be claimed
PASSING = frozenset({"task.claimed", "task.frozen", "task.unfrozen", "funding.stray"})
WORDS = {
    "agreed": ("agreed", "agreement"),
    "agreement": ("agreed", "agreement"),
    "dispute_limit": ("dispute_limit", "dispute_limit"),
}
"""By the word of a move that ends without money: its facts `reason` and `how`."""


def check(s: Standing, first: Entry, move: Move) -> None:
    """The work on milestones that are agreed on begins at once; and what only these tasks say stands nowhere else."""
    say, facts = s.sayer(first), first.facts
    if s.on_approval and s.state == "Draft" and s.worker and s.parts and first.type not in PASSING:
        say(Code.ILLEGAL_MOVE, f"{first.type}, where the work on the milestone has to begin")
    fitting = {
        "pay_until": move.phase_after == AWAITING,
        "due_msat": first.type == "payment.missed" or (move.why == "unpaid" and s.phase == AWAITING),
        "short_msat": move.types == ("payment.missed",),
        "amount_msat": first.type != "dispute.resolved" or "refund.completed" in move.types,
        "how": first.type != "refund.completed" or move.why == "agreed",
        "percent": first.type != "refund.completed" or move.why == "agreed",
    }
    for name, fits in fitting.items():
        if name in facts and not fits:
            say(Code.BAD_FACTS, f"{name} has no place in this {first.type}")


def begun(s: Standing, entry: Entry, move: Move) -> None:
    """The work begins before any money: by itself on milestones, else when the employer chooses to pay for the whole."""
    say = s.sayer(entry)
    covered = s.cover is not None and s.cover.whole
    if move.by == "clock" and not (s.parts or covered):
        say(Code.AGAINST_TERMS, "by itself only the work on milestones begins, when they are agreed on")
    if move.by == "employer" and (s.parts or s.words.get("payment_type") == projects.MILESTONE):
        say(Code.AGAINST_TERMS, "by the terms it begins when the milestones are agreed on")
    if move.by == "employer" and entry.heard >= s.deadline + s.late(entry):
        say(Code.TOO_LATE, "the deadline had passed when he let the work begin")
    _no_hold(entry, say)
    hiring.bound(s, entry)
    hiring.begin(s, entry)


def verified(s: Standing, entry: Entry, move: Move) -> None:
    work.verified(s, entry, move)
    _wait(s, entry)


def resolved(s: Standing, entry: Entry, move: Move) -> None:
    work.resolved(s, entry, move)
    if move.phase_after == AWAITING:
        _wait(s, entry)


def _wait(s: Standing, entry: Entry) -> None:
    """From the approval on the employer has two days, and what he owes is the agreed part of the work."""
    _no_hold(entry, s.sayer(entry))
    s.hold, s.quote = s.due, ""
    if s.asked <= 0:
        s.sayer(entry)(Code.ILLEGAL_MOVE, "the deposit is all that is due, and nothing is left to be asked for")
    if "pay_until" not in entry.facts:
        s.sayer(entry)(Code.BAD_FACTS, "pay_until is missing")
        s.pay_until = entry.heard + TIME_TO_PAY
    else:
        s.pay_until = work.published_until(s, entry, "pay_until", entry.heard + TIME_TO_PAY)


def covered(s: Standing, entry: Entry) -> None:
    """Nothing else is asked for what is approved: the deposit is enough, and the worker can be paid out of it."""
    s.hold, s.quote, s.pay_until = s.due, "", entry.heard + TIME_TO_PAY  # no more than what is due was ever asked for
    if s.asked > 0:
        s.sayer(entry)(Code.WRONG_AMOUNT, f"{s.asked} msat are due beside the deposit")


def invoiced(s: Standing, entry: Entry, move: Move) -> None:
    """One invoice at a time, and none when the time to pay is over."""
    say = s.sayer(entry)
    if s.quote:
        say(Code.ILLEGAL_MOVE, f"the invoice of {s.quote} is still open")
    if entry.heard >= s.pay_until:
        say(Code.TOO_LATE, "the time to pay was over")
    money.invoiced(s, entry, move)


def accepted(s: Standing, entry: Entry, move: Move) -> None:
    """The money has come. Only from now on can the worker be paid, and so the day begins in which he has to be reached."""
    if strange := [name for name in OF_A_BEGINNING if name in entry.facts]:
        s.sayer(entry)(Code.BAD_FACTS, f"no work begins with this hold: {', '.join(strange)}")
    money.held(s, entry)
    s.approved_at = entry.heard


def missed(s: Standing, entry: Entry, move: Move) -> None:
    """The employer has not paid: his time is over, and no payment can be on its way any more."""
    say, facts = s.sayer(entry), entry.facts
    if s.quote:
        say(Code.ILLEGAL_MOVE, f"the invoice of {s.quote} is still open")
    if entry.heard < s.pay_until:
        say(Code.TOO_EARLY, f"the employer had {s.pay_until - entry.heard} s left")
    due = s.asked_before or s.asked
    if facts.get("due_msat") != due:
        say(Code.WRONG_AMOUNT, f"{due} msat were due")
    _out_of_deposit(s, entry, move)
    if facts["mark"] != s.employer:
        say(Code.WRONG_MARK, "who does not pay for approved work gets the mark")


def _out_of_deposit(s: Standing, entry: Entry, move: Move) -> None:
    """What is held ahead for this milestone is paid to the worker first, as far as it goes: without a service fee, less the milestone's
    budget for sending it, and no more than his share."""
    say, cover, facts = s.sayer(entry), s.cover or s.given_back, entry.facts
    spare = s.budget_before if s.given_back and not s.cover else s.budget
    borne = min(s.share, cover.amount - spare) if cover else 0
    if (move.state_after == "Verified") != (borne > 0):
        say(Code.ILLEGAL_MOVE, "what is held ahead is paid out first, and without it the task ends")
    if move.state_after != "Verified":
        return
    if facts.get("reason", "unpaid") != "unpaid":
        say(Code.BAD_FACTS, "the reason is unpaid")
    if facts.get("short_msat") != s.share - borne:
        say(Code.WRONG_AMOUNT, f"{s.share - borne} msat of the worker's share are not paid")
    s.borne, s.approved_at = borne, entry.heard


def ended(s: Standing, entry: Entry, move: Move) -> None:
    """refund.completed and task.expired where nothing was held: nothing goes back, and everything else is as with a hold."""
    say, facts = s.sayer(entry), entry.facts
    if facts.get("amount_msat", 0):
        say(Code.WRONG_AMOUNT, "nothing was held that could be given back")
    _no_hold(entry, say, but="amount_msat")
    reason, how = WORDS.get(move.why, (move.why, None))
    if (facts["reason"], facts.get("how")) != (reason, how):
        say(Code.BAD_FACTS, f"the reason is {reason}" + (f", by {how}" if how else ""))
    if move.why != "unpaid":  # that has been looked at with payment.missed
        money.marks(s, entry, move)
    if move.types == ("refund.completed",) and move.why == "agreed":
        work.agreed(s, entry)
    until = {"no_proof": s.deadline, "no_resubmission": s.resubmit_until}.get(move.why, 0)
    if entry.heard < until:
        say(Code.TOO_EARLY, f"there were {until - entry.heard} s left")


def _no_hold(entry: Entry, say: Say, but: str = "") -> None:
    if shown := [name for name in (*OF_A_HOLD, "credited") if name in entry.facts and name != but]:
        say(Code.WRONG_FUNDING, f"nothing is held, and {', '.join(shown)} speak of it")
