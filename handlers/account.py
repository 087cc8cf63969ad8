"""A person's account: what all his tasks have put there, and how it is paid out. A small aggregate of its own, beside every task.

A withdrawal starts against a booked balance only, and its amount and fee budget leave that balance in the same commit; what routing did
not use comes back, and all of it when the payment failed for good. Else it is a payout like any other: its row is the intent, leave is
asked for right before the node is called (`wanted`), and the node's word is reported (`seen`). No freeze and no ban stands before it:
the money is his.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from handlers.decision import Effect, Incident, Moment, Remit, Say, refuse
from handlers.destination import read_destination
from handlers.doors import Checkpoint
from handlers.policy import DAY, Policy
from handlers.safety import NotNow
from kinds.codes import Refused, Told
from kinds.commands import Withdraw
from kinds.inputs import RemitSeen, RemitWanted
from kinds.lightning import Fault, NodeFacts, PaymentStatus, PaySpec
from kinds.states import PayoutState
from kinds.units import Msat, PaymentHash, Pubkey, Secret

P = PayoutState
AT_ONCE = 5  # withdrawals of one person: one that hangs at a far node must not keep the rest of his money
_LIFE = 60  # seconds that an invoice must still live for an attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    ref: str  # <owner>/w<n>
    amount: Msat
    budget: Msat
    invoice: Secret
    payment_hash: PaymentHash
    expires_at: int  # of the invoice, unix seconds
    final_cltv: int
    cltv_limit: int  # blocks, of the whole route
    asked: int  # unix seconds
    state: PayoutState = P.PLANNED
    attempts: int = 0  # that failed
    ordered: bool = False  # an attempt is ordered or under way
    next_try: int = 0  # unix seconds, while waiting for the next attempt
    fee: Msat = Msat(0)
    preimage: Secret = Secret("")
    reason: str = ""  # of the last failure

    @property
    def until(self) -> int:
        """Until when it is tried, unix seconds: a day, or as long as its invoice lives."""
        return min(self.asked + DAY, self.expires_at - _LIFE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`withdrawals`: those that are under way, and the one that an input is about. `available` is what the books say."""

    owner: Pubkey
    available: Msat = Msat(0)
    credited: Msat = Msat(0)  # all that tasks have ever put here
    credits: int = 0  # in so many entries
    withdrawals: tuple[Withdrawal, ...] = ()
    counter: int = 0  # for refs
    unsure: bool = (
        False  # restored: what a lost memory paid out of it, only the operator can tell; nothing is sent until then
    )

    @property
    def open(self) -> tuple[Withdrawal, ...]:
        return tuple(each for each in self.withdrawals if not each.state.is_final)

    @property
    def under_way(self) -> Msat:
        return Msat(sum(each.amount + each.budget for each in self.open))

    @property
    def due(self) -> int | None:
        """When it next needs a look, unix seconds."""
        return min((each.next_try for each in self.open if each.next_try), default=None)

    def withdrawal(self, ref: str) -> Withdrawal | None:
        return next((each for each in self.withdrawals if each.ref == ref), None)


@dataclass(frozen=True, slots=True)
class Movement:
    """What a handler answers here: the next version of the account, and what follows from it."""

    account: Account
    effects: tuple[Effect, ...] = ()
    says: tuple[Say, ...] = ()
    incidents: tuple[Incident, ...] = ()
    published: tuple[Checkpoint, ...] = ()

    def alter(self, was: Withdrawal, back: int = 0, **changes: Any) -> Movement:
        """`back`: what returns to the balance, msat."""
        changed = tuple(replace(each, **changes) if each.ref == was.ref else each for each in self.account.withdrawals)
        account = replace(self.account, withdrawals=changed, available=Msat(self.account.available + back))
        return replace(self, account=account)

    def remit(self, which: Withdrawal) -> Movement:
        order = Remit(self.account.owner, which.ref, which.payment_hash)
        return replace(self.alter(which, ordered=True, next_try=0), effects=(*self.effects, order))

    def say(self, code: Told, **facts: Any) -> Movement:
        return replace(self, says=(*self.says, Say(self.account.owner, code, facts)))

    def incident(self, code: str, **facts: Any) -> Movement:
        return replace(self, incidents=(*self.incidents, Incident(code, {"owner": self.account.owner, **facts})))


