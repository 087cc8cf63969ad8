"""The employer's money: the hold invoice asked for, made, paid, refused, and what arrives when nobody wants it any more."""

from __future__ import annotations

from dataclasses import replace

from handlers import ending
from handlers.decision import CancelHold, Decision, MakeHold, Moment, refuse
from handlers.guards import (
    SLACK_BLOCKS,
    need_evidence,
    need_fit,
    need_role,
    need_room,
    need_state,
    need_welcome,
    next_ref,
    salt,
)
from handlers.policy import DAY
from handlers.task import Funding, Task
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.commands import Fund
from kinds.inputs import HoldMade, HoldSeen, Said
from kinds.lightning import HoldStatus, HoldView
from kinds.states import FundingState, Phase, Role, TaskState
from kinds.units import commitment

F, H = FundingState, HoldStatus
GONE = (H.CANCELLED, H.ABSENT)


def fund(task: Task, said: Said, command: Fund, moment: Moment) -> Decision:
    """The invoice that locks the money; the same one again while it is open."""
    need_role(task, said, Role.EMPLOYER)
    if command.mode not in ("", "lightning_self"):
        raise refuse(Refused.NOT_BUILT, what=f"funding {command.mode}", built=["lightning_self"])
    need_state(task, said, TaskState.DRAFT, TaskState.PENDING_FUNDING)
    need_evidence(task, said)
    quote = task.quote
    if quote and quote.state is F.MAKING:
        return Decision(task).say(said.by, Told.MAKING_INVOICE)
    if quote:
        return _invoice_card(Decision(task), quote)
    need_welcome(moment)
    now, policy = moment.now, moment.policy
    today = [f.asked for f in task.fundings if f.asked > now.time - DAY]
    if len(today) >= policy.quotes_a_day:
        raise refuse(Refused.TOO_MANY_QUOTES, limit=policy.quotes_a_day, wait=today[0] + DAY - now.time)
    need_fit(task, moment, now.height + policy.hold_cltv)
    left = task.terms.deadline - now.heard
    if left < 60:
        raise refuse(Refused.TOO_LATE, task=task.id, what="deadline", since=task.terms.deadline + now.deaf)
    need_room(task, task.hold_amount, moment)
    ref, counter = next_ref(task, "h")
    new = Funding(ref=ref, milestone=1, amount=task.hold_amount, asked=now.time, salt=salt(now, ref))
    order = MakeHold(
        ref=ref,
        amount=new.amount,
        expiry=min(policy.invoice_expiry, left),
        cltv=policy.hold_cltv,
        memo=f"Holdfast escrow {task.id}",
        give_up_at=now.time + policy.make_hold_patience,
    )
    return (
        Decision(replace(task, fundings=(*task.fundings, new), counter=counter))
        .do(order)
        .say(said.by, Told.MAKING_INVOICE)
    )


def made(task: Task, what: HoldMade, moment: Moment) -> Decision:
    """The node has made the hold invoice, or could not."""
    funding, view = task.funding(what.ref), what.view
    done = Decision(task)
    if funding is None or funding.state is not F.MAKING:
        return done
    if view.status is not H.OPEN or not view.invoice or view.amount != funding.amount:
        return done.on(task.with_funding(funding.ref, state=F.FAILED)).say(
            task.employer, Told.INVOICE_FAILED, reason="node"
        )
    made_now = replace(
        funding, state=F.CREATED, payment_hash=view.payment_hash, invoice=view.invoice, expires_at=view.expires_at
    )
    if task.state is not TaskState.DRAFT or funding.goal or task.frozen:
        return drop_invoice(_put(done, made_now), made_now)
    moved = move(
        _put(done, made_now),
        Cause.INVOICE_MADE,
        moment,
        funding=funding.ref,
        amount_msat=funding.amount,
        expires_at=view.expires_at,
        hash_commitment=commitment(funding.salt, view.payment_hash),
    )
    return _invoice_card(moved, made_now)


def seen(task: Task, what: HoldSeen, moment: Moment) -> Decision:
    """The node's word on a hold."""
    funding, view = task.funding(what.ref), what.view
    done = Decision(task)
    if funding is None or view.status is H.UNKNOWN:
        return done
    match funding.state:
        case F.CREATED if view.status is H.HELD:
            return _paid(done, funding, view, moment)
        case F.CREATED if view.status in GONE:
            return _void(done, funding, moment)
        case F.CREATED if view.refused and view.refused != funding.refused:
            told = done.on(task.with_funding(funding.ref, refused=view.refused))
            return told.say(task.employer, Told.WRONG_PAYMENT, wanted_msat=funding.amount, got_msat=view.refused)
        case F.CREATED if view.status is H.SETTLED:
            return done.incident("settled_unheld", funding=funding.ref)
        case F.ACCEPTED if view.status is H.SETTLED:
            return ending.settled(done, funding, view, moment)
        case F.ACCEPTED if view.status is H.HELD and not all(part.on_channel for part in view.parts):
            return done.incident("hold_off_channel", funding=funding.ref, amount_msat=view.received)
        case F.ACCEPTED if view.status in GONE and funding.goal == "stray":
            return done.on(task.with_funding(funding.ref, state=F.CANCELLED))
        case F.ACCEPTED if view.status in GONE and funding.goal == "cancel":
            return ending.refunded(done, funding, moment)
        case F.ACCEPTED if view.status in GONE:
            return ending.hold_lost(done, funding, moment)
        case F.CANCELLED | F.EXPIRED | F.FAILED if view.status is H.HELD:
            return _stray(done, funding, view, moment)
        case F.LOST if view.status is H.HELD:
            return _back(done, funding, view, moment)
    return done


