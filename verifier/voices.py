"""Who said it: the signed event that an entry rests on is his, is meant for this daemon and task, and says what the facts say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from verifier import hours
from verifier.chain import ADDRESSABLE, PROOF, RECORD, Entry
from verifier.crypto import Bad, Event, public_key, read, read_json
from verifier.findings import Code
from verifier.rules import ACTIONS, BASIS, HIRES, Move
from verifier.standing import DAY, Say, Standing

OFFER_TAG, DECISION_TAG = "holdfast-task", "holdfast-decision"
AHEAD = 600  # seconds that a sender's clock may be ahead
_DECIMAL = re.compile(r"\d{1,15}(\.\d{1,3})?", re.ASCII)
BACK = 2 * DAY  # and how long something said may be on its way

_PLAIN_TERMS = {
    "verification": "manual",
}
"""Terms that task.created does not name because only one value of each is built."""
_DEFAULT_TERMS = {
    "custody_mode": "lightning_self",
    "on_reject": "dispute",
    "max_rejects": 3,
    "on_silence": "approve",
    "on_hold_end": "refund",
    "min_evidence": "attested",
}
_NAMED_TERMS = {
    "order": "fund_first",
    "claim": "first",
    "sealed": "refused",
    "payment_type": "FIXED_PRICE",
    "funding": "upfront",
    "deposit_percent": 0,
}
"""These task.created names since there is more than one value of each; where it does not, they are the default."""
_PROJECT_TERMS, _PROJECT_REVIEW = {"on_reject": "revise", "max_rejects": 10}, 5 * DAY
"""The defaults where a project's terms are milestones."""
_PLAN_RULES = {**_PROJECT_TERMS, "review_window": _PROJECT_REVIEW}
"""Those of a proposal of milestones; of one for the whole they are the task's own."""
_HOUSE_TERMS = ("review_window", "hold_timeout")  # their defaults stand in the operator's terms


def check(s: Standing, first: Entry, entry: Entry, move: Move) -> None:
    """The evidence of one move; `first` is its first entry, `entry` the last, which carries all its facts."""
    say = s.sayer(first)
    if move.by in ("node", "clock", "operator"):
        if first.proven != move.by or first.embedded is not None:
            say(Code.EVIDENCE_MISMATCH, f"what the {move.by} says is proven by nothing else")
        return
    if first.proven not in ("signed", "attested") or (first.proven == "signed") != (first.embedded is not None):
        return say(Code.EVIDENCE_MISMATCH, "a signed entry embeds the event, an attested one embeds none")
    wanted = entry.facts.get("min_evidence") if not s.words else s.words["min_evidence"]
    if first.proven == "attested" and wanted == "signed":
        if s.words:
            say(Code.EVIDENCE_TOO_WEAK, "the terms ask for a signed decision")
        else:
            s.warn(first, Code.EVIDENCE_TOO_WEAK, "terms that ask for signatures were themselves given by message")
    if first.embedded is None:
        return
    event = read(first.embedded)
    if isinstance(event, Bad):
        bad = Code.EMBEDDED_BAD_SIGNATURE if event.code is Code.BAD_SIGNATURE else Code.EMBEDDED_BAD_ID
        return say(bad, event.detail)
    if event.pubkey != first.by:
        return say(Code.EMBEDDED_WRONG_AUTHOR, "the embedded event is not by the one who is named")
    place = (s.task, first.seq)
    if s.book.consumed.setdefault(event.id, place) != place:
        say(Code.EVENT_REPLAYED, f"this event was used before, in {s.book.consumed[event.id][0]}")
    if s.book.bot not in event.values("p"):
        return say(Code.EMBEDDED_NOT_FOR_BOT, "the event does not name this daemon in a tag p")
    if first.type == "task.created":
        return _offer(s, event, entry, say)
    _age(s, event, entry, say)
    if first.type == "proof.submitted" and event.kind == PROOF:
        return _proof(s, event, entry, say)
    _decision(s, event, entry, move, say)


def _age(s: Standing, event: Event, entry: Entry, say: Say) -> None:
    heard_at = int(entry.facts.get("heard_at", entry.time))
    if event.created_at > heard_at + AHEAD:
        say(Code.EMBEDDED_FUTURE, "the event was made after it is said to have been heard")
    if event.created_at < heard_at - entry.deaf - BACK:
        say(Code.EMBEDDED_ANCIENT, "the event is older than anything that is still accepted")


