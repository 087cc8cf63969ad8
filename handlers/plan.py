"""A project is cut into milestones: proposed by either side once somebody is hired, agreed to by both by its hash, then locked. In the same
way both agree that the work is paid by the hour, in milestones or as a whole.

Until then both may talk, propose and amend; a proposal stands for its author's consent, and a newer one takes the place of it. An employer
who asks for the whole money instead has chosen to pay in one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from handlers.decision import Decision, Moment, refuse
from handlers.guards import may_plan, need_evidence, need_fit, need_role, need_state, salt, wrong_state
from handlers.hours import Hourly
from handlers.invoices import drop_invoice
from handlers.policy import DAY, Policy
from handlers.task import Milestone, Proposal, Task, Terms, by_hour, in_both, told_by_hour
from handlers.transitions import Cause, move
from kinds.codes import BadWord, Refused, Told
from kinds.commands import Agree, Milestones
from kinds.figures import read_moment
from kinds.inputs import Now, Said
from kinds.plan import MOST, MOST_WORDS, MilestoneWords, plan_hash
from kinds.rate import BadAmount, in_smallest, plain, read_amount_of
from kinds.states import LogType, Role, TaskState
from kinds.task import hour_rate
from kinds.units import MSAT_PER_SAT, Msat, commitment, sats

MILESTONE, FIXED_PRICE, HOURLY_RATE = "MILESTONE", "FIXED_PRICE", "HOURLY_RATE"
A_DAY = 20  # proposals in one task


@dataclass(frozen=True, slots=True)
class _Rules:
    review_window: int
    on_reject: str
    max_rejects: int


PARTS = _Rules(5 * DAY, "revise", 10)
"""How milestones are judged, where a proposal says nothing else."""


def propose(task: Task, said: Said, command: Milestones, moment: Moment) -> Decision:
    """The milestones as one side wants them; nothing is agreed to yet."""
    need_role(task, said, Role.EMPLOYER, Role.WORKER)
    _need_open(task, said)
    need_evidence(task, said)
    now = moment.now
    today = tuple(at for at in task.proposed if at > now.time - DAY)
    if len(today) >= A_DAY:
        raise refuse(Refused.RATE_LIMITED, what="proposals", wait=today[0] + DAY - now.time)
    hourly = _by_hour(task, command)
    whole = hourly is not None and not command.milestones
    usual = task.terms if whole else PARTS
    wanted = Proposal(
        hash="",
        by=said.by,
        seq=task.seq + 1,
        milestones=() if whole else cut(command.milestones, task, moment, f"{task.id}/{task.seq + 1}", hourly),
        review_window=command.review_window or usual.review_window,
        on_reject=command.on_reject or usual.on_reject,
        max_rejects=command.max_rejects or usual.max_rejects,
        funding=command.funding or task.terms.funding,
        hourly=hourly,
    )
    _need_funding(task, wanted)
    if whole:
        _need_whole(task, wanted, moment)
    nonce = salt(now, f"{task.id}/plan")  # so that nobody can choose the hash
    facts = {"nonce": nonce, **public(wanted, task.currency, now)}
    wanted = replace(wanted, hash=plan_hash(facts))
    done = Decision(replace(task, proposal=wanted, proposed=(*today, now.time)))
    done = move(done, Cause.PLAN_PROPOSED, moment, by=said.by, plan=wanted.hash, **facts)
    for who in (task.employer, task.worker):
        stage = "waiting" if who == said.by else "asked"
        done = done.say(who, Told.PLAN_PROPOSED, basis_seq=done.task.seq, stage=stage, **shown(done.task, wanted, now))
    return done


def agree(task: Task, said: Said, command: Agree, moment: Moment) -> Decision:
    """The other side's proposal becomes the agreement. The milestones are locked from here on."""
    need_role(task, said, Role.EMPLOYER, Role.WORKER)
    _need_open(task, said)
    wanted = task.proposal
    if wanted is None:
        raise refuse(Refused.NO_PLAN, task=task.id)
    if not wanted.hash.startswith(command.plan):
        raise refuse(Refused.PLAN_CHANGED, task=task.id, plan=wanted.hash)
    if wanted.by == said.by:
        raise refuse(Refused.PLAN_YOURS, task=task.id, plan=wanted.hash)
    need_evidence(task, said, LogType.PLAN_PROPOSED)
    if moment.now.heard >= (wanted.milestones[0].due if wanted.milestones else task.deadline):
        raise refuse(Refused.BAD_PLAN, task=task.id, problem="the first date has passed: propose new ones")
    done = drop_invoice(Decision(task), task.quote)  # over the whole amount
    for asked in task.cover_invoices:
        done = drop_invoice(done, asked)
    done = done.on(agreed(done.task, wanted))
    done = move(done, Cause.PLAN_AGREED, moment, by=said.by, plan=wanted.hash)
    stage = "whole" if not done.task.is_project else "begun" if done.task.on_approval else "agreed"
    for who in (task.employer, task.worker):
        done = done.say(who, Told.PLAN_AGREED, stage=stage, **shown(done.task, wanted, moment.now))
    return done


