"""The operator's hand in whole lives: by message from his key, and by the door beside the daemon."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from bot.config import Daemon, LiquiditySettings, Settings
from kinds.figures import npub
from kinds.units import Msat
from storage.schema import acts
from tests.virtual.lives import (
    HASH,
    HOLD,
    REWARD,
    a_town,
    approved,
    claim,
    claimed,
    delivered,
    entry,
    funded,
    incidents_of,
    invoiced,
    offered,
    sound,
    state,
    task_of,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import Person, Town

DAY = 86400


async def a_house(**more: Any) -> tuple[Town, Person]:
    """A town whose daemon knows its operator's key."""
    town = Town(**more)
    operator = Person(town, "operator", 13)
    town.settings = Settings(daemon=Daemon(operator=operator.pubkey))
    await town.start()
    return town, operator


def by_hand(town: Town, text: str) -> Any:
    """Said at the machine; the answer as it comes through the door."""
    return town.dispatch.by_hand(text)


def acts_of(town: Town) -> list[tuple[str, str, str]]:
    with town.engine.begin() as tx:
        return [(row.who, row.what, row.result) for row in tx.execute(select(acts).order_by(acts.c.n))]


def test_a_frozen_life_goes_on_where_it_stood() -> None:
    async def life() -> None:
        town, operator = await a_house()
        start = town.worker.wallet.balance
        task = await delivered(town)
        await operator.say(f"freeze {task[:5]}")
        await told(town, operator, "Done: freeze")
        await told(town, town.worker, "has frozen")
        await entry(town, task, "task.frozen")
        await town.employer.say(f"approve {task}")
        await told(town, town.employer, "the operator has frozen it")
        await town.pass_time(3 * DAY)  # longer than the review and the deadline
        assert town.state_of(task)["state"] == "Claimed"
        assert town.state_of(task)["frozen"]
        await operator.say(f"unfreeze {task}")
        await entry(town, task, "task.unfrozen")
        await told(town, town.employer, "deadlines have moved by 3 d")
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        assert town.worker.wallet.balance - start == REWARD
        assert not town.state_of(task)["frozen"]
        await sound(town)
        assert acts_of(town) == [
            (operator.pubkey, f"{what} {task[:n]}", "done") for what, n in (("freeze", 5), ("unfreeze", 13))
        ]

    run_virtually(life())


def test_a_frozen_hold_goes_back_at_its_last_safe_block() -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task = await claimed(town)
        await by_hand(town, f"freeze {task}")
        facts = await state(town, task, "Claimed")
        town.node.network.mine(facts["last_safe_height"] - town.node.network.height)
        await state(town, task, "Refunded")
        assert town.employer.wallet.balance == start
        await sound(town)

    run_virtually(life())


def test_an_approved_payout_waits_for_the_end_of_a_freeze() -> None:
    async def life() -> None:
        town = await a_town()
        start = town.worker.wallet.balance
        task = await approved(town, destination=False)
        await by_hand(town, f"freeze {task}")
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(REWARD), expiry=30 * DAY)}")
        await told(town, town.worker, "has frozen it")
        await town.pass_time(2 * DAY)
        assert town.state_of(task)["state"] == "Verified"
        await by_hand(town, f"unfreeze {task}")
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(REWARD), expiry=30 * DAY)}")
        await state(town, task, "Paid")
        assert town.worker.wallet.balance - start == REWARD
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("named", [True, False])
def test_nobody_else_is_the_operator(named: bool) -> None:
    async def life() -> None:
        town, operator = await a_house()
        if not named:
            await town.kill()
            town.settings = Settings()
            await town.start()
        task = await funded(town)
        for person in (town.employer, town.worker, *(() if named else (operator,))):
            await person.say(f"freeze {task}")
            await told(town, person, "Only the operator")
            await person.say(json.dumps({"v": 1, "action": "unfreeze", "task": task}))
            await told(town, person, "not_operator")
        await town.employer.decide(task, "freeze", town.log_of(task)[-1]["id"])  # nor by a signed decision
        await told(town, town.employer, "not_operator.*freeze")
        if named:
            await operator.decide(task, "freeze", town.log_of(task)[-1]["id"])
            await told(town, operator, "not_operator")
        assert acts_of(town) == []
        assert "task.frozen" not in [each["type"] for each in town.log_of(task)]
        await claim(town, task)
        await sound(town)

    run_virtually(life())


