"""The verifier's own table of the protocol: which entry may stand where, who may be its reason, what he must have signed.

It is written down here a second time on purpose. Nothing of it is imported from, or generated from, the daemon that is judged.
"""

from __future__ import annotations

from dataclasses import dataclass

STATES = frozenset(
    ["Draft", "PendingFunding", "Funded", "Claimed", "Verified", "Paid", "Refunded", "Disputed", "Expired"]
)
FINAL = frozenset({"Paid", "Refunded", "Expired"})
WORKS = frozenset(["PENDING", "IN_PROGRESS", "SUBMITTED", "APPROVED", "RELEASED", "REJECTED"])

TYPES = frozenset(
    [
        "task.created",
        "task.accepted",
        "task.claimed",
        "task.abandoned",
        "task.expired",
        "task.frozen",
        "task.unfrozen",
        "claim.offered",
        "plan.proposed",
        "plan.agreed",
        "cancel.offered",
        "invoice.created",
        "invoice.accepted",
        "invoice.expired",
        "funding.failed",
        "funding.stray",
        "deposit.offered",
        "deposit.accepted",
        "deposit.declined",
        "deposit.returned",
        "rollover.asked",
        "rollover.completed",
        "ledger.locked",
        "proof.submitted",
        "proof.verified",
        "proof.rejected",
        "review.prolonged",
        "payout.failed",
        "payment.missed",
        "settlement.started",
        "settlement.completed",
        "refund.started",
        "refund.completed",
        "dispute.opened",
        "dispute.vote",
        "dispute.resolved",
        "dispute.appealed",
        "hold.lost",
        "incident",
        "compensation",
        "rating",
        "receipt",
    ]
)
HOUSE_TYPES = frozenset(
    [
        *("start", "terms", "clock.paused", "clock.resumed", "house.paused", "house.resumed", "account.paid"),
        *("incident", "checkpoint"),
    ]
)


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a task, published as one entry of each of `types`, in this order, all showing where it ends.

    `why` tells moves of the same types apart: a word that stands in the facts `how`, `reason` or `verified_by`.
    `money`: the move takes a hold ("held"), or that nothing is held since the task is paid on approval ("none"); "" for either.
    """

    state: str  # before; "" for none yet
    phase: str
    works: frozenset[str]
    types: tuple[str, ...]
    by: str  # employer, worker, party (either), applicant (on the list), anybody else, node, clock, operator
    state_after: str
    phase_after: str
    work_after: str  # "" for the same
    why: str
    money: str = ""


AWAITING = "awaiting_payment"  # the phase of Claimed in which work is approved and not yet paid for

# state/phase | work | entries | by | state/phase after | work after | why            "-": nothing, "*": any, "=": the same
_TABLE = """
-                   | PENDING            | task.created                    | employer | Draft              | = | -
Draft               | PENDING            | invoice.created                 | node     | PendingFunding     | = | -
Draft               | PENDING            | refund.completed                | employer | Refunded           | = | cancelled
Draft               | PENDING            | task.expired                    | clock    | Expired            | = | unfunded
Draft               | PENDING            | claim.offered                   | anybody  | Draft              | = | -
Draft               | PENDING            | task.accepted                   | worker   | Draft              | = | -
Draft               | PENDING            | task.accepted                   | employer | Draft              | = | -
Draft               | PENDING            | plan.proposed                   | party    | Draft              | = | -
Draft               | PENDING            | plan.agreed                     | party    | Draft              | = | -
Draft               | PENDING            | task.abandoned                  | worker   | Draft              | = | -
Draft               | PENDING            | task.abandoned                  | applicant | Draft             | = | -
PendingFunding      | PENDING            | task.abandoned                  | worker   | Draft              | = | -
PendingFunding      | PENDING            | task.abandoned                  | applicant | PendingFunding    | = | -
PendingFunding      | PENDING            | invoice.accepted task.claimed   | node     | Claimed            | IN_PROGRESS | -
PendingFunding      | PENDING            | invoice.expired                 | node     | Draft              | = | -
PendingFunding      | PENDING            | funding.failed                  | node     | Draft              | = | -
PendingFunding      | PENDING            | invoice.accepted                | node     | Funded             | = | -
PendingFunding      | PENDING            | refund.completed                | employer | Refunded           | = | cancelled
PendingFunding      | PENDING            | task.expired                    | clock    | Expired            | = | unfunded

