"""What the log tells of a project: the milestones that were proposed and agreed on, and the step from one to the next.

What a milestone asks for in words is for the two sides alone; the log only commits to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from handlers import plan
from handlers.project import advanced
from handlers.recovery import money
from handlers.task import Milestone, Proposal, Task
from kinds.rate import Rate, read_amount_of
from kinds.record import Entry
from kinds.units import Msat, Pubkey


def proposed(task: Task, entry: Entry) -> Task:
    facts = entry.facts
    wanted = Proposal(
        hash=facts["plan"],
        by=Pubkey(facts["by"]),
        seq=entry.seq,
        milestones=parts(facts["milestones"], entry.deaf, task.current.rate),
        review_window=facts["review_window"],
        on_reject=facts["on_reject"],
        max_rejects=facts["max_rejects"],
        funding=str(facts.get("funding", "upfront")),
        hourly=money.by_hour(facts, task.currency),
    )
    return replace(task, proposal=wanted, proposed=(*task.proposed, entry.time))


def agreed(task: Task, entry: Entry) -> Task:
    wanted = task.proposal
    if wanted is None or wanted.hash != entry.facts["plan"]:
        raise ValueError("the plan was not proposed")
    return plan.agreed(money.unwanted(task, lambda funding: bool(funding.covers)), wanted)


def parts(said: Iterable[Mapping[str, Any]], deaf: int, rate: Rate | None) -> tuple[Milestone, ...]:
    """The milestones as the log shows them."""
    return tuple(
        Milestone(
            number=number, title=part["title"], reward=Msat(part["reward_msat"]), budget=Msat(part["budget_msat"]),
            due=part["due"] - deaf, rate=rate, price=read_amount_of(str(part["price"]), rate.currency) if rate else 0,
        )
        for number, part in enumerate(said, 1)
    )  # fmt: skip


def next_one(task: Task, entry: Entry) -> Task:
    """The milestone is released, and another one follows."""
    return advanced(task, entry.seq, entry.heard, entry.facts["next_deadline"] - entry.deaf)
