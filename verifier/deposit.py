"""The deposit: money that the employer locks ahead, one hold ("cover") for each milestone that it covers, from the last one backwards.

Entries about covers move nothing. What is known of them is looked at here; as soon as the turn of a cover's milestone has come and its money
is complete, the cover is one of the holds on which the milestone rests (`money`), and no longer something beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from verifier import covers, holds, ledger, money, projects, rates
from verifier.chain import Entry, check_facts
from verifier.findings import Code
from verifier.rules import BESIDE, COVER_FACTS, CREDIT_FACTS, FINAL, Move
from verifier.standing import CLOCK_SLACK, Cover, Credit, Hold, Say, Standing

HOLD_END, TOO_SHORT, OVER = "hold_end", "too_short", "over"
RETURNED = "employer/deposit"  # the credits of what goes back out of the books
SPARE = 13  # blocks by which two may differ in whether a hold lasts: some may come fast, and one is rounded up
# What may still be said of it when the milestone's own money was lost.
_AFTER_LOSS = frozenset({"deposit.returned", "hold.lost", "invoice.expired", "ledger.locked"})
_OF_A_RATE = ("rate", "rate_sources", "rate_time")
_OF_THE_WORK = ("until", "worker", "dest_hash", "reason", "mark", "other_holds", "credited")
_FOREIGN = ("currency", "price", *rates.AMOUNTS, *_OF_THE_WORK)


def concerns(entry: Entry) -> bool:
    """It is about a deposit, and moves nothing."""
    return entry.type in BESIDE and (entry.type.startswith("deposit.") or "covers" in entry.facts)


def move(s: Standing, entry: Entry) -> Move | None:
    """The entry as a step that stays where it is; None and a violation where it has no place."""
    say = s.sayer(entry)
    if s.state in FINAL:
        say(Code.AFTER_FINAL, f"{entry.type} after {s.state}")
        return None
    if not s.state or (entry.state, entry.work) != (s.state, s.work):
        say(Code.ILLEGAL_MOVE, f"{entry.type} moves nothing, and does not lead to {entry.state}, {entry.work}")
        return None
    by = BESIDE[entry.type]
    if entry.type == "deposit.returned":
        by, problem = _returned_by(s, entry)
    else:
        problem = "" if entry.by == (s.employer if by == "employer" else by) else f"it takes the word of the {by}"
    if problem:
        say(Code.WRONG_AUTHOR, f"{entry.type}: {problem}")
        return None
    why = TOO_SHORT if by == "employer" and entry.type == "deposit.returned" else ""
    return Move(s.state, s.phase, frozenset({s.work}), (entry.type,), by, s.state, s.phase, "", why)


def _returned_by(s: Standing, entry: Entry) -> tuple[str, str]:
    """Whose word it may be, and what is wrong with that or ''."""
    reason, people = entry.facts["reason"], {s.employer: "employer", s.worker: "worker"}
    by = people.get(entry.by, entry.by) if entry.by else ""
    allowed = {HOLD_END: {"clock"}, TOO_SHORT: {"node", "clock", "employer"}}
    fits = reason == OVER or by in allowed.get(reason, {by})
    return by, "" if fits else f"{reason} is not for the {by} to say"


def check(s: Standing, entry: Entry, step: Move) -> None:
    """What holds for all of them: the number of the milestone, a freeze, a loss."""
    say, facts = s.sayer(entry), entry.facts
    whole = entry.type in ("deposit.offered", "deposit.accepted", "deposit.declined")
    found = facts.get("milestone")
    if (found is not None) != (bool(s.parts) and not whole) or (found is not None and not 1 <= found <= len(s.parts)):
        say(Code.WRONG_MILESTONE, f"{entry.type} is not about milestone {found}")
    if strange := [name for name in _FOREIGN if name in facts and name not in _named(entry)]:
        say(Code.BAD_FACTS, f"{', '.join(strange)} have no place in what is said of a deposit")
    if s.lost and entry.type not in _AFTER_LOSS:
        say(Code.ILLEGAL_MOVE, f"{entry.type} after the hold was lost")
    if s.frozen is not None and not _while_frozen(entry, step):
        say(Code.WHILE_FROZEN, f"{entry.type} by the {step.by}, and the task is frozen")
    if s.begins and s.cover and s.cover.whole and entry.type != "deposit.returned":
        say(Code.ILLEGAL_MOVE, f"{entry.type}, where the work on a milestone that is covered has to begin")
    if s.returned and (entry.type, facts.get("reason")) != ("deposit.returned", OVER):
        say(Code.ILLEGAL_MOVE, f"the task was about to end, and {entry.type} follows")


def _named(entry: Entry) -> tuple[str, ...]:
    match entry.type:
        case "deposit.offered" | "deposit.accepted":
            return ("price",)
        case "deposit.returned":
            return ("reason", "credited")
        case "funding.failed":
            return ("reason",)
        case _:
            return ()


def _while_frozen(entry: Entry, step: Move) -> bool:
    if entry.type == "deposit.returned":
        return True  # at its end by the clock; what ends the task is looked at for itself
    return step.by == "node" and entry.type != "invoice.created"


# what is agreed on


def offered(s: Standing, entry: Entry, step: Move) -> None:
    _percent(s, entry, covers.shared(s, entry.facts["percent"]))
    percent = s.words.get("deposit_percent")
    if percent and entry.facts["percent"] != percent:
        s.sayer(entry)(Code.AGAINST_TERMS, f"by the terms {percent} percent are locked ahead")


def accepted(s: Standing, entry: Entry, step: Move) -> None:
    """What is covered is exactly that share of the whole."""
    say, wanted = s.sayer(entry), covers.shared(s, entry.facts["percent"])
    _percent(s, entry, wanted)
    found: list[tuple[int, Fraction]] = []
    for said in entry.facts["covers"]:
        problem, _ = check_facts(said, COVER_FACTS)
        if problem or ("milestone" not in said and s.parts):
            say(Code.BAD_FACTS, f"a cover: {problem or 'the fact milestone is missing'}")
            continue
        found.append((said.get("milestone", 1), covers.told(s, said["price"], say)))
    if found != list(wanted.items()):
        parts = ", ".join(f"{float(price):g} of {number}" for number, price in wanted.items())
        say(Code.WRONG_AMOUNT, f"from the last milestone backwards it covers {parts or 'nothing'}")
    s.accepted = dict(found)


def _percent(s: Standing, entry: Entry, wanted: dict[int, Fraction]) -> None:
    say, facts = s.sayer(entry), entry.facts
    if not s.parts and s.words.get("payment_type") == projects.MILESTONE:
        say(Code.AGAINST_TERMS, "there are no milestones yet that could be covered")
    whole = sum(wanted.values(), Fraction(0))
    if not whole:
        say(Code.AGAINST_TERMS, "nothing is left that could be covered")
    elif covers.told(s, facts["price"], say) != whole:
        say(Code.WRONG_AMOUNT, f"{facts['percent']} percent of what is left are {float(whole):g}")


def declined(s: Standing, entry: Entry, step: Move) -> None:
    """Nothing follows from it."""


# invoices and holds


def _cover(s: Standing, entry: Entry) -> Cover | None:
    """The one that an entry is about, by its milestone and its price."""
    say, facts = s.sayer(entry), entry.facts
    cover = s.covers.get(_number(s, entry))
    if cover is None:
        say(Code.WRONG_FUNDING, "nothing is asked for or held ahead for this milestone")
    elif "covers" in facts and covers.told(s, facts["covers"], say) != cover.price:
        say(Code.WRONG_AMOUNT, f"the deposit covers {float(cover.price):g} of this milestone")
    return cover


def _number(s: Standing, entry: Entry) -> int:
    return int(entry.facts.get("milestone", 1 if not s.parts else 0))


def invoiced(s: Standing, entry: Entry, step: Move) -> None:
    """Only what was accepted is asked for, as long as nothing else is held or asked for it, and to the msat."""
    say, facts, number = s.sayer(entry), entry.facts, _number(s, entry)
    price = covers.told(s, facts["covers"], say)
    if s.accepted.get(number) != price:
        say(Code.NO_AGREEMENT, "no such deposit was accepted")
    ref = money.fresh(s, entry)
    if not 1 <= number <= covers.count(s) or number not in s.accepted:
        return
    if not covers.room(s, number):
        say(Code.ILLEGAL_MOVE, "something is held or asked for this milestone, or it is too late")
        return
    rate = _rate(s, entry)
    whole = price == covers.price_of(s, number)
    amount = covers.amount(s, number, price, rate)
    if facts["amount_msat"] != amount:
        say(Code.WRONG_AMOUNT, f"the invoice is for {facts['amount_msat']} msat, and that cover is {amount}")
    s.covers[number] = Cover(number, price, whole, facts["amount_msat"], ref, ref, rate)


def _rate(s: Standing, entry: Entry) -> str:
    """By which the cover is so many sats; "" for a price in sats, and for a rate that is none."""
    say, named = s.sayer(entry), [name for name in _OF_A_RATE if name in entry.facts]
    if len(named) != (len(_OF_A_RATE) if s.currency else 0):
        say(Code.BAD_FACTS, f"{', '.join(_OF_A_RATE)} stand there where the price is in a currency, and only there")
        return ""
    if not s.currency:
        return ""
    if problem := rates.strange(entry.facts):
        say(Code.BAD_FACTS, problem)
        return ""
    rates.recent(s, entry, say)
    return str(entry.facts["rate"])


def voided(s: Standing, entry: Entry, step: Move) -> None:
    """Its invoice is not paid; what is held already stays."""
    cover = _cover(s, entry)
    if cover is None:
        return
    if not cover.asked or entry.facts["funding"] != cover.asked:
        s.sayer(entry)(Code.WRONG_FUNDING, f"the open invoice is {cover.asked or 'none'}")
    cover.asked = ""
    if not cover.held:
        del s.covers[cover.milestone]


def held(s: Standing, entry: Entry, step: Move) -> None:
    """From now on so much of its milestone's price is what it is."""
    say, facts, cover = s.sayer(entry), entry.facts, _cover(s, entry)
    if cover is None:
        return
    if cover.held or cover.dropped or facts["funding"] != cover.asked:
        say(Code.WRONG_FUNDING, f"the open invoice is {cover.asked or 'none'}")
    del s.covers[cover.milestone]
    if not covers.room(s, cover.milestone):
        say(Code.ILLEGAL_MOVE, "something else is held or asked for this milestone, or it is too late")
    s.covers[cover.milestone] = cover
    money.arrived(s, entry, cover.amount)
    cover.held, cover.asked, cover.expiry_height = True, "", facts["expiry_height"]
    covers.reckon(s, cover.milestone)


