"""What is asked before anything is done: who, when, on which basis. Each guard raises a Refusal that says what to do next."""

from __future__ import annotations

import hashlib

from handlers.decision import Moment, refuse
from handlers.liquidity import shortage
from handlers.policy import DAY, Policy
from handlers.task import Task, Terms
from kinds.codes import Refused
from kinds.commands import OPERATOR, Command, Payout
from kinds.inputs import BY_HAND, Now, Proven, Said
from kinds.states import LogType, PayoutState, Phase, Role, TaskState, WorkState
from kinds.units import SECONDS_PER_BLOCK, Msat, Pubkey

S, W = TaskState, WorkState
SLACK_BLOCKS = 12  # that may come faster than ten minutes each between an invoice and a claim


def fitting(task: Task, who: Pubkey) -> list[str]:
    """The actions that fit the task's state for this person: what answers offer as the next step."""
    role = task.role_of(who)
    if task.awaits_payment and not task.frozen:
        named = ["payout"] if role is Role.WORKER and not task.indicative else []
        return [*(["fund"] if role is Role.EMPLOYER else named), "status"]
    if task.phase is not Phase.NONE or task.state is None or task.frozen:
        return ["status"]
    if task.state.is_final:
        receipt = ["receipt"] if role and _has_receipt(task, who) else []
        return [*(["balance"] if role and task.credit(who) else []), *receipt, "history"]
    submitted, verified = task.current.state is W.SUBMITTED, task.state is S.VERIFIED
    renew = ["fund"] if task.rollover else []
    pick = ["hire"] if task.is_open and task.applicants else []
    take_off = ["abandon"] if may_withdraw(task, who) else []
    start = [] if task.hires_first and task.worker is None else ["select" if task.on_approval else "fund"]
    choose = _choosing(task, who)
    asked = bool(task.seq_of(LogType.DEPOSIT_OFFERED)) and not (task.undeposited or task.deposit)
    by_state: dict[TaskState, dict[Role | None, list[str]]] = {
        S.DRAFT: {
            Role.EMPLOYER: [*choose, *start, *pick, "cancel"],
            Role.WORKER: [*choose, "abandon"],
            None: [*(["claim"] if task.is_open else []), *take_off],
        },
        S.PENDING_FUNDING: {Role.EMPLOYER: ["fund", "cancel"], Role.WORKER: ["abandon"], None: take_off},
        S.FUNDED: {Role.EMPLOYER: [*pick, "cancel"], None: ["claim", *take_off]},
        S.CLAIMED: {
            Role.EMPLOYER: [
                *(["approve", "reject"] if submitted else []),
                *renew,
                *(["deposit"] if asked else []),
                "cancel",
                "dispute",
            ],
            Role.WORKER: [
                *(["hours"] if task.names_hours else []),
                "submit",
                *([] if task.indicative else ["payout"]),
                "abandon",
                "cancel",
                "dispute",
            ],
            None: take_off,
        },
        S.VERIFIED: {Role.WORKER: ["payout", "dispute"] if verified else []},
        S.DISPUTED: {Role.EMPLOYER: ["approve", *renew, "cancel"], Role.WORKER: ["cancel"]},
    }
    return [*by_state[task.state].get(role, []), "status"]


def may_plan(task: Task) -> bool:
    """Milestones are still open: somebody is hired, nothing is agreed with him, no work has begun, and no deposit is there for it as it is."""
    bound = task.hires_first and task.worker is not None and task.planned_with != task.worker
    return bound and task.state is S.DRAFT and task.at == 0 and not task.covers


def _choosing(task: Task, who: Pubkey) -> list[str]:
    """How both decide on milestones."""
    if not may_plan(task):
        return []
    proposed = task.proposal is not None and task.proposal.by != who
    return ["options", *(["agree"] if proposed else []), "milestones"]


def _has_receipt(task: Task, who: Pubkey) -> bool:
    """Money of his has moved in this task."""
    if who == task.employer:
        return any(funding.accepted_at for funding in task.fundings)
    paid = any(payout.to == who and payout.state is PayoutState.COMPLETE for payout in task.payouts)
    return paid or bool(task.credit(who))


def may_withdraw(task: Task, who: Pubkey) -> bool:
    """He has offered to do it, and may still be hired."""
    places = (S.DRAFT, S.PENDING_FUNDING, S.FUNDED, S.CLAIMED)
    return task.state in places and task.phase is Phase.NONE and task.applicant(who) is not None


def wrong_state(task: Task, by: Pubkey, command: Command) -> Exception:
    return refuse(
        Refused.WRONG_STATE,
        task=task.id,
        state=str(task.state),
        work=str(task.current.state),
        phase=str(task.phase),
        action=command.action,
        may=fitting(task, by),
    )


def need_role(task: Task, said: Said, *roles: Role) -> None:
    if task.role_of(said.by) not in roles:
        raise refuse(Refused.NOT_YOUR_TASK, task=task.id, role=" or ".join(roles), action=said.command.action)


def need_private(said: Said, problem: str) -> None:
    """Some words must never be public. `problem`: why, and what to do."""
    if said.evidence.proven is Proven.SIGNED:
        command = said.command
        raise refuse(Refused.BAD_USAGE, action=command.action, usage=command.example, problem=problem)


