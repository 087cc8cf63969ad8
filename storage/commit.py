"""One decision, one transaction: the task, its log, its money facts, what is to be published, said and done."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from handlers.booking import of_task
from handlers.check import check
from handlers.decision import Decision, Refusal, refuse
from handlers.policy import Policy
from handlers.task import Task, priced
from handlers.tick import due
from kinds import log as words
from kinds.codes import Refused
from kinds.inputs import Now
from kinds.state import state as state_event
from kinds.states import FundingState
from kinds.units import EventId, Pubkey
from storage import books, house, outbox
from storage.codec import kept_text, read_task
from storage.schema import fundings, log, payment_hashes, payouts, tasks
from storage.statements import Statement, insert_or_update, listed, present

F = FundingState
_TASK = Statement(
    select(tasks.c.document, tasks.c.version, tasks.c.root, tasks.c.head, tasks.c.state_at).where(
        tasks.c.id == bindparam("which")
    )
)
_FIXED = ("id", "address", "pinned", "root", "employer")  # of a task
_CHANGING = (
    *("worker", "state", "phase", "open", "version", "seq", "head", "state_at"),
    *("due_heard", "due_time", "due_height", "document"),
)
_NEW_TASK = Statement(insert(tasks), *_FIXED, *_CHANGING)
_CHANGED = Statement(
    update(tasks).where(tasks.c.id == bindparam("which"), tasks.c.version == bindparam("was")), *_CHANGING
)
_USED = present(payment_hashes.c.hash, "hashes")
_LAST = Statement(
    select(log.c.time, log.c.deaf, log.c.height, log.c.block).where(
        log.c.task == bindparam("which"), log.c.seq == bindparam("at")
    )
)
_TIME = Statement(select(log.c.time).where(log.c.id == bindparam("entry")))
_LOG = Statement(insert(log), "task", "seq", "id", "type", "state", "time", "deaf", "height", "block")
_HASH = Statement(insert(payment_hashes), "hash", "ref", "task")


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """A task as it is remembered, with what the commit needs beside it."""

    task: Task
    version: int
    root: EventId
    head: EventId
    state_at: int


class Stale(RuntimeError):
    """The task's row changed under us: there are two writers, which must not be."""


def load(tx: Connection, task: str) -> Held | None:
    row = _TASK.first(tx, {"which": task})
    if row is None:
        return None
    return Held(read_task(row.document), row.version, EventId(row.root), EventId(row.head), row.state_at)


def store(tx: Connection, before: Held | None, done: Decision, now: Now, policy: Policy) -> Refusal | None:
    """Writes the whole decision. A Refusal, and nothing written, when a payment hash was used before."""
    task = done.task
    check(task)
    fresh = _new_hashes(before.task if before else None, task)
    if fresh and _USED.first(tx, {"hashes": listed(fresh)}):
        return refuse(Refused.HASH_USED)
    head, root = _write_log(tx, before, done, now, policy)
    changed = bool(done.log)
    state_at = max(now.time, before.state_at + 1 if before else 0) if changed else (before.state_at if before else 0)
    _write_task(tx, before, task, root, head, state_at)
    old = before.task if before else None
    _write_money(tx, old, task, fresh, moments(old, task, now.time))
    books.write(tx, of_task(old, task), now.time, task.id, (old or task).current.number)
    if changed:
        outbox.publish(tx, _state(done, policy, root, head, state_at, now), address=f"state:{task.id}")
    for effect in done.effects:
        outbox.order(tx, task.id, effect)
    for found in done.incidents:
        house.incident(tx, now, found.code, task.id, found.facts)
    return None


def _new_hashes(before: Task | None, after: Task) -> dict[str, str]:
    """payment_hash -> ref, of those that this decision names for the first time."""

    def named(task: Task) -> dict[str, str]:
        found: dict[str, str] = {f.payment_hash: f.ref for f in task.fundings if f.payment_hash}
        found |= {p.payment_hash: p.ref for p in task.payouts if p.payment_hash}
        for destination in (task.destination, *(applicant.destination for applicant in task.applicants)):
            if destination:
                found.setdefault(destination.payment_hash, f"{task.id}/claim")
        return found

    old = named(before) if before else {}
    return {payment_hash: ref for payment_hash, ref in named(after).items() if payment_hash not in old}


