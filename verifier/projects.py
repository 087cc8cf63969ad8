"""A project: its milestones are what both agreed on, their sum is the whole, and each entry is about the one whose turn it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from verifier import fees, hours, rates
from verifier.chain import Entry, check_facts
from verifier.findings import Code
from verifier.money import budget
from verifier.rules import PART_FACTS, Move
from verifier.standing import CLOCK_SLACK, Part, Say, Standing

MILESTONE = "MILESTONE"
RULES = (
    "payment_type",
    "review_window",
    "on_reject",
    "max_rejects",
)  # of how the milestones are judged, beside what they are
FUNDINGS = ("upfront", "on_approval")  # a rule of a plan, too; the first where it is not named
UNNUMBERED = frozenset({"task.created", "plan.proposed", "plan.agreed"})


def check(s: Standing, entry: Entry) -> None:
    """The number of the milestone that an entry is about stands in it once the task is cut, and never before."""
    wanted = s.number if s.parts else None
    found = entry.facts.get("milestone")
    if found != wanted and not (entry.type in UNNUMBERED and found in (None, 1)):
        s.sayer(entry)(Code.WRONG_MILESTONE, f"it is about milestone {found}, and the turn is that of {wanted}")


def proposed(s: Standing, entry: Entry, move: Move) -> None:
    say, facts = s.sayer(entry), entry.facts
    if facts["by"] != entry.by:
        say(Code.BAD_FACTS, "by is somebody else than the one who did it")
    if not s.worker or not s.hires_first or s.number > 1 or s.planned_with == s.worker:
        say(Code.AGAINST_TERMS, "milestones are open between hiring and the agreement on them")
    if facts["plan"] != plan_hash(facts):
        say(Code.COMMITMENT_BROKEN, "the hash is not that of what is proposed")
    if (
        facts["payment_type"] not in (MILESTONE, hours.HOURLY)
        or facts["on_reject"] not in ("revise", "dispute")
        or facts["review_window"] <= 0
        or facts.get("funding", FUNDINGS[0]) not in FUNDINGS
    ):
        say(Code.BAD_FACTS, "these are not rules of milestones")
    s.plan, s.drafted = entry, read_parts(s, entry, s.total, say) if facts["milestones"] else []
    hours.proposed(s, entry)


def agreed(s: Standing, entry: Entry, move: Move) -> None:
    say, facts = s.sayer(entry), entry.facts
    plan = s.plan
    if facts["by"] != entry.by:
        say(Code.BAD_FACTS, "by is somebody else than the one who did it")
    if plan is None or facts["plan"] != plan.facts["plan"]:
        say(Code.NO_AGREEMENT, "this is not the newest proposal")
        return
    if plan.by == entry.by:
        say(Code.NO_AGREEMENT, "it takes the other side to agree")
    rules = {name: plan.facts[name] for name in RULES}
    s.words = {**s.words, **rules, "funding": plan.facts.get("funding", FUNDINGS[0])}
    funding(s, say)
    if s.on_approval and not (s.words.get("dispute_limit") or s.terms.get("dispute_limit")):
        say(Code.OUTSIDE_TERMS, "there is no limit to a dispute before any money")
    s.planned_with, s.plan = s.worker, None
    s.dest_hash, s.claim_signed, s.quote = "", False, ""
    s.hour_rate = s.drafted_rate or s.hour_rate
    if plan.facts["milestones"]:
        cut(s, plan, s.drafted, say)


def funding(s: Standing, say: Say) -> None:
    """Who is paid on approval is hired before any money, which is then held in the payment."""
    if s.on_approval and not (s.hires_first and s.words["custody_mode"] == "lightning_self"):
        say(Code.AGAINST_TERMS, "on approval is paid who is hired first, out of a held payment")


def cut(s: Standing, entry: Entry, owed: list[Part], say: Say) -> None:
    """From here on the task goes through these milestones, one after the other."""
    s.parts = owed or read_parts(s, entry, s.total, lambda code, detail: None)
    s.number = 1
    turn(s)


def turn(s: Standing) -> None:
    """Amounts and deadline are those of the milestone whose turn it is."""
    if s.number > len(s.parts):
        return
    part = s.parts[s.number - 1]
    s.reward, s.budget, s.deadline = part.reward, part.budget, part.due
    if s.currency:
        s.words, s.rate = {**s.words, "price": part.price}, part.rate
    s.fee = fees.service_fee({**s.words, "reward_msat": part.reward})
    s.hold = s.net + s.fee.whole + s.budget


def read_parts(s: Standing, entry: Entry, total: int, say: Say) -> list[Part]:
    """The milestones that an entry names, checked against the whole and the operator's terms."""
    found: list[Part] = []
    for said in entry.facts["milestones"]:
        problem, _ = check_facts(said, PART_FACTS)
        if problem:
            say(Code.BAD_FACTS, f"a milestone: {problem}")
            return found
        if ("price" in said) != bool(s.currency):
            say(Code.BAD_FACTS, "a milestone's price is in the unit of the task's")
            return found
        found.append(
            Part(said["reward_msat"], said["budget_msat"], said["due"] - entry.deaf, said.get("price", ""), s.rate)
        )
    if len(found) < 2:
        say(Code.BAD_FACTS, "a plan has two milestones or more")
    if s.currency:
        rates.cut(s, found, say)
    elif sum(part.reward for part in found) != total:
        say(
            Code.WRONG_AMOUNT, f"the milestones come to {sum(part.reward for part in found)} msat, the whole is {total}"
        )
    dates = [entry.heard, *(part.due for part in found), s.whole_deadline]
    if any(later < earlier for earlier, later in pairwise(dates)):
        say(Code.WRONG_UNTIL, "the dates do not follow one another up to the task's deadline")
    least, most = s.terms.get("min_reward_msat", 0), s.terms.get("max_reward_msat")
    for part in found:
        outside = part.reward < least or (most is not None and part.reward > most) or part.reward % 1000
        if {"budget_base_msat", "budget_ppm"} <= set(s.terms):
            outside = outside or part.budget != budget(s.terms, part.reward)
        if outside:
            say(Code.OUTSIDE_TERMS, "a milestone is not within the operator's terms")
    return found