def need_state(task: Task, said: Said, *states: TaskState, work: tuple[WorkState, ...] = ()) -> None:
    """In one of these states, and not while the node is carrying out an end."""
    if task.state not in states or task.phase is not Phase.NONE or (work and task.current.state not in work):
        raise wrong_state(task, said.by, said.command)


def is_operator(who: str, policy: Policy) -> bool:
    """The one at the machine itself, or the key that the settings name."""
    return who == BY_HAND or (bool(policy.operator) and who == policy.operator)


def need_operator(said: Said, moment: Moment) -> None:
    if not is_operator(said.by, moment.policy):
        raise refuse(Refused.NOT_OPERATOR, action=said.command.action)


def need_unbanned(moment: Moment) -> None:
    if moment.by in moment.house.banned:
        raise refuse(Refused.BANNED)


def need_welcome(moment: Moment) -> None:
    """For new business with this person."""
    need_unbanned(moment)
    if moment.house.paused:
        raise refuse(Refused.PAUSED)


def need_room(task: Task, amount: Msat, moment: Moment, holds: int = 1) -> None:
    """For one more hold of this amount, or for several of it together, as far as it is known."""
    found = moment.house.room
    what = shortage(found, amount, moment.policy, holds) if found else ""
    if what:
        raise refuse(Refused.NO_ROOM, task=task.id, what=what, amount_msat=amount)


def need_quote(task: Task, moment: Moment) -> None:
    """One more invoice for the present milestone today."""
    now, limit = moment.now, moment.policy.quotes_a_day
    today = [each.asked for each in task.own_fundings if each.asked > now.time - DAY and not each.covers]
    if len(today) >= limit:
        raise refuse(Refused.TOO_MANY_QUOTES, limit=limit, wait=today[0] + DAY - now.time)


def need_thawed(task: Task, said: Said) -> None:
    """A frozen task hears nobody but the operator; one of which it is not known who was paid pays nobody."""
    held_back = task.frozen or (task.unsure and isinstance(said.command, Payout))
    if held_back and not isinstance(said.command, OPERATOR):
        raise refuse(Refused.FROZEN, task=task.id)


def need_evidence(task: Task, said: Said, rests_on: LogType | None = None) -> None:
    """Signed where the terms ask for it; a signed one rests on the newest entry of its kind, and a party's on nothing before the
    entry that bound the worker."""
    action = said.command.action
    if said.evidence.proven is not Proven.SIGNED:
        if task.terms.min_evidence == "signed":
            raise refuse(Refused.SIGNED_ONLY, task=task.id, action=action)
        return
    basis = said.evidence.basis
    if basis is None:
        raise refuse(Refused.BASIS_MISSING, task=task.id, action=action, needs=str(rests_on or "any"))
    if rests_on and (basis.type is not rests_on or basis.seq != task.seq_of(rests_on)):
        raise refuse(
            Refused.BASIS_STALE, task=task.id, action=action, needs=str(rests_on), latest=task.seq_of(rests_on)
        )
    if basis.seq < task.bound and task.role_of(said.by):  # said of an earlier worker or milestone
        binding = (LogType.TASK_CLAIMED, LogType.SETTLEMENT_COMPLETED)
        bound_by = next((kind for kind in binding if task.bound == task.seq_of(kind)), LogType.TASK_ACCEPTED)
        raise refuse(Refused.BASIS_STALE, task=task.id, action=action, needs=str(bound_by), latest=task.bound)


def salt(now: Now, field: str) -> str:
    """A salt for one private field, from the entropy that came with the input."""
    return hashlib.sha256(bytes.fromhex(now.entropy) + field.encode()).hexdigest()


def latest_deadline(
    now: Now, review_window: int, expiry_height: int, policy: Policy, terms: Terms | None = None
) -> int:
    """The latest deadline (hearing clock) that a hold ending at this height can carry when it ends in a refund:
    deadline + review window + dispute reserve <= L."""
    margin = terms.margin if terms else policy.margin
    limit = terms.payout_limit if terms else policy.payout_limit
    blocks = expiry_height - margin - limit - 6 - policy.reserve - now.height
    return now.heard + blocks * SECONDS_PER_BLOCK - review_window


def need_fit(task: Task, moment: Moment, expiry_height: int, slack: int = 0) -> None:
    """The hold can carry the agreement to its end, if it has to. `slack`: blocks that may have come faster than ten minutes each."""
    if task.terms.outlasts_hold:
        return
    latest = latest_deadline(moment.now, task.terms.review_window, expiry_height + slack, moment.policy, task.terms)
    if task.deadline > latest:
        raise refuse(Refused.DOES_NOT_FIT, task=task.id, limit=latest + moment.now.deaf)


def height_seconds(now: Now, height: int) -> int:
    """The hearing-clock time at which a height is expected, one block being ten minutes."""
    return now.heard + (height - now.height) * SECONDS_PER_BLOCK


def next_ref(task: Task, letter: str) -> tuple[str, int]:
    """A fresh reference below the task's id, and the counter that goes with it."""
    counter = task.counter + 1
    return f"{task.id}/{letter}{counter}", counter
