"""Answers to questions: views of what is remembered. They change nothing and never go through `decide`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from handlers import applying, plan
from handlers.guards import fitting
from handlers.policy import Policy
from handlers.task import Funding, Proof, Task, by_hour, delivered, holder, in_both, shown
from handlers.tick import next_deadline
from kinds.inputs import Now
from kinds.states import FundingState, LogType, Role, TaskState, WorkState
from kinds.units import Msat, Pubkey, Secret

_STEPS = {
    TaskState.DRAFT: 1,
    TaskState.PENDING_FUNDING: 1,
    TaskState.FUNDED: 2,
    TaskState.CLAIMED: 3,
    TaskState.DISPUTED: 4,
    TaskState.VERIFIED: 5,
}


def status(task: Task, asker: Pubkey, now: Now) -> dict[str, Any]:
    """The facts of a task's card, as far as the asker may see them: links and notes are for the two parties only."""
    role = task.role_of(asker)
    proof, deadline = task.current.proof, next_deadline(task)
    return {
        **in_both(task),
        "task": task.id,
        "title": task.title,
        "description": task.description,
        "state": str(task.state),
        "work": str(task.current.state),
        "phase": str(task.phase),
        "frozen": task.frozen,
        **shown(task),
        "deadline": task.deadline + now.deaf,
        "until": deadline[0] + now.deaf if deadline else None,
        "until_what": deadline[1] if deadline else None,
        "role": str(role) if role else None,
        "may": fitting(task, asker),
        "order": task.terms.order,
        "claim": task.terms.claim,
        "payment_type": task.terms.payment_type,
        **_hours(task, role),
        "plan": task.proposal.hash if task.proposal and role else None,
        "sealed": task.terms.sealed,
        "applicants": len(task.applicants),
        "proposals": applying.proposals(task) if role is Role.EMPLOYER else [],
        "employer": task.employer,
        "worker": task.worker,
        "proof": None if proof is None else {
            "sha256": proof.sha256, "check": str(proof.check), "url": proof.url if role else None,
            "key_hash": proof.key_hash or None, "key": _key(task, proof, role),
        },
        **({"deposit_msat": Msat(sum(cover.amount for cover in task.covers))} if task.deposit and role else {}),
        "custody": holder(task),
        "expiry_height": task.hold.expiry_height if task.hold else None,
        "last_safe_height": task.last_safe_height or None,
        "height": now.height,
        "credit_msat": task.credit(asker),
        **(_milestones(task, role, now) if task.is_project else _steps(task)),
    }  # fmt: skip


def _hours(task: Task, role: Role | None) -> dict[str, Any]:
    """Of work that is paid by the hour: what is delivered and what it comes to; to the worker also what he has named for his next delivery."""
    if task.terms.hourly is None:
        return {}
    hours = task.current.delivered_hours
    named = {"hours_named": task.current.hours or None} if role is Role.WORKER else {}
    worth = {"amount_msat": task.share_of(100)} if hours else {}
    return {**by_hour(task), "most": task.most_hours, **delivered(task, task.current), **worth, **named}


def _steps(task: Task) -> dict[str, Any]:
    return {"step": 6 if task.state and task.state.is_final else _step(task), "steps": 6}


def _milestones(task: Task, role: Role | None, now: Now) -> dict[str, Any]:
    """How far a project has come; what each part asks for in words is for the two sides."""
    released = sum(each.state is WorkState.RELEASED for each in task.milestones)
    return {
        "step": released,
        "steps": len(task.milestones),
        "milestone": task.current.number,
        "milestones": [
            {**plan.listed(each, now, secret=role is not None), **delivered(task, each)} for each in task.milestones
        ],
    }


def _key(task: Task, proof: Proof, role: Role | None) -> Secret | None:
    """Of a sealed file, for the employer once it is paid for."""
    paid = task.current.state is WorkState.RELEASED
    return proof.key if paid and role is Role.EMPLOYER and proof.key else None


def _step(task: Task) -> int:
    """Where the worker comes before the money, having him is the second step."""
    submitted = task.current.state is WorkState.SUBMITTED
    step = _STEPS.get(task.state or TaskState.DRAFT, 1) + submitted
    return max(step, 2) if task.worker else step