def agreed(task: Task, wanted: Proposal) -> Task:
    """With these milestones, which take the place of the whole, or the whole by the hour. A destination over the whole amount is of no use
    any more."""
    terms = replace(
        task.terms, payment_type=_kind(wanted), review_window=wanted.review_window, on_reject=wanted.on_reject,
        max_rejects=wanted.max_rejects, funding=wanted.funding, hourly=wanted.hourly or task.terms.hourly,
    )  # fmt: skip
    return replace(
        task, terms=terms, milestones=wanted.milestones or task.milestones, proposal=None, planned_with=task.worker,
        destination=None, dest_hash=None, deposit=None,
    )  # fmt: skip


def _kind(wanted: Proposal) -> str:
    return HOURLY_RATE if wanted.hourly else MILESTONE


def _by_hour(task: Task, command: Milestones) -> Hourly | None:
    """The rate and cap of a proposal to be paid by the hour, which come to the whole. Raises Refusal."""
    hourly = command.payment_type == HOURLY_RATE
    for field in ("rate", "cap"):
        if (getattr(command, field) is not None) != hourly:
            problem = f"{HOURLY_RATE} needs it" if hourly else f"it belongs to payment_type = {HOURLY_RATE}"
            raise refuse(Refused.BAD_FIELD, field=field, problem=problem)
    if command.rate is None or command.cap is None:
        return None
    try:
        found = Hourly(rate=hour_rate(command.rate, task.currency or "sats"), cap=command.cap)
    except BadWord as error:
        raise refuse(error.code, **error.facts) from None
    _need_sum(found.price, task, told_by_hour(found, task.currency))
    return found


def _need_whole(task: Task, wanted: Proposal, moment: Moment) -> None:
    """The work as a whole: it is not in milestones already, and one hold can carry it, where one has to. Raises Refusal."""
    if task.is_project:
        raise refuse(Refused.BAD_PLAN, problem="the work is in milestones already: name those that it shall have")
    if wanted.funding == "upfront":
        need_fit(agreed(task, wanted), moment, moment.now.height + moment.policy.hold_cltv)


def _need_funding(task: Task, wanted: Proposal) -> None:
    if wanted.funding == "on_approval" and task.terms.custody_mode != "lightning_self":
        raise refuse(
            Refused.BAD_PLAN, problem="money that goes into the books at the claim is asked for before the work"
        )


def lacks_plan(task: Task) -> bool:
    return task.terms.payment_type == MILESTONE and not task.is_project


def need_plan(task: Task) -> None:
    """A project whose terms are milestones is not paid before they are agreed to."""
    if lacks_plan(task):
        raise refuse(Refused.PLAN_NEEDED, task=task.id)


