"""The service fee: how much it is, who bears it, what everybody is shown, and that every msat of a hold is somebody's."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.decision import Refusal
from handlers.fees import FREE, Fees, part
from handlers.policy import Policy
from kinds.codes import Refused, Told
from kinds.inputs import Evidence, Offered, Proven
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.states import LogType, Payer
from kinds.task import offer
from kinds.units import EventId, Msat, sats
from storage.codec import policy_text, read_policy, read_task, task_text
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, POLICY, START, WORKER, Life, invoice
from tests.handlers.test_shares import adds_up, came, owed

H, PS = HoldStatus, PaymentStatus
EMP, WRK, HALF = Payer.EMPLOYER, Payer.WORKER, Payer.SPLIT


def house(fees: Fees, least: int = 100) -> Policy:
    return dataclasses.replace(POLICY, fees=fees, min_reward=sats(least))


def terms(payer: Payer = EMP, ppm: int = 0, base: int = 0, minimum: int = 0, insured: int = 10) -> Fees:
    return Fees(ppm=ppm, base=sats(base), minimum=sats(minimum), payer=payer, insurance_percent=insured)


@pytest.mark.parametrize(
    ("fees", "reward", "whole", "workers"),
    [
        (FREE, 50_000_000, 0, 0),
        (terms(EMP, 10_000), 50_000_000, 500_000, 0),
        (terms(WRK, 10_000), 50_000_000, 500_000, 500_000),
        (terms(HALF, 10_000), 50_000_000, 500_000, 250_000),
        (terms(WRK, 10_000), 50_099_000, 500_000, 500_000),  # 500.99 sat: below a sat it is the people's
        (terms(WRK, 10_000), 50_099_999, 500_000, 500_000),  # odd msat neither make nor lose one
        (terms(HALF, 10_000), 50_100_000, 501_000, 250_000),  # of an odd sat the employer has the larger half
        (terms(HALF, base=1), 50_000_000, 1_000, 0),
        (terms(EMP, 10_000, base=25), 50_000_000, 525_000, 0),
        (terms(EMP, 10_000, minimum=600), 50_000_000, 600_000, 0),
        (terms(EMP, 10_000, base=25, minimum=525), 50_000_000, 525_000, 0),
        (terms(HALF, 1, minimum=11), 100_000, 11_000, 5_000),
        (terms(WRK, 999_999), 1_000, 0, 0),
    ],
)
def test_the_fee_of_a_reward(fees: Fees, reward: int, whole: int, workers: int) -> None:
    assert (fees.of(Msat(reward)), fees.of_worker(Msat(reward))) == (whole, workers)


@pytest.mark.parametrize(
    ("amount", "percent", "wanted"),
    [
        (501_000, 100, 501_000), (500_999, 100, 500_999), (501_000, 0, 0), (501_000, 1, 5_000), (501_000, 33, 165_000),
        (501_000, 50, 250_000), (501_000, 99, 495_000), (1_000, 99, 0),
    ],
)  # fmt: skip
def test_a_part_is_whole_sats(amount: int, percent: int, wanted: int) -> None:
    assert part(Msat(amount), percent) == wanted


def test_the_insurance_has_its_published_share_of_it() -> None:
    for percent, wanted in ((0, 0), (10, 50_100), (33, 165_330), (100, 501_000)):
        assert terms(insured=percent).insured(sats(501)) == wanted


@pytest.mark.parametrize(
    ("payer", "net", "hold"), [(EMP, 50_100, 51_102), (WRK, 49_599, 50_601), (HALF, 49_850, 50_852)]
)
def test_everybody_is_shown_it_before_he_signs(payer: Payer, net: int, hold: int) -> None:
    """Reward 50,100 sat, fee 501, budget 501: in the log, on the card of the new task, of the invoice, of the claim."""
    life = builders.pending(policy=house(terms(payer, 10_000)), reward=sats(50_100))
    wanted = {
        "reward_msat": sats(50_100), "net_msat": sats(net), "service_fee_msat": sats(501), "budget_msat": sats(501),
        "hold_msat": sats(hold),
    }  # fmt: skip
    created = life.last(LogType.TASK_CREATED).facts
    assert {name: created[name] for name in wanted} == wanted
    assert {name: created[name] for name in terms().public()} == terms(payer, 10_000).public()
    for code in (Told.CREATED, Told.INVOICE):
        said = life.told(code, EMPLOYER)[0].facts
        assert {name: said[name] for name in wanted} == wanted
    assert life.hold.amount == life.last(LogType.INVOICE_CREATED).facts["amount_msat"] == sats(hold)
    life.see(H.HELD)
    life.claim()
    said = life.told(Told.CLAIMED, WORKER)[0].facts
    assert (said["reward_msat"], said["net_msat"]) == (sats(50_100), sats(net))
    assert said["worker_fee_msat"] == sats(50_100 - net)


@pytest.mark.parametrize("payer", Payer)
def test_a_destination_is_for_what_the_worker_gets(payer: Payer) -> None:
    life = builders.funded(policy=house(terms(payer, 20_000)))
    for wrong in (life.task.net - 1, life.task.net + 1000, life.task.reward + sats(1)):
        command = life.command("claim", destination=invoice(f"wrong {wrong}", Msat(wrong)))
        assert life.refuses(life.said(WORKER, command)) is Refused.AMOUNT_MISMATCH
    life.claim(destination=invoice("share", life.task.net))
    life.submit()
    life.approve()
    assert life.told(Told.APPROVAL_NOTED, EMPLOYER)[0].facts["amount_msat"] == life.task.net
    assert life.share.amount == life.task.net


def test_terms_that_change_later_change_no_task() -> None:
    life = builders.funded(policy=house(terms(HALF, 10_000)))
    life.policy = house(terms(WRK, 300_000, insured=90))
    life.claim(destination=invoice("share", life.task.net))
    life.submit()
    life.approve()
    life.leave()
    life.pay(PS.COMPLETE)
    life.see(H.SETTLED)
    assert (life.share.amount, life.task.fee) == (sats(49_750), sats(450))
    assert adds_up(life)


@pytest.mark.parametrize("payer", Payer)
def test_paid_books_the_fee(payer: Payer) -> None:
    life = builders.paid(policy=house(terms(payer, 10_000)))
    routed = life.share.fee
    assert (life.task.fee, life.task.insurance) == (sats(450), sats(50) + life.task.budget - routed)
    done = life.last(LogType.SETTLEMENT_COMPLETED).facts
    assert (done["fee_msat"], done["insurance_msat"]) == (life.task.fee, life.task.insurance)
    assert life.told(Told.PAID_EMPLOYER)[0].facts["service_fee_msat"] == sats(500)
    assert adds_up(life)


@pytest.mark.parametrize("payer", Payer)
def test_a_share_that_is_owed_at_the_end_of_the_hold_costs_the_fee(payer: Payer) -> None:
    life = builders.credited(policy=house(terms(payer, 10_000)))
    assert life.task.credit(WORKER) == life.task.net + life.task.budget
    assert (life.task.fee, life.task.insurance) == (sats(450), sats(50))
    assert adds_up(life)


@pytest.mark.parametrize("payer", Payer)
def test_a_refund_and_an_expired_task_cost_nothing(payer: Payer) -> None:
    policy = house(terms(payer, 10_000, minimum=700))
    for life in (
        builders.refunded(policy=policy),
        builders.expired(policy=policy),
        builders.unreachable(policy=policy),
    ):
        if not life.task.state or not life.task.state.is_final:
            life.see(H.CANCELLED)
        assert came(life) == owed(life) == life.task.fee == life.task.insurance == 0


@pytest.mark.parametrize("payer", Payer)
def test_a_lost_hold_brings_no_fee(payer: Payer) -> None:
    life = builders.in_flight(policy=house(terms(payer, 10_000)))
    life.see(H.CANCELLED)
    life.pay(PS.COMPLETE)
    assert life.stands == "Paid:RELEASED"
    assert (life.task.fee, life.task.insurance) == (0, 0)
    assert life.told(Told.PAID_EMPLOYER)[0].facts["service_fee_msat"] == 0
    assert life.last(LogType.SETTLEMENT_COMPLETED).facts["fee_msat"] == 0


@pytest.mark.parametrize(
    ("payer", "percent", "share", "fee"),
    [
        # reward 50,100 sat, the whole fee 501 sat, the worker's half 250 sat
        (EMP, 1, 501, 5), (WRK, 1, 496, 5), (HALF, 1, 499, 5),
        (EMP, 33, 16_533, 165), (WRK, 33, 16_368, 165), (HALF, 33, 16_451, 165),
        (EMP, 50, 25_050, 250), (WRK, 50, 24_800, 250), (HALF, 50, 24_925, 250),
        (EMP, 99, 49_599, 495), (WRK, 99, 49_104, 495), (HALF, 99, 49_352, 495),
        (EMP, 100, 50_100, 501), (WRK, 100, 49_599, 501), (HALF, 100, 49_850, 501),
    ],
)  # fmt: skip
def test_a_share_costs_its_part_of_the_fee(payer: Payer, percent: int, share: int, fee: int) -> None:
    life = builders.split(percent, policy=house(terms(payer, 10_000)), reward=sats(50_100))
    assert (life.share.amount, life.task.fee_due) == (sats(share), sats(fee))
    assert life.task.fee == sats(fee) * 9 // 10
    if percent != 100:
        rest = life.task.hold_amount - sats(share) - life.share.fee - sats(fee)
        assert life.task.credit(EMPLOYER) == rest
    assert adds_up(life)


def test_a_share_of_which_the_fee_leaves_nothing_is_a_refund() -> None:
    life = builders.claimed(policy=house(terms(WRK, base=149)), reward=sats(150))
    assert dataclasses.replace(life.task, split=67).share_amount == sats(100 - 99)
    life.agree(1)
    assert life.stands == "Claimed/refunding:IN_PROGRESS"
    life.see(H.CANCELLED)
    assert life.task.fee == 0


def test_a_reward_that_the_fee_eats_up_is_refused() -> None:
    words, pinned = offer("Build a page", "150", START + 86400, {}), EventId("ab" * 32)
    for payer, allowed in ((WRK, False), (HALF, True), (EMP, True)):
        life = Life(house(terms(payer, base=150)))
        outcome = life.hear(Offered(EMPLOYER, words, pinned, "30078:x:y", Evidence(Proven.ATTESTED, created_at=START)))
        if allowed:
            assert life.task.net > 0
        else:
            assert outcome == Refusal(Refused.BELOW_MINIMUM, {"minimum_msat": sats(151)})


@given(
    reward=st.integers(100, 1_000_000),
    ppm=st.integers(0, 500_000),
    base=st.integers(0, 40),
    minimum=st.integers(0, 49),
    payer=st.sampled_from(Payer),
    insured=st.integers(0, 100),
    percent=st.integers(0, 100),
    routing=st.integers(0, 20_000),
    arrives=st.booleans(),
)
def test_every_msat_of_every_hold_is_somebodys(
    reward: int,
    ppm: int,
    base: int,
    minimum: int,
    payer: Payer,
    insured: int,
    percent: int,
    routing: int,
    arrives: bool,
) -> None:
    """In = out + owed + fees + insurance, whatever the terms, the share, the routing fee, and whether the worker could be paid; and
    nobody gets less than the rounding of one sat below his share of what was shown."""
    life = builders.claimed(policy=house(terms(payer, ppm, base, minimum, insured)), reward=sats(reward)).agree(percent)
    task = life.task
    if task.split == 0:
        life.see(H.CANCELLED)
        assert came(life) == life.task.fee == life.task.insurance == 0
        return
    if arrives:
        life.payout("part")
        life.leave()
        life.pay(PS.COMPLETE, fee=Msat(min(routing, task.budget)))
    else:
        life.to_height(task.settle_height).ticks()
    life.see(H.SETTLED)
    assert life.stands == "Paid:RELEASED"
    assert adds_up(life)
    done = life.task
    assert done.fee + done.terms.fees.insured(done.fee_due) == done.fee_due
    assert abs(done.share_amount * 100 - task.net * percent) < 100_000
    assert task.service_fee * percent - 100_000 < done.fee_due * 100 <= task.service_fee * percent
    change = done.credit(EMPLOYER)
    spared = done.insurance - done.terms.fees.insured(done.fee_due)
    assert 0 <= spared <= (done.budget if percent == 100 else 0)
    assert change == 0 or percent < 100


def test_what_was_remembered_before_there_were_fees_still_loads() -> None:
    task = builders.paid().task
    old = task_text(task).replace('"fee":0,"insurance"', '"insurance"')
    start = old.index(',"fees":{')
    old = old[:start] + old[old.index("}", start) + 1 :]
    assert '"fees"' not in old
    assert read_task(old) == task
    assert read_task(old).terms.fees == FREE
    text = policy_text(POLICY)
    start = text.index('"fees":{')
    assert read_policy(text[:start] + text[text.index("}", start) + 2 :]) == POLICY
