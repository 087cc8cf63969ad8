"""What the verifier knows of work that is paid by the hour: sound records, and forgeries with the code by which each is caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import pytest

from tests.verifier.forge import BUDGET, EMPLOYER, REWARD, T0, WORKER, Fee, Life, codes
from tests.verifier.test_witness_projects import Project
from tests.verifier.test_witness_rates import rate

HOURS: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": 1250, "cap": 40}  # 50,000 sats
TOLD: dict[str, Any] = {"hourly_rate": "1250", "hours_cap": 40}
SPLIT = Fee(ppm=10_000, payer="split", whole=500_000, workers=250_000)


class Hours(Life):
    """A record of work that is paid by the hour: how it is delivered and ends."""

    def deliver(self, hours: Any = 1000, signed: bool = True, tag: str | None = None, number: int = 1) -> Self:
        """`hours`: the fact, in hundredths; `tag`: as the worker signed them, None for not at all."""
        super().proof(signed, number)
        if hours is not None:
            self.lines[-1].facts["hours"] = hours
        make = self.lines[-1].event
        if make and tag is not None:

            def with_hours(ids: Any) -> Any:
                event = make(ids)
                return WORKER.sign(30079, [*event["tags"], ["hours", tag]], event["content"], event["created_at"])

            self.lines[-1].event = with_hours
        return self

    def end(self, share: int, change: int = 0, fee: int = 0, insured: int = 0, percent: int = 100) -> Self:
        """Paid out and settled: so much for the worker, so much back; of the routing budget 1 sat is used."""
        self.wait()
        ref = f"{self.id}/h1"
        self.add("settlement.started", "Verified", "APPROVED", "node", funding=ref, reason="paid")
        self.wait()
        kept = self.hold - share - 1000 - fee - insured - change + insured
        credited = [{"role": "employer", "to": EMPLOYER.pub, "amount_msat": change}] if change else []
        self.add("settlement.completed", "Paid", "RELEASED", "node", funding=ref, hold_msat=self.hold,
                 payment_hash=self.hash, hash_salt=self.salt, percent=percent, credited=credited, insurance_msat=kept,
                 payouts=[self.payment(share)], **({"fee_msat": fee} if self.fee.whole else {}))  # fmt: skip
        return self


class Hourly(Hours):
    """Up to 40 hours of 1,250 sats. `words`: other terms than those in the offer; facts by name, ... takes one away."""

    def __init__(self, words: dict[str, Any] | None = None, **facts: Any) -> None:
        fee = facts.pop("fee", None)
        cost = facts.pop("cost", "")
        super().__init__(terms=HOURS | (words or {}), fee=fee, cost=cost, **({"rate": ..., "cap": ...} | TOLD | facts))
        made = self.lines[0].facts
        self.lines[0].facts = {name: fact for name, fact in made.items() if fact is not ...}


SHARE = 12_500_000  # of ten hours
CHANGE = REWARD + BUDGET - SHARE - 1000


def started(words: dict[str, Any] | None = None, **facts: Any) -> Hourly:
    life = Hourly(words, **facts)
    life.fund().claim()
    return life


def ten(share: int = SHARE, change: int = CHANGE, **how: Any) -> Hourly:
    """Ten hours are delivered, approved and paid."""
    life = started().deliver(**how)
    life.approve()
    return life.end(share, change)


def all_of_it() -> Hourly:
    life = started().deliver(4000)
    life.approve()
    return life.end(REWARD)


def with_a_fee(share: int = 12_500_000 - 62_000, kept: int = 112_500) -> Hourly:
    """A quarter of 500 sats is 125, of the worker's half 62; a tenth of it is insurance."""
    life = started(fee=SPLIT).deliver()
    life.approve()
    insured = 12_500
    return life.end(share, life.hold - share - 1000 - kept - insured, kept, insured)


def agreed(share: int, delivered: bool = True, percent: int = 50) -> Hourly:
    life = started()
    if delivered:
        life.deliver()
    life.offer_end(EMPLOYER, percent)
    work = life.lines[-1].work
    life.wait()
    event = life.decide(WORKER, "cancel", life.newest("cancel.offered"), percent=percent)
    assert work
    life.add(
        "proof.verified",
        "Verified",
        "APPROVED",
        WORKER,
        event,
        verified_by="agreement",
        how="agreement",
        percent=percent,
    )
    return life.end(share, life.hold - share - 1000, percent=percent)


