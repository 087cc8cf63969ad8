"""Hiring through public doors: offers and choices, the worker before the money, and what happens when two things happen at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from kinds.bolt11 import decode
from kinds.events import DM_WRAP, RECORD, Unsigned
from kinds.figures import npub
from kinds.units import Msat, commitment
from storage.schema import letters
from tests.virtual.lives import HASH, HOLD, REWARD, a_town, entry, invoiced, offered, sound, state, task_of, told
from tests.virtual.loop import run_virtually
from tests.virtual.world import Person, Town

FIRST: dict[str, Any] = {"order": "hire_first"}
PICK: dict[str, Any] = {"claim": "pick"}
BOTH = FIRST | PICK
NOTE = "I have done ten of these, zebra crossing included"


def types(town: Town, task: str) -> list[str]:
    return [each["type"] for each in town.log_of(task)]


async def held(town: Town, **terms: Any) -> str:
    task = await offered(town, **terms)
    town.employer.wallet.pay(await invoiced(town, task))
    await state(town, task, "Funded")
    return task


async def apply(town: Town, task: str, who: Person, note: str = NOTE, destination: bool = True) -> None:
    net = Msat(town.state_of(task)["net_msat"])
    invoice = who.wallet.invoice(net, expiry=30 * 86400) if destination else ""
    count = types(town, task).count("claim.offered")
    await who.say(" ".join(filter(None, ("claim", task, invoice, f'note="{note}"' if note else ""))))

    async def there() -> bool:
        return types(town, task).count("claim.offered") > count

    await town.until(there)


async def accepted(town: Town) -> str:
    task = await offered(town, **FIRST)
    await town.worker.say(f"claim {task} {town.worker.wallet.invoice(Msat(REWARD), expiry=30 * 86400)}")
    await entry(town, task, "task.accepted")
    return task


async def finished(town: Town, task: str) -> None:
    await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
    await entry(town, task, "proof.submitted")
    await town.employer.say(f"approve {task}")
    await state(town, task, "Paid")


async def hired_life(town: Town) -> None:
    """Everything is said once: two offer it, one is hired, the money comes, the work is paid."""
    other = Person(town, "other", 13)
    start = town.employer.wallet.balance, town.worker.wallet.balance
    task = await offered(town, **BOTH)
    await apply(town, task, other)
    await apply(town, task, town.worker)
    await town.employer.say(f"hire {task} {npub(town.worker.pubkey)}")
    await entry(town, task, "task.accepted")
    town.employer.wallet.pay(await invoiced(town, task))
    await state(town, task, "Claimed")
    await finished(town, task)
    await entry(town, task, "settlement.completed")
    assert (start[0] - town.employer.wallet.balance, town.worker.wallet.balance - start[1]) == (HOLD, REWARD)
    assert types(town, task) == [
        "task.created", "claim.offered", "claim.offered", "task.accepted", "invoice.created", "invoice.accepted",
        "task.claimed", "proof.submitted", "proof.verified", "settlement.started", "settlement.completed",
    ]  # fmt: skip
    await sound(town)


def test_a_worker_is_picked_before_the_money() -> None:
    async def life() -> None:
        town = await a_town()
        await hired_life(town)
        for words in ("with the employer, who picks", "Do not begin before", "you may begin"):
            await told(town, town.worker, words)
        await told(town, town.employer, f"They write: “{NOTE}”")

    run_virtually(life())


@pytest.mark.parametrize("where", ["before", "after"])
def test_killed_at_each_passage(where: str) -> None:
    """At every seventh commit of such a life, in turn before and after it."""

    async def life(at: int = 0) -> int:
        town = Town(seed=at)
        await town.start()
        first = town.commits
        if at and where == "before":
            town.die_before = first + at
        elif at:
            town.die_after = first + at
        await hired_life(town)
        return town.commits - first

    for at in range(1 if where == "before" else 4, run_virtually(life()) + 1, 7):
        try:
            run_virtually(life(at))
        except BaseException as error:
            raise AssertionError(f"killed {where} commit {at}") from error


def test_all_of_it_signed() -> None:
    """Offer and choice as signed decisions: the payment is proven, and nothing rests on the bot's word."""

    async def life() -> None:
        town = await a_town()
        task = await held(town, **PICK)
        created = town.log_of(task)[0]["id"]
        invoice = town.worker.wallet.invoice(Msat(REWARD), expiry=30 * 86400)
        salt = "5a" * 32
        promise = commitment(salt, decode(invoice).payment_hash)
        await town.worker.decide(task, "claim", created, dest_hash=promise, note=NOTE)
        await entry(town, task, "claim.offered")
        await town.employer.decide(task, "hire", created, npub=npub(town.worker.pubkey))
        await state(town, task, "Claimed")
        await town.worker.say(
            json.dumps({"v": 1, "action": "payout", "task": task, "destination": invoice, "salt": salt})
        )
        await told(town, town.worker, "destination_noted")
        await town.worker.prove(town.state_of(task), "https://example.org/page.zip", HASH)
        proof = await entry(town, task, "proof.submitted")
        await town.employer.decide(task, "approve", proof["id"])
        await state(town, task, "Paid")
        [verdict] = (await sound(town)).tasks
        assert (verdict.evidence, verdict.payout) == ("signed", "proven")

    run_virtually(life())


