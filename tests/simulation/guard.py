"""Stands at the node's door and judges each call by rules of its own: what it sees is the node's book and the log, not the daemon's
reasons. The nine money rules are numbered as in the design."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine

from bot.findings import Finding
from bot.nodes.simnet import SimNode
from bot.nodes.simnet.book import NODE, Invoice
from bot.nodes.simnet.rules import OWN_DEADLINE
from kinds.lightning import (
    HoldRef,
    HoldSpec,
    HoldStatus,
    HoldView,
    NodeFacts,
    PaymentStatus,
    PaymentView,
    PaySpec,
)
from kinds.units import PaymentHash
from tests.simulation.ahead import Ahead, Entries

_KEY = 64  # digits of a public key: the ref of a withdrawal begins with its owner's
LONGEST_CALL = 60.0  # seconds to the node and back
_UNDER_WAY = (PaymentStatus.IN_FLIGHT, PaymentStatus.COMPLETE)
_AFTER_THE_END = {"incident", "compensation", "rating", "funding.stray"}


class Violation(AssertionError):
    """A rule was broken; `task` is the one whose story to read."""

    def __init__(self, task: str, what: str) -> None:
        super().__init__(what)
        self.task = task


def task_of(ref: str) -> str:
    return ref.partition("/")[0]


@lru_cache(maxsize=4096)  # a task's log is read again and again, and what stands in it stands
def _entry(body: str) -> Any:
    """What an event of the log says."""
    return json.loads(json.loads(body)["content"])


class Guard:
    """The node, watched."""

    def __init__(
        self, node: SimNode, engine: Engine, settle_margin: Callable[[], int], broken: Callable[[Violation], None]
    ) -> None:
        """`broken` is told of each violation: the daemon, which is called on, may swallow what is raised."""
        self._node, self._margin, self._broken = node, settle_margin, broken
        self._db: Any = engine.raw_connection().driver_connection  # the one connection: it sees all that is written
        self._changes = self._logged = 0
        self._final: dict[str, str] = {}
        self.payouts: dict[str, list[PaymentHash]] = {}  # task -> hashes of what was sent out of its hold
        self.holds: dict[str, dict[PaymentHash, str]] = {}  # task -> hash -> ref, in the order in which they were made
        self._amounts: dict[PaymentHash, int] = {}  # msat, that were asked for
        self._lost: dict[PaymentHash, float] = {}  # when the node gave it back by itself
        self._over: set[PaymentHash] = set()  # holds that have ended, which is for ever

    async def facts(self) -> NodeFacts | None:
        return await self._node.facts()

    async def make_hold(self, spec: HoldSpec) -> HoldView:
        view = await self._node.make_hold(spec)
        self.holds.setdefault(task_of(spec.ref), {})[view.payment_hash] = spec.ref
        self._amounts[view.payment_hash] = spec.amount
        return view

    async def hold(self, hold: HoldRef) -> HoldView:
        return await self._node.hold(hold)

    async def settle(self, hold: HoldRef) -> HoldView:
        if self.is_held(hold.payment_hash):
            self._may_settle(hold)
        return await self._node.settle(hold)

    async def cancel(self, hold: HoldRef) -> HoldView:
        if self.is_held(hold.payment_hash):
            self._may_cancel(hold)
        return await self._node.cancel(hold)

    async def pay(self, spec: PaySpec) -> PaymentView:
        if self._sends(spec.payment_hash):
            self._may_pay(spec)
        return await self._node.pay(spec)

    async def payment(self, payment_hash: PaymentHash) -> PaymentView:
        return await self._node.payment(payment_hash)

    async def find(self, ref: str) -> HoldView:
        return await self._node.find(ref)

    async def own_holds(self, since: int) -> tuple[HoldRef, ...] | None:
        return await self._node.own_holds(since)

    def hints(self) -> AsyncIterator[PaymentHash]:
        return self._node.hints()

    async def examine(self) -> list[Finding]:
        return []

    async def aclose(self) -> None:
        pass

    def _broke(self, task: str, what: str) -> Violation:
        violation = Violation(task, what)
        self._broken(violation)
        return violation

    # The rules, at each call

    def _may_settle(self, hold: HoldRef) -> None:
        """Rule 1: approved, and the worker's share complete; or the last moment; or into the books, as agreed."""
        task = task_of(hold.ref)
        if self._goes_into_the_books(task, hold):
            return
        if not self._awarded(task):
            raise self._broke(task, "rule 1: a hold is settled, and nobody has approved anything")
        expiry = self._expiry(hold.payment_hash)
        if self._has_deposit(task):
            if self._milestone_of(task, hold.ref) != self._awarded_milestone(task):
                raise self._broke(task, "rule 1: a hold of another milestone than the approved one is settled")
            if self._is_back(task, hold.ref):
                raise self._broke(task, "rule 1: a hold is settled that the log gives back")
            beside = [self._expiry(h) for h in self._standing(task, self._awarded_milestone(task)) if self.is_held(h)]
            ended = [h for h, _ in self._ended_beside(task)]
            expiry = min([expiry, *beside, *ended])
        if not self._paid(task) and self._network.height < expiry - self._margin():
            raise self._broke(task, "rule 1: a hold is settled before the worker is paid")

    def _goes_into_the_books(self, task: str, hold: HoldRef) -> bool:
        """The terms that were published when the task was made say so, and somebody has claimed it since; a deposit may go there before."""
        claimed = self._row("SELECT 1 FROM log WHERE task = ? AND type = 'task.claimed' LIMIT 1", task) is not None
        if not (claimed or hold.ref in Ahead(self._entries(task)).known):
            return False
        terms = self._terms(task)
        if terms["custody_mode"] == "ledger":
            return True
        last_safe = self._expiry(hold.payment_hash) - terms["margin"] - terms["payout_limit"] - 6
        return bool(terms["on_hold_end"].endswith("ledger") and self._network.height >= last_safe)

    def _in_the_books(self, task: str, milestone: int) -> int:
        """msat of this milestone that the node has settled there as it was asked to; the daemon may not know of the last one yet."""
        query = "SELECT payment_hash, amount FROM fundings WHERE task = ? AND milestone = ? AND goal = 'lock'"
        found = self._db.execute(query, (task, milestone)).fetchall()
        rows = [(self._invoice(PaymentHash(payment_hash)), amount) for payment_hash, amount in found]
        return sum(amount for row, amount in rows if row and row.status is HoldStatus.SETTLED)

    def _terms(self, task: str) -> dict[str, Any]:
        query = "SELECT body FROM events JOIN log USING (id) WHERE log.task = ? AND log.type = 'task.created'"
        facts: dict[str, Any] = _entry(self._row(query, task)[0])["facts"]
        return facts

    def _may_cancel(self, hold: HoldRef) -> None:
        """Rule 1, turned round: money does not go back while the worker's share is on its way or has arrived."""
        task = task_of(hold.ref)
        if self._funds(hold.ref) and self._under_way(task):
            raise self._broke(task, "a hold is cancelled although the worker's payout is on its way")
        if not self._has_deposit(task) or self._is_back(task, hold.ref):
            return
        if self._under_way(task) and self._milestone_of(task, hold.ref) == self._awarded_milestone(task):
            raise self._broke(task, "one of two holds is cancelled although the worker's payout is on its way")

    def _may_pay(self, spec: PaySpec) -> None:
        task = task_of(spec.ref)
        if len(task) == _KEY:
            return self._may_remit(spec)
        row = self._row("SELECT amount FROM payouts WHERE ref = ?", spec.ref)
        if row is None or row[0] != spec.amount:
            raise self._broke(task, "rule 4: a payment that no payout row foresees")
        self.payouts.setdefault(task, []).append(spec.payment_hash)
        if not self._awarded(task):
            raise self._broke(task, "a payout starts, and nobody has approved anything")
        if self._under_way(task) - {spec.payment_hash}:
            raise self._broke(task, "rule 4: a second payout of the same share")
        self._needs_hold(task, spec)

    def _may_remit(self, spec: PaySpec) -> None:
        """Rule 2 for a withdrawal: it is reserved in the books, with its fee, and its leave to go is written down."""
        columns = "owner, state, amount, budget"
        row = self._row(f"SELECT {columns} FROM withdrawals WHERE ref = ? AND open = 1", spec.ref)
        if row is None or (row[2], row[3]) != (spec.amount, spec.fee_limit):
            raise self._broke("", "rule 4: a payment that no withdrawal foresees")
        if row[1] == "planned":
            raise self._broke("", "rule 4: a withdrawal is sent, and its leave is not on record")
        kept = self._row("SELECT amount FROM balances WHERE account = ?", f"moving:{row[0]}")
        if kept is None or kept[0] < spec.amount + spec.fee_limit:
            raise self._broke("", "rule 2: a withdrawal starts that nothing is reserved for")

    def _needs_hold(self, task: str, spec: PaySpec) -> None:
        """Rule 2: it rests on a hold, or on what is booked to the task."""
        of_task, milestone = self.holds.get(task, {}), self._awarded_milestone(task)
        kept = self._in_the_books(task, milestone)
        if self._has_deposit(task):
            standing = self._standing(task, milestone)
            of_task = {h: ref for h, ref in of_task.items() if h in standing}
        if kept >= spec.amount + spec.fee_limit:
            return
        held = [h for h, ref in of_task.items() if self.is_held(h) and self._funds(ref)]
        now = asyncio.get_running_loop().time()
        just_lost = [h for h in of_task if now - self._lost.get(h, -LONGEST_CALL) < LONGEST_CALL]
        if not held:
            if just_lost:
                return  # it was there when the node was asked
            raise self._broke(task, "rule 2: a payout starts, and no hold is there")
        parts = [part for payment_hash in held for part in self._network.book.parts(payment_hash)]
        if not all(part.on_channel for part in parts):
            raise self._broke(task, "rule 2: a payout starts, and a part of the hold is on no channel")
        room = min(part.expiry for part in parts) - self._margin() - self._network.height - 6
        if spec.cltv_limit > room + 2:  # blocks may have come since it looked
            raise self._broke(
                task, f"rule 2: a payout of {spec.cltv_limit} blocks starts, and the hold has room for {room}"
            )
        gone = sum(self._amounts[h] for h in just_lost if h not in held)  # of two holds: it was there, too
        if spec.amount + spec.fee_limit > sum(part.amount for part in parts) + gone + kept:
            raise self._broke(task, "rule 5: a payout and its fee are more than the hold")

    # After each commit

    def committed(self) -> None:
        """Rule 6: what is final stays as it is. The entries of one commit are one step; one that has changed no row is none."""
        if self._db.total_changes == self._changes:
            return
        self._changes = self._db.total_changes
        query = "SELECT rowid, task, type, state FROM log WHERE rowid > ? ORDER BY rowid"
        fresh: dict[str, str] = {}
        for number, task, kind, state in self._db.execute(query, (self._logged,)).fetchall():
            self._logged = number
            final = self._final.get(task)
            if final and (state != final or kind not in _AFTER_THE_END):
                raise self._broke(task, f"rule 6: {kind} after the end ({final} -> {state})")
            if kind == "settlement.completed":  # what follows is about another milestone
                self.payouts.pop(task, None)
            if state in ("Paid", "Refunded", "Expired"):
                fresh[task] = state
        self._final |= fresh
        if (self._row("SELECT SUM(amount) FROM totals") or [0])[0]:
            raise self._broke("", "rule 5: the books do not sum to zero")

    def at_block(self) -> None:
        """Rule 3: no hold comes near the height at which the node would give it back by itself."""
        for task, hashes in self.holds.items():
            for payment_hash in hashes:
                if payment_hash in self._over:
                    continue
                if self.is_held(payment_hash):
                    if self._expiry(payment_hash) - OWN_DEADLINE - 2 <= self._network.height:
                        raise self._broke(task, "rule 3: a hold is left to its end")
                elif (row := self._invoice(payment_hash)) and row.status in (HoldStatus.SETTLED, HoldStatus.CANCELLED):
                    self._over.add(payment_hash)

    def lose_hold(self, payment_hash: PaymentHash) -> None:
        """The node gives it back by itself."""
        self._network.lose_hold(payment_hash)
        self._lost[payment_hash] = asyncio.get_running_loop().time()

    # What is asked

    @property
    def _network(self) -> Any:
        return self._node.network

    def _invoice(self, payment_hash: PaymentHash) -> Invoice | None:
        self._network.advance()
        found: Invoice | None = self._network.book.invoice(payment_hash)
        return found

    def is_held(self, payment_hash: PaymentHash) -> bool:
        row = self._invoice(payment_hash)
        return row is not None and row.payee == NODE and row.status is HoldStatus.HELD

    def _expiry(self, payment_hash: PaymentHash) -> int:
        return min(int(part.expiry) for part in self._network.book.parts(payment_hash))

    def _status(self, payment_hash: PaymentHash) -> PaymentStatus:
        self._network.advance()
        payment = self._network.book.payment(NODE, payment_hash)
        return payment.status if payment else PaymentStatus.ABSENT

    def _sends(self, payment_hash: PaymentHash) -> bool:
        return self._status(payment_hash) in (PaymentStatus.ABSENT, PaymentStatus.FAILED)

    def _under_way(self, task: str) -> set[PaymentHash]:
        """The worker's payouts of this task, out of its hold, that are in flight or complete at the node."""
        return {each for each in self.payouts.get(task, []) if self._status(each) in _UNDER_WAY}

    def _paid(self, task: str) -> bool:
        return any(self._status(payment_hash) is PaymentStatus.COMPLETE for payment_hash in self._under_way(task))

    def _awarded(self, task: str) -> bool:
        """The log says that the worker is owed something."""
        types = "('proof.verified', 'dispute.resolved')"
        released = "SELECT COALESCE(MAX(seq), 0) FROM log WHERE task = ? AND type = 'settlement.completed'"
        query = f"SELECT 1 FROM log WHERE task = ? AND type IN {types} AND state IN ('Verified', 'Claimed') AND seq > ({released}) LIMIT 1"
        return self._row(query, task, task) is not None

    def _funds(self, ref: str) -> bool:
        """This hold is the one that the agreement rests on, not a stray."""
        row = self._row("SELECT goal FROM fundings WHERE ref = ?", ref)
        return row is not None and row[0] != "stray"

    # What a deposit adds: a milestone's money may rest on two holds, and others are held beside

    def _has_deposit(self, task: str) -> bool:
        return self._row("SELECT 1 FROM log WHERE task = ? AND type = 'deposit.accepted' LIMIT 1", task) is not None

    def _entries(self, task: str) -> Entries:
        rows = self._db.execute("SELECT seq, body FROM events JOIN log USING (id) WHERE log.task = ?", (task,))
        return {seq: _entry(body) for seq, body in rows.fetchall()}

    def _milestone_of(self, task: str, ref: str) -> int:
        """As the log says, where its invoice was asked for; 0 where it never was."""
        for entry in self._entries(task).values():
            if entry["type"] in ("invoice.created", "rollover.asked") and entry["facts"]["funding"] == ref:
                return int(entry["facts"].get("milestone", 1))
        return 0

    def _awarded_milestone(self, task: str) -> int:
        entries = self._entries(task)
        verdicts = [seq for seq, entry in entries.items() if entry["type"] in ("proof.verified", "dispute.resolved")]
        return int(entries[max(verdicts)]["facts"].get("milestone", 1)) if verdicts else 0

    def _is_back(self, task: str, ref: str) -> bool:
        """The log says that it goes back, that another has taken its place, that it was refused, lost beside the work, or that nobody wanted it."""
        over = ("deposit.returned", "funding.stray", "funding.failed", "invoice.expired")
        return any(
            (entry["type"] in over and entry["facts"]["funding"] == ref)
            or (entry["type"] == "rollover.completed" and entry["facts"]["replaces"] == ref)
            or (entry["type"] == "hold.lost" and entry["facts"]["funding"] == ref and "covers" in entry["facts"])
            for entry in self._entries(task).values()
        )

    def _standing(self, task: str, milestone: int) -> dict[PaymentHash, str]:
        """The holds that a milestone's money rests on, as the log says: they have come, and none has gone back. At most a deposit's and
        one other."""
        entries = self._entries(task)
        came = {
            entry["facts"]["funding"]
            for entry in entries.values()
            if entry["type"] in ("invoice.accepted", "rollover.completed")
            and entry["facts"].get("milestone", 1) == milestone
        }
        refs = {h: ref for h, ref in self.holds.get(task, {}).items() if ref in came and not self._is_back(task, ref)}
        covers = Ahead(entries).known
        if len([ref for ref in refs.values() if ref in covers]) > 1 or len(refs) > 2:
            raise self._broke(task, f"milestone {milestone} rests on {len(refs)} holds: {sorted(refs.values())}")
        return refs

    def _ended_beside(self, task: str) -> list[tuple[int, str]]:
        """E of those that the same milestone rested on and that are over at the node, which may have settled one of two already."""
        entries = self._entries(task)
        standing = self._standing(task, self._awarded_milestone(task))
        over = {ref for h, ref in standing.items() if not self.is_held(h)}
        booked = {entry["facts"]["funding"] for entry in entries.values() if entry["type"] == "ledger.locked"}
        return [
            (int(entry["facts"]["expiry_height"]), entry["facts"]["funding"])
            for entry in entries.values()
            if entry["facts"].get("funding") in over - booked and "expiry_height" in entry["facts"]
        ]

    def _row(self, query: str, *values: Any) -> Any:
        return self._db.execute(query, values).fetchone()
