"""A task offer: the employer's kind 30078 event, and the terms that shape the agreement (design: lifecycle, Terms).

Every value that the protocol knows is understood here; which of them are built is the handlers' business, so that a
planned one is refused by its name and never accepted and ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kinds import events
from kinds.codes import BadWord, Refused
from kinds.commands.base import Cap, HourRate, Text, Title
from kinds.commands.problems import bad_word
from kinds.events import BadEvent, Event, read_json
from kinds.plan import Parts
from kinds.rate import DIGITS, MOST_DIGITS, BadAmount, plain, read_amount_of
from kinds.units import MSAT_PER_SAT, Msat, sats

OFFER_TAG = "holdfast-task"
MAX_SAT = 21_000_000 * 100_000_000
SATS = ("sat", "sats")
HOURLY = "HOURLY_RATE"

Times = Annotated[int, Field(ge=1, le=100)]
Seconds = Annotated[int, Field(ge=60, le=366 * 86400)]


class TermsWords(BaseModel):
    """The terms as an employer writes them; what he leaves out is the default of the operator's published terms."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    description: Text = ""
    order: Literal["fund_first", "hire_first"] = "fund_first"
    claim: Literal["first", "pick"] = "first"
    payment_type: Literal["FIXED_PRICE", "HOURLY_RATE", "MILESTONE"] = "FIXED_PRICE"
    rate: HourRate | None = None  # of one hour
    cap: Cap | None = None  # whole hours
    funding: Literal["upfront", "on_approval"] = "upfront"
    deposit_percent: Annotated[int, Field(ge=0, le=100)] = 0
    custody_mode: Literal["lightning_self", "onchain_submarine", "ledger", "direct"] = "lightning_self"
    verification: Literal["manual", "auto"] = "manual"
    milestones: Parts = ()
    on_reject: Literal["dispute", "revise"] | None = None
    max_rejects: Times | None = None
    review_window: Seconds | None = None
    on_silence: Literal["approve", "dispute"] = "approve"
    on_hold_end: Literal["refund", "rollover then ledger", "rollover then refund", "ledger"] = "refund"
    min_evidence: Literal["attested", "signed"] = "attested"
    sealed: Literal["refused", "accepted"] = "refused"
    hold_timeout: Seconds | None = None


class Offer(BaseModel):
    """A task as offered, whether by event or by `post`."""

    model_config = ConfigDict(frozen=True)

    title: Title
    reward: Msat  # 0 where the price is in a currency: that needs a rate
    deadline: int  # unix seconds
    terms: TermsWords
    currency: str = ""  # "" for sats
    price: int = 0  # in the currency's smallest unit
    hour_rate: int = 0  # of one hour, in the same unit or in sats; 0 where it is not paid by the hour
    cap: int = 0  # hours


def concerns(event: Event, bot: str) -> bool:
    """True for a 30078 that is a Holdfast task for this bot; others use the kind for other things."""
    return event.kind == events.TASK and OFFER_TAG in event.tag_values("t") and bot in event.tag_values("p")


def address(event: Event) -> str:
    """The event's NIP-01 address, `kind:pubkey:d`. Raises BadWord when `d` cannot be used in one."""
    name = event.tag("d")
    if not name or ":" in name or len(name) > 200:
        raise BadWord(Refused.BAD_TAG, tag="d", problem="it is needed, without ':' and at most 200 characters long")
    return f"{event.kind}:{event.pubkey}:{name}"


def parse(event: Event) -> Offer:
    """A task event to an Offer. Raises BadWord."""
    address(event)
    terms: Any = {}
    if event.content.strip():
        try:
            terms = read_json(event.content)
        except BadEvent as error:
            raise BadWord(Refused.BAD_JSON, problem=str(error)) from None
    named = event.tag("currency")
    return offer(
        event.tag("title") or "", event.tag("amount") or "", event.tag("deadline") or "", terms, "sats" if named is None else named,
    )  # fmt: skip


def offer(title: str, amount: str | int, deadline: str | int, terms: Any, currency: str = "sats") -> Offer:
    """The same offer from loose words. Raises BadWord naming the first thing that is wrong."""
    cost = {} if amount == "" else _cost(amount, currency)
    until = _whole(deadline)
    if until is None or not 0 < until < 2**40:
        raise BadWord(Refused.BAD_DEADLINE, problem="the deadline is a time in unix seconds")
    if not isinstance(terms, dict):
        raise BadWord(Refused.BAD_JSON, problem="the terms are a JSON object")
    try:
        words = TermsWords.model_validate(terms)
        return Offer(title=title.strip(), deadline=until, terms=words, **_whole_cost(words, cost, currency))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise BadWord(Refused.UNKNOWN_TERM, term=name[:40], near=sorted(TermsWords.model_fields)) from None
        raise bad_word(error) from None


def _whole_cost(words: TermsWords, named: dict[str, Any], currency: str) -> dict[str, Any]:
    """What the work costs at most: the amount that was named; of work that is paid by the hour, rate x cap, which a named amount must be.
    Raises BadWord."""
    if words.payment_type != HOURLY:
        for term in ("rate", "cap"):
            if getattr(words, term) is not None:
                raise BadWord(Refused.BAD_FIELD, field=term, problem=f"it belongs to payment_type = {HOURLY}")
        return named or _cost("", currency)
    if words.rate is None or words.cap is None:
        term, what = ("rate", "what an hour costs") if words.rate is None else ("cap", "how many hours at most")
        raise BadWord(Refused.BAD_FIELD, field=term, problem=f"{HOURLY} needs it: {what}")
    code, rate = "" if currency.lower() in SATS else currency.upper(), hour_rate(words.rate, currency)
    whole = rate * words.cap
    if whole > (10**MOST_DIGITS - 1 if code else MAX_SAT):
        raise BadWord(Refused.BAD_AMOUNT, problem="rate x cap comes to more than there can be")
    cost = {"reward": Msat(0), "currency": code, "price": whole} if code else {"reward": sats(whole)}
    if named and named != cost:
        told = f"{plain(whole, code)} {code}" if code else f"{whole} sats"
        problem = f"of work that is paid by the hour it is rate x cap, {told}: name that, or no amount"
        raise BadWord(Refused.BAD_AMOUNT, problem=problem)
    return cost | {"hour_rate": rate, "cap": words.cap}


def hour_rate(rate: int | str, currency: str) -> int:
    """What an hour costs, in sats or in the currency's smallest unit. Raises BadWord."""
    try:
        hour = _cost(rate, currency)
    except BadWord as error:
        raise BadWord(Refused.BAD_FIELD, field="rate", problem=error.facts["problem"]) from None
    return int(hour.get("price") or hour["reward"] // MSAT_PER_SAT)


def _cost(amount: str | int, currency: str) -> dict[str, Any]:
    if currency.lower() in SATS:
        sat = _whole(amount)
        if sat is None or not 0 < sat <= MAX_SAT:
            raise BadWord(Refused.BAD_AMOUNT, problem="the amount is a whole number of sats above zero")
        return {"reward": sats(sat)}
    code = currency.upper()
    if code not in DIGITS:
        raise BadWord(
            Refused.BAD_AMOUNT, problem=f"“{currency[:12]}” is neither sats nor the code of a currency, like INR"
        )
    try:
        return {"reward": Msat(0), "currency": code, "price": read_amount_of(amount, code)}
    except BadAmount as error:
        raise BadWord(Refused.BAD_AMOUNT, problem=str(error)) from None


def _whole(value: str | int) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        return int(value)
    return None
