"""Steps that every hold invoice takes, whether it first locks the money or renews a hold: ordered, shown, dropped, sent back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers.decision import CancelHold, Decision, MakeHold, Moment
from handlers.guards import next_ref, salt
from handlers.invoices import put
from handlers.task import Funding, Task, shown
from handlers.transitions import Cause, move, note
from kinds.codes import Told
from kinds.lightning import HoldView
from kinds.rate import Rate, plain
from kinds.states import FundingState, LogType
from kinds.units import Msat

F = FundingState


def order(
    done: Decision, moment: Moment, expiry: int, amount: Msat, rate: Rate | None, *, milestone: int = 0, covers: int = 0, replaces: str = "",
) -> Decision:  # fmt: skip
    """A new hold invoice is asked of the node; `expiry` in seconds. `rate`: what is frozen when the invoice is there. `milestone`: 0 for
    the current one."""
    task, now, policy = done.task, moment.now, moment.policy
    ref, counter = next_ref(task, "h")
    new = Funding(
        ref=ref, milestone=milestone or task.current.number, amount=amount, asked=now.time, salt=salt(now, ref), replaces=replaces,
        cltv=policy.hold_cltv, rate=rate, covers=covers,
    )  # fmt: skip
    wish = MakeHold(
        ref=ref,
        amount=new.amount,
        expiry=expiry,
        cltv=policy.hold_cltv,
        memo=f"Holdfast escrow {task.id}",
        give_up_at=now.time + policy.make_hold_patience,
    )
    return done.change(fundings=(*task.fundings, new), counter=counter).do(wish)


def public(task: Task, held: Funding, parts: int) -> dict[str, Any]:
    """What the log shows of a hold that has come."""
    return {
        "funding": held.ref,
        "amount_msat": held.amount,
        "parts": parts,
        "expiry_height": held.expiry_height,
        "last_safe_height": task.terms.last_safe(held.expiry_height),
    }


def of_cover(task: Task, funding: Funding) -> dict[str, Any]:
    """What tells a deposit's entry in the log from those that move the task: which milestone it is for, and how much of its price. Nothing of
    any other hold."""
    if not funding.covers:
        return {}
    price = plain(funding.covers, task.currency) if task.currency else str(funding.covers)
    return {**({"milestone": funding.milestone} if task.is_project else {}), "covers": price}


def stray(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    """Held, and nobody wants it any more: it is on record and goes back at once."""
    held = replace(funding, state=F.ACCEPTED, goal="stray", expiry_height=view.expiry_height)
    moved = move(put(done, held), Cause.STRAY_HELD, moment, funding=funding.ref, amount_msat=view.received)
    return moved.do(CancelHold(funding.ref, funding.payment_hash)).say(
        done.task.employer, Told.STRAY, amount_msat=view.received
    )


def refused(
    done: Decision, funding: Funding, view: HoldView, cause: Cause | None, problem: str, moment: Moment
) -> Decision:
    """What was paid cannot be kept: it goes back at once, and the employer is told why. `cause` None: a deposit's hold, which moves nothing."""
    held = replace(funding, state=F.ACCEPTED, goal="stray", expiry_height=view.expiry_height)
    facts: dict[str, Any] = {"funding": funding.ref, "reason": problem}
    if cause:
        moved = move(put(done, held), cause, moment, **facts)
    else:
        moved = note(put(done, held), LogType.FUNDING_FAILED, moment, **of_cover(done.task, funding), **facts)
    moved = moved.do(CancelHold(funding.ref, funding.payment_hash))
    return moved.say(
        done.task.employer, Told.INVOICE_FAILED, reason=problem, wanted_msat=funding.amount, got_msat=view.received,
        parts=len(view.parts), min_part_msat=moment.policy.min_part, **of_cover(done.task, funding),
    )  # fmt: skip


def wrong_parts(funding: Funding, view: HoldView, moment: Moment) -> str:
    """Why no hold could be kept as it was paid, or ''."""
    policy = moment.policy
    if view.received != funding.amount:
        return "amount"
    if len(view.parts) > policy.max_parts:
        return "too_many_parts"
    if len(view.parts) > 1 and min(part.amount for part in view.parts) < policy.min_part:
        return "small_parts"
    if not all(part.on_channel for part in view.parts):
        return "off_channel"
    return ""


def invoice_card(done: Decision, funding: Funding) -> Decision:
    """The invoice, for the employer: one of a deposit says what it is for, any other what the milestone costs and what of that is locked already."""
    task = done.task
    facts: dict[str, Any] = {
        "invoice": funding.invoice,
        "payment_hash": funding.payment_hash,
        "amount_msat": funding.amount,
        "expires_at": funding.expires_at,
        "hash_salt": funding.salt,
        "renews": bool(funding.replaces),
    }
    if funding.covers:
        return done.say(task.employer, Told.DEPOSIT_INVOICE, **facts, **of_cover(task, funding))
    locked = sum(cover.amount for cover in task.own_covers)
    facts |= shown(task) | _asked(task) | ({"deposit_msat": locked} if locked else {})
    return done.say(task.employer, Told.INVOICE, **facts, last_safe_height=task.last_safe_height)


def _asked(task: Task) -> dict[str, Any]:
    """What the approved hours, or a share that both agreed on, cost, where the employer is asked for no more."""
    if not task.asks_for_due:
        return {}
    percent = task.current.asked
    return {"net_msat": task.share_of(percent), "service_fee_msat": task.fee_of(percent)}
