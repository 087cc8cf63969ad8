"""Jobs in a local currency through public doors: what people are told, when the rate is frozen, and sources that fail, lie or disagree."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from handlers.decide import decide
from handlers.decision import Decision
from handlers.house import House
from kinds.commands import Fund
from kinds.inputs import Evidence, Now, Proven, Said
from kinds.units import Msat
from storage import house, rates
from storage.schema import inputs
from tests.virtual.lives import HASH, a_town, entry, invoiced, sound, state, task_of, told
from tests.virtual.loop import run_virtually
from tests.virtual.market import INR, KEY, Market, settings
from tests.virtual.world import Town

MINUTE = 60
POSTED = 'post 4000 INR "Build a landing page" deadline=3d'


async def town_with(market: Market, *names: str, **terms: Any) -> Town:
    town = await a_town(settings=settings(*names, **terms), web=market)

    async def known() -> bool:
        with town.engine.begin() as tx:
            return market.asked > 0 and (bool(rates.newest(tx, "INR")) or town.loop.time() > 30)

    await town.until(known)
    return town


async def posted(town: Town, words: str = POSTED) -> str:
    await town.employer.say(words)
    card = await told(town, town.employer, "Your task is made")
    found = re.search(r"its id is (\w+)", card)
    assert found, card
    await state(town, found[1], "Draft")
    return found[1]


async def finished(town: Town, task: str) -> None:
    await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
    await entry(town, task, "proof.submitted")
    await town.employer.say(f"approve {task}")
    await state(town, task, "Paid")


def newest(town: Town, task: str, kind: str) -> dict[str, Any]:
    facts: dict[str, Any] = [each for each in town.log_of(task) if each["type"] == kind][-1]["facts"]
    return facts


def test_a_whole_life_in_rupees_and_both_amounts_in_every_card() -> None:
    async def life() -> None:
        town = await town_with(Market())
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await posted(town)
        await told(town, town.employer, r"The price is 4,000 INR\..*frozen when you ask for the invoice")
        await told(
            town, town.employer, r"It costs 4,040 INR \(≈ 50,500 sats\): 4,000 INR \(≈ 50,000 sats\) for the worker"
        )
        invoice = await invoiced(town, task)
        await told(town, town.employer, r"Pay 50,500 sats \(≈ 4,040 INR\) to lock the money")
        await told(town, town.employer, r"50,000 sats \(4,000 INR\) for the worker")
        await told(town, town.employer, r"Frozen at 8,000,000 INR per bitcoin, as one, three, two told at 2027")
        await told(town, town.employer, r"Valid until .*\((9|10) min left\)")
        town.employer.wallet.pay(invoice)
        await state(town, task, "Funded")
        await told(town, town.employer, r"Your money is held: 50,500 sats \(≈ 4,040 INR\)")
        await town.worker.say("tasks")
        await told(town, town.worker, r"Funded, open for a claim · 50,000 sats \(4,000 INR\)")
        await town.worker.say(f"claim {task} {town.worker.wallet.invoice(Msat(50_000_000), expiry=30 * 86400)}")
        await state(town, task, "Claimed")
        await told(town, town.worker, r"Reward: 50,000 sats \(4,000 INR\)")
        await town.worker.say(f"status {task}")
        await told(town, town.worker, r"Price: 4,000 INR\. Frozen at 8,000,000 INR per bitcoin")
        await finished(town, task)
        await told(town, town.worker, r"You are paid: 50,000 sats \(4,000 INR\)")
        await told(town, town.employer, r"50,000 sats \(4,000 INR\) are the worker's now")
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (
            50_500_000,
            50_000_000,
        )
        shown = town.state_of(task)
        assert (shown["currency"], shown["price"], shown["rate"]) == ("INR", "4000.00", "8000000.00")
        await sound(town)

    run_virtually(life())


def test_a_signed_offer_in_a_currency_and_answers_for_programs() -> None:
    async def life() -> None:
        town = await town_with(Market())
        event = await town.employer.offer("4000.5", "A page", town.time + 2 * 86400, currency="inr")

        async def there() -> str | None:
            return next((each["task"] for each in town.state_events() if each["root"] == event.id), None)

        task = await town.until(there)
        await town.employer.say(json.dumps({"v": 1, "action": "fund", "task": task}))
        card = json.loads(await told(town, town.employer, r'"code":"invoice"'))
        assert (card["currency"], card["price"], card["rate"], card["indicative"]) == (
            "INR",
            "4000.50",
            "8000000.00",
            False,
        )
        assert card["amount_msat"] == 50_508_000  # 50,006.25 sats, rounded up, and one percent of that for sending
        created = newest(town, task, "task.created")
        assert (created["price"], created["rate_sources"]) == ("4000.50", ["one", "three", "two"])
        await sound(town)

    run_virtually(life())


def test_the_rate_moves_between_the_offer_the_invoice_and_the_payment() -> None:
    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town)
        market.all_say(INR * 11 // 10)
        await town.pass_time(2 * MINUTE)
        invoice = await invoiced(town, task)
        assert newest(town, task, "invoice.created")["reward_msat"] == 45_455_000  # rounded up
        market.all_say(INR * 9 // 10)
        await town.pass_time(2 * MINUTE)
        assert await invoiced(town, task) == invoice, "the same one, at the rate that is frozen"
        town.employer.wallet.pay(invoice)
        await state(town, task, "Funded")
        assert task_of(town, task).reward == 45_455_000
        before = len(await town.worker.read())
        await town.worker.say(f"claim {task} {town.worker.wallet.invoice(Msat(50_000_000), expiry=30 * 86400)}")
        await told(town, town.worker, r"exactly 45,455 sats \(4,000 INR\)", since=before)
        await town.worker.say(f"claim {task} {town.worker.wallet.invoice(Msat(45_455_000), expiry=30 * 86400)}")
        await state(town, task, "Claimed")
        await finished(town, task)
        await sound(town)

    run_virtually(life())


def test_an_invoice_at_a_frozen_rate_lives_ten_minutes_and_there_are_three_a_day() -> None:
    """Whoever waits for a better rate gets two more, and then pays one of them or waits until tomorrow."""

    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town)
        amounts = []
        for price in (INR, INR * 101 // 100, INR * 102 // 100):
            market.all_say(price)
            await town.pass_time(2 * MINUTE)
            await invoiced(town, task)
            amounts.append(newest(town, task, "invoice.created")["amount_msat"])
            assert newest(town, task, "invoice.created")["expires_at"] - town.time <= 10 * MINUTE
            await town.pass_time(11 * MINUTE)
            await state(town, task, "Draft")
        assert amounts == sorted(set(amounts), reverse=True), "each at the rate of its time"
        before = len(await town.employer.read())
        await town.employer.say(f"fund {task}")
        await told(town, town.employer, "3 invoices within a day, which is the limit", since=before)
        await town.pass_time(86400)
        await invoiced(town, task)
        assert len([each for each in town.log_of(task) if each["type"] == "invoice.created"]) == 4
        await sound(town)

    run_virtually(life())


def test_the_last_good_rate_lasts_half_an_hour_and_then_nothing_is_promised() -> None:
    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town)
        market.says.clear()
        await town.pass_time(20 * MINUTE)
        await invoiced(town, task)
        await town.pass_time(20 * MINUTE)
        for words in (f"fund {task}", POSTED):
            before = len(await town.employer.read())
            await town.employer.say(words)
            await told(town, town.employer, "I know no exchange rate for INR that is new enough", since=before)
        await told(town, town.employer, "or name your price in sats")
        market.all_say(INR * 2)  # the last good one is too old to doubt it
        await town.pass_time(2 * MINUTE)
        await invoiced(town, task)
        assert newest(town, task, "invoice.created")["reward_msat"] == 25_000_000
        await sound(town)

    run_virtually(life())


def _endless() -> httpx.Response:
    return httpx.Response(200, content=b'{"data":{"INR":8000000,"x":"' + b"x" * 100_000 + b'"}}')


NONSENSE: dict[str, object] = {
    "no JSON": lambda: httpx.Response(200, content=b"<html>8000000</html>"),
    "nothing": lambda: httpx.Response(200, content=b""),
    "huge": _endless,
    "an error": lambda: httpx.Response(500, content=b'{"data":{"INR":8000000}}'),
    "elsewhere": lambda: httpx.Response(302, headers={"location": "https://example.org/"}),
    "deep": lambda: httpx.Response(200, content=b"[" * 60_000),
    "no number": lambda: httpx.Response(200, content=b'{"data":{"INR":NaN}}'),
    "negative": -INR,
    "zero": 0,
    "text": "eight million",
    "an exponent": "8e6",
    "infinite": "Infinity",
    "true": True,
    "a list": [INR],
    "ten times as much": INR * 10,
    "one rupee": 1,
}


@pytest.mark.parametrize("name", NONSENSE)
def test_one_source_that_lies_or_fails_changes_nothing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def life() -> None:
        market, said = Market(), NONSENSE[name]
        if callable(said):
            market.answers["two"] = said
        else:
            market.says["two"] = said
        town = await town_with(market)
        with town.engine.begin() as tx:
            rate = rates.newest(tx, "INR")
        assert rate is not None
        assert (int(rate.price), rate.sources) == (INR, ("one", "three"))

    run_virtually(life())
    logged = capsys.readouterr()
    assert KEY not in logged.out + logged.err
    assert "example.org" not in logged.out + logged.err


def test_sources_are_asked_side_by_side_and_not_waited_for_too_long() -> None:
    async def life() -> None:
        market = Market(slow={"one": 8, "two": 9, "three": 3600})
        town = await town_with(market)
        assert town.loop.time() < 25
        with town.engine.begin() as tx:
            rate = rates.newest(tx, "INR")
        assert rate is not None
        assert rate.sources == ("one", "two")

    run_virtually(life())


def test_two_sources_that_do_not_agree_make_no_rate() -> None:
    async def life() -> None:
        market = Market({"one": INR, "two": INR * 11 // 10})
        town = await town_with(market, "one", "two")
        await town.employer.say(POSTED)
        await told(town, town.employer, "I know no exchange rate for INR")
        await town.employer.say('post 1000000 NGN "Another" deadline=3d')
        await told(town, town.employer, "The price is 1,000,000 NGN")
        await sound(town)

    run_virtually(life())


def test_a_jump_that_all_agree_on_is_doubted_for_half_an_hour() -> None:
    async def life() -> None:
        market = Market()
        town = await town_with(market)
        market.all_say(INR * 3)
        await town.pass_time(10 * MINUTE)
        with town.engine.begin() as tx:
            assert (rate := rates.newest(tx, "INR")) is not None
        assert rate.price == INR
        await town.pass_time(25 * MINUTE)
        with town.engine.begin() as tx:
            assert (rate := rates.newest(tx, "INR")) is not None
        assert rate.price == INR * 3

    run_virtually(life())


@pytest.mark.parametrize("claim", ["first", "pick"])
def test_an_invoice_that_is_named_before_the_rate_is_frozen_is_asked_for_again(claim: str) -> None:
    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town, f"{POSTED} order=hire_first claim={claim}")
        await town.worker.say(f"claim {task} {town.worker.wallet.invoice(Msat(50_000_000), expiry=30 * 86400)}")
        await told(town, town.worker, "is not kept: how many sats")
        if claim == "pick":
            await town.employer.say(f"hire {task} {town.worker.pubkey}")
        await entry(town, task, "task.accepted")
        assert task_of(town, task).destination is None
        market.all_say(INR * 11 // 10)
        await town.pass_time(2 * MINUTE)
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Claimed")
        await told(town, town.worker, r"Your invoice over exactly 45,455 sats \(4,000 INR\) can come now")
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(45_455_000), expiry=30 * 86400)}")
        await told(town, town.worker, r"I have your invoice over 45,455 sats \(4,000 INR\)")
        await finished(town, task)
        await sound(town)

    run_virtually(life())


def test_the_limits_of_the_reward_hold_for_each_invoice_too() -> None:
    async def life() -> None:
        market = Market()
        town = await town_with(market, max_reward_sat=51_000)
        task = await posted(town)
        market.all_say(INR * 9 // 10)
        await town.pass_time(2 * MINUTE)
        before = len(await town.employer.read())
        await town.employer.say(f"fund {task}")
        await told(town, town.employer, r"more than the largest reward here: 51,000 sats \(≈ 3,672 INR\)", since=before)
        await town.employer.say('post 5000 INR "Too much" deadline=3d')
        await told(town, town.employer, "largest reward", since=before + 1)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ('post 500 XYZ "A page" deadline=3d', "neither sats nor the code of a currency"),
        ('post 500 USD "A page" deadline=3d', "a price in USD: this operator does not offer that"),
        ('post 500.123 INR "A page" deadline=3d', "INR has 2 decimals at most"),
        ('post -500 INR "A page" deadline=3d', "The amount cannot be used"),
        ('post 1e3 INR "A page" deadline=3d', "The amount cannot be used"),
        ('post NaN INR "A page" deadline=3d', "The amount cannot be used"),
        ('post 0 INR "A page" deadline=3d', "above zero"),
        ('post 99999999999999 INR "A page" deadline=3d', "less than a million millions"),
        ("post 500 INR A page deadline=3d", "put the title in quotes"),
        ('post 1 INR "A page" deadline=3d', "less than the smallest reward"),
    ],
)
def test_malformed_words_are_answered(words: str, answer: str) -> None:
    async def life() -> None:
        town = await town_with(Market())
        await town.employer.say(words)
        await told(town, town.employer, re.sub(r"^.", lambda first: f"(?i:{first[0]})", answer))
        assert not town.states()

    run_virtually(life())


def test_rates_survive_a_restart_and_a_renewed_hold_keeps_the_old_one() -> None:
    async def life() -> None:
        market = Market()
        town = await town_with(market, hold_cltv=700)
        words = f'{POSTED.replace("3d", "2h")} on_hold_end="rollover then refund"'
        task = await posted(town, words)
        market.says.clear()
        await town.restart()
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Funded")
        await town.worker.say(f"claim {task}")
        await state(town, task, "Claimed")
        frozen = task_of(town, task).current
        market.all_say(INR * 3 // 4)
        await town.pass_time(40 * MINUTE)
        network = town.node.network
        network.mine(task_of(town, task).rollover_height - network.height)
        await entry(town, task, "rollover.asked")
        assert newest(town, task, "rollover.asked")["amount_msat"] == 50_500_000
        town.employer.wallet.pay(await invoiced(town, task))
        await entry(town, task, "rollover.completed")
        assert (task_of(town, task).current.rate, task_of(town, task).hold_amount) == (frozen.rate, 50_500_000)
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(50_000_000), expiry=30 * 86400)}")
        await finished(town, task)
        await sound(town)

    run_virtually(life())


def test_a_node_that_takes_longer_than_the_rate_counts_makes_no_invoice() -> None:
    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town)
        market.says.clear()
        await town.pass_time(29 * MINUTE)
        town.node.network.faults = type(town.node.network.faults)(lose_requests=10**6, only=("make_hold",))
        await town.employer.say(f"fund {task}")
        await town.pass_time(5 * MINUTE)
        town.node.network.faults = type(town.node.network.faults)()
        await told(town, town.employer, "the exchange rate is too old", 1800)
        await state(town, task, "Draft")
        assert not [each for each in town.log_of(task) if each["type"] == "invoice.created"]
        await sound(town)

    run_virtually(life())


def test_what_was_decided_by_a_rate_is_decided_again_by_the_same() -> None:
    """The rate that an input met is on record with it: the same task, the same row and the same rate give the same invoice."""

    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town)
        before = task_of(town, task)
        await invoiced(town, task)
        market.all_say(INR * 2)
        await town.pass_time(40 * MINUTE)
        with town.engine.begin() as tx:
            [row] = [each for each in tx.execute(select(inputs)) if each.sort == "dm" and "fund" in each.body]
            met, policy = rates.met(tx, row.n), house.policy_by_id(tx, row.policy)
            current = rates.newest(tx, "INR")
        assert met is not None
        assert current is not None
        assert met[0] is not None
        assert (int(met[0].price), int(current.price)) == (INR, INR * 2)
        said = Said(town.employer.pubkey, Fund(task=task), Evidence(Proven.ATTESTED, created_at=row.time))
        now = Now(row.time, row.height, row.block, row.deaf, row.entropy)
        again = decide(before, said, now, policy, House(rate=met[0]))
        assert isinstance(again, Decision)
        [funding], [made] = again.task.fundings, task_of(town, task).fundings
        assert (funding.ref, funding.amount, funding.rate) == (made.ref, made.amount, made.rate)

    run_virtually(life())


def test_play_money_has_a_play_rate_for_every_currency() -> None:
    async def life() -> None:
        town = await a_town()
        for words, price in (
            ('post 50 USD "A"', "50 USD"),
            ('post 7500 JPY "B"', "7,500 JPY"),
            ('post 1.250 KWD "C"', "1.250 KWD"),
        ):
            await town.employer.say(f"{words} deadline=3d")
            await told(town, town.employer, f"The price is {price}")
        await town.employer.say("terms")
        await told(
            town, town.employer, r"A price may also be named in a currency \(INR, .* more\).*a play rate \(fixed\)"
        )
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("later", ["invoiced", "claimed"])
def test_a_lost_memory_gets_price_and_rate_back_from_the_log(later: str) -> None:
    async def life() -> None:
        market = Market()
        town = await town_with(market)
        task = await posted(town, POSTED)
        await invoiced(town, task)
        backup = town.backup()
        await town.pass_time(11 * MINUTE)
        await state(town, task, "Draft")
        market.all_say("7654321.09")
        await town.pass_time(2 * MINUTE)
        invoice = await invoiced(town, task)
        if later == "claimed":
            town.employer.wallet.pay(invoice)
            await state(town, task, "Funded")
            await town.worker.say(f"claim {task}")
            await state(town, task, "Claimed")
        before = task_of(town, task)
        await town.kill()
        town.restore(backup)
        await town.recover()
        await town.start()
        if later == "invoiced":
            town.employer.wallet.pay(invoice)
            await state(town, task, "Funded")
        await town.pass_time(20 * MINUTE)  # what was said before might have been done
        assert (task_of(town, task).terms.pricing, task_of(town, task).current.price) == (before.terms.pricing, 400_000)
        assert task_of(town, task).current == before.current
        if later == "invoiced":
            await town.worker.say(f"claim {task}")
            await state(town, task, "Claimed")
        net = task_of(town, task).net
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(net, expiry=30 * 86400)}")
        await finished(town, task)
        await sound(town)

    run_virtually(life())
