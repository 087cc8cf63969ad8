"""What the verifier knows of projects: records that are sound, and forgeries of each rule, each with the code that it must be caught by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Self

import pytest

from tests.verifier.forge import (
    DAY,
    EMPLOYER,
    HOUR,
    STRANGER,
    WORKER,
    Key,
    Life,
    Line,
    codes,
    notes,
    plain,
    sha,
)
from tests.verifier.test_witness_hiring import FIRST, Hiring

PARTS = ((20_000_000, 200_000), (30_000_000, 300_000))  # rewards and fee budgets


class Project(Hiring):
    """A record of a project of two milestones, hired first."""

    def __init__(self, terms: dict[str, Any] | None = None, **rest: Any) -> None:
        self.turn = 0  # the milestone that is under way; 0 before the agreement
        super().__init__(FIRST | (terms or {}), **rest)
        self.dues = [self.deadline - DAY, self.deadline - HOUR]

    def add(self, type: str, state: str, work: str, by: Key | str, event: Any = None, /, **facts: Any) -> Line:
        self.state_facts.pop("work", None)
        numbered = {"milestone": self.turn} if self.turn else {}
        return super().add(type, state, work, by, event, **(numbered | facts))

    def dest(self) -> str:
        return "" if self.turn else super().dest()

    def propose(self, who: Key = WORKER, signed: bool = False, **facts: Any) -> Self:
        self.wait()
        parts: list[dict[str, Any]] = [
            {"title": f"Part {n}", "reward_msat": reward, "budget_msat": budget, "due": due, "details": ""}
            for n, ((reward, budget), due) in enumerate(zip(PARTS, self.dues, strict=True), 1)
        ]
        said: dict[str, Any] = {
            "nonce": sha("nonce"),
            "payment_type": "MILESTONE",
            "review_window": DAY,
            "on_reject": "revise",
            "max_rejects": 3,
            "milestones": parts,
        } | facts
        hashed = {name: said[name] for name in ("nonce", "payment_type", "review_window", "on_reject", "max_rejects")}
        hashed |= {name: said[name] for name in ("funding", "hourly_rate", "hours_cap") if name in said}
        hashed |= {
            "milestones": [
                {name: part[name] for name in ("title", "reward_msat", "due", "details")} for part in said["milestones"]
            ]
        }
        self.plan = hashlib.sha256(plain(hashed).encode()).hexdigest()
        written = [
            {"title": part["title"], "amount": part["reward_msat"] // 1000, "due": str(part["due"])}
            for part in said["milestones"]
        ]
        rules: dict[str, Any] = {"review_window": DAY, "on_reject": "revise", "max_rejects": 3}
        rules |= {"funding": said["funding"]} if "funding" in said else {}
        if "hourly_rate" in said:
            rules |= {"payment_type": said["payment_type"], "rate": said["hourly_rate"], "cap": said["hours_cap"]}
        self.drafted = said
        event = self.decide(who, "milestones", len(self.lines), milestones=written, **rules) if signed else None
        self.add("plan.proposed", "Draft", "PENDING", who, event, **({"by": who.pub, "plan": self.plan} | said))
        return self

    def agree(self, who: Key = EMPLOYER, signed: bool = False, **facts: Any) -> Self:
        self.wait()
        event = self.decide(who, "agree", self.newest("plan.proposed"), plan=self.plan) if signed else None
        self.on_approval = self.drafted.get("funding") == "on_approval"
        self._begin(1)
        self.add("plan.agreed", "Draft", "PENDING", who, event, **({"by": who.pub, "plan": self.plan} | facts))
        return self

    def _begin(self, turn: int) -> None:
        self.turn = turn
        if turn > len(PARTS):
            return
        self.reward, self.spare = PARTS[turn - 1]
        self.net, self.hold = self.reward, self.reward + self.spare
        self.preimage, self.salt = sha(f"hold {self.id} {turn}"), sha(f"salt {self.id} {turn}")
        self.hash = sha(bytes.fromhex(self.preimage))
        self.pay_preimage = sha(f"pay {self.id} {turn}")
        self.pay_hash = sha(bytes.fromhex(self.pay_preimage))
        told = {"reward_msat": self.reward, "milestone": turn, "milestones": len(PARTS), "total_msat": 50_000_000}
        self.state_facts = told

    def work(self, **facts: Any) -> Self:
        """One milestone, from its invoice to the worker's payment."""
        self.invoiced(self.turn)
        self.held(funding=f"{self.id}/h{self.turn}", dest_hash=None)
        return self.proof(number=self.turn).approve().release(**facts)

    def work_first(self, **facts: Any) -> Self:
        """The same where it is paid on approval."""
        return self.begin().proof(number=self.turn).approve().ask(self.turn).came(self.turn).release(**facts)

    def release(self, **facts: Any) -> Self:
        self.wait()
        self.add("settlement.started", "Verified", "APPROVED", "node", funding=f"{self.id}/h{self.turn}", reason="paid")
        self.wait()
        last = self.turn == len(PARTS)
        following = {} if last else {"next_deadline": self.dues[self.turn]}
        paid = self.payment(self.reward, 1000) | {"status": "attested", "dest_salt": ""}
        said = {
            "funding": f"{self.id}/h{self.turn}", "hold_msat": self.hold, "payment_hash": self.hash, "hash_salt": self.salt, "percent": 100,
            "credited": [], "insurance_msat": self.spare - 1000, "payouts": [paid], **following,
        }  # fmt: skip
        self.add("settlement.completed", "Paid" if last else "Draft", "RELEASED", "node", **(said | facts))
        self._begin(self.turn if last else self.turn + 1)
        if not last:
            self.state_facts["work"] = "PENDING"
        return self


