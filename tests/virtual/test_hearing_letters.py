"""Letters and relays that nobody has thought of: one garbled letter, one mute inbox, one lying relay hurts nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import func, select

import bot.outbox.publish
from bot.limits import Limits
from bot.relays.values import Ack, Filter
from kinds.events import DM_NIP04, DM_RUMOR, DM_SEAL, DM_WRAP, PROOF, TASK, Event, Unsigned
from kinds.units import Secret
from storage.schema import events, heard
from tests.virtual.lives import (
    SHORT,
    SOON,
    a_town,
    claimed,
    funded,
    hired,
    invoiced,
    offered,
    sound,
    state,
    told,
)
from tests.virtual.loop import run_virtually
from tests.virtual.world import InlineSigner, Person, Town

SURROGATE = "\ud800"


def _seal(town: Town, **changes: Any) -> str:
    """The JSON of a seal whose fields are well formed but for these; its id is right."""
    unsigned = Unsigned(town.worker.pubkey, town.time, DM_SEAL, (), "")
    return json.dumps(unsigned.as_dict() | {"sig": "0" * 128} | changes)


def garbled_seals(town: Town) -> list[str]:
    """What stands under the outer wrap instead of a seal."""
    return [
        _seal(town, sig=SURROGATE * 128),
        _seal(town, id=SURROGATE * 64),
        _seal(town, pubkey=SURROGATE * 64),
        _seal(town, content=SURROGATE),
        _seal(town, tags=[[SURROGATE]]),
        _seal(town, created_at=-1),
        _seal(town, created_at=1e308),
        _seal(town, kind=True),
        _seal(town, tags={"p": 1}),
        _seal(town, pubkey="f" * 64),
        _seal(town, sig="٣" * 128),
        '{"created_at":' + "9" * 5000 + "}",
        "[" * 30_000,
        '{"a":' * 6_000,
        "NaN",
        "null",
        "[]",
        '""',
        " ",
        "\x00",
        "{" + '"sig":"a",' * 3000 + '"sig":"b"}',
    ]


async def garbled_rumors(town: Town) -> list[Event]:
    """Seals that are genuine, around what is no message of ours."""
    signer = town.worker.signer
    base = {
        "pubkey": signer.pubkey,
        "created_at": town.time,
        "kind": DM_RUMOR,
        "tags": [["p", town.bot]],
        "content": "x",
    }
    said = [
        json.dumps(base | {"content": SURROGATE}),
        json.dumps(base | {"content": "help \x00 " + "\u202e" * 50}),
        json.dumps(base | {"content": "{" * 9000}),
        json.dumps(base | {"content": '{"v":1,"action":"' + "x" * 20_000 + '"}'}),
        json.dumps(base | {"content": '{"sig":' + "[" * 9000}),
        json.dumps(base | {"content": json.dumps({"sig": SURROGATE * 128, "id": "0" * 64})}),
        json.dumps(base | {"tags": [[]]}),
        json.dumps(base | {"tags": [["p", SURROGATE]]}),
        json.dumps(base | {"tags": [["p"]]}),
        json.dumps(base | {"kind": 2**40}),
        json.dumps(base | {"kind": 78, "content": "{}"}),
        json.dumps(base | {"pubkey": town.bot}),
        json.dumps(base | {"created_at": 2**52}),
        json.dumps(base | {"created_at": 0}),
        json.dumps([base]),
        "9" * 5000,
        "[" * 20_000,
    ]
    found = []
    for text in said:
        sealed = await signer.encrypt44(town.bot, text)
        seal = await signer.sign(Unsigned(signer.pubkey, town.time, DM_SEAL, (), sealed))
        found.append(seal)
    return found


async def wrapped(town: Town, text: str, number: int) -> Event:
    """Any text in a genuine gift wrap of a key of its own."""
    once = InlineSigner(Secret(f"{number:064x}"))
    content = await once.encrypt44(town.bot, text)
    wrap = await once.sign(Unsigned(once.pubkey, town.time, DM_WRAP, (("p", town.bot),), content))
    return Event.parse(wrap.as_dict())  # within the limits that every event passes at the daemon's door


async def garbled_outsides(town: Town) -> list[Event]:
    """Genuine events that only look like letters to us."""
    signer, found = town.worker.signer, []
    for kind in (DM_WRAP, DM_NIP04, DM_RUMOR):
        for content in ("", "x", "AA==", "AA==?iv=AA==", "?iv=", "Ag" + "A" * 300, "A" * 60_000):
            unsigned = Unsigned(signer.pubkey, town.time, kind, (("p", town.bot),), content)
            found.append(await signer.sign(unsigned))
    return found


@pytest.mark.parametrize("restart", [False, True])
def test_no_letter_stops_the_daemon(restart: bool) -> None:
    """Every garbled one is marked as unreadable or answered; the letter that comes after all of them is read at once."""

    async def life() -> None:
        town = await a_town(settings=SHORT, limits=Limits(messages_a_minute=1000))
        task = await hired(town)
        letters = [await wrapped(town, text, 5000 + n) for n, text in enumerate(garbled_seals(town))]
        for n, seal in enumerate(await garbled_rumors(town)):
            letters.append(await wrapped(town, seal.as_json(), 6000 + n))
        letters += await garbled_outsides(town)
        if restart:
            await town.kill()
        for letter in letters:
            town.publish(letter)
        await town.employer.say(f"status {task}")
        if restart:
            await town.start()
        await told(town, town.employer, f"{task}", within=5)
        await asyncio.sleep(20)
        with town.engine.begin() as tx:
            shut = tx.execute(select(func.count()).select_from(heard).where(heard.c.opened == 0)).scalar()
            unread = tx.execute(select(func.count()).select_from(heard).where(heard.c.opened == 2)).scalar()
        assert (shut, (unread or 0) >= 40) == (0, True)
        await town.worker.say(f"abandon {task}")
        await state(town, task, "Expired")
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("number", range(21))
def test_each_garbled_letter_by_itself(number: int) -> None:
    """So that none hides behind another in a batch."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        town.publish(await wrapped(town, garbled_seals(town)[number], 5000))
        await asyncio.sleep(1)
        await offered(town, deadline=SOON)
        with town.engine.begin() as tx:
            assert [row.opened for row in tx.execute(select(heard.c.opened).where(heard.c.kind == DM_WRAP))] == [2]
        await sound(town)

    run_virtually(life())