Funded              | PENDING            | task.claimed                    | worker   | Claimed            | IN_PROGRESS | -
Funded              | PENDING            | task.claimed                    | employer | Claimed            | IN_PROGRESS | -
Funded              | PENDING            | claim.offered                   | anybody  | Funded             | = | -
Funded              | PENDING            | task.abandoned                  | applicant | Funded            | = | -
Funded              | PENDING            | refund.started                  | employer | Funded/refunding   | = | cancelled
Funded              | PENDING            | refund.started                  | clock    | Funded/refunding   | = | hold_timeout
Funded              | PENDING            | refund.started                  | clock    | Funded/refunding   | = | unclaimed
Funded              | PENDING            | refund.started                  | clock    | Funded/refunding   | = | hold_end
Funded              | PENDING            | hold.lost task.expired          | node     | Expired            | = | hold_lost
Funded              | PENDING            | ledger.locked                   | node     | Funded             | = | -
Funded/refunding    | PENDING            | ledger.locked                   | node     | Funded/refunding   | = | -
Funded/refunding    | PENDING            | refund.completed                | node     | Refunded           | = | cancelled
Funded/refunding    | PENDING            | task.expired                    | node     | Expired            | = | hold_timeout
Funded/refunding    | PENDING            | task.expired                    | node     | Expired            | = | unclaimed
Funded/refunding    | PENDING            | task.expired                    | node     | Expired            | = | hold_end

Claimed             | WORKING            | proof.submitted                 | worker   | Claimed            | SUBMITTED | -
Claimed             | WORKING            | task.abandoned                  | worker   | Funded             | PENDING | -
Claimed             | WORKING            | task.abandoned                  | applicant | Claimed           | = | -
Claimed             | WORKING            | task.abandoned refund.started   | worker   | Claimed/refunding  | = | abandoned
Claimed             | WORKING            | dispute.opened                  | party    | Disputed           | = | -
Claimed             | WORKING            | cancel.offered                  | party    | Claimed            | = | -
Claimed             | WORKING            | refund.started                  | party    | Claimed/refunding  | = | agreed
Claimed             | WORKING            | proof.verified                  | party    | Verified           | APPROVED | agreement
Claimed             | SUBMITTED REJECTED | proof.verified                  | employer | Verified           | APPROVED | -
Claimed             | SUBMITTED          | proof.verified                  | clock    | Verified           | APPROVED | silence
Claimed             | SUBMITTED          | dispute.opened                  | clock    | Disputed           | = | -
Claimed             | SUBMITTED          | review.prolonged                | clock    | Claimed            | = | -
Claimed             | SUBMITTED          | proof.rejected                  | employer | Claimed            | REJECTED | -
Claimed             | SUBMITTED          | proof.rejected dispute.opened   | employer | Disputed           | REJECTED | -
Claimed             | IN_PROGRESS        | refund.started                  | clock    | Claimed/refunding  | = | no_proof
Claimed             | REJECTED           | refund.started                  | clock    | Claimed/refunding  | = | no_resubmission
Claimed             | IN_PROGRESS REJECTED | refund.started                | clock    | Claimed/refunding  | = | hold_end
Claimed             | WORKING            | rollover.asked                  | node     | Claimed            | = | -
Claimed             | WORKING            | rollover.completed              | node     | Claimed            | = | -
Claimed             | WORKING            | invoice.expired                 | node     | Claimed            | = | -
Claimed             | WORKING            | funding.failed                  | node     | Claimed            | = | -
Claimed             | WORKING            | hold.lost task.expired          | node     | Expired            | = | hold_lost
Claimed             | WORKING            | ledger.locked                   | node     | Claimed            | = | -
Claimed/refunding   | WORKING            | ledger.locked                   | node     | Claimed/refunding  | = | -
Claimed/refunding   | WORKING            | refund.completed                | node     | Refunded           | = | agreed
Claimed/refunding   | WORKING            | refund.completed                | node     | Refunded           | = | no_resubmission
Claimed/refunding   | WORKING            | refund.completed                | node     | Refunded           | = | hold_end
Claimed/refunding   | WORKING            | task.expired                    | node     | Expired            | = | no_proof
Claimed/refunding   | WORKING            | task.expired                    | node     | Expired            | = | abandoned

