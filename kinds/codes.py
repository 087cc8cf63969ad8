"""Every refusal and notice as a code. The sentence for each, in words for people, stands in `wording/`.

Codes are stable: programs depend on them. What follows a code are the facts that it carries.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

Form = Literal["text", "json"]
"""How a message is written: words for people, or JSON for programs. An answer mirrors its question."""


class BadWord(ValueError):
    """What was said cannot be understood or accepted as it stands: a code and the facts for its sentence."""

    form: Form = "text"  # of the message that could not be understood

    def __init__(self, code: Refused, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


class Refused(StrEnum):
    """Why something was not done. Nothing has changed when one of these is the answer."""

    # form
    UNKNOWN_COMMAND = "unknown_command"  # word, near: list of commands
    BAD_USAGE = "bad_usage"  # action, usage, problem
    BAD_JSON = "bad_json"  # problem
    BAD_FIELD = "bad_field"  # field, problem
    TOO_LONG = "too_long"  # limit
    UNKNOWN_TERM = "unknown_term"  # term, near: list of terms
    NOT_OFFERED = "not_offered"  # what: a term's value that this operator does not want, offered
    NOT_BUILT = "not_built"  # what: a term's value, a command or a kind of destination that is planned, not built
    NO_DEPOSIT = "no_deposit"  # task: nothing is left to be locked ahead
    BAD_AMOUNT = "bad_amount"  # problem
    BAD_DEADLINE = "bad_deadline"  # problem
    BAD_HOURS = "bad_hours"  # problem; task, most (in hundredths): more than it has room for
    BAD_HASH = "bad_hash"  # field
    BAD_URL = "bad_url"  # field
    BAD_TAG = "bad_tag"  # tag, problem
    BAD_CREATED_AT = "bad_created_at"  # problem: "future" or "ancient"
    # who and which
    UNKNOWN_TASK = "unknown_task"  # id
    AMBIGUOUS_TASK = "ambiguous_task"  # id, tasks
    NOT_YOUR_TASK = "not_your_task"  # task, role: who may do this
    OWN_TASK = "own_task"  # task
    NOT_OPERATOR = "not_operator"  # action: only the operator may say that
    ADDRESS_TAKEN = "address_taken"  # task
    # when
    WRONG_STATE = "wrong_state"  # task, state, action, work, may: list of actions that fit now
    TOO_LATE = "too_late"  # task, what, since
    TAKEN = "taken"  # task: somebody else has claimed it
    NOT_HIRED = "not_hired"  # task, claim: somebody must be bound before the money is asked for
    ALREADY_HIRED = "already_hired"  # task, worker
    NOT_AN_APPLICANT = "not_an_applicant"  # task, who, claim, gone: he was one, and cannot be hired now
    FROZEN = "frozen"  # task, broken: by an error of ours, not by the operator
    ALREADY = (
        "already"  # action: what the operator asks for is so already; again: he can say that he means it once more
    )
    FUNDING_BUSY = "funding_busy"  # task: the invoice is being made
    PAYOUT_BUSY = "payout_busy"  # task: a payout may be under way, it can't be replaced now
    NO_PLAN = "no_plan"  # task: nothing is proposed that could be agreed to
    PAYS_LATER = "pays_later"  # task: its money is asked for when the work is approved
    PLAN_NEEDED = "plan_needed"  # task: its terms are milestones, and none are agreed on
    PLAN_CHANGED = "plan_changed"  # task, plan: the hash of the newest proposal
    PLAN_YOURS = "plan_yours"  # task, plan: the other side has to agree to it
    PLAN_LOCKED = "plan_locked"  # task: the milestones are agreed on, or a deposit is held for what is agreed
    PLAN_SUM = "plan_sum"  # sum_msat, total_msat, off_msat; of a price in a currency currency, sum_price, total_price; by the hour hours_cap
    BAD_PLAN = "bad_plan"  # problem
    NOBODY_THERE = "nobody_there"  # task: there is no other side yet
    BASIS_MISSING = "basis_missing"  # task, action, needs: log entry type
    BASIS_STALE = "basis_stale"  # task, action, needs, latest: event id
    SIGNED_ONLY = "signed_only"  # task, action: the terms ask for a signed decision
    HOURS_NEEDED = "hours_needed"  # task, most, signed: they must stand in the signed delivery
    NOT_HOURLY = "not_hourly"  # task: it is not paid by the hour
    # money
    BELOW_MINIMUM = (
        "below_minimum"  # minimum_msat, milestone: which one, in a plan; of a price in a currency also currency, rate
    )
    ABOVE_MAXIMUM = "above_maximum"  # maximum_msat; the same
    NO_RATE = "no_rate"  # currency, task: no exchange rate is known that is new enough
    BAD_INVOICE = "bad_invoice"  # problem
    AMOUNT_MISMATCH = "amount_mismatch"  # wanted_msat, got_msat
    HASH_USED = "hash_used"
    OWN_NODE = "own_node"
    DOES_NOT_FIT = "does_not_fit"  # limit: the latest deadline that the hold can carry
    NOTHING_OWED = "nothing_owed"  # task: of this one; without it, nothing stands in his account. under_way_msat
    TOO_MUCH = "too_much"  # wanted_msat, budget_msat, available_msat, payable_msat: the most that he can withdraw now
    ACCOUNT_UNSURE = "account_unsure"  # after a restored backup, until the operator has looked
    TOO_MANY_WITHDRAWALS = "too_many_withdrawals"  # limit: so many are under way at once
    NO_RECEIPT = "no_receipt"  # task, state, role: none of his money has moved yet
    NO_LOSS = "no_loss"  # task: nothing was lost in it that could be made good
    NOT_COVERED = "not_covered"  # wanted_msat, budget_msat, covered_msat: the most that the insurance account can give
    # a sealed delivery
    SEALED_REFUSED = "sealed_refused"  # task: its terms do not accept one
    BAD_KEY = "bad_key"  # task, problem: missing, unreadable, other (than the hash says), public
    # how much
    RATE_LIMITED = "rate_limited"  # what, wait: seconds
    NEEDS_WORK = "needs_work"  # bits: NIP-13
    TOO_MANY_PROOFS = "too_many_proofs"  # limit, wait
    TOO_MANY_CLAIMS = "too_many_claims"  # limit, wait: of one person, in one task
    TOO_MANY_APPLICANTS = "too_many_applicants"  # task, limit
    TOO_MANY_QUOTES = "too_many_quotes"  # limit, wait
    PAUSED = "paused"
    BANNED = "banned"  # the operator wants nothing new with this person
    NO_ROOM = "no_room"  # task, what: want of liquidity or a ceiling, amount_msat
    SAY_AGAIN = "say_again"  # it was said before the daemon's memory was restored, which may have done it then
    NODE_AWAY = "node_away"
    BROKEN = "broken"  # task: an error of ours; nothing was changed and the operator was told


class Told(StrEnum):
    """What somebody is told: answers to what he did, and notices of what others, the node or the clock did."""

    # answers to questions
    HELP = "help"  # topic: None or a command
    TERMS = "terms"  # facts of the published terms, paused
    TASKS = "tasks"  # tasks: list of {task, title, state, role, reward_msat, net_msat}
    STATUS = "status"  # the card of a task
    HISTORY = "history"  # task, entries: list of {seq, type, time, state, id, amount_msat}
    RECEIPT = "receipt"  # what was locked, paid and given back; transactions: list, as in handlers/records.py
    BALANCE = "balance"  # available_msat, payable_msat and payable_budget_msat of it, under_way_msat, withdrawals: list
    STATEMENT = (
        "statement"  # available_msat, lines: list of {at, amount_msat, balance_msat, what, task, payment_hash}, earlier
    )
    OPTIONS = "options"  # the two ways of being paid: total_msat, threshold_msat, recommended, selected, plan, by
    HOLDS = "holds"  # to the operator: count, total_msat, height, holds: list
    INCIDENTS = "incidents"  # to the operator: count, incidents: list of {at, code, task, facts}
    # a task's life; all carry task and title, and where the price is in a currency what `handlers.task.in_both` says
    CREATED = "created"  # card of the new task, to its employer
    MAKING_INVOICE = "making_invoice"
    INVOICE = "invoice"  # invoice, amount_msat, net_msat, service_fee_msat, budget_msat, expires_at
    INVOICE_EXPIRED = "invoice_expired"
    INVOICE_FAILED = "invoice_failed"  # reason
    WRONG_PAYMENT = "wrong_payment"  # wanted_msat, got_msat
    ROLLOVER_ASKED = "rollover_asked"  # to the worker: last_safe_height; the employer gets the invoice
    ROLLED_OVER = "rolled_over"  # amount_msat, last_safe_height
    LOCKED = (
        "locked"  # amount_msat: in the books now; to the employer also payment_hash and preimage, his proof of payment
    )
    FUNDED = "funded"  # until: end of the hold timeout, deadline
    APPLIED = "applied"  # to the applicant: as in accepted, dropped_destination: the invoice that he named is not kept
    PROPOSED = "proposed"  # to the employer: worker, note, applicants
    WITHDRAWN = "withdrawn"  # to both: worker, applicants
    PASSED_OVER = "passed_over"  # to the other applicants
    ACCEPTED = "accepted"  # to the worker, before the money: deadline, needs_destination, reward_msat, worker_fee_msat, net_msat, dropped_destination
    ACCEPTED_BY = "accepted_by"  # to the employer: worker, note
    CLAIMED = "claimed"  # to the worker: how, deadline, needs_destination, reward_msat, worker_fee_msat, net_msat
    CLAIMED_BY = "claimed_by"  # to the employer: how, worker, note
    PLAN_PROPOSED = (
        "plan_proposed"  # to both: by, plan (its hash), stage, milestones, total_msat, cost_msat and the rules
    )
    PLAN_AGREED = "plan_agreed"  # the same
    MILESTONE_RELEASED = "milestone_released"  # to both: released, of, total_msat, upcoming, hold_msat
    PROJECT_COMPLETED = "project_completed"  # of, total_msat; to the employer also files
    SAID = "said"  # by, words: from the other side
    PASSED_ON = "passed_on"
    ABANDONED = "abandoned"
    AWAITING_PAYMENT = "awaiting_payment"  # to both: pays (the employer), amount_msat, until, percent, feedback
    PAYMENT_MISSED = "payment_missed"  # to the employer: unpaid_msat, of what his deposit did not have
    PAYMENT_HELD = "payment_held"  # to the employer: amount_msat, of what is approved
    DEPOSIT_OFFERED = "deposit_offered"  # to the employer, a question: percent, deposit_msat
    DEPOSIT_LATER = "deposit_later"
    DEPOSIT_DECLINED = "deposit_declined"
    DEPOSIT_INVOICE = (
        "deposit_invoice"  # invoice, payment_hash, amount_msat, expires_at, milestone, covers (of its price)
    )
    DEPOSIT_EXPIRED = "deposit_expired"  # milestone, covers: nobody paid its invoice
    DEPOSIT_HELD = "deposit_held"  # to both: amount_msat, milestone, covers, held_msat (all of the deposit)
    DEPOSIT_BACK = "deposit_back"  # to both: amount_msat, milestone, covers, reason
    HOURS_NOTED = "hours_noted"  # to the worker: hours, most, amount_msat
    PROOF_CHECKING = "proof_checking"
    PROOF_MISMATCHED = "proof_mismatched"  # url, wanted, got: refused
    PROOF_CHANGED = "proof_changed"  # the newest proof's card: judge this one
    PROOF_RECEIVED = "proof_received"  # to the worker: sha256, checked, review_until
    PROOF_ARRIVED = "proof_arrived"  # to the employer: url, sha256, mime, checked, notes, review_until
    APPROVED = "approved"  # to the worker: needs_destination, amount_msat
    APPROVAL_NOTED = "approval_noted"  # to the employer
    REJECTED = "rejected"  # to the worker: reason, until (0: it went to dispute)
    REJECTION_NOTED = "rejection_noted"  # to the employer: until
    REVIEW_PROLONGED = "review_prolonged"  # until
    DISPUTE_OPENED = "dispute_opened"  # by, reason, until
    DISPUTE_ENDED = "dispute_ended"  # percent, how
    CANCEL_OFFERED = "cancel_offered"  # by, percent
    DESTINATION_NEEDED = "destination_needed"  # amount_msat, until, reason
    DESTINATION_NOTED = "destination_noted"  # amount_msat
    PAYOUT_FAILED = "payout_failed"  # amount_msat, reason, fault, until
    PAID_WORKER = "paid_worker"  # amount_msat, payment_hash, preimage: of his own invoice
    PAID_EMPLOYER = (
        "paid_employer"  # amount_msat, service_fee_msat, milestone, preimage: of the hold invoice, his proof of payment
    )
    KEY = "key"  # to the employer who has paid: url, sha256, key, key_hash
    KEY_LOST = "key_lost"  # to both: url, sha256, key_hash; the daemon's memory was restored without it
    CHANGE_OWED = "change_owed"  # amount_msat: put to his account, payable_msat: of it, reason
    CREDITED = "credited"  # the same
    WITHDRAWAL_NOTED = "withdrawal_noted"  # amount_msat, budget_msat, available_msat, payable_msat
    WITHDRAWAL_DELAYED = "withdrawal_delayed"  # amount_msat, reason, until
    WITHDRAWAL_FAILED = "withdrawal_failed"  # amount_msat, reason, available_msat, payable_msat
    CREDIT_PAID = "credit_paid"  # amount_msat, fee_msat, payment_hash, preimage, available_msat, payable_msat
    REFUNDING = "refunding"
    REFUNDED = "refunded"  # amount_msat, reason
    EXPIRED = "expired"  # reason, marked
    HOLD_LOST = "hold_lost"
    STRAY = "stray"  # amount_msat
    WARNING = "warning"  # what, until, height, on_silence: of a judgement
    TASK_FROZEN = "task_frozen"  # to both
    TASK_UNFROZEN = "task_unfrozen"  # to both: seconds, deadline
    OPERATED = "operated"  # to the operator: action, and task or who
    INCIDENT = "incident"  # what, to the operator
