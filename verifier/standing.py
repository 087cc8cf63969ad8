"""What is known of a task after so many entries: the verifier's own memory while it reads a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from verifier.chain import Entry
from verifier.fees import FREE, ServiceFee, part
from verifier.findings import Code, Finding, Notes

DAY = 86400
BLOCK = 600  # seconds that the protocol counts for one block
SETTLE_SLACK = 6  # blocks in L = E - M - D - 6
CLOCK_SLACK = 60
"""Seconds by which a published time may lie before what its entry's clock gives: an entry never shows an earlier time than the one
before it, so after a correction of the daemon's clock its own time is the later one."""
FALL_BACK = 600
"""Seconds by which the hearing clock may fall back between two entries: so long a silence is no deafness, and when it lasts, all of it is."""

Say = Callable[[Code, str], None]


@dataclass(slots=True)
class Book:
    """What the chains of one daemon share: its key, its terms, its outages, and what may be used only once."""

    bot: str
    terms: Mapping[str, Mapping[str, Any]]
    announced: tuple[tuple[int, str], ...] = ()  # (time, terms id) of the daemon's own chain
    outages: tuple[tuple[int, int | None], ...] | None = None  # (since, until); None: its own chain was not found
    consumed: dict[str, tuple[str, int]] = field(default_factory=dict)  # event id -> task and seq of the move
    hashes: dict[str, str] = field(default_factory=dict)  # payment hash -> the funding or the entry that used it
    addresses: dict[str, str] = field(default_factory=dict)  # task address -> task


@dataclass(frozen=True, slots=True)
class Credit:
    """What a task has put to somebody's account; msat."""

    to: str
    amount: int


@dataclass(slots=True)
class Part:
    """A milestone as it was agreed on; msat, and on the hearing clock."""

    reward: int
    budget: int
    due: int
    price: str = ""  # in the task's currency
    rate: str = ""  # by which the reward is that, or is estimated


@dataclass(frozen=True, slots=True)
class Hold:
    """Money that is there for the milestone whose turn it is; msat."""

    funding: str
    amount: int
    expiry_height: int  # E
    booked: bool  # it is in the daemon's books, and its height matters no more


@dataclass(slots=True)
class Cover:
    """A hold of a deposit, or its open invoice: so much of the price of one milestone, in the unit of the price."""

    milestone: int
    price: Fraction
    whole: bool  # it is over everything that its milestone costs, else over that part of the reward alone
    amount: int  # msat
    funding: str
    asked: str  # the funding whose invoice is open: its own, or that of a fresh hold
    rate: str = ""  # by which its part of the price is that amount
    dropped: bool = False  # nobody wants its invoice any more
    held: bool = False
    expiry_height: int = 0  # E