def _offer(s: Standing, event: Event, entry: Entry, say: Say) -> None:
    if event.kind != ADDRESSABLE or OFFER_TAG not in event.values("t"):
        return say(Code.EMBEDDED_WRONG_KIND, f"a task offer is of kind {ADDRESSABLE} with t={OFFER_TAG}")
    name = event.first("d") or ""
    if not name or ":" in name or entry.event.first("a") != f"{ADDRESSABLE}:{event.pubkey}:{name}":
        say(Code.WRONG_ADDRESS, "tag a is not the address of the task event")
    if entry.event.first("e") != event.id:
        say(Code.WRONG_ROOT, "tag e is not the id of the task event")
    facts, terms = entry.facts, _content(event)
    if terms is None:
        return say(Code.EMBEDDED_DISAGREES, "the terms are not a JSON object")
    house = s.book.terms.get(facts["terms"], {})
    usual = _DEFAULT_TERMS
    if terms.get("payment_type") == "MILESTONE" or terms.get("milestones"):
        usual, house = usual | _PROJECT_TERMS, {**house, "review_window": _PROJECT_REVIEW}
    parts = facts.get("milestones", [])
    said: dict[str, Any] = {
        "title": (event.first("title") or "").strip(),
        "deadline": _whole(event.first("deadline")),
        **{name: terms.get(name) or default for name, default in usual.items()},
    }
    for name in _HOUSE_TERMS:
        value = terms.get(name) or house.get(name)
        if value is not None:
            said[name] = value
    differ = [name for name, value in said.items() if facts[name] != value]
    differ += [name for name, usual in _NAMED_TERMS.items() if facts.get(name, usual) != terms.get(name, usual)]
    differ += [name for name, built in _PLAIN_TERMS.items() if terms.get(name, built) != built]
    if len(parts) != len(terms.get("milestones") or []) or not _same_parts(parts, terms.get("milestones") or []):
        differ.append("milestones")
    if facts.get("payment_type") == hours.HOURLY and not _same_hours(facts, terms):
        differ.append("rate or cap")
    differ += _cost(event, facts, terms)
    if differ:
        say(Code.EMBEDDED_DISAGREES, f"not as the employer signed it: {', '.join(differ)}")


def _first_reward(terms: Mapping[str, Any], event: Event) -> int:
    """Of a project it is that of its first milestone, and the event's amount is the whole."""
    parts, whole = terms.get("milestones"), _whole(_amount(event, terms))
    if not isinstance(parts, list) or not parts:
        return whole * 1000
    amounts = [part["amount"] for part in parts if isinstance(part, dict) and type(part.get("amount")) is int]
    return int(amounts[0]) * 1000 if len(amounts) == len(parts) and sum(amounts) == whole else -1


def _same_parts(published: list[Any], signed: object) -> bool:
    """As many, with their titles and amounts; dates may be written as spans, which only the daemon's own clock fixes."""
    if not isinstance(signed, list) or len(signed) != len(published):
        return False
    return all(
        isinstance(theirs, dict)
        and ours.get("title") == str(theirs.get("title", "")).strip()
        and _same_amount(ours, theirs.get("amount"))
        for ours, theirs in zip(published, signed, strict=True)
    )


def _same_amount(ours: Mapping[str, Any], theirs: object) -> bool:
    """In sats, or in the task's currency."""
    if "price" not in ours:
        return bool(ours.get("reward_msat") == _msat(theirs))
    said = str(theirs)
    return bool(_DECIMAL.fullmatch(said) and _DECIMAL.fullmatch(str(ours["price"]))) and Fraction(said) == Fraction(
        ours["price"]
    )


def _same_hours(facts: Mapping[str, Any], terms: Mapping[str, Any]) -> bool:
    """Rate and cap, as they were signed."""
    rate = str(terms.get("rate"))
    same = _DECIMAL.fullmatch(rate) and _DECIMAL.fullmatch(facts["hourly_rate"]) if "hourly_rate" in facts else None
    if not same or str(terms.get("cap")) != str(facts.get("hours_cap")):
        return False
    return Fraction(rate) == Fraction(facts["hourly_rate"])


