"""Hourly pay on which both agree after hiring: proposed, agreed to by its hash, and from then on as if the task had said so from the start."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from handlers import answers, plan
from handlers.hours import Hourly
from handlers.policy import DAY
from kinds.codes import BadWord, Refused, Told
from kinds.commands import Milestones
from kinds.grammar import read_message, write_json, write_text
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.plan import plan_hash
from kinds.states import LogType
from kinds.units import Pubkey, sats
from tests.handlers import builders
from tests.handlers.builders import settled
from tests.handlers.life import EMPLOYER, POLICY, STRANGER, WORKER, Life, invoice
from tests.handlers.test_hours import adds_up

H, PS, L = HoldStatus, PaymentStatus, LogType
BY_HOUR: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": 1_250, "cap": 40}  # the usual 50,000


def said(life: Life, by: Pubkey = EMPLOYER, **fields: Any) -> Any:
    return life.said(by, life.command("milestones", **({"milestones": ()} | BY_HOUR | fields)))


def agreed(life: Life, **fields: Any) -> Life:
    """The employer proposes it, and the worker agrees."""
    life.did(said(life, **fields))
    proposal = life.task.proposal
    assert proposal is not None
    life.say(WORKER, life.command("agree", plan=proposal.hash[:8]))
    return life


def worked(life: Life, hours: str = "10") -> Life:
    life.say(WORKER, life.command("submit", hours=hours))
    life.approve()
    return life


def as_whole(**given: Any) -> Life:
    return agreed(builders.accepted(**given))


def funded(life: Life) -> Life:
    life.fund()
    life.make()
    life.see(H.HELD)
    return life


# ---------------------------------------------------------------------- the work as a whole


def test_the_whole_is_paid_by_the_hour_as_if_it_had_been_from_the_start() -> None:
    ends = []
    for life in (as_whole(), builders.accepted(**builders.HOURS)):
        funded(life)
        assert life.refuses(life.said(WORKER, life.command("submit", hours=None))) == Refused.HOURS_NEEDED
        assert life.refuses(life.said(WORKER, life.command("submit", hours="40.01"))) == Refused.BAD_HOURS
        settled(worked(life))
        assert life.stands == "Paid:RELEASED"
        assert adds_up(life)
        shown = answers.status(life.task, WORKER, life.now)
        ends.append(
            (
                life.task.fundings[-1].amount, life.task.credit(EMPLOYER), life.task.insurance, life.task.terms.hourly,
                {name: shown[name] for name in ("payment_type", "hourly_rate", "hours_cap", "hours", "most", "amount_msat")},
            )
        )  # fmt: skip
    assert ends[0] == ends[1]
    assert ends[0][3] == Hourly(rate=1_250, cap=40)


def test_the_log_says_what_was_agreed_on() -> None:
    life = as_whole()
    facts = life.last(L.PLAN_PROPOSED).facts
    assert (facts["payment_type"], facts["hourly_rate"], facts["hours_cap"]) == ("HOURLY_RATE", "1250", 40)
    assert (facts["milestones"], "funding" in facts, "milestone" in facts) == ([], False, False)
    assert life.stands == "Draft:PENDING"
    for who, code in ((WORKER, Told.PLAN_PROPOSED), (EMPLOYER, Told.PLAN_AGREED)):
        card = life.told(code, who)[-1].facts
        assert (card["hourly_rate"], card["hours_cap"], card["hourly_unit"]) == ("1250", 40, "sats")
        assert (card["total_msat"], card["cost_msat"]) == (sats(50_000), sats(50_500))
    assert life.told(Told.PLAN_AGREED, EMPLOYER)[-1].facts["stage"] == "whole"
    assert plan.options(life.task, POLICY)["selected"] == "HOURLY_RATE"


def test_what_is_left_out_is_as_the_task_has_it() -> None:
    life = as_whole(on_reject="revise", max_rejects=2, review_window=7200)
    terms = life.task.terms
    assert (terms.on_reject, terms.max_rejects, terms.review_window) == ("revise", 2, 7200)
    other = agreed(builders.accepted(), on_reject="revise", max_rejects=5, review_window=3600)
    terms = other.task.terms
    assert (terms.on_reject, terms.max_rejects, terms.review_window) == ("revise", 5, 3600)


def test_on_approval_the_work_begins_when_the_employer_selects_it() -> None:
    for life in (agreed(builders.accepted(**builders.LATER)), agreed(builders.accepted(), funding="on_approval")):
        assert life.refuses(life.said(EMPLOYER, life.command("fund"))) == Refused.PAYS_LATER
        life.say(EMPLOYER, life.command("select", structure="full"))
        assert life.stands == "Claimed:IN_PROGRESS"
        worked(life)
        assert life.task.hold_amount == sats(12_500 + 500)
        life.make()
        life.see(H.HELD)
        settled(life)
        assert (life.stands, life.task.credits) == ("Paid:RELEASED", ())


def test_in_a_currency() -> None:
    life = agreed(builders.accepted(**builders.RUPEES), rate="12.50", cap=320)
    assert life.last(L.PLAN_PROPOSED).facts["hourly_rate"] == "12.50"
    assert life.task.terms.hourly == Hourly(rate=1250, cap=320)
    life.market = Decimal(4_000_000)
    worked(funded(life), "80")
    assert life.share.amount == sats(25_000)


def test_a_destination_over_the_whole_is_of_no_use_any_more() -> None:
    life = builders.draft(order="hire_first")
    life.claim(destination=invoice("mine", sats(50_000), life.time, expiry=90 * DAY))
    assert life.task.destination
    assert agreed(life).task.destination is None


def test_an_employer_who_pays_in_one_go_has_chosen_that() -> None:
    life = builders.accepted()
    life.did(said(life))
    funded(life)
    assert (life.stands, life.task.terms.hourly) == ("Claimed:IN_PROGRESS", None)
    assert life.refuses(life.said(WORKER, life.command("submit", hours="5"))) == Refused.NOT_HOURLY


# ---------------------------------------------------------------------- in milestones


@pytest.mark.parametrize("funding", ["upfront", "on_approval"])
def test_milestones_by_the_hour(funding: str) -> None:
    life = agreed(builders.hired(), milestones=builders.parts(*builders.PARTS), funding=funding)
    task = life.task
    assert (task.is_project, task.terms.payment_type, task.terms.hourly) == (
        True,
        "HOURLY_RATE",
        Hourly(rate=1_250, cap=40),
    )
    assert (task.most_hours, task.terms.on_reject, task.terms.review_window) == (1600, "revise", 5 * DAY)
    stage = life.told(Told.PLAN_AGREED, WORKER)[-1].facts["stage"]
    assert stage == ("begun" if funding == "on_approval" else "agreed")
    for number, (hours, sat) in enumerate((("4", 5_000), ("8", 10_000), ("1", 1_250)), 1):
        if funding == "upfront":
            funded(life)
        life.say(WORKER, life.command("submit", hours=hours))
        life.reach(Told.PROOF_ARRIVED)
        life.wait(60)
        life.approve()
        if funding == "on_approval":
            life.make()
            life.see(H.HELD)
        assert life.share.amount == sats(sat)
        life.payout(f"part {number}")
        life.leave()
        life.pay(PS.COMPLETE)
        life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"


def test_another_rate_is_another_plan() -> None:
    life = builders.accepted()
    found = set()
    for rate, cap in ((1_250, 40), (2_500, 20), (1_250, 40)):
        life.did(said(life, rate=rate, cap=cap))
        proposal = life.task.proposal
        assert proposal is not None
        found.add(proposal.hash)
    facts = dict(life.last(L.PLAN_PROPOSED).facts)
    assert plan_hash(facts) == facts["plan"]
    for name, other in (("hourly_rate", "2500"), ("hours_cap", 20), ("payment_type", "MILESTONE")):
        assert plan_hash(facts | {name: other}) != facts["plan"]
    assert len(found) == 3
    old = sorted(found - {facts["plan"]})[0]
    assert life.refuses(life.said(WORKER, life.command("agree", plan=old))) == Refused.PLAN_CHANGED


def test_a_task_by_the_hour_may_get_another_rate() -> None:
    life = agreed(builders.accepted(**builders.HOURS), rate=2_500, cap=20)
    assert life.task.terms.hourly == Hourly(rate=2_500, cap=20)
    kept = agreed(
        builders.hired(**builders.HOURS), payment_type="MILESTONE", rate=None, cap=None,
        milestones=builders.parts(*builders.PARTS),
    )  # fmt: skip
    assert kept.task.terms.hourly == Hourly(rate=1_250, cap=40)


def test_a_project_without_milestones_yet_may_become_work_by_the_hour() -> None:
    life = agreed(builders.accepted(payment_type="MILESTONE"))
    assert funded(life).stands == "Claimed:IN_PROGRESS"


def test_the_next_worker_may_agree_on_something_else() -> None:
    life = as_whole()
    assert life.refuses(said(life)) == Refused.PLAN_LOCKED
    life.say(WORKER, life.command("abandon"))
    life.claim(STRANGER)
    assert life.task.terms.hourly == Hourly(rate=1_250, cap=40)
    life.did(said(life, rate=500, cap=100))
    proposal = life.task.proposal
    assert proposal is not None
    life.say(STRANGER, life.command("agree", plan=proposal.hash))
    assert life.task.terms.hourly == Hourly(rate=500, cap=100)


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"cap": 39}, "plan_sum"), ({"rate": 1_251}, "plan_sum"), ({"rate": 10**15, "cap": 10_000}, "plan_sum"),
        ({"rate": None}, "bad_field"), ({"cap": None}, "bad_field"), ({"rate": 0}, "bad_field"), ({"rate": -1_250}, "bad_field"),
        ({"rate": "1250.00"}, "bad_field"), ({"rate": "0"}, "bad_field"), ({"rate": 10**30}, "bad_field"),
        ({"payment_type": "MILESTONE"}, "bad_field"), ({"payment_type": "MILESTONE", "rate": None}, "bad_field"),
        ({"payment_type": "MILESTONE", "rate": None, "cap": None}, "bad_plan"),
        ({"milestones": builders.parts((50_000, 20))}, "bad_plan"),
    ],
)  # fmt: skip
def test_bad_proposals(fields: dict[str, Any], code: str) -> None:
    life = builders.hired()
    before = life.task
    assert life.refuses(said(life, **fields)) == code
    assert life.task == before


@pytest.mark.parametrize(
    ("rate", "code"), [("12.505", "bad_field"), ("0.00", "bad_field"), ("100.01", "plan_sum"), (10**16, "bad_field")]
)
def test_bad_rates_in_a_currency(rate: Any, code: str) -> None:
    life = builders.accepted(**builders.RUPEES)
    assert life.refuses(said(life, rate=rate)) == code


BAD_RATES: list[Any] = [1.5, True, "NaN", "1e3", "-5", "\u0661\u0662", "", " 5", [], "1,5"]
BAD_CAPS: list[Any] = [0, -1, 1.5, True, 10_001, float("nan"), "\u0661", "1.5", [], "NaN", 10**30]
OTHERS: list[dict[str, Any]] = [
    {"payment_type": "FIXED_PRICE"},
    {"payment_type": ""},
    {"max_rejects": 0},
    {"review_window": 60},
]


@pytest.mark.parametrize(
    "fields", [*({"rate": bad} for bad in BAD_RATES), *({"cap": bad} for bad in BAD_CAPS), *OTHERS]
)
def test_what_is_no_command(fields: dict[str, Any]) -> None:
    life = builders.accepted()
    with pytest.raises(ValueError):  # noqa: PT011 pydantic's own
        said(life, **fields)


def test_a_milestone_without_room_for_work() -> None:
    life = builders.hired(reward=sats(300_000))
    tiny = builders.parts((1_000, 20), (299_000, 60))
    assert life.refuses(said(life, rate=150_000, cap=2, milestones=tiny)) == "bad_plan"


def test_work_that_no_hold_can_carry() -> None:
    """Milestones would have a hold each; the whole has one."""
    life = builders.hired(payment_type="MILESTONE", on_hold_end="refund")
    assert life.refuses(said(life)) == "does_not_fit"
    life.did(said(life, funding="on_approval"))


def test_work_that_is_in_milestones_is_not_made_a_whole_again() -> None:
    life = builders.planned()
    life.say(WORKER, life.command("abandon"))
    life.claim(STRANGER)
    assert life.refuses(said(life)) == "bad_plan"


def test_before_somebody_is_hired_and_by_strangers() -> None:
    life = builders.draft(order="hire_first")
    assert life.refuses(said(life)) == Refused.NOT_HIRED
    assert life.refuses(said(builders.accepted(), STRANGER)) == Refused.NOT_YOUR_TASK
    assert builders.claimed().refuses(said(builders.claimed())) == Refused.WRONG_STATE


# ---------------------------------------------------------------------- how it is said


def test_both_forms() -> None:
    for text, parts in (
        ("milestones 7qk2m0x9t4h1h payment_type=HOURLY_RATE rate=12.50 cap=40", 0),
        ('milestones 7qk2m0x9t4h1h payment_type=HOURLY_RATE rate=1250 cap=40 funding=on_approval "A" 5000 20d; "B" 45000 40d', 2),
    ):  # fmt: skip
        command = read_message(text).command
        assert isinstance(command, Milestones)
        assert (command.payment_type, command.cap, len(command.milestones)) == ("HOURLY_RATE", 40, parts)
        for write in (write_text, write_json):
            assert read_message(write(command)).command == command
    with pytest.raises(BadWord):
        read_message("milestones 7qk2m0x9t4h1h payment_type=HOURLY_RATE rate=NaN cap=40")
