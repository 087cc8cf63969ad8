"""What the verifier knows of hourly pay on which both agree after hiring: rate and cap stand in the plan, and count from its agreement on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import pytest

from tests.verifier.forge import BUDGET, DAY, EMPLOYER, REWARD, STRANGER, WORKER, Key, Life, codes
from tests.verifier.test_witness_approval import Planned
from tests.verifier.test_witness_hours import CHANGE, OFFERED, SHARE, TOLD, Hours
from tests.verifier.test_witness_projects import Project
from tests.verifier.test_witness_rates import rate

UNCUT: dict[str, Any] = {"payment_type": "MILESTONE", "on_reject": "dispute", "max_rejects": 3, "review_window": DAY}
BY_HOUR: dict[str, Any] = {"payment_type": "HOURLY_RATE", **TOLD}


class Whole(Hours, Planned):
    """A record of a task that has a fixed price, until both agree that all of it is paid by the hour."""

    settled_on = False

    def propose(self, who: Key = EMPLOYER, signed: bool = True, **facts: Any) -> Self:
        return super().propose(who, signed, **(BY_HOUR | {"milestones": []} | facts))

    def agree(self, who: Key = WORKER, signed: bool = True, **facts: Any) -> Self:
        super().agree(who, signed, **facts)
        self.settled_on = True
        return self

    def _begin(self, turn: int) -> None:
        """There are no milestones."""

    def dest(self) -> str:
        return "" if self.settled_on else super().dest()

    def payment(self, amount: int, fee: int = 1000) -> dict[str, Any]:
        return super().payment(amount, fee) | {"status": "attested", "dest_salt": ""}

    def end(self, share: int = SHARE, change: int = CHANGE, fee: int = 0, insured: int = 0, percent: int = 100) -> Self:
        super().end(share, change, fee, insured, percent)
        return self


def whole(signed: bool = True, terms: dict[str, Any] | None = None, **facts: Any) -> Whole:
    return Whole(terms).bind(WORKER).propose(EMPLOYER, signed, **facts).agree(WORKER, signed)


def ten(
    life: Whole | None = None, share: int = SHARE, change: int = CHANGE, hours: int | None = 1000, **facts: Any
) -> Life:
    """The money comes first; ten hours are delivered, approved and paid."""
    life = life or whole()
    life.invoiced().held(dest_hash=None, **facts).deliver(hours)
    life.approve()
    return life.end(share, change)


def later(by: Key | str = EMPLOYER, asked: int = SHARE + BUDGET) -> Life:
    life = whole(funding="on_approval").begin(by)
    life.deliver()
    life.approve()
    life.hold = asked
    life.ask().came()
    return life.end(SHARE, 0)


def in_rupees(hourly_rate: str = "100.00", cap: int = 40) -> Life:
    """4,000 rupees, which are 50,000 sats."""
    life = Whole(cost="4000 INR", **OFFERED).bind(WORKER).propose(hourly_rate=hourly_rate, hours_cap=cap).agree()
    life.invoiced()
    life.lines[-1].facts |= rate(life)
    life.held(dest_hash=None).deliver()
    life.approve()
    return life.end()


class Cut(Planned):
    """The same in two milestones of 20,000 and 30,000 sats, which are 16 and 24 hours. `hours`: of each, in hundredths."""

    def __init__(self, *hours: int) -> None:
        self.hours = hours
        super().__init__()

    def proof(self, signed: bool = True, number: int = 1) -> Self:
        super().proof(signed, number)
        self.lines[-1].facts["hours"] = self.hours[self.turn - 1]
        return self


def project(*hours: int, **facts: Any) -> Life:
    life = Cut(*hours).bind(WORKER).propose(EMPLOYER, signed=True, **(BY_HOUR | facts)).agree(WORKER, signed=True)
    return life.work().work()


def four_hours(share: int = 5_000_000) -> Life:
    life = project(400, 2400)
    first = next(line for line in life.lines if line.type == "settlement.completed")
    change = first.facts["hold_msat"] - share - 1000
    first.facts["payouts"][0]["amount_msat"] = share
    first.facts |= {"insurance_msat": 0, "credited": [{"role": "employer", "to": EMPLOYER.pub, "amount_msat": change}]}
    return life


def other_hands() -> Life:
    """Who agreed on it leaves before any work, and the next one agrees on other hours."""
    life = Whole().bind(STRANGER, STRANGER).propose().agree(STRANGER).give_back("Draft", STRANGER).bind(WORKER)
    return ten(life.propose(hourly_rate="500", hours_cap=100).agree(), 5_000_000, REWARD + BUDGET - 5_000_000 - 1000)


def kept() -> Life:
    """The next worker finds it by the hour, as it was agreed on."""
    return ten(whole().give_back("Draft").bind(WORKER))


def another_rate() -> Life:
    """It was by the hour from the start, and gets another rate and cap."""
    life = Whole({"payment_type": "HOURLY_RATE", "rate": 1250, "cap": 40}, **TOLD)
    made = life.lines[0].facts
    life.lines[0].facts = {name: fact for name, fact in made.items() if name not in ("rate", "cap")}
    life.bind(WORKER).propose(hourly_rate="2500", hours_cap=20).agree()
    return ten(life, 25_000_000, REWARD + BUDGET - 25_000_000 - 1000)


SOUND: dict[str, Callable[[], Life]] = {
    "ten hours of the whole": ten,
    "by message": lambda: ten(whole(signed=False)),
    "all hours": lambda: ten(share=REWARD, change=0, hours=4000),
    "of a project without milestones yet": lambda: ten(whole(terms=UNCUT)),
    "on approval": later,
    "in a currency": in_rupees,
    "in milestones": lambda: project(1600, 2400),
    "in milestones, and few hours of the first one": four_hours,
    "the next worker agrees on other hours": other_hands,
    "the next worker finds it so": kept,
    "another rate than from the start": another_rate,
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record_is_accepted(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()


def proposal(**facts: Any) -> Callable[[], Life]:
    return lambda: Whole().bind(WORKER).propose(**facts)


def without(*names: str, **facts: Any) -> Life:
    life = Whole().bind(WORKER).propose(signed=False, **facts)
    for name in names:
        del life.lines[-1].facts[name]
    return life


def spoiled(**facts: Any) -> Life:
    """Published otherwise than hashed."""
    life = Whole().bind(WORKER).propose(signed=False)
    life.lines[-1].facts |= facts
    return life


def otherwise(**facts: Any) -> Life:
    """Published otherwise than it was signed, and hashed like that."""
    life = Whole().bind(WORKER).propose()
    event = life.lines[-1].event
    life.lines.pop()
    life.propose(signed=False, **facts)
    life.lines[-1].event, life.lines[-1].proven = event, "signed"
    return life


def unagreed() -> Life:
    """It was proposed, and the employer paid for the whole as before."""
    life = Whole().bind(WORKER).propose()
    life.invoiced().held().deliver()
    return life


def uncut() -> Life:
    """Work that is in milestones is said to be a whole again."""
    life = Project().bind(WORKER).propose().agree().give_back("Draft").bind(WORKER)
    life.propose(EMPLOYER, milestones=[], **BY_HOUR)
    return life


FORGED: dict[str, tuple[str, Callable[[], Life]]] = {
    "the cap is more than the whole": ("wrong_amount", proposal(hours_cap=41)),
    "the rate is more than the whole": ("wrong_amount", proposal(hourly_rate="1251")),
    "the rate is less than the whole": ("wrong_amount", proposal(hourly_rate="1249.999")),
    "a rate of nothing": ("bad_facts", proposal(hourly_rate="0")),
    "a rate that is none": ("bad_facts", proposal(hourly_rate="NaN")),
    "a rate below zero": ("bad_facts", proposal(hourly_rate="-1250")),
    "a cap of nothing": ("bad_facts", proposal(hours_cap=0)),
    "a cap above all": ("bad_facts", proposal(hourly_rate="4.999", hours_cap=10_001)),
    "no rate": ("bad_facts", lambda: without("hourly_rate")),
    "no cap": ("bad_facts", lambda: without("hours_cap")),
    "neither": ("bad_facts", lambda: without("hourly_rate", "hours_cap")),
    "hours of what is only milestones": ("bad_facts", lambda: project(1600, 2400, payment_type="MILESTONE")),
    "a plan of nothing": ("bad_facts", lambda: without("hourly_rate", "hours_cap", payment_type="MILESTONE")),
    "one milestone": ("bad_facts", proposal(milestones=[{"title": "All", "reward_msat": REWARD, "budget_msat": BUDGET, "due": Life().deadline, "details": ""}])),
    "milestones that become a whole": ("bad_facts", uncut),
    "another kind of pay": ("bad_facts", proposal(payment_type="FIXED_PRICE")),
    "another rate than hashed": ("commitment_broken", lambda: spoiled(hourly_rate="2500", hours_cap=20)),
    "another rate than signed": ("embedded_disagrees", lambda: otherwise(hourly_rate="2500", hours_cap=20)),
    "milestones are signed, and hours published": ("embedded_disagrees", lambda: otherwise(payment_type="MILESTONE")),
    "hours without an agreement": ("bad_facts", unagreed),
    "no hours after the agreement": ("bad_facts", lambda: ten(share=REWARD, change=0, hours=None)),
    "more hours than the cap": ("against_terms", lambda: ten(hours=4001)),
    "a msat too much": ("wrong_share", lambda: ten(share=SHARE + 1, change=CHANGE - 1)),
    "the whole for ten hours": ("wrong_share", lambda: ten(share=REWARD, change=0)),
    "the change is kept": ("unbalanced", lambda: ten(change=0)),
    "more hours than a milestone has": ("against_terms", lambda: project(1601, 2400)),
    "a milestone's hours and a msat": ("wrong_share", lambda: four_hours(5_000_001)),
    "by itself": ("against_terms", lambda: later("clock")),
    "on approval, and the whole is asked for": ("wrong_amount", lambda: later(asked=REWARD + BUDGET)),
    "in a currency, and another rate": ("wrong_amount", lambda: in_rupees("99.99")),
    "in a currency, and the rate in sats": ("wrong_amount", lambda: in_rupees("1250")),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_is_caught(name: str) -> None:
    code, forged = FORGED[name]
    report = forged().check()
    assert code in codes(report), report.to_text()
