"""The employer's money: quotes, what does not fit, strays, and a hold that can carry the deadline or not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from handlers import safety
from handlers.decision import CancelHold, MakeHold
from handlers.guards import SLACK_BLOCKS
from handlers.policy import DAY, HOUR
from kinds.codes import Refused, Told
from kinds.lightning import HoldStatus, Part
from kinds.states import FundingState, LogType, TaskState
from kinds.units import Msat, Secret, sats
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, HEIGHT, POLICY, START, WORKER, H, Life

HOLD = sats(50_500)
SHORT = dataclasses.replace(POLICY, hold_cltv=864)


def parts(*amounts: int, expiry: int = HEIGHT + 2000, on_channel: bool = True) -> tuple[Part, ...]:
    return tuple(Part("1x1x1", n, Msat(amount), expiry, on_channel) for n, amount in enumerate(amounts))


def test_reward_budget_and_hold_are_said_before_anything_is_signed() -> None:
    life = builders.draft(reward=sats(50_000))
    created = life.last(LogType.TASK_CREATED).facts
    assert (created["reward_msat"], created["budget_msat"], created["hold_msat"]) == (50_000_000, 500_000, 50_500_000)
    assert builders.draft(reward=sats(150)).task.budget == sats(10)
    assert builders.draft(reward=sats(10_001)).task.budget == sats(101), "rounded up to the sat"


def test_asking_again_gives_the_same_invoice() -> None:
    life = builders.making()
    life.fund()
    assert len(life.ordered(MakeHold)) == 1
    life.make()
    life.fund()
    invoices = [say.facts["invoice"].reveal() for say in life.told(Told.INVOICE)]
    assert len(invoices) == 2
    assert len(set(invoices)) == 1
    assert len(life.ordered(MakeHold)) == 1


def test_three_quotes_a_day() -> None:
    life = builders.draft()
    for _ in range(3):
        life.fund()
        life.make()
        life.see(H.CANCELLED)
        assert life.stands == "Draft:PENDING"
    assert life.refuses(life.said(EMPLOYER, life.command("fund"))) is Refused.TOO_MANY_QUOTES
    life.wait(DAY)
    life.fund()
    assert life.types.count("invoice.expired") == 3


def test_an_invoice_never_outlives_the_deadline() -> None:
    life = builders.draft(deadline=2 * DAY)
    life.wait(2 * DAY - 600)
    (order,) = life.fund().effects
    assert isinstance(order, MakeHold)
    assert order.expiry == 600
    late = builders.draft(deadline=2 * DAY)
    late.wait(2 * DAY - 30)
    assert late.refuses(late.said(EMPLOYER, late.command("fund"))) is Refused.TOO_LATE


@pytest.mark.parametrize(
    "broken",
    [{"status": H.ABSENT}, {"status": H.CANCELLED}, {"invoice": Secret("")}],
    ids=["refused", "void", "no invoice"],
)
def test_the_node_cannot_make_it(broken: dict[str, HoldStatus]) -> None:
    life = builders.making()
    life.make(**({"status": H.OPEN} | broken))
    assert life.stands == "Draft:PENDING"
    assert life.told(Told.INVOICE_FAILED, EMPLOYER)
    life.fund()
    life.make()
    assert life.stands == "PendingFunding:PENDING"


@pytest.mark.parametrize(
    ("otherwise", "problem"),
    [
        ({"amount": HOLD - 1}, "amount"),
        ({"amount": HOLD * 10}, "amount"),
        ({"amount": None}, "amount"),
        ({"payment_hash": "ab" * 32}, "payment_hash"),
        ({"hrp": "lnbc"}, "network"),
        ({"expiry": 10 * DAY}, "expiry"),
        ({"expiry": 60}, "expiry"),
        ({"at": START + DAY}, "expiry"),
    ],
)
def test_an_invoice_that_was_not_asked_for_is_shown_to_nobody(otherwise: dict[str, Any], problem: str) -> None:
    life = builders.making()
    life.make(invoice=Secret(life.hold_invoice(**otherwise)))
    never_shown(life, problem)


@pytest.mark.parametrize("text", ["lnplay", "lnplay-hold", "x" * 5000])
def test_what_is_no_invoice_is_shown_to_nobody(text: str) -> None:
    life = builders.making()
    life.make(invoice=Secret(text))
    never_shown(life)


def test_another_amount_beside_the_right_invoice_is_believed_neither() -> None:
    life = builders.making()
    life.make(amount=sats(1))
    never_shown(life, "amount")


def never_shown(life: Life, problem: str = "") -> None:
    """The operator is alerted, the hold goes back whatever happens to it, and the next invoice works."""
    assert life.stands == "Draft:PENDING"
    assert life.types == ["task.created"]
    assert life.told(Told.INVOICE) == []
    assert [say.facts["reason"] for say in life.told(Told.INVOICE_FAILED, EMPLOYER)] == ["wrong_invoice"]
    (incident,) = life.incidents
    assert (incident.code, incident.facts["problem"] if problem else "") == ("wrong_invoice", problem)
    wrong = life.task.fundings[0]
    assert life.effects[-1] == CancelHold(wrong.ref, wrong.payment_hash)
    assert not wrong.invoice
    assert safety.may_cancel(life.task, wrong) is None
    life.fund()
    life.make()
    assert life.stands == "PendingFunding:PENDING"
    life.see(H.HELD, life.task.fundings[0])
    assert (life.stands, life.types[-1]) == ("PendingFunding:PENDING", "funding.stray")
    life.see(H.HELD)
    assert life.stands == "Funded:PENDING"


@pytest.mark.parametrize(
    ("paid", "why"),
    [
        (parts(50_500_001), "amount"),
        (parts(101_000_000), "amount"),
        (parts(50_499_999), "amount"),
        (parts(*[5_611_111] * 8, 5_611_112), "too_many_parts"),
        (parts(45_500_001, 4_999_999), "small_parts"),
        (parts(50_500_000, on_channel=False), "off_channel"),
        (parts(50_500_000, expiry=HEIGHT + 700), "expires_too_soon"),
    ],
    ids=["over", "double", "under", "nine parts", "dust", "off channel", "short"],
)
def test_a_payment_that_does_not_fit_goes_back(paid: tuple[Part, ...], why: str) -> None:
    life = builders.pending()
    life.see(H.HELD, parts=paid)
    assert life.stands == "Draft:PENDING"
    assert life.last(LogType.FUNDING_FAILED).facts["reason"] == why
    assert isinstance(life.effects[-1], CancelHold)
    life.fund()  # may fund again, also before the node has given it back
    life.make()
    life.see(H.CANCELLED, life.task.fundings[0])
    life.see(H.HELD)
    assert life.stands == "Funded:PENDING"
    assert [f.state for f in life.task.fundings] == [FundingState.CANCELLED, FundingState.ACCEPTED]


def test_eight_fair_parts_are_fine_and_the_first_to_expire_counts() -> None:
    life = builders.pending(reward=sats(80_000))
    share = life.task.hold_amount // 8
    several = [Part("1x1x1", n, Msat(share), HEIGHT + 2000 - n, True) for n in range(8)]
    life.see(H.HELD, parts=tuple(several))
    assert life.stands == "Funded:PENDING"
    assert life.task.hold
    assert life.task.hold.expiry_height == HEIGHT + 1993
    assert life.task.last_safe_height == HEIGHT + 1993 - 58 - 288 - 6
    assert life.task.settle_height == HEIGHT + 1993 - 58


def test_underpaid_changes_nothing_and_is_told_once() -> None:
    life = builders.pending()
    life.see(H.OPEN, refused=sats(100))
    life.see(H.OPEN, refused=sats(100))
    assert life.stands == "PendingFunding:PENDING"
    assert len(life.told(Told.WRONG_PAYMENT, EMPLOYER)) == 1
    life.see(H.OPEN, refused=sats(200))
    assert len(life.told(Told.WRONG_PAYMENT, EMPLOYER)) == 2
    life.see(H.HELD)
    assert life.stands == "Funded:PENDING"


def test_paid_after_the_deadline_goes_back() -> None:
    life = builders.pending()
    life.until(life.task.terms.deadline)
    life.see(H.HELD)
    assert life.last(LogType.FUNDING_FAILED).facts["reason"] == "deadline"
    life.ticks()
    assert life.stands == "Expired:PENDING"


def first_quote_void(start: Callable[..., Life]) -> Life:
    """A life whose first invoice expired unpaid, as the node said, before all else."""

    def fresh(**given: object) -> Life:
        life = _real_pending(**given)
        life.see(H.CANCELLED)
        life.fund()
        life.make()
        return life

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builders, "pending", fresh)
        return start()


_real_pending = builders.pending

STARTS: dict[str, Callable[[], Life]] = {
    "pending": lambda: builders.pending(),
    "funded": builders.funded,
    "funded, refunding": lambda: builders.refunding(builders.funded),
    "claimed": builders.claimed,
    "claimed, refunding": lambda: builders.refunding(builders.claimed),
    "disputed": builders.disputed,
    "disputed, refunding": lambda: builders.refunding(builders.disputed),
    "verified": builders.verified,
    "verified, refunding": builders.unreachable,
    "settling": builders.settling,
    "paid": builders.paid,
    "refunded": builders.refunded,
    "expired": builders.expired,
}


@pytest.mark.parametrize("start", STARTS)
def test_an_old_invoice_that_is_paid_after_all_goes_back_at_once(start: str) -> None:
    life = first_quote_void(STARTS[start])
    stands, old = life.stands, life.task.fundings[0]
    life.see(H.HELD, old)
    assert life.stands == stands
    assert life.types[-1] == "funding.stray"
    assert life.effects[-1] == CancelHold(old.ref, old.payment_hash)
    life.see(H.CANCELLED, life.task.fundings[0])
    assert life.stands == stands
    assert life.task.fundings[0].state is FundingState.CANCELLED


@pytest.mark.parametrize("end", ["cancel", "deadline"])
def test_the_last_invoice_is_paid_after_the_end(end: str) -> None:
    life = builders.pending()
    if end == "cancel":
        life.cancel(EMPLOYER)
    else:
        life.until(life.task.terms.deadline).ticks()
    stands = life.stands
    life.see(H.HELD)
    assert life.types[-1] == "funding.stray"
    life.see(H.CANCELLED, life.task.fundings[0])
    assert life.stands == stands


def test_the_invoice_cancelled_by_us_ends_quietly() -> None:
    life = builders.pending()
    life.cancel(EMPLOYER)
    entries = len(life.lines)
    life.see(H.CANCELLED)
    assert len(life.lines) == entries
    assert life.task.fundings[0].state is FundingState.CANCELLED


def test_settled_without_being_asked_is_an_incident() -> None:
    for start in (builders.pending, builders.funded, builders.submitted):
        life = start()
        life.see(H.SETTLED)
        assert [found.code for found in life.incidents] == [
            "settled_unheld" if start is builders.pending else "settled_unasked"
        ]


def test_the_deadline_must_leave_room_for_review_and_dispute() -> None:
    latest = (864 - 58 - 288 - 6 - 144) * 600 - DAY  # L - reserve - review
    assert builders.draft(SHORT, deadline=latest).stands == "Draft:PENDING"
    with pytest.raises(AssertionError, match="does_not_fit"):
        builders.draft(SHORT, deadline=latest + 1)
    life = builders.draft(SHORT, deadline=latest)
    life.fund()
    fast = builders.draft(SHORT, deadline=latest)
    fast.deaf, fast.time = 3 * HOUR, fast.time + 3 * HOUR  # the hearing clock stood still, the blocks with it
    fast.fund()


def test_a_claim_must_fit_the_hold_that_is_there() -> None:
    life = builders.funded(policy=SHORT, deadline=30 * HOUR)
    room = (864 - 58 - 288 - 6 - 144) - (30 * HOUR + DAY) // 600  # blocks to spare at this deadline
    life.wait(0, blocks=room + SLACK_BLOCKS)  # blocks came fast: the hold is shorter than it looked
    life.copy().claim()
    life.wait(0, blocks=1)
    assert life.refuses(life.said(WORKER, life.command("claim"))) is Refused.DOES_NOT_FIT
    assert life.stands == "Funded:PENDING"


def test_a_hold_whose_parts_leave_their_channel_is_for_the_operator() -> None:
    life = builders.submitted()
    before = life.task
    life.see(H.HELD, parts=parts(life.task.hold_amount, on_channel=False))
    assert life.task == before
    assert [found.code for found in life.incidents] == ["hold_off_channel"]


def test_a_lost_hold_that_comes_back_goes_back() -> None:
    life = builders.claimed()
    life.see(H.CANCELLED)
    assert life.task.state is TaskState.EXPIRED
    life.see(H.HELD)
    assert life.types[-1] == "funding.stray"
    assert isinstance(life.effects[-1], CancelHold)
    life.see(H.CANCELLED, life.task.fundings[0])
    assert life.stands == "Expired:IN_PROGRESS"


def test_a_lost_hold_that_comes_back_under_a_payout_is_for_the_operator() -> None:
    life = builders.in_flight()
    life.see(H.CANCELLED)
    life.see(H.HELD)
    assert not life.ordered(CancelHold)
    assert [found.code for found in life.incidents] == ["hold_lost", "lost_hold_is_back"]


def test_offers_that_are_not_built_are_refused_by_name() -> None:
    terms: tuple[dict[str, Any], ...] = ({"custody_mode": "direct"}, {"verification": "auto"})
    for term in terms:
        with pytest.raises(AssertionError, match=f"not_built.*{next(iter(term))}"):
            builders.draft(**term)


@pytest.mark.parametrize(
    ("offered", "code"),
    [
        ({"reward": sats(99)}, "below_minimum"),
        ({"reward": sats(1_000_001)}, "above_maximum"),
        ({"deadline": 0}, "bad_deadline"),
        ({"deadline": -5}, "bad_deadline"),
        ({"deadline": 91 * DAY}, "does_not_fit"),
    ],
)
def test_offers_out_of_bounds(offered: dict[str, Any], code: str) -> None:
    with pytest.raises(AssertionError, match=code):
        builders.draft(**offered)