def basis_seq(task: Task) -> int:
    """The log entry on which a signed decision of the next step would rest: the newest proof, or the task itself."""
    if task.current.proof:
        return task.current.proof.seq
    return task.bound or task.seq_of(LogType.TASK_CREATED)


def tasks(mine: Iterable[Task], open_ones: Iterable[Task], asker: Pubkey) -> dict[str, Any]:
    """The asker's tasks, and those that he could claim."""
    return {
        "tasks": [_line(task, asker) for task in mine],
        "open": [_line(task, asker) for task in open_ones if not task.frozen],
    }


def _line(task: Task, asker: Pubkey) -> dict[str, Any]:
    role = task.role_of(asker)
    return {
        **in_both(task),
        "task": task.id,
        "title": task.title,
        "state": str(task.state),
        "role": str(role or Role.WORKER) if role else None,
        "reward_msat": task.reward,
        "net_msat": task.net,
        **({"milestone": task.current.number, "milestones": len(task.milestones)} if task.is_project else {}),
    }


def holds(held: Iterable[Task], now: Now, most: int | None = None) -> dict[str, Any]:
    """Every payment that is held, that whose time is over first at the top. `age` in seconds of hearing."""
    found = [(task, funding) for task in held for funding in task.fundings if funding.state is FundingState.ACCEPTED]
    found.sort(key=lambda pair: (pair[1].expiry_height, pair[1].ref))
    return {
        "count": len(found),
        "total_msat": sum(funding.amount for _, funding in found),
        "height": now.height or None,
        "holds": [_hold(task, funding, now) for task, funding in found[:most]],
    }


def _hold(task: Task, funding: Funding, now: Now) -> dict[str, Any]:
    expiry, terms = funding.expiry_height, task.terms
    return {
        **in_both(task),
        "task": task.id,
        "title": task.title,
        "state": str(task.state),
        "phase": str(task.phase),
        "frozen": task.frozen,
        "funding": funding.ref,
        "goal": funding.goal,
        "amount_msat": funding.amount,
        "age": max(0, now.heard - funding.accepted_at) if funding.accepted_at else None,
        "expiry_height": expiry,
        "last_safe_height": terms.last_safe(expiry),
    }


def _rates(policy: Policy) -> dict[str, Any]:
    """How a rate comes about, and how long it counts."""
    return {
        "rate_sources": list(policy.rate_sources),
        "rate_agree": policy.rate_agree,
        "rate_spread_percent": policy.rate_spread,
        "rate_age": policy.rate_age,
        "rate_expiry": policy.rate_expiry,
    }


def terms(policy: Policy) -> Mapping[str, Any]:
    """What the operator publishes: everything that a party must know before he signs anything."""
    return {
        "network": policy.network,
        "play_money": policy.network == "simnet",
        **policy.fees.public(),
        "budget_base_msat": policy.budget_base,
        "budget_ppm": policy.budget_ppm,
        "min_reward_msat": policy.min_reward,
        "max_reward_msat": policy.max_reward,
        "min_part_msat": policy.min_part,
        "max_parts": policy.max_parts,
        "custody_modes": list(policy.custody_modes),
        "on_hold_end": list(policy.hold_ends),
        "dispute_limit": policy.dispute_limit,
        "arbiters": [],
        "hold_cltv": policy.hold_cltv,
        "margin": policy.margin,
        "payout_limit": policy.payout_limit,
        "dispute_reserve": policy.reserve,
        "max_final_cltv": policy.max_final_cltv,
        "invoice_expiry": policy.invoice_expiry,
        "hold_timeout": policy.hold_timeout,
        "review_window": policy.review_window,
        "max_deadline": policy.max_deadline,
        "min_inbound_msat": policy.min_inbound,
        "min_outbound_msat": policy.min_outbound,
        "min_free_slots": policy.min_slots,
        "max_held_msat": policy.max_held,
        "currencies": list(policy.currencies),
        **(_rates(policy) if policy.currencies else {}),
        "quotes_a_day": policy.quotes_a_day,
        "proofs_a_day": policy.proofs_a_day,
        "fetches_deliverables": policy.fetch,
        "sees_parts": "parts" in policy.can,
        "limits_payouts": "limits" in policy.can,
    }
