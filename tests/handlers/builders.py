"""Lives up to a point: tasks brought to where a test needs them, by real decisions only. Nothing here makes a state by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from handlers.house import House
from handlers.policy import DAY, Policy
from kinds.codes import Told
from kinds.inputs import BY_HAND
from kinds.lightning import Fault, HoldStatus, PaymentStatus
from kinds.states import Phase, TaskState, WorkState
from kinds.units import Pubkey, sats
from tests.handlers.life import EMPLOYER, POLICY, STRANGER, WORKER, Life, invoice

H, PS = HoldStatus, PaymentStatus


def draft(policy: Policy = POLICY, market: Decimal | None = None, **offered: Any) -> Life:
    return Life(policy, market=market).offer(**offered)


RUPEES: dict[str, Any] = {"rupees": "4000", "market": Decimal(8_000_000)}
"""A price in a currency, 50,000 sats at this rate."""


def making(**given: Any) -> Life:
    life = draft(**given)
    life.fund()
    return life


def pending(**given: Any) -> Life:
    life = making(**given)
    life.make()
    return life


def funded(**given: Any) -> Life:
    life = pending(**given)
    life.see(H.HELD)
    return life


def claimed(destination: bool = False, **given: Any) -> Life:
    life = funded(**given)
    if destination:
        life.claim(destination=invoice("share", life.task.net))
    else:
        life.claim()
    return life


def accepted(fund: bool = False, **given: Any) -> Life:
    """A worker is bound before the money; `fund`: the invoice is open."""
    life = draft(**{"order": "hire_first"} | given)
    life.claim()
    return _invoiced(life) if fund else life


def applied(**given: Any) -> Life:
    """Two have offered to do it: the stranger first."""
    terms = {"order": "hire_first", "claim": "pick"} | given
    life = draft(**terms) if terms["order"] == "hire_first" else funded(**terms)
    for who in (STRANGER, WORKER):
        life.claim(who, note="I have done ten of these")
    return life


def preferred(fund: bool = False, **given: Any) -> Life:
    """The worker was hired, and the stranger stays on the list."""
    life = applied(**given)
    life.say(EMPLOYER, life.command("hire", npub=WORKER))
    return _invoiced(life) if fund else life


def _invoiced(life: Life) -> Life:
    life.fund()
    life.make()
    return life


def submitted(destination: bool = False, **given: Any) -> Life:
    life = claimed(destination, **given)
    life.submit()
    return life


def rejected(**given: Any) -> Life:
    """Refused, with another try."""
    life = submitted(on_reject="revise", **given)
    life.reject()
    return life


def disputed(work: WorkState = WorkState.SUBMITTED, **given: Any) -> Life:
    at = {WorkState.IN_PROGRESS: claimed, WorkState.SUBMITTED: submitted, WorkState.REJECTED: rejected}
    life = at[work](**given)
    life.dispute()
    return life


def verified(destination: bool = False, **given: Any) -> Life:
    """Approved; the payout is planned, and ordered when there is a destination."""
    life = submitted(destination, **given)
    life.approve()
    return life


def leaving(**given: Any) -> Life:
    """Leave to pay was given: claimed, and perhaps sent."""
    life = verified(True, **given)
    life.leave()
    return life


def resting(fault: Fault = Fault.OURS, **given: Any) -> Life:
    """An attempt failed for good on every part; the next one waits."""
    life = leaving(**given)
    life.fail(fault)
    return life


def in_flight(**given: Any) -> Life:
    life = leaving(**given)
    life.pay(PS.IN_FLIGHT)
    return life


def settling(**given: Any) -> Life:
    """The worker has his share, the hold is being settled."""
    life = in_flight(**given)
    life.pay(PS.COMPLETE)
    return life


def margin(start: Callable[..., Life] = verified, **given: Any) -> Life:
    """E - M came before the share arrived."""
    life = start(**given)
    life.to_height(life.task.settle_height).ticks()
    assert life.stands == "Verified/settling:APPROVED"
    return life


def paid(**given: Any) -> Life:
    life = settling(**given)
    life.see(H.SETTLED)
    return life


def credited(**given: Any) -> Life:
    """Paid, but into the worker's account: the share could not be sent in time."""
    life = margin(**given)
    life.see(H.SETTLED)
    return life


