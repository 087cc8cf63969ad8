"""What the verifier knows of prices in a currency: records that are sound, and forgeries of each rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.forge import BUDGET, HOUR, REWARD, T0, Life, codes, commit

OFFERED: dict[str, Any] = {
    "currency": "INR", "price": "4000.00", "rate": "8000000.00", "rate_sources": ["one", "two"], "rate_time": T0 - 60,
    "budget_base_msat": 10_000, "budget_ppm": 10_000, "min_reward_msat": 100_000, "max_reward_msat": 1_000_000_000,
}  # fmt: skip
MOVED = {
    "rate": "7999999.99",
    "reward_msat": 50_001_000,
    "net_msat": 50_001_000,
    "budget_msat": 501_000,
}  # 50,000.00006 sats


def priced(posted: bool = False, cost: str = "4000 INR", **facts: Any) -> Life:
    return Life(posted=posted, cost=cost, **(OFFERED | facts))


def rate(life: Life, **changes: Any) -> dict[str, Any]:
    """What an invoice tells, in the minute after the newest entry."""
    told = {name: OFFERED[name] for name in ("currency", "price", "rate", "rate_sources")}
    amounts = {"reward_msat": REWARD, "net_msat": REWARD, "service_fee_msat": 0, "budget_msat": BUDGET}
    return told | amounts | {"rate_time": life.time} | changes


def ended(life: Life) -> Life:
    return life.claim().proof().approve().settle()


def moved() -> Life:
    """The first invoice runs out, and the second is at another rate: a little more than 50,000 sats, rounded up."""
    life = priced()
    life.wait()
    ref = f"{life.id}/h1"
    life.add("invoice.created", "PendingFunding", "PENDING", "node", funding=ref, amount_msat=life.hold,
             expires_at=life.time + 600, hash_commitment=commit(life.salt, life.hash), **rate(life))  # fmt: skip
    life.wait(700)
    life.add("invoice.expired", "Draft", "PENDING", "node", funding=ref)
    life.wait()
    life.hold = 50_502_000
    again = f"{life.id}/h2"
    life.add("invoice.created", "PendingFunding", "PENDING", "node", funding=again, amount_msat=life.hold,
             expires_at=life.time + 600, hash_commitment=commit(life.salt, life.hash), **rate(life, **MOVED))  # fmt: skip
    life.state_facts = {"reward_msat": 50_001_000, "currency": "INR", "price": "4000.00", "rate": "7999999.99"}
    return life


SOUND: dict[str, Callable[[], Life]] = {
    "frozen once": lambda: ended(_funded(priced())),
    "by message": lambda: ended(_funded(priced(True))),
    "at another rate": moved,
    "written otherwise": lambda: ended(_funded(priced(cost="4000.0 inr"))),
}


def _funded(life: Life, **changes: Any) -> Life:
    return life.fund(**rate(life, **changes))


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_record_is_accepted(name: str) -> None:
    report = SOUND[name]().check()
    assert report.ok, report.to_text()


def spoilt(**changes: Any) -> Callable[[], Life]:
    """Another thing said with the invoice."""
    return lambda: ended(_funded(priced(), **changes))


def untold(name: str) -> Callable[[], Life]:
    def forged() -> Life:
        life = priced()
        told = rate(life)
        del told[name]
        return ended(life.fund(**told))

    return forged


def begun(**facts: Any) -> Callable[[], Life]:
    """Another thing said with the offer."""
    return lambda: ended(_funded(priced(**facts)))


def _lasting() -> Life:
    """The reward of the first invoice is kept, though the second has another rate."""
    life = moved()
    life.lines[-1].facts |= {
        "reward_msat": REWARD,
        "net_msat": REWARD,
        "budget_msat": BUDGET,
        "amount_msat": 50_500_000,
    }
    return life


def _in_sats() -> Life:
    life = Life()
    return ended(life.fund(**rate(life)))


def _state() -> Life:
    life = ended(_funded(priced()))
    life.state_facts = {"currency": "USD", "price": "4000.00"}
    return life


FORGED: dict[str, tuple[str, Callable[[], Life]]] = {
    "a sat less than the price": ("wrong_rate", spoilt(rate="7999999.99")),
    "the estimate is another": ("wrong_rate", begun(rate="7000000.00")),
    "the reward stays though the rate has moved": ("wrong_rate", _lasting),
    "an old rate": ("stale_rate", spoilt(rate_time=T0 - 2 * HOUR)),
    "a rate from later": ("stale_rate", spoilt(rate_time=T0 + HOUR)),
    "an old rate for the offer": ("stale_rate", begun(rate_time=T0 - HOUR)),
    "another price": ("wrong_amount", spoilt(price="3999.00")),
    "another currency": ("wrong_amount", spoilt(currency="NGN")),
    "the budget is not the reward's": ("wrong_amount", spoilt(budget_msat=BUDGET + 1000)),
    "the fee is not the reward's": ("wrong_fee", spoilt(service_fee_msat=1000)),
    "something is taken off the worker": ("wrong_fee", spoilt(net_msat=REWARD - 1000)),
    **{f"{name} is not told": ("bad_facts", untold(name)) for name in rate(Life())},
    "nobody says the rate": ("bad_facts", spoilt(rate_sources=[])),
    "one says it twice": ("bad_facts", spoilt(rate_sources=["one", "one"])),
    "a rate of nothing": ("bad_facts", spoilt(rate="0.00")),
    "no number": ("bad_facts", spoilt(rate="NaN")),
    "an exponent": ("bad_facts", spoilt(rate="8e6")),
    "a price below zero": ("bad_facts", begun(price="-4000.00")),
    "no currency": ("bad_facts", begun(currency="rupees")),
    "limits that are none": ("bad_facts", begun(min_reward_msat=2, max_reward_msat=1)),
    "a rate where the price is in sats": ("bad_facts", _in_sats),
    "the limits of other terms": ("outside_terms", begun(max_reward_msat=2_000_000_000)),
    "below the smallest reward": ("outside_terms", begun(min_reward_msat=60_000_000)),
    "not what the employer signed": ("embedded_disagrees", lambda: ended(_funded(priced(cost="4001 INR")))),
    "not the currency that he signed": ("embedded_disagrees", lambda: ended(_funded(priced(cost="4000 NGN")))),
    "he signed sats": ("embedded_disagrees", lambda: ended(_funded(priced(cost="")))),
    "the state event names another currency": ("state_contradicts", _state),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_is_caught(name: str) -> None:
    code, forged = FORGED[name]
    report = forged().check()
    assert code in codes(report), report.to_text()