Disputed            | WORKING            | cancel.offered                  | party    | Disputed           | = | -
Disputed            | WORKING            | dispute.resolved refund.started | party    | Disputed/refunding | = | agreement
Disputed            | WORKING            | dispute.resolved refund.started | clock    | Disputed/refunding | = | hold_end
Disputed            | WORKING            | dispute.resolved                | party    | Verified           | APPROVED | agreement
Disputed            | WORKING            | dispute.resolved                | employer | Verified           | APPROVED | approve
Disputed            | WORKING            | rollover.asked                  | node     | Disputed           | = | -
Disputed            | WORKING            | rollover.completed              | node     | Disputed           | = | -
Disputed            | WORKING            | invoice.expired                 | node     | Disputed           | = | -
Disputed            | WORKING            | funding.failed                  | node     | Disputed           | = | -
Disputed            | WORKING            | hold.lost task.expired          | node     | Expired            | = | hold_lost
Disputed            | WORKING            | dispute.resolved refund.started | clock    | Disputed/refunding | = | dispute_limit
Disputed            | WORKING            | ledger.locked                   | node     | Disputed           | = | -
Disputed/refunding  | WORKING            | ledger.locked                   | node     | Disputed/refunding | = | -
Disputed/refunding  | WORKING            | refund.completed                | node     | Refunded           | = | dispute_limit
Disputed/refunding  | WORKING            | refund.completed                | node     | Refunded           | = | agreed
Disputed/refunding  | WORKING            | refund.completed                | node     | Refunded           | = | hold_end

Verified            | APPROVED           | settlement.started              | node     | Verified/settling  | = | paid
Verified            | APPROVED           | settlement.started              | clock    | Verified/settling  | = | margin
Verified            | APPROVED           | settlement.started              | clock    | Verified/settling  | = | unreached
Verified            | APPROVED           | ledger.locked                   | node     | Verified           | = | -
Verified            | APPROVED           | payout.failed refund.started    | clock    | Verified/refunding | = | worker_unreachable
Verified            | APPROVED           | dispute.opened                  | worker   | Disputed           | SUBMITTED | -
Verified            | APPROVED           | hold.lost task.expired          | node     | Expired            | = | hold_lost
Verified            | APPROVED           | hold.lost                       | node     | Verified           | = | -
Verified            | APPROVED           | task.expired                    | node     | Expired            | = | hold_lost
Verified            | APPROVED           | settlement.completed incident   | node     | Paid               | RELEASED | -
Verified/settling   | APPROVED           | settlement.completed            | node     | Paid               | RELEASED | -
Verified/settling   | APPROVED           | settlement.completed            | node     | Draft              | RELEASED | -
Verified/settling   | APPROVED           | hold.lost                       | node     | Verified/settling  | = | -
Verified/settling   | APPROVED           | task.expired                    | node     | Expired            | = | hold_lost
Verified/settling   | APPROVED           | settlement.completed incident   | node     | Paid               | RELEASED | -
Verified/refunding  | APPROVED           | task.expired                    | node     | Expired            | = | worker_unreachable
Verified/settling   | APPROVED           | settlement.completed task.expired | node   | Expired            | = | unpaid

