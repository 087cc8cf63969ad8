"""What the verifier knows of tasks that are paid on approval: sound records, and forgeries of each rule with the code that catches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import pytest

from tests.verifier.forge import (
    BUDGET,
    DAY,
    EMPLOYER,
    HOUR,
    REWARD,
    STRANGER,
    WORKER,
    Fee,
    Key,
    Life,
    codes,
    notes,
)
from tests.verifier.test_witness_hiring import BOTH, FIRST, Hiring
from tests.verifier.test_witness_projects import PARTS, Project
from tests.verifier.test_witness_rates import MOVED, OFFERED, rate

FUNDING: dict[str, Any] = {"funding": "on_approval"}
LIMIT = 30 * DAY
SPLIT = Fee(10_030, payer="split", whole=501_000, workers=250_000)
SPARE = BUDGET - 1000  # of the budget when a payment has cost a sat

Spoil = Callable[[], Life]


class Unpaid(Hiring):
    """What may happen before any money."""

    def cancel(self, who: Key, percent: int) -> Any:
        """He accepts what the other side has offered."""
        return self.decide(who, "cancel", self.newest("cancel.offered"), percent=percent)

    def agree_on(self, percent: int, offered: int | None = None, **facts: Any) -> Self:
        """Both end it with a share for the worker, before an approval."""
        self.offer_end(EMPLOYER, percent if offered is None else offered).wait()
        self.owe(percent)
        said = {"verified_by": "agreement", "how": "agreement", "percent": percent}
        return self.to_pay("proof.verified", WORKER, self.cancel(WORKER, percent), **(said | facts))

    def owe(self, percent: int) -> None:
        """What is due for this share."""
        fee = self.part(self.fee.whole, percent)
        self.hold = self.part(REWARD, percent) - self.part(self.fee.workers, percent) + fee + BUDGET

    def drop(self, **facts: Any) -> Self:
        """Both end it without anything."""
        self.offer_end(EMPLOYER, 0).wait()
        said = {"reason": "agreed", "how": "agreement", "percent": 0} | facts
        return self.end_bare(
            "Refunded", self.lines[-1].work, WORKER, "refund.completed", self.cancel(WORKER, 0), **said
        )

    def dispute(self, state: str = "") -> Self:
        self.wait()
        event = self.decide(WORKER, "dispute", len(self.lines))
        self.add("dispute.opened", "Disputed", state or self.lines[-1].work, WORKER, event, by=WORKER.pub)
        return self

    def settle_dispute(self, percent: int, **facts: Any) -> Self:
        """Both end the dispute with a share."""
        self.offer_end(EMPLOYER, percent).wait()
        event, said = self.cancel(WORKER, percent), {"how": "agreement", "percent": percent} | facts
        if percent:
            self.owe(percent)
            return self.to_pay("dispute.resolved", WORKER, event, **said)
        types, work = "dispute.resolved refund.completed", self.lines[-1].work
        return self.end_bare("Refunded", work, WORKER, types, event, **({"reason": "agreed"} | said))

    def outlast(self, early: int = 0, **facts: Any) -> Self:
        """Nobody ends the dispute."""
        self.wait(LIMIT - early)
        said = {"reason": "dispute_limit", "how": "dispute_limit", "percent": 0} | facts
        types, work = "dispute.resolved refund.completed", self.lines[-1].work
        return self.end_bare("Refunded", work, "clock", types, **said)

    def reject(self, until: int = 0) -> Self:
        self.wait()
        event = self.decide(EMPLOYER, "reject", self.newest("proof.submitted"))
        later = max(self.time + DAY, self.deadline + self.deaf) + until
        self.add("proof.rejected", "Claimed", "REJECTED", EMPLOYER, event, until=later)
        return self

    def silent(self, early: int = 0, **facts: Any) -> Self:
        self.wait(DAY - early)
        return self.to_pay("proof.verified", "clock", **({"verified_by": "silence", "proof": 1} | facts))


class Trusting(Unpaid):
    """A record of a task in one piece that is paid on approval."""

    def __init__(self, terms: dict[str, Any] | None = None, **rest: Any) -> None:
        super().__init__(FIRST | FUNDING | (terms or {}), **({"dispute_limit": LIMIT} | rest))


class Planned(Project, Unpaid):
    """A record of a project of which both agree that it is paid on approval."""

    def owe(self, percent: int) -> None:
        self.hold = self.part(self.reward, percent) + self.spare


class Parts(Planned, Trusting):
    """A record of a project whose milestones stand in the offer, paid on approval."""

    def __init__(self, terms: dict[str, Any] | None = None, **rest: Any) -> None:
        dues = [Life().deadline - DAY, Life().deadline - HOUR]
        signed = [
            {"title": f"Part {n}", "amount": reward // 1000, "due": str(due)}
            for n, ((reward, _), due) in enumerate(zip(PARTS, dues, strict=True), 1)
        ]
        public = [
            {"title": f"Part {n}", "reward_msat": reward, "budget_msat": budget, "due": due, "details": ""}
            for n, ((reward, budget), due) in enumerate(zip(PARTS, dues, strict=True), 1)
        ]
        reward, budget = PARTS[0]
        said = {"payment_type": "MILESTONE", "milestones": signed, "on_reject": "revise", "max_rejects": 3}
        first = {"reward_msat": reward, "budget_msat": budget, "hold_msat": reward + budget, "milestones": public}
        super().__init__(
            FUNDING | said | {"review_window": DAY} | (terms or {}), **({"dispute_limit": LIMIT} | first | rest)
        )
        self._begin(1)
        self.dues = dues

    def dest(self) -> str:
        return ""


def begun(terms: dict[str, Any] | None = None, **rest: Any) -> Trusting:
    """Hired, and the employer has said that the work may begin."""
    return Trusting(terms, **rest).bind(WORKER).begin(EMPLOYER)


def approved(**rest: Any) -> Trusting:
    return begun(**rest).proof().approve()


def held(**rest: Any) -> Trusting:
    return approved(**rest).ask().came()


def planned(terms: dict[str, Any] | None = None, signed: bool = False, without: str = "", **facts: Any) -> Planned:
    """A plan by which the project is paid on approval, whatever its event said."""
    life = Planned(terms, without=without)
    return life.bind(WORKER).propose(EMPLOYER, signed, **(FUNDING | facts)).agree(WORKER, signed)


def whole() -> Project:
    return planned().work_first().work_first()


def halved(life: Trusting, percent: int = 30) -> Trusting:
    """Half done, and paid by that."""
    return life.ask().came().settle(percent, change=SPARE)


def paid(life: Life) -> Life:
    """Delivered, approved, and paid for."""
    return life.proof().approve().ask().came().settle()


def again() -> Life:
    """Who had begun gives it back, and another one does it."""
    return paid(
        Trusting().bind(STRANGER, STRANGER).begin(EMPLOYER).give_back("Draft", STRANGER).bind(WORKER).begin(EMPLOYER)
    )


def other_hands() -> Life:
    """The same in a project: its milestones stay, and the work on them begins at once."""
    life = Project().bind(STRANGER, STRANGER).propose(EMPLOYER, **FUNDING).agree(STRANGER).begin()
    return life.give_back("Draft", STRANGER).bind(WORKER).work_first().work_first()


def no_proof(early: int = 0, mark: str | None = WORKER.pub, late: int = 0) -> Life:
    """Nothing was delivered; `late`: the work began by so much later than he was hired."""
    life = Trusting().bind(WORKER)
    life.wait(late)
    life.begin(EMPLOYER)
    life.wait(life.deadline - life.time - early)
    return life.end_bare("Expired", "IN_PROGRESS", "clock", "task.expired", reason="no_proof", mark=mark)


def no_second_try(early: int = 0) -> Life:
    life = begun({"on_reject": "revise"}).proof().reject()
    life.wait(life.lines[-1].facts["until"] - life.time - early)
    return life.end_bare("Refunded", "REJECTED", "clock", "refund.completed", reason="no_resubmission")


def prolonged() -> Life:
    """The review lasts longer, and no height is in its way."""
    life = begun().proof()
    for _ in range(3):
        life.wait(DAY)
        life.add("review.prolonged", "Claimed", "SUBMITTED", "clock", until=life.time + DAY)
    return life.approve().ask().came().settle()


def conceded(life: Trusting, **facts: Any) -> Trusting:
    """The employer approves in the dispute."""
    life.wait()
    event = life.decide(EMPLOYER, "approve", life.newest("proof.submitted"))
    said = {"verified_by": EMPLOYER.pub, "proof": 1, "how": "approve", "percent": 100} | facts
    return life.to_pay("dispute.resolved", EMPLOYER, event, **said)


def disputed_hold(percent: int) -> Life:
    """A dispute after the money has come is one about a hold, as ever."""
    life = held().dispute("SUBMITTED").offer_end(EMPLOYER, percent)
    life.wait()
    event, said = life.cancel(WORKER, percent), {"how": "agreement", "percent": percent}
    if percent:
        life.add("dispute.resolved", "Verified", "APPROVED", WORKER, event, **said)
        return life.settle(percent, change=REWARD - REWARD * percent // 100 + SPARE)
    for type in ("dispute.resolved", "refund.started"):
        life.add(type, "Disputed", "SUBMITTED", WORKER, event, **said, funding=f"{life.id}/h1", reason="agreed")
    return life.refunded("SUBMITTED", "agreed")


def unreachable(before: int = HOUR, after: int = DAY) -> Life:
    """The worker could not be paid for so long; `before`: the employer took so long to pay."""
    life = approved().ask()
    life.wait(before)
    life.came()
    life.wait(after)
    for type in ("payout.failed", "refund.started"):
        life.add(type, "Verified", "APPROVED", "clock", funding=f"{life.id}/h1", reason="worker_unreachable")
    return life.refunded("APPROVED", "worker_unreachable")


def frozen(seconds: int, counted: bool = True, stray: bool = False) -> Life:
    """Frozen while the money is awaited, which then never comes."""
    life = approved().freeze()
    if stray:
        life.add("funding.stray", "Claimed", "APPROVED", "node", funding=f"{life.id}/h9", amount_msat=5)
    life.wait(seconds)
    life.unfreeze()
    return life.miss(early=-(seconds + 60) if counted else 0)


def deaf() -> Life:
    """So long as nobody can be heard, nobody is late."""
    life = approved()
    life.outage(DAY)
    return life.miss()


def late_payment() -> Life:
    """What was on its way when the time was over counts."""
    life = approved().ask()
    life.wait(3 * DAY)
    return life.came().settle()


def late_beginning() -> Life:
    """A freeze and a stray payment may stand before it."""
    life = planned().freeze()
    life.add("funding.stray", "Draft", "PENDING", "node", funding=f"{life.id}/h9", amount_msat=5)
    life.deadline = life.dues[0]
    return life.unfreeze().begin()


def released_frozen() -> Life:
    """Frozen while the worker is being paid: with the release the next work begins, and its date moves when the freeze ends."""
    life = planned().begin().proof().approve().ask().came()
    life.freeze().release().begin()
    life.deadline = life.dues[1]
    return life.unfreeze()


def silent_plan(**facts: Any) -> Planned:
    """Its author has signed nothing of the funding: it is the task's."""
    life = Planned(FUNDING, dispute_limit=LIMIT).bind(WORKER).propose(EMPLOYER, signed=True)
    event = life.lines.pop().event
    life.time -= 60
    life.propose(EMPLOYER, **facts)
    life.lines[-1].event, life.lines[-1].proven = event, "signed"
    return life