def _write_log(
    tx: Connection, before: Held | None, done: Decision, now: Now, policy: Policy
) -> tuple[EventId, EventId]:
    task = done.task
    prev = before.head if before else None
    root = before.root if before else (None if task.posted else task.pinned)
    stamp = _stamp(tx, before, now)
    for line in done.log:
        event = words.entry(
            bot=policy.bot,
            task=task.id,
            address=task.address,
            root=root,
            parties=_parties(task),
            seq=line.seq,
            prev=prev,
            type=str(line.type),
            state=str(line.state),
            work=line.work,
            by=line.by,
            proven=line.proven,
            time=stamp["time"],
            deaf=stamp["deaf"],
            height=stamp["height"],
            block_hash=stamp["block"],
            facts=line.facts,
            event=line.event,
        )
        prev = outbox.publish(tx, event)
        row = {"task": task.id, "seq": line.seq, "id": prev, "type": str(line.type), "state": str(line.state)}
        _LOG.run(tx, row | stamp)
        root = root or prev
    if not (prev and root):
        raise Stale(f"{task.id} begins without a log entry")
    return prev, root


def _stamp(tx: Connection, before: Held | None, now: Now) -> dict[str, Any]:
    """The moment as the log tells it: never before the entry that came first, though a letter may be opened late."""
    stamp = {"time": now.time, "deaf": now.deaf, "height": now.height, "block": now.block_hash}
    last = _LAST.first(tx, {"which": before.task.id, "at": before.task.seq}) if before else None
    if last is None:
        return stamp
    block = {"height": last.height, "block": last.block} if last.height > now.height else {}
    return stamp | {"time": max(now.time, last.time), "deaf": max(now.deaf, last.deaf)} | block


def _parties(task: Task) -> tuple[Pubkey, ...]:
    return (task.employer, task.worker) if task.worker else (task.employer,)


def _state(done: Decision, policy: Policy, root: EventId, head: EventId, at: int, now: Now) -> Any:
    task = done.task
    facts: Mapping[str, Any] = {
        "title": task.title,
        "state": str(task.state),
        "work": str(task.current.state),
        "frozen": task.frozen,
        "seq": task.seq,
        "head": head,
        "employer": task.employer,
        "worker": task.worker,
        "reward_msat": task.reward,
        "net_msat": task.net,
        "hold_msat": task.hold_amount,
        **priced(task),
        "custody_mode": task.custody,
        "deadline": task.deadline + now.deaf,
        "expiry_height": task.hold.expiry_height if task.hold else None,
        "last_safe_height": task.last_safe_height or None,
        **(
            {"milestone": task.current.number, "milestones": len(task.milestones), "total_msat": task.total}
            if task.is_project
            else {}
        ),
    }
    return state_event(
        bot=policy.bot, task=task.id, address=task.address, root=root, parties=_parties(task), head=head, seq=task.seq,
        created_at=at, facts=facts,
    )  # fmt: skip


def _write_task(tx: Connection, before: Held | None, task: Task, root: EventId, head: EventId, state_at: int) -> None:
    when = due(task)
    row = {
        "worker": task.worker,
        "state": str(task.state),
        "phase": str(task.phase),
        "open": int(task.is_open),
        "seq": task.seq,
        "head": head,
        "state_at": state_at,
        "due_heard": when.heard,
        "due_time": when.time,
        "due_height": when.height,
        "document": kept_text(task),
    }
    if before is None:
        fixed = {"id": task.id, "address": task.address, "pinned": task.pinned, "root": root, "employer": task.employer}
        _NEW_TASK.run(tx, {**fixed, **row, "version": 1})
        return
    changed = {**row, "version": before.version + 1, "which": task.id, "was": before.version}
    if _CHANGED.run(tx, changed) != 1:
        raise Stale(task.id)


Moments = dict[str, dict[str, int]]
"""ref of a funding or payout -> columns of its row that say when something became of it, unix seconds."""

_FUNDING_OVER = (F.SETTLED, F.CANCELLED, F.EXPIRED, F.FAILED, F.LOST)


