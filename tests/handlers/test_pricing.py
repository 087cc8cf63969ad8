"""A price in a currency: estimated, quoted, frozen with the invoice, and never moved again."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from handlers import pricing
from handlers.check import Broken, check
from handlers.decision import Moment, Refusal
from handlers.fees import Fees
from handlers.house import House
from handlers.policy import MINUTE
from kinds.codes import Refused, Told
from kinds.rate import Rate
from kinds.states import FundingState, LogType, Payer
from kinds.units import Msat, PaymentHash, sats
from storage.codec import read_task, task_text
from tests.handlers import builders
from tests.handlers.builders import RUPEES
from tests.handlers.life import EMPLOYER, POLICY, START, WORKER, H, Life, invoice

HIRED_FIRST: dict[str, Any] = {"order": "hire_first"}


def rate(price: str = "8000000", time: int = START, currency: str = "INR") -> Rate:
    return Rate(currency, Decimal(price), ("one", "two"), time)


def refusal(life: Life, action: str = "fund", by: Any = EMPLOYER, **fields: Any) -> Refusal:
    outcome = life.hear(life.said(by, life.command(action, **fields)))
    assert isinstance(outcome, Refusal)
    return outcome


def offered(life: Life, **words: Any) -> Refused:
    """The code by which such an offer is refused."""
    with pytest.raises(AssertionError, match="refused") as caught:
        life.offer(**words)
    return next(code for code in Refused if f"<Refused.{code.name}:" in str(caught.value))


# ---------------------------------------------------------------------- the offer


def test_an_offer_is_estimated_and_says_so() -> None:
    life = builders.draft(**RUPEES)
    task, public = life.task, life.last(LogType.TASK_CREATED).facts
    assert (task.reward, task.budget, task.indicative, task.currency) == (sats(50_000), sats(500), True, "INR")
    assert (public["currency"], public["price"], public["rate"]) == ("INR", "4000.00", "8000000.00")
    assert (public["rate_sources"], public["rate_time"], public["budget_ppm"]) == (["one", "two"], START, 10_000)
    [told] = life.told(Told.CREATED)
    assert (told.facts["indicative"], told.facts["price"]) == (True, "4000.00")
    assert read_task(task_text(task)) == task


def test_a_price_in_sats_tells_nothing_of_rates() -> None:
    life = builders.pending()
    for kind in (LogType.TASK_CREATED, LogType.INVOICE_CREATED):
        assert not {"currency", "price", "rate", "budget_ppm"} & life.last(kind).facts.keys()
    assert not any({"currency", "indicative"} & say.facts.keys() for say in life.says)


def test_without_a_rate_there_is_no_offer() -> None:
    assert offered(Life(), rupees="4000") is Refused.NO_RATE
    for known in (rate(time=START - 31 * MINUTE), rate(currency="USD"), rate(time=START + 11 * MINUTE)):
        assert offered(Life(house=House(rate=known)), rupees="4000") is Refused.NO_RATE
    Life(house=House(rate=rate(time=START - 30 * MINUTE))).offer(rupees="4000")


@pytest.mark.parametrize(
    ("rupees", "code"),
    [("7.92", Refused.BELOW_MINIMUM), ("80000.01", Refused.ABOVE_MAXIMUM), ("8", None), ("80000", None)],
)
def test_the_limits_of_the_reward_are_those_in_sats(rupees: str, code: Refused | None) -> None:
    life = Life(market=Decimal(8_000_000))
    if code is None:
        life.offer(rupees=rupees)
    else:
        assert offered(life, rupees=rupees) is code


def test_only_what_the_operator_offers() -> None:
    assert offered(Life(replace(POLICY, currencies=("USD",)), market=Decimal(1)), rupees="500") is Refused.NOT_OFFERED


def test_a_fee_that_leaves_nothing_to_the_worker() -> None:
    policy = replace(POLICY, fees=Fees(minimum=sats(200), payer=Payer.WORKER), min_reward=sats(1))
    assert offered(Life(policy, market=Decimal(8_000_000)), rupees="16") is Refused.BELOW_MINIMUM
    life = builders.draft(policy, rupees="16.08", market=Decimal(8_000_000))
    life.market = Decimal(9_000_000)
    assert refusal(life).code is Refused.BELOW_MINIMUM


# ---------------------------------------------------------------------- the invoice


def test_the_rate_is_frozen_when_the_invoice_is_there_and_not_before() -> None:
    life = builders.draft(**RUPEES)
    life.market = Decimal("7999999.99")
    life.fund()
    assert (life.task.reward, life.hold.amount) == (sats(50_000), sats(50_001 + 501)), "what is public still holds"
    assert life.asked.amount == sats(50_502)
    life.market = Decimal(9_000_000)
    life.make()
    assert (life.task.reward, life.task.budget, life.task.indicative) == (sats(50_001), sats(501), False)
    public = life.last(LogType.INVOICE_CREATED).facts
    assert (public["amount_msat"], public["reward_msat"], public["rate"]) == (sats(50_502), sats(50_001), "7999999.99")
    [card] = life.told(Told.INVOICE)
    assert (card.facts["indicative"], card.facts["rate"]) == (False, "7999999.99")
    assert life.fund().says[0].facts["amount_msat"] == sats(50_502), "the same one again"


def test_such_an_invoice_lives_ten_minutes_and_another_has_another_rate() -> None:
    life = builders.pending(**RUPEES)
    assert life.asked.expiry == 10 * MINUTE
    life.see(H.CANCELLED)
    assert life.task.indicative
    life.market = Decimal(10_000_000)
    life.fund()
    life.make()
    assert life.task.reward == sats(40_000)
    life.see(H.HELD)
    life.claim(destination=invoice("share", sats(40_000)))
    assert life.task.destination is not None


def test_at_most_three_a_day() -> None:
    life = builders.draft(**RUPEES)
    for price in (8_000_000, 8_100_000, 8_200_000):
        life.market = Decimal(price)
        life.wait(MINUTE)
        life.fund()
        life.make()
        life.see(H.CANCELLED)
    assert refusal(life).code is Refused.TOO_MANY_QUOTES


def test_a_rate_that_is_not_known_when_the_money_is_asked_for() -> None:
    life = builders.draft(**RUPEES)
    life.market = None
    found = refusal(life)
    assert (found.code, found.facts) == (Refused.NO_RATE, {"currency": "INR", "task": life.id})
    life.house = House(rate=rate(time=life.time - 31 * MINUTE))
    assert refusal(life).code is Refused.NO_RATE


def test_a_rate_that_grew_old_while_the_node_made_the_invoice() -> None:
    life = builders.making(**RUPEES)
    life.wait(31 * MINUTE)
    life.make()
    assert (life.stands, life.hold.goal) == ("Draft:PENDING", "cancel")
    assert life.told(Told.INVOICE_FAILED)[0].facts["reason"] == "old_rate"
    life.fund()
    life.make()
    assert life.stands == "PendingFunding:PENDING"


def test_an_old_invoice_that_is_paid_after_all_goes_back() -> None:
    life = builders.pending(**RUPEES)
    old = life.hold
    life.see(H.CANCELLED)
    life.market = Decimal(4_000_000)
    life.fund()
    life.make()
    life.see(H.HELD, old)
    assert (life.stands, life.types[-1]) == ("PendingFunding:PENDING", "funding.stray")
    life.see(H.HELD)
    assert life.task.reward == sats(100_000)


@pytest.mark.parametrize("payer", Payer)
def test_fees_follow_the_reward_of_the_invoice(payer: Payer) -> None:
    policy = replace(POLICY, fees=Fees(ppm=12_345, base=sats(1), payer=payer))
    life = builders.draft(policy, **RUPEES)
    life.market = Decimal(7_000_000)
    life.fund()
    life.make()
    task, public = life.task, life.last(LogType.INVOICE_CREATED).facts
    assert task.reward == sats(57_143)
    assert (public["service_fee_msat"], public["net_msat"]) == (task.service_fee, task.net)
    assert task.service_fee == sats(1 + 705)
    assert life.hold.amount == task.net + task.service_fee + sats(572)


# ---------------------------------------------------------------------- the worker


@pytest.mark.parametrize("terms", [HIRED_FIRST, HIRED_FIRST | {"claim": "pick"}])
def test_an_invoice_that_comes_before_the_rate_is_not_kept(terms: dict[str, Any]) -> None:
    life = builders.draft(**RUPEES, **terms)
    life.claim(destination=invoice("too early", sats(50_000)))
    [told] = life.told(Told.APPLIED if "claim" in terms else Told.ACCEPTED, WORKER)
    assert (told.facts["dropped_destination"], told.facts["needs_destination"]) == (True, True)
    if "claim" in terms:
        life.say(EMPLOYER, life.command("hire", npub=WORKER))
    assert life.task.destination is None
    life.market = Decimal(4_000_000)
    life.fund()
    life.make()
    life.see(H.HELD)
    assert life.told(Told.CLAIMED, WORKER)[-1].facts["net_msat"] == sats(100_000)
    life.payout("now", amount=Msat(100_000_000))
    assert life.task.destination is not None


def test_a_wrong_invoice_after_the_rate_is_refused() -> None:
    life = builders.funded(**RUPEES)
    words = life.command("claim", destination=invoice("wrong", sats(50_001)))
    assert life.refuses(life.said(WORKER, words)) is Refused.AMOUNT_MISMATCH


def test_a_worker_who_leaves_takes_nothing_of_the_price_along() -> None:
    life = builders.claimed(**RUPEES)
    before = life.task.current
    life.say(WORKER, life.command("abandon"))
    after = life.task.current
    assert (after.price, after.rate, after.reward) == (before.price, before.rate, before.reward)


def test_a_life_to_its_end_and_a_shared_one() -> None:
    assert builders.paid(**RUPEES).task.paid_share
    life = builders.split(33, **RUPEES)
    assert life.task.share_amount == sats(16_500)


# ---------------------------------------------------------------------- the money rule


def broken(life: Life, **changes: Any) -> str:
    with pytest.raises(Broken) as caught:
        check(life.task.with_milestone(**changes))
    return str(caught.value)


def test_what_is_held_is_what_the_frozen_rate_gives_to_the_msat() -> None:
    life = builders.funded(**RUPEES)
    assert "its sats are not its price" in broken(life, reward=Msat(50_000_001))
    assert "its sats are not its price" in broken(life, budget=Msat(499_000))
    assert "were agreed" in broken(life, rate=rate("7999999.99"), reward=sats(50_001), budget=sats(501))
    assert "without a rate" in broken(life, rate=None)
    assert "without a rate" in broken(life, rate=rate(currency="USD"))
    assert "a rate, where the price is in sats" in broken(builders.funded(), rate=rate())
    funding = life.task.fundings[0]
    wrong = replace(life.task, fundings=(replace(funding, amount=Msat(funding.amount - 1)),))
    with pytest.raises(Broken, match="were agreed"):
        check(wrong)


def test_a_stray_of_another_rate_breaks_nothing() -> None:
    life = builders.funded(**RUPEES)
    old = replace(
        life.task.fundings[0],
        ref="old",
        amount=Msat(7),
        state=FundingState.ACCEPTED,
        goal="stray",
        payment_hash=PaymentHash(""),
    )
    check(replace(life.task, fundings=(*life.task.fundings, old)))


def test_offers_are_told_their_price_in_the_limits_too() -> None:
    life = Life(market=Decimal(8_000_000))
    with pytest.raises(AssertionError, match=r"'currency': 'INR', 'rate': '8000000\.00'"):
        life.offer(rupees="1")


def test_a_task_in_sats_is_quoted_as_it_is() -> None:
    life = builders.draft()
    assert pricing.quote(life.task, Moment(life.now, life.policy, EMPLOYER)) is life.task