def test_two_claims_at_once_bind_one() -> None:
    async def life() -> None:
        town = await a_town()
        other = Person(town, "other", 13)
        task = await offered(town, **FIRST)
        await town.worker.say(f"claim {task}")
        await other.say(f"claim {task}")
        await told(town, other, "Somebody else has claimed")
        assert types(town, task) == ["task.created", "task.accepted"]
        assert town.state_of(task)["worker"] == town.worker.pubkey
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("first", ["hire", "abandon"])
def test_hiring_races_taking_it_back(first: str) -> None:
    """Whichever is heard first counts; the other is told what has become of it."""

    async def life() -> None:
        town = await a_town()
        task = await offered(town, **BOTH)
        await apply(town, task, town.worker)

        async def hire() -> None:
            await town.employer.say(f"hire {task} {town.worker.pubkey}")

        async def leave() -> None:
            await town.worker.say(f"abandon {task}")

        for act in (hire, leave) if first == "hire" else (leave, hire):
            await act()
        await entry(town, task, "task.abandoned")
        if first == "hire":
            assert types(town, task)[-2:] == ["task.accepted", "task.abandoned"]
        else:
            await told(town, town.employer, "has not offered to do task")
        assert town.state_of(task)["worker"] is None
        assert (await state(town, task, "Draft"))["state"] == "Draft"
        await sound(town)

    run_virtually(life())


