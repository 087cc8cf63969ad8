"""What must be true of every aggregate at every commit: legal combinations of a task's machines, and the money rules on one task or
one account.

A violation is a bug of ours. The commit is refused, the input marked stuck and the operator told.
"""

from __future__ import annotations

from collections.abc import Iterator

from handlers import pricing
from handlers.account import Account
from handlers.booking import of_account, party
from handlers.task import LOCK, Milestone, Task
from kinds.states import FundingState, PayoutState, Phase, Role, TaskState, WorkState
from kinds.units import MSAT_PER_SAT, Msat

S, W, P, F = TaskState, WorkState, PayoutState, FundingState
_UNFUNDED = (S.DRAFT, S.PENDING_FUNDING)

_WORK: dict[TaskState, tuple[WorkState, ...]] = {
    S.DRAFT: (W.PENDING,),
    S.PENDING_FUNDING: (W.PENDING,),
    S.FUNDED: (W.PENDING,),
    S.CLAIMED: (W.IN_PROGRESS, W.SUBMITTED, W.REJECTED, W.APPROVED),
    S.DISPUTED: (W.IN_PROGRESS, W.SUBMITTED, W.REJECTED),
    S.VERIFIED: (W.APPROVED,),
    S.PAID: (W.RELEASED,),
    S.REFUNDED: (W.PENDING, W.IN_PROGRESS, W.SUBMITTED, W.REJECTED),
    S.EXPIRED: tuple(W),
}


class Broken(AssertionError):
    """A rule does not hold on what was about to be committed."""


def check(task: Task) -> None:
    """Raises Broken with every rule that does not hold."""
    wrong = [*_machines(task), *_money(task)]
    if wrong:
        raise Broken(f"{task.id}: " + "; ".join(wrong))


def check_account(before: Account, after: Account) -> None:
    """Raises Broken with every rule that does not hold."""
    wrong = list(_account(before, after))
    if wrong:
        raise Broken(f"account {after.owner[:16]}: " + "; ".join(wrong))


def _account(before: Account, after: Account) -> Iterator[str]:
    if after.available < 0:
        yield "it is below zero"
    own = party(after.owner)
    booked = sum(line.amount for line in of_account(before, after) if line.account == own)
    if after.available - before.available != booked:
        yield f"the balance changes by {after.available - before.available}, and {booked} are booked"
    known = {each.ref: each for each in before.withdrawals}
    for each in after.withdrawals:
        was = known.get(each.ref)
        if was and (was.amount, was.budget, was.payment_hash) != (each.amount, each.budget, each.payment_hash):
            yield f"{each.ref}: it is another one now"
        if was and was.state.is_final and was != each:
            yield f"{each.ref}: it was over"
        if each.amount <= 0 or each.budget < 0 or not 0 <= each.fee <= each.budget:
            yield f"{each.ref}: amounts do not fit"
        if (each.state is P.COMPLETE) != bool(each.preimage):
            yield f"{each.ref}: a preimage belongs to what is complete"


def _machines(task: Task) -> Iterator[str]:
    state, work = task.state, task.current.state
    if state is None:
        yield "a task without a state"
        return
    if work not in _WORK[state]:
        yield f"{state} with {work}"
    if task.awaits_payment != (state is S.CLAIMED and work is W.APPROVED) or (
        task.awaits_payment and not task.unfunded
    ):
        yield f"{state} with {work}, and it {'waits' if task.awaits_payment else 'does not wait'} for the money"
    held = task.hold or task.lost or task.unfunded or _settled(task)
    if state in (S.FUNDED, S.CLAIMED, S.DISPUTED, S.VERIFIED) and not held:
        yield f"{state} without a hold"
    if state in (S.CLAIMED, S.DISPUTED, S.VERIFIED, S.PAID) and task.worker is None:
        yield f"{state} without a worker"
    hires = task.hires_first or task.at > 0
    if task.worker is not None and (state is S.FUNDED or (state in _UNFUNDED and not hires)):
        yield f"{state} with a worker"
    if state is S.PENDING_FUNDING and task.hires_first and task.worker is None:
        yield "money is asked for before somebody is hired"
    if [each.number for each in task.milestones] != list(range(1, len(task.milestones) + 1)):
        yield "milestones that are not numbered in their order"
    for number, each in enumerate(task.milestones):
        fits = each.state is W.RELEASED if number < task.at else each.state is W.PENDING
        if number != task.at and not (fits and bool(each.released) == (number < task.at)):
            yield f"milestone {each.number} is {each.state} while the task is at {task.at + 1}"
    if task.applicants and not task.picks:
        yield "applicants, where the first claim wins"
    if len({each.who for each in task.applicants} - {task.worker, task.employer}) != len(task.applicants):
        yield "an applicant twice, or one who is a party"
    if state is S.PENDING_FUNDING and (task.quote is None or task.quote.state is not F.CREATED):
        yield "PendingFunding without an open invoice"
    if state is S.DISPUTED and any(p.state in (P.CLAIMED, P.IN_FLIGHT) for p in task.payouts):
        yield "Disputed with a payout under way"
    if state.is_final and task.phase is not Phase.NONE:
        yield "final and not at rest"
    if task.worker == task.employer:
        yield "the employer is his own worker"


