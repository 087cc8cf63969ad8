"""Relays that are down, slow, lossy, lying, wiped, dead, closed to strangers, or made by others: a life goes on as long as one of them
serves, and what was missed is made up for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from bot.keys import new_secret
from bot.relays.embedded import NoRelay, embedded_relay
from bot.relays.sdk import nostr_sdk
from bot.relays.signer import KeySigner
from kinds.commands import Approve, Cancel, Claim, Fund, Submit
from kinds.events import DM_RUMOR, DM_SEAL, DM_WRAP, RECORD, Event, Unsigned
from kinds.units import EventId, Pubkey, task_id
from tests.bot.relays.fakes import FakeRelay, Owner
from tests.lives.people import WORK, Person, Place, check_paid, couple, house, paid_life, person, public_log, until

RELAY = Path(__file__).parents[2] / ".venv-relay" / "bin" / "nostr-relay"
OURS = (0, 78, 10002, 10050, 30078, 31990)  # kinds that the daemon publishes for everybody


class Clock:
    """The world's clock, which can be put forward. Gift wraps are dated by the real one, up to 48 h back, and the daemon reads the
    last 49 h: who wants to jump far begins that far in the past."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops that look again after seconds look again at once; what they do is the same."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.2))

    hurried = SimpleNamespace(**{name: getattr(asyncio, name) for name in dir(asyncio)} | {"sleep": sleep})
    for module in ("bot.hearing", "bot.watch", "bot.outbox.publish"):
        monkeypatch.setattr(f"{module}.asyncio", hurried)


@pytest.fixture(autouse=True)
async def _sdk_loop() -> None:
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1].rstrip("/"))


@asynccontextmanager
async def reopened(port: int) -> AsyncIterator[str]:
    """An empty relay on a port that was just left; the system may need a moment to give it back."""
    async with contextlib.AsyncExitStack() as stack:

        async def opened() -> str:
            try:
                return await stack.enter_async_context(embedded_relay("127.0.0.1", port))
            except NoRelay:
                await asyncio.sleep(0.5)
                return ""

        yield await until(opened, "the port", 90)


async def ours_on(url: str, place: Place) -> dict[str, Event]:
    """What a relay has of the daemon's public events, asked by somebody who came just now."""
    with contextlib.suppress(Exception):
        async with person("reader", place, [url], reads="letters", within=5.0) as reader:
            found = await reader.client.public.fetch([{"authors": [place.bot], "kinds": list(OURS)}])
            return {event.id: event for event in found}
    return {}


async def has_all(url: str, good: str, place: Place, more: int = 0, clock: Clock | None = None) -> None:
    """The relay comes to have every public event of the daemon that the good one has. With a clock time flies meanwhile: a relay
    that was looked through just now is not looked through again for a minute, though it has just come back."""
    wanted = (await ours_on(good, place)).keys()
    assert len(wanted) > more

    async def there() -> bool:
        if clock:
            clock.ahead += 2
        return wanted <= (await ours_on(url, place)).keys()

    await until(there, "that the relay has everything again", 40)


# Two relays, one of which is bad the whole life through


class Slow(FakeRelay):
    """Takes its time for everything."""

    well = False

    async def _answer(self, connection: ServerConnection, said: list[Any]) -> None:
        if not self.well:
            await asyncio.sleep(0.3)
        await super()._answer(connection, said)


class Lossy(FakeRelay):
    """Acknowledges everything, and loses two of three events; of what it has it delivers every other one."""

    well = False
    count = 0

    async def push(self, event: Event) -> None:
        self.count += 1
        if self.well or self.count % 3 == 0:
            await super().push(event)

    async def _serve(self, connection: ServerConnection, sub_id: str, event: Event) -> None:
        self.count += 1
        if self.well or self.count % 2:
            await super()._serve(connection, sub_id, event)


class Lying(FakeRelay):
    """Acknowledges everything and keeps nothing of it; tells of events that nobody made; ends subscriptions as it likes."""

    well = False

    async def push(self, event: Event) -> None:
        if self.well:
            await super().push(event)
            return
        forged = event.as_dict() | {"content": event.content.replace("approve", "reject") + " "}
        unsigned = event.as_dict() | {"sig": "0" * 128}
        for connection, subscriptions in list(self.connections.items()):
            for sub_id in list(subscriptions):
                for raw in (forged, unsigned):
                    await connection.send(json.dumps(["EVENT", sub_id, raw]))
                await connection.send(json.dumps(["OK", event.id, True, ""]))
                await connection.send(json.dumps(["EOSE", sub_id]))


BAD: dict[str, type[Slow | Lossy | Lying]] = {"slow": Slow, "lossy": Lossy, "lying": Lying}