def test_what_is_said_by_hand_is_answered_and_on_record() -> None:
    async def life() -> None:
        town = await a_town()
        task = await funded(town)
        for text, ok, code in (
            (f"freeze {task}", True, "operated"),
            (f'{{"v":1,"action":"freeze","task":"{task}"}}', False, "already"),
            ("freeze 0000000000000", False, "unknown_task"),
            ("freeze", False, "bad_usage"),
            (f"cancel {task}", False, "bad_usage"),
            ("frieze x", False, "unknown_command"),
        ):
            said = await by_hand(town, text)
            if text.startswith("{"):
                assert (json.loads(said)["ok"], json.loads(said)["code"]) == (ok, code)
            else:
                assert said
        assert acts_of(town) == [("cli", f"freeze {task}", "done"), ("cli", f"freeze {task}", "already")]
        assert town.node.network.figures().held == HOLD
        await sound(town)

    run_virtually(life())


def test_a_freeze_outlives_the_process() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town)
        await by_hand(town, f"freeze {task}")
        await town.restart()
        await town.worker.say(f"abandon {task}")
        await told(town, town.worker, "has frozen it")
        await town.pass_time(60)
        await by_hand(town, f"unfreeze {task}")
        await town.worker.say(f"abandon {task}")
        await state(town, task, "Funded")
        await sound(town)

    run_virtually(life())


def chain_of(town: Town) -> list[tuple[str, dict[str, Any]]]:
    """The pauses in the daemon's own chain, as anybody reads them."""
    found = (
        json.loads(event["content"]) for event in town.public_events() if ["t", "holdfast-checkpoint"] in event["tags"]
    )
    entries = sorted((each["seq"], each["type"], each["facts"]) for each in found if each["type"].startswith("house."))
    return [(kind, facts) for _, kind, facts in entries]


def test_a_paused_house_finishes_what_it_began_and_begins_nothing() -> None:
    async def life() -> None:
        town, operator = await a_house()
        start = town.worker.wallet.balance
        task = await funded(town)
        draft = await offered(town, d="another")
        await operator.say("pause")
        await told(town, operator, "Done: pause")
        await town.employer.say(f"fund {draft}")
        await told(town, town.employer, "paused new business")
        await town.employer.offer(1000, "One more", town.time + DAY, "third")
        await town.employer.say('post 1000 "And one by message" deadline=1d')
        await told(town, town.employer, "paused new business", since=len(await town.employer.read()))
        await town.restart()  # a pause outlives the process
        await town.worker.say("terms")
        await told(town, town.worker, "Closed for new business")
        await claim(town, task)
        await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
        await entry(town, task, "proof.submitted")
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        assert town.worker.wallet.balance - start == REWARD
        assert set(town.states()) == {task, draft}
        await town.pass_time(60)
        await operator.say("resume")
        await told(town, operator, "Done: resume")
        await invoiced(town, draft)
        await sound(town)
        assert [kind for kind, _ in chain_of(town)] == ["house.paused", "house.resumed"]
        assert [what for _, what, _ in acts_of(town)] == ["pause", "resume"]

    run_virtually(life())


def test_a_banned_person_ends_what_he_has_and_begins_nothing() -> None:
    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance, town.worker.wallet.balance
        task = await delivered(town)
        other = await funded(town, d="another")
        for person in (town.employer, town.worker):
            answer = await by_hand(town, f"ban {npub(person.pubkey)}")
            assert answer.startswith(f"Done: ban {npub(person.pubkey)[:10]}")
        await town.restart()
        await town.worker.say(f"claim {other}")
        await told(town, town.worker, "no new agreements")
        await town.employer.say('post 1000 "Another" deadline=1d')
        await told(town, town.employer, "no new agreements")
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        await town.employer.say(f"cancel {other}")
        await state(town, other, "Refunded")
        assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
        await by_hand(town, f"unban {town.worker.pubkey}")
        await by_hand(town, f"unban {town.employer.pubkey}")
        third = await funded(town, d="third")
        await claim(town, third)
        await sound(town)
        assert chain_of(town) == []

    run_virtually(life())