def _money(task: Task) -> Iterator[str]:
    sorts = [bool(each.covers) for each in (*task.holds, *task.kept)]  # beside one of a deposit there may be one other
    if len(sorts) != len(set(sorts)):
        yield "two accepted holds"
    asked = [
        (f.milestone, f.replaces, bool(f.covers))
        for f in task.fundings
        if f.state in (F.MAKING, F.CREATED) and not f.goal
    ]
    if len(asked) != len(set(asked)):
        yield "two open invoices"
    for role in Role:
        active = [p for p in task.own_payouts if p.role is role and not p.state.is_final]
        done = [p for p in task.own_payouts if p.role is role and p.state is P.COMPLETE]
        if len(active) + len(done) > 1:
            yield f"two payouts for the {role}"
    hashes = [f.payment_hash for f in task.fundings if f.payment_hash] + [
        p.payment_hash for p in task.payouts if p.payment_hash
    ]
    if len(hashes) != len(set(hashes)):
        yield "a payment hash is used twice"
    for funding in task.own_fundings:
        if funding.goal == "cancel" and funding.state is F.ACCEPTED and any(
            p.state in (P.IN_FLIGHT, P.COMPLETE) for p in task.own_payouts
        ):  # fmt: skip
            yield "refunding after a payout started"
    for payout in task.payouts:
        if payout.amount <= 0 or payout.budget < 0 or not 0 <= payout.fee <= payout.budget:
            yield f"{payout.ref}: amounts do not fit"
        if payout.state is P.COMPLETE and not payout.preimage:
            yield f"{payout.ref}: complete without a preimage"
    if any(entry.amount <= 0 for entry in task.credits):
        yield "a credit of nothing or less"
    yield from _priced(task)
    yield from _hourly(task)
    for each in task.milestones[: task.at]:
        yield from _released(task, each)
    over = task.state is None or task.state.is_final
    booked = sum(f.amount for f in task.fundings if f.is_booked and not over)
    if task.locked != booked or (booked and not task.terms.outlasts_hold):
        yield "money in the books that did not come from the task's settled holds, or against its terms"
    if task.state in (S.PAID, S.REFUNDED, S.EXPIRED):
        if task.locked:
            yield "over, and money of it is still locked in the books"
        yield from _conserved(task)


def _released(task: Task, milestone: Milestone) -> Iterator[str]:
    """In = out + given to accounts + fees, to the msat, of a milestone that is over; and the worker has his share of it."""
    given = [e for e in task.credits if e.milestone == milestone.number]
    went = milestone.share + milestone.routing + sum(e.amount for e in given) + milestone.fee + milestone.insurance
    if milestone.came != went or milestone.routing > milestone.budget:
        yield f"milestone {milestone.number}: {milestone.came} came and {went} went"
    bears = task.terms.fees.of_worker(milestone.reward)
    net = task.worked(milestone.reward, milestone) - task.worked(bears, milestone)
    credited = sum(e.amount for e in given if e.role is Role.WORKER)
    if milestone.share != net if milestone.share else credited != net + milestone.budget:
        yield f"milestone {milestone.number}: the worker did not get his share"