Paid                | *                  | compensation                    | operator | Paid               | = | -
Expired             | *                  | compensation                    | operator | Expired            | = | -
"""
# The same where the task is paid on approval, and nothing is held yet.
_ON_APPROVAL = """
Draft               | PENDING            | task.claimed                    | clock    | Claimed            | IN_PROGRESS | -
Draft               | PENDING            | task.claimed                    | employer | Claimed            | IN_PROGRESS | -
Claimed             | WORKING            | task.abandoned                  | worker   | Draft              | PENDING | -
Claimed             | WORKING            | refund.completed                | party    | Refunded           | = | agreed
Claimed             | WORKING            | proof.verified                  | party    | Claimed/awaiting_payment | APPROVED | agreement
Claimed             | SUBMITTED REJECTED | proof.verified                  | employer | Claimed/awaiting_payment | APPROVED | -
Claimed             | SUBMITTED          | proof.verified                  | clock    | Claimed/awaiting_payment | APPROVED | silence
Claimed             | IN_PROGRESS        | task.expired                    | clock    | Expired            | = | no_proof
Claimed             | REJECTED           | refund.completed                | clock    | Refunded           | = | no_resubmission
Claimed/awaiting_payment | APPROVED      | invoice.created                 | node     | Claimed/awaiting_payment | = | -
Claimed/awaiting_payment | APPROVED      | invoice.expired                 | node     | Claimed/awaiting_payment | = | -
Claimed/awaiting_payment | APPROVED      | funding.failed                  | node     | Claimed/awaiting_payment | = | -
Claimed/awaiting_payment | APPROVED      | invoice.accepted                | node     | Verified           | = | -
Claimed/awaiting_payment | APPROVED      | payment.missed task.expired     | clock    | Expired            | = | unpaid
Claimed/awaiting_payment | APPROVED      | payment.missed                  | clock    | Verified           | = | -