def outlived() -> Hourly:
    """An offer from before other hours were delivered."""
    life = started().deliver()
    life.offer_end(EMPLOYER, 50)
    life.deliver(4000, number=2)
    life.wait()
    event = life.decide(WORKER, "cancel", life.newest("cancel.offered"), percent=50)
    life.add(
        "proof.verified", "Verified", "APPROVED", WORKER, event, verified_by="agreement", how="agreement", percent=50
    )
    return life.end(25_000_000, life.hold - 25_000_000 - 1000, percent=50)


def again() -> Hourly:
    """Delivered twice: the newest hours count."""
    life = started().deliver(4000)
    life.deliver(number=2)
    life.approve()
    return life.end(SHARE, CHANGE)


def in_rupees(share: int = SHARE, change: int = CHANGE, hourly_rate: str = "100.00", cost: str = "4000 INR") -> Hourly:
    life = Hourly({"rate": "100.00"}, cost=cost, hourly_rate=hourly_rate, **OFFERED)
    life.fund(**rate(life))
    life.claim()
    life.deliver()
    life.approve()
    return life.end(share, change)


LIMITS = {
    "budget_base_msat": 10_000,
    "budget_ppm": 10_000,
    "min_reward_msat": 100_000,
    "max_reward_msat": 1_000_000_000,
}
OFFERED: dict[str, Any] = {
    "currency": "INR", "price": "4000.00", "rate": "8000000.00", "rate_sources": ["one", "two"], "rate_time": T0 - 60, **LIMITS,
}  # fmt: skip


def signed_only(tag: str | None = "10") -> Hourly:
    life = Hourly({"min_evidence": "signed"}, min_evidence="signed")
    life.fund().claim()
    life.deliver(tag=tag)
    life.approve()
    return life.end(SHARE, CHANGE)


def decided(hours: Any, fact: int = 1000) -> Hourly:
    """Delivered by a signed decision."""
    life = started().deliver(fact, signed=False)
    last = life.lines[-1]
    last.proven = "signed"
    words = {"url": "https://e.org/x", "sha256": last.facts["sha256"], "mime": last.facts["mime"]}
    last.event = life.decide(WORKER, "submit", 4, **words, **({} if hours is ... else {"hours": hours}))
    life.approve()
    return life.end(SHARE, CHANGE)


class HourlyProject(Project):
    """Two milestones of 20,000 and 30,000 sats, which are 16 and 24 hours. `hours`: of each, in hundredths."""

    def __init__(self, *hours: int) -> None:
        self.hours = hours
        super().__init__(HOURS)
        self.lines[0].facts = {
            name: fact for name, fact in self.lines[0].facts.items() if name not in ("rate", "cap")
        } | TOLD

    def proof(self, signed: bool = True, number: int = 1) -> Self:
        super().proof(signed, number)
        self.lines[-1].facts["hours"] = self.hours[self.turn - 1]
        return self


def project(*hours: int, **first: Any) -> Life:
    life = HourlyProject(*hours)
    life.bind(WORKER)
    return life.propose().agree().work(**first).work()


def four_hours(share: int = 5_000_000) -> Life:
    """Four of the first milestone's sixteen hours, and all of the second's."""
    life = project(400, 2400)
    first, second = [line for line in life.lines if line.type == "settlement.completed"]
    held = first.facts["hold_msat"]
    first.facts["payouts"][0]["amount_msat"] = share
    change = held - share - 1000
    first.facts |= {"insurance_msat": 0, "credited": [{"role": "employer", "to": EMPLOYER.pub, "amount_msat": change}]}
    assert second.facts["payouts"][0]["amount_msat"] == 30_000_000
    return life