def _held(task: Task) -> Iterator[str]:
    """Where nothing was locked ahead, each hold is over all that was agreed. With a deposit it is both together, as soon as the money is
    complete, and the other is a sat at least; a part alone may be more than what is due of an agreed share, or all that is paid."""
    wanted = [f for f in task.own_fundings if f.state in (F.CREATED, F.ACCEPTED) and f.goal not in ("cancel", "stray")]
    if task.deposit or any(f.covers for f in (*wanted, *task.backing)):
        held = [f for f in task.backing if f.state is F.ACCEPTED or f.goal in ("settle", LOCK)]
        ahead, rest = (sum(f.amount for f in held if bool(f.covers) is sort) for sort in (True, False))
        alone = bool(ahead) and not rest
        over = task.state is None or task.state.is_final
        complete = task.complete and not (over or task.lost) and task.phase in (Phase.NONE, Phase.SETTLING)
        if complete and not alone and rest != max(task.hold_amount - ahead, MSAT_PER_SAT):
            yield f"{ahead + rest} are held, and {task.hold_amount} were agreed"
        return
    for funding in wanted:
        if funding.amount != task.hold_amount:
            yield f"{funding.ref} is over {funding.amount}, and {task.hold_amount} were agreed"


def _priced(task: Task) -> Iterator[str]:
    """What is invoiced or held is what was agreed, and that is the price at the frozen rate, rounded up, to the msat."""
    yield from _held(task)
    agreed = task.terms.pricing
    for each in task.milestones:
        if agreed is None:
            if each.price or each.rate:
                yield "a rate, where the price is in sats"
        elif each.rate is None or each.rate.currency != agreed.currency or each.price <= 0:
            yield f"a price in {agreed.currency} without a rate"
        elif each.reward != pricing.reward(each, each.rate) or each.budget != agreed.budget(each.reward):
            yield f"milestone {each.number}: its sats are not its price at its rate"


def _hourly(task: Task) -> Iterator[str]:
    """Hours are agreed on, and never more than the price has room for."""
    hourly = task.terms.hourly
    prices = [task.price_of(each) for each in task.milestones]
    if hourly and sum(prices) != hourly.price:
        yield f"{hourly.cap} hours at {hourly.rate} are not {sum(prices)}"
    for each, price in zip(task.milestones, prices, strict=True):
        for proof in filter(None, (each.proof, each.arriving)):
            if bool(proof.hours) != bool(hourly) or (hourly and not 0 < proof.hours <= hourly.most(price)):
                yield f"proof {proof.number} names {proof.hours} hundredths of an hour"


def _conserved(task: Task) -> Iterator[str]:
    """The same of the current milestone, once the task is at its end. What was paid out of a lost hold is the house's own loss, as far as no
    other one has brought it."""
    lost = any(f.state is F.LOST for f in task.backing)
    went = sum(p.amount + p.fee for p in task.own_payouts if p.state is P.COMPLETE)
    used = sum(f.amount for f in task.backing if f.state is F.SETTLED)
    came = sum(f.amount for f in task.own_fundings if f.state is F.SETTLED) + task.compensated
    came += max(0, went - used) if lost else 0
    going = sum(p.amount + p.budget for p in task.own_payouts if not p.state.is_final)
    fee, insurance = task.current.fee, task.current.insurance
    given = sum(entry.amount for entry in task.credits if entry.milestone == task.current.number)
    if came != went + going + given + fee + insurance:
        kept = f"{fee} of fees and {insurance} of insurance kept"
        yield f"money does not add up: {came} came, {went} went, {going} going, {given} given, {kept}"
    due = task.fee_due if task.state is S.PAID and not lost else Msat(0)
    if fee != due - task.terms.fees.insured(due):
        yield f"the service fee is {due}, and {fee} of it are booked"
    if task.state is S.PAID and not _worker_has_his_share(task):
        yield "the worker did not get his share"


def _worker_has_his_share(task: Task) -> bool:
    """Paid, or put to his account with what sending it may cost."""
    paid = [p.amount for p in task.own_payouts if p.role is Role.WORKER and p.state is P.COMPLETE]
    number = task.current.number
    given = [entry.amount for entry in task.credits if entry.role is Role.WORKER and entry.milestone == number]
    return task.share_amount in paid if paid else task.share_amount + task.budget in given


def _settled(task: Task) -> bool:
    return any(f.state is F.SETTLED for f in task.own_fundings)
