"""A fresh hold for an agreement that outlasts the present one, where its terms say so: asked for in time, and the old one goes back only
when the new one is held. Until then nothing has changed; what comes too late, or when it is no longer wanted, goes back itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from handlers.decision import CancelHold, Decision, Moment
from handlers.holds import invoice_card, of_cover, order, public, refused, stray, wrong_parts
from handlers.invoices import drop_invoice, put
from handlers.policy import DAY
from handlers.task import ROLLOVER_BLOCKS, Funding, Task
from handlers.transitions import Cause, move, note
from kinds.codes import Told
from kinds.lightning import HoldView
from kinds.states import FundingState, LogType, Phase, TaskState
from kinds.units import SECONDS_PER_BLOCK, commitment

F = FundingState
_STATES = (TaskState.CLAIMED, TaskState.DISPUTED)  # in the others no more work is waited for, or a payout is planned


def may_be_asked(task: Task, moment: Moment) -> bool:
    """The time for a fresh hold has come and is not over."""
    begins = task.rollover_height
    return _running(task) and 0 < begins <= moment.now.height < task.last_safe_height


def was_asked(task: Task) -> bool:
    """For the present hold the employer has been asked already: from now on he asks himself, with `fund`."""
    hold = task.hold
    return hold is not None and any(f.replaces == hold.ref for f in task.fundings)


def ask(task: Task, moment: Moment) -> Decision:
    """The invoice of the fresh hold is asked of the node; it lives until L, a day at most."""
    hold = task.hold
    assert hold is not None, "only a held task is renewed"
    return renew(Decision(task), hold, moment)


def renew(done: Decision, hold: Funding, moment: Moment) -> Decision:
    """The same for this hold, which may be one of a deposit."""
    left = (done.task.terms.last_safe(hold.expiry_height) - moment.now.height) * SECONDS_PER_BLOCK
    return order(
        done, moment, min(max(left, moment.policy.invoice_expiry), DAY), hold.amount, hold.rate, milestone=hold.milestone,
        covers=hold.covers, replaces=hold.ref,
    )  # fmt: skip


def is_wanted(task: Task, funding: Funding) -> bool:
    """It still renews a hold that the agreement rests on, or one of the deposit."""
    if funding.goal or task.lost:
        return False
    return _aside(task, funding) or (_running(task) and any(hold.ref == funding.replaces for hold in task.holds))


def _aside(task: Task, funding: Funding) -> bool:
    """It renews a hold of the deposit, whose entries move nothing."""
    return any(cover.ref == funding.replaces for cover in task.covers)


def made(done: Decision, funding: Funding, moment: Moment) -> Decision:
    facts = {
        "funding": funding.ref,
        "replaces": funding.replaces,
        "amount_msat": funding.amount,
        "expires_at": funding.expires_at,
        "hash_commitment": commitment(funding.salt, funding.payment_hash),
    }
    moved = _step(done, funding, Cause.ROLLOVER_ASKED, LogType.ROLLOVER_ASKED, moment, facts)
    moved = invoice_card(moved, funding)
    if _aside(done.task, funding):
        return moved
    return moved.say(done.task.worker, Told.ROLLOVER_ASKED, last_safe_height=done.task.last_safe_height)


def _step(
    done: Decision, renewal: Funding, cause: Cause, kind: LogType, moment: Moment, facts: Mapping[str, Any]
) -> Decision:
    """One of a renewal's entries."""
    if _aside(done.task, renewal):
        return note(done, kind, moment, **of_cover(done.task, renewal), **facts)
    return move(done, cause, moment, **facts)


def paid(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    """The fresh hold is there: it takes over, and the old one goes back."""
    task = done.task
    old = task.funding(funding.replaces)
    if old is None or not is_wanted(task, funding):
        return stray(done, funding, view, moment)
    problem = wrong_parts(funding, view, moment)
    if not problem and view.expiry_height < old.expiry_height + ROLLOVER_BLOCKS:
        problem = "expires_too_soon"
    if problem:
        cause = None if _aside(task, funding) else Cause.ROLLOVER_REFUSED
        return refused(done, funding, view, cause, problem, moment)
    fresh = replace(funding, state=F.ACCEPTED, accepted_at=moment.now.heard, expiry_height=view.expiry_height)
    facts: dict[str, Any] = {**public(task, fresh, len(view.parts)), "replaces": old.ref}
    moved = _step(done, funding, Cause.ROLLED_OVER, LogType.ROLLOVER_COMPLETED, moment, facts)
    moved = put(put(moved, replace(old, goal="stray")), fresh).do(CancelHold(old.ref, old.payment_hash))
    last_safe = task.terms.last_safe(fresh.expiry_height)
    for who in (task.employer, task.worker):
        moved = moved.say(who, Told.ROLLED_OVER, amount_msat=view.received, last_safe_height=last_safe)
    return moved


def void(done: Decision, funding: Funding, moment: Moment) -> Decision:
    """Nobody paid it in time."""
    if not is_wanted(done.task, funding):
        return done.on(done.task.with_funding(funding.ref, state=F.CANCELLED))
    gone = done.on(done.task.with_funding(funding.ref, state=F.EXPIRED))
    void = _step(gone, funding, Cause.ROLLOVER_VOID, LogType.INVOICE_EXPIRED, moment, {"funding": funding.ref})
    code = Told.DEPOSIT_EXPIRED if _aside(done.task, funding) else Told.INVOICE_EXPIRED
    return void.say(done.task.employer, code, **of_cover(done.task, funding))


def drop(done: Decision) -> Decision:
    """The agreement is decided: no fresh hold is wanted any more."""
    while renewal := done.task.rollover:
        done = drop_invoice(done, renewal)
    return done


def _running(task: Task) -> bool:
    return task.state in _STATES and task.phase is Phase.NONE