def dear() -> Life:
    """The rate has fallen so far that the reward is above what the operator takes in an offer; approved work is paid for all the same."""
    life = priced().proof().approve()
    life.hold = 1_346_668_000
    life.state_facts = {"reward_msat": 1_333_334_000, "currency": "INR", "price": "4000.00", "rate": "300000.00"}
    amounts = {"reward_msat": 1_333_334_000, "net_msat": 1_333_334_000, "budget_msat": 13_334_000}
    return quoted(life, rate="300000.00", **amounts).unasked().miss()


def priced(cost: str = "4000 INR") -> Trusting:
    return Trusting(cost=cost, **OFFERED).bind(WORKER).begin(EMPLOYER)


def quoted(life: Trusting, **changes: Any) -> Trusting:
    """The rate is frozen when the money is asked for, a minute after the newest entry."""
    return life.ask(**(rate(life) | changes))


def moved(percent: int = 100, due: int = 50_502_000, **facts: Any) -> Life:
    """The invoice is at another rate than the offer, runs out, and that is due then."""
    life = priced().agree_on(percent) if percent < 100 else priced().proof().approve()
    life.hold = due
    life.state_facts = {"reward_msat": 50_001_000, "currency": "INR", "price": "4000.00", "rate": "7999999.99"}
    return quoted(life, **MOVED).unasked().miss(**facts)