def _amount(event: Event, terms: Mapping[str, Any]) -> str:
    """As the employer named it; of work that is paid by the hour it may be left out, and is rate x cap then."""
    said, rate, cap = event.first("amount") or "", str(terms.get("rate")), terms.get("cap")
    if said or terms.get("payment_type") != hours.HOURLY or not _DECIMAL.fullmatch(rate) or type(cap) is not int:
        return said
    return str(Decimal(rate) * cap)


def _msat(sats: object) -> int:
    return sats * 1000 if type(sats) is int else -1


def _cost(event: Event, facts: Mapping[str, Any], terms: Mapping[str, Any]) -> list[str]:
    """The amount in whole sats, or the price in the currency that the employer named; what it is in sats is not his word."""
    currency = (event.first("currency") or "sats").upper()
    if event.first("currency") is None or currency in ("SAT", "SATS"):
        wrong = facts["reward_msat"] != _first_reward(terms, event)
        return [*(["amount"] if wrong else []), *(["currency"] if "currency" in facts else [])]
    amount = _amount(event, terms)
    if facts.get("milestones"):
        prices = [str(part.get("price", "")) for part in facts["milestones"]]
        whole = sum(Fraction(price) for price in prices if _DECIMAL.fullmatch(price))
        wrong = not _DECIMAL.fullmatch(amount) or Fraction(amount) != whole
        return [*(["amount"] if wrong else []), *(["currency"] if facts.get("currency") != currency else [])]
    same = _DECIMAL.fullmatch(amount) and _DECIMAL.fullmatch(facts.get("price", ""))
    wrong = not same or Fraction(amount) != Fraction(facts["price"])
    return [*(["amount"] if wrong else []), *(["currency"] if facts.get("currency") != currency else [])]


def _proof(s: Standing, event: Event, entry: Entry, say: Say) -> None:
    if s.address not in event.values("a") or s.root not in event.values("e"):
        say(Code.EMBEDDED_WRONG_TASK, "the proof names another task")
    if (event.first("x") or "").lower() != entry.facts["sha256"] or event.first("m") != entry.facts["mime"]:
        say(Code.EMBEDDED_DISAGREES, "sha256 or mime type is not as the worker signed it")
    key_hash = entry.facts.get("key_hash")
    if _lower(event.first("key")) != key_hash or (event.first("sealed") is None) != (key_hash is None):
        say(Code.EMBEDDED_DISAGREES, "the work is sealed otherwise than the worker signed it")
    named, told = event.first("hours"), entry.facts.get("hours")
    needed = s.words["min_evidence"] == "signed" and told is not None
    if (named is not None or needed) and hours.read(named) != told:
        say(Code.EMBEDDED_DISAGREES, "the hours are not as the worker signed them")
    if not event.first("url"):
        say(Code.EMBEDDED_DISAGREES, "a proof has a url")


def _decision(s: Standing, event: Event, entry: Entry, move: Move, say: Say) -> None:
    if event.kind != RECORD or DECISION_TAG not in event.values("t"):
        return say(Code.EMBEDDED_WRONG_KIND, f"a decision is of kind {RECORD} with t={DECISION_TAG}")
    if event.first("expiration") is not None:
        say(Code.EMBEDDED_EXPIRES, "a decision must not expire")
    content = _content(event)
    if content is None or type(content.get("v")) is not int or content["v"] != 1:
        return say(Code.EMBEDDED_WRONG_ACTION, "the content is not a command in JSON, version 1")
    named = content.get("task")
    if event.first("d") != s.task or not isinstance(named, str) or not named or not s.task.startswith(_plain(named)):
        say(Code.EMBEDDED_WRONG_TASK, "the decision names another task")
    action = _action(move)
    if move.types == ("deposit.returned",) and content.get("action") == "select":
        action = "select"  # the other word by which the money is asked for
    if action is None or content.get("action") != action:
        return say(
            Code.EMBEDDED_WRONG_ACTION, f"it takes the action {action}, and {content.get('action')!r} was signed"
        )
    _basis(s, event, action, move, say)
    differ = _differ(s, action, content, entry.facts, move)
    if differ:
        say(Code.EMBEDDED_DISAGREES, f"not as signed: {', '.join(differ)}")