def withdraw(account: Account, command: Withdraw, moment: Moment) -> Movement:
    """Reserves what an invoice asks for, with its fee budget, and orders the payment. Raises Refusal."""
    if not account.available:
        raise refuse(Refused.NOTHING_OWED, under_way_msat=account.under_way)
    if account.unsure:
        raise refuse(Refused.ACCOUNT_UNSURE)
    if len(account.open) >= AT_ONCE:
        raise refuse(Refused.TOO_MANY_WITHDRAWALS, limit=AT_ONCE)
    named = read_destination(command.destination, moment.now.time + 2 * _LIFE, moment)
    if not named.amount:
        raise refuse(Refused.BAD_INVOICE, problem="it names no amount")
    budget = moment.policy.budget(named.amount)
    if named.amount + budget > account.available:
        wanted = {"wanted_msat": named.amount, "budget_msat": budget, "available_msat": account.available}
        raise refuse(Refused.TOO_MUCH, payable_msat=moment.policy.affordable(account.available), **wanted)
    counter = account.counter + 1
    fresh = Withdrawal(
        ref=f"{account.owner}/w{counter}",
        amount=named.amount,
        budget=budget,
        invoice=named.invoice,
        payment_hash=named.payment_hash,
        expires_at=named.expires_at,
        final_cltv=named.final_cltv,
        cltv_limit=moment.policy.payout_limit,
        asked=moment.now.time,
    )
    left = Msat(account.available - named.amount - budget)
    reserved = replace(account, available=left, withdrawals=(*account.withdrawals, fresh), counter=counter)
    facts = {"amount_msat": named.amount, "budget_msat": budget, **_left(reserved, moment.policy)}
    return Movement(reserved).remit(fresh).say(Told.WITHDRAWAL_NOTED, **facts)


def wanted(account: Account, what: RemitWanted) -> Movement:
    """Leave to send: planned -> claimed, committed before the node is called. Refused when it is no longer wanted."""
    which = account.withdrawal(what.ref)
    if account.unsure:
        raise refuse(Refused.ACCOUNT_UNSURE)
    if which is None or which.state not in (P.PLANNED, P.CLAIMED):
        raise refuse(Refused.ALREADY, action="withdraw")
    return Movement(account).alter(which, state=P.CLAIMED)


def seen(account: Account, what: RemitSeen, moment: Moment) -> Movement:
    """The node's word. UNKNOWN changes nothing; ABSENT means never sent, since the worker waited its grace."""
    which, view, done = account.withdrawal(what.ref), what.view, Movement(account)
    if which is None or which.payment_hash != view.payment_hash:
        return done
    if which.state.is_final:
        late = which.state is not P.COMPLETE and view.status is PaymentStatus.COMPLETE
        return done.incident("paid_after_given_up", payout=which.ref, amount_msat=which.amount) if late else done
    match view.status:
        case PaymentStatus.IN_FLIGHT:
            on_its_way = done if which.ordered else done.remit(which)  # somebody must watch it to its end
            return on_its_way.alter(which, state=P.IN_FLIGHT, next_try=0)
        case PaymentStatus.COMPLETE:
            return _complete(done, which, what, moment)
        case PaymentStatus.FAILED | PaymentStatus.ABSENT:
            ours = view.status is PaymentStatus.ABSENT or view.fault is Fault.OURS
            reason = "not_sent" if view.status is PaymentStatus.ABSENT else view.reason
            if not ours or which.until <= moment.now.time:
                return _given_up(done, which, reason, moment)
            return _again_later(done, which, reason, moment)
    return done