SOUND: dict[str, Callable[[], Life]] = {
    "ten hours": ten,
    "as the worker signed them": lambda: ten(tag="10.00"),
    "by message": lambda: ten(signed=False),
    "in a signed decision": lambda: decided("10.0"),
    "in a signed decision as a number": lambda: decided(10),
    "a signed decision about hours that were named before": lambda: decided(...),
    "all hours": all_of_it,
    "with a service fee": with_a_fee,
    "half of ten hours": lambda: agreed(6_250_000),
    "half of the whole": lambda: agreed(25_000_000, delivered=False),
    "delivered twice": again,
    "in a currency": in_rupees,
    "only signatures count": signed_only,
    "a project": lambda: project(1600, 2400),
    "a project, and few hours of its first milestone": four_hours,
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record_is_accepted(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()


def offer(words: dict[str, Any] | None = None, **facts: Any) -> Callable[[], Life]:
    return lambda: Hourly(words, **facts)


FORGED: dict[str, tuple[str, Callable[[], Life]]] = {
    "a msat too much": ("wrong_share", lambda: ten(SHARE + 1, CHANGE - 1)),
    "a msat too little": ("wrong_share", lambda: ten(SHARE - 1, CHANGE + 1)),
    "the whole for ten hours": ("wrong_share", lambda: ten(REWARD, 0)),
    "the change is kept": ("unbalanced", lambda: ten(SHARE, 0)),
    "a msat of the change is kept": ("unbalanced", lambda: ten(SHARE, CHANGE - 1)),
    "other hours than delivered": ("wrong_share", lambda: ten(hours=1001)),
    "no hours": ("bad_facts", lambda: ten(REWARD, 0, hours=None)),
    "zero hours": ("against_terms", lambda: ten(hours=0)),
    "hours below zero": ("bad_facts", lambda: ten(hours=-1000)),
    "hours above the cap": ("against_terms", lambda: ten(50_012_500, 0, hours=4001)),
    "hours that are no number": ("bad_facts", lambda: ten(hours="1000")),
    "half an hour too many for a fraction": ("bad_facts", lambda: ten(hours=1000.5)),
    "not as the worker signed them": ("embedded_disagrees", lambda: ten(tag="9.99")),
    "he signed nonsense": ("embedded_disagrees", lambda: ten(tag="1e1")),
    "he signed other digits": ("embedded_disagrees", lambda: ten(tag="\u0661\u0660")),
    "not as in his signed decision": ("embedded_disagrees", lambda: decided("11")),
    "only signatures count, and the hours are not signed": ("embedded_disagrees", lambda: signed_only(None)),
    "hours in a task that has a fixed price": ("bad_facts", lambda: _fixed()),
    "half of the whole, and ten hours were delivered": ("wrong_share", lambda: agreed(25_000_000)),
    "half of nothing known": ("wrong_share", lambda: agreed(6_250_000, delivered=False)),
    "an offer that other hours have outlived": ("no_agreement", outlived),
    "the fee of the whole": ("wrong_fee", lambda: with_a_fee(kept=450_000)),
    "the worker bears nothing of the fee": ("wrong_share", lambda: with_a_fee(SHARE)),
    "hours of a worker who left": ("wrong_share", lambda: _left()),
    "a currency, and a msat too much": ("wrong_share", lambda: in_rupees(SHARE + 1, CHANGE - 1)),
    "a currency, and another rate of an hour": ("wrong_amount", lambda: in_rupees(hourly_rate="99.00")),
    "hours above a milestone's": ("against_terms", lambda: project(1601, 2400)),
    "hours above those of the last milestone": ("against_terms", lambda: project(1600, 2401)),
    "hours of the milestone before": ("wrong_share", lambda: project(1600, 1600)),
    "a milestone's hours and a msat": ("wrong_share", lambda: four_hours(5_000_001)),
    "no rate": ("bad_facts", offer(hourly_rate=...)),
    "no cap": ("bad_facts", offer(hours_cap=...)),
    "a rate without hourly pay": ("bad_facts", offer({"payment_type": "FIXED_PRICE"}, payment_type="FIXED_PRICE")),
    "a rate of nothing": ("bad_facts", offer(hourly_rate="0")),
    "a rate that is none": ("bad_facts", offer(hourly_rate="NaN")),
    "a cap of nothing": ("bad_facts", offer(hours_cap=0)),
    "a cap above all": ("bad_facts", offer(hours_cap=10_001, hourly_rate="5")),
    "the whole is not rate x cap": ("wrong_amount", offer(hours_cap=41)),
    "another rate than he signed": ("embedded_disagrees", offer({"rate": 2500}, payment_type="HOURLY_RATE")),
    "another cap than he signed": ("embedded_disagrees", offer({"cap": 20})),
    "he signed no hours": ("embedded_disagrees", offer({"payment_type": "FIXED_PRICE"}, payment_type="HOURLY_RATE")),
}  # fmt: skip


def _fixed() -> Life:
    life = Life()
    life.fund().claim().proof()
    life.lines[-1].facts["hours"] = 1000
    return life.approve().settle()


def _left() -> Life:
    """The next worker delivers nothing, and is paid by an agreement on everything: that is the whole."""
    life = started().deliver()
    life.wait()
    event = life.decide(WORKER, "abandon", len(life.lines))
    life.add("task.abandoned", "Funded", "PENDING", WORKER, event, worker=WORKER.pub)
    life.worker = ""
    life.claim(signed=False)
    life.offer_end(EMPLOYER, 100)
    life.wait()
    event = life.decide(WORKER, "cancel", life.newest("cancel.offered"), percent=100)
    life.add(
        "proof.verified", "Verified", "APPROVED", WORKER, event, verified_by="agreement", how="agreement", percent=100
    )
    return life.end(SHARE, CHANGE)


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_is_caught(name: str) -> None:
    code, forged = FORGED[name]
    report = forged().check()
    assert code in codes(report), report.to_text()
