"""What the log tells of money: invoices, holds, refunds, settlements, payments and what is owed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from handlers.guards import next_ref
from handlers.hours import Hourly
from handlers.task import LOCK, CreditEntry, Funding, Payout, Pricing, Task
from kinds.rate import Rate, read_amount_of, read_price
from kinds.record import Entry
from kinds.states import FundingState, LogType, PayoutState, Role, TaskState
from kinds.units import Msat, PaymentHash, Pubkey, Secret

F, L, P, S = FundingState, LogType, PayoutState, TaskState
_OPEN = (F.MAKING, F.CREATED)
_ENDS_EXPIRED = ("unclaimed", "hold_timeout", "abandoned", "no_proof", "worker_unreachable")


def invoiced(task: Task, entry: Entry) -> Task:
    """Its name gives the number that was used last."""
    facts = entry.facts
    ref = str(facts["funding"])
    number = int(ref.removeprefix(f"{task.id}/h"))
    made: dict[str, Any] = {"state": F.CREATED, "expires_at": facts["expires_at"]}
    known = task.funding(ref)
    if known is None:
        new = Funding(
            ref=ref, milestone=task.current.number, amount=Msat(facts["amount_msat"]), asked=entry.time, salt="",
            replaces=str(facts.get("replaces", "")), rate=task.current.rate,
        )  # fmt: skip
        task = replace(task, fundings=(*task.fundings, new))
    if task.currency and entry.type == L.INVOICE_CREATED:
        task = frozen(task, entry)
        made["rate"] = task.current.rate
    return replace(task.with_funding(ref, **made), counter=max(task.counter, number))


def agreed(facts: Mapping[str, Any]) -> Pricing | None:
    """The limits of a price in a currency, as task.created tells them."""
    if "currency" not in facts:
        return None
    return Pricing(
        currency=str(facts["currency"]), budget_base=Msat(facts["budget_base_msat"]), budget_ppm=int(facts["budget_ppm"]),
        min_reward=Msat(facts["min_reward_msat"]), max_reward=Msat(facts["max_reward_msat"]),
    )  # fmt: skip


def price(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The price and its rate, as an entry tells them."""
    if "currency" not in facts:
        return {}
    currency = str(facts["currency"])
    said = read_price(str(facts["rate"]))
    if said is None:
        raise ValueError("a rate that is none")
    rate = Rate(currency, said, tuple(map(str, facts["rate_sources"])), int(facts["rate_time"]))
    return {"price": read_amount_of(str(facts["price"]), currency), "rate": rate}


def by_hour(facts: Mapping[str, Any], currency: str) -> Hourly | None:
    """The rate of an hour, in the unit of the price, and how many hours at most."""
    if "hourly_rate" not in facts:
        return None
    said = str(facts["hourly_rate"])
    rate = read_amount_of(said, currency) if currency else int(said)
    return Hourly(rate=rate, cap=int(facts["hours_cap"]))


def frozen(task: Task, entry: Entry) -> Task:
    """Another invoice, another rate; the price stays."""
    told = price(entry.facts)
    if told["price"] != task.current.price:
        raise ValueError("another price")
    reward, budget = Msat(entry.facts["reward_msat"]), Msat(entry.facts["budget_msat"])
    return task.with_milestone(rate=told["rate"], reward=reward, budget=budget)


def accepted(task: Task, entry: Entry) -> Task:
    return replace(held(task, entry), funded_until=entry.facts["until"] - entry.deaf if "until" in entry.facts else 0)


def rolled_over(task: Task, entry: Entry) -> Task:
    return held(task.with_funding(entry.facts["replaces"], goal="stray"), entry)


def held(task: Task, entry: Entry) -> Task:
    expiry = int(entry.facts["expiry_height"])
    funding(task, entry)
    return task.with_funding(
        entry.facts["funding"], state=F.ACCEPTED, goal="", accepted_at=entry.heard, expiry_height=expiry,
        cltv=expiry - entry.height,
    )  # fmt: skip


def void(task: Task, entry: Entry) -> Task:
    funding(task, entry)
    return task.with_funding(entry.facts["funding"], state=F.EXPIRED)


def stray(task: Task, entry: Entry) -> Task:
    """Held and not wanted; that it has gone back since is the node's to say."""
    funding(task, entry)
    return task.with_funding(entry.facts["funding"], state=F.ACCEPTED, goal="stray")