def _action(move: Move) -> str | None:
    if move.by == "employer" and move.types[0] in HIRES:
        return "select" if move.money == "none" else "hire"
    return ACTIONS.get((move.types[0], move.why))


def _basis(s: Standing, event: Event, action: str, move: Move, say: Say) -> None:
    marked = [tag[1] for tag in event.tags if tag[0] == "e" and len(tag) > 3 and tag[3] == "basis"]
    basis = next(iter(marked or event.values("e")), None)
    if basis is None:
        return say(Code.BASIS_MISSING, "the decision names no log entry that it rests on")
    entry = s.seen.get(basis)
    if entry is None:
        return say(Code.BASIS_FOREIGN, "the basis is not an earlier entry of this task")
    needs = "cancel.offered" if move.why in ("agreement", "agreed") else BASIS.get(action)
    if needs == "proof.submitted" and not s.proof:
        needs = None  # an approval in a dispute to which nothing was delivered
    if needs and entry.type != needs:
        return say(Code.BASIS_WRONG_TYPE, f"{action} rests on {needs}, not on {entry.type}")
    standing = [offer.id for who, (_, offer) in s.offers.items() if who != event.pubkey]
    if needs and basis not in (standing if needs == "cancel.offered" else [s.newest[needs].id]):
        return say(Code.BASIS_STALE, f"a newer {needs} exists, or this one does not stand")
    if s.worker and entry.seq < s.bound and move.by != "applicant":
        say(Code.BASIS_STALE, "it was signed before this worker was bound, or before this milestone")


def _differ(s: Standing, action: str, content: Mapping[str, Any], facts: Mapping[str, Any], move: Move) -> list[str]:
    match action:
        case "claim":
            pairs = {
                "dest_hash": (_lower(content.get("dest_hash")), facts["dest_hash"]),
                "destination": (content.get("destination"), None),
            }
        case "hire":
            pairs = {"npub": (public_key(content.get("npub")), facts["worker"])}
        case "agree":
            plan = content.get("plan")
            begins = isinstance(plan, str) and len(plan) >= 8 and str(facts["plan"]).startswith(plan.lower())
            pairs = {"plan": (begins, True)}
        case "milestones":
            signed = content.get("milestones") or []
            usual = _PLAN_RULES if facts["milestones"] else s.words
            window = content.get("review_window") or usual["review_window"]
            hourly = facts["payment_type"] == hours.HOURLY
            pairs = {
                "payment_type": (content.get("payment_type") or "MILESTONE", facts["payment_type"]),
                "rate or cap": (not hourly or _same_hours(facts, content), True),
                "milestones": (isinstance(signed, str) or _same_parts(facts["milestones"], signed), True),
                "on_reject": (content.get("on_reject") or usual["on_reject"], facts["on_reject"]),
                "max_rejects": (str(content.get("max_rejects") or usual["max_rejects"]), str(facts["max_rejects"])),
                "review_window": (window if type(window) is int else facts["review_window"], facts["review_window"]),
                "funding": (
                    content.get("funding") or s.words.get("funding", "upfront"),
                    facts.get("funding", "upfront"),
                ),
            }
        case "submit":
            pairs = {
                "sha256": (_lower(content.get("sha256")), facts["sha256"]),
                "mime": (content.get("mime"), facts["mime"]),
                "key": (content.get("key"), None),
                "key_hash": (content.get("key_hash"), facts.get("key_hash")),
            }
            if content.get("hours") is not None or (s.words.get("min_evidence") == "signed" and "hours" in facts):
                pairs["hours"] = (hours.read(content.get("hours")), facts.get("hours"))
        case "deposit":
            wanted = "accept" if move.types == ("deposit.accepted",) else "decline"
            pairs = {"answer": (_lower(content.get("answer")), wanted)}
        case "cancel" if move.why != "cancelled":
            pairs = {"percent": (content.get("percent") or 0, facts.get("percent"))}
        case _:
            pairs = {}
    return [name for name, (signed, published) in pairs.items() if signed != published]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _content(event: Event) -> dict[str, Any] | None:
    if not event.content.strip():
        return {}
    try:
        said = read_json(event.content)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _plain(text: str) -> str:
    """A task's id as a person types it: hyphens and case do not matter, i and l mean 1, o means 0."""
    return text.lower().replace("-", "").translate(str.maketrans("ilo", "110"))


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 16 else -1