def drop_invoice(done: Decision, funding: Funding | None) -> Decision:
    """Nobody wants this invoice any more: cancel it at the node; if it is paid first, it is a stray and goes back."""
    if funding is None:
        return done
    unwanted = replace(funding, goal="cancel")
    order = [] if funding.state is F.MAKING else [CancelHold(funding.ref, funding.payment_hash)]
    return _put(done, unwanted).do(*order)


def _paid(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    task, policy = done.task, moment.policy
    if funding.goal or task.state is not TaskState.PENDING_FUNDING or task.phase is not Phase.NONE:
        return _stray(done, funding, view, moment)
    expiry = view.expiry_height
    problem = _problem(task, funding, view, moment)
    if problem:
        refused = replace(funding, state=F.ACCEPTED, goal="stray", expiry_height=expiry)
        moved = move(_put(done, refused), Cause.FUNDING_REFUSED, moment, funding=funding.ref, reason=problem)
        moved = moved.do(CancelHold(funding.ref, funding.payment_hash))
        return moved.say(
            task.employer, Told.INVOICE_FAILED, reason=problem, wanted_msat=funding.amount, got_msat=view.received,
            parts=len(view.parts), min_part_msat=policy.min_part,
        )  # fmt: skip
    held = replace(funding, state=F.ACCEPTED, accepted_at=moment.now.heard, expiry_height=expiry)
    until = min(moment.now.heard + task.terms.hold_timeout, task.terms.deadline)
    funded = _put(done, held).change(funded_until=until)
    last_safe = funded.task.last_safe_height
    moved = move(
        funded,
        Cause.HELD,
        moment,
        funding=funding.ref,
        amount_msat=view.received,
        parts=len(view.parts),
        expiry_height=expiry,
        last_safe_height=last_safe,
        until=until + moment.now.deaf,
    )
    return moved.say(
        task.employer,
        Told.FUNDED,
        amount_msat=view.received,
        until=until + moment.now.deaf,
        deadline=task.terms.deadline + moment.now.deaf,
        expiry_height=expiry,
        last_safe_height=last_safe,
    )


def _problem(task: Task, funding: Funding, view: HoldView, moment: Moment) -> str:
    """Why this payment cannot be kept, or ''."""
    policy, now = moment.policy, moment.now
    if view.received != funding.amount:
        return "amount"
    if len(view.parts) > policy.max_parts:
        return "too_many_parts"
    if len(view.parts) > 1 and min(part.amount for part in view.parts) < policy.min_part:
        return "small_parts"
    if not all(part.on_channel for part in view.parts):
        return "off_channel"
    if now.heard >= task.terms.deadline:
        return "deadline"
    margin = task.terms.margin + task.terms.payout_limit + 6 + policy.reserve
    blocks_needed = -(-(task.terms.deadline + task.terms.review_window - now.heard) // 600)
    return "expires_too_soon" if view.expiry_height - margin - now.height < blocks_needed - SLACK_BLOCKS else ""


def _void(done: Decision, funding: Funding, moment: Moment) -> Decision:
    task = done.task
    if funding.goal or task.state is not TaskState.PENDING_FUNDING:
        return done.on(task.with_funding(funding.ref, state=F.CANCELLED))
    gone = done.on(task.with_funding(funding.ref, state=F.EXPIRED))
    return move(gone, Cause.INVOICE_VOID, moment, funding=funding.ref).say(task.employer, Told.INVOICE_EXPIRED)


def _stray(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    stray = replace(funding, state=F.ACCEPTED, goal="stray", expiry_height=view.expiry_height)
    moved = move(_put(done, stray), Cause.STRAY_HELD, moment, funding=funding.ref, amount_msat=view.received)
    return moved.do(CancelHold(funding.ref, funding.payment_hash)).say(
        done.task.employer, Told.STRAY, amount_msat=view.received
    )


def _back(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    """A lost hold is there again: it goes back, unless the worker was paid or may be; then the operator must look."""
    task = done.task
    if task.state is not None and task.state.is_final and not task.paid_share:
        return _stray(done, funding, view, moment)
    return done.incident("lost_hold_is_back", funding=funding.ref, amount_msat=view.received)


def _put(done: Decision, funding: Funding) -> Decision:
    task = done.task
    return done.on(replace(task, fundings=tuple(funding if f.ref == funding.ref else f for f in task.fundings)))


def _invoice_card(done: Decision, funding: Funding) -> Decision:
    task = done.task
    return done.say(
        task.employer,
        Told.INVOICE,
        invoice=funding.invoice,
        payment_hash=funding.payment_hash,
        amount_msat=funding.amount,
        reward_msat=task.reward,
        budget_msat=task.budget,
        expires_at=funding.expires_at,
        hash_salt=funding.salt,
    )
