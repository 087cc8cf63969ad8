"""The worker is paid: a destination is checked, a payout planned, sent, retried, and at the very end credited instead (`ending`).

The order of money: approve, pay the worker, keep the preimage of his invoice, settle the hold. A payout's row is the intent;
the worker that calls the node asks for leave (`wanted`) right before, and reports what the node says (`seen`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import ending, rollover, safety
from handlers.decision import Decision, Moment, Pay, refuse
from handlers.destination import check_destination
from handlers.guards import need_private, need_role, next_ref, wrong_state
from handlers.task import Destination, Patience, Payout, Task
from handlers.transitions import Cause
from kinds import commands
from kinds.codes import Refused, Told
from kinds.inputs import PaymentSeen, PayWanted, Said
from kinds.lightning import Fault, PaymentStatus
from kinds.states import PayoutState, Phase, Role, TaskState
from kinds.units import Msat, commitment

P = PayoutState


def plan(done: Decision, moment: Moment, feedback: str = "") -> Decision:
    """The work is approved: plan the worker's share, to the destination that he named or one that he is asked for."""
    task = done.task
    amount = task.share_amount
    named = task.destination
    fits = named and named.amount == amount and named.expires_at > moment.now.time + 60
    done = done.on(_with_new(task, Role.WORKER, amount, task.budget, named if fits else None))
    done = rollover.drop(done.change(patience=Patience(), destination=None))
    facts: dict[str, Any] = {"amount_msat": amount, "percent": task.split, "feedback": feedback}
    if fits:
        return order(done.say(task.worker, Told.APPROVED, needs_destination=False, **facts))
    return done.say(task.worker, Told.APPROVED, ref=task.waits_for, needs_destination=True, **facts)


def payout(task: Task, said: Said, command: commands.Payout, moment: Moment) -> Decision:
    """Names a destination, or replaces one that failed for good or is not on its way."""
    need_private(said, "an invoice is private: send it by DM, not signed")
    need_role(task, said, Role.WORKER, Role.EMPLOYER)
    if said.by != task.worker:
        raise refuse(Refused.NOTHING_OWED, task=task.id)
    if task.state is TaskState.CLAIMED and (task.phase is Phase.NONE or task.awaits_payment):
        return _named_ahead(task, said, command, moment)
    share = task.share
    if task.state is not TaskState.VERIFIED or share is None:
        raise wrong_state(task, said.by, command)
    waiting = share.state is P.PLANNED or (share.state is P.CLAIMED and not share.ordered)
    if not waiting or task.phase is not Phase.NONE or task.lost:
        raise refuse(Refused.PAYOUT_BUSY, task=task.id)
    destination = _promised(
        task, command, check_destination(task, command.destination, share.amount, moment.now.time + 60, moment)
    )
    over = P.FAILED if share.state is P.CLAIMED else P.ABANDONED
    if share.invoice:
        task = task.with_payout(share.ref, state=over, ordered=False, next_try=0)
        task = _with_new(task, Role.WORKER, share.amount, share.budget, destination)
    else:
        task = replace(task, payouts=tuple(_to(p, destination) if p.ref == share.ref else p for p in task.payouts))
    return order(Decision(task)).say(said.by, Told.DESTINATION_NOTED, amount_msat=share.amount)


def _named_ahead(task: Task, said: Said, command: commands.Payout, moment: Moment) -> Decision:
    """Before there is anything to pay out; the amount must be known."""
    if task.indicative:
        raise wrong_state(task, said.by, command)
    amount = task.share_of(task.current.asked)
    until = task.current.pay_until or task.deadline + task.terms.review_window
    live_until = until + moment.now.deaf
    destination = _promised(task, command, check_destination(task, command.destination, amount, live_until, moment))
    return Decision(replace(task, destination=destination)).say(said.by, Told.DESTINATION_NOTED, amount_msat=amount)


def order(done: Decision) -> Decision:
    """Orders an attempt of every payout that has a destination and none under way."""
    for payout in done.task.payouts:
        if payout.state in (P.PLANNED, P.CLAIMED) and payout.invoice and not (payout.ordered or payout.next_try):
            done = done.on(done.task.with_payout(payout.ref, ordered=True, next_try=0)).do(
                Pay(payout.ref, payout.payment_hash)
            )
    return done


def wanted(task: Task, what: PayWanted, moment: Moment) -> Decision:
    """Leave to send: planned -> claimed, committed before the node is called. Refused when it is no longer wanted."""
    payout = task.payout(what.ref)
    if payout is None or payout.state not in (P.PLANNED, P.CLAIMED):
        raise refuse(Refused.PAYOUT_BUSY, task=task.id)
    if task.frozen or task.unsure:
        raise refuse(Refused.FROZEN, task=task.id)
    if task.state is not TaskState.VERIFIED or task.phase is not Phase.NONE or task.lost:
        raise refuse(Refused.PAYOUT_BUSY, task=task.id)
    return Decision(task.with_payout(payout.ref, state=P.CLAIMED))


def seen(task: Task, what: PaymentSeen, moment: Moment) -> Decision:
    """The node's word on a payout. UNKNOWN changes nothing; ABSENT means never sent, since the worker waited its grace."""
    payout, view = task.payout(what.ref), what.view
    done = Decision(task)
    if payout is None or payout.payment_hash != view.payment_hash:
        return done
    if payout.state.is_final:
        late = payout.state is not P.COMPLETE and view.status is PaymentStatus.COMPLETE
        return done.incident("paid_after_given_up", payout=payout.ref, amount_msat=payout.amount) if late else done
    match view.status:
        case PaymentStatus.IN_FLIGHT:
            look = [] if payout.ordered else [Pay(payout.ref, payout.payment_hash)]  # somebody must watch it to its end
            return done.on(task.with_payout(payout.ref, state=P.IN_FLIGHT, ordered=True, next_try=0)).do(*look)
        case PaymentStatus.COMPLETE:
            return _complete(done, payout, what, moment)
        case PaymentStatus.FAILED | PaymentStatus.ABSENT:
            return _failed(done, payout, what, moment)
    return done