def refunding(task: Task, entry: Entry) -> Task:
    """How the end will be called follows from why it ends, as in the handlers that begin it. What goes into the books, or is there, goes
    back from there."""
    reason = str(entry.facts["reason"])
    funding(task, entry)
    ended = reason in _ENDS_EXPIRED or (reason == "hold_end" and entry.state == S.FUNDED)
    split = int(entry.facts.get("percent", task.split)) if reason == "agreed" else task.split
    task = replace(
        drop_waiting(no_renewal(quiet(task))), ending="ENDED" if ended else "REFUNDED", reason=reason,
        marked=task.marked or reason in ("no_proof", "worker_unreachable"), funded_until=0, split=split, offers=(), closing=_agreed_on(entry),
    )  # fmt: skip
    return _all_are_to(task, entry, "cancel")


def _agreed_on(entry: Entry) -> bool:
    """Both wanted the end."""
    return entry.facts.get("how") == "agreement"


def _all_are_to(task: Task, entry: Entry, goal: str) -> Task:
    """The hold that the entry names, and the other one where there are two; not what is in the books, or to be given back on its way there."""
    for ref in {str(entry.facts["funding"]), *(hold.ref for hold in task.holds)}:
        booked = of(task, ref).is_booked or (goal == "cancel" and of(task, ref).goal == LOCK)
        task = task if booked else task.with_funding(ref, goal=goal)
    return task


def refunded(task: Task, entry: Entry) -> Task:
    """The money went back, or it was settled, behind our back or into the books, and stands in the employer's account."""
    ref = entry.facts.get("funding")
    if not ref:  # nothing was ever held
        return replace(
            drop_waiting(no_quote(task)), ending="", reason=str(entry.facts["reason"]), offers=(), closing=_agreed_on(entry),
            split=int(entry.facts.get("percent", task.split)),
        )  # fmt: skip
    return _over(task, entry)


def _over(task: Task, entry: Entry) -> Task:
    """What has become of each hold that the entry opens: lost before, settled, which is owed to the employer, or given back. What is left
    of two behind a loss is only ordered to go back; that it is back is the node's to say."""
    given, kept = credited(task, entry), task.kept
    owed = [line.amount for line in given]
    for each in kept:
        owed.remove(each.amount)
    behind_loss = any(held.state is F.LOST for held in task.backing)
    for item in opening(entry):
        held = of(task, str(item["funding"]))
        words: dict[str, Any] = {"payment_hash": item["payment_hash"], "salt": item["hash_salt"]}
        if held.state is F.LOST:
            pass
        elif held.is_booked:
            words |= {"goal": "cancel"}
        elif held.amount in owed:
            owed.remove(held.amount)
            words |= {"state": F.SETTLED, **({"goal": "cancel"} if behind_loss else {})}
        elif behind_loss:
            words |= {"goal": "stray"}
        else:
            words |= {"state": F.CANCELLED}
        task = task.with_funding(held.ref, **words)
    locked = Msat(task.locked - sum(each.amount for each in kept))
    return replace(task, locked=locked, credits=(*task.credits, *given))


def expired(task: Task, entry: Entry) -> Task:
    return _over(no_renewal(drop_waiting(task)), entry) if opening(entry) else drop_waiting(no_quote(task))


def locked(task: Task, entry: Entry) -> Task:
    """A hold was settled into the books."""
    ref, amount = str(entry.facts["funding"]), Msat(entry.facts["amount_msat"])
    if funding(task, entry).amount != amount:
        raise ValueError("another amount than the hold's")
    task = opened(unwanted(task, lambda other: other.replaces == ref), entry, F.SETTLED)
    return replace(task.with_funding(ref, goal=LOCK), locked=Msat(task.locked + amount))


def settling(task: Task, entry: Entry) -> Task:
    funding(task, entry)
    return _all_are_to(task, entry, "settle")


def settled(task: Task, entry: Entry) -> Task:
    """The end of a paid task: the entry names the payments, credits and fees to the msat."""
    facts = entry.facts
    for item in facts["payouts"]:
        task = paid_out(task, item)
    task, kept = drop_waiting(task), sum(held.amount for held in task.kept)
    for item in opening(entry):
        held = of(task, str(item["funding"]))
        state = F.LOST if held.state is F.LOST else F.SETTLED
        words = {"goal": "settle"} if held.is_booked else {}
        task = task.with_funding(
            held.ref, state=state, payment_hash=item["payment_hash"], salt=item["hash_salt"], **words
        )
    booked = task.with_milestone(fee=Msat(facts.get("fee_msat", 0)), insurance=Msat(facts["insurance_msat"]))
    return replace(booked, credits=(*task.credits, *credited(task, entry)), locked=Msat(task.locked - kept))