def _need_open(task: Task, said: Said) -> None:
    need_state(task, said, TaskState.DRAFT)
    if task.covers or (task.planned_with is not None and task.planned_with == task.worker):
        raise refuse(Refused.PLAN_LOCKED, task=task.id)
    if task.hires_first and task.worker is None:
        raise refuse(Refused.NOT_HIRED, task=task.id, claim=task.terms.claim)
    if not may_plan(task):
        raise wrong_state(task, said.by, said.command)


def cut(
    parts: tuple[MilestoneWords, ...], task: Task, moment: Moment, name: str, hourly: Hourly | None = None
) -> tuple[Milestone, ...]:
    """The parts as milestones, checked: their sum, their sizes, their dates. `name` makes their salts; `hourly`: another rate than the
    task's. Raises Refusal."""
    now, terms = moment.now, task.terms
    hourly = hourly or terms.hourly
    if not 2 <= len(parts) <= MOST:
        raise refuse(Refused.BAD_PLAN, problem=f"a plan has 2 to {MOST} milestones")
    if sum(len(f"{part.title}{part.description}".encode()) for part in parts) > MOST_WORDS:
        raise refuse(Refused.BAD_PLAN, problem=f"titles and descriptions have {MOST_WORDS} bytes together at most")
    costs = [_cost(part, task, moment.policy) for part in parts]
    _need_sum(sum(cost.price or cost.reward // MSAT_PER_SAT for cost in costs), task)
    found: list[Milestone] = []
    last = now.heard
    for number, (part, cost) in enumerate(zip(parts, costs, strict=True), 1):
        due = read_moment(part.due, now.time)
        if due is None:
            raise refuse(Refused.BAD_PLAN, problem=f"milestone {number}: a date looks like 2026-12-31, or 14d")
        if not last < due - now.deaf <= terms.deadline or (number > 1 and due - now.deaf <= found[-1].due):
            raise refuse(
                Refused.BAD_PLAN,
                problem=f"milestone {number}: dates follow one another, from now to the task's deadline",
                deadline=terms.deadline + now.deaf,
            )
        _need_size(number, cost.reward, terms, moment.policy)
        if hourly and not hourly.most(cost.price or cost.reward // MSAT_PER_SAT):
            raise refuse(Refused.BAD_PLAN, problem=f"milestone {number}: it has no room for a hundredth of an hour")
        found.append(
            Milestone(
                number=number, title=part.title, reward=cost.reward, budget=cost.budget, price=cost.price,
                rate=task.current.rate, description=part.description, due=due - now.deaf,
                salt=salt(now, f"{name}/{number}") if part.description else "",
            )
        )  # fmt: skip
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Cost:
    reward: Msat
    budget: Msat
    price: int = 0


def _cost(part: MilestoneWords, task: Task, policy: Policy) -> _Cost:
    """In sats; of a price in a currency at the rate of the offer, until the milestone's own invoice freezes one."""
    rate, agreed = task.current.rate, task.terms.pricing
    if rate is None or agreed is None:
        if not isinstance(part.amount, int):
            raise refuse(Refused.BAD_AMOUNT, problem="the amount is a whole number of sats above zero")
        reward = sats(part.amount)
        return _Cost(reward, policy.budget(reward))
    try:
        price = read_amount_of(part.amount, agreed.currency)
    except BadAmount as error:
        raise refuse(Refused.BAD_AMOUNT, problem=str(error)) from None
    reward = rate.reward(price)
    return _Cost(reward, agreed.budget(reward), price)


def _need_sum(found: int, task: Task, by_hours: Mapping[str, Any] | None = None) -> None:
    """The sum is the whole, in the unit of the price: of milestones, or of all hours together."""
    whole, told = sum(task.price_of(each) for each in task.milestones), by_hours or {}
    if found == whole:
        return
    if task.currency:
        said = {"sum_price": plain(found, task.currency), "total_price": plain(whole, task.currency)}
        raise refuse(Refused.PLAN_SUM, currency=task.currency, **said, **told)
    total = sats(found)
    raise refuse(Refused.PLAN_SUM, sum_msat=total, total_msat=task.total, off_msat=total - task.total, **told)


def _need_size(number: int, amount: Msat, terms: Terms, policy: Policy) -> None:
    if amount < policy.min_reward or amount <= terms.fees.of_worker(amount):
        raise refuse(Refused.BELOW_MINIMUM, minimum_msat=policy.min_reward, milestone=number)
    if amount > policy.max_reward:
        raise refuse(Refused.ABOVE_MAXIMUM, maximum_msat=policy.max_reward, milestone=number)


def public(wanted: Proposal, currency: str, now: Now) -> dict[str, Any]:
    """What the log shows of a plan."""
    by_hours = told_by_hour(wanted.hourly, currency)
    return {
        "payment_type": _kind(wanted),
        **{name: fact for name, fact in by_hours.items() if name != "hourly_unit"},
        "review_window": wanted.review_window,
        "on_reject": wanted.on_reject,
        "max_rejects": wanted.max_rejects,
        "milestones": public_parts(wanted.milestones, now),
        **({"funding": wanted.funding} if wanted.funding != "upfront" else {}),
    }


def public_parts(milestones: Iterable[Milestone], now: Now) -> list[dict[str, Any]]:
    """A description is for the two sides alone; the log commits to it."""
    return [
        {
            "title": each.title,
            "reward_msat": each.reward,
            "budget_msat": each.budget,
            "due": each.due + now.deaf,
            "details": commitment(each.salt, each.description) if each.description else "",
            **({"price": plain(each.price, each.rate.currency)} if each.rate else {}),
        }
        for each in milestones
    ]


def shown(task: Task, wanted: Proposal, now: Now) -> dict[str, Any]:
    """A plan for the two sides: all of it, and what it costs in the end."""
    fees = task.terms.fees
    parts = wanted.milestones or task.milestones
    return {
        **told_by_hour(wanted.hourly or task.terms.hourly, task.currency),
        "by": wanted.by,
        "plan": wanted.hash,
        "review_window": wanted.review_window,
        "on_reject": wanted.on_reject,
        "max_rejects": wanted.max_rejects,
        "funding": wanted.funding,
        "total_msat": sum(each.reward for each in parts),
        "cost_msat": sum(
            each.reward - fees.of_worker(each.reward) + fees.of(each.reward) + each.budget for each in parts
        ),
        "milestones": [listed(each, now, secret=True) for each in wanted.milestones],
    }


def listed(each: Milestone, now: Now, secret: bool) -> Mapping[str, Any]:
    """One milestone for a card. `secret`: for the two sides, who know its description."""
    private = {"description": each.description, "details_salt": each.salt} if secret and each.description else {}
    return {
        "number": each.number,
        "title": each.title,
        "reward_msat": each.reward,
        "due": each.due + now.deaf,
        "state": str(each.state),
        **({"price": plain(each.price, each.rate.currency)} if each.rate else {}),
        **private,
    }


def options(task: Task, policy: Policy) -> dict[str, Any]:
    """Both ways of being paid, and which one fits the size."""
    rate = task.current.rate
    limit = rate.reward(in_smallest(policy.milestones_above_price, rate.currency)) if rate else policy.milestones_above
    return {
        **in_both(task),
        "task": task.id,
        "title": task.title,
        "total_msat": task.total,
        "threshold_msat": limit,
        "funding": task.terms.funding,
        "recommended": MILESTONE if task.total > limit else HOURLY_RATE if task.terms.hourly else FIXED_PRICE,
        **by_hour(task),
        "selected": task.terms.payment_type if not may_plan(task) and task.worker else None,
        "plan": task.proposal.hash if task.proposal else None,
        "by": task.proposal.by if task.proposal else None,
    }
