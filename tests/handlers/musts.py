"""What must hold after every decision of a test, whatever it was about."""

from __future__ import annotations

import dataclasses

from handlers import safety
from handlers.check import check
from handlers.decide import decide
from handlers.decision import CancelHold, Decision, MakeHold, Pay, SettleHold
from handlers.policy import Policy
from handlers.task import Task
from handlers.tick import due
from handlers.transitions import pairs
from kinds.events import canonical_json
from kinds.inputs import Now, Tick
from kinds.states import FundingState, LogType, Phase, WorkState


def must_hold(before: Task | None, done: Decision, now: Now, policy: Policy) -> None:
    """The checks that the commit makes, a log without gaps, a moved state only with an entry, no secret in public facts, only
    orders that the task wants, and a tick that changes something whenever `due` says that one is due."""
    check(done.task)
    _check_log(before, done)
    _check_secrets(done)
    _check_effects(done)
    _check_restful(done.task, now, policy)


def is_due(task: Task, now: Now) -> bool:
    when = due(task)
    return (
        (when.heard is not None and when.heard <= now.heard)
        or (when.time is not None and when.time <= now.time)
        or (when.height is not None and when.height <= now.height)
    )


def _place(task: Task | None) -> tuple[object, ...]:
    return (task.state, task.phase, task.current.state) if task else (None, Phase.NONE, WorkState.PENDING)


def _check_log(before: Task | None, done: Decision) -> None:
    seq, state = (before.seq, str(before.state)) if before else (0, "")
    for line in done.log:
        seq += 1
        assert line.seq == seq, "the numbers of the log have no gap"
        assert (state, str(line.state)) in pairs(), f"{state} to {line.state} is not declared"
        state = str(line.state)
        assert done.task.seq_of(line.type) >= line.seq
    assert done.task.seq == seq
    assert state == str(done.task.state), "the log ends where the task stands"
    if not done.log:
        assert _place(before) == _place(done.task), "nothing moves without an entry"


_OPENED = {
    LogType.SETTLEMENT_COMPLETED,
    LogType.REFUND_COMPLETED,
    LogType.TASK_EXPIRED,
    LogType.RECEIPT,
    LogType.INCIDENT,
    LogType.HOLD_LOST,
    LogType.DEPOSIT_RETURNED,
    LogType.LEDGER_LOCKED,
}


def _check_secrets(done: Decision) -> None:
    task = done.task
    invoices = [f.invoice for f in task.fundings] + [p.invoice for p in task.payouts]
    named = [task.destination, *(each.destination for each in task.applicants)]
    invoices += [destination.invoice for destination in named if destination]
    hidden = [secret.reveal() for secret in invoices if secret]
    keys = [p.preimage.reveal() for p in task.payouts if p.preimage]
    own = [f.preimage.reveal() for f in task.fundings if f.preimage]
    hashes = [f.payment_hash for f in task.fundings if f.payment_hash]
    notes = [each.note for each in task.applicants if each.note]
    for line in done.log:
        text = canonical_json(dict(line.facts))
        assert not any(secret in text for secret in (*hidden, *own)), f"{line.type} holds a secret"
        assert not any(note in text for note in notes), f"{line.type} holds a note"
        if line.type not in _OPENED:
            assert not any(secret in text for secret in (*keys, *hashes)), f"{line.type} tells too early"


def _check_effects(done: Decision) -> None:
    """What is ordered is what the task wants, and the last question before the node call agrees."""
    task = done.task
    for effect in done.effects:
        match effect:
            case SettleHold(ref=ref):
                hold = task.funding(ref)
                assert hold
                if hold.goal == "lock":
                    assert task.terms.outlasts_hold, "into the books against the terms"
                    continue
                assert (hold.goal, task.phase) == ("settle", Phase.SETTLING)
                assert task.paid_share or done.log[-1].facts["reason"] == "margin"
            case CancelHold(ref=ref):
                hold = task.funding(ref)
                assert hold
                assert hold.goal in ("cancel", "stray")
                assert safety.may_cancel(task, hold) is None, "a hold under a payout is cancelled"
            case Pay(ref=ref):
                payout = task.payout(ref)
                assert payout
                assert payout.ordered
                assert not payout.state.is_final
            case MakeHold(ref=ref):
                hold = task.funding(ref)
                assert hold
                assert hold.state is FundingState.MAKING


def _check_restful(task: Task, now: Now, policy: Policy) -> None:
    """A tick changes something at the moment that `due` names, and there is an end to ticks that are due now."""
    when = due(task)
    moments = []
    if when.heard is not None and when.heard > now.heard:
        moments.append(dataclasses.replace(now, time=when.heard + now.deaf))
    if when.time is not None and when.time > now.time:
        moments.append(dataclasses.replace(now, time=when.time))
    if when.height is not None and when.height > now.height:
        moments.append(dataclasses.replace(now, height=when.height))
    for moment in moments:
        _ticked(task, moment, policy)
    for _ in range(40):
        if not is_due(task, now):
            return
        task = _ticked(task, now, policy)
    raise AssertionError("ticks without an end")


def _ticked(task: Task, now: Now, policy: Policy) -> Task:
    outcome = decide(task, Tick(), now, policy)
    assert isinstance(outcome, Decision)
    assert outcome.task != task, f"{due(task)} is due at {now.heard}, {now.time}, {now.height} and nothing happens"
    check(outcome.task)
    return outcome.task
