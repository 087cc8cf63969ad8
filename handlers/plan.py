"""A project is cut into milestones: proposed by either side once somebody is hired, agreed to by both by its hash, then locked.

Until then both may talk, propose and amend; a proposal stands for its author's consent, and a newer one takes the place of it. An employer
who asks for the whole money instead has chosen to pay in one go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from handlers.decision import Decision, Moment, refuse
from handlers.guards import may_plan, need_evidence, need_role, need_state, salt, wrong_state
from handlers.holds import drop_invoice
from handlers.policy import DAY, Policy
from handlers.task import Milestone, Proposal, Task, Terms, by_hour, in_both
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.commands import Agree, Milestones
from kinds.figures import read_moment
from kinds.inputs import Now, Said
from kinds.plan import MOST, MOST_WORDS, MilestoneWords, plan_hash
from kinds.rate import BadAmount, plain, read_amount_of
from kinds.states import LogType, Role, TaskState
from kinds.units import MSAT_PER_SAT, Msat, commitment, sats

MILESTONE, FIXED_PRICE, HOURLY_RATE = "MILESTONE", "FIXED_PRICE", "HOURLY_RATE"
A_DAY = 20  # proposals in one task


def propose(task: Task, said: Said, command: Milestones, moment: Moment) -> Decision:
    """The milestones as one side wants them; nothing is agreed to yet."""
    need_role(task, said, Role.EMPLOYER, Role.WORKER)
    _need_open(task, said)
    need_evidence(task, said)
    now = moment.now
    today = tuple(at for at in task.proposed if at > now.time - DAY)
    if len(today) >= A_DAY:
        raise refuse(Refused.RATE_LIMITED, what="proposals", wait=today[0] + DAY - now.time)
    wanted = Proposal(
        hash="",
        by=said.by,
        seq=task.seq + 1,
        milestones=cut(command.milestones, task, moment, f"{task.id}/{task.seq + 1}"),
        review_window=command.review_window,
        on_reject=command.on_reject,
        max_rejects=command.max_rejects,
        funding=command.funding or task.terms.funding,
    )
    _need_funding(task, wanted)
    facts = {"nonce": salt(now, f"{task.id}/plan"), **public(wanted, now)}  # so that nobody can choose the hash
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
    if moment.now.heard >= wanted.milestones[0].due:
        raise refuse(Refused.BAD_PLAN, task=task.id, problem="the first date has passed: propose new ones")
    done = drop_invoice(Decision(task), task.quote)  # over the whole amount
    done = done.on(agreed(done.task, wanted))
    done = move(done, Cause.PLAN_AGREED, moment, by=said.by, plan=wanted.hash)
    for who in (task.employer, task.worker):
        stage = "begun" if done.task.on_approval else "agreed"
        done = done.say(who, Told.PLAN_AGREED, stage=stage, **shown(done.task, wanted, moment.now))
    return done


def agreed(task: Task, wanted: Proposal) -> Task:
    """With these milestones, which take the place of the whole. A destination over the whole amount is of no use any more."""
    terms = replace(
        task.terms, payment_type=MILESTONE, review_window=wanted.review_window, on_reject=wanted.on_reject,
        max_rejects=wanted.max_rejects, funding=wanted.funding,
    )  # fmt: skip
    return replace(
        task, terms=terms, milestones=wanted.milestones, proposal=None, planned_with=task.worker, destination=None,
        dest_hash=None,
    )  # fmt: skip


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
    if task.planned_with is not None and task.planned_with == task.worker:
        raise refuse(Refused.PLAN_LOCKED, task=task.id)
    if task.hires_first and task.worker is None:
        raise refuse(Refused.NOT_HIRED, task=task.id, claim=task.terms.claim)
    if not may_plan(task):
        raise wrong_state(task, said.by, said.command)


def cut(parts: tuple[MilestoneWords, ...], task: Task, moment: Moment, name: str) -> tuple[Milestone, ...]:
    """The parts as milestones, checked: their sum, their sizes, their dates. `name` makes their salts. Raises Refusal."""
    now, terms = moment.now, task.terms
    if not 2 <= len(parts) <= MOST:
        raise refuse(Refused.BAD_PLAN, problem=f"a plan has 2 to {MOST} milestones")
    if sum(len(f"{part.title}{part.description}".encode()) for part in parts) > MOST_WORDS:
        raise refuse(Refused.BAD_PLAN, problem=f"titles and descriptions have {MOST_WORDS} bytes together at most")
    costs = [_cost(part, task, moment.policy) for part in parts]
    _need_sum(costs, task)
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
        if terms.hourly and not terms.hourly.most(cost.price or cost.reward // MSAT_PER_SAT):
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


def _need_sum(costs: list[_Cost], task: Task) -> None:
    """The sum is the whole, in the unit of the price."""
    if task.currency:
        found, whole = sum(cost.price for cost in costs), sum(each.price for each in task.milestones)
        if found != whole:
            said = {"sum_price": plain(found, task.currency), "total_price": plain(whole, task.currency)}
            raise refuse(Refused.PLAN_SUM, currency=task.currency, **said)
        return
    total = sum(cost.reward for cost in costs)
    if total != task.total:
        raise refuse(Refused.PLAN_SUM, sum_msat=total, total_msat=task.total, off_msat=total - task.total)


def _need_size(number: int, amount: Msat, terms: Terms, policy: Policy) -> None:
    if amount < policy.min_reward or amount <= terms.fees.of_worker(amount):
        raise refuse(Refused.BELOW_MINIMUM, minimum_msat=policy.min_reward, milestone=number)
    if amount > policy.max_reward:
        raise refuse(Refused.ABOVE_MAXIMUM, maximum_msat=policy.max_reward, milestone=number)


def public(wanted: Proposal, now: Now) -> dict[str, Any]:
    """What the log shows of a plan."""
    return {
        "payment_type": MILESTONE,
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
    parts = wanted.milestones
    return {
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
        "milestones": [listed(each, now, secret=True) for each in parts],
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
    limit = (
        rate.reward(read_amount_of(policy.milestones_above_price, rate.currency)) if rate else policy.milestones_above
    )
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