Disputed            | WORKING            | dispute.resolved                | party    | Claimed/awaiting_payment | APPROVED | agreement
Disputed            | WORKING            | dispute.resolved                | employer | Claimed/awaiting_payment | APPROVED | approve
Disputed            | WORKING            | dispute.resolved refund.completed | party  | Refunded           | = | agreement
Disputed            | WORKING            | dispute.resolved refund.completed | clock  | Refunded           | = | dispute_limit
"""
_WORDS = {"*": WORKS, "WORKING": frozenset({"IN_PROGRESS", "SUBMITTED", "REJECTED"})}
# What may happen to claimed and disputed work whether money is held or not; also who was not hired may take his offer back.
_EITHER_WAY = frozenset({"proof.submitted", "proof.rejected", "review.prolonged", "dispute.opened", "cancel.offered"})


def _move(line: str, money: str = "") -> Move:
    before, works, types, by, after, work_after, why = (cell.strip() for cell in line.split("|"))
    state, _, phase = before.removeprefix("-").partition("/")
    state_after, _, phase_after = after.partition("/")
    fitting = _WORDS.get(works) or frozenset(works.split())
    same, none = work_after.removeprefix("="), why.removeprefix("-")
    listed = tuple(types.split())
    if not money and state in ("Claimed", "Disputed") and listed[0] not in _EITHER_WAY and by != "applicant":
        money = "held"
    return Move(state, phase, fitting, listed, by, state_after, phase_after, same, none, money)


# The operator may freeze a task that is not over, and let it go on, wherever it stands: neither leads anywhere.
_STANDS = (
    *((s, "") for s in sorted(STATES - FINAL)),
    *((s, "refunding") for s in ("Funded", "Claimed", "Disputed", "Verified")),
    ("Verified", "settling"),
    ("Claimed", AWAITING),
)
# A payment that nobody wants any more is on record wherever a task can stand, and changes nothing.
_STRAYS = tuple(
    Move(s, p, WORKS, ("funding.stray",), "node", s, p, "", "")
    for s, p in (*_STANDS, *((s, "") for s in sorted(FINAL)))
)
_FREEZES = tuple(
    Move(s, p, WORKS, (type,), "operator", s, p, "", "")
    for type in ("task.frozen", "task.unfrozen")
    for s, p in _STANDS
)
MOVES: tuple[Move, ...] = (
    *(_move(line) for line in _TABLE.splitlines() if line),
    *(_move(line, "none") for line in _ON_APPROVAL.splitlines() if line),
    *_STRAYS,
    *_FREEZES,
)

# What is said of a deposit moves nothing, and may stand wherever a task is not over: whose word each entry is. Those that have a place in
# the table above, too, are told apart by their fact `covers`. Who gives a deposit back depends on the reason.
BESIDE: dict[str, str] = {
    "deposit.offered": "clock",
    "deposit.accepted": "employer",
    "deposit.declined": "employer",
    "deposit.returned": "",
    "invoice.created": "node",
    "invoice.accepted": "node",
    "invoice.expired": "node",
    "funding.failed": "node",
    "rollover.asked": "node",
    "rollover.completed": "node",
    "ledger.locked": "node",
    "hold.lost": "node",
}

ENDS_MARKED = frozenset({"no_proof", "worker_unreachable"})  # reasons that put a mark on the worker

# Entry types that a person causes: the action of the decision that he may have signed. A proof is an event of its own kind,
# too; two actions may cause a proof.verified or a dispute.resolved, by the word that tells the moves apart.
ACTIONS: dict[tuple[str, str], str] = {
    ("claim.offered", ""): "claim",
    ("task.accepted", ""): "claim",
    ("plan.proposed", ""): "milestones",
    ("plan.agreed", ""): "agree",
    ("task.claimed", ""): "claim",
    ("task.abandoned", ""): "abandon",
    ("task.abandoned", "abandoned"): "abandon",
    ("proof.submitted", ""): "submit",
    ("proof.verified", ""): "approve",
    ("proof.verified", "agreement"): "cancel",
    ("proof.rejected", ""): "reject",
    ("dispute.opened", ""): "dispute",
    ("dispute.resolved", "approve"): "approve",
    ("dispute.resolved", "agreement"): "cancel",
    ("cancel.offered", ""): "cancel",
    ("deposit.accepted", ""): "deposit",
    ("deposit.declined", ""): "deposit",
    ("deposit.returned", "too_short"): "fund",
    ("refund.started", "cancelled"): "cancel",
    ("refund.started", "agreed"): "cancel",
    ("refund.completed", "cancelled"): "cancel",
    ("refund.completed", "agreed"): "cancel",
}

HIRES = frozenset({"task.accepted", "task.claimed"})
"""By the employer these are his choice, the action hire; or, before any money, his word that the work may begin, the action select."""

# The entry that a signed decision must rest on, the newest of its type. Any other action: any earlier entry of the task; while a
# worker is bound, none of the parties' before the entry that bound him or released the milestone before.
BASIS = {
    "claim": "task.created",
    "hire": "task.created",
    "approve": "proof.submitted",
    "reject": "proof.submitted",
    "agree": "plan.proposed",
}

# The facts of each type: name:kind, "?" behind the name: may be missing, "|-" behind the kind: may be null.
_ENDED = "payment_hash:hex hash_salt:hex"
_PAID = (
    f"funding:text hold_msat:msat {_ENDED} percent:percent payouts:list credited:list "
    "fee_msat?:msat insurance_msat:msat other_holds?:list"
)
_LOST = f"{_PAID} loss_msat?:msat incident?:text"
_PAYOUT = "role:text to:hex amount_msat:msat fee_msat:msat payment_hash:hex preimage:hex dest_salt:text status:text"
_RATE = "currency?:text price?:text rate?:text rate_sources?:names rate_time?:int"
_CREDIT = "role:text to:hex amount_msat:msat"
_FACTS = {
    "task.created": "employer:hex title:text reward_msat:msat budget_msat:msat hold_msat:msat deadline:int review_window:int "
    "net_msat?:msat service_fee_msat?:msat service_fee_ppm?:int service_fee_base_msat?:msat service_fee_minimum_msat?:msat "
    "service_fee_payer?:text insurance_percent?:percent "
    "hold_timeout:int on_reject:text max_rejects:int on_silence:text on_hold_end:text min_evidence:text margin:int "
    "payout_limit:int custody_mode:text deposit_percent?:percent dispute_limit?:int order?:text claim?:text sealed?:text payment_type?:text hourly_rate?:text hours_cap?:int funding?:text milestones?:list terms:hex pinned:hex "
    f"{_RATE} budget_base_msat?:msat budget_ppm?:int min_reward_msat?:msat max_reward_msat?:msat",
    "plan.proposed": "by:hex plan:hex nonce:hex payment_type:text review_window:int on_reject:text max_rejects:int funding?:text "
    "hourly_rate?:text hours_cap?:int milestones:list",
    "plan.agreed": "by:hex plan:hex",
    "invoice.created": f"funding:text amount_msat:msat expires_at:int hash_commitment:hex {_RATE} reward_msat?:msat net_msat?:msat "
    "service_fee_msat?:msat budget_msat?:msat covers?:text",
    "deposit.offered": "percent:percent price:text",
    "deposit.accepted": "percent:percent price:text covers:list",
    "deposit.declined": "",
    "deposit.returned": f"funding:text amount_msat:msat reason:text {_ENDED} credited?:list",
    "rollover.asked": "funding:text replaces:text amount_msat:msat expires_at:int hash_commitment:hex covers?:text",
    "rollover.completed": "funding:text replaces:text amount_msat:msat parts:int expiry_height:int last_safe_height:int covers?:text",
    "ledger.locked": f"funding:text amount_msat:msat {_ENDED} covers?:text",
    "invoice.expired": "funding:text covers?:text",
    "funding.failed": "funding:text reason:text covers?:text",
    "invoice.accepted": "funding:text amount_msat:msat parts:int expiry_height:int last_safe_height:int "
    "until?:int worker?:hex dest_hash?:hex|- covers?:text",
    "funding.stray": "funding:text amount_msat:msat",
    "claim.offered": "worker:hex dest_hash:hex|-",
    "task.accepted": "worker:hex dest_hash:hex|-",
    "task.claimed": "worker:hex dest_hash:hex|- funding?:text amount_msat?:msat parts?:int expiry_height?:int "
    "last_safe_height?:int",
    "task.abandoned": "worker?:hex funding?:text reason?:text",
    "proof.submitted": "number:int sha256:hex mime:text|- check:text check_reason:text heard_at:int review_until:int "
    "key_hash?:hex hours?:int",
    "proof.verified": "verified_by:text proof?:int|- how?:text percent?:percent pay_until?:int",
    "proof.rejected": "until?:int by?:hex",
    "review.prolonged": "until:int",
    "dispute.opened": "by:text",
    "cancel.offered": "by:hex percent:percent",
    "dispute.resolved": "how:text percent:percent verified_by?:text proof?:int|- funding?:text reason?:text "
    "pay_until?:int amount_msat?:msat",
    "payout.failed": "funding:text reason:text",
    "payment.missed": "reason?:text mark:hex due_msat:msat short_msat?:msat",
    "settlement.started": "funding:text reason:text",
    "settlement.completed": f"{_LOST} next_deadline?:int reason?:text mark?:hex|-",
    "incident": _LOST,
    "refund.started": "funding:text reason:text how?:text percent?:percent",
    "refund.completed": f"amount_msat:msat reason:text funding?:text mark?:hex|- {_ENDED.replace(':', '?:')} credited?:list "
    "how?:text percent?:percent other_holds?:list",
    "task.expired": f"reason:text mark:hex|- funding?:text amount_msat?:msat {_ENDED.replace(':', '?:')} credited?:list "
    "due_msat?:msat other_holds?:list hold_msat?:msat percent?:percent payouts?:list fee_msat?:msat insurance_msat?:msat",
    "hold.lost": f"funding:text {_ENDED} reason?:text mark?:hex|- covers?:text other_holds?:list credited?:list",
    "compensation": _CREDIT,
    "task.frozen": "",
    "task.unfrozen": "seconds:int deadline:int",
}


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    kind: str
    optional: bool
    nullable: bool


def _facts(line: str) -> tuple[Fact, ...]:
    found = []
    for word in line.split():
        name, kind = word.split(":")
        found.append(Fact(name.rstrip("?"), kind.removesuffix("|-"), name.endswith("?"), kind.endswith("|-")))
    return tuple(found)


FACTS: dict[str, tuple[Fact, ...]] = {type: _facts(f"{line} milestone?:int") for type, line in _FACTS.items()}
PART_FACTS = _facts("title:text reward_msat:msat budget_msat:msat due:int details:text price?:text")  # of a milestone
PAYOUT_FACTS, CREDIT_FACTS = _facts(_PAYOUT), _facts(_CREDIT)
COVER_FACTS = _facts("milestone?:int price:text")  # of a deposit
HOLD_FACTS = _facts(f"funding:text amount_msat:msat {_ENDED}")  # of the other hold on which a milestone rests
ACCOUNT_FACTS = _facts(
    "to:hex amount_msat:msat fee_msat:msat payment_hash:hex preimage:hex credits:int credited_msat:msat"
)  # of account.paid, in the daemon's own chain