def planned(**facts: Any) -> Project:
    life = Project()
    life.bind(WORKER)
    return life.propose(**facts).agree()


def whole() -> Project:
    return planned().work().work()


def signed() -> Project:
    life = Project()
    life.bind(WORKER)
    return life.propose(EMPLOYER, signed=True).agree(WORKER, signed=True).work().work()


def changed(type: str, nth: int = 0, **facts: Any) -> Callable[[], Life]:
    def spoil() -> Life:
        life = whole()
        [line for line in life.lines if line.type == type][nth].facts.update(facts)
        return life

    return spoil


def other_parts(**change: Any) -> Callable[[], Life]:
    """The plan names its second milestone otherwise, and its hash is right."""

    def spoil() -> Life:
        life = Project()
        life.bind(WORKER)
        life.propose()
        parts = [dict(part) for part in life.lines[-1].facts["milestones"]]
        parts[1] |= change
        life.lines.pop()
        return life.propose(milestones=parts)

    return spoil


def otherwise(**facts: Any) -> Callable[[], Life]:
    """The plan is judged otherwise than its author has signed, and its hash is right."""

    def spoil() -> Life:
        life = Project()
        life.bind(WORKER)
        return life.propose(EMPLOYER, signed=True, **facts).agree(WORKER)

    return spoil


def fewer_parts() -> Life:
    """Two are published of the three that were signed."""
    life = Project()
    life.bind(WORKER)
    parts = [{"title": f"Part {n}", "amount": amount, "due": "1d"} for n, amount in ((1, 20_000), (2, 30_000), (3, 5))]
    rules: dict[str, Any] = {"review_window": DAY, "on_reject": "revise", "max_rejects": 3}
    event = life.decide(EMPLOYER, "milestones", len(life.lines), milestones=parts, **rules)
    life.propose(EMPLOYER, signed=True)
    life.lines[-1].event = event
    return life


def of_an_earlier_worker() -> Life:
    life = Project()
    life.bind(WORKER)
    life.propose(WORKER)
    life.wait()
    life.add("task.abandoned", "Draft", "PENDING", WORKER, worker=WORKER.pub)
    life.bind(STRANGER)
    return life.agree(EMPLOYER)


def alone() -> Life:
    life = Project()
    life.bind(WORKER)
    return life.propose(WORKER).agree(WORKER)


