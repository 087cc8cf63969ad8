"""Money ahead, through public doors: suggested, locked, counted for the last milestones, and given back where it is not used."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bot.config import Settings, TermsSettings
from kinds.units import Msat
from tests.virtual.lives import HASH, a_town, entry, sound, state, told
from tests.virtual.loop import run_virtually
from tests.virtual.market import Market
from tests.virtual.test_on_approval import COST, approved, begun, delivered, projected, sent, the_invoice
from tests.virtual.test_prices import posted, town_with
from tests.virtual.test_projects import NEAR, counted, plan_of, types
from tests.virtual.world import Town


async def a_large_town(above: int = 3_000) -> Town:
    """Where a deposit is suggested above so many sats."""
    return await a_town(settings=Settings(terms=TermsSettings(deposit_above_sat=above)))


async def invoices(town: Town, task: str, count: int) -> list[str]:
    """The employer accepts; the invoices that come."""
    since = len(await town.employer.read())
    await town.employer.say(f"deposit {task} accept")

    async def there() -> list[str] | None:
        cards = (await town.employer.read())[since:]
        found = [m.group(0).lower() for card in cards if (m := re.search(r"(?i)lnplay[0-9a-z]+", card))]
        return found if len(found) == count else None

    return await town.until(there, 120)


async def locked(town: Town, task: str, count: int = 2) -> None:
    for invoice in await invoices(town, task, count):
        town.employer.wallet.pay(invoice)
    await counted(town, task, "invoice.accepted", count)


async def paid(town: Town, task: str, number: int, due: bool, accepted: int) -> None:
    """Delivered, approved, paid for where something is due, and paid out. `accepted`: holds so far with it."""
    await delivered(town, task, number)
    if due:
        town.employer.wallet.pay(await approved(town, task, number))
        await counted(town, task, "invoice.accepted", accepted)
    else:
        await town.employer.say(f"approve {task}")
        await counted(town, task, "proof.verified", number)
    await sent(town, task, number)


async def a_project(town: Town, **terms: Any) -> str:
    start = town.employer.wallet.balance, town.worker.wallet.balance
    task = await projected(town, **terms)
    await told(town, town.employer, "accept: deposit")
    await locked(town, task)
    for number in range(1, 5):
        await paid(town, task, number, due=number < 4, accepted=2 + min(number, 3))
    await state(town, task, "Paid")
    spent, got = start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]
    assert (spent, got) == (COST, 20_000_000)
    await sound(town)
    return task


def test_the_example_with_a_deposit() -> None:
    """5,000 of 5, 8, 5 and 2 thousand: all of the fourth and 3,000 of the third are locked ahead; due are 5, 8, 2 thousand and nothing."""

    async def life() -> None:
        town = await a_large_town()
        task = await a_project(town)
        facts = (await entry(town, task, "deposit.accepted"))["facts"]
        assert (facts["percent"], facts["price"]) == (25, "5000")
        assert facts["covers"] == [{"milestone": 3, "price": "3000"}, {"milestone": 4, "price": "2000"}]
        due = [
            e["facts"]["amount_msat"] // 1000
            for e in town.log_of(task)
            if e["type"] == "invoice.created" and "covers" not in e["facts"]
        ]
        assert due == [5_050, 8_080, 2_050]
        assert "deposit.returned" not in types(town, task)
        await told(town, town.worker, "locked ahead")

    run_virtually(life())


def test_a_deposit_on_full_payment() -> None:
    async def life() -> None:
        town = await a_large_town()
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await begun(town)
        await told(town, town.employer, r"25 %")
        await locked(town, task, 1)
        await delivered(town, task)
        town.employer.wallet.pay(await approved(town, task))
        await counted(town, task, "invoice.accepted", 2)
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(20_000_000), expiry=30 * 86400)}")
        await state(town, task, "Paid")
        facts = (await entry(town, task, "settlement.completed"))["facts"]
        assert facts["hold_msat"] == 20_200_000
        assert [each["amount_msat"] for each in facts["other_holds"]] == [5_000_000]
        spent, got = start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]
        assert (spent, got) == (20_200_000, 20_000_000)
        await sound(town)

    run_virtually(life())


def test_few_hours_take_little_of_a_deposit() -> None:
    """An hour of forty is less than what is locked ahead: nothing else is asked for, and the rest comes back."""

    async def life() -> None:
        town = await a_large_town()
        task = await begun(town, payment_type="HOURLY_RATE", rate=500, cap=40)
        await locked(town, task, 1)
        await town.worker.say(f"submit {task} https://example.org/hours.zip {HASH} hours=1")
        await entry(town, task, "proof.submitted")
        await told(town, town.employer, "approve")
        await town.pass_time(30)
        await town.employer.say(f"approve {task}")
        await state(town, task, "Verified")
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(500_000), expiry=30 * 86400)}")
        await state(town, task, "Paid")
        facts = (await entry(town, task, "settlement.completed"))["facts"]
        assert (facts["hold_msat"], facts["credited"][0]["amount_msat"]) == (5_000_000, 5_000_000 - 500_000 - 200_000)
        await sound(town)

    run_virtually(life())


def test_a_cancelled_project_gives_the_deposit_back() -> None:
    async def life() -> None:
        town = await a_large_town()
        start = town.employer.wallet.balance
        task = await projected(town)
        await locked(town, task)
        await town.worker.say(f"cancel {task} 0")
        await entry(town, task, "cancel.offered")
        await town.employer.say(f"cancel {task} 0")
        await state(town, task, "Refunded")
        assert types(town, task).count("deposit.returned") == 2

        async def back() -> bool | None:
            return town.employer.wallet.balance == start or None

        await town.until(back, 120)
        await sound(town)

    run_virtually(life())


def test_what_is_missed_is_paid_out_of_the_deposit_as_far_as_it_goes() -> None:
    async def life() -> None:
        town = await a_large_town()
        start = town.worker.wallet.balance
        task = await begun(town)
        await locked(town, task, 1)
        await delivered(town, task)
        await approved(town, task)
        await entry(town, task, "payment.missed", within=3 * 86400)
        facts = (await entry(town, task, "payment.missed"))["facts"]
        assert facts["short_msat"] == 20_000_000 - (5_000_000 - 200_000)
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(4_800_000), expiry=30 * 86400)}")
        await state(town, task, "Expired")
        assert town.worker.wallet.balance - start == 4_800_000
        await sound(town)

    run_virtually(life())


def test_each_part_in_rupees_keeps_the_rate_of_its_own_money() -> None:
    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town, 'post 20000 INR "A shop" deadline=3d order=hire_first funding=on_approval')
        await town.worker.say(f"claim {task}")
        await entry(town, task, "task.accepted")
        await town.worker.say(f"milestones {task} {NEAR}")
        await entry(town, task, "plan.proposed")
        await town.employer.say(f"agree {task} {plan_of(town, task)}")
        await counted(town, task, "task.claimed", 1)
        await told(town, town.employer, "accept: deposit")
        await locked(town, task)
        for number in range(1, 5):
            await paid(town, task, number, due=number < 4, accepted=2 + min(number, 3))
        await state(town, task, "Paid")
        await sound(town)

    run_virtually(life())


def test_a_rate_that_moves_until_the_deposit_has_all_that_is_due() -> None:
    """A quarter of 20,000 rupees is locked, both agree on a share of a quarter, and rupees are worth half the sats when it is asked for: the
    deposit has more than that, a sat is asked for all the same, and what is too much comes back."""

    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town, 'post 20000 INR "A shop" deadline=3d order=hire_first funding=on_approval')
        await town.worker.say(f"claim {task}")
        await entry(town, task, "task.accepted")
        await town.employer.say(f"select {task} full")
        await state(town, task, "Claimed")
        await locked(town, task, 1)
        market.all_say(16_000_000)
        await town.pass_time(3600)
        await town.worker.say(f"cancel {task} 25")
        await entry(town, task, "cancel.offered")
        since = len(await town.employer.read())
        await town.employer.say(f"cancel {task} 25")
        await entry(town, task, "proof.verified")
        town.employer.wallet.pay(await the_invoice(town, since))
        await counted(town, task, "invoice.accepted", 2)
        facts = (await entry(town, task, "invoice.created"))["facts"]
        assert facts["amount_msat"] == 1_000
        share = (
            (62_500 + 93_750) * 1000 // 4 // 1000 * 1000
        )  # a quarter at the rate of the deposit, the rest at the new one
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(share), expiry=30 * 86400)}")
        await state(town, task, "Paid")
        ended = (await entry(town, task, "settlement.completed"))["facts"]
        assert ended["payouts"][0]["amount_msat"] == share
        assert ended["credited"][0]["amount_msat"] == 62_501_000 - share - ended["payouts"][0]["fee_msat"]
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("answer", ["later", "decline"])
def test_a_suggestion_that_is_not_taken_changes_nothing(answer: str) -> None:
    async def life() -> None:
        town = await a_large_town()
        task = await projected(town)
        await told(town, town.employer, "accept: deposit")
        await town.employer.say(f"deposit {task} {answer}")
        await told(town, town.employer, "nothing is locked ahead")
        assert ("deposit.declined" in types(town, task)) == (answer == "decline")
        await delivered(town, task)
        await approved(town, task)
        await sound(town)

    run_virtually(life())


def test_no_suggestion_at_or_below_the_threshold() -> None:
    async def life() -> None:
        town = await a_large_town(20_000)
        task = await projected(town)
        await delivered(town, task)
        await approved(town, task)
        assert not [kind for kind in types(town, task) if kind.startswith("deposit.")]
        assert not [text for text in await town.employer.read() if "accept: deposit" in text]

    run_virtually(life())