def renewal_asked(s: Standing, entry: Entry, step: Move) -> None:
    say, facts, cover = s.sayer(entry), entry.facts, _cover(s, entry)
    ref = money.fresh(s, entry)
    if cover is None or not _held(s, cover, say):
        return
    if facts["replaces"] != cover.funding or cover.asked:
        say(
            Code.WRONG_FUNDING,
            f"the deposit is held by {cover.funding}" + (", and a fresh one is asked for" * bool(cover.asked)),
        )
    money.renewable(s, entry, s.safe_height(cover.expiry_height))
    if facts["amount_msat"] != cover.amount:
        say(Code.WRONG_AMOUNT, f"the invoice is for {facts['amount_msat']} msat, the hold is {cover.amount}")
    cover.asked = ref


def renewed(s: Standing, entry: Entry, step: Move) -> None:
    say, facts, cover = s.sayer(entry), entry.facts, _cover(s, entry)
    if cover is None or not _held(s, cover, say):
        return
    if (facts["replaces"], facts["funding"]) != (cover.funding, cover.asked):
        say(Code.WRONG_FUNDING, f"the deposit is held by {cover.funding}, the open invoice is {cover.asked or 'none'}")
    money.lasts(s, entry, cover.expiry_height)
    money.arrived(s, entry, cover.amount)
    cover.funding, cover.asked, cover.expiry_height = facts["funding"], "", facts["expiry_height"]


