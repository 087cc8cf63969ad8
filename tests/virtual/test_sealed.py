"""Sealed work through messages and events: the key reaches the employer when he has paid, and nobody else, ever."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from sqlalchemy import select

from bot.config import Settings, TermsSettings
from bot.nodes.simnet import Faults
from kinds.events import PROOF, Unsigned
from kinds.units import Msat
from storage.schema import inputs, letters
from tests.virtual.lives import (
    HASH,
    REWARD,
    SHORT,
    SOON,
    a_town,
    claimed,
    entry,
    incidents_of,
    offered,
    sound,
    state,
    task_of,
    to_margin,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.test_accounts import asks
from tests.virtual.world import Person, Town

KEY = "5e" * 32
KEY_HASH = hashlib.sha256(bytes.fromhex(KEY)).hexdigest()
OTHER = "6f" * 32


async def sealed_work(town: Town, **terms: Any) -> str:
    """Claimed, by terms that accept it, and delivered."""
    task = await claimed(town, sealed="accepted", **terms)
    await town.worker.say(f"submit {task} https://example.org/page.sealed {HASH} key={KEY} a preview stands beside it")
    await entry(town, task, "proof.submitted")
    return task


async def prove(town: Town, task: str, *tags: tuple[str, str], by: Person | None = None) -> str:
    """A signed proof with these tags more; the id of the event."""
    facts, who = town.state_of(task), by or town.worker
    usual = (
        ("d", f"proof-{town.time}"), ("a", facts["address"]), ("e", facts["root"]), ("p", town.bot), ("p", facts["employer"]),
        ("url", "https://example.org/page.sealed"), ("x", HASH),
    )  # fmt: skip
    event = await who.post(Unsigned(who.pubkey, town.time, PROOF, (*usual, *tags), "done"))
    return event.id


def said_to(town: Town, person: Person) -> str:
    with town.engine.begin() as tx:
        return "\n".join(tx.execute(select(letters.c.text).where(letters.c.to == person.pubkey)).scalars())


async def kept_from_everybody(town: Town) -> None:
    await sound(town)
    public = json.dumps(town.public_events())
    assert KEY not in public
    for person in (town.employer, town.worker):
        assert KEY not in said_to(town, person)


async def handed_over(town: Town) -> None:
    """To the employer, and to nobody else."""
    assert KEY in await told(town, town.employer, "The key to the sealed work")
    await sound(town)
    assert KEY not in json.dumps(town.public_events())
    assert KEY not in said_to(town, town.worker)


def test_the_employer_has_the_key_when_he_has_paid() -> None:
    async def life() -> None:
        town = await a_town()
        task = await sealed_work(town)
        assert "when he has paid" in await told(town, town.worker, "It is sealed")
        assert "only when you have paid" in await told(town, town.employer, "It is sealed")
        facts = (await entry(town, task, "proof.submitted"))["facts"]
        assert (facts["key_hash"], facts["sha256"]) == (KEY_HASH, HASH)
        before = await asks(town, town.employer, "status", task=task)
        assert (before["proof"]["key"], before["proof"]["key_hash"], before["sealed"]) == (None, KEY_HASH, "accepted")
        await kept_from_everybody(town)
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        await handed_over(town)
        await town.pass_time(5)
        after = await asks(town, town.employer, "status", task=task)
        assert after["proof"]["key"] == KEY
        for person in (town.worker, Person(town, "stranger", 14)):
            await town.pass_time(5)
            assert (await asks(town, person, "status", task=task))["proof"]["key"] is None

    run_virtually(life())


def test_a_signed_proof_brings_its_key_sealed_to_the_bot() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town, sealed="accepted")
        payload = await town.worker.signer.encrypt44(town.bot, KEY)
        await prove(town, task, ("key", KEY_HASH), ("sealed", payload))
        assert (await entry(town, task, "proof.submitted"))["proven"] == "signed"
        await kept_from_everybody(town)
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        await handed_over(town)

    run_virtually(life())


def test_what_is_not_the_published_key_is_refused() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town, sealed="accepted")
        stranger = Person(town, "stranger", 14)
        seal = town.worker.signer.encrypt44
        mine, wrong, broken = await seal(town.bot, KEY), await seal(town.bot, OTHER), await seal(town.bot, "no key")
        theirs = await stranger.signer.encrypt44(town.bot, KEY)
        to_another = await seal(town.employer.pubkey, KEY)
        for tags, problem in (
            ((("key", KEY_HASH), ("sealed", wrong)), "another one than its published sha256"),
            ((("key", KEY_HASH), ("sealed", theirs)), "cannot be read"),
            ((("key", KEY_HASH), ("sealed", to_another)), "cannot be read"),
            ((("key", KEY_HASH), ("sealed", "garbage")), "cannot be read"),
            ((("key", KEY_HASH), ("sealed", "")), "cannot be read"),
            ((("key", KEY_HASH), ("sealed", broken)), "64 hex digits"),
            ((("key", KEY_HASH),), "is missing"),
            ((("sealed", mine),), "tag “key”"),
            ((("key", "nonsense"), ("sealed", mine)), "64 hex digits"),
        ):
            since = len(await town.worker.read())
            await prove(town, task, *tags)
            assert problem in await told(town, town.worker, "(?i)key", since=since)
            await town.pass_time(61)
        await prove(town, task, ("key", KEY_HASH), ("sealed", theirs), by=stranger)
        await told(town, stranger, "Only the worker")
        for words, code in (
            ({"key": KEY, "key_hash": HASH}, "bad_key"), ({"key_hash": KEY_HASH}, "bad_key"), ({"key": "5e"}, "bad_field"),
            ({"key": 7}, "bad_field"), ({"key": KEY * 100}, "bad_field"), ({"key": ""}, "bad_field"),
        ):  # fmt: skip
            await asks(town, town.worker, "submit", code, task=task, url="https://e.org/x", sha256=HASH, **words)
        assert task_of(town, task).current.proofs == 0
        await town.worker.say(f"submit {task} https://e.org/x {HASH} key={KEY}")
        await entry(town, task, "proof.submitted")
        await sound(town)

    run_virtually(life())


def test_a_key_in_a_signed_decision_is_refused_and_useless() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town, sealed="accepted")
        basis = (await entry(town, task, "task.claimed"))["id"]
        await town.worker.decide(task, "submit", basis, url="https://e.org/x", sha256=HASH, key=KEY)
        assert "Anybody can read it now" in await told(town, town.worker, "bad_key")
        await town.worker.decide(task, "submit", basis, url="https://e.org/x", sha256=HASH, key_hash=KEY_HASH)
        await told(town, town.worker, "is missing")
        assert town.log_of(task)[-1]["type"] == "task.claimed"

    run_virtually(life())


def test_a_task_that_does_not_accept_it_gets_none() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town)
        await town.worker.say(f"submit {task} https://e.org/x {HASH} key={KEY}")
        await told(town, town.worker, "takes no sealed work")
        await prove(town, task, ("key", KEY_HASH), ("sealed", await town.worker.signer.encrypt44(town.bot, KEY)))
        await told(town, town.worker, "takes no sealed work", since=len(await town.worker.read()) - 1)
        assert "sealed" not in town.log_of(task)[0]["facts"]
        await asks(
            town, town.employer, "post", "bad_field", amount=5000, title="x", terms={"deadline": "2d", "sealed": "yes"}
        )
        await kept_from_everybody(town)

    run_virtually(life())


@pytest.mark.parametrize("end", ["refund", "deadline of a dispute", "cancelled with nothing"])
def test_it_is_never_handed_over_when_the_money_goes_back(end: str) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT)
        task = await sealed_work(town, deadline=SOON)
        if end == "cancelled with nothing":
            await town.worker.say(f"cancel {task} 0")
            await entry(town, task, "cancel.offered")
            await town.employer.say(f"cancel {task} 0")
        else:
            await town.employer.say(f"reject {task} bad work")
            await state(town, task, "Disputed")
            facts = town.state_of(task)
            town.node.network.mine(facts["last_safe_height"] - town.node.network.height)
        await state(town, task, "Refunded")
        await town.pass_time(3600)
        assert (await asks(town, town.employer, "status", task=task))["proof"]["key"] is None
        await kept_from_everybody(town)

    run_virtually(life())


def test_a_worker_who_cannot_be_paid_keeps_it() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town, destination=False, sealed="accepted")
        await town.worker.say(f"submit {task} https://e.org/x {HASH} key={KEY}")
        await entry(town, task, "proof.submitted")
        await town.employer.say(f"approve {task}")
        await state(town, task, "Verified")
        await kept_from_everybody(town)
        await state(town, task, "Expired", within=3 * 86400)
        await kept_from_everybody(town)

    run_virtually(life())


def test_any_share_for_the_worker_is_a_payment() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town, destination=False, sealed="accepted")
        await town.worker.say(f"submit {task} https://e.org/x {HASH} key={KEY}")
        await entry(town, task, "proof.submitted")
        await town.employer.say(f"reject {task} not good")
        await state(town, task, "Disputed")
        await town.worker.say(f"cancel {task} 10")
        await entry(town, task, "cancel.offered")
        await town.employer.say(f"cancel {task} 10")
        await state(town, task, "Verified")
        await kept_from_everybody(town)
        await town.worker.say(f"payout {task} {town.worker.wallet.invoice(Msat(REWARD // 10), expiry=86400)}")
        await state(town, task, "Paid")
        await handed_over(town)

    run_virtually(life())


def test_money_in_the_books_pays_too_and_so_does_a_credit() -> None:
    async def life() -> None:
        town = await a_town(settings=Settings(terms=TermsSettings(custody_modes=("lightning_self", "ledger"))))
        task = await sealed_work(town, custody_mode="ledger")
        await entry(town, task, "ledger.locked")
        await kept_from_everybody(town)
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        await handed_over(town)

    async def credited() -> None:
        town = await a_town(settings=SHORT)
        task = await sealed_work(town, deadline=SOON)
        town.node.network.faults = Faults(no_outbound=True)
        await town.employer.say(f"approve {task}")
        await entry(town, task, "proof.verified")
        await town.pass_time(120)
        to_margin(town, task)
        await state(town, task, "Paid")
        await handed_over(town)

    run_virtually(life())
    run_virtually(credited())


def test_the_newest_key_counts_and_no_other_is_told() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town, sealed="accepted", on_reject="revise")
        await town.worker.say(f"submit {task} https://e.org/first {HASH} key={OTHER}")
        await entry(town, task, "proof.submitted")
        await town.employer.say(f"reject {task} again, please")
        await entry(town, task, "proof.rejected")
        await town.worker.say(f"submit {task} https://e.org/second {HASH} key={KEY}")
        await told(town, town.employer, "e.org/second")
        await town.pass_time(60)
        await town.employer.say(f"approve {task} well done")
        await state(town, task, "Paid")
        await handed_over(town)
        assert OTHER not in said_to(town, town.employer)

    run_virtually(life())


def test_killed_at_every_commit_it_is_told_once_and_for_all() -> None:
    async def ending(at: int) -> int:
        town = await a_town()
        task = await sealed_work(town)
        first = town.commits
        town.die_after = town.commits + at if at else 0
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid", within=1500)
        await handed_over(town)
        assert len(re.findall("The key to the sealed work", "\n".join(await town.employer.read()))) == 1
        return town.commits - first

    many = run_virtually(ending(0))
    for at in range(1, many + 1, 2):
        run_virtually(ending(at))


def test_a_restored_memory_says_that_it_has_lost_the_key() -> None:
    async def life() -> None:
        town = await a_town()
        task = await claimed(town, sealed="accepted")
        backup = town.backup()
        await town.worker.say(f"submit {task} https://e.org/x {HASH} key={KEY}")
        await entry(town, task, "proof.submitted")
        await town.kill()
        for relay in town.relays:  # what was said by letter is gone
            relay.events = {key: event for key, event in relay.events.items() if event.kind != 1059}
        town.restore(backup)
        await town.recover()
        await town.start()
        await town.pass_time(60)
        assert task_of(town, task).current.proof is not None
        await town.pass_time(3600)
        await town.employer.say(f"approve {task}")
        await town.pass_time(600)
        assert not task_of(town, task).unsure
        await state(town, task, "Paid")
        lost = await told(town, town.employer, "I no longer have its key")
        assert KEY_HASH in lost
        await told(town, town.worker, "give the key to the employer yourself")
        assert "key_lost" in incidents_of(town)

    run_virtually(life())


def test_no_log_and_no_text_of_ours_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    async def life() -> None:
        town = await a_town()
        task = await sealed_work(town)
        await prove(town, task, ("key", KEY_HASH), ("sealed", await town.worker.signer.encrypt44(town.bot, KEY)))
        await told(town, town.employer, "Notes: done")
        await town.pass_time(60)
        await town.employer.say(f"approve {task}")
        await state(town, task, "Paid")
        proof = task_of(town, task).current.proof
        assert proof is not None
        assert KEY not in f"{proof!r} {proof} {task_of(town, task)}"
        with town.engine.begin() as tx:
            results = tx.execute(select(inputs.c.result, inputs.c.key)).all()
        assert KEY not in str(results)
        assert KEY not in json.dumps(incidents_of(town))

    run_virtually(life())
    shown = capsys.readouterr()
    assert KEY not in shown.out + shown.err


def test_offered_and_claimed_with_words_of_its_own() -> None:
    async def life() -> None:
        town = await a_town()
        task = await offered(town, sealed="accepted")
        await told(town, town.employer, "may come sealed")
        assert town.log_of(task)[0]["facts"]["sealed"] == "accepted"
        shown = await asks(town, town.worker, "status", task=task)
        assert shown["sealed"] == "accepted"
        await town.worker.say(f"status {task}")
        await told(town, town.worker, "opened only after it is paid for")
        await sound(town)

    run_virtually(life())
