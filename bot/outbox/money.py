"""The node is asked to do what was decided. The same code for normal work, for a retry and after a crash: look first.

look -> goal reached? report -> for good? report -> unknown or on its way? look again later -> safety check on that fresh view
-> commit `started` -> call -> look again. The outbox row is the write-ahead intent; a report finishes the row and inserts the
input in one write. If the process dies anywhere in between, the next start looks first and nothing happens twice:
the node pays a hash once, settles and cancels a hold once, and ABSENT means "never sent" only after the grace period.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bot.dispatch import Dispatch
from bot.outbox.rounds import Rounds
from bot.world import World
from handlers import account, safety
from handlers.account import Withdrawal
from handlers.decision import CancelHold, MakeHold, Pay, Remit, SettleHold
from handlers.task import Payout, Task
from kinds.inputs import HoldMade, HoldSeen, PaymentSeen, PayWanted, RemitSeen, RemitWanted
from kinds.lightning import (
    Fault,
    HoldRef,
    HoldSpec,
    HoldStatus,
    HoldView,
    NodeFacts,
    PaymentStatus,
    PaymentView,
    PaySpec,
)
from kinds.states import PayoutState
from kinds.units import opens
from storage import accounts, commit, inbox, outbox
from storage.codec import body_of, sort_of
from storage.inbox import NewInput
from storage.outbox import Order
from storage.schema import effects

GRACE = 600  # seconds after `started` in which ABSENT proves nothing
_SORTS = ("make_hold", "settle", "cancel", "pay", "remit")
_AT_ONCE = 64
_PAY_TIMEOUT = 60
_LASTING = 20  # looks in vain: some five minutes
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Footing:
    """What an attempt to pay a share rests on, all of it looked at just now."""

    task: Task
    payout: Payout | None
    facts: NodeFacts | None
    hold: HoldView | None

    def may_start(self) -> PaySpec | safety.NotNow | None:
        """None: there is no such payout."""
        if self.payout is None:
            return None
        return safety.may_pay(self.task, self.payout, self.hold, self.facts, _PAY_TIMEOUT)


@dataclass(frozen=True, slots=True)
class _Ground:
    """The same of a withdrawal, which rests on no hold: it was reserved in the books."""

    withdrawal: Withdrawal | None
    facts: NodeFacts | None

    def may_start(self) -> PaySpec | safety.NotNow | None:
        return account.may_send(self.withdrawal, self.facts, _PAY_TIMEOUT) if self.withdrawal else None


class Cashier:
    def __init__(self, world: World, dispatch: Dispatch) -> None:
        self._world = world
        self._dispatch = dispatch
        self._rounds = Rounds(world)
        self._busy: set[str] = set()  # lanes that are at work
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._called: set[int] = set()  # orders whose call returned in this life of the process

    async def run(self) -> None:
        """One lane per task and per account: its orders one after the other, the oldest first."""
        world = self._world
        async with asyncio.TaskGroup() as tasks:
            while True:
                found, soonest = await world.writer.do(self._due)
                lanes: dict[str, list[Order]] = {}
                for order in found:
                    lanes.setdefault(_lane_of(order), []).append(order)
                self._busy.update(lanes)
                for lane in lanes.values():
                    await self._room.acquire()
                    tasks.create_task(self._lane(lane))
                await world.idle(world.wakes.money, soonest)

    def _due(self, tx: Connection) -> tuple[list[Order], int | None]:
        """What is to be done now, where no lane is at work yet, and when something else will be."""
        now = self._world.moments.time
        self._rounds.hurry(tx)
        idle = [order for order in outbox.open_orders(tx, _SORTS, now) if _lane_of(order) not in self._busy]
        return self._rounds.put_off(tx, idle), outbox.next_try(tx, effects, now, _SORTS)

    async def _lane(self, lane: list[Order]) -> None:
        try:
            for order in lane:
                await self._carry_out(order)
        except OperationalError:
            raise
        except Exception as error:  # a bug of ours in one lane must not stop the others; the order is still there
            log.error("an order failed", order=order.n, task=order.task, error=type(error).__name__)
            await self._later(order, most=60.0)
        finally:
            self._busy.discard(_lane_of(lane[0]))
            self._room.release()
            self._world.wakes.money.ring()

    async def _carry_out(self, order: Order) -> None:
        match order.effect:
            case MakeHold() as wish:
                await self._make(order, wish)
            case SettleHold() as wish:
                await self._end_hold(order, HoldRef(wish.ref, wish.payment_hash), settle=True)
            case CancelHold() as wish:
                await self._end_hold(order, HoldRef(wish.ref, wish.payment_hash), settle=False)
            case Pay() | Remit() as wish:
                await self._pay(order, wish)

    async def _make(self, order: Order, wish: MakeHold) -> None:
        view = await self._world.node.make_hold(HoldSpec(wish.ref, wish.amount, wish.expiry, wish.cltv, wish.memo))
        made = view.status in (HoldStatus.OPEN, HoldStatus.HELD, HoldStatus.CANCELLED)
        if not made and self._world.moments.time < wish.give_up_at:
            await self._later(order, most=15.0)
            return
        fact = body_of(HoldMade(wish.ref, view, wish.expiry, self._world.signer.secret_of(f"salt {wish.ref}")))
        await self._report(order, NewInput(f"effect:{order.n}:{view.status}", "hold_made", fact, order.task))

    async def _end_hold(self, order: Order, hold: HoldRef, settle: bool) -> None:
        node = self._world.node
        view = await node.hold(hold)
        if view.status is HoldStatus.UNKNOWN or not self._world.absences.believe(view):
            await self._later(order, most=15.0)
            return
        goes = view.status is HoldStatus.HELD or (view.status is HoldStatus.OPEN and not settle)
        if goes:
            refused = await self._leave_to_end(order, hold, view, settle)
            if refused:
                log.warning("a call to the node is held back", order=order.n, task=order.task, reason=refused.reason)
                await self._later(order, most=60.0)
                return
            view = await (node.settle(hold) if settle else node.cancel(hold))
        over = view.status in (HoldStatus.SETTLED, HoldStatus.CANCELLED, HoldStatus.ABSENT)
        if not over or not self._world.absences.believe(view):
            await self._later(order, most=15.0)
            return
        await self._report(
            order,
            NewInput(f"effect:{order.n}:{view.status}", "hold_seen", body_of(HoldSeen(hold.ref, view)), order.task),
        )

    async def _leave_to_end(self, order: Order, hold: HoldRef, view: HoldView, settle: bool) -> safety.NotNow | None:
        """The write-ahead intent, in the commit that finds that nothing speaks against it; else what does."""
        refused = await self._world.writer.do(lambda tx: self._started(tx, order, hold, view, settle, None))
        if refused not in safety.ASKS_FOR_FACTS:
            return refused
        facts = await self._world.node.facts()  # before the worker is paid it may go only when its last block has come
        return await self._world.writer.do(lambda tx: self._started(tx, order, hold, view, settle, facts))

    def _started(
        self, tx: Connection, order: Order, hold: HoldRef, view: HoldView, settle: bool, facts: NodeFacts | None
    ) -> safety.NotNow | None:
        task = _task(tx, order)
        funding = task.funding(hold.ref)
        if funding is None:
            return safety.NotNow("no_such_funding")
        refused = safety.may_settle(task, funding, view, facts) if settle else safety.may_cancel(task, funding)
        if refused is None:
            outbox.order_started(tx, order.n, self._world.moments.time)
        return refused

    async def _pay(self, order: Order, wish: Pay | Remit) -> None:
        started = order.started_at > 0
        look = self._world.node.payment(wish.payment_hash)
        if started:
            answer, footing = await look, None
        else:  # an attempt will most likely follow
            answer, footing = await asyncio.gather(look, self._footing(order, wish))
        view = _plausible(answer)
        match view.status:
            case PaymentStatus.UNKNOWN:
                await self._later(order, most=15.0)
            case PaymentStatus.IN_FLIGHT:
                await self._in_flight(order, wish, view)
            case PaymentStatus.COMPLETE:
                await self._report_payment(order, wish, view)
            case PaymentStatus.FAILED | PaymentStatus.ABSENT if footing:
                await self._attempt(order, wish, footing)  # a failure found now is that of an earlier attempt
            case PaymentStatus.ABSENT if await self._flew(order, wish):
                await self._later(order, most=60.0)  # what was in flight cannot be absent: the node is not itself
            case PaymentStatus.FAILED | PaymentStatus.ABSENT if self._proves(order):
                await self._report_payment(order, wish, view)
            case _:
                await self._later(order, most=60.0)

    async def _flew(self, order: Order, wish: Pay | Remit) -> bool:
        found = await self._world.writer.do(lambda tx: _payment(tx, order, wish))
        return found is not None and found.state is PayoutState.IN_FLIGHT

    def _proves(self, order: Order) -> bool:
        """Does FAILED or ABSENT speak of this very attempt? Yes when its call has returned to us or its grace period is over:
        until then a request may still be on its way to the node, and the failure that of the attempt before."""
        return order.n in self._called or self._world.moments.time - order.started_at > GRACE

    async def _footing(self, order: Order, wish: Pay | Remit) -> _Footing | _Ground:
        if isinstance(wish, Remit):
            facts = await self._world.node.facts()
            return _Ground(await self._world.writer.do(lambda tx: _withdrawal(tx, wish)), facts)
        facts, (task, hold) = await asyncio.gather(self._world.node.facts(), self._rests_on(order, wish))
        return _Footing(task, task.payout(wish.ref), facts, hold)

    async def _rests_on(self, order: Order, wish: Pay) -> tuple[Task, HoldView | None]:
        task = await self._world.writer.do(lambda tx: _task(tx, order))
        if task.payout(wish.ref) is None:
            return task, None
        node = self._world.node
        views = await asyncio.gather(*(node.hold(HoldRef(each.ref, each.payment_hash)) for each in task.holds))
        return task, safety.together(views)

    async def _attempt(self, order: Order, wish: Pay | Remit, footing: _Footing | _Ground) -> None:
        world = self._world
        spec = footing.may_start()
        if spec is None:
            await world.writer.do(lambda tx: outbox.order_done(tx, order.n))
            return
        if isinstance(spec, safety.NotNow):
            failed = PaymentView(wish.payment_hash, PaymentStatus.FAILED, fault=Fault.OURS, reason=spec.reason)
            await self._report_payment(order, wish, failed)
            return
        leave = await self._leave(order, wish)
        if leave is None:
            await self._later(order, most=15.0)
            return
        if not leave:
            await self._report_payment(order, wish, PaymentView(wish.payment_hash, PaymentStatus.ABSENT))
            return
        answer = _plausible(await world.node.pay(spec))
        self._called.add(order.n)
        match answer.status:
            case PaymentStatus.COMPLETE | PaymentStatus.FAILED:
                await self._report_payment(order, wish, answer)
            case PaymentStatus.IN_FLIGHT:
                await self._in_flight(order, wish, answer)
            case PaymentStatus.UNKNOWN | PaymentStatus.ABSENT:
                self._called.discard(order.n)  # it may still arrive: only the grace period tells
                await self._later(order, most=15.0)

    async def _leave(self, order: Order, wish: Pay | Remit) -> bool | None:
        """The write-ahead intent: the payment is claimed and the order started in one commit, or it may not go. None: not now."""
        key = f"effect:{order.n}:wanted:{order.tries}"
        started = self._world.moments.time
        ask = RemitWanted(wish.owner, wish.ref) if isinstance(wish, Remit) else PayWanted(wish.ref)
        refused = await self._dispatch.ask(
            NewInput(key, sort_of(ask), body_of(ask), order.task or None),
            and_then=lambda tx: outbox.order_started(tx, order.n, started),
        )
        return None if refused is None else not refused

    async def _in_flight(self, order: Order, wish: Pay | Remit, view: PaymentView) -> None:
        """Told once; then looked at until it is over."""
        world = self._world
        fact = _seen(order, wish, view)

        def record(tx: Connection) -> None:
            if order.started_at == 0:
                outbox.order_started(tx, order.n, world.moments.time)
            inbox.add(tx, fact, world.moments.now(), world.policy_id)
            outbox.order_later(tx, order.n, order.tries + 1, world.backoff(order.tries, most=30.0))

        await world.writer.do(record)
        world.wakes.inputs.ring()

    async def _report_payment(self, order: Order, wish: Pay | Remit, view: PaymentView) -> None:
        await self._report(order, _seen(order, wish, view))

    async def _report(self, order: Order, fact: NewInput) -> None:
        """One write: the order is done and what it found out is an input."""
        world = self._world

        def record(tx: Connection) -> None:
            outbox.order_done(tx, order.n)
            inbox.add(tx, fact, world.moments.now(), world.policy_id)

        await world.writer.do(record)
        self._called.discard(order.n)
        world.wakes.inputs.ring()

    async def _later(self, order: Order, most: float) -> None:
        """The next look, at most so many seconds away; in an outage that lasts, a minute."""
        again = self._world.backoff(order.tries, most=most if order.tries < _LASTING else 60.0)
        await self._world.writer.do(lambda tx: outbox.order_later(tx, order.n, order.tries + 1, again))


def _task(tx: Connection, order: Order) -> Task:
    held = commit.load(tx, order.task)
    assert held is not None, "an order belongs to a task"
    return held.task


def _lane_of(order: Order) -> str:
    """Whose orders are carried out one after the other: a task's, or somebody's withdrawals."""
    return order.effect.owner if isinstance(order.effect, Remit) else order.task


def _payment(tx: Connection, order: Order, wish: Pay | Remit) -> Payout | Withdrawal | None:
    return _withdrawal(tx, wish) if isinstance(wish, Remit) else _task(tx, order).payout(wish.ref)


def _withdrawal(tx: Connection, wish: Remit) -> Withdrawal | None:
    return accounts.load(tx, wish.owner, wish.ref).account.withdrawal(wish.ref)


def _seen(order: Order, wish: Pay | Remit, view: PaymentView) -> NewInput:
    """The node's word on a payment, as an input: each word once for an order."""
    fact = RemitSeen(wish.owner, wish.ref, view) if isinstance(wish, Remit) else PaymentSeen(wish.ref, view)
    return NewInput(f"effect:{order.n}:{view.status}", sort_of(fact), body_of(fact), order.task or None)


def _plausible(view: PaymentView) -> PaymentView:
    """A payment that is complete has a preimage of its hash; an answer without it proves nothing."""
    if view.status is not PaymentStatus.COMPLETE:
        return view
    return view if opens(view.preimage, view.payment_hash) else replace(view, status=PaymentStatus.UNKNOWN)