def booked(s: Standing, entry: Entry, step: Move) -> None:
    """It goes into the daemon's books, long before it is used."""
    say, cover = s.sayer(entry), _cover(s, entry)
    if cover is None or not _beside(s, cover, say):
        return
    ledger.book(s, entry, Hold(cover.funding, cover.amount, cover.expiry_height, cover.funding in s.books))


def _held(s: Standing, cover: Cover, say: Say) -> bool:
    """It is beside the work, and the node still holds it."""
    if cover.funding in s.books:
        say(Code.ILLEGAL_MOVE, "its money is in the books, and no hold any more")
        return False
    return _beside(s, cover, say)


def _beside(s: Standing, cover: Cover, say: Say) -> bool:
    """Its money is there, and not a part of that on which the milestone rests."""
    if cover.held and not (cover.milestone == s.number and s.complete):
        return True
    say(Code.ILLEGAL_MOVE, "its money is not held ahead" + (", but for work under way" if cover.held else ""))
    return False


# how it ends


def lost(s: Standing, entry: Entry, step: Move) -> None:
    """The task is the same, and its deposit less."""
    say, cover = s.sayer(entry), _cover(s, entry)
    if cover is None or not _held(s, cover, say):
        return
    holds.open_hold(s, entry, say, cover.funding)
    _drop(s, cover)
    s.warn(entry, Code.HOLD_LOST, "the daemon says that a hold of the deposit vanished; only its node knows")