@dataclass(slots=True)
class Standing:
    """A task so far. Amounts are msat; `..._until` and `deadline` are on the hearing clock."""

    task: str
    book: Book
    notes: Notes
    state: str = ""
    phase: str = ""
    work: str = "PENDING"
    seen: dict[str, Entry] = field(default_factory=dict)  # by id
    newest: dict[str, Entry] = field(default_factory=dict)  # by type
    last: Entry | None = None
    outages: list[tuple[int, int]] = field(default_factory=list)  # (time, deaf) of the entries that show more of it

    employer: str = ""
    worker: str = ""
    title: str = ""
    address: str = ""
    root: str = ""
    reward: int = 0
    budget: int = 0
    fee: ServiceFee = FREE
    hold: int = 0
    currency: str = ""  # of the price; "" for sats
    rate: str = ""  # by which the amounts above are its price
    hour_rate: Fraction = Fraction(
        0
    )  # what an hour costs, in sats or in the currency; 0 where it is not paid by the hour
    hours: int = 0  # hundredths of an hour of the newest proof, 0 for none
    deadline: int = 0
    words: Mapping[str, Any] = field(default_factory=dict)  # facts of task.created, and what a plan has changed of them
    total: int = 0  # the reward of the whole
    whole_price: str = ""  # the same in the task's currency; "" where its milestones say so from the start
    whole_deadline: int = 0
    parts: list[Part] = field(default_factory=list)  # milestones; none in a task that is no project
    number: int = 1  # of the one whose turn it is
    plan: Entry | None = None  # the newest proposal
    drafted: list[Part] = field(default_factory=list)  # its milestones, at the rate of that moment
    drafted_rate: Fraction = Fraction(0)  # what an hour costs by it; 0: it says nothing of hours
    planned_with: str = ""
    closing: bool = False  # both agreed on an end
    terms: Mapping[str, Any] = field(default_factory=dict)  # the operator's terms that it names

    commitments: dict[str, str] = field(default_factory=dict)  # funding -> hash_commitment
    quote: str = ""  # the funding whose invoice is open
    quoted: int = 0  # what it is for
    renews: str = ""  # the funding that it is to replace
    held: str = ""  # the funding that holds the money, beside a deposit or alone
    held_amount: int = 0
    held_until: int = 0  # its E
    covers: dict[int, Cover] = field(default_factory=dict)  # of the deposit, by milestone
    accepted: dict[int, Fraction] = field(default_factory=dict)  # what the newest deposit covers of each milestone
    given_back: Cover | None = None  # of the milestone whose turn it is, right before the end
    asked_before: int = 0  # and what was asked for the milestone before that
    budget_before: int = 0  # and the budget, which may be another one without the deposit
    returned: list[Entry] = field(default_factory=list)  # given back right before the end of the task
    begins: bool = False  # a milestone was released, and the next one is wholly covered
    borne: int | None = None  # the employer has not paid: what the worker gets out of the deposit
    funded_until: int = 0

    applicants: dict[str, Entry] = field(default_factory=dict)  # who may be hired, by the newest claim.offered of each
    bound: int = 0  # seq of the entry that bound the worker
    consent: list[str] = field(default_factory=list)  # strength of what says that he is
    consented: int = 0  # when the worker said that he would be
    begun: int = 0  # when he was bound to the work, unix seconds; 0: that may have been before its entry's time
    rushed: bool | None = False  # the work began so late after it that nobody is marked; None: that may be or not
    dest_hash: str = ""
    claim_signed: bool = False
    proofs: int = 0  # number of the newest proof, over all workers
    proof: int = 0  # the same since the claim, 0 for none
    key_hashes: set[str] = field(default_factory=set)  # of the keys of sealed work, which are never published
    review_until: int = 0
    resubmit_until: int = 0
    pay_until: int = 0  # of approved work for which the money has been asked
    rejects: int = 0
    prolonged: int = 0
    offers: dict[str, tuple[int, Entry]] = field(default_factory=dict)  # who offered which percentage
    percent: int = 100
    approved_at: int = 0
    decision: list[str] = field(default_factory=list)  # strength of what the money rests on

    frozen: Entry | None = None  # the entry since which it is frozen
    reason: str = ""  # of refund.started or settlement.started
    lost: bool = False
    vanished: tuple[str, ...] = ()  # the fundings of the holds that were lost, of two the first one first
    books: set[str] = field(
        default_factory=set
    )  # the fundings whose money is in the daemon's books, over all milestones
    disputed_at: int = 0
    credits: dict[str, tuple[Credit, ...]] = field(default_factory=dict)  # by role, the oldest first
    opened: list[tuple[str, int]] = field(default_factory=list)  # payment hashes that the log opened, and where
    evidence: str | None = None  # the weakest on which money moved
    payout: str | None = None  # how well the worker's payment is proven

    def sayer(self, entry: Entry) -> Say:
        def say(code: Code, detail: str) -> None:
            self.notes.violations.append(Finding(code, detail, self.task, entry.seq, entry.id))

        return say

    def warn(self, entry: Entry, code: Code, detail: str) -> None:
        self.notes.warnings.append(Finding(code, detail, self.task, entry.seq, entry.id))

    @property
    def hires_first(self) -> bool:
        return bool(self.words.get("order") == "hire_first")

    @property
    def picks(self) -> bool:
        return bool(self.words.get("claim") == "pick")

    @property
    def on_approval(self) -> bool:
        """The money is asked for when the work is approved."""
        return bool(self.words.get("funding", "upfront") == "on_approval")

    @property
    def bare(self) -> bool:
        """Nothing is held, and that is as agreed."""
        return self.on_approval and not self.complete

    @property
    def cover(self) -> Cover | None:
        """The deposit that is held for the milestone whose turn it is."""
        found = self.covers.get(self.number)
        return found if found and found.held else None

    @property
    def complete(self) -> bool:
        """All the money is there that the milestone takes, so that its holds decide on its time."""
        enough = self.cover is not None and (self.cover.whole or self.state == "Verified")
        return bool(self.held) or (enough and self.state not in ("Draft", "PendingFunding"))

    @property
    def holds(self) -> list[Hold]:
        """On which the milestone rests: at most one of the deposit, and one other, which comes first."""
        if not self.complete:
            return []
        found = [(self.held, self.held_amount, self.held_until)] if self.held else []
        if self.cover:
            found.append((self.cover.funding, self.cover.amount, self.cover.expiry_height))
        return [Hold(ref, amount, expiry_height, ref in self.books) for ref, amount, expiry_height in found]

    @property
    def unbooked(self) -> list[Hold]:
        """Those of them that the node still holds: only their heights decide on anything."""
        return [hold for hold in self.holds if not hold.booked]

    @property
    def locked(self) -> bool:
        """All the money of the milestone is there, and in the daemon's books."""
        return bool(self.holds) and not self.unbooked

    @property
    def main(self) -> str:
        """The funding by which its money is named."""
        return next((hold.funding for hold in self.holds), "")

    @property
    def kept(self) -> int:
        """All that is there for the milestone."""
        return sum(hold.amount for hold in self.holds)

    @property
    def asked(self) -> int:
        """What is still asked for it; where work is approved, at least a sat: since the rate has moved, a deposit may have all of it."""
        left = self.hold - (self.cover.amount if self.cover else 0)
        return max(left, 1000) if self.phase == "awaiting_payment" else left

    @property
    def expiry_height(self) -> int:
        """E of the hold that ends first; 0 without one, and where all of it is in the books."""
        return min((hold.expiry_height for hold in self.unbooked), default=0)

    @property
    def last_safe_height(self) -> int:
        """L of the same."""
        return self.safe_height(self.expiry_height)

    def safe_height(self, expiry_height: int) -> int:
        """L of a hold that ends at this height."""
        ahead = int(self.words["margin"]) + int(self.words["payout_limit"]) + SETTLE_SLACK
        return expiry_height - ahead if expiry_height else 0

    @property
    def due(self) -> int:
        """What the employer pays for the agreed part of the work: the worker's share, the fee of it, and the whole budget for routing."""
        return self.share + self.fee_due + self.budget

    @property
    def share(self) -> int:
        """What the worker gets; where the employer has not paid, what the deposit bears of it."""
        return self.share_of(self.percent) if self.borne is None else self.borne

    @property
    def net(self) -> int:
        """What the worker gets when the whole reward is his."""
        return self.reward - self.fee.of_worker

    @property
    def price(self) -> Fraction:
        """Of the milestone whose turn it is, or of the whole; in sats or in the currency."""
        return Fraction(self.words["price"]) if self.currency else Fraction(self.reward, 1000)

    @property
    def takes_all(self) -> bool:
        """The worker's share is all that the hold was for, and nothing goes back: the whole reward, or, where the money was asked for when
        the work was approved, what his hours came to."""
        return self.percent == 100 and (self.pay_until > 0 or self.worked(self.reward) == self.reward)

    @property
    def fee_due(self) -> int:
        return 0 if self.borne is not None else part(self.worked(self.fee.whole), self.percent)

    def worked(self, whole: int) -> int:
        """What the delivered hours come to of an amount for the whole price, rounded down to the sat; all of it to the msat."""
        if not (self.hours and self.price):
            return whole
        done = self.hour_rate * Fraction(self.hours, 100) / self.price
        return whole if done == 1 else int(whole * done / 1000) * 1000

    def share_of(self, percent: int) -> int:
        """His part of the reward less that of what he bears of the service fee, each rounded down to the sat; of hours, of what they come to."""
        return part(self.worked(self.reward), percent) - part(self.worked(self.fee.of_worker), percent)

    def overtaken(self, entry: Entry) -> bool:
        """Whether it may tell of a letter that was heard earlier and opened late: no entry shows an earlier time than the one before it."""
        return self.last is not None and entry.time == self.last.time

    def late(self, entry: Entry) -> int:
        """Seconds on the hearing clock by which it may show more than when it was heard."""
        return CLOCK_SLACK + (FALL_BACK if self.overtaken(entry) else 0)

    def outage(self, since: int, entry: Entry) -> int:
        """The deaf time between two moments."""
        known = [deaf for time, deaf in self.outages if time <= since]
        return max(0, entry.deaf - (known[-1] if known else 0))

    def told_of(self, since: int, entry: Entry) -> bool:
        """Whether what it tells may have been heard so early."""
        back = self.outage(since, entry) if self.overtaken(entry) else 0
        return entry.time - since <= self.late(entry) + back

    @property
    def outlasts_hold(self) -> bool:
        """Both agreed that the money may go into the daemon's books."""
        return self.words["custody_mode"] == "ledger" or str(self.words["on_hold_end"]).endswith("ledger")

    @property
    def settle_height(self) -> int:
        return self.expiry_height - int(self.words["margin"])

    def at_height(self, entry: Entry, height: int) -> int:
        """When a height is expected, on the hearing clock."""
        return entry.heard + (height - entry.height) * BLOCK


_STRENGTH = {"signed": "signed", "attested": "attested"}


def strength(entry: Entry) -> str:
    """How well it is proven that somebody wanted this; node and clock speak for nobody, so that is silence."""
    return _STRENGTH.get(entry.proven, "silence")


def weakest(found: list[str]) -> str | None:
    return max(found, key=("signed", "attested", "silence").index, default=None)