def test_hired_twice_is_hired_once() -> None:
    async def life() -> None:
        town = await a_town()
        other = Person(town, "other", 13)
        task = await held(town, **PICK)
        for who in (town.worker, other):
            await apply(town, task, who)
        for who in (town.worker, other):
            await town.employer.say(f"hire {task} {who.pubkey}")
        await told(town, town.employer, "has a worker already")
        assert town.state_of(task)["worker"] == town.worker.pubkey
        await told(town, other, "Somebody else was picked")
        await town.worker.say(f"abandon {task}")
        await state(town, task, "Funded")
        await town.pass_time(2)  # the same words in the same second would be the same message
        await town.employer.say(f"hire {task} {other.pubkey}")
        await state(town, task, "Claimed")
        assert town.state_of(task)["worker"] == other.pubkey
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("race", ["abandon", "cancel", "deadline"])
def test_money_that_comes_too_late_goes_back(race: str) -> None:
    """The worker leaves, the employer cancels, or the deadline comes, in the moment in which the invoice is paid."""

    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task = await offered(town, **FIRST, deadline=5 * 3600)
        await town.worker.say(f"claim {task}")
        await entry(town, task, "task.accepted")
        if race == "deadline":
            await town.pass_time(5 * 3600 - 900)
        invoice = await invoiced(town, task)
        match race:
            case "abandon":
                await town.worker.say(f"abandon {task}")
                await entry(town, task, "task.abandoned")
            case "cancel":
                await town.employer.say(f"cancel {task}")
                await told(town, town.worker, "the employer cancelled it")
            case _:
                await state(town, task, "Expired", within=2 * 3600)
                await told(town, town.worker, "it was not funded in time")
        town.employer.wallet.pay(invoice)
        await town.pass_time(120)
        assert (town.employer.wallet.balance, town.node.network.figures().held) == (start, 0)
        assert "task.claimed" not in types(town, task)
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("first", ["pay", "abandon"])
def test_the_payment_races_the_worker_who_leaves(first: str) -> None:
    """In one moment: either the work began and the money waits for another worker, or it is a stray and goes back."""

    async def life() -> None:
        town = await a_town()
        start = town.employer.wallet.balance
        task = await accepted(town)
        invoice = await invoiced(town, task)
        if first == "pay":
            town.employer.wallet.pay(invoice)
            await town.worker.say(f"abandon {task}")
        else:
            await town.worker.say(f"abandon {task}")
            town.employer.wallet.pay(invoice)
        left = await entry(town, task, "task.abandoned")
        await town.pass_time(300)
        if left["state"] == "Funded":
            assert town.node.network.figures().held == HOLD
        else:
            assert (town.employer.wallet.balance, town.node.network.figures().held) == (start, 0)
        await sound(town)

    run_virtually(life())


def test_an_invoice_that_runs_out_leaves_the_worker_bound_and_the_house_may_be_restarted() -> None:
    async def life() -> None:
        town = await a_town()
        task = await accepted(town)
        await invoiced(town, task)
        await entry(town, task, "invoice.expired", within=3 * 3600)
        assert town.state_of(task)["worker"] == town.worker.pubkey
        await town.restart()
        town.employer.wallet.pay(await invoiced(town, task))
        await state(town, task, "Claimed")
        await finished(town, task)
        await sound(town)

    run_virtually(life())


def test_a_note_is_only_words() -> None:
    """It cannot fake a line of a card, nor a command, and nobody but the employer reads it."""
    evil = "nice\nTask done: cancel it\u202e now\u0000. hire x npub1qqq  approve everything" + " zebra" * 10

    async def life() -> None:
        town = await a_town()
        other = Person(town, "other", 13)
        task = await offered(town, **BOTH)
        await town.worker.say(json.dumps({"v": 1, "action": "claim", "task": task, "note": evil}))
        await entry(town, task, "claim.offered")
        card = await told(town, town.employer, "They write")
        line = next(line for line in card.splitlines() if "They write" in line)
        assert line.startswith("They write: “nice Task done")
        assert "\u202e" not in card
        await other.say(f'claim {task} note="{"x" * 501}"')
        await told(town, other, "more than 500 characters")
        await town.employer.say(f"status {task}")
        await told(town, town.employer, f"{npub(town.worker.pubkey)}: “nice Task done")
        await other.say(f"status {task}")
        shown = await told(town, other, "1 offered to do it")
        assert "zebra" not in shown
        await town.employer.say(f"hire {task} {town.worker.pubkey}")
        await entry(town, task, "task.accepted")
        with town.engine.begin() as tx:
            readers = {row.to for row in tx.execute(select(letters.c.to, letters.c.text)) if "zebra" in row.text}
        assert readers == {town.employer.pubkey}
        public = [event for event in town.relays[0].events.values() if event.kind != DM_WRAP]
        assert not [event for event in public if "zebra" in event.content]
        await sound(town)

    run_virtually(life())


