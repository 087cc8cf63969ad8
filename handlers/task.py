"""The agreement: everything that is remembered about one task, as frozen values.

Deadlines are stored on the hearing clock (`Now.heard`), so that none has to be moved when the daemon was deaf; heights are
absolute blocks. `replace` from dataclasses makes the next version; only `transitions.move` writes states and the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from handlers.fees import FREE, Fees, part, routing_budget
from handlers.hours import Hourly
from kinds.inputs import Check
from kinds.rate import Rate, plain
from kinds.states import DisputeState, FundingState, LogType, PayoutState, Phase, Role, TaskState, WorkState
from kinds.units import MSAT_PER_SAT, EventId, Msat, PaymentHash, Pubkey, Secret, TaskId

ROLLOVER_BLOCKS = 144  # a fresh hold is asked for so long before L, and lasts so much longer than the one before
SETTLE_SLACK = 6  # blocks between the end of the longest payout and the margin
_PADDING = 3  # blocks that payers usually add to a hold
LOCK = "lock"  # what we want of a hold: that it is settled into the books
_CAME = (FundingState.ACCEPTED, FundingState.SETTLED, FundingState.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """The price is in a currency: what of the operator's terms its sats must keep to, whenever a rate is frozen."""

    currency: str
    budget_base: Msat
    budget_ppm: int
    min_reward: Msat
    max_reward: Msat

    def budget(self, share: Msat) -> Msat:
        return routing_budget(share, self.budget_base, self.budget_ppm)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What both sides agreed to, copied in when the task was made; published with task.created."""

    version: EventId
    deadline: int  # hearing clock
    review_window: int  # seconds
    hold_timeout: int
    on_reject: str
    max_rejects: int
    on_silence: str
    on_hold_end: str
    min_evidence: str
    margin: int  # M, blocks
    payout_limit: int  # D, blocks
    fees: Fees = FREE
    custody_mode: str = "lightning_self"
    dispute_limit: int = 0  # seconds, of a dispute about money in the books; 0: it was agreed to before there was one
    order: str = "fund_first"
    claim: str = "first"
    payment_type: str = "FIXED_PRICE"
    sealed: str = "refused"  # accepted: the employer may get a file that he can open only after he has paid
    funding: str = "upfront"  # on_approval: nothing is held before the work is approved
    pricing: Pricing | None = None  # None: the price is in sats
    hourly: Hourly | None = None  # None: the price is for the work as a whole
    deposit_percent: int = 0  # that the employer means to lock ahead; 0: he has not said

    def last_safe(self, expiry_height: int) -> int:
        """L of a hold that ends at this height: the last one at which an approval can surely still be paid."""
        return expiry_height - self.margin - self.payout_limit - SETTLE_SLACK

    @property
    def outlasts_hold(self) -> bool:
        """The agreement may last longer than any hold: its money goes to the books before."""
        return self.custody_mode == "ledger" or self.on_hold_end.endswith("ledger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Money that the employer wants to lock ahead. `parts`: numbers of milestones, and how much of the price of each it covers, in the unit of
    the price; every part is a hold of its own."""

    percent: int
    parts: tuple[tuple[int, int], ...]

    @property
    def price(self) -> int:
        return sum(part for _, part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    number: int  # 1, 2, ... over the task's life
    seq: int  # of its log entry; 0 while the deliverable is being fetched
    heard: int  # hearing clock
    time: int  # unix seconds
    url: str
    sha256: str
    mime: str | None
    notes: str
    check: Check = Check.UNCHECKED
    check_reason: str = ""
    event: dict[str, Any] | None = None  # the signed 30079
    shown: bool = False  # its card has reached a relay that the employer reads
    key_hash: str = ""  # of a sealed file: the sha256 of its key, which is public
    key: Secret = Secret("")  # handed over when it is paid for; "" too when a restored memory does not have it
    hours: int = 0  # hundredths of an hour; 0 where the work is not paid by the hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """A part of the work with its own reward and its own money; a task that is no project has exactly one."""

    number: int
    title: str
    reward: Msat
    budget: Msat  # payout fee budget contained in its hold
    price: int = 0  # in the smallest unit of the task's currency: the reward is this at the rate; 0 when it is in sats
    covered: int = 0  # so much of the price has a deposit for it, which is held
    cover_rate: Rate | None = None  # by which that part is sats
    rate: Rate | None = (
        None  # frozen with the newest invoice of its money; before that the one by which the reward is estimated
    )
    description: str = ""
    salt: str = ""  # opens the log's commitment to the description
    due: int = 0  # hearing clock: its own deadline; 0: that of the task
    state: WorkState = WorkState.PENDING
    hours: int = 0  # hundredths that the worker has named for his next delivery
    proof: Proof | None = None
    arriving: Proof | None = None  # heard, its deliverable is being checked
    proofs: int = 0  # how many have come, also from workers who gave it back
    proof_times: tuple[int, ...] = ()
    review_until: int = 0  # hearing clock; 0 when nothing is under review
    prolonged: int = 0
    rejects: int = 0
    resubmit_until: int = 0  # hearing clock, after a reject that allows another try
    pay_until: int = (
        0  # hearing clock: how long the employer may pay for what is approved, where nothing was held before
    )
    short: Msat | None = None  # he has not paid in time, and a deposit has paid the worker's share but for this
    asked: int = 100  # percent of the reward over which he is asked for a hold then
    fee: Msat = Msat(0)  # the operator's part of its service fee, booked at its settlement
    insurance: Msat = Msat(0)  # the insured part, and what was left of the budget, booked to the house's insurance
    released: int = (
        0  # hearing clock: when it was paid and the next one began; what follows is its record, kept from then on
    )
    came: Msat = Msat(0)  # what its hold brought
    share: Msat = Msat(0)  # what of it the worker was sent
    routing: Msat = Msat(0)  # and what that cost

    @property
    def delivered_hours(self) -> int:
        """Hundredths of an hour of the newest delivery; 0 where there is none, or it is not about hours."""
        return self.proof.hours if self.proof else 0

    def anew(self) -> Milestone:
        """The same for another worker: nothing is left of the one before but the numbers of his proofs."""
        return Milestone(
            number=self.number, title=self.title, reward=self.reward, budget=self.budget, description=self.description,
            salt=self.salt, due=self.due, proofs=self.proofs, price=self.price, rate=self.rate, covered=self.covered,
            cover_rate=self.cover_rate,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Milestones as one side wants them, or the whole by the hour. What they cost, and what else shapes their lives, is frozen in it."""

    hash: str
    by: Pubkey
    seq: int  # of its plan.proposed
    milestones: tuple[Milestone, ...]  # none: the work as a whole
    review_window: int
    on_reject: str
    max_rejects: int
    funding: str = "upfront"
    hourly: Hourly | None = None  # paid by the hour from then on; None: as before


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """One hold invoice. `goal` is what we want of an accepted hold: '' to keep it, 'settle' or 'cancel' once its fate is decided, 'lock'
    to settle it into the books before that, 'stray' to send back what nobody wants."""

    ref: str
    milestone: int
    amount: Msat
    asked: int  # unix seconds
    salt: str
    replaces: str = ""  # a rollover: the ref of the hold from which it takes over
    covers: int = (
        0  # a deposit: how much of its milestone's price it covers, in the unit of the price; 0: it is no deposit
    )
    cltv: int = 0  # blocks that it was made to last
    rate: Rate | None = None  # by which its amount was reckoned
    state: FundingState = FundingState.MAKING
    payment_hash: PaymentHash = PaymentHash("")
    invoice: Secret = Secret("")
    expires_at: int = 0
    accepted_at: int = 0  # hearing clock
    expiry_height: int = 0  # E
    goal: str = ""
    refused: Msat = Msat(0)  # the last wrong amount that was turned away
    preimage: Secret = Secret("")

    @property
    def is_booked(self) -> bool:
        """Settled into the books for its task, and not given back out of them."""
        return self.state is FundingState.SETTLED and self.goal == LOCK

    @property
    def is_ahead(self) -> bool:
        """Money of a deposit that is there: held, or in the books."""
        held = self.state is FundingState.ACCEPTED and self.goal in ("", LOCK)
        return self.covers > 0 and (held or self.is_booked)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """One destination for one share. Without an invoice it waits for the person to name one."""

    ref: str
    role: Role
    to: Pubkey
    amount: Msat
    budget: Msat
    milestone: int = 1
    state: PayoutState = PayoutState.PLANNED
    salt: str = ""  # opens the claim's dest_hash; "" when none was published
    promised: bool = False  # the worker's signed claim committed to it
    invoice: Secret = Secret("")
    payment_hash: PaymentHash = PaymentHash("")
    expires_at: int = 0  # of the invoice, unix seconds
    final_cltv: int = 0
    attempts: int = 0  # that failed
    ordered: bool = False  # an attempt is ordered or under way
    next_try: int = 0  # unix seconds, while waiting for the next attempt
    fee: Msat = Msat(0)
    preimage: Secret = Secret("")
    reason: str = ""  # of the last failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a worker wants to be paid, as checked when he named it."""

    invoice: Secret
    payment_hash: PaymentHash
    amount: Msat
    expires_at: int
    final_cltv: int
    salt: str = ""  # opens the published dest_hash
    promised: bool = False  # the worker's signed claim committed to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Somebody who would do the work, where the employer picks. What he wrote is for the employer alone."""

    who: Pubkey
    seq: int  # of his claim.offered
    heard: int  # hearing clock
    note: str
    destination: Destination | None = None
    dest_hash: str | None = None  # the commitment of a signed claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    state: DisputeState
    by: Pubkey
    opened: int  # hearing clock


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditEntry:
    """What this task has put to somebody's account, for ever; what becomes of it there is no longer the task's affair."""

    role: Role
    to: Pubkey
    amount: Msat  # all of it: also what sending it may cost, since that is the person's own
    why: str
    milestone: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a worker's side has kept his payout from arriving (design: lifecycle, Paying)."""

    since: int = 0  # hearing clock; when his first notice was acknowledged; 0 before
    told: bool = False  # a notice that a payout failed on his side is on its way
    ours_at: int = 0  # hearing clock of the last failure that was ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    id: TaskId
    address: str  # "30078:<employer>:<d>"; of a posted task, of our own state event
    pinned: EventId
    posted: bool
    employer: Pubkey
    title: str
    description: str
    terms: Terms
    created: int  # unix seconds
    milestones: tuple[Milestone, ...]
    at: int = 0  # which of them is the current one
    proposal: Proposal | None = None  # the newest, while none is agreed to
    proposed: tuple[int, ...] = ()  # when something was proposed within a day, unix seconds
    planned_with: Pubkey | None = None  # the worker with whom the milestones were agreed on
    closing: bool = False  # both agreed that this is the end, also where more milestones would follow
    state: TaskState | None = None  # None only before its first move
    phase: Phase = Phase.NONE
    ending: str = ""  # while refunding: the name of the cause that the end will have
    reason: str = ""  # why it ends, in a word
    marked: bool = False  # the worker gets a mark at the end
    worker: Pubkey | None = None
    applicants: tuple[Applicant, ...] = ()  # who may be hired, those of whom somebody else was preferred included
    applied: tuple[tuple[Pubkey, int], ...] = ()  # who has applied within a day, unix seconds
    bound_seq: int = 0  # of the entry that bound the worker; 0 in what was stored before that was kept
    consented: int = 0  # hearing clock: when the worker said that he would do it
    rushed: bool = False  # the work began so late after it that it is nobody's fault when it is not done in time
    claimed_at: int = 0  # hearing clock
    funded_until: int = 0  # hearing clock: the hold timeout, only while Funded
    destination: Destination | None = None
    dest_hash: str | None = None  # the commitment of a signed claim
    fundings: tuple[Funding, ...] = ()
    payouts: tuple[Payout, ...] = ()
    credits: tuple[CreditEntry, ...] = ()
    locked: Msat = Msat(0)  # in the books (paid_locked) while nothing is decided, all of the task's
    compensated: Msat = Msat(0)  # what the insurance has given for losses of this task
    compensations: tuple[
        tuple[int, str], ...
    ] = ()  # what for: the sats and the words of each, so that none is given twice
    deposit: Deposit | None = None  # the newest that was accepted
    undeposited: bool = False  # the employer does not want to be asked for one
    dispute: Dispute | None = None
    offers: tuple[tuple[Pubkey, int, int], ...] = ()  # who offered which percentage to the worker, seq of that entry
    split: int = 100  # percent of the reward that the worker gets
    patience: Patience = field(default_factory=Patience)
    lost: bool = False  # the hold vanished while a payout was pending
    frozen_at: int = 0  # hearing clock: since when the operator has it frozen; 0 when he has not, and at the end
    unsure: bool = False  # restored from its log: what was paid out meanwhile, only the operator can tell; nobody is paid until then
    warned: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()  # warnings that a relay acknowledged
    seq: int = 0
    latest: tuple[tuple[LogType, int], ...] = ()  # the newest entry of each type
    counter: int = 0  # for refs of fundings, payouts and effects

    @property
    def current(self) -> Milestone:
        """The milestone that the task's state speaks of."""
        return self.milestones[self.at]

    @property
    def reward(self) -> Msat:
        """Of the current milestone, as its hold contains it."""
        return self.current.reward

    @property
    def budget(self) -> Msat:
        return self.current.budget

    @property
    def is_project(self) -> bool:
        return len(self.milestones) > 1

    @property
    def total(self) -> Msat:
        """The rewards of all milestones."""
        return Msat(sum(each.reward for each in self.milestones))

    @property
    def currency(self) -> str:
        """The unit of the price; "" for sats."""
        return self.terms.pricing.currency if self.terms.pricing else ""

    @property
    def indicative(self) -> bool:
        """The price is in a currency, and no rate is frozen: the next invoice says what it is in sats, or would have."""
        if self.terms.pricing is None or self.state in (None, TaskState.DRAFT):
            return self.terms.pricing is not None
        if self.unfunded:
            return self.quote is None
        return self.state is not None and self.state.is_final and not any(f.expiry_height for f in self.own_fundings)

    @property
    def deadline(self) -> int:
        """Until when the current milestone is to be delivered, on the hearing clock."""
        return self.current.due or self.terms.deadline

    @property
    def fee(self) -> Msat:
        """What has been booked to the operator over all milestones."""
        return Msat(sum(each.fee for each in self.milestones))

    @property
    def insurance(self) -> Msat:
        """What has been booked to the house's insurance over all milestones."""
        return Msat(sum(each.insurance for each in self.milestones))

    @property
    def hires_first(self) -> bool:
        return self.terms.order == "hire_first"

    @property
    def on_approval(self) -> bool:
        """Nothing is held before the work is approved."""
        return self.terms.funding == "on_approval"

    @property
    def unfunded(self) -> bool:
        """The work is under way or approved, as agreed without money for it."""
        under_way = self.state in (TaskState.CLAIMED, TaskState.DISPUTED)
        return self.on_approval and under_way and not self.complete

    @property
    def awaits_payment(self) -> bool:
        """It is approved, and the employer is asked for the money."""
        return self.phase is Phase.AWAITING

    @property
    def asks_for_due(self) -> bool:
        """The work was approved before there was money for it: the employer is, or was, asked for what is due, and for no more."""
        return self.current.pay_until > 0

    @property
    def picks(self) -> bool:
        return self.terms.claim == "pick"

    @property
    def is_open(self) -> bool:
        """There is a place for a worker: whoever comes may claim it, or offer to do it where the employer picks."""
        if self.phase is not Phase.NONE or self.worker is not None:
            return False
        return self.state is TaskState.FUNDED or (self.state is TaskState.DRAFT and self.hires_first)

    @property
    def bound(self) -> int:
        """The entry that bound the worker; 0 while there is none."""
        return (self.bound_seq or self.seq_of(LogType.TASK_CLAIMED)) if self.worker else 0

    @property
    def frozen(self) -> bool:
        return self.frozen_at > 0

    @property
    def hold_amount(self) -> Msat:
        """What the employer locks: the reward, his part of the service fee, and what sending may cost; when he is asked for the money only
        at the approval, no more than the approved hours, or the agreed share, take."""
        if not self.asks_for_due:
            return Msat(self.net + self.service_fee + self.budget)
        asked = self.current.asked
        return Msat(self.share_of(asked) + self.fee_of(asked) + self.budget)

    @property
    def own_covers(self) -> tuple[Funding, ...]:
        """Of the deposit, what is there for the current milestone."""
        return tuple(f for f in self.own_fundings if f.is_ahead)

    @property
    def still_asked(self) -> Msat:
        """What the employer is asked for the current milestone: all that it costs, less what a deposit has for it."""
        return Msat(max(0, self.hold_amount - sum(f.amount for f in self.own_covers)))

    @property
    def service_fee(self) -> Msat:
        """All of it, when the whole reward is the worker's."""
        return self.terms.fees.of(self.reward)

    @property
    def net(self) -> Msat:
        """What the worker gets when the whole reward is his: the reward less his part of the service fee."""
        return Msat(self.reward - self.terms.fees.of_worker(self.reward))

    @property
    def own_fundings(self) -> tuple[Funding, ...]:
        """Those of the current milestone."""
        return tuple(each for each in self.fundings if each.milestone == self.current.number)

    @property
    def own_payouts(self) -> tuple[Payout, ...]:
        return tuple(each for each in self.payouts if each.milestone == self.current.number)

    @property
    def hold(self) -> Funding | None:
        """The accepted hold that the agreement rests on, also while it is being settled or cancelled; of two the one that ends first. None
        while a deposit is all that is there, and it is not enough, or the rest is waited for, and when all is in the books."""
        return min(self.holds, key=lambda held: held.expiry_height) if self.complete and self.holds else None

    @property
    def complete(self) -> bool:
        """The milestone rests on money that is there, held or in the books; not on a deposit that is not enough, or while the rest is
        waited for."""
        there = (*self.holds, *self.kept)
        if self.state is TaskState.DRAFT or self.awaits_payment or not there:
            return False
        undecided = self.state in (TaskState.PENDING_FUNDING, TaskState.CLAIMED, TaskState.DISPUTED)
        waits = undecided and self.phase is not Phase.REFUNDING
        return not waits or sum(f.amount for f in there) >= self.hold_amount

    @property
    def holds(self) -> tuple[Funding, ...]:
        """All accepted ones of the current milestone: at most one of a deposit, and one other."""
        return tuple(f for f in self.own_fundings if f.state is FundingState.ACCEPTED and f.goal != "stray")

    @property
    def backing(self) -> tuple[Funding, ...]:
        """The same, with those of them that the node has settled, given back or lost since: what the milestone's end is about."""
        kept = (f for f in self.own_fundings if f.goal != "stray")
        gone = FundingState.CANCELLED  # also what becomes of an invoice that nobody paid
        return tuple(f for f in kept if f.state in _CAME or (f.state is gone and f.expiry_height))

    @property
    def kept(self) -> tuple[Funding, ...]:
        """The holds of old of the current milestone whose money is in the books."""
        return tuple(f for f in self.own_fundings if f.is_booked)

    @property
    def in_books(self) -> bool:
        """All that the agreement rests on is in the books: no height matters to it."""
        over = self.state is not None and self.state.is_final
        return bool(self.kept) and self.complete and not self.holds and not over

    @property
    def locking(self) -> bool:
        """The node is asked to settle the hold into the books."""
        hold = self.hold
        return hold is not None and hold.goal == LOCK

    @property
    def custody(self) -> str:
        """Where the money is, or will be when it comes; of two parts, one of which is in the books, the books."""
        over = self.state is not None and self.state.is_final
        return "ledger" if self.kept and self.complete and not over else "lightning_self"

    @property
    def quote(self) -> Funding | None:
        """The open invoice that first locks the money, or the one being made."""
        return next((f for f in self._invoices if not (f.replaces or f.covers)), None)

    @property
    def rollover(self) -> Funding | None:
        """The open invoice of a fresh hold, or the one being made."""
        return next((f for f in self._invoices if f.replaces), None)

    @property
    def _invoices(self) -> list[Funding]:
        return [f for f in self.own_fundings if f.state in (FundingState.MAKING, FundingState.CREATED) and not f.goal]

    @property
    def share(self) -> Payout | None:
        """The worker's active payout out of the hold."""
        return next((p for p in self.own_payouts if p.role is Role.WORKER and not p.state.is_final), None)

    @property
    def paid_share(self) -> Payout | None:
        return next((p for p in self.own_payouts if p.state is PayoutState.COMPLETE), None)

    @property
    def waits_for(self) -> str:
        """The ref of the letters that start the clock of the worker's side: those of this milestone, no earlier ones."""
        return f"patience/{self.current.number}" if self.at else "patience"

    @property
    def share_amount(self) -> Msat:
        """What the worker gets of what was agreed on: his part of the reward less that of his part of the fee."""
        return Msat(self.share_of(self.split) - (self.current.short or 0))

    def share_of(self, percent: int, hours: int | None = None) -> Msat:
        """The same of so many percent; of work that is paid by the hour, of what the delivered hours come to, or so many hundredths."""
        bears = self.terms.fees.of_worker(self.reward)
        reward, bears = self.worked(self.reward, hours=hours), self.worked(bears, hours=hours)
        return Msat(part(reward, percent) - part(bears, percent))

    @property
    def fee_due(self) -> Msat:
        """The service fee of what was agreed on; none of a share that a deposit alone has paid."""
        return Msat(0) if self.current.short is not None else self.fee_of(self.split)

    def fee_of(self, percent: int) -> Msat:
        """The service fee of so many percent; of work that is paid by the hour, of what the delivered hours come to."""
        return part(self.worked(self.service_fee), percent)

    @property
    def takes_all(self) -> bool:
        """The worker gets all that the hold was made for, and the employer nothing back: the whole reward, or what all his hours come to
        where no more than that was asked for."""
        return self.split == 100 and (self.asks_for_due or self.worked(self.reward) == self.reward)

    def worked(self, whole: Msat, milestone: Milestone | None = None, hours: int | None = None) -> Msat:
        """What the newest delivered hours, or `hours`, come to of an amount for all of the milestone (the current one). All of it where
        none are delivered, or the work is not paid by the hour."""
        each, hourly = milestone or self.current, self.terms.hourly
        done = each.delivered_hours if hours is None else hours
        return hourly.part(whole, done, self.price_of(each)) if hourly and done else whole

    def price_of(self, milestone: Milestone) -> int:
        """In sats, or in the smallest unit of the currency."""
        return milestone.price if self.terms.pricing else milestone.reward // MSAT_PER_SAT

    @property
    def covers(self) -> tuple[Funding, ...]:
        """The deposit: what is there ahead for milestones whose money is not complete, or whose turn has not come."""
        there = (f for f in self.fundings if f.is_ahead and f.milestone >= self.current.number)
        return tuple(f for f in there if f.milestone > self.current.number or not self.complete)

    @property
    def cover_invoices(self) -> tuple[Funding, ...]:
        """Those of a deposit that are open, or being made."""
        asked = (f for f in self.fundings if f.covers and f.state in (FundingState.MAKING, FundingState.CREATED))
        return tuple(f for f in asked if not (f.goal or f.replaces))

    def renewal(self, ref: str) -> Funding | None:
        """The open invoice of a fresh hold for this one, or the one being made."""
        asked = (f for f in self.fundings if f.state in (FundingState.MAKING, FundingState.CREATED) and not f.goal)
        return next((f for f in asked if f.replaces == ref), None)

    @property
    def most_hours(self) -> int:
        """Hundredths of an hour that the current milestone has room for; 0 where the work is not paid by the hour."""
        return self.terms.hourly.most(self.price_of(self.current)) if self.terms.hourly else 0

    @property
    def names_hours(self) -> bool:
        """The worker may say now how many hours he has worked: before he delivers, or once more after a rejection."""
        under_way = self.current.state in (WorkState.IN_PROGRESS, WorkState.REJECTED) and not self.current.arriving
        return bool(self.terms.hourly) and self.state is TaskState.CLAIMED and under_way

    @property
    def last_safe_height(self) -> int:
        """L: the last height at which an approval can surely still be paid; 0 without a hold."""
        hold = self.hold
        return self.terms.last_safe(hold.expiry_height) if hold else 0

    @property
    def settle_height(self) -> int:
        """E - M: from here on the money is settled or cancelled at the latest, all of it; 0 when nothing is held any more."""
        if self.hold is None:
            return 0
        ends = min(f.expiry_height for f in self.backing if f.state is FundingState.ACCEPTED or f.goal == "settle")
        return ends - self.terms.margin

    @property
    def rollover_height(self) -> int:
        """From here on the employer is asked for a fresh hold; 0 without a hold, or when the terms have none.

        A day before L, and not before a fresh one would last a day longer than the present one.
        """
        hold = self.hold
        if hold is None or hold.goal or not self.terms.on_hold_end.startswith("rollover"):
            return 0
        return max(self.last_safe_height - ROLLOVER_BLOCKS, hold.expiry_height - hold.cltv + ROLLOVER_BLOCKS + _PADDING)

    def renews_at(self, hold: Funding) -> int:
        """From here on the employer is asked for a fresh one, 0: never. A day before L, and not before it would last a day longer."""
        if hold.goal or not self.terms.on_hold_end.startswith("rollover"):
            return 0
        last_safe = self.terms.last_safe(hold.expiry_height)
        return max(last_safe - ROLLOVER_BLOCKS, hold.expiry_height - hold.cltv + ROLLOVER_BLOCKS + _PADDING)

    def funding(self, ref: str) -> Funding | None:
        return next((f for f in self.fundings if f.ref == ref), None)

    def payout(self, ref: str) -> Payout | None:
        return next((p for p in self.payouts if p.ref == ref), None)

    def credit(self, who: Pubkey) -> Msat:
        """What this task has put to his account."""
        return Msat(sum(entry.amount for entry in self.credits if entry.to == who))

    def seq_of(self, kind: LogType) -> int:
        return dict(self.latest).get(kind, 0)

    def applicant(self, who: str) -> Applicant | None:
        return next((each for each in self.applicants if each.who == who), None)

    def role_of(self, who: Pubkey) -> Role | None:
        if who == self.employer:
            return Role.EMPLOYER
        return Role.WORKER if who == self.worker else None

    def with_current(self, milestone: Milestone) -> Task:
        return replace(self, milestones=(*self.milestones[: self.at], milestone, *self.milestones[self.at + 1 :]))

    def with_milestone(self, **changes: Any) -> Task:
        return self.with_current(replace(self.current, **changes))

    def with_funding(self, ref: str, **changes: Any) -> Task:
        return replace(self, fundings=tuple(replace(f, **changes) if f.ref == ref else f for f in self.fundings))

    def with_payout(self, ref: str, **changes: Any) -> Task:
        return replace(self, payouts=tuple(replace(p, **changes) if p.ref == ref else p for p in self.payouts))


def shown(task: Task) -> dict[str, Any]:
    """What a task costs and brings, as everybody is shown it before he signs anything: hold = net + service fee + budget."""
    return {
        "reward_msat": task.reward,
        "net_msat": task.net,
        "service_fee_msat": task.service_fee,
        "budget_msat": task.budget,
        "hold_msat": task.hold_amount,
        **({"total_msat": task.total} if task.is_project else {}),
        **priced(task),
    }


def priced(task: Task) -> dict[str, Any]:
    """The price in its currency, and the rate by which it is sats; nothing where it is in sats."""
    rate = task.current.rate
    if rate is None:
        return {}
    return {
        "currency": rate.currency,
        "price": plain(task.current.price, rate.currency),
        "rate": str(rate.price),
        "rate_sources": list(rate.sources),
        "rate_time": rate.time,
    }


def by_hour(task: Task) -> dict[str, Any]:
    """The agreed rate of work that is paid by the hour, in the unit of the price, and how many hours at most; else nothing."""
    return told_by_hour(task.terms.hourly, task.currency)


def told_by_hour(hourly: Hourly | None, currency: str) -> dict[str, Any]:
    if hourly is None:
        return {}
    rate = plain(hourly.rate, currency) if currency else str(hourly.rate)
    return {"hourly_rate": rate, "hours_cap": hourly.cap, "hourly_unit": currency or "sats"}


def delivered(task: Task, milestone: Milestone) -> dict[str, Any]:
    """The hours of a milestone's newest delivery, in hundredths; nothing where the work is not paid by the hour."""
    if task.terms.hourly is None:
        return {}
    return {"hours": milestone.delivered_hours or None}


def in_both(task: Task) -> dict[str, Any]:
    """What a message needs to tell the task's amounts in sats and in its currency."""
    return {**priced(task), "indicative": task.indicative} if task.currency else {}


def holder(task: Task) -> str:
    """Who has the money while nothing is decided, by the agreed terms: a word for the cards."""
    if task.in_books:
        return "ledger"
    if task.on_approval and task.hold is None:
        return "nobody_yet"
    if task.terms.custody_mode == "ledger":
        return "ledger_at_claim"
    return "ledger_at_end" if task.terms.outlasts_hold else "hold"
