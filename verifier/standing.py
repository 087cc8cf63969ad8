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
    held: str = ""  # the funding that holds the money
    expiry_height: int = 0  # E
    last_safe_height: int = 0  # L
    funded_until: int = 0

    applicants: dict[str, Entry] = field(default_factory=dict)  # who may be hired, by the newest claim.offered of each
    bound: int = 0  # seq of the entry that bound the worker
    consent: list[str] = field(default_factory=list)  # strength of what says that he is
    consented: int = 0  # when the worker said that he would be
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
    locked: bool = False  # in the daemon's books
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
        return self.on_approval and not self.held

    @property
    def due(self) -> int:
        """What the employer pays for the agreed part of the work: the worker's share, the fee of it, and the whole budget for routing."""
        return self.share + self.fee_due + self.budget

    @property
    def share(self) -> int:
        """What the worker gets."""
        return self.share_of(self.percent)

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
        return part(self.worked(self.fee.whole), self.percent)

    def worked(self, whole: int) -> int:
        """What the delivered hours come to of an amount for the whole price, rounded down to the sat; all of it to the msat."""
        if not (self.hours and self.price):
            return whole
        done = self.hour_rate * Fraction(self.hours, 100) / self.price
        return whole if done == 1 else int(whole * done / 1000) * 1000

    def share_of(self, percent: int) -> int:
        """His part of the reward less that of what he bears of the service fee, each rounded down to the sat; of hours, of what they come to."""
        return part(self.worked(self.reward), percent) - part(self.worked(self.fee.of_worker), percent)

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
