"""Transactions and receipts: a view of what is stored about a task's money. Nothing here is remembered; rows in, records out.

Money that the employer locks is an UPFRONT_ESCROW, what the worker gets a FULL_PAYMENT or a MILESTONE_PAYMENT, what the employer gets
back a REFUND. A record's status says whether that movement has happened: an invoice that nobody has paid yet is PENDING, a hold that
is there SUCCESS, whatever becomes of it later; what that is says `released_to`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.decision import refuse
from handlers.task import Task, by_hour
from kinds.codes import Refused
from kinds.inputs import Now
from kinds.states import FundingState, PayoutState, RecordStatus, RecordType, Role, TaskState
from kinds.units import Msat, PaymentHash, Pubkey, Secret

F, P, T, S = FundingState, PayoutState, RecordType, RecordStatus
MOST = 40  # transactions in one answer
_INSURED = "compensation"  # why something comes out of the insurance account


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A row of fundings. Times are unix seconds, 0 when it has not happened or is not known."""

    ref: str
    milestone: int
    payer: Pubkey
    amount: Msat
    state: FundingState
    goal: str
    payment_hash: PaymentHash
    preimage: Secret
    asked: int
    held_at: int
    ended_at: int
    covers: int = 0  # of a deposit: how much of its milestone's price

    @property
    def was_held(self) -> bool:
        return self.held_at > 0 or self.state in (F.ACCEPTED, F.SETTLED, F.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A row of payouts."""

    ref: str
    milestone: int
    to: Pubkey
    amount: Msat
    fee: Msat
    state: PayoutState
    payment_hash: PaymentHash
    preimage: Secret
    at: int
    ended_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a step has put to somebody's account, as the books have it. `number` counts those of the task, from 1."""

    number: int
    milestone: int
    to: Pubkey
    amount: Msat
    why: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """All that is stored about a task's money. `fee` and `insurance` are what the house has booked of it."""

    locks: tuple[Lock, ...] = ()
    sent: tuple[Sent, ...] = ()
    given: tuple[Given, ...] = ()
    fee: Msat = Msat(0)
    insurance: Msat = Msat(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One transaction. `paid_by`: whose money it was; None: the insurance account's. `released_to`: who has it now, None while it is in escrow.
    A price in another currency is shown beside the msat that were moved, with the rate (units of it for one bitcoin) at which it was frozen."""

    id: str
    task: str
    type: RecordType
    status: RecordStatus
    milestone: int
    amount: Msat
    fee: Msat = Msat(0)  # of routing
    paid_by: Pubkey | None
    released_to: Pubkey | None
    created: int
    released: int = 0
    payment_hash: PaymentHash = PaymentHash("")
    preimage: Secret = Secret("")
    what: str = ""  # a word for why
    currency: str | None = None
    currency_amount: str | None = None
    rate: str | None = None
    hours: int | None = None  # of the work that it pays, in hundredths, where that is paid by the hour

    def facts(self) -> dict[str, Any]:
        """As answers show it; what has not happened or is not known is null."""
        return {
            "id": self.id,
            "type": str(self.type),
            "status": str(self.status),
            "milestone": self.milestone,
            "amount_msat": self.amount,
            "fee_msat": self.fee,
            "currency": self.currency,
            "currency_amount": self.currency_amount,
            "rate": self.rate,
            "hours": self.hours,
            "paid_by": self.paid_by,
            "released_to": self.released_to,
            "created_at": self.created or None,
            "released_at": self.released or None,
            "payment_hash": self.payment_hash or None,
            "preimage": self.preimage if self.preimage.reveal() else None,
            "what": self.what or None,
        }


def records(task: Task, rows: Rows) -> tuple[Record, ...]:
    """All transactions of a task, the oldest first."""
    found = [*_escrows(task, rows), *_refunds(task, rows), *_payments(task, rows), *_accounts(task, rows)]
    return tuple(sorted(found, key=lambda each: (each.created, each.milestone, list(T).index(each.type), each.id)))


def _payment(task: Task) -> RecordType:
    return T.MILESTONE_PAYMENT if len(task.milestones) > 1 else T.FULL_PAYMENT


def _escrows(task: Task, rows: Rows) -> Iterator[Record]:
    for lock in rows.locks:
        to, at = _fate(task, lock, rows)
        status = S.SUCCESS if lock.was_held and lock.state is not F.LOST else S.PENDING
        if lock.state is F.LOST or (not lock.was_held and lock.state in (F.CANCELLED, F.EXPIRED, F.FAILED)):
            status = S.FAILED
        yield Record(
            id=lock.ref, task=task.id, type=T.UPFRONT_ESCROW, status=status, milestone=lock.milestone, amount=lock.amount,
            paid_by=lock.payer, released_to=to, created=lock.held_at or lock.asked, released=at, payment_hash=lock.payment_hash,
            preimage=lock.preimage, what=_word(lock),
        )  # fmt: skip


def _word(lock: Lock) -> str:
    if lock.state is F.LOST:
        return "hold_lost"
    if lock.covers:
        return "deposit"
    return "stray" if lock.goal == "stray" else ""


def _fate(task: Task, lock: Lock, rows: Rows) -> tuple[Pubkey | None, int]:
    """Who has the money of a hold now, and since when; nobody while it is in escrow."""
    if not lock.was_held or lock.state in (F.ACCEPTED, F.LOST):
        return None, 0
    if lock.state is F.CANCELLED:
        return lock.payer, lock.ended_at
    if lock.goal != "settle":  # in the books; there it stays until something is decided, or it is given back from there
        back = [g for g in rows.given if g.to == lock.payer and g.why != _INSURED and _is_of(g, lock)]
        return (lock.payer, back[0].at) if back else (None, 0)
    paid = [(s.to, s.ended_at) for s in rows.sent if s.milestone == lock.milestone and s.state is P.COMPLETE]
    paid += [(g.to, g.at) for g in rows.given if g.milestone == lock.milestone and g.to != lock.payer]
    return (paid[0][0], max(lock.ended_at, *(at for _, at in paid))) if paid else (task.worker, lock.ended_at)


def _is_of(given: Given, lock: Lock) -> bool:
    """Whether it may be what a hold has brought: in its milestone, or, of a deposit that was not used, all of it at the end of the task."""
    unused = lock.covers > 0 and lock.goal in ("cancel", "stray")
    return given.amount == lock.amount if unused else given.milestone == lock.milestone


def _refunds(task: Task, rows: Rows) -> Iterator[Record]:
    """Holds that have gone back, or are on their way."""
    for lock in rows.locks:
        going = lock.state is F.ACCEPTED and lock.goal in ("cancel", "stray")
        if lock.was_held and (going or lock.state is F.CANCELLED):
            yield Record(
                id=f"{lock.ref}/back", task=task.id, type=T.REFUND, status=S.PENDING if going else S.SUCCESS,
                milestone=lock.milestone, amount=lock.amount, paid_by=lock.payer, released_to=None if going else lock.payer,
                created=lock.ended_at or lock.held_at, released=0 if going else lock.ended_at, payment_hash=lock.payment_hash,
                what=_word(lock),
            )  # fmt: skip


def _payments(task: Task, rows: Rows) -> Iterator[Record]:
    for sent in rows.sent:
        done = sent.state is P.COMPLETE
        failed = sent.state in (P.FAILED, P.ABANDONED)
        yield Record(
            id=sent.ref, task=task.id, type=_payment(task), status=S.SUCCESS if done else S.FAILED if failed else S.PENDING,
            milestone=sent.milestone, amount=sent.amount, fee=sent.fee, paid_by=task.employer, released_to=sent.to if done else None,
            created=sent.at, released=sent.ended_at if done else 0, payment_hash=sent.payment_hash, preimage=sent.preimage,
            hours=_hours(task, sent.milestone),
        )  # fmt: skip


def _accounts(task: Task, rows: Rows) -> Iterator[Record]:
    """What was put to somebody's account instead of being sent."""
    for given in rows.given:
        insured = given.why == _INSURED
        kind = T.COMPENSATION if insured else T.REFUND if given.to == task.employer else _payment(task)
        yield Record(
            id=f"{task.id}/c{given.number}", task=task.id, type=kind, status=S.SUCCESS, milestone=given.milestone,
            amount=given.amount, paid_by=None if insured else task.employer, released_to=given.to, created=given.at,
            released=given.at, what=given.why, hours=_hours(task, given.milestone) if kind is _payment(task) else None,
        )  # fmt: skip


def _hours(task: Task, number: int) -> int | None:
    return next((each.delivered_hours for each in task.milestones if each.number == number), 0) or None


def concerns(record: Record, who: Pubkey, task: Task) -> bool:
    """May he see it? The employer sees all that was done with his money, a worker what comes to him."""
    if who == task.employer:
        return True
    coming = record.released_to is None and who == task.worker
    return record.type in (T.FULL_PAYMENT, T.MILESTONE_PAYMENT, T.COMPENSATION) and (
        coming or record.released_to == who
    )


def _own(record: Record, who: Pubkey) -> dict[str, Any]:
    """Hash and preimage are for whose payment it was, or who got it."""
    facts = record.facts()
    secret_to = record.paid_by if record.type in (T.UPFRONT_ESCROW, T.REFUND) else record.released_to
    return facts if secret_to == who else facts | {"payment_hash": None, "preimage": None}


def receipt(task: Task, rows: Rows, asker: Pubkey, now: Now) -> Mapping[str, Any]:
    """The facts of a party's receipt. Raises Refusal when he is no party, or when no money of his has moved yet."""
    paid = [*((each.to, each.state is P.COMPLETE) for each in rows.sent), *((each.to, True) for each in rows.given)]
    role = task.role_of(asker) or (Role.WORKER if (asker, True) in paid else None)  # also a worker who left later
    if role is None:
        raise refuse(Refused.NOT_YOUR_TASK, task=task.id, role="employer or worker", action="receipt")
    own = [each for each in records(task, rows) if concerns(each, asker, task)]
    if not any(each.status is S.SUCCESS for each in own):
        raise refuse(Refused.NO_RECEIPT, task=task.id, state=str(task.state), role=str(role))
    shown = own[-MOST:]
    return {
        "task": task.id,
        "title": task.title,
        "role": str(role),
        "state": str(task.state),
        "reward_msat": task.reward,
        **by_hour(task),
        "employer": task.employer,
        "worker": task.worker,
        "milestones": len(task.milestones),
        "created_at": task.created,
        "issued_at": now.time,
        **_sums(task, rows, own, role),
        "transactions": [_own(each, asker) for each in shown],
        "earlier": len(own) - len(shown),
        "final": task.state in (TaskState.PAID, TaskState.REFUNDED, TaskState.EXPIRED),
    }


def _sums(task: Task, rows: Rows, own: Iterable[Record], role: Role) -> dict[str, Any]:
    """What came and what it was used for, over all transactions that are shown to him. For the employer they add up once all is over:
    escrow = paid + routing fees + refunded + kept by the house."""
    done = [each for each in own if each.status is S.SUCCESS]

    def total(*kinds: RecordType) -> int:
        return sum(each.amount for each in done if each.type in kinds)

    sums = {
        "paid_msat": total(T.FULL_PAYMENT, T.MILESTONE_PAYMENT),
        "compensated_msat": total(T.COMPENSATION),
    }
    if role is Role.WORKER:
        return sums
    return sums | {
        "escrow_msat": total(T.UPFRONT_ESCROW),
        "refunded_msat": total(T.REFUND),
        "routing_fee_msat": sum(each.fee for each in done),
        "fee_msat": rows.fee,
        "insurance_msat": rows.insurance,
    }
