"""A price in a local currency. What was agreed is the price; what it is in sats is estimated until the employer asks for the invoice, and
frozen with that: the rate, who said it and when go into the milestone and into the log, and nothing moves them but another invoice.

The rate comes in with the moment (`House.rate`), so that what was decided can be decided again. One that is too old is worth nothing: no
offer and no invoice is made by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from handlers.decision import Decision, Moment, refuse
from handlers.task import Funding, Milestone, Pricing, Task, Terms, priced, shown
from kinds.codes import Refused
from kinds.inputs import Now
from kinds.rate import Rate
from kinds.task import Offer
from kinds.units import Msat

CLOCKS_APART = 600  # seconds by which a rate may be ahead of what is decided by it


@dataclass(frozen=True, slots=True)
class Cost:
    """What an offer is worth in sats, and what was agreed for the rates to come."""

    reward: Msat
    rate: Rate | None = None
    agreed: Pricing | None = None


def first(offer: Offer, moment: Moment) -> Cost:
    """Raises Refusal for a currency that is not offered, a rate that is not known, and a reward outside of the operator's terms."""
    policy = moment.policy
    if not offer.currency:
        _need_between(offer.reward, policy.min_reward, policy.max_reward)
        return Cost(offer.reward)
    if offer.currency not in policy.currencies:
        raise refuse(Refused.NOT_OFFERED, what=f"a price in {offer.currency}", offered=["sats", *policy.currencies])
    rate = _need_rate(offer.currency, moment)
    agreed = Pricing(
        currency=offer.currency, budget_base=policy.budget_base, budget_ppm=policy.budget_ppm,
        min_reward=policy.min_reward, max_reward=policy.max_reward,
    )  # fmt: skip
    reward = rate.reward(offer.price)
    _need_between(reward, agreed.min_reward, agreed.max_reward, rate)
    return Cost(reward, rate, agreed)


def quote(task: Task, moment: Moment, limits: bool = True) -> Task:
    """The task as it is at the present rate, within the limits that it was made with. Raises Refusal. `limits` False: it is owed, whatever
    it comes to."""
    agreed = task.terms.pricing
    if agreed is None:
        return task
    rate = _need_rate(agreed.currency, moment, task.id)
    quoted = _at(task, rate)
    if limits:
        _need_between(quoted.reward, agreed.min_reward, agreed.max_reward, rate)
        need_net(quoted)
    return quoted


def need_net(task: Task) -> None:
    """Something is left for the worker."""
    if task.net <= 0:
        minimum = task.reward - task.net + 1000
        raise refuse(Refused.BELOW_MINIMUM, minimum_msat=minimum, **_told(task.current.rate))


def is_stale(funding: Funding, moment: Moment) -> bool:
    """The node took so long for the invoice that its rate is none any more."""
    return funding.rate is not None and not _is_fresh(funding.rate, moment.now, moment.policy.rate_age)


def freeze(done: Decision, funding: Funding) -> Decision:
    """The invoice is there: from now on the reward is what its rate says."""
    return done if funding.rate is None or not done.task.currency else done.on(_at(done.task, funding.rate))


def public(terms: Terms) -> dict[str, Any]:
    """What task.created tells of the limits to which later invoices keep."""
    agreed = terms.pricing
    if agreed is None:
        return {}
    return {
        "budget_base_msat": agreed.budget_base,
        "budget_ppm": agreed.budget_ppm,
        "min_reward_msat": agreed.min_reward,
        "max_reward_msat": agreed.max_reward,
    }


def frozen(task: Task) -> dict[str, Any]:
    """What invoice.created tells of the rate, and of all amounts that follow from it."""
    if not task.currency:
        return {}
    return {name: fact for name, fact in shown(task).items() if name not in ("hold_msat", "total_msat")} | priced(task)


def cover(task: Task, number: int, part: int, rate: Rate | None = None) -> Task:
    """The task whose milestone of this number has a deposit for so much of its price, frozen at this rate; 0: without one."""
    there, agreed = replace(task, at=number - 1), task.terms.pricing
    whole = part == there.current.price and rate is not None
    new = replace(there.current, covered=part, cover_rate=rate)
    covered = _reckoned(new, agreed, rate if whole else new.rate) if agreed else new
    return replace(there.with_current(covered), at=task.at)


def reward(milestone: Milestone, rate: Rate) -> Msat:
    """What a price comes to at a rate; the part that has a deposit at the rate of that. Each is rounded up to the sat."""
    kept, rest = milestone.cover_rate, milestone.price - milestone.covered
    return Msat((kept.reward(milestone.covered) if kept else 0) + (rate.reward(rest) if rest else 0))


def _at(task: Task, rate: Rate) -> Task:
    agreed = task.terms.pricing
    assert agreed is not None, "the price is in a currency"
    return task.with_current(_reckoned(task.current, agreed, rate))


def _reckoned(milestone: Milestone, agreed: Pricing, rate: Rate | None) -> Milestone:
    if rate is None:
        return milestone
    found = reward(milestone, rate)
    return replace(milestone, reward=found, budget=agreed.budget(found), rate=rate)


def _need_rate(currency: str, moment: Moment, task: str | None = None) -> Rate:
    rate = moment.house.rate
    if rate is None or rate.currency != currency or not _is_fresh(rate, moment.now, moment.policy.rate_age):
        raise refuse(Refused.NO_RATE, currency=currency, **({"task": task} if task else {}))
    return rate


def _is_fresh(rate: Rate, now: Now, age: int) -> bool:
    return -CLOCKS_APART <= now.time - rate.time <= age


def _need_between(reward: Msat, least: Msat, most: Msat, rate: Rate | None = None) -> None:
    if reward < least:
        raise refuse(Refused.BELOW_MINIMUM, minimum_msat=least, **_told(rate))
    if reward > most:
        raise refuse(Refused.ABOVE_MAXIMUM, maximum_msat=most, **_told(rate))


def _told(rate: Rate | None) -> dict[str, Any]:
    """So that limits are told in both, too."""
    return {"currency": rate.currency, "rate": str(rate.price), "indicative": False} if rate else {}
