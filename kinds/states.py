"""The closed sets of words for where things stand. The names are part of the protocol: never rename one."""

from __future__ import annotations

from enum import StrEnum


class TaskState(StrEnum):
    DRAFT = "Draft"
    PENDING_FUNDING = "PendingFunding"
    FUNDED = "Funded"
    CLAIMED = "Claimed"
    VERIFIED = "Verified"
    PAID = "Paid"
    REFUNDED = "Refunded"
    DISPUTED = "Disputed"
    EXPIRED = "Expired"

    @property
    def is_final(self) -> bool:
        return self in (TaskState.PAID, TaskState.REFUNDED, TaskState.EXPIRED)


class Phase(StrEnum):
    """A column beside the task's state while what was decided is being done, by the node or by the employer who is to pay; not a public
    state."""

    NONE = ""
    SETTLING = "settling"
    REFUNDING = "refunding"
    AWAITING = "awaiting_payment"  # approved, and the employer is asked for the money


class WorkState(StrEnum):
    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    SUBMITTED = "SUBMITTED"
    APPROVED = "APPROVED"
    RELEASED = "RELEASED"
    REJECTED = "REJECTED"


class FundingState(StrEnum):
    """`making` is the time between asking the node for the hold invoice and having it."""

    MAKING = "making"
    CREATED = "created"
    PENDING = "pending"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"
    LOST = "lost"


class PayoutState(StrEnum):
    PLANNED = "planned"
    CLAIMED = "claimed"
    IN_FLIGHT = "in_flight"
    COMPLETE = "complete"
    FAILED = "failed"
    ABANDONED = "abandoned"

    @property
    def is_final(self) -> bool:
        return self in (PayoutState.COMPLETE, PayoutState.FAILED, PayoutState.ABANDONED)


class DisputeState(StrEnum):
    OPEN = "open"
    VOTING = "voting"
    RESOLVED = "resolved"


class Role(StrEnum):
    """In which capacity somebody takes part in a task, and so what a payout to him is."""

    EMPLOYER = "employer"
    WORKER = "worker"


class Payer(StrEnum):
    """Who bears the service fee."""

    EMPLOYER = "employer"
    WORKER = "worker"
    SPLIT = "split"  # half and half


class RecordType(StrEnum):
    """What a transaction is, in the words of a receipt."""

    UPFRONT_ESCROW = "UPFRONT_ESCROW"  # the employer locks money before the work is approved
    MILESTONE_PAYMENT = "MILESTONE_PAYMENT"  # to the worker, for one part of several
    FULL_PAYMENT = "FULL_PAYMENT"  # to the worker, for a task in one piece
    REFUND = "REFUND"  # back to the employer
    COMPENSATION = "COMPENSATION"  # out of the insurance account, for a lost hold


class RecordStatus(StrEnum):
    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


class LogType(StrEnum):
    """The closed list of log entries; a verifier refuses others."""

    TASK_CREATED = "task.created"
    TASK_ACCEPTED = "task.accepted"
    TASK_CLAIMED = "task.claimed"
    TASK_ABANDONED = "task.abandoned"
    TASK_EXPIRED = "task.expired"
    TASK_FROZEN = "task.frozen"
    TASK_UNFROZEN = "task.unfrozen"
    CLAIM_OFFERED = "claim.offered"
    PLAN_PROPOSED = "plan.proposed"
    PLAN_AGREED = "plan.agreed"
    CANCEL_OFFERED = "cancel.offered"
    INVOICE_CREATED = "invoice.created"
    INVOICE_ACCEPTED = "invoice.accepted"
    INVOICE_EXPIRED = "invoice.expired"
    FUNDING_FAILED = "funding.failed"
    FUNDING_STRAY = "funding.stray"
    DEPOSIT_OFFERED = "deposit.offered"
    DEPOSIT_ACCEPTED = "deposit.accepted"
    DEPOSIT_DECLINED = "deposit.declined"
    DEPOSIT_RETURNED = "deposit.returned"
    ROLLOVER_ASKED = "rollover.asked"
    ROLLOVER_COMPLETED = "rollover.completed"
    LEDGER_LOCKED = "ledger.locked"
    PROOF_SUBMITTED = "proof.submitted"
    PROOF_VERIFIED = "proof.verified"
    PROOF_REJECTED = "proof.rejected"
    REVIEW_PROLONGED = "review.prolonged"
    PAYOUT_FAILED = "payout.failed"
    PAYMENT_MISSED = "payment.missed"
    SETTLEMENT_STARTED = "settlement.started"
    SETTLEMENT_COMPLETED = "settlement.completed"
    REFUND_STARTED = "refund.started"
    REFUND_COMPLETED = "refund.completed"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_VOTE = "dispute.vote"
    DISPUTE_RESOLVED = "dispute.resolved"
    DISPUTE_APPEALED = "dispute.appealed"
    HOLD_LOST = "hold.lost"
    INCIDENT = "incident"
    COMPENSATION = "compensation"
    RATING = "rating"
    RECEIPT = "receipt"