def plan_hash(facts: Mapping[str, Any]) -> str:
    parts = [
        {name: part.get(name) for name in ("title", "price" if "price" in part else "reward_msat", "due", "details")}
        for part in facts["milestones"]
    ]
    said = {name: facts[name] for name in ("nonce", *RULES, "funding", *hours.AGREED) if name in facts} | {
        "milestones": parts
    }
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def settled(s: Standing, entry: Entry, move: Move) -> None:
    """A project goes on behind a milestone that is paid in full, and ends behind its last one, an agreed share or a loss."""
    follows = s.number < len(s.parts) and not (s.closing or s.lost)
    if follows != (move.state_after == "Draft"):
        word = "another milestone follows" if follows else "this is the end"
        s.sayer(entry)(Code.AGAINST_TERMS, f"by what both agreed on {word}")
    if move.state_after == "Draft":
        _next(s, entry)


def _next(s: Standing, entry: Entry) -> None:
    """Nothing is left of the milestone but what was given to accounts; dates move by as much as it was late."""
    if s.number >= len(s.parts):
        return
    said = entry.facts.get("next_deadline")
    following = s.parts[s.number :]
    wanted = following[0].due + max(0, (s.frozen or entry).heard - s.deadline)
    found = said - entry.deaf if type(said) is int else -1
    if not wanted - CLOCK_SLACK <= found <= wanted + CLOCK_SLACK:
        s.sayer(entry)(Code.WRONG_UNTIL, f"the next milestone is due {found - wanted:+d} s off")
    later = found - following[0].due
    for part in following:
        part.due += later
    s.whole_deadline += later
    s.credits = {f"{role}{'' if '/' in role else f'/{s.number}'}": given for role, given in s.credits.items()}
    s.number += 1
    if (over := s.covers.get(s.number - 1)) and over.held:
        del s.covers[over.milestone]
    s.begins = s.cover is not None and s.cover.whole
    s.held = s.quote = s.renews = s.reason = s.dest_hash = ""
    s.claim_signed = False
    s.percent, s.approved_at, s.disputed_at, s.consented, s.bound = 100, 0, 0, entry.heard, entry.seq
    s.review_until = s.resubmit_until = s.rejects = s.prolonged = s.proof = s.hours = s.pay_until = 0
    s.offers, s.decision, s.payout = {}, [], None
    turn(s)