def split(percent: int, destination: str = "part", **given: Any) -> Life:
    """Both agreed on a percentage; the worker's part arrived and the hold was settled."""
    life = claimed(**given).agree(percent)
    life.payout(destination)
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    return life


BOOKS = dataclasses.replace(POLICY, custody_modes=("lightning_self", "ledger"))


def in_books(start: Callable[..., Life] = claimed, **given: Any) -> Life:
    """The money was taken into the books as soon as a worker was bound."""
    life = start(policy=BOOKS, custody_mode="ledger", **given)
    life.see(H.SETTLED)
    assert life.task.locked == life.task.hold_amount
    return life


def refunding(start: Callable[..., Life], **given: Any) -> Life:
    """A refund that both agreed on, under way (or the employer's own, before a claim)."""
    life = start(**given)
    if life.task.worker is None:
        life.cancel(EMPLOYER)
    else:
        life.agree(0)
    assert life.task.phase is Phase.REFUNDING
    return life


def freeze(life: Life) -> Life:
    """By the operator, at the machine."""
    life.say(BY_HAND, life.command("freeze"))
    return life


def unfreeze(life: Life) -> Life:
    life.say(BY_HAND, life.command("unfreeze"))
    return life


def lost(start: Callable[..., Life] = claimed, **given: Any) -> Life:
    """The hold vanished before any payout."""
    life = start(**given)
    life.see(H.CANCELLED)
    assert life.task.state is TaskState.EXPIRED
    return life


def lost_after_payout(**given: Any) -> Life:
    life = in_flight(**given)
    life.see(H.CANCELLED)
    life.pay(PS.COMPLETE)
    assert life.stands == "Paid:RELEASED"
    return life


def compensate(life: Life, insured: int = 1_000_000, **fields: Any) -> Life:
    """By the operator, at the machine. `insured`: sats in the insurance account."""
    life.house = House(insured=sats(insured))
    life.say(BY_HAND, life.command("compensate", **fields))
    return life


def unreachable(**given: Any) -> Life:
    """Approved, and the worker's side could not be paid for a day: the refund is under way."""
    life = verified(**given).reach()
    life.wait(DAY).ticks()
    assert life.stands == "Verified/refunding:APPROVED"
    return life


def refunded(start: Callable[..., Life] = submitted, **given: Any) -> Life:
    life = refunding(start, **given)
    life.see(H.CANCELLED)
    return life


def expired(**given: Any) -> Life:
    """The deadline passed without a proof."""
    life = claimed(**given)
    life.until(life.task.terms.deadline).ticks()
    life.see(H.CANCELLED)
    assert life.task.state is TaskState.EXPIRED
    return life


LATER: dict[str, Any] = {"funding": "on_approval"}


def started(**given: Any) -> Life:
    """The employer chose full payment, and the work begins without money."""
    life = accepted(**LATER | given)
    life.say(EMPLOYER, life.command("select", structure="full"))
    return life


def handed_in(**given: Any) -> Life:
    life = started(**given)
    life.submit()
    return life


def sent_back(**given: Any) -> Life:
    """Refused, with another try, and nothing is held."""
    life = handed_in(on_reject="revise", **given)
    life.reject()
    return life


def at_odds(**given: Any) -> Life:
    """In dispute, and nothing is held."""
    life = handed_in(**given)
    life.dispute()
    return life


def owing(asked: bool = False, start: Callable[..., Life] = handed_in, **given: Any) -> Life:
    """Approved, and the employer is asked for the money; `asked`: he has the invoice."""
    life = start(**given)
    life.approve()
    if asked:
        life.make()
    return life


def covered(**given: Any) -> Life:
    """He has paid; the worker's payout is planned."""
    life = owing(True, **given)
    life.see(H.HELD)
    return life


def locked_ahead(**given: Any) -> Life:
    """A part of a full payment is held before the work is approved."""
    life = started(**given)
    life.say(EMPLOYER, life.command("deposit", answer="accept"))
    life.make()
    life.see(H.HELD)
    return life


