"""What the verifier knows of deposits: sound records, several to the msat by hand, and forgeries of each rule with the code that catches them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import pytest

from tests.verifier.forge import (
    CLTV,
    DAY,
    EMPLOYER,
    HOUR,
    T0,
    WORKER,
    Event,
    Fee,
    Key,
    Life,
    Line,
    codes,
    commit,
    notes,
    sha,
)
from tests.verifier.test_witness_approval import Unpaid
from tests.verifier.test_witness_hiring import FIRST

AHEAD = 58 + 288 + 6  # blocks from L to E
LIMITS = {
    "budget_base_msat": 10_000,
    "budget_ppm": 10_000,
    "min_reward_msat": 100_000,
    "max_reward_msat": 1_000_000_000,
}
ESTIMATED, CHEAP, DEAR = "8000000.00", "7000000.00", "9000000.00"  # rates; an INR is 12.5 sats by the first
FOUR = ("5000", "8000", "5000", "2000")
RUPEES = ("50.00", "80.05", "50.00", "19.99")
WHOLE_DEPOSIT = ("deposit.offered", "deposit.accepted", "deposit.declined")


@dataclass
class Held:
    """A cover as the test keeps it."""

    price: str
    amount: int
    ref: str
    rate: str
    expiry: int = 0


def sats(price: Fraction, rate: str) -> int:
    return math.ceil(price * 100_000_000 / Fraction(rate)) * 1000


def spare(amount: int) -> int:
    """The routing budget of an amount."""
    return max(10_000, math.ceil(Fraction(amount, 100_000)) * 1000)


class Ahead(Unpaid):
    """A record of a project of which a part is locked ahead, or of a task in one piece. Its prices are in sats, or in rupees."""

    def __init__(self, prices: tuple[str, ...] = FOUR, later: bool = False, fee: int = 0, **facts: Any) -> None:
        """`later`: paid on approval. `fee`: of each milestone, split."""
        self.prices, self.later, self.priced = prices, later, "." in prices[0]
        self.turn = 1
        self.rates = [ESTIMATED if self.priced else ""] * len(prices)
        self.covers: dict[int, Held] = {}
        self.main, self.main_amount, self.made = "", 0, 0
        self.each_fee = fee
        self.project = len(prices) > 1
        whole = sum(map(Fraction, prices))
        total = f"{float(whole):.2f}" if self.priced else str(whole)
        first = {
            "reward_msat": self.worth(1),
            "budget_msat": self.budget(1),
            "hold_msat": self.cost(1),
            "net_msat": self.worth(1) - fee // 2,
        }
        if fee:
            first |= {"service_fee_msat": fee}
        deadline = T0 + 2 * DAY
        self.dues = [deadline - 6 * HOUR * (len(prices) - n) for n in range(1, len(prices) + 1)]
        signed = [
            {"title": f"Part {n}", "amount": price if self.priced else int(price), "due": str(due)}
            for n, (price, due) in enumerate(zip(prices, self.dues, strict=True), 1)
        ]
        public = [
            {"title": f"Part {n}", "reward_msat": self.worth(n), "budget_msat": self.budget(n), "due": due, "details": ""}
            | ({"price": price} if self.priced else {})
            for n, (price, due) in enumerate(zip(prices, self.dues, strict=True), 1)
        ]  # fmt: skip
        terms: dict[str, Any] = FIRST | ({"funding": "on_approval"} if later else {})
        if self.project:
            terms |= {"payment_type": "MILESTONE", "milestones": signed, "on_reject": "revise", "max_rejects": 3}
            terms |= {"review_window": DAY}
            first |= {"milestones": public}
        for name in ("on_hold_end", "deposit_percent"):
            if name in facts:
                terms[name] = facts.pop(name)
        if self.priced:
            first |= {"currency": "INR", "price": prices[0], "rate": ESTIMATED, "rate_sources": ["one", "two"]}
            first |= {"rate_time": T0 - 60, **LIMITS}
        without = "on_hold_end" if "on_hold_end" in terms else ""
        fees = Fee(base=fee, payer="split", whole=fee, workers=fee // 2) if fee else None
        cost = f"{total} INR" if self.priced else f"{total} sats"
        super().__init__(terms, fee=fees, cost=cost, without=without, dispute_limit=30 * DAY, **(first | facts))
        self.lines[0].facts = {name: fact for name, fact in self.lines[0].facts.items() if fact is not ...}
        self.bind(WORKER)

    # what it comes to

    def worth(self, number: int) -> int:
        """The reward of a milestone."""
        price, cover = Fraction(self.prices[number - 1]), self.covers.get(number)
        if not self.priced:
            return int(price) * 1000
        if cover is None:
            return sats(price, self.rates[number - 1])
        return sats(Fraction(cover.price), cover.rate) + sats(price - Fraction(cover.price), self.rates[number - 1])

    def budget(self, number: int) -> int:
        return spare(self.worth(number))

    def cost(self, number: int) -> int:
        return self.worth(number) - self.each_fee // 2 + self.each_fee + self.budget(number)

    def ahead(self) -> int:
        """What the deposit has of the present milestone."""
        return self.covers[self.turn].amount if self.turn in self.covers else 0

    # the pen

    def add(self, type: str, state: str, work: str, by: Key | str, event: Any = None, /, **facts: Any) -> Line:
        numbered = {"milestone": self.turn} if self.project and self.lines and type not in WHOLE_DEPOSIT else {}
        said = numbered | facts
        return super().add(type, state, work, by, event, **{k: v for k, v in said.items() if v is not ...})

    def dest(self) -> str:
        return "" if self.project or self.priced else super().dest()

    def beside(self, type: str, by: Key | str = "node", event: Any = None, /, **facts: Any) -> Self:
        """An entry that moves nothing."""
        self.wait()
        self.add(type, *self.place, by, event, **facts)
        return self

    @property
    def place(self) -> tuple[str, str]:
        state, work = self.lines[-1].state, self.lines[-1].work
        return state, "PENDING" if work == "RELEASED" and state == "Draft" else work

    def ref(self) -> str:
        self.made += 1
        return f"{self.id}/h{self.made}"

    def secret(self, ref: str) -> dict[str, str]:
        return {"payment_hash": sha(bytes.fromhex(sha(f"hold {ref}"))), "hash_salt": sha(f"salt {ref}")}

    def sealed(self, ref: str) -> str:
        return commit(sha(f"salt {ref}"), self.secret(ref)["payment_hash"])

    # the deposit

    def offer_deposit(self, percent: int = 25, price: str = "5000", **facts: Any) -> Self:
        return self.beside("deposit.offered", "clock", percent=percent, price=price, **facts)

    def accept(self, *covers: tuple[int, str], percent: int = 25, signed: bool = True, answer: str = "accept", **facts: Any) -> Self:
        self.wait()
        event = self.decide(EMPLOYER, "deposit", len(self.lines), answer=answer) if signed else None
        whole = sum(Fraction(price) for _, price in covers)
        said = {
            "percent": percent,
            "price": f"{float(whole):.2f}" if self.priced else str(whole),
            "covers": [{"milestone": number, "price": price} for number, price in covers],
        }
        if not self.project:
            said["covers"] = [{"price": price} for _, price in covers]
        self.add("deposit.accepted", *self.place, EMPLOYER, event, **(said | facts))
        return self

    def decline(self, **facts: Any) -> Self:
        self.wait()
        event = self.decide(EMPLOYER, "deposit", len(self.lines), answer="decline")
        self.add("deposit.declined", *self.place, EMPLOYER, event, **facts)
        return self

    def bill(self, number: int, price: str, rate: str = ESTIMATED, **facts: Any) -> Self:
        """The invoice of a cover."""
        self.wait()
        ref = self.ref()
        cover = Held(price, 0, ref, rate if self.priced else "")
        if price == self.prices[number - 1]:
            worth = sats(Fraction(price), rate) if self.priced else int(price) * 1000
            cover.amount = worth - self.each_fee // 2 + self.each_fee + spare(worth)
        else:
            cover.amount = sats(Fraction(price), rate) if self.priced else int(price) * 1000
        self.billed = cover
        said = {"funding": ref, "amount_msat": cover.amount, "expires_at": self.time + HOUR}
        said |= {"hash_commitment": self.sealed(ref)} | self.about(number, price)
        if self.priced:
            said |= {"rate": rate, "rate_sources": ["one"], "rate_time": self.time}
        self.add("invoice.created", *self.place, "node", **(said | facts))
        return self

    def about(self, number: int, price: str) -> dict[str, Any]:
        return {"milestone": number if self.project else ..., "covers": price}

    def locked(self, number: int, blocks: int = CLTV, **facts: Any) -> Self:
        """It is paid."""
        self.wait()
        cover = self.billed
        cover.expiry = self.height + blocks
        said = {"funding": cover.ref, "amount_msat": cover.amount, "parts": 1, "expiry_height": cover.expiry}
        said |= {"last_safe_height": cover.expiry - AHEAD} | self.about(number, cover.price)
        self.add("invoice.accepted", *self.place, "node", **(said | facts))
        self.covers[number] = cover
        if cover.price == self.prices[number - 1] and self.priced:
            self.rates[number - 1] = cover.rate
        return self

    def cover(self, number: int, price: str, rate: str = ESTIMATED, blocks: int = CLTV) -> Self:
        return self.bill(number, price, rate).locked(number, blocks)

    def back(self, number: int, reason: str = "over", by: Key | str = "node", event: Any = None, **facts: Any) -> Self:
        """Written at once: what it stands before belongs to the same moment."""
        cover = self.covers.pop(number)
        said = {"milestone": number if self.project else ..., "funding": cover.ref, "amount_msat": cover.amount}
        said |= {"reason": reason} | self.secret(cover.ref)
        self.add("deposit.returned", *self.place, by, event, **(said | facts))
        return self

    def gone(self, number: int, **facts: Any) -> Self:
        """A cover is lost."""
        self.wait()
        cover = self.covers.pop(number)
        said = {"funding": cover.ref} | self.about(number, cover.price) | self.secret(cover.ref)
        self.add("hold.lost", *self.place, "node", **(said | facts))
        return self

    def renew(self, number: int, blocks: int = CLTV, ask: dict[str, Any] | None = None, beside: bool = True, **facts: Any) -> Self:
        """A fresh hold for a cover. `beside`: its milestone's turn has not come."""
        cover = self.covers[number]
        about = self.about(number, cover.price) if beside else {}
        self.wait()
        ref, old = self.ref(), cover.ref
        said = {"funding": ref, "replaces": old, "amount_msat": cover.amount, "expires_at": self.time + HOUR}
        said |= {"hash_commitment": self.sealed(ref)} | about
        self.add("rollover.asked", *self.place, "node", **(said | (ask or {})))
        self.wait()
        cover.ref, cover.expiry = ref, self.height + blocks
        said = {"funding": ref, "replaces": old, "amount_msat": cover.amount, "parts": 1, "expiry_height": cover.expiry}
        said |= {"last_safe_height": cover.expiry - AHEAD} | about
        self.add("rollover.completed", *self.place, "node", **(said | facts))
        return self

    # the milestone

    def quote(self, rate: str) -> dict[str, Any]:
        """What the invoice for the rest tells."""
        if not self.priced:
            return {}
        self.rates[self.turn - 1] = rate
        return {
            "currency": "INR", "price": self.prices[self.turn - 1], "rate": rate, "rate_sources": ["one"],
            "rate_time": self.time, "reward_msat": self.worth(self.turn), "service_fee_msat": self.each_fee,
            "net_msat": self.worth(self.turn) - self.each_fee // 2, "budget_msat": self.budget(self.turn),
        }  # fmt: skip

    def rest(self, rate: str = ESTIMATED, due: int = 0, **facts: Any) -> Self:
        """What is left is asked for: before the work, or when it is approved."""
        self.wait()
        self.main = self.ref()
        quoted = self.quote(rate)
        self.main_amount = (due or self.cost(self.turn)) - self.ahead()
        said = {"funding": self.main, "amount_msat": self.main_amount, "expires_at": self.time + HOUR}
        said |= {"hash_commitment": self.sealed(self.main)} | quoted
        place = ("Claimed", "APPROVED") if self.later else ("PendingFunding", "PENDING")
        self.add("invoice.created", *place, "node", **(said | facts))
        return self

    def paid(self, blocks: int = CLTV, **facts: Any) -> Self:
        self.wait()
        self.expiry = self.height + blocks
        said = {"funding": self.main, "amount_msat": self.main_amount, "parts": 1, "expiry_height": self.expiry}
        said |= {"last_safe_height": self.expiry - AHEAD}
        if self.later:
            self.add("invoice.accepted", "Verified", "APPROVED", "node", **(said | facts))
            return self
        said |= {"worker": self.worker, "dest_hash": self.dest() or None}
        for type in ("invoice.accepted", "task.claimed"):
            self.add(type, "Claimed", "IN_PROGRESS", "node", **(said | facts))
        return self

    def funded(self, rate: str = ESTIMATED, blocks: int = CLTV) -> Self:
        return self.rest(rate).paid(blocks)

    def start(self, **facts: Any) -> Self:
        """The work begins without a payment of its own; right behind a release in the same moment."""
        if self.lines[-1].work != "RELEASED":
            self.wait()
        self.add("task.claimed", "Claimed", "IN_PROGRESS", "clock", worker=self.worker, dest_hash=self.dest() or None, **facts)
        return self

    def done(self) -> Self:
        """Delivered and approved, with all the money there."""
        self.deliver()
        self.wait()
        event = self.decide(EMPLOYER, "approve", self.newest("proof.submitted"))
        self.add("proof.verified", "Verified", "APPROVED", EMPLOYER, event, verified_by=EMPLOYER.pub, proof=self.proofs)
        return self

    @property
    def proofs(self) -> int:
        return sum(line.type == "proof.submitted" for line in self.lines)

    def deliver(self) -> Self:
        return self.proof(number=self.proofs + 1)

    def agreed(self) -> Self:
        """Delivered and approved, and the rest is asked for."""
        self.deliver()
        self.wait()
        event = self.decide(EMPLOYER, "approve", self.newest("proof.submitted"))
        return self.to_pay("proof.verified", EMPLOYER, event, verified_by=EMPLOYER.pub, proof=self.proofs)

    def holds(self) -> list[tuple[str, int]]:
        """On which the milestone rests."""
        found = [(self.main, self.main_amount)] if self.main else []
        if self.turn in self.covers:
            found.append((self.covers[self.turn].ref, self.covers[self.turn].amount))
        return found

    def opened(self, names: bool = True) -> dict[str, Any]:
        """The facts of an end that name the holds and open them."""
        [(ref, _), *others] = self.holds()
        said: dict[str, Any] = {"funding": ref} | self.secret(ref)
        if others:
            said["other_holds"] = [{"funding": r, "amount_msat": a} | self.secret(r) for r, a in others]
        return said

    @property
    def sum(self) -> int:
        return sum(amount for _, amount in self.holds())

    def prepaid(self, reason: str = "paid") -> Self:
        """The worker is paid, and the holds are settled."""
        self.wait()
        by = "node" if reason == "paid" else "clock"
        self.add("settlement.started", "Verified", "APPROVED", by, funding=self.holds()[0][0], reason=reason)
        self.wait()
        return self

    def end(self, over: tuple[int, ...] = (), state: str = "", share: int = 0, change: int = 0, fee: int = -1, percent: int = 100, **facts: Any) -> Self:
        """The release of a milestone; `over`: these covers go back since it is the last one."""
        if self.lines[-1].type != "settlement.started":
            self.prepaid()
        last = self.turn == len(self.prices) or bool(over)
        for number in over:
            self.back(number)
        share = share or self.worth(self.turn) - self.each_fee // 2
        kept = self.each_fee if fee < 0 else fee
        insured = kept * self.fee.insured // 100
        left = self.sum - share - 1000 - kept - change + insured
        paid = self.payment(share) | {"payment_hash": sha(bytes.fromhex(sha(f"pay {self.turn}"))), "preimage": sha(f"pay {self.turn}")}
        paid |= {"status": "attested", "dest_salt": ""}
        said: dict[str, Any] = self.opened() | {"hold_msat": self.sum, "percent": percent, "payouts": [paid]}
        said |= {"credited": [{"role": "employer", "to": EMPLOYER.pub, "amount_msat": change}] if change else []}
        said |= {"insurance_msat": left}
        if self.each_fee:
            said |= {"fee_msat": kept - insured}
        if not last:
            said |= {"next_deadline": self.dues[self.turn] + self.deaf}
        state = state or ("Paid" if last else "Draft")
        self.add("settlement.completed", state, "APPROVED" if state == "Verified" else "RELEASED", "node", **(said | facts))
        if state == "Draft":
            self.covers.pop(self.turn, None)
            self.turn, self.main = self.turn + 1, ""
        return self

    def whole(self, rate: str = ESTIMATED) -> Self:
        """One milestone from its beginning to its release, whatever of it is covered."""
        covered = self.turn in self.covers and self.covers[self.turn].price == self.prices[self.turn - 1]
        if covered:
            return self.start().done().end()
        if self.later:
            return self.start().agreed().rest(rate).paid().end()
        return self.funded(rate).done().end()

    def state_event(self, log: list[Event]) -> Event:
        price = {"currency": "INR", "price": self.prices[self.turn - 1], "rate": self.rates[self.turn - 1]}
        at = {"milestone": self.turn, "milestones": len(self.prices)} if self.project else {}
        told = {"reward_msat": self.worth(self.turn), "hold_msat": self.cost(self.turn), **at}
        told |= {"work": self.place[1]} | (price if self.priced else {})
        self.state_facts = told | self.state_facts
        return super().state_event(log)