def test_a_batch_that_the_signer_chokes_on_is_opened_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody has foreseen, in the key's own library."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        real, poison = town._signer._unwrap, (await wrapped(town, "poison", 5000))

        def unwrap(wrap: Event) -> Any:
            if wrap.id == poison.id:
                raise UnicodeEncodeError("utf-8", SURROGATE, 0, 1, "surrogates not allowed")
            return real(wrap)

        monkeypatch.setattr(town._signer, "_unwrap", unwrap)
        town.publish(poison)
        task = await hired(town)
        town.publish(await wrapped(town, "another", 5001))
        await town.worker.say(f"abandon {task}")
        await state(town, task, "Expired")
        await sound(town)

    run_virtually(life())


def mute_inbox(town: Town, *people: Person) -> list[bool]:
    """The relays of these people do not answer: each try takes ten seconds and ends in nothing, while the list holds True."""
    assert town.world is not None
    relays: Any = town.world.relays
    real, on = relays.publish_to, [True]

    async def publish_to(urls: Sequence[str], body: str, event_id: str, within: float = 10.0) -> dict[str, Ack]:
        to = [tag[1] for tag in json.loads(body)["tags"] if tag[0] == "p"]
        if on[0] and any(person.pubkey in to for person in people):
            await asyncio.sleep(within)
            return {url: Ack(None, "no answer in time") for url in urls}
        found: dict[str, Ack] = await real(urls, body, event_id, within)
        return found

    relays.publish_to = publish_to
    return on


def test_a_mute_inbox_holds_up_nobody_else_and_keeps_its_order() -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT, limits=Limits(messages_a_minute=10_000))
        quiet = [Person(town, f"quiet{n}", 20 + n) for n in range(3)]
        on = mute_inbox(town, *quiet)
        for n in range(250):
            await quiet[0].say(f"nonsense{n:03}")
        for person in quiet[1:]:
            for n in range(40):
                await person.say(f"nonsense{n:03}")
        await asyncio.sleep(15)
        since = town.loop.time()
        task = await offered(town, deadline=SOON)
        invoice = await invoiced(town, task)
        assert town.loop.time() - since < 3
        town.employer.wallet.pay(invoice)
        await state(town, task, "Funded", within=5)
        await told(town, town.employer, "Your money is held", within=5)
        assert await quiet[0].read() == []
        on[0] = False

        async def all_came() -> bool:
            return len(await quiet[0].read()) == 250 and len(await quiet[1].read()) == len(await quiet[2].read()) == 40

        await town.until(all_came, 900)
        for person, count in zip(quiet, (250, 40, 40), strict=True):
            for n, text in enumerate((await person.read())[:count]):
                assert f"nonsense{n:03}" in text
        await sound(town)

    run_virtually(life())