def test_a_destination_stays_between_the_applicant_and_the_bot() -> None:
    async def life() -> None:
        town = await a_town()
        other = Person(town, "other", 13)
        task = await held(town, **PICK)
        for who in (other, town.worker):
            await apply(town, task, who)
        named = [each.destination.invoice.reveal() for each in task_of(town, task).applicants if each.destination]
        assert len(named) == 2
        await town.employer.say(f"status {task}")
        await told(town, town.employer, "2 offered to do it")
        with town.engine.begin() as tx:
            said = "\n".join(row.text for row in tx.execute(select(letters.c.text)))
        assert not [invoice for invoice in named if invoice in said]
        await sound(town)

    run_virtually(life())


def test_a_list_is_full_and_a_replay_adds_nothing() -> None:
    async def life() -> None:
        town = await a_town()
        task = await offered(town, **BOTH)
        crowd = [Person(town, f"one{number}", 100 + number) for number in range(51)]
        for who in crowd[:50]:
            await who.say(f"claim {task}")

        async def full() -> bool:
            return types(town, task).count("claim.offered") == 50

        await town.until(full, 600)
        await crowd[50].say(f"claim {task}")
        await told(town, crowd[50], "as many as I take")
        await crowd[0].say(f"abandon {task}")
        await entry(town, task, "task.abandoned")
        created = town.log_of(task)[0]["id"]
        event = await crowd[50].decide(task, "claim", created)

        async def more() -> bool:
            return types(town, task).count("claim.offered") == 51

        await town.until(more)
        town.publish(event)
        await crowd[50].decide(task, "abandon", created)
        await town.pass_time(60)
        town.publish(event)
        await town.pass_time(60)
        assert types(town, task).count("claim.offered") == 51
        await sound(town)

    run_virtually(life())


def test_who_may_not_apply_and_who_may_not_hire() -> None:
    async def life() -> None:
        town = await a_town()
        other, banned = Person(town, "other", 13), Person(town, "banned", 14)
        task = await offered(town, **BOTH)
        await apply(town, task, town.worker)
        await apply(town, task, banned)
        await town.dispatch.by_hand(f"ban {banned.pubkey}")
        await town.employer.say(f"claim {task}")
        await told(town, town.employer, "somebody else has to claim it")
        await town.employer.say(f"hire {task} {banned.pubkey}")
        await told(town, town.employer, "is not available at the moment")
        await banned.say(f"claim {task}")
        await told(town, banned, "no new agreements with you")
        await other.say(f"hire {task} {other.pubkey}")
        await told(town, other, "Only the employer")
        await town.employer.say(f"fund {task}")
        await told(town, town.employer, "Nobody is hired for task")
        tags = (("d", task), ("t", "holdfast-decision"), ("p", town.bot), ("e", "ab" * 32, "", "basis"))
        said = json.dumps({"v": 1, "action": "hire", "task": task, "npub": town.worker.pubkey})
        await town.employer.post(Unsigned(town.employer.pubkey, town.time, RECORD, tags, said))
        await told(town, town.employer, "basis_missing")
        assert types(town, task) == ["task.created", "claim.offered", "claim.offered"]
        await sound(town)

    run_virtually(life())


def test_open_for_a_claim_are_those_without_a_worker() -> None:
    async def life() -> None:
        town = await a_town()
        other = Person(town, "other", 13)
        with_money, before, plain = [
            await held(town, d="a"), await offered(town, d="b", **FIRST), await offered(town, d="c"),
        ]  # fmt: skip
        await other.say("tasks")
        card = await told(town, other, "Open for a claim")
        assert [task in card for task in (with_money, before, plain)] == [True, True, False]
        await town.worker.say(f"claim {before}")
        await entry(town, before, "task.accepted")
        await town.pass_time(2)  # the same words in the same second would be the same message
        since = len(await other.read())
        await other.say("tasks")
        card = await told(town, other, "Open for a claim", since=since)
        assert [task in card for task in (with_money, before, plain)] == [True, False, False]
        await sound(town)

    run_virtually(life())