Spoil = Callable[[], Life]


def four(later: bool = False, **facts: Any) -> Ahead:
    """5,000 of 20,000 sats: all of the fourth milestone and a part of the third."""
    return Ahead(later=later, **facts).accept((3, "3000"), (4, "2000")).cover(3, "3000").cover(4, "2000")


def four_paid(later: bool = False, **facts: Any) -> Ahead:
    life = four(later, **facts)
    for _ in FOUR:
        life.whole()
    return life


def rupees(later: bool = False) -> Ahead:
    """25 percent of 200.04 INR are 50.01: all of the fourth, 30.02 of the third; each at a rate of its own."""
    life = Ahead(RUPEES, later).accept((3, "30.02"), (4, "19.99"))
    life.cover(4, "19.99", CHEAP).cover(3, "30.02", DEAR)
    for rate in (ESTIMATED, CHEAP, "8100000.01"):
        life.whole(rate)
    return life.whole()


SOUND: dict[str, Spoil] = {
    "accepted and never paid": lambda: Ahead().offer_deposit().accept((3, "3000"), (4, "2000")),
    "declined": lambda: Ahead().offer_deposit().decline(),
    "up front": four_paid,
    "on approval": lambda: four_paid(later=True),
    "with a fee": lambda: four_paid(fee=10_000),
    "with a fee, on approval": lambda: four_paid(later=True, fee=10_000),
    "in rupees": rupees,
    "in rupees, on approval": lambda: rupees(later=True),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record_is_accepted(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()
    assert not notes(report), report.to_text()