def test_the_operator_asks_what_is_held_and_what_went_wrong() -> None:
    async def life() -> None:
        town, operator = await a_house()
        await operator.say("holds")
        await told(town, operator, "Nothing is held")
        await operator.say("incidents")
        await told(town, operator, "no incident")
        first = await funded(town, d="first")
        await town.pass_time(2 * 3600)
        second = await claimed(town, d="second")
        await operator.say('{"v":1,"action":"holds"}')
        said = json.loads(await told(town, operator, '"code":"holds"'))
        assert (said["count"], said["total_msat"]) == (2, 2 * HOLD)
        assert [each["task"] for each in said["holds"]] == [first, second], "the first to end on top"
        shown = town.state_of(first)
        assert {**said["holds"][0], "age": 0} == {
            "task": first, "title": "Build a landing page", "state": "Funded", "phase": "", "frozen": False, "age": 0,
            "funding": f"{first}/h1", "goal": "", "amount_msat": HOLD, "expiry_height": shown["expiry_height"],
            "last_safe_height": shown["last_safe_height"],
        }  # fmt: skip
        assert 7200 <= said["holds"][0]["age"] < 7300
        town.node.network.lose_hold(task_of(town, second).fundings[-1].payment_hash)
        await state(town, second, "Expired")
        await town.pass_time(60)
        await operator.say("incidents")
        assert second in await told(town, operator, "Incidents, the newest last")
        await town.employer.say("holds")
        await told(town, town.employer, "Only the operator")
        assert [what for _, what, _ in acts_of(town)] == ["holds", "incidents", "holds", "incidents"]
        await sound(town)

    run_virtually(life())


def test_whoever_selects_full_payment_meets_the_same_ceiling() -> None:
    async def life() -> None:
        town, operator = await a_house()
        await town.kill()
        ceiling = LiquiditySettings(max_held_sat=HOLD // 1000 - 1)
        town.settings = Settings(daemon=Daemon(operator=operator.pubkey), liquidity=ceiling)
        await town.start()
        task = await offered(town, order="hire_first")
        await town.worker.say(f"claim {task}")
        await entry(town, task, "task.accepted")
        await town.employer.say(f"select {task} full")
        await told(town, town.employer, "as much money is held as this house takes")
        await sound(town)

    run_virtually(life())


def test_no_new_invoice_beyond_the_ceiling_and_one_alert_an_episode() -> None:
    async def life() -> None:
        town, operator = await a_house()
        await town.kill()
        ceiling = LiquiditySettings(max_held_sat=2 * HOLD // 1000 - 1)
        town.settings = Settings(daemon=Daemon(operator=operator.pubkey), liquidity=ceiling)
        await town.start()
        first = await delivered(town, d="first")
        second = await offered(town, d="second")
        small = await offered(town, sat=1000, d="small")
        for _ in range(3):  # as often as he asks: told each time, one incident
            since = len(await town.employer.read())
            await town.employer.say(f"fund {second}")
            await told(town, town.employer, "as much money is held as this house takes", since=since)
            await town.pass_time(60)
        await invoiced(town, small)  # there is room for that, and the episode goes on
        await town.pass_time(60)
        await town.employer.say(f"fund {second}")
        await told(town, operator, "new invoices are refused")
        assert incidents_of(town) == ["no_room"]
        await town.restart()
        await town.employer.say(f"approve {first}")  # what is under way is paid, and makes room
        await state(town, first, "Paid")
        await town.employer.say(f"cancel {small}")
        await state(town, small, "Refunded")
        await town.pass_time(60)
        town.employer.wallet.pay(await invoiced(town, second))
        await state(town, second, "Funded")
        third = await offered(town, d="third")
        await town.employer.say(f"fund {third}")
        await told(town, operator, "new invoices are refused", since=len(await operator.read()))
        assert incidents_of(town) == ["no_room", "no_room"], "another episode"
        await sound(town)

    run_virtually(life())


def test_a_node_without_room_makes_no_invoice_but_pays() -> None:
    async def life() -> None:
        town = await a_town(settings=Settings(liquidity=LiquiditySettings(min_inbound_sat=1_000_000_000 - 100_000_000)))
        task = await offered(town)
        await town.employer.say(f"fund {task}")
        await told(town, town.employer, "my node cannot receive that much")
        assert town.state_of(task)["state"] == "Draft"
        await town.employer.say("terms")
        await told(town, town.employer, "can still receive 900,000,000 sats")
        await sound(town)

    run_virtually(life())


def test_an_incident_is_an_alert_to_the_operators_key() -> None:
    async def life() -> None:
        town, operator = await a_house()
        task = await claimed(town)
        town.node.network.lose_hold(task_of(town, task).fundings[-1].payment_hash)
        await state(town, task, "Expired")
        assert task in await told(town, operator, "operator's eye")
        await sound(town)

    run_virtually(life())