def test_a_wrong_inbox_list_costs_nobody_a_letter() -> None:
    """A person lists relays that do not exist, or that are no relays: he is answered where he spoke, the others as ever."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        odd = ["ws://nowhere.test", "http://x", "", SURROGATE[:0] + "wss://[::1", "a" * 3000]
        tags = tuple(("relay", url) for url in odd)
        await town.worker.post(Unsigned(town.worker.pubkey, town.time, 10050, tags, ""))
        task = await claimed(town, deadline=SOON)
        await told(town, town.worker, "The task is yours", within=30)
        await told(town, town.employer, "has claimed", within=30)
        await town.worker.say(f"abandon {task}")
        await state(town, task, "Expired")
        await sound(town)

    run_virtually(life())


@pytest.mark.parametrize("how", ["down", "wiped", "forgets", "down over a restart"])
def test_a_relay_that_was_away_gets_everything_that_it_missed(how: str) -> None:
    async def life() -> None:
        town = await a_town(settings=SHORT, relays=2)
        away = town.relays[1]
        away.down, away.forgets = how.startswith("down"), how == "forgets"
        task = await hired(town)
        await town.worker.say(f"abandon {task}")
        await state(town, task, "Expired")
        if how == "down over a restart":
            await asyncio.sleep(3600)
            await town.restart()
        await asyncio.sleep(3600)
        away.down = away.forgets = False
        if how == "wiped":
            away.wipe()
        await funded(town, deadline=SOON, d="second")
        await asyncio.sleep(1800)
        here, there = ({e.id for e in relay.events.values() if e.pubkey == town.bot} for relay in town.relays)
        with town.engine.begin() as tx:
            current = {
                row.id
                for row in tx.execute(select(events.c.id).where(events.c.state != "superseded", events.c.kind != 20078))
            }
        assert current <= here
        assert current <= there
        await sound(town)

    run_virtually(life())


def test_a_relay_that_says_it_has_nothing_does_not_delay_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes everything and shows nothing: what was sent to it is sent again and again, but after what is new."""
    monkeypatch.setattr(bot.outbox.publish, "_BATCH", 10)  # as if there were many thousands
    monkeypatch.setattr(bot.outbox.publish, "_IN_FLIGHT", 5)

    async def life() -> None:
        town = await a_town(relays=2, limits=Limits(messages_a_minute=10_000))
        assert town.world is not None
        relays: Any = town.world.relays
        real_fetch, real_publish, sent = relays.fetch, relays.publish, []

        async def fetch(url: str, filters: Sequence[Filter], within: float = 10.0) -> list[Event]:
            found: list[Event] = await real_fetch(url, filters, within)
            return [] if url == town.relays[1].url else found

        async def publish(url: str, body: str, event_id: str, within: float = 10.0) -> Ack:
            if url == town.relays[1].url:
                sent.append(event_id)
                await asyncio.sleep(0.5)  # and it is slow
            ack: Ack = await real_publish(url, body, event_id, within)
            return ack

        relays.fetch, relays.publish = fetch, publish
        for n in range(100):
            await town.employer.offer(1000, f"task {n}", town.time + 86400, f"n{n}")
        await asyncio.sleep(60)

        async def again() -> bool:
            return len(sent) > len(set(sent)) + 3

        for n in range(3):
            sent.clear()
            await town.until(again, 2000)
            since = town.loop.time()
            await offered(town, d=f"new {n}")
            assert town.loop.time() - since < 2
        assert len(sent) > len(set(sent)) + 3
        relays.fetch = real_fetch
        await sound(town)

    run_virtually(life())


