"""The employer's money: the hold invoice asked for, made, paid, refused, and what arrives when nobody wants it any more."""

from __future__ import annotations

from dataclasses import replace

from handlers import binding, deposit, due, ending, plan, pricing, rollover
from handlers.decision import Decision, Moment, refuse
from handlers.guards import (
    SLACK_BLOCKS,
    need_evidence,
    need_fit,
    need_quote,
    need_role,
    need_room,
    need_state,
    need_welcome,
)
from handlers.holds import invoice_card, of_cover, order, public, refused, stray, wrong_parts
from handlers.invoices import drop_invoice, put
from handlers.task import LOCK, Funding, Task
from handlers.transitions import Cause, move
from kinds.bolt11 import BadInvoice, decode
from kinds.codes import Refused, Told
from kinds.commands import Fund
from kinds.inputs import HoldMade, HoldSeen, Said
from kinds.lightning import HoldStatus, HoldView
from kinds.states import FundingState, Phase, Role, TaskState
from kinds.units import Secret, commitment

F, H = FundingState, HoldStatus
GONE = (H.CANCELLED, H.ABSENT)
_CLOCKS_APART = 600  # seconds that the node's clock may differ from ours


def fund(task: Task, said: Said, command: Fund, moment: Moment) -> Decision:
    """The invoice that locks the money; the same one again while it is open."""
    need_role(task, said, Role.EMPLOYER)
    if command.mode not in ("", "lightning_self"):
        raise refuse(Refused.NOT_BUILT, what=f"funding {command.mode}", built=["lightning_self"])
    renews = rollover.may_be_asked(task, moment)
    first = not (renews or task.awaits_payment)
    if first:
        if task.on_approval:
            raise refuse(Refused.PAYS_LATER, task=task.id)
        need_state(task, said, TaskState.DRAFT, TaskState.PENDING_FUNDING)
        if task.hires_first and task.worker is None:
            raise refuse(Refused.NOT_HIRED, task=task.id, claim=task.terms.claim)
        plan.need_plan(task)
    need_evidence(task, said)
    quote = task.rollover if renews else task.quote
    if quote and quote.state is F.MAKING:
        return Decision(task).say(said.by, Told.MAKING_INVOICE)
    if quote:
        return invoice_card(Decision(task), quote)
    if task.awaits_payment:
        return due.fund(task, moment)
    if first:
        need_welcome(moment)
    need_quote(task, moment)
    now, policy = moment.now, moment.policy
    if renews:
        return rollover.ask(task, moment).say(said.by, Told.MAKING_INVOICE)
    need_fit(task, moment, now.height + policy.hold_cltv)
    left = task.deadline - now.heard
    if left < 60:
        raise refuse(Refused.TOO_LATE, task=task.id, what="deadline", since=task.deadline + now.deaf)
    before = deposit.fitting(Decision(task), moment)
    quoted = pricing.quote(before.task, moment)
    need_room(task, quoted.still_asked, moment)
    life = policy.rate_expiry if task.currency else policy.invoice_expiry
    amount, rate = quoted.still_asked, quoted.current.rate
    done = order(deposit.drop_open(before, task.current.number), moment, min(life, left), amount, rate)
    return done.say(said.by, Told.MAKING_INVOICE)


def made(task: Task, what: HoldMade, moment: Moment) -> Decision:
    """The node has made the hold invoice, or could not. One that was not asked for is shown to nobody and cancelled."""
    funding, view = task.funding(what.ref), what.view
    done = Decision(task)
    if funding is None or funding.state is not F.MAKING:
        return done
    if view.status is not H.OPEN or not view.invoice:
        return done.on(task.with_funding(funding.ref, state=F.FAILED)).say(
            task.employer, Told.INVOICE_FAILED, reason="node", **of_cover(task, funding)
        )
    made_now = replace(
        funding, state=F.CREATED, payment_hash=view.payment_hash, invoice=view.invoice, expires_at=view.expires_at,
        salt=what.salt or funding.salt,
    )  # fmt: skip
    if not _is_wanted(task, made_now, moment):
        return drop_invoice(done, made_now)
    wrong = _mismatch(funding, what, moment)
    if wrong:
        dropped = drop_invoice(done, replace(made_now, invoice=Secret("")))
        dropped = dropped.incident("wrong_invoice", funding=funding.ref, problem=wrong)
        return dropped.say(task.employer, Told.INVOICE_FAILED, reason="wrong_invoice", **of_cover(task, funding))
    if made_now.covers and not made_now.replaces:
        return deposit.made(put(done, made_now), made_now, moment)
    if made_now.replaces:
        return rollover.made(put(done, made_now), made_now, moment)
    if pricing.is_stale(made_now, moment):
        dropped = drop_invoice(done, replace(made_now, invoice=Secret("")))
        return dropped.say(task.employer, Told.INVOICE_FAILED, reason="old_rate")
    frozen = pricing.freeze(put(done, made_now), made_now)
    moved = move(
        frozen,
        Cause.INVOICE_MADE,
        moment,
        funding=funding.ref,
        amount_msat=funding.amount,
        expires_at=view.expires_at,
        hash_commitment=commitment(made_now.salt, view.payment_hash),
        **pricing.frozen(frozen.task),
    )
    return invoice_card(moved, made_now)