def fallen_short(**given: Any) -> Life:
    """The rest was not paid in time: the worker gets what was locked ahead."""
    life = locked_ahead(**given)
    life.submit()
    life.approve()
    life.make(H.ABSENT)
    life.until(life.task.current.pay_until).ticks()
    return life


OPEN: dict[str, Callable[[], Life]] = {
    "Draft": draft,
    "PendingFunding": pending,
    "Funded": funded,
    "Funded, refunding": lambda: refunding(funded),
    "Claimed": claimed,
    "Claimed, refunding": lambda: refunding(submitted),
    "Disputed": disputed,
    "Disputed, refunding": lambda: refunding(disputed),
    "Verified": verified,
    "Verified, settling": settling,
    "Verified, refunding": unreachable,
    "Claimed, awaiting payment": lambda: owing(True),
}
"""A task in every place where it is not over."""


HOURS: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": 1_250, "cap": 40}
"""Paid by the hour: up to 40 of 1,250 sats, which is the usual 50,000."""


def worked(hours: str, start: Callable[..., Life] = claimed, **given: Any) -> Life:
    """So many hours were delivered."""
    life = start(**HOURS | given)
    life.say(WORKER, life.command("submit", hours=hours))
    return life


def settled(life: Life) -> Life:
    """What is approved is paid out and settled."""
    life.payout("hours")
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    return life


PARTS = ((20_000, 20), (10_000, 40), (20_000, 60))  # sats and days of a project's milestones


def parts(*sizes: tuple[int, int]) -> list[dict[str, Any]]:
    """Milestones as somebody writes them: so many sats, due in so many days."""
    return [{"title": f"Part {n}", "amount": sat, "due": f"{days}d"} for n, (sat, days) in enumerate(sizes, 1)]


def hired(**given: Any) -> Life:
    """Somebody is hired for a project before the money."""
    terms: dict[str, Any] = {"deadline": 80 * DAY, "on_hold_end": "rollover then ledger", "policy": BOOKS}
    return accepted(**terms | given)


def proposed(by: Pubkey = EMPLOYER, sizes: tuple[tuple[int, int], ...] = PARTS, **given: Any) -> Life:
    life = hired(**given)
    life.say(by, life.command("milestones", milestones=parts(*sizes)))
    return life


def planned(**given: Any) -> Life:
    """Both have agreed on three milestones."""
    life = proposed(**given)
    life.say(WORKER, life.command("agree", plan=life.task.proposal.hash if life.task.proposal else ""))
    return life


def begun(**given: Any) -> Life:
    """The money of the first milestone is held, and the work begins."""
    life = _invoiced(planned(**given))
    life.see(H.HELD)
    return life


def released(count: int = 1, **given: Any) -> Life:
    """So many milestones are paid."""
    life = begun(**given)
    for number in range(count):
        if number:
            _invoiced(life).see(H.HELD)
        release(life)
    return life


def release(life: Life) -> Life:
    """The milestone under way is delivered, approved and paid."""
    life.submit()
    seen = life.task.current.proof
    if seen and seen.number > 1:
        life.reach(Told.PROOF_ARRIVED)
        life.wait(60)
    life.approve()
    life.payout(f"share {life.task.at}")
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    return life


def cut_later(sizes: tuple[tuple[int, int], ...] = PARTS, **given: Any) -> Life:
    """Both have agreed on milestones that are paid for on approval: the work on the first one has begun."""
    life = hired(**{"policy": POLICY, "on_hold_end": "refund"} | LATER | given)
    life.say(EMPLOYER, life.command("milestones", milestones=parts(*sizes)))
    life.say(WORKER, life.command("agree", plan=life.task.proposal.hash if life.task.proposal else ""))
    return life


def pay_later(life: Life) -> Life:
    """The milestone under way is delivered, approved, paid for and paid out."""
    life.submit()
    seen = life.task.current.proof
    if seen and seen.number > 1:
        life.reach(Told.PROOF_ARRIVED)
        life.wait(60)
    life.approve()
    life.make()
    life.see(H.HELD)
    life.payout(f"share {life.task.at}")
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    return life
