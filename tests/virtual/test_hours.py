"""Work that is paid by the hour, through public doors: in rupees and in sats, over restarts, and out of a backup that is too old."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kinds.units import Msat
from tests.virtual.lives import (
    HASH,
    a_town,
    balance_of,
    claim,
    entry,
    funded,
    invoiced,
    offered,
    paid_out,
    payable,
    sound,
    state,
    stuck_inputs,
    task_of,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.market import Market
from tests.virtual.test_memory import open_again, restarted, stays_read_only
from tests.virtual.test_prices import posted, town_with
from tests.virtual.world import Town

HOURS: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": 1250, "cap": 40}
LINK = "https://example.org/page.zip"


async def paid(town: Town, task: str, sat: int) -> None:
    """The worker is asked for an invoice over that, and gets it."""
    await told(town, town.worker, f"Send me an invoice over exactly {sat:,} sats")
    await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(sat * 1000), expiry=30 * 86400)}")
    await state(town, task, "Paid", 1500)


def test_a_whole_life_by_the_hour_in_rupees_over_restarts() -> None:
    async def life() -> None:
        town = await town_with(Market())
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await posted(town, 'post INR "Build a page" payment_type=HOURLY_RATE rate=100 cap=40 deadline=3d')
        await told(
            town, town.employer, r"That is for 40 hours at 100\.00 INR each.*for fewer hours you get the rest back"
        )
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Funded")
        await claim(town, task, destination=False)
        await told(town, town.worker, r"at most: you are paid by the hour, 100\.00 INR each")
        await town.worker.say(f"submit {task} {LINK} {HASH}")
        await told(town, town.worker, r"paid by the hour, so tell me how many \(up to 40\) first: hours \w+ 12\.5")
        await town.worker.say(f"hours {task} 40.5")
        await told(town, town.worker, "there is room for 40 hours at most")
        await town.worker.say(f"hours {task} 12.5")
        await told(town, town.worker, r"12\.5 of 40 hours at most, for which you get 15,625 sats \(≈ 1,250 INR\)")
        await town.restart()
        await town.worker.say(f"status {task}")
        await told(town, town.worker, r"You have named 12\.5 hours for your next delivery")
        await town.worker.say(f"submit {task} {LINK} {HASH} as agreed")
        await told(town, town.employer, r"12\.5 hours, of 40 at most: 15,625 sats \(≈ 1,250 INR\) for the worker")
        await town.restart()
        await town.employer.say(f"approve {task}")
        await told(town, town.employer, r"The worker gets 15,625 sats \(≈ 1,250 INR\)")
        await town.restart()
        await paid(town, task, 15_625)
        rest = balance_of(town, town.employer)
        assert town.worker.wallet.balance - start[1] == 15_625_000
        assert start[0] - town.employer.wallet.balance == 50_500_000
        assert 50_500_000 - 15_625_000 - task_of(town, task).budget <= rest <= 50_500_000 - 15_625_000
        await town.employer.say(f"withdraw {town.employer.wallet.invoice(Msat(payable(rest)), expiry=3600)}")
        await paid_out(town, town.employer)
        await town.employer.say(f"receipt {task}")
        receipt = await told(town, town.employer, "Receipt for the employer")
        assert "By the hour: 100.00 INR each, 40 hours at most." in receipt
        assert "12.5 hours" in receipt
        await town.worker.say(json.dumps({"v": 1, "action": "history", "task": task}))
        history = json.loads(await told(town, town.worker, '"code":"history"'))
        assert [each["hours"] for each in history["entries"] if each["type"] == "proof.submitted"] == [1250]
        await town.worker.say(f"status {task}")
        await told(town, town.worker, r"12\.5 hours are delivered, of 40 at most")
        await sound(town)

    run_virtually(life())


def test_a_signed_delivery_names_its_hours() -> None:
    async def life() -> None:
        town = await a_town()
        event = await town.employer.offer("", "A page", town.time + 2 * 86400, **HOURS)

        async def there() -> str | None:
            return next((each["task"] for each in town.state_events() if each["root"] == event.id), None)

        task = await town.until(there)
        assert town.state_of(task)["reward_msat"] == 50_000_000
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Funded")
        await claim(town, task)
        for bad in ("40.01", "0", "1e1", "NaN", "-1", "12.345", "\u0661\u0662", "", "9" * 4000):
            await town.worker.prove(town.state_of(task), LINK, HASH, hours=bad)
        await told(town, town.worker, "These hours cannot be used")
        await town.pass_time(60)
        assert "proof.submitted" not in [each["type"] for each in town.log_of(task)]
        await town.worker.prove(town.state_of(task), LINK, HASH, hours="7.25")
        facts = (await entry(town, task, "proof.submitted"))["facts"]
        assert facts["hours"] == 725
        await town.employer.decide(task, "approve", (await entry(town, task, "proof.submitted"))["id"])
        await paid(town, task, 9062)
        await sound(town)

    run_virtually(life())


def test_the_whole_of_the_hours_needs_no_second_invoice() -> None:
    async def life() -> None:
        town = await a_town()
        task = await funded(town, **HOURS)
        await claim(town, task)
        await town.worker.say(f"submit {task} {LINK} {HASH} hours=40 done")
        await entry(town, task, "proof.submitted")
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        assert balance_of(town, town.employer) == 0
        await sound(town)

    run_virtually(life())


async def fund(town: Town, task: str) -> None:
    town.employer.wallet.pay(await invoiced(town, task))
    await state(town, task, "Funded")


async def be_claimed(town: Town, task: str) -> None:
    await claim(town, task, destination=False)


async def deliver(town: Town, task: str) -> None:
    await town.worker.say(f"hours {task} 10")
    await told(town, town.worker, "10 of 40 hours")
    await town.worker.say(f"submit {task} {LINK} {HASH}")
    await entry(town, task, "proof.submitted")


async def approve(town: Town, task: str) -> None:
    await town.employer.say(f"approve {task}")
    await entry(town, task, "proof.verified")


async def be_paid(town: Town, task: str) -> None:
    await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(12_500_000), expiry=30 * 86400)}")
    await state(town, task, "Paid", 1500)


LIFE = (fund, be_claimed, deliver, approve, be_paid)


@pytest.mark.parametrize(("backed_up", "until"), [(0, 2), (0, 3), (2, 3), (2, 5), (3, 5)])
def test_a_backup_is_brought_to_any_later_moment_with_its_hours(backed_up: int, until: int) -> None:
    """Backed up before step `backed_up`, lost after step `until`, restored, recovered, and lived to its end."""

    async def life() -> None:
        town = await a_town()
        start = town.worker.wallet.balance
        task = await offered(town, **HOURS)
        backup = b""
        for number, step in enumerate(LIFE):
            if number == backed_up:
                await town.pass_time(30)
                backup = town.backup()
            if number == until:
                break
            await step(town, task)
        await town.pass_time(30)
        there = town.log_of(task)
        await restarted(town, backup)
        await stays_read_only(town)
        await open_again(town)
        assert town.log_of(task) == there
        known = task_of(town, task)
        assert known.terms.hourly is not None
        assert (known.terms.hourly.rate, known.terms.hourly.cap) == (1250, 40)
        assert known.current.delivered_hours == (1000 if until > 2 else 0)
        for step in LIFE[until:]:
            await step(town, task)
        await state(town, task, "Paid")
        await town.pass_time(600)
        assert town.worker.wallet.balance - start == 12_500_000
        assert not stuck_inputs(town)
        await sound(town)

    run_virtually(life())
