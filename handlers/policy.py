"""What holds for the whole house, passed in with every decision. What a task agreed to is copied into the task instead."""

from __future__ import annotations

from dataclasses import dataclass

from handlers.fees import FREE, Fees, routing_budget
from kinds.units import SECONDS_PER_BLOCK, EventId, Msat, Pubkey, sats

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All amounts msat, times seconds, deltas blocks. `id` names this set of values in each input, for exact replay."""

    bot: Pubkey
    network: str
    hrp: str  # BOLT11 prefix of the network
    node: str  # our node's public key, 66 hex digits
    terms_version: EventId  # the published terms that govern new tasks
    operator: str = ""  # whose messages are the operator's; "": nobody's

    min_reward: Msat = sats(100)
    max_reward: Msat = sats(1_000_000)
    budget_base: Msat = sats(10)  # payout fee budget = max(base, ppm of the share)
    budget_ppm: int = 10_000
    fees: Fees = FREE  # the service fee of new tasks
    min_part: Msat = sats(5000)
    max_parts: int = 8

    hold_cltv: int = 864
    margin: int = 58  # M: settle this long before E
    payout_limit: int = 288  # D: the longest route that a payout may take
    reserve: int = 144  # kept for a dispute
    max_final_cltv: int = 144

    invoice_expiry: int = HOUR
    hold_timeout: int = DAY
    review_window: int = DAY
    max_deadline: int = 90 * DAY
    dispute_limit: int = 30 * DAY  # a dispute about money in the books ends after that
    custody_modes: tuple[str, ...] = ("lightning_self",)
    min_inbound: Msat = Msat(0)  # what the node can still receive behind a new hold
    min_outbound: Msat = Msat(0)  # what it can still send, behind all approved work
    min_slots: int = 0  # HTLC slots that are still free behind it
    max_held: Msat = Msat(0)  # held at once, open invoices included; 0: no ceiling
    currencies: tuple[str, ...] = ()  # in which a price may be named, beside sats
    rate_sources: tuple[str, ...] = ()  # who is asked for rates
    rate_agree: int = 2  # so many of them must agree
    rate_spread: int = 3  # percent from their median: who is further off does not count
    rate_age: int = 30 * MINUTE  # the oldest rate that is still frozen
    rate_expiry: int = 10 * MINUTE  # how long an invoice at a frozen rate lives
    quotes_a_day: int = 3
    proofs_a_day: int = 3
    milestones_above: Msat = sats(100_000)  # a larger project is advised to be cut into milestones
    milestones_above_price: int = 10_000  # the same in whole units of a currency
    deposit_percent: int = 25  # of a large task, which the employer is asked to lock ahead
    deposit_above: Msat = sats(30_000)
    deposit_above_price: int = 3_000  # the same in whole units of a currency
    make_hold_patience: int = 600
    retry_first: int = 30  # a failed payout is tried again after this, doubling
    retry_most: int = 1800
    fetch: bool = False  # deliverables are downloaded and their sha256 compared
    can: tuple[str, ...] = ("limits", "parts")  # what the node knows (kinds.lightning.NodeFacts)

    @property
    def hold_ends(self) -> tuple[str, ...]:
        """What may happen to an undecided task at the end of its hold."""
        books = ("ledger", "rollover then ledger") if "ledger" in self.custody_modes else ()
        return ("refund", "rollover then refund", *books)

    def room(self) -> int:
        """Blocks of a fresh hold that are left for the work, behind what margin, payout, dispute and review take (a task's L)."""
        review = -(-self.review_window // SECONDS_PER_BLOCK)
        return self.hold_cltv - self.margin - self.payout_limit - 6 - self.reserve - review

    def budget(self, share: Msat) -> Msat:
        """The most that routing a payout of this size may cost; rounded up to the sat."""
        return routing_budget(share, self.budget_base, self.budget_ppm)

    def affordable(self, rest: Msat) -> Msat:
        """The largest share, in whole sats, that can be paid out of `rest` with its own fee budget; 0 when there is none."""
        share = max(0, min(rest - self.budget_base, rest * 1_000_000 // (1_000_000 + self.budget_ppm))) // 1000 * 1000
        while share > 0 and share + self.budget(Msat(share)) > rest:
            share -= 1000
        return Msat(share)