def by_event(**rest: Any) -> Parts:
    return Parts(**rest).bind(WORKER)


def part_of_a_part(percent: int = 30) -> Life:
    """An agreed share of the first milestone ends the project: 6,000 of 20,000 sats."""
    life = by_event().begin().agree_on(percent).ask().came()
    change = {"role": "employer", "to": EMPLOYER.pub, "amount_msat": life.spare - 1000}
    life.release(
        percent=percent,
        credited=[change],
        insurance_msat=0,
        payouts=[life.payment(6_000_000) | {"status": "attested", "dest_salt": ""}],
    )
    life.lines[-1].state = "Paid"
    del life.lines[-1].facts["next_deadline"]
    life._begin(1)
    life.hold = 6_200_000
    return life


def second_missed() -> Life:
    return planned().work_first().begin().proof(number=2).approve().miss()


def upfront_after_all() -> Life:
    """The offer is paid on approval, and the plan says nothing of it."""
    life = Project(FUNDING, dispute_limit=LIMIT)
    return life.bind(WORKER).propose().agree().work().work()


def no_longer_needed() -> Life:
    """Given back after the deadline: nobody else can take it."""
    life = begun()
    life.wait(life.deadline - life.time)
    life.give_back("Draft").wait()
    life.add("task.expired", "Expired", "PENDING", "clock", reason="unfunded", mark=None)
    return life