@pytest.mark.parametrize("kind", sorted(BAD))
async def test_one_of_two_relays_is_bad(tmp_path: Path, kind: str) -> None:
    """The life goes its way over the other one; when the bad one is well again, it gets everything."""
    bad, clock = BAD[kind](), Clock()
    async with (
        embedded_relay("127.0.0.1", 0) as good,
        bad.running() as url,
        house(tmp_path / "data", [url, good], clock) as place,
    ):
        async with couple(place, [good], clock=clock) as (employer, worker):
            task = await paid_life(employer, worker)
            await check_paid(employer, worker, task)
            assert await employer.told("preimage")
        bad.well = True
        clock.ahead += 120
        for connection in list(bad.connections):
            connection.transport.abort()
        await has_all(url, good, place, 10, clock)
        async with couple(place, [url], clock=clock) as (employer, worker):
            await public_log(employer, task)


async def test_both_relays_are_used_by_different_people(tmp_path: Path) -> None:
    """The employer reads one relay, the worker the other; one of them is slow."""
    async with (
        embedded_relay("127.0.0.1", 0) as one,
        Slow().running() as two,
        house(tmp_path / "data", [one, two]) as place,
        person("employer", place, [one]) as employer,
        person("worker", place, [two]) as worker,
    ):
        await check_paid(employer, worker, await paid_life(employer, worker))


async def test_a_relay_that_was_down_gets_everything_when_it_comes(tmp_path: Path) -> None:
    port = free_port()
    async with (
        embedded_relay("127.0.0.1", 0) as good,
        house(tmp_path / "data", [good, f"ws://127.0.0.1:{port}"]) as place,
    ):
        async with couple(place, [good]) as (employer, worker):
            await check_paid(employer, worker, await paid_life(employer, worker))
        async with embedded_relay("127.0.0.1", port) as late:
            await has_all(late, good, place, 10)


async def test_a_wiped_relay_is_filled_again_from_our_copy(tmp_path: Path) -> None:
    """Byte for byte the same events, in the middle of a life that then goes on there."""
    clock, port = Clock(), free_port()
    async with contextlib.AsyncExitStack() as stack:
        relay = contextlib.AsyncExitStack()
        url = await relay.enter_async_context(embedded_relay("127.0.0.1", port))
        place = await stack.enter_async_context(house(tmp_path / "data", [url], clock))
        async with couple(place, clock=clock) as (employer, worker):
            task = await employer.funded()
            await employer.client.public.published(task)
            await until(lambda: _kinds(url, place), "profile, lists, terms")
            before = await ours_on(url, place)
        await relay.aclose()
        clock.ahead += 120
        await relay.enter_async_context(reopened(port))
        stack.push_async_exit(relay)

        async def refilled() -> bool:
            return before.keys() <= (await ours_on(url, place)).keys()

        await until(refilled, "that everything is there again", 40)
        after = await ours_on(url, place)
        assert {name: after[name].sig for name in before} == {name: event.sig for name, event in before.items()}
        async with person("worker", place, clock=clock) as worker:
            await worker.claims(task)
            assert [entry["seq"] for entry in await public_log(worker, task)] == [1, 2, 3, 4]


async def _kinds(url: str, place: Place) -> bool:
    return {event.kind for event in (await ours_on(url, place)).values()} == set(OURS)


async def test_the_daemon_ends_in_the_moment_in_which_a_relay_dies() -> None:
    """Whichever comes first: the end of the line must not swallow the end of the daemon."""
    relay = FakeRelay()
    async with relay.running() as url:
        for between in range(12):
            owner = Owner([url])
            running = asyncio.ensure_future(owner.relays.run())
            await until(lambda owner=owner: owner.relays.status()[url].open_wants, "that it hears")  # type: ignore[misc]
            for connection in list(relay.connections):
                connection.transport.abort()
            for _ in range(between):
                await asyncio.sleep(0)
            running.cancel()
            ended, _ = await asyncio.wait([running], timeout=3)
            assert ended, f"it goes on, {between} steps after the line was cut"


# Downtime and deafness


async def back_dated(who: KeySigner, bot: str, text: str, age: int) -> tuple[str, Event]:
    """A gift wrap dated some seconds back around a message of now: the id of the message, and the wrap."""
    now = int(time.time())
    rumor = Unsigned(who.pubkey, now, DM_RUMOR, (("p", bot),), text)
    inner = await who.encrypt44(Pubkey(bot), json.dumps(rumor.as_dict()))
    seal = await who.sign(Unsigned(who.pubkey, now, DM_SEAL, (), inner))
    once = KeySigner(new_secret())
    sealed = await once.encrypt44(Pubkey(bot), seal.as_json())
    return rumor.id, await once.sign(Unsigned(once.pubkey, now - age, DM_WRAP, (("p", bot),), sealed))