def returned(s: Standing, entry: Entry, step: Move) -> None:
    """A cover goes back: at its end, when it would not last through its milestone's work, or since the task is over."""
    say, facts, cover = s.sayer(entry), entry.facts, _cover(s, entry)
    if cover is None or not _beside(s, cover, say):
        return
    holds.open_hold(s, entry, say, cover.funding)
    if facts["amount_msat"] != cover.amount:
        say(Code.WRONG_AMOUNT, f"{cover.amount} msat go back")
    _credited(s, entry, cover, say)
    match facts["reason"]:
        case "hold_end" | "too_short" if cover.funding in s.books:
            say(Code.ILLEGAL_MOVE, "it is in the books, and no hold that ends")
        case "hold_end" | "too_short" if s.outlasts_hold:
            say(Code.AGAINST_TERMS, "by the terms it goes into the books at its end, and not back")
        case "hold_end":
            if entry.height < s.safe_height(cover.expiry_height):
                say(Code.TOO_EARLY, f"the last safe height is {s.safe_height(cover.expiry_height)}")
        case "too_short":
            _too_short(s, entry, cover)
        case "over":
            s.returned.append(entry)
            if cover.milestone == s.number:
                s.given_back, s.asked_before, s.budget_before = cover, s.asked, s.budget
        case other:
            say(Code.BAD_FACTS, f"{other[:40]} is no reason to give a deposit back")
    _drop(s, cover)


def _credited(s: Standing, entry: Entry, cover: Cover, say: Say) -> None:
    """Out of the books it goes to the employer's account, all of it; what the node holds it gives back by itself."""
    if cover.funding not in s.books:
        if "credited" in entry.facts:
            say(Code.BAD_FACTS, "the node gives it back, and nobody is credited")
        return
    owed = [item for item in entry.facts.get("credited", []) if holds.well_formed(item, CREDIT_FACTS, say)]
    if any((item["role"], item["to"]) != ("employer", s.employer) for item in owed):
        say(Code.WRONG_SHARE, "what the deposit has is the employer's")
    if [item["amount_msat"] for item in owed] != [cover.amount]:
        say(Code.UNBALANCED, f"{cover.amount} msat are put to the employer's account")
    s.credits[RETURNED] = (*s.credits.get(RETURNED, ()), *(Credit(item["to"], item["amount_msat"]) for item in owed))


def _too_short(s: Standing, entry: Entry, cover: Cover) -> None:
    """Its turn has come, and a hold that ends so soon could not be paid out of to the end."""
    say = s.sayer(entry)
    if cover.milestone != s.number:
        return say(Code.ILLEGAL_MOVE, "the turn of its milestone has not come")
    blocks = s.safe_height(cover.expiry_height) - s.terms.get("dispute_reserve", 0) - SPARE - entry.height
    if entry.heard + blocks * 600 >= s.deadline + s.words["review_window"] + CLOCK_SLACK:
        say(Code.AGAINST_TERMS, "it lasts through the work on its milestone")


def _drop(s: Standing, cover: Cover) -> None:
    del s.covers[cover.milestone]
    covers.reckon(s, cover.milestone)


def before(s: Standing, group: tuple[Entry, ...], step: Move) -> None:
    """Behind what is given back since the task is over stands the end itself, by the same word; and nothing of the deposit outlives it.
    The work on a milestone that is wholly covered begins with the release of the one before."""
    first, say = group[0], s.sayer(group[0])
    ends = step.state_after in FINAL
    told = [(e.by, e.proven, e.embedded, e.time, e.deaf, e.height) for e in (*s.returned, first)]
    if s.returned and not (ends and all(each == told[-1] for each in told)):
        say(
            Code.ILLEGAL_MOVE,
            "a deposit was given back since the task is over, and this is not its end by the same word",
        )
    s.returned = []
    if step.state_after in FINAL and s.state not in FINAL:
        own = {hold.funding for hold in s.holds}
        kept = [cover.funding for cover in s.covers.values() if cover.held and cover.funding not in own]
        if kept:
            say(Code.UNBALANCED, f"the task ends, and nothing is said of the deposit that {', '.join(kept)} holds")
    passing = ("task.claimed", "task.frozen", "task.unfrozen", "funding.stray")
    if s.begins and s.cover and s.cover.whole and first.type not in passing:
        say(Code.ILLEGAL_MOVE, f"{first.type}, where the work on a milestone that is covered has to begin")
    if first.type == "task.claimed":
        s.begins = False
    if "plan.agreed" in step.types and any(cover.held for cover in s.covers.values()):
        say(Code.ILLEGAL_MOVE, "a deposit is held for what is now cut into milestones")


STEPS: dict[str, Callable[[Standing, Entry, Move], None]] = {
    "deposit.offered": offered,
    "deposit.accepted": accepted,
    "deposit.declined": declined,
    "deposit.returned": returned,
    "invoice.created": invoiced,
    "invoice.accepted": held,
    "invoice.expired": voided,
    "funding.failed": voided,
    "rollover.asked": renewal_asked,
    "rollover.completed": renewed,
    "ledger.locked": booked,
    "hold.lost": lost,
}