def hold_lost(task: Task, entry: Entry) -> Task:
    task = no_renewal(opened(task, entry, F.LOST))
    for item in entry.facts.get("other_holds", []):
        other = of(task, str(item["funding"]))  # out of the books it goes back with the end
        task = task if other.is_booked else task.with_funding(other.ref, goal="stray")
    return replace(task, lost=entry.state == S.VERIFIED)


def compensated(task: Task, entry: Entry) -> Task:
    facts = entry.facts
    line = CreditEntry(
        role=Role(facts["role"]), to=Pubkey(facts["to"]), amount=Msat(facts["amount_msat"]), why="compensation",
        milestone=task.current.number,
    )  # fmt: skip
    return replace(task, credits=(*task.credits, line), compensated=Msat(task.compensated + line.amount))


def quiet(task: Task) -> Task:
    """Nothing is under review any more."""
    return task.with_milestone(review_until=0, resubmit_until=0, arriving=None)


def of(task: Task, ref: str) -> Funding:
    return next(funding for funding in task.fundings if funding.ref == ref)


def funding(task: Task, entry: Entry) -> Funding:
    """The funding that the entry names. Raises StopIteration when the log has never named it before."""
    return of(task, str(entry.facts["funding"]))


def opened(task: Task, entry: Entry, state: FundingState) -> Task:
    """A hold is over, and its hash public."""
    facts = entry.facts
    known = {
        name: facts[fact] for name, fact in (("payment_hash", "payment_hash"), ("salt", "hash_salt")) if fact in facts
    }
    funding(task, entry)
    return task.with_funding(str(facts["funding"]), state=state, **known)


def opening(entry: Entry) -> list[Mapping[str, Any]]:
    """The holds that an end opens: the one that it names, and the other one where a milestone's money rested on two."""
    named = [entry.facts] if entry.facts.get("funding") else []
    return [*named, *entry.facts.get("other_holds", [])]


def no_renewal(task: Task) -> Task:
    return unwanted(task, lambda funding: bool(funding.replaces))


def no_quote(task: Task) -> Task:
    return unwanted(task, lambda _: True)


def unwanted(task: Task, which: Callable[[Funding], bool]) -> Task:
    for funding in task.fundings:
        if funding.state in _OPEN and which(funding):
            task = task.with_funding(funding.ref, goal="cancel")
    return task


def drop_waiting(task: Task) -> Task:
    """Payouts of which the log says that they did not arrive, or that another one did."""
    for payout in task.payouts:
        if not payout.state.is_final:
            over = P.ABANDONED if payout.state is P.PLANNED else P.FAILED
            task = task.with_payout(payout.ref, state=over, ordered=False, next_try=0)
    return task


def paid_out(task: Task, item: Any) -> Task:
    """A payment that the log shows: one of those that are known, or one that was made after the backup."""
    paid_hash = PaymentHash(item["payment_hash"])
    done: dict[str, Any] = {
        "state": P.COMPLETE, "fee": Msat(item["fee_msat"]), "preimage": Secret(item["preimage"]), "ordered": False,
        "next_try": 0,
    }  # fmt: skip
    known = next((p for p in task.payouts if p.payment_hash == paid_hash), None)
    if known is not None:
        return task.with_payout(known.ref, **done)
    task = drop_waiting(task)
    ref, counter = next_ref(task, "p")
    new = Payout(
        ref=ref, role=Role(item["role"]), to=Pubkey(item["to"]), amount=Msat(item["amount_msat"]),
        budget=task.budget, payment_hash=paid_hash, salt=item["dest_salt"], promised=item["status"] == "proven",
        milestone=task.current.number,
    )  # fmt: skip
    task = replace(task, payouts=(*task.payouts, new), counter=counter)
    return task.with_payout(ref, **done)


def credited(task: Task, entry: Entry, milestone: int = 0) -> tuple[CreditEntry, ...]:
    return tuple(
        CreditEntry(
            role=Role(item["role"]), to=Pubkey(item["to"]), amount=Msat(item["amount_msat"]), why="restored from the log",
            milestone=milestone or task.current.number,
        )
        for item in entry.facts.get("credited", [])
    )  # fmt: skip