async def test_what_was_said_during_a_downtime_is_heard_once(tmp_path: Path) -> None:
    """A claim in a wrap dated 48 h back, a task event, a signed decision and an old message; and a third start repeats nothing."""
    data = tmp_path / "data"
    async with embedded_relay("127.0.0.1", 0) as relay:
        keys = new_secret(), new_secret()
        async with (
            house(data, [relay]) as place,
            person("employer", place, secret=keys[0]) as employer,
            person("worker", place, secret=keys[1]) as worker,
        ):
            task, unwanted = await employer.funded(), await employer.drafted(title="Not needed")
            await employer.client.public.published(unwanted)
            invoice = await worker.make_invoice()
            await employer.client.public.published(task)
        async with (
            person("employer", place, [relay], keys[0]) as employer,
            person("worker", place, [relay], keys[1]) as worker,
        ):
            said, wrap = await back_dated(worker.signer, place.bot, f"claim {task} {invoice}", 48 * 3600 - 60)
            await worker.client.send(wrap)
            fresh = await employer.offer("Said to nobody")
            cancelled = await employer.decide(Cancel(task=unwanted))
            old = await worker.tell("help", "nip04")
            questions = {said: worker, fresh: employer, cancelled: employer, old: worker}
            for number in range(2):
                async with house(data, [relay]):
                    if number == 0:
                        await employer.client.public.entry(task, state="Claimed")
                    await employer.client.public.entry(unwanted, state="Refunded")
                    for question, who in questions.items():
                        assert await who.answer(question)
                    assert (await worker.ask("help")).text  # whatever waited has been heard by now
                    logs = {
                        each: len(await public_log(employer, each))
                        for each in (task, unwanted, task_id(EventId(fresh)))
                    }
                    assert list(logs.values()) == [4, 2, 1]
                    for question, who in questions.items():
                        assert len({each.id for each in await who.answers_to(question)}) == 1


async def test_deaf_for_hours_and_deadlines_stand_still(tmp_path: Path) -> None:
    """The only relay is dead for five hours and the deadline was in two. Nothing expires; the worker delivers when all hear again;
    the outage stands in the daemon's own chain, and the verifier adds it up."""
    clock, port, data = Clock(-5 * 3600), free_port(), tmp_path / "data"
    async with contextlib.AsyncExitStack() as stack:
        relay = contextlib.AsyncExitStack()
        url = await relay.enter_async_context(embedded_relay("127.0.0.1", port))
        place = await stack.enter_async_context(house(data, [url], clock))
        employer, worker = await stack.enter_async_context(couple(place, clock=clock, within=60.0))
        task = await employer.funded(deadline=int(clock()) + 2 * 3600)
        await worker.claims(task)
        await employer.client.public.published(task)
        began = int(clock())
        await relay.aclose()
        clock.ahead += 5 * 3600
        await until(lambda: "clock.paused" in _chain(data), "that the daemon notices")
        await asyncio.sleep(0.5)  # time enough for every timer to strike
        assert _state(data, task) == "Claimed"
        await relay.enter_async_context(reopened(port))
        stack.push_async_exit(relay)
        await until(lambda: "clock.resumed" in _chain(data), "that it hears again", 60)
        assert _state(data, task) == "Claimed"
        await worker.delivers(task)
        await employer.approves(task)
        await until(lambda: _told(employer, place, "clock.resumed"), "that the chain is on the relay again", 40)
        await check_paid(employer, worker, task)
        chain = await _told(employer, place, "clock.resumed")
        paused = next(each for each in chain if each["type"] == "clock.paused")
        resumed = next(each for each in chain if each["type"] == "clock.resumed")
        assert began - 60 <= paused["facts"]["since"] <= began + 5
        assert 5 * 3600 <= resumed["facts"]["deaf"] <= 5 * 3600 + 120


async def _speaks(who: Person) -> bool:
    with contextlib.suppress(Exception):
        return bool(await who.answer(await who.tell("help"), 2.0))
    return False


async def _told(who: Person, place: Place, type: str) -> list[dict[str, Any]]:
    """The daemon's own chain, when it has an entry of this type and no gap."""
    wanted = {"kinds": [RECORD], "authors": [place.bot], "#d": ["holdfast-checkpoint"]}
    chain = sorted(
        (json.loads(event.content) for event in await who.client.public.fetch([wanted])), key=lambda each: each["seq"]
    )
    whole = [each["seq"] for each in chain] == list(range(1, len(chain) + 1))
    return chain if whole and type in [each["type"] for each in chain] else []