SOUND: dict[str, Spoil] = {
    "taken back": lambda: cancelled(),
    "selected": lambda: paid(begun()),
    "selected by message": lambda: paid(Trusting().bind(WORKER).begin(EMPLOYER, signed=False)),
    "selected on the entry that bound him": lambda: paid(Trusting().bind(WORKER).begin(EMPLOYER, basis=2)),
    "picked": lambda: paid(Trusting(BOTH).apply(STRANGER).apply().bind().begin(EMPLOYER).withdraw(STRANGER)),
    "upfront by name": lambda: Hiring(FIRST | {"funding": "upfront"}).bind(WORKER).invoiced().held().end(),
    "with a fee": lambda: paid(begun(fee=SPLIT)),
    "asked for twice": lambda: approved().ask().unasked().ask(2).unasked(2, "funding.failed", reason="amount"),
    "paid late": late_payment,
    "approved in silence": lambda: begun().proof().silent().ask().came().settle(),
    "approved after a rejection": lambda: begun({"on_reject": "revise"}).proof().reject().approve().ask().came().settle(),
    "another try": lambda: begun({"on_reject": "revise"}).proof().reject().proof(number=2).approve().ask().came().settle(),
    "a long review": prolonged,
    "a share": lambda: halved(begun().proof().agree_on(30)),
    "a share of nothing delivered": lambda: halved(begun().agree_on(30)),
    "a share, with a fee": lambda: halved(begun(fee=SPLIT).agree_on(30)),
    "all of it, agreed": lambda: begun().agree_on(100).ask().came().settle(),
    "nothing, agreed": lambda: begun().proof().drop(),
    "approved in a dispute": lambda: conceded(begun().proof().dispute()).ask().came().settle(),
    "a share in a dispute": lambda: halved(begun().proof().dispute().settle_dispute(40), 40),
    "nothing in a dispute": lambda: begun().dispute().settle_dispute(0),
    "a dispute that nobody ends": lambda: begun().proof().dispute().outlast(),
    "a dispute about the hold": lambda: disputed_hold(30),
    "a hold that goes back": lambda: disputed_hold(0),
    "never paid": lambda: approved().miss(),
    "never paid, though asked for": lambda: approved().ask().unasked().miss(),
    "a share that is never paid": lambda: begun().agree_on(30).miss(),
    "never paid after a dispute": lambda: begun().proof().dispute().settle_dispute(40).miss(),
    "never paid, after deafness": deaf,
    "never paid, after a freeze": lambda: frozen(3 * DAY),
    "a stray payment": lambda: frozen(HOUR, stray=True),
    "no proof": no_proof,
    "no proof of who began late": lambda: no_proof(late=DAY + 4 * HOUR, mark=None),
    "no second try": no_second_try,
    "another worker": again,
    "given back too late": no_longer_needed,
    "nobody to pay": unreachable,
    "a price in a currency": lambda: quoted(priced().proof().approve()).came().settle(),
    "a price at a rate that has moved": moved,
    "a share of it": lambda: moved(30, 15_501_000),
    "a price that has become dear": dear,
    "a price that was never asked for": lambda: priced().proof().approve().miss(),
    "a plan": whole,
    "a plan that both have signed": lambda: planned(signed=True).work_first().work_first(),
    "a plan in a dispute that nobody ends": lambda: planned().begin().dispute().outlast(),
    "a plan, after a freeze": late_beginning,
    "a release in a freeze": released_frozen,
    "a plan that follows the offer": lambda: silent_plan(**FUNDING).agree(WORKER).work_first().work_first(),
    "a plan with another worker": other_hands,
    "a plan whose second milestone is not paid": second_missed,
    "a plan that is paid upfront": upfront_after_all,
    "milestones of the offer": lambda: by_event().work_first().work_first(),
    "a share of a milestone": part_of_a_part,
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record_is_accepted(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()
    assert not notes(report), report.to_text()


@pytest.mark.parametrize(
    ("make", "evidence", "payout"),
    [
        (SOUND["selected"], "signed", "proven"),
        (SOUND["approved in silence"], "silence", "proven"),
        (SOUND["a share"], "signed", "proven"),
        (lambda: begun().proof().approve(signed=False).ask().came().settle(), "attested", "proven"),
        (SOUND["a plan"], "signed", "attested"),
        (SOUND["a plan whose second milestone is not paid"], "signed", None),
        (SOUND["never paid"], None, None),
        (SOUND["nothing, agreed"], None, None),
        (SOUND["no proof"], None, None),
    ],
)
def test_the_weakest_evidence(make: Spoil, evidence: str | None, payout: str | None) -> None:
    (verdict,) = make().check().tasks
    assert (verdict.ok, verdict.evidence, verdict.payout) == (True, evidence, payout)


def told(life: Life, **facts: Any) -> Life:
    """The newest entry says something else; None takes a fact away."""
    said = life.lines[-1].facts | facts
    life.lines[-1].facts = {name: value for name, value in said.items() if value is not None}
    return life


def owing(hold: int, life: Life) -> Any:
    """Another amount is asked for."""
    life.hold = hold
    return life


def too_late() -> Life:
    life = approved()
    life.wait(2 * DAY)
    return life.ask()


def unpaid_for(life: Life, then: Callable[[Life], Life]) -> Life:
    """The work is approved as if the money were there."""
    life.on_approval = False
    return then(life.approve())


def unheld(type: str, **facts: Any) -> Life:
    """Something that only a hold allows."""
    life = begun()
    life.wait(life.deadline - life.time)
    life.add(type, "Claimed", "IN_PROGRESS", "node" if type != "refund.started" else "clock", **facts)
    return life


def lost() -> Life:
    life = begun()
    for type in ("hold.lost", "task.expired"):
        life.add(type, "Expired", "IN_PROGRESS", "node", funding=f"{life.id}/h1", payment_hash=life.hash, hash_salt=life.salt,
                 reason="hold_lost", mark=None)  # fmt: skip
    return life


def refunding_dispute(how: str = "hold_end", life: Life | None = None) -> Life:
    life = life or begun().proof().dispute()
    life.wait(LIMIT)
    for type in ("dispute.resolved", "refund.started"):
        life.add(type, "Disputed", "SUBMITTED", "clock", funding=f"{life.id}/h1", reason=how, how=how, percent=0)
    return life


def with_money(state: str, type: str, **facts: Any) -> Life:
    """A move without money in a task that holds some."""
    life = Life().fund().claim().proof()
    life.wait(life.deadline - life.time)
    life.add(type, state, "APPROVED" if state == "Claimed" else "SUBMITTED", EMPLOYER, None, **facts)
    return life


def unlike_parcel() -> Life:
    """Only the first of both entries names the mark."""
    return told(approved().miss(), mark=WORKER.pub)


def while_frozen(then: Callable[[Trusting], Life]) -> Life:
    life = approved()
    life.freeze().wait(3 * DAY)
    return then(life)


def awaited(type: str, who: Key, action: str, state: str = "Claimed", work: str = "APPROVED", **facts: Any) -> Life:
    """People have nothing to say while the money is awaited."""
    life = approved()
    life.wait()
    life.add(type, state, work, who, life.decide(who, action, len(life.lines)), **facts)
    return life


def unhashed() -> Life:
    """The funding is published, and the hash that both agree on leaves it out."""
    life = Project().bind(WORKER).propose(EMPLOYER)
    life.lines[-1].facts |= FUNDING
    life.on_approval = True
    return life.agree(WORKER)


def unsigned_funding() -> Life:
    """The plan is paid on approval, and its author has signed nothing of it."""
    life = Project().bind(WORKER).propose(EMPLOYER, signed=True)
    event = life.lines.pop().event
    life.propose(EMPLOYER, **FUNDING)
    life.lines[-1].event, life.lines[-1].proven = event, "signed"
    return life


def not_begun(then: Callable[[Project], Life]) -> Life:
    """Something else stands where the work on a milestone has to begin."""
    return then(planned())


def before_the_plan(by: Key | str) -> Life:
    """A project without milestones yet, and the work begins."""
    rules = {"payment_type": "MILESTONE", "on_reject": "revise", "max_rejects": 10, "review_window": 5 * DAY}
    return Trusting(rules).bind(WORKER).begin(by)


def late_selection() -> Life:
    life = Trusting().bind(WORKER)
    life.wait(2 * DAY)
    return life.begin(EMPLOYER)


def nobody_else() -> Life:
    """The employer's word for an earlier worker lets a later one begin."""
    life = Trusting().bind(STRANGER, STRANGER).give_back("Draft", STRANGER).bind(WORKER)
    return life.begin(EMPLOYER, basis=2)


UPFRONT: dict[str, Any] = {"funding": "upfront"}
SPOILT: dict[str, tuple[str, Spoil]] = {
    # how it begins
    "begins without on_approval": ("illegal_move", lambda: Hiring(FIRST).bind(WORKER).begin(EMPLOYER)),
    "a project begins without on_approval": ("illegal_move", lambda: Project().bind(WORKER).propose().agree().begin()),
    "begins when the plan has made it upfront": ("illegal_move", lambda: Project(FUNDING, dispute_limit=LIMIT).bind(WORKER).propose().agree().begin()),
    "nobody is hired": ("wrong_author", lambda: Trusting().begin(EMPLOYER, worker=WORKER.pub)),
    "another one begins": ("wrong_author", lambda: Trusting().bind(WORKER).begin(EMPLOYER, worker=STRANGER.pub)),
    "another destination": ("commitment_broken", lambda: Trusting().bind(WORKER).begin(EMPLOYER, dest_hash="ab" * 32)),
    "begins with money": ("wrong_funding", lambda: Trusting().bind(WORKER).begin(EMPLOYER, amount_msat=50_500_000)),
    "begins by itself": ("against_terms", lambda: Trusting().bind(WORKER).begin()),
    "selected by the worker": ("wrong_author", lambda: Trusting().bind(WORKER).begin(WORKER)),
    "selected in a project": ("against_terms", lambda: planned().begin(EMPLOYER)),
    "selected in an offer of milestones": ("against_terms", lambda: by_event().begin(EMPLOYER)),
    "selected before the plan": ("against_terms", lambda: before_the_plan(EMPLOYER)),
    "begins before the plan": ("against_terms", lambda: before_the_plan("clock")),
    "a hire taken for it": ("embedded_wrong_action", lambda: Trusting().bind(WORKER).begin(EMPLOYER, action="hire")),
    "a fund taken for it": ("embedded_wrong_action", lambda: Trusting().bind(WORKER).begin(EMPLOYER, action="fund")),
    "selected for somebody before": ("basis_stale", nobody_else),
    "selected before he was bound": ("basis_stale", lambda: Trusting().bind(WORKER).begin(EMPLOYER, basis=1)),
    "selected by message against the terms": ("evidence_too_weak", lambda: Trusting({"min_evidence": "signed"}).bind(WORKER).begin(EMPLOYER, signed=False)),
    "given back instead of beginning": ("illegal_move", lambda: not_begun(lambda life: life.give_back("Draft"))),
    "planned anew instead of beginning": ("illegal_move", lambda: not_begun(lambda life: life.propose())),
    "begins after the deadline": ("too_late", late_selection),
    "begins while it is frozen": ("while_frozen", lambda: planned().freeze().begin()),
    # what it takes
    "an invoice in Draft": ("against_terms", lambda: Trusting().bind(WORKER).invoiced()),
    "an invoice in Draft of a project": ("against_terms", lambda: planned().invoiced()),
    "goes on upfront behind a release": ("against_terms", lambda: planned().work_first().invoiced(2)),
    "an invoice instead of the next beginning": ("illegal_move", lambda: planned().work_first().invoiced(2)),
    "the money before the worker": ("against_terms", lambda: Trusting({"order": "fund_first"})),
    "money in the books": ("against_terms", lambda: Trusting({"custody_mode": "ledger"})),
    "a plan that puts it off in the books": ("against_terms", lambda: planned({"custody_mode": "ledger"})),
    "no limit of a dispute": ("outside_terms", lambda: told(Trusting(), dispute_limit=None)),
    "another limit than the operator's": ("outside_terms", lambda: Trusting(dispute_limit=DAY)),
    "a plan without a limit of its disputes": ("outside_terms", lambda: planned(without="dispute_limit")),
    "a word that is none": ("bad_facts", lambda: Trusting({"funding": "someday"})),
    "a plan with a word that is none": ("bad_facts", lambda: planned(funding="someday")),
    "not as the employer signed it": ("embedded_disagrees", lambda: Trusting(funding="upfront")),
    "signed, and not told": ("embedded_disagrees", lambda: told(Trusting(), funding=None)),
    "put off by the daemon": ("embedded_disagrees", lambda: Trusting(UPFRONT, funding="on_approval")),
    "a hash without the funding": ("commitment_broken", unhashed),
    "a plan that leaves out what its author meant": ("embedded_disagrees", silent_plan),
    "a plan whose author signed no funding": ("embedded_disagrees", unsigned_funding),
    # the approval
    "too long to pay": ("wrong_until", lambda: told(approved(), pay_until=approved().time + 2 * DAY + HOUR)),
    "too short to pay": ("wrong_until", lambda: told(approved(), pay_until=approved().time + 2 * DAY - 61)),
    "no time to pay": ("bad_facts", lambda: told(approved(), pay_until=None)),
    "too long to pay after silence": ("wrong_until", lambda: begun().proof().silent(pay_until=approved().time + 9 * DAY)),
    "too long to pay after a dispute": ("wrong_until", lambda: begun().proof().dispute().settle_dispute(40, pay_until=1)),
    "no time to pay after a dispute": ("bad_facts", lambda: told(conceded(begun().proof().dispute()), pay_until=None)),
    "a time to pay what is held": ("bad_facts", lambda: told(Life().fund().claim().proof().approve(), pay_until=Life().time)),
    "silence too early": ("too_early", lambda: begun().proof().silent(early=HOUR)),
    "silence against the terms": ("against_terms", lambda: begun({"on_silence": "dispute"}).proof().silent()),
    "another try for too long": ("wrong_until", lambda: begun({"on_reject": "revise"}).proof().reject(until=HOUR)),
    "verified without money": ("illegal_move", lambda: unpaid_for(begun().proof(), lambda life: life)),
    "verified without money, and settled": ("illegal_move", lambda: unpaid_for(begun().proof(), lambda life: life.settle())),
    "settled while it is awaited": ("illegal_move", lambda: approved().settle()),
    "a share that nobody offered": ("no_agreement", lambda: begun().agree_on(30, offered=40)),
    "approved for nothing": ("wrong_share", lambda: begun().agree_on(0)),
    "ended without the agreed share": ("wrong_share", lambda: begun().offer_end(EMPLOYER, 30).end_bare("Refunded", "IN_PROGRESS", WORKER, "refund.completed", reason="agreed", how="agreement", percent=30)),
    "another share than agreed": ("wrong_share", lambda: begun().agree_on(40).ask().came().settle(30, change=5_499_000)),
    "too little is paid out": ("wrong_share", lambda: told(held().settle(), payouts=[held().settle().lines[-1].facts["payouts"][0] | {"amount_msat": 15_000_000}])),
    "the rest of a share is kept": ("unbalanced", lambda: begun().agree_on(30).ask().came().settle(30)),
    "a part of the rest is kept": ("unbalanced", lambda: begun().agree_on(30).ask().came().settle(30, change=SPARE - 1000)),
    # the invoice
    "another amount is asked for": ("wrong_amount", lambda: approved().ask(amount_msat=REWARD)),
    "another amount is held": ("wrong_amount", lambda: approved().ask().came(amount_msat=REWARD)),
    "the whole for a share": ("wrong_amount", lambda: owing(REWARD + BUDGET, begun().agree_on(30)).ask()),
    "a share of the budget": ("wrong_amount", lambda: owing(15_150_000, begun().agree_on(30)).ask()),
    "the whole fee for a share": ("wrong_amount", lambda: owing(14_925_000 + 501_000 + BUDGET, begun(fee=SPLIT).agree_on(30)).ask()),
    "at a rate that has moved": ("wrong_amount", lambda: quoted(priced().proof().approve(), **MOVED)),
    "without a rate": ("bad_facts", lambda: priced().proof().approve().ask()),
    "a whole for a share at a rate that has moved": ("wrong_amount", lambda: moved(30)),
    "asked for too late": ("too_late", too_late),
    "two invoices": ("illegal_move", lambda: approved().ask().ask(2)),
    "an invoice under an old name": ("wrong_funding", lambda: approved().ask().unasked().ask()),
    "an invoice that was never made runs out": ("wrong_funding", lambda: approved().unasked()),
    "an invoice without a name fails": ("wrong_funding", lambda: told(approved().unasked(), funding="")),
    "nothing was asked for, and it is paid": ("wrong_funding", lambda: approved().came(funding="")),
    "approved with a hold that is none": ("wrong_funding", lambda: conceded(begun().proof().dispute(), funding="h1")),
    "approved with an amount that is none": ("bad_facts", lambda: conceded(begun().proof().dispute(), amount_msat=0)),
    "what has run out is paid": ("wrong_funding", lambda: approved().ask().unasked().came()),
    "a hold that is open to be claimed": ("bad_facts", lambda: approved().ask().came(until=Life().deadline)),
    "a hold with which work begins": ("bad_facts", lambda: approved().ask().came(worker=WORKER.pub)),
    "another last safe height": ("wrong_height", lambda: approved().ask().came(last_safe_height=Life().height)),
    "asked for while it is frozen": ("while_frozen", lambda: while_frozen(lambda life: life.ask())),
    # what is not paid
    "missed before its time": ("too_early", lambda: approved().miss(early=60)),
    "missed with an open invoice": ("illegal_move", lambda: approved().ask().miss()),
    "missed without being approved": ("illegal_move", lambda: begun().proof().end_bare("Expired", "SUBMITTED", "clock", "task.expired", reason="unpaid", mark=EMPLOYER.pub)),
    "missed by the worker": ("wrong_mark", lambda: approved().miss(mark=WORKER.pub)),
    "the marks differ": ("bad_facts", unlike_parcel),
    "another amount was due": ("wrong_amount", lambda: approved().miss(due_msat=REWARD)),
    "the whole was due": ("wrong_amount", lambda: begun().agree_on(30).miss(due_msat=REWARD + BUDGET)),
    "due at an old rate": ("wrong_amount", lambda: moved(due_msat=REWARD + BUDGET)),
    "missed for another reason": ("illegal_move", lambda: approved().miss(reason="no_proof")),
    "something goes back": ("wrong_amount", lambda: approved().miss(amount_msat=REWARD)),
    "missed while it is frozen": ("while_frozen", lambda: while_frozen(lambda life: life.miss(early=-DAY))),
    "the freeze is not counted": ("too_early", lambda: frozen(DAY, counted=False)),
    "missed with a hold": ("illegal_move", lambda: held().miss()),
    "a debt of who has none": ("bad_facts", lambda: told(no_proof(), due_msat=REWARD)),
    "given back while it is awaited": ("illegal_move", lambda: awaited("task.abandoned", WORKER, "abandon", "Draft", "PENDING", worker=WORKER.pub)),
    "disputed while it is awaited": ("illegal_move", lambda: awaited("dispute.opened", WORKER, "dispute", "Disputed", by=WORKER.pub)),
    "an end offered while it is awaited": ("illegal_move", lambda: awaited("cancel.offered", WORKER, "cancel", by=WORKER.pub, percent=0)),
    "unreachable before he could be paid": ("too_early", lambda: unreachable(before=DAY, after=HOUR)),
    # ends without money
    "a refund of nothing": ("illegal_move", lambda: unheld("refund.started", funding="h1", reason="no_proof")),
    "a fresh hold for none": ("illegal_move", lambda: unheld("rollover.asked", funding="h2", replaces="h1", amount_msat=1, expires_at=1, hash_commitment="ab" * 32)),
    "nothing goes into the books": ("illegal_move", lambda: unheld("ledger.locked", funding="h1", amount_msat=1, payment_hash="ab" * 32, hash_salt="ab" * 32)),
    "a hold is lost that never was": ("illegal_move", lost),
    "a dispute ends with a hold": ("illegal_move", refunding_dispute),
    "a dispute refunds nothing": ("illegal_move", lambda: refunding_dispute("dispute_limit")),
    "given back with the money": ("illegal_move", lambda: begun().give_back("Funded")),
    "a dispute ends too early": ("too_early", lambda: begun().proof().dispute().outlast(early=HOUR)),
    "a dispute of a plan ends too early": ("too_early", lambda: planned().begin().dispute().outlast(early=HOUR)),
    "a dispute about a hold has no limit": ("illegal_move", lambda: refunding_dispute("dispute_limit", held().dispute("SUBMITTED"))),
    "a dispute ends for another reason": ("bad_facts", lambda: begun().proof().dispute().outlast(reason="hold_end")),
    "a dispute that nobody ends pays": ("wrong_share", lambda: begun().proof().dispute().outlast(percent=10)),
    "ended without an offer": ("no_agreement", lambda: begun().offer_end(EMPLOYER, 10).end_bare("Refunded", "IN_PROGRESS", WORKER, "refund.completed", reason="agreed", how="agreement", percent=0)),
    "ended by something else than an agreement": ("bad_facts", lambda: begun().proof().drop(how="silence")),
    "ended, and money goes back": ("wrong_amount", lambda: begun().proof().drop(amount_msat=REWARD)),
    "ended, and somebody is credited": ("wrong_funding", lambda: begun().proof().drop(credited=[])),
    "ended, and a hold is named": ("wrong_funding", lambda: begun().proof().drop(funding="h1")),
    "a dispute ends with money": ("wrong_amount", lambda: begun().dispute().settle_dispute(0, amount_msat=REWARD)),
    "no proof too early": ("too_early", lambda: no_proof(early=HOUR)),
    "no proof and no mark": ("wrong_mark", lambda: no_proof(mark=None)),
    "marked though he began late": ("wrong_mark", lambda: no_proof(late=DAY + 4 * HOUR)),
    "the employer is marked for no proof": ("wrong_mark", lambda: no_proof(mark=EMPLOYER.pub)),
    "no second try too early": ("too_early", lambda: no_second_try(early=HOUR)),
    "money is held, and approved as if not": ("illegal_move", lambda: with_money("Claimed", "proof.verified", verified_by=EMPLOYER.pub, proof=1, pay_until=Life().time)),
    "money is held, and ended as if not": ("illegal_move", lambda: with_money("Refunded", "refund.completed", amount_msat=0, reason="agreed", how="agreement", percent=0)),
    "a cancelled offer that speaks of a share": ("bad_facts", lambda: cancelled(percent=0)),
    "a cancelled offer that speaks of an agreement": ("bad_facts", lambda: cancelled(how="agreement")),
    "an amount in a dispute about a hold": ("bad_facts", lambda: told(held_dispute(), amount_msat=0)),
}  # fmt: skip


def cancelled(**facts: Any) -> Life:
    life = Trusting()
    event = life.decide(EMPLOYER, "cancel", 1)
    life.add(
        "refund.completed",
        "Refunded",
        "PENDING",
        EMPLOYER,
        event,
        **({"amount_msat": 0, "reason": "cancelled"} | facts),
    )
    return life


def held_dispute() -> Life:
    """Approved in a dispute about a hold."""
    life = Life().fund().claim().proof()
    life.wait()
    life.add("dispute.opened", "Disputed", "SUBMITTED", WORKER, None, by=WORKER.pub)
    life.wait()
    facts = {"verified_by": EMPLOYER.pub, "proof": 1, "how": "approve", "percent": 100}
    life.add("dispute.resolved", "Verified", "APPROVED", EMPLOYER, None, **facts)
    return life


@pytest.mark.parametrize("name", SPOILT)
def test_a_forgery_is_caught(name: str) -> None:
    code, spoil = SPOILT[name]
    report = spoil().check()
    assert code in codes(report), report.to_text()
