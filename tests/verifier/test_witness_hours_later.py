"""What the verifier knows of work by the hour that is paid on approval: exactly what the hours come to is asked for, and nothing goes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import pytest

from tests.verifier.forge import BUDGET, EMPLOYER, MARGIN, REWARD, WORKER, Life, codes
from tests.verifier.test_witness_approval import SPARE, Planned, Trusting, quoted
from tests.verifier.test_witness_hours import HOURS, OFFERED, SHARE, SPLIT, TOLD, Hourly
from tests.verifier.test_witness_rates import MOVED

BACK: dict[str, Any] = {"role": "employer", "to": EMPLOYER.pub}


class Later(Hourly, Trusting):
    """Up to 40 hours of 1,250 sats, for which nothing is held while they are worked."""

    def end(self, share: int = SHARE, change: int = 0, fee: int = 0, insured: int = 0, percent: int = 100) -> Self:
        super().end(share, change, fee, insured, percent)
        return self

    def ten(self, hours: int = 1000) -> Self:
        self.bind(WORKER).begin(EMPLOYER)
        self.deliver(hours)
        return self

    def due(self, amount: int) -> Self:
        """So much is asked for, and paid."""
        self.hold = amount
        self.ask().came()
        return self


def ten(share: int = SHARE, asked: int = SHARE + BUDGET, change: int = 0, hours: int = 1000) -> Life:
    life = Later().ten(hours)
    life.approve()
    return life.due(asked).end(share, change)


def with_a_fee(share: int = 12_438_000, fee: int = 125_000) -> Life:
    life = Later(fee=SPLIT).ten()
    life.approve()
    insured = fee // 10
    return life.due(share + fee + BUDGET).end(share, 0, fee - insured, insured)


def agreed(share: int, percent: int = 50, delivered: bool = True, change: int = SPARE) -> Life:
    life = Later()
    if delivered:
        life.ten()
    else:
        life.bind(WORKER).begin(EMPLOYER)
    life.agree_on(percent)
    return life.due(share + BUDGET).end(share, change, percent=percent)


def unpaid_worker() -> Life:
    """He could not be paid up to the hold's margin: his hours are in his account, with the whole budget."""
    life = Later().ten()
    life.approve()
    life.due(SHARE + BUDGET)
    life.wait((life.expiry - MARGIN - life.height) * 600)
    life.add("settlement.started", "Verified", "APPROVED", "clock", funding=f"{life.id}/h1", reason="margin")
    life.wait()
    owed = {"role": "worker", "to": life.worker, "amount_msat": SHARE + BUDGET}
    life.add("settlement.completed", "Paid", "RELEASED", "node", funding=f"{life.id}/h1", hold_msat=life.hold,
             payment_hash=life.hash, hash_salt=life.salt, percent=100, credited=[owed], insurance_msat=0, payouts=[])  # fmt: skip
    return life


def again() -> Life:
    """Refused, and delivered once more with fewer hours."""
    life = Later({"on_reject": "revise"}, on_reject="revise").ten(4000)
    life.reject()
    life.deliver(number=2)
    life.approve()
    return life.due(SHARE + BUDGET).end(SHARE)


def missed(due: int = SHARE + BUDGET) -> Life:
    life = Later().ten()
    life.approve()
    life.hold = SHARE + BUDGET
    return life.ask().unasked().miss(due_msat=due)


def in_rupees(share: int = 12_500_000, budget: int = 501_000) -> Life:
    """A quarter of the price at the rate of the approval, 50,001 sats: 12,500.25 are rounded down."""
    life = Later({"rate": "100.00"}, cost="4000 INR", hourly_rate="100.00", **OFFERED).ten()
    life.approve()
    life.hold = share + budget
    life.state_facts = {"reward_msat": 50_001_000, "currency": "INR", "price": "4000.00", "rate": "7999999.99"}
    quoted(life, **MOVED).came()
    return life.end(share)