def moments(before: Task | None, after: Task, at: int) -> Moments:
    """What became of the money of this task in a step at that time. A row keeps each moment, whatever the document keeps."""
    known: dict[str, str] = {}
    if before:
        known |= {funding.ref: funding.state for funding in before.fundings}
        known |= {payout.ref: payout.state for payout in before.payouts}
    found: dict[str, dict[str, int]] = {}
    for funding in after.fundings:
        was = known.get(funding.ref)
        if funding.state != was and funding.state in _FUNDING_OVER:
            found[funding.ref] = {"ended_at": at}
        elif funding.state != was and funding.state is F.ACCEPTED and was != F.LOST:
            found[funding.ref] = {"held_at": at}
    for payout in after.payouts:
        new = {} if payout.ref in known else {"at": at}
        over = {"ended_at": at} if payout.state.is_final and payout.state != known.get(payout.ref) else {}
        if new or over:
            found[payout.ref] = new | over
    return found


def _write_money(tx: Connection, before: Task | None, task: Task, fresh: dict[str, str], when: Moments) -> None:
    if fresh:
        _HASH.many(tx, [{"hash": h, "ref": ref, "task": task.id} for h, ref in fresh.items()])
    if before is None or before.fundings != task.fundings:
        old = set(before.fundings) if before else set()
        _put(tx, fundings, [_funding_row(task, f) | when.get(f.ref, {}) for f in task.fundings if f not in old])
    if before is None or before.payouts != task.payouts:
        known = {p.ref: p for p in before.payouts} if before else {}
        _put(tx, payouts, [_payout_row(task, p) | when.get(p.ref, {}) for p in task.payouts if p != known.get(p.ref)])


def _put(tx: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    ended_first = sorted(rows, key=lambda row: row["state"] not in ("failed", "abandoned"))
    for row in ended_first:  # which makes room for the active one
        insert_or_update(table, tuple(row), "ref").run(tx, row)


def _funding_row(task: Task, funding: Any) -> dict[str, Any]:
    return {
        "ref": funding.ref,
        "task": task.id,
        "state": str(funding.state),
        "goal": funding.goal,
        "amount": funding.amount,
        "payment_hash": funding.payment_hash,
        "payer": task.employer,
        "asked": funding.asked,
        "expiry_height": funding.expiry_height,
        "milestone": funding.milestone,
        "covers": funding.covers,
        "preimage": funding.preimage.reveal(),
    }


def _payout_row(task: Task, payout: Any) -> dict[str, Any]:
    return {
        "ref": payout.ref,
        "task": task.id,
        "role": str(payout.role),
        "state": str(payout.state),
        "amount": payout.amount,
        "budget": payout.budget,
        "fee": payout.fee,
        "payment_hash": payout.payment_hash,
        "milestone": payout.milestone,
        "to": payout.to,
        "preimage": payout.preimage.reveal(),
    }


WATCHED = (FundingState.CREATED, FundingState.PENDING, FundingState.ACCEPTED, FundingState.LOST)


def restore(
    tx: Connection, before: Held | None, steps: Sequence[tuple[EventId, Task]], root: EventId, now: Now, policy: Policy
) -> None:
    """Writes a task that was brought further by entries which were published before (`storage.memory` keeps those): one step after
    the other, as the states allow, and its money at the end. `steps`: each entry's id and the task after it; the last may be without
    an entry of its own. Raises Broken."""
    last, head = steps[-1][1], before.head if before else root
    check(last)
    held, when, at = before, Moments(), now.time
    for entry, task in steps:
        head = entry or head
        at = (_TIME.scalar(tx, {"entry": entry}) if entry else 0) or at
        for ref, columns in moments(held.task if held else None, task, at).items():
            when[ref] = {**when.get(ref, {}), **columns}
        _write_task(tx, held, task, root, head, now.time)
        held = Held(task, held.version + 1 if held else 1, root, head, now.time)
    old = before.task if before else None
    fresh = _new_hashes(old, last)
    used = {row.hash for row in _USED.rows(tx, {"hashes": listed(fresh)})}
    _write_money(tx, old, last, {name: ref for name, ref in fresh.items() if name not in used}, when)
    books.write(tx, of_task(old, last), now.time, last.id, (old or last).current.number)
    outbox.publish(
        tx, _state(Decision(last), policy, root, head, max(now.time, before.state_at + 1 if before else 0), now),
        address=f"state:{last.id}",
    )  # fmt: skip