def _complete(done: Decision, payout: Payout, what: PaymentSeen, moment: Moment) -> Decision:
    view, fee = what.view, min(what.view.fee, payout.budget)
    if view.fee > fee:  # the node broke its limit: the house bears it, and the worker's payment stands
        done = done.incident("fee_above_budget", payout=payout.ref, fee_msat=view.fee, budget_msat=payout.budget)
    done = done.on(
        done.task.with_payout(payout.ref, state=P.COMPLETE, fee=fee, preimage=view.preimage, ordered=False, next_try=0)
    )
    if done.task.lost:
        return ending.after_loss(done, moment)
    if done.task.phase is Phase.SETTLING:
        return ending.finish(done, moment)
    return ending.begin_settle(done, Cause.SHARE_PAID, moment, "paid")


def _failed(done: Decision, payout: Payout, what: PaymentSeen, moment: Moment) -> Decision:
    """Every part failed for good, or nothing was ever sent: the same invoice again later, another one, or the end."""
    task, view, now = done.task, what.view, moment.now
    absent = view.status is PaymentStatus.ABSENT
    ours = absent or view.fault is Fault.OURS
    reason = "not_sent" if absent else view.reason
    if task.lost:
        return ending.lost_unpaid(done.on(task.with_payout(payout.ref, state=P.FAILED, reason=reason)), moment)
    if task.phase is Phase.SETTLING:
        return ending.finish(
            done.on(task.with_payout(payout.ref, state=P.FAILED, reason=reason, ordered=False, next_try=0)), moment
        )
    first = not payout.reason
    blamed = not ours and not task.patience.told
    if reason != safety.TOO_CLOSE:  # the time for attempts is over: nobody's failure, those before it decide
        done = done.change(patience=replace(task.patience, **({"ours_at": now.heard} if ours else {"told": True})))
    if payout.expires_at <= now.time + 60:
        return _ask_again(done, payout, reason, moment)
    done = _again_later(done, payout, reason, moment)
    if not (first or blamed):
        return done
    return done.say(
        payout.to,
        Told.PAYOUT_FAILED,
        ref=task.waits_for if blamed else "",  # the clock of his side starts when he has been told
        amount_msat=payout.amount,
        reason=reason,
        fault=str(Fault.OURS if ours else Fault.THEIRS),
    )


def _again_later(done: Decision, payout: Payout, reason: str, moment: Moment) -> Decision:
    wait = min(moment.policy.retry_first * 2 ** min(payout.attempts, 20), moment.policy.retry_most)
    waiting = done.task.with_payout(
        payout.ref,
        state=P.PLANNED if payout.state is P.PLANNED else P.CLAIMED,  # a planned one was never sent
        reason=reason,
        attempts=payout.attempts + 1,
        ordered=False,
        next_try=moment.now.time + wait,
    )
    return done.on(waiting)


def retry(task: Task, moment: Moment) -> Decision:
    """The next attempt is due; an invoice that expired meanwhile is replaced by a question."""
    done = Decision(task)
    for payout in task.payouts:
        if payout.state not in (P.PLANNED, P.CLAIMED) or not 0 < payout.next_try <= moment.now.time:
            continue
        if payout.expires_at <= moment.now.time + 60:
            done = _ask_again(done, payout, "invoice_expired", moment)
        else:
            done = done.on(done.task.with_payout(payout.ref, ordered=True, next_try=0)).do(
                Pay(payout.ref, payout.payment_hash)
            )
    return done


def _ask_again(done: Decision, payout: Payout, reason: str, moment: Moment) -> Decision:
    task = done.task.with_payout(payout.ref, state=P.FAILED, reason=reason, ordered=False, next_try=0)
    done = done.on(_with_new(task, payout.role, payout.amount, payout.budget, None))
    return done.say(payout.to, Told.DESTINATION_NEEDED, ref=task.waits_for, amount_msat=payout.amount, reason=reason)


def _promised(task: Task, command: commands.Payout, named: Destination) -> Destination:
    """A destination that opens the signed claim's dest_hash must open it truly; without a salt it simply replaces it."""
    if not command.salt:
        return named
    if commitment(command.salt, named.payment_hash) != task.dest_hash:
        raise refuse(Refused.BAD_HASH, field="salt")
    return replace(named, salt=command.salt, promised=True)


def _to(payout: Payout, named: Destination) -> Payout:
    return replace(
        payout,
        invoice=named.invoice,
        payment_hash=named.payment_hash,
        expires_at=named.expires_at,
        final_cltv=named.final_cltv,
        salt=named.salt,
        promised=named.promised,
    )


def _with_new(
    task: Task,
    role: Role,
    amount: Msat,
    budget: Msat,
    destination: Destination | None,
) -> Task:
    ref, counter = next_ref(task, "p")
    assert task.worker is not None, "a payout has somebody to go to"
    new = Payout(ref=ref, role=role, to=task.worker, amount=amount, budget=budget, milestone=task.current.number)
    if destination:
        new = _to(new, destination)
    return replace(task, payouts=(*task.payouts, new), counter=counter)