def _query(data: Path, query: str, *values: str) -> list[Any]:
    """What the daemon remembers, while no relay can tell."""
    with contextlib.closing(sqlite3.connect(f"file:{data}/holdfast.db?mode=ro", uri=True)) as memory:
        return memory.execute(query, values).fetchall()


def _chain(data: Path) -> list[str]:
    return [row[0] for row in _query(data, "select type from chain order by seq")]


def _state(data: Path, task: str) -> str:
    return str(_query(data, "select state from tasks where id = ?", task)[0][0])


# Relays of other sorts


async def test_a_relay_that_asks_who_we_are(tmp_path: Path) -> None:
    """NIP-42: it tells and takes nothing before AUTH."""
    relay = FakeRelay()
    relay.auth_demand = "auth-required: members only"
    async with relay.running() as url, house(tmp_path / "data", [url]) as place, couple(place) as (employer, worker):
        await check_paid(employer, worker, await paid_life(employer, worker))
    assert [said for said in relay.heard if said[0] == "AUTH"]


async def test_a_relay_that_closes_subscriptions_again_and_again(tmp_path: Path) -> None:
    """One CLOSED must not leave the daemon deaf (Mostro #874)."""
    relay = FakeRelay()
    async with relay.running() as url, house(tmp_path / "data", [url]) as place, couple(place) as (employer, worker):
        task = await employer.drafted()
        for step in (Fund(task=task), None):
            for connection, subscriptions in list(relay.connections.items()):
                for sub_id in list(subscriptions):
                    del subscriptions[sub_id]
                    await connection.send(json.dumps(["CLOSED", sub_id, "error: shutting down idle subscription"]))
            if step:
                await employer.tell(step)
        await employer.pay(await employer.invoice_for(task))
        await employer.client.public.entry(task, state="Funded")
        await worker.tell(Claim(task=task, destination=await worker.make_invoice()))
        await worker.client.public.entry(task, state="Claimed")
        await worker.tell(Submit(task=task, url="https://example.org", sha256=WORK))
        await worker.client.public.entry(task, "proof.submitted")
        await employer.tell(Approve(task=task))
        await employer.client.public.entry(task, state="Paid")
        await check_paid(employer, worker, task)


async def test_a_relay_that_cuts_the_line_again_and_again(tmp_path: Path) -> None:
    """Everybody is back each time, the daemon too, on both of its connections."""
    relay = FakeRelay()
    async with relay.running() as url, house(tmp_path / "data", [url]) as place, couple(place) as (_, worker):
        for cut in range(3):
            assert (await worker.ask("help")).text
            before = relay.connects
            for connection in list(relay.connections):
                connection.transport.abort()
            await until(lambda before=before: relay.connects >= before + 6, f"that all are back after cut {cut}", 30)  # type: ignore[misc]
            await until(lambda: _speaks(worker), "an answer", 30)


@asynccontextmanager
async def third_party(folder: Path) -> AsyncIterator[str]:
    """`nostr-relay` from PyPI, a process of its own."""
    port = free_port()
    config = {
        "storage": {
            "sqlalchemy.url": f"sqlite+aiosqlite:///{folder}/relay.sqlite3",
            "validators": [f"nostr_relay.validators.{name}" for name in ("is_not_too_large", "is_signed", "is_recent")],
        },
        "max_event_size": 131_072,
        "gunicorn": {"bind": f"127.0.0.1:{port}", "workers": 1, "control_socket_disable": True, "loglevel": "warning"},
    }
    (folder / "relay.yaml").write_text(json.dumps(config))  # JSON is YAML
    with (folder / "relay.log").open("wb") as log:
        command = [str(RELAY), "-c", str(folder / "relay.yaml"), "serve"]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)  # noqa: ASYNC220
    try:
        await until(lambda: _listens(port, process), "the third-party relay", 30)
        yield f"ws://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the relay has ended"
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(not RELAY.exists(), reason="make test installs it in .venv-relay")
async def test_a_relay_made_by_others(tmp_path: Path) -> None:
    """A whole life by public events, signed decisions and messages over `nostr-relay`, which shares no code with us."""
    async with (
        third_party(tmp_path) as url,
        house(tmp_path / "data", [url]) as place,
        couple(place) as (employer, worker),
    ):
        task = await employer.funded(terms={"description": "One page for a bakery."})
        await worker.claims(task)
        proof = await worker.client.proof(task, "https://example.org/page.html", WORK)
        assert (await worker.answer(proof.id)).text
        await employer.client.public.entry(task, "proof.submitted")
        await employer.answer(await employer.decide(Approve(task=task)))
        await employer.client.public.entry(task, state="Paid")
        await check_paid(employer, worker, task)