def _is_wanted(task: Task, made: Funding, moment: Moment) -> bool:
    if made.replaces:
        return rollover.is_wanted(task, made)
    if made.goal or task.frozen:
        return False
    if made.covers:
        return deposit.may_cover(task, made.milestone)
    return task.state is TaskState.DRAFT or due.is_in_time(task, moment)


def _mismatch(funding: Funding, made: HoldMade, moment: Moment) -> str:
    """What the node's invoice says otherwise than was asked, or ''. The employer's wallet pays what stands in the invoice,
    whatever the node says beside it."""
    view, now, policy = made.view, moment.now, moment.policy
    try:
        invoice = decode(view.invoice.reveal())
    except BadInvoice as error:
        return error.code
    if invoice.hrp != policy.hrp:
        return "network"
    if invoice.payment_hash != view.payment_hash:
        return "payment_hash"
    if invoice.amount != funding.amount or view.amount != funding.amount:
        return "amount"
    asked = made.expiry or invoice.expiry
    if not funding.asked - _CLOCKS_APART <= invoice.expires_at - asked <= now.time + _CLOCKS_APART:
        return "expiry"
    return ""


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
        case F.ACCEPTED if view.status in GONE and funding in task.covers:
            return deposit.lost(done, funding, moment)
        case F.ACCEPTED if view.status in GONE and funding.goal == "stray":
            return done.on(task.with_funding(funding.ref, state=F.CANCELLED))
        case F.ACCEPTED if view.status in GONE and (funding.goal == "cancel" or _unlocked(task, funding)):
            return ending.refunded(done, funding, moment)
        case F.ACCEPTED if view.status in GONE:
            return ending.hold_lost(done, funding, moment)
        case F.CANCELLED | F.EXPIRED | F.FAILED if view.status is H.HELD:
            return stray(done, funding, view, moment)
        case F.LOST if view.status is H.HELD:
            return _back(done, funding, view, moment)
    return done


def _unlocked(task: Task, funding: Funding) -> bool:
    """It should have gone into the books to be given back from there; that it went back by itself is the same."""
    return funding.goal == LOCK and task.phase is Phase.REFUNDING


def _paid(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    task = done.task
    if funding.replaces:
        return rollover.paid(done, funding, view, moment)
    if funding.covers:
        return deposit.paid(done, funding, view, moment)
    if task.awaits_payment and not funding.goal:
        return due.paid(done, funding, view, moment)
    if funding.goal or task.state is not TaskState.PENDING_FUNDING or task.phase is not Phase.NONE:
        return stray(done, funding, view, moment)
    expiry = view.expiry_height
    problem = _problem(task, funding, view, moment)
    if problem:
        return refused(done, funding, view, Cause.FUNDING_REFUSED, problem, moment)
    held = replace(funding, state=F.ACCEPTED, accepted_at=moment.now.heard, expiry_height=expiry)
    if task.worker:
        return binding.begin_on_payment(put(done, held), held, len(view.parts), moment)
    until = min(moment.now.heard + task.terms.hold_timeout, task.deadline)
    funded = put(done, held).change(funded_until=until)
    last_safe = funded.task.last_safe_height
    moved = move(
        funded,
        Cause.HELD,
        moment,
        **public(task, held, len(view.parts)),
        until=until + moment.now.deaf,
    )
    return moved.say(
        task.employer,
        Told.FUNDED,
        amount_msat=view.received,
        until=until + moment.now.deaf,
        deadline=task.deadline + moment.now.deaf,
        expiry_height=expiry,
        last_safe_height=last_safe,
        claim=task.terms.claim,
    )


def _problem(task: Task, funding: Funding, view: HoldView, moment: Moment) -> str:
    """Why this payment cannot be kept, or ''."""
    policy, now = moment.policy, moment.now
    problem = wrong_parts(funding, view, moment)
    if problem:
        return problem
    if funding.amount != task.still_asked:
        return "deposit_gone"
    if now.heard >= task.deadline:
        return "deadline"
    outlasts = task.terms.outlasts_hold  # then what a deposit holds goes into the books when it ends
    ends = min([view.expiry_height, *(cover.expiry_height for cover in task.own_covers if not outlasts)])
    blocks_left = task.terms.last_safe(ends) - policy.reserve - now.height
    if outlasts:
        return "" if blocks_left > 0 else "expires_too_soon"
    blocks_needed = -(-(task.deadline + task.terms.review_window - now.heard) // 600)
    return "expires_too_soon" if blocks_left < blocks_needed - SLACK_BLOCKS else ""


def _void(done: Decision, funding: Funding, moment: Moment) -> Decision:
    task = done.task
    if funding.replaces:
        return rollover.void(done, funding, moment)
    if funding.covers:
        return deposit.void(done, funding, moment)
    if funding.goal or not (task.state is TaskState.PENDING_FUNDING or task.awaits_payment):
        return done.on(task.with_funding(funding.ref, state=F.CANCELLED))
    gone = done.on(task.with_funding(funding.ref, state=F.EXPIRED))
    return move(gone, Cause.INVOICE_VOID, moment, funding=funding.ref).say(task.employer, Told.INVOICE_EXPIRED)


def _back(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    """A lost hold is there again: it goes back, unless the worker was paid or may be; then the operator must look. One of a deposit, of
    which nobody can have been paid, always does."""
    task = done.task
    if funding.goal == "stray":
        return stray(done, funding, view, moment)
    if task.state is not None and task.state.is_final and not task.paid_share:
        return stray(done, funding, view, moment)
    return done.incident("lost_hold_is_back", funding=funding.ref, amount_msat=view.received)