class Parts(Planned):
    """Two milestones of 16 and 24 hours, of which both agree that they are paid on approval. `hours`: of each, in hundredths."""

    def __init__(self, *hours: int) -> None:
        self.hours = hours
        super().__init__(HOURS)
        made = self.lines[0].facts
        self.lines[0].facts = {name: fact for name, fact in made.items() if name not in ("rate", "cap")} | TOLD

    def proof(self, signed: bool = True, number: int = 1) -> Self:
        super().proof(signed, number)
        self.lines[-1].facts["hours"] = self.hours[self.turn - 1]
        return self

    def work_hours(self, share: int, **facts: Any) -> Self:
        """One milestone; the worker gets so much."""
        self.begin().proof(number=self.turn).approve()
        self.hold = share + self.spare
        self.ask(self.turn).came(self.turn)
        self.reward = share
        return self.release(**facts)


def project(first: int = 5_000_000, second: int = 30_000_000, **facts: Any) -> Life:
    life = Parts(400, 2400).bind(WORKER)
    life.propose(EMPLOYER, funding="on_approval").agree(WORKER)
    life.work_hours(first, **facts).work_hours(second)
    life.state_facts["reward_msat"] = 30_000_000
    return life


SOUND: dict[str, Callable[[], Life]] = {
    "ten hours": ten,
    "all hours": lambda: ten(REWARD, REWARD + BUDGET, hours=4000),
    "a hundredth of an hour": lambda: ten(12_000, 12_000 + BUDGET, hours=1),
    "with a service fee": with_a_fee,
    "half of ten hours": lambda: agreed(6_250_000),
    "half of the whole": lambda: agreed(25_000_000, delivered=False),
    "both agree on all of it": lambda: agreed(SHARE, 100, change=0),
    "the worker could not be paid": unpaid_worker,
    "refused, and delivered again": again,
    "never paid for": missed,
    "in a currency whose rate has moved": in_rupees,
    "a project, and few hours of its first milestone": project,
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record_is_accepted(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()


FORGED: dict[str, tuple[str, Callable[[], Life]]] = {
    "the whole is asked for": ("wrong_amount", lambda: ten(asked=REWARD + BUDGET)),
    "a msat more is asked for": ("wrong_amount", lambda: ten(asked=SHARE + BUDGET + 1)),
    "a msat less is asked for": ("wrong_amount", lambda: ten(asked=SHARE + BUDGET - 1)),
    "the budget of the hours": ("wrong_amount", lambda: ten(asked=SHARE + BUDGET // 4)),
    "the fee of the whole": ("wrong_amount", lambda: with_a_fee(fee=500_000)),
    "the worker bears nothing of the fee": ("wrong_amount", lambda: with_a_fee(SHARE)),
    "a msat too little for the worker": ("wrong_share", lambda: ten(SHARE - 1)),
    "what sending has not used goes back": ("unbalanced", lambda: ten(change=SPARE)),
    "what sending has not used of a share is kept": ("unbalanced", lambda: agreed(6_250_000, change=0)),
    "what sending has not used of all goes back": ("unbalanced", lambda: agreed(SHARE, 100)),
    "half of the whole, and ten hours were delivered": ("wrong_amount", lambda: agreed(25_000_000)),
    "half of nothing known": ("wrong_amount", lambda: agreed(6_250_000, delivered=False)),
    "more than the cap": ("against_terms", lambda: ten(50_012_000, 50_012_000 + BUDGET, hours=4001)),
    "the whole was due": ("wrong_amount", lambda: missed(REWARD + BUDGET)),
    "a currency, at the rate of the offer": ("wrong_amount", lambda: in_rupees(budget=BUDGET)),
    "a currency, rounded up": ("wrong_amount", lambda: in_rupees(12_501_000)),
    "a milestone as a whole": ("wrong_amount", lambda: project(20_000_000)),
    "what sending a milestone has not used goes back": (
        "unbalanced", lambda: project(insurance_msat=0, credited=[BACK | {"amount_msat": 199_000}]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_record_is_caught(name: str) -> None:
    code, spoil = FORGED[name]
    report = spoil().check()
    assert code in codes(report), report.to_text()