def due(account: Account, moment: Moment) -> Movement:
    """The next attempts that are due; what may be tried no longer goes back to the balance."""
    done = Movement(account)
    for which in account.open:
        if which.state in (P.PLANNED, P.CLAIMED) and 0 < which.next_try <= moment.now.time:
            over = which.until <= moment.now.time
            done = _given_up(done, which, which.reason, moment) if over else done.remit(which)
    return done


def may_send(which: Withdrawal, facts: NodeFacts | None, timeout: int) -> PaySpec | NotNow:
    """The attempt that may start now, or why none may; asked right before the call."""
    if facts is None or not facts.synced:
        return NotNow("node_not_synced")
    if facts.outbound < which.amount + which.budget:
        return NotNow("no_outbound_liquidity")
    if which.cltv_limit < which.final_cltv + 3:
        return NotNow("route_too_long")
    return PaySpec(
        ref=which.ref,
        payment_hash=which.payment_hash,
        invoice=which.invoice,
        amount=which.amount,
        fee_limit=which.budget,
        cltv_limit=which.cltv_limit,
        timeout=timeout,
    )


def balance(account: Account, policy: Policy) -> dict[str, Any]:
    """What its owner is shown, and nobody else."""
    shown = [{"amount_msat": each.amount, "budget_msat": each.budget, "state": str(each.state), "asked": each.asked,
              "payment_hash": each.payment_hash} for each in account.open]  # fmt: skip
    return {**_left(account, policy), "under_way_msat": account.under_way, "withdrawals": shown}


def _left(account: Account, policy: Policy) -> Mapping[str, Any]:
    payable = policy.affordable(account.available)
    return {
        "available_msat": account.available,
        "payable_msat": payable,
        "payable_budget_msat": policy.budget(payable) if payable else 0,
    }


def _complete(done: Movement, which: Withdrawal, what: RemitSeen, moment: Moment) -> Movement:
    view, fee = what.view, Msat(min(what.view.fee, which.budget))
    if view.fee > fee:  # the node broke its limit: the house bears it
        done = done.incident("fee_above_budget", payout=which.ref, fee_msat=view.fee, budget_msat=which.budget)
    back = which.budget - fee
    done = done.alter(
        which, back, state=P.COMPLETE, fee=fee, preimage=view.preimage, ordered=False, next_try=0, reason=""
    )
    payment = {"amount_msat": which.amount, "fee_msat": fee, "payment_hash": which.payment_hash}
    public = {
        **payment,
        "preimage": view.preimage.reveal(),
        "to": done.account.owner,
        "credits": done.account.credits,
        "credited_msat": done.account.credited,
    }
    done = replace(done, published=(*done.published, Checkpoint("account.paid", public)))
    return done.say(Told.CREDIT_PAID, **payment, preimage=view.preimage, **_left(done.account, moment.policy))


def _given_up(done: Movement, which: Withdrawal, reason: str, moment: Moment) -> Movement:
    back = which.amount + which.budget
    done = done.alter(which, back, state=P.FAILED, reason=reason, ordered=False, next_try=0)
    left = _left(done.account, moment.policy)
    return done.say(Told.WITHDRAWAL_FAILED, amount_msat=which.amount, reason=reason, **left)


def _again_later(done: Movement, which: Withdrawal, reason: str, moment: Moment) -> Movement:
    policy = moment.policy
    wait = min(policy.retry_first * 2 ** min(which.attempts, 20), policy.retry_most)
    later = done.alter(
        which,
        state=P.PLANNED if which.state is P.PLANNED else P.CLAIMED,  # a planned one was never sent
        reason=reason,
        attempts=which.attempts + 1,
        ordered=False,
        next_try=moment.now.time + wait,
    )
    if which.reason:  # he has been told
        return later
    return later.say(Told.WITHDRAWAL_DELAYED, amount_msat=which.amount, reason=reason, until=which.until)