def test_what_has_expired_is_ignored_without_a_word() -> None:
    """NIP-40: an offer, a proof and letters of both kinds after their time; the same before it is taken."""

    async def life() -> None:
        town = await a_town(settings=SHORT)
        task = await hired(town)
        employer, worker = town.employer, town.worker
        facts, before = town.state_of(task), len(town.log_of(task))
        await worker.read()

        async def tagged(tags: tuple[tuple[str, ...], ...], kind: int, content: str, until: int, by: Person) -> None:
            more = ("expiration", str(until))
            await by.post(Unsigned(by.pubkey, town.time, kind, (("p", town.bot), *tags, more), content))

        def offer(d: str) -> tuple[tuple[str, ...], ...]:
            named = {"d": d, "t": "holdfast-task", "title": "T", "amount": "50000", "deadline": str(town.time + SOON)}
            return tuple(named.items())

        def proof(d: str) -> tuple[tuple[str, ...], ...]:
            named = {"d": d, "a": facts["address"], "e": facts["root"], "url": "https://example.org/p", "x": "ab" * 32}
            return tuple(named.items())

        async def letters(until: int) -> None:
            for kind in (DM_WRAP, DM_NIP04):
                if kind == DM_NIP04:
                    await tagged((), kind, await worker.signer.nip04_encrypt(town.bot, "help"), until, worker)
                    continue
                rumor = Unsigned(worker.pubkey, town.time, DM_RUMOR, (("p", town.bot),), "help")
                seal = await worker.signer.sign(
                    Unsigned(
                        worker.pubkey,
                        town.time,
                        DM_SEAL,
                        (),
                        await worker.signer.encrypt44(town.bot, json.dumps(rumor.as_dict())),
                    )
                )
                once = Person(town, "once", 99)
                await tagged((), kind, await once.signer.encrypt44(town.bot, seal.as_json()), until, once)

        over, ahead = town.time - 1, town.time + 3600
        told_before = len(await worker.read()) + len(await employer.read())
        await tagged(offer("late"), TASK, "", over, employer)
        await tagged(proof("late"), PROOF, "", over, worker)
        await letters(over)
        await town.pass_time(60)
        assert len(town.states()) == 1
        assert len(town.log_of(task)) == before
        assert len(await worker.read()) + len(await employer.read()) == told_before
        await tagged(offer("timely"), TASK, "", ahead, employer)
        await tagged(proof("timely"), PROOF, "", ahead, worker)
        await letters(ahead)
        await town.pass_time(60)
        assert len(town.states()) == 2
        assert len(town.log_of(task)) == before + 1
        assert len([text for text in await worker.read() if "help COMMAND" in text]) == 2

    run_virtually(life())


def test_invoices_are_counted_for_each_person() -> None:
    """Over all his tasks; what is open is shown again, and the next day there is room again."""

    async def life() -> None:
        town = await a_town(limits=Limits(invoices_a_day=2))
        tasks = [await offered(town, d=f"job{number}") for number in range(3)]
        for task in tasks[:2]:
            await invoiced(town, task)
        await town.employer.say(f"fund {tasks[2]}")
        await told(town, town.employer, "too much at once")
        assert town.states()[tasks[2]] == "Draft"
        await town.pass_time(5)
        await invoiced(town, tasks[0])
        await town.worker.say('post 5000 sats "Somebody else" deadline=2d')
        other = next(task for task in await _tasks(town, 4) if task not in tasks)
        await town.worker.say(f"fund {other}")
        await told(town, town.worker, "(?i)lightning:lnplay")
        await town.pass_time(86400)
        await invoiced(town, tasks[2])

    run_virtually(life())


async def _tasks(town: Town, count: int) -> list[str]:
    async def there() -> list[str]:
        return list(town.states()) if len(town.states()) == count else []

    return await town.until(there)


def test_a_stranger_is_not_told_of_missing_work_without_end() -> None:
    """Work that shows by luck is none when its author has committed to less (NIP-13)."""

    async def life() -> None:
        town = await a_town(limits=Limits(messages_a_minute=3, stranger_bits=4))
        stranger = Person(town, "stranger", 55)

        async def letter(number: int, committed: int, lucky: bool) -> None:
            sealed = await stranger.signer.encrypt44(town.bot, f"help {number}")
            for nonce in range(10_000):
                tags = (("p", town.bot), ("nonce", str(nonce), str(committed)))
                unsigned = Unsigned(stranger.pubkey, town.time, DM_RUMOR, tags, sealed)
                if unsigned.id.startswith("0") is lucky:
                    await stranger.post(unsigned)
                    return

        await letter(0, 2, True)
        await told(town, stranger, "proof of work")
        await letter(1, 4, True)
        await told(town, stranger, "no command", since=1)
        await letter(2, 4, False)
        await told(town, stranger, "proof of work", since=2)
        for number in range(20):
            await letter(3 + number, 4, False)
        await town.pass_time(10)
        assert ["too much at once" in text for text in await stranger.read()] == [False, False, False, True]

    run_virtually(life())