def stale() -> Life:
    life = Project()
    life.bind(WORKER)
    life.propose()
    old = life.plan
    return life.propose(EMPLOYER, review_window=2 * DAY).agree(WORKER, plan=old)


def nobody_hired() -> Life:
    return Project().propose(EMPLOYER)


def by_a_stranger() -> Life:
    life = Project()
    life.bind(WORKER)
    return life.propose(STRANGER)


def ended_early() -> Life:
    life = planned().work()
    life.lines[-1].state = "Paid"
    return life


def invoiced_without_a_plan() -> Life:
    life = Project({"payment_type": "MILESTONE", "on_reject": "revise", "max_rejects": 10, "review_window": 5 * DAY})
    return life.bind(WORKER).invoiced()


def over_the_whole() -> Life:
    life = planned()
    life.hold = 50_500_000
    return life.invoiced()


SOUND: dict[str, Callable[[], Life]] = {
    "two milestones": whole,
    "signed by both": signed,
    "the first one only": lambda: planned().work(),
    "another proposal before": lambda: Project.propose(planned_with_two(), EMPLOYER).agree(WORKER).work().work(),
}


def planned_with_two() -> Project:
    life = Project()
    life.bind(WORKER)
    return life.propose(WORKER, review_window=3 * DAY)


SPOILT: dict[str, tuple[str, Callable[[], Life]]] = {
    "agreed by its own author": ("no_agreement", alone),
    "agreed to an older one": ("no_agreement", stale),
    "proposed before anybody is hired": ("against_terms", nobody_hired),
    "proposed by a stranger": ("wrong_author", by_a_stranger),
    "agreed to what an earlier worker proposed": ("no_agreement", of_an_earlier_worker),
    "judged in less time than was signed": ("embedded_disagrees", otherwise(review_window=HOUR)),
    "judged otherwise than was signed": ("embedded_disagrees", otherwise(on_reject="dispute")),
    "fewer tries than were signed": ("embedded_disagrees", otherwise(max_rejects=1)),
    "fewer milestones than were signed": ("embedded_disagrees", fewer_parts),
    "another hash": ("commitment_broken", changed("plan.proposed", plan="ab" * 32)),
    "by somebody else": ("bad_facts", changed("plan.proposed", by=EMPLOYER.pub)),
    "a sum off by a sat": ("wrong_amount", other_parts(reward_msat=30_001_000)),
    "a budget that is not the operator's": ("outside_terms", other_parts(budget_msat=301_000)),
    "below the operator's least reward": ("outside_terms", other_parts(reward_msat=1_000)),
    "dates out of order": ("wrong_until", other_parts(due=1)),
    "a milestone of odd words": ("bad_facts", other_parts(due="soon")),
    "no money before the plan": ("against_terms", invoiced_without_a_plan),
    "an invoice over the whole": ("wrong_amount", over_the_whole),
    "an invoice of another milestone": ("wrong_milestone", changed("invoice.created", 1, milestone=1)),
    "a milestone that is skipped": ("wrong_milestone", changed("task.claimed", 0, milestone=2)),
    "an end before the last one": ("against_terms", ended_early),
    "the next date moved": ("wrong_until", changed("settlement.completed", 0, next_deadline=1)),
    "another share": ("wrong_share", lambda: underpaid()),
    "the rest not explained": ("unbalanced", changed("settlement.completed", 1, insurance_msat=0)),
}  # fmt: skip


def underpaid() -> Life:
    life = whole()
    [first, _] = [line for line in life.lines if line.type == "settlement.completed"]
    first.facts["payouts"][0]["amount_msat"] -= 1000
    return life


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record_is_accepted(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()
    assert not notes(report), report.to_text()


def test_both_signatures_count() -> None:
    [verdict] = signed().check().tasks
    assert (verdict.ok, verdict.evidence) == (True, "signed")


@pytest.mark.parametrize("name", SPOILT)
def test_a_forgery_is_caught(name: str) -> None:
    code, spoil = SPOILT[name]
    report = spoil().check()
    assert code in codes(report), report.to_text()
