"""Somebody becomes the worker: by his own claim or the employer's choice, with the money held or before it is.

Every task becomes Claimed through `begin`, whichever way it came there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import deposit, ledger, plan
from handlers.decision import Decision, Moment, refuse
from handlers.guards import SLACK_BLOCKS, may_plan, need_fit, need_welcome, wrong_state
from handlers.holds import public
from handlers.task import Destination, Funding, Task, by_hour, holder
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.inputs import Said
from kinds.states import TaskState
from kinds.units import Pubkey, commitment


def need_place(task: Task, said: Said) -> None:
    """There is a place for a worker."""
    if not task.is_open or (task.state is TaskState.FUNDED and not task.complete):
        raise wrong_state(task, said.by, said.command)


def need_time(task: Task, moment: Moment) -> None:
    """There is time for the work: in the hold that is there, or in one that is made now, which takes a house that is open. Money in the
    books has all the time."""
    deadline, hold = task.deadline, task.hold
    if task.state is TaskState.DRAFT:
        need_welcome(moment)
    if moment.now.heard >= (deadline if task.state is TaskState.DRAFT else min(deadline, task.funded_until)):
        raise refuse(Refused.TOO_LATE, task=task.id, what="deadline", since=deadline + moment.now.deaf)
    if hold:
        need_fit(task, moment, hold.expiry_height, SLACK_BLOCKS)
    elif task.state is TaskState.DRAFT and not (
        plan.lacks_plan(task) or task.on_approval
    ):  # each milestone has a hold of its own
        need_fit(task, moment, moment.now.height + moment.policy.hold_cltv)


def shown(destination: Destination | None, dest_hash: str | None) -> str | None:
    """What the log shows of it: a destination that is known is its own commitment."""
    return commitment(destination.salt, destination.payment_hash) if destination else dest_hash


def reward(task: Task, destination: Destination | None, moment: Moment) -> dict[str, Any]:
    """What somebody is told of the work that he takes."""
    return {
        "deadline": task.deadline + moment.now.deaf,
        "reward_msat": task.reward,
        "net_msat": task.net,
        "worker_fee_msat": task.reward - task.net,
        "needs_destination": destination is None
        and not task.terms.hourly,  # what hours come to is known when they are delivered
        **by_hour(task),
        "description": task.description,
        "custody": holder(task),
        "funding": task.terms.funding,
        "dest_salt": destination.salt if destination else None,
    }


def bind(
    task: Task, who: Pubkey, moment: Moment, *, note: str, destination: Destination | None, dest_hash: str | None, consented: int,
    dropped: bool = False,
) -> Decision:  # fmt: skip
    """He is the worker from now on. `consented`: when he said that he would be, on the hearing clock. `dropped`: the destination that he
    named came too early to be kept."""
    picked = moment.by != who
    others = tuple(each for each in task.applicants if each.who != who)
    bound = replace(
        task, worker=who, destination=destination, dest_hash=dest_hash, applicants=others, bound_seq=task.seq + 1,
        consented=consented,
    )  # fmt: skip
    if task.state is TaskState.FUNDED:
        how = (Cause.HIRED, "hire") if picked else (Cause.CLAIMED, "claim")
        done = begin(Decision(bound), *how, moment, note)
    else:
        facts = {"worker": who, "dest_hash": shown(destination, dest_hash)}
        done = move(Decision(bound), Cause.CHOSEN if picked else Cause.ACCEPTED, moment, **facts)
        done = done.say(who, Told.ACCEPTED, **reward(task, destination, moment), dropped_destination=dropped)
        done = done.say(task.employer, Told.ACCEPTED_BY, worker=who, note=note, funding=task.terms.funding)
        done = _offer_choice(begin_unfunded(done, moment), moment)
    for each in others:
        done = done.say(each.who, Told.PASSED_OVER)
    return done


def _offer_choice(done: Decision, moment: Moment) -> Decision:
    """Both are shown the ways of being paid, between which they now decide."""
    if may_plan(done.task):
        facts = plan.options(done.task, moment.policy)
        for who in (done.task.employer, done.task.worker):
            done = done.say(who, Told.OPTIONS, **facts)
    return done


def begin(done: Decision, cause: Cause, how: str, moment: Moment, note: str = "", **facts: Any) -> Decision:
    """The money is held and the worker is bound: the work begins. `facts`: those of the entries beside task.claimed."""
    task, heard = done.task, moment.now.heard
    rushed = 2 * (task.deadline - heard) < task.deadline - task.consented
    begun = done.change(claimed_at=heard, funded_until=0, rushed=rushed)
    public = {"worker": task.worker, "dest_hash": shown(task.destination, task.dest_hash), **facts}
    begun = move(begun, cause, moment, **public)
    begun = ledger.at_once(begun, begun.task.holds if begun.task.complete else ())
    told = reward(task, task.destination, moment)
    begun = begun.say(task.worker, Told.CLAIMED, how=how, **told)
    begun = begun.say(
        task.employer, Told.CLAIMED_BY, how=how, worker=task.worker, deadline=told["deadline"], custody=told["custody"],
        note=note, funding=task.terms.funding,
    )  # fmt: skip
    return deposit.suggest(begun, moment)


def begin_unfunded(done: Decision, moment: Moment) -> Decision:
    """Where nothing is held before the work, and it is agreed what is paid for, it begins at once; so it does when a deposit has all of it."""
    task = done.task
    if not task.on_approval:
        done = deposit.fitting(done, moment)
        task = done.task
    paid = task.on_approval or (bool(task.own_covers) and not task.still_asked)
    if not (paid and task.is_project and task.worker):
        return done
    return begin(done, Cause.BEGUN, "begun", replace(moment, by="clock", evidence=None))


def begin_on_payment(done: Decision, held: Funding, parts: int, moment: Moment) -> Decision:
    """The employer's money has come for the worker who was there before it."""
    return begin(
        done,
        Cause.HELD_FOR_WORKER,
        "funded",
        moment,
        **public(done.task, held, parts),
    )
