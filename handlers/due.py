"""Work before money: nothing is held while it is done, and when it is approved the employer is asked for what it costs.

Until he has paid, the task stays Claimed and waits for two days. What he pays is held like any other money, and the worker is paid out of it
in the same way; what he does not pay in time is on record. Approved work is never turned away for want of room.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import deposit, ending, payout, pricing
from handlers.decision import Decision, Moment, Refusal, refuse
from handlers.guards import need_quote
from handlers.holds import order, public, refused, wrong_parts
from handlers.invoices import put
from handlers.policy import DAY
from handlers.task import Funding, Task
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.lightning import HoldView
from kinds.states import FundingState, TaskState
from kinds.units import MSAT_PER_SAT, Msat

PAY_WINDOW = 2 * DAY
_UNPAID = {
    Cause.APPROVED: Cause.APPROVED_UNPAID,
    Cause.SILENCE: Cause.SILENCE_UNPAID,
    Cause.AGREED_SPLIT: Cause.AGREED_UNPAID,
    Cause.DISPUTE_APPROVED: Cause.DISPUTE_APPROVED_UNPAID,
}


def approved(done: Decision, cause: Cause, moment: Moment, feedback: str = "", **facts: Any) -> Decision:
    """The worker's share is decided: it is paid out of the hold, or the employer is asked for it. `facts`: those of the log's entry."""
    done = done.on(done.task.with_milestone(review_until=0, resubmit_until=0, arriving=None))
    if done.task.unfunded:
        done = done.on(asking(done.task, moment.now.heard))
    if not done.task.unfunded:  # also where a deposit has all that is due
        return payout.plan(move(done, cause, moment, **facts), moment, feedback)
    until = done.task.current.pay_until
    moved = move(done, _UNPAID[cause], moment, pay_until=until + moment.now.deaf, **facts)
    task = moved.task
    told: dict[str, Any] = {"until": until + moment.now.deaf, "percent": task.split}
    asked = _ask(moved, moment)
    for who, amount in ((task.employer, _asked(task)), (task.worker, task.share_amount)):
        asked = asked.say(
            who, Told.AWAITING_PAYMENT, pays=who == task.employer, amount_msat=amount, feedback=feedback, **told
        )
    return asked


def asking(task: Task, heard: int) -> Task:
    """From now on no more than what is due is asked for. `heard`: of the decision."""
    return task.with_milestone(asked=task.split, pay_until=heard + PAY_WINDOW)


def _ask(done: Decision, moment: Moment) -> Decision:
    """The invoice comes by itself; where no rate is known for it, or the employer has had too many today, he asks himself."""
    try:
        return _order(done, moment)
    except Refusal:
        return done


def _order(done: Decision, moment: Moment) -> Decision:
    """Asks the node for the invoice. Raises Refusal."""
    task, policy = done.task, moment.policy
    need_quote(task, moment)
    left = task.current.pay_until - moment.now.heard
    if left < 60:
        raise refuse(Refused.TOO_LATE, task=task.id, what="payment", since=task.current.pay_until + moment.now.deaf)
    quoted = pricing.quote(task, moment, limits=False)
    if (
        quoted.share_of(quoted.current.asked) <= 0
    ):  # at this rate it comes to less than a sat: no money is held for nothing
        raise refuse(Refused.BELOW_MINIMUM, minimum_msat=MSAT_PER_SAT)
    life = policy.rate_expiry if task.currency else policy.invoice_expiry
    wanted = deposit.drop_open(done, task.current.number)
    return order(wanted, moment, min(life, left), _asked(quoted), quoted.current.rate)


def _asked(task: Task) -> Msat:
    """At least a sat: a deposit may have all of it since the rate has moved."""
    return max(task.still_asked, Msat(MSAT_PER_SAT))


def is_in_time(task: Task, moment: Moment) -> bool:
    """It is to be paid for, and may still be."""
    return task.awaits_payment and moment.now.heard < task.current.pay_until


def fund(task: Task, moment: Moment) -> Decision:
    """The employer asks for the invoice himself. Raises Refusal."""
    return _order(Decision(task), moment).say(task.employer, Told.MAKING_INVOICE)


def paid(done: Decision, funding: Funding, view: HoldView, moment: Moment) -> Decision:
    """His money is held, and the worker is paid out of it."""
    terms, expiry = done.task.terms, view.expiry_height
    soon = terms.last_safe(expiry) - moment.policy.reserve <= moment.now.height
    gone = "deposit_gone" if funding.amount != _asked(done.task) else ""
    problem = wrong_parts(funding, view, moment) or gone or ("expires_too_soon" if soon else "")
    if problem:
        return refused(done, funding, view, Cause.FUNDING_REFUSED, problem, moment)
    held = replace(funding, state=FundingState.ACCEPTED, accepted_at=moment.now.heard, expiry_height=expiry)
    moved = move(put(done, held), Cause.HELD, moment, **public(done.task, held, len(view.parts)))
    return payout.plan(moved.say(moved.task.employer, Told.PAYMENT_HELD, amount_msat=view.received), moment)


def missed(task: Task, moment: Moment) -> Decision:
    """The time is over, and no invoice is open that might still be paid. What a deposit has is the worker's; the rest is on record."""
    facts: dict[str, Any] = {"mark": task.employer, "due_msat": _asked(task)}
    ahead = sum(cover.amount for cover in task.own_covers) - task.budget
    if ahead > 0:
        short = Msat(max(0, task.share_amount - ahead))
        moved = move(Decision(task), Cause.MISSED_COVERED, moment, **facts, short_msat=short)
        moved = moved.say(task.employer, Told.PAYMENT_MISSED, unpaid_msat=short)
        return payout.plan(moved.on(moved.task.with_milestone(short=short)), moment)
    facts |= {"reason": "unpaid"}
    done = move(Decision(replace(task, reason="unpaid")), Cause.MISSED, moment, **facts)
    return ending.tell_both(done, Told.EXPIRED, reason="unpaid", unpaid_msat=task.share_amount)


def end(done: Decision, cause: Cause, moment: Moment, reason: str, **facts: Any) -> Decision:
    """It ends, and nothing was held that could go back."""
    done = done.change(reason=reason)
    if cause is Cause.NO_PROOF_UNPAID:
        mark = None if done.task.rushed else done.task.worker
        ended = move(done, cause, moment, reason=reason, mark=mark, **facts)
        return ending.tell_both(ended, Told.EXPIRED, reason=reason, marked=bool(mark))
    ended = move(done, cause, moment, amount_msat=0, reason=reason, **facts)
    return ending.tell_both(ended, Told.REFUNDED, amount_msat=0, reason=reason)


def dispute_limit(task: Task) -> int:
    """Seconds after which a dispute ends by itself, where neither a hold's end nor anything else would end it; 0: something else does."""
    unheld = task.in_books or task.unfunded
    return task.terms.dispute_limit if unheld and task.state is TaskState.DISPUTED else 0
