"""kill -9 at every step of a life, and it completes: nothing paid twice, nothing missing, nothing said twice. SIGTERM at any moment.

The relay and the people live on while the daemon is dead; what was said to nobody is heard by the next start.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bot.relays.embedded import embedded_relay
from bot.relays.sdk import nostr_sdk
from kinds.commands import Approve, Claim, Fund, Submit
from kinds.units import EventId, task_id
from tests.bot.relays.fakes import FakeRelay
from tests.lives.people import WORK, Person, check_paid, couple, until
from tests.lives.process import Daemon, Quick

GRACE = {
    "bot.outbox.money.GRACE": 2
}  # seconds instead of 600 in which a payment that the node does not know may still arrive

Blow = Callable[[str], Awaitable[None]]


@pytest.fixture
async def relay() -> AsyncIterator[str]:
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    async with embedded_relay("127.0.0.1", 0) as url:
        yield url


async def live(employer: Person, worker: Person, blow: Blow) -> str:
    """A life by messages. After each word (`said ...`) and each thing that could be seen (`seen ...`) fate may strike; the people
    notice nothing but the wait."""
    public = employer.client.public
    question = await employer.offer()
    task = task_id(EventId(question))
    await blow("said offer")
    await public.card(task, "Draft")
    await blow("seen Draft")
    await employer.tell(Fund(task=task))
    await blow("said fund")
    invoice = await employer.invoice_for(task)
    await blow("seen invoice")
    await employer.pay(invoice)
    await blow("said paid")
    await public.entry(task, state="Funded")
    await blow("seen Funded")
    await worker.tell(Claim(task=task, destination=await worker.make_invoice()))
    await blow("said claim")
    await public.entry(task, state="Claimed")
    await blow("seen Claimed")
    await worker.tell(Submit(task=task, url="https://example.org/page.html", sha256=WORK))
    await blow("said submit")
    await public.entry(task, "proof.submitted")
    await blow("seen proof")
    await employer.tell(Approve(task=task))
    await blow("said approve")
    await public.entry(task, state="Verified")
    await blow("seen Verified")
    await public.entry(task, "settlement.started")
    await blow("seen settling")
    await public.entry(task, state="Paid")
    await blow("seen Paid")
    return task


async def survives(daemon: Daemon, relay: str, blow: Blow, lives: int = 1) -> None:
    place = await daemon.ready()
    async with couple(place, [relay], within=60.0) as (employer, worker):
        for number in range(1, lives + 1):
            task = await live(employer, worker, blow)
            await check_paid(employer, worker, task, lives=number)
            for who, words in ((employer, "preimage"), (worker, "arrived at your wallet")):
                await who.told(words)
            await check_told_once(employer, task)
            await check_told_once(worker, task)


async def check_told_once(who: Person, task: str) -> None:
    """A message may be delivered twice, but it is one message: no text is sent under two ids."""
    texts = Counter(
        text for _, text in {(each.id, each.content) for each in await who.delivered() if task in each.content}
    )
    assert [text for text, count in texts.items() if count > 1] == []


@pytest.mark.parametrize("moment", ["said", "seen"])
async def test_killed_at_each_step(tmp_path: Path, relay: str, moment: str) -> None:
    """14 deaths: 6 after words that perhaps nobody has heard, 8 after what could be seen."""
    killed: list[str] = []
    with Quick(tmp_path, [relay], hurry=GRACE) as daemon:

        async def blow(step: str) -> None:
            if step.startswith(moment):
                daemon.kill()
                killed.append(step)
                daemon.start()
                await daemon.ready()

        await survives(daemon, relay, blow)
        assert len(killed) == {"said": 6, "seen": 8}[moment]


async def random_deaths(folder: Path, relay: str, seed: int, lives: int) -> None:
    """After each word: a moment of life, a death, perhaps one more during the next start."""
    chance = random.Random(seed)
    with Quick(folder, [relay], hurry=GRACE) as daemon:

        async def blow(step: str) -> None:
            if step.startswith("said"):
                await asyncio.sleep(chance.uniform(0.0, 0.12))
                daemon.kill()
                if chance.random() < 0.3:
                    daemon.start()
                    await asyncio.sleep(chance.uniform(0.05, 0.5))
                    daemon.kill()
                daemon.start()
                await daemon.ready()

        await survives(daemon, relay, blow, lives)


async def test_killed_at_random_moments(tmp_path: Path, relay: str) -> None:
    await random_deaths(tmp_path, relay, seed=7, lives=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
async def test_killed_at_many_random_moments(tmp_path: Path, relay: str, seed: int) -> None:
    await random_deaths(tmp_path, relay, seed, lives=2)


async def test_one_daemon_for_a_data_directory(tmp_path: Path, relay: str) -> None:
    """The second one says so in one sentence and goes; the first one notices nothing."""
    with Daemon(tmp_path, [relay]) as first:
        place = await first.ready()
        (tmp_path / "elsewhere").mkdir()
        second = Daemon(tmp_path / "elsewhere", [relay], {"DAEMON__DATA": str(first.data)})
        command_line = tmp_path / "elsewhere" / "data"
        command_line.symlink_to(first.data)
        with second:
            assert await second.ends(20) == 1
        complaint = second.complaints()
        assert complaint.count("\n") == 1
        assert "another daemon is running" in complaint
        assert "Traceback" not in complaint
        async with couple(place, [relay]) as (employer, _):
            assert (await employer.ask("help")).text
        assert (await first.stop())[0] == 0


@pytest.mark.parametrize("after", [0.4, 0.8, 1.2])
async def test_sigterm_during_the_start(tmp_path: Path, relay: str, after: float) -> None:
    """Before Python has come to the daemon's own code, the signal ends it as it ends any program; then it is a clean end."""
    with Daemon(tmp_path, [relay]) as daemon:
        await asyncio.sleep(after)
        code, seconds = await daemon.stop()
        assert code == 0 or (code == -15 and not daemon.data.exists())
        assert seconds < 5
        assert daemon.complaints() == ""
        daemon.start()
        await daemon.ready()


async def test_sigterm_in_the_middle_of_a_life(tmp_path: Path, relay: str) -> None:
    """At each word: it ends within 5 s, and the next start goes on."""
    with Quick(tmp_path, [relay], hurry=GRACE) as daemon:

        async def blow(step: str) -> None:
            if step in ("said offer", "said paid", "said approve"):
                code, seconds = await daemon.stop()
                assert (code, seconds < 5) == (0, True)
                assert "Traceback" not in daemon.complaints()
                daemon.start()
                await daemon.ready()

        await survives(daemon, relay, blow)


async def test_sigterm_with_relays_that_do_not_answer(tmp_path: Path) -> None:
    """One takes the connection and never speaks, one speaks the opening and nothing more, one is not there."""
    mute = FakeRelay()
    mute.mute = True
    with socket.socket() as silent, socket.socket() as nobody:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        nobody.bind(("127.0.0.1", 0))
        async with mute.running() as url:
            ports = [each.getsockname()[1] for each in (silent, nobody)]
            with Daemon(tmp_path, [url, *(f"ws://127.0.0.1:{port}" for port in ports)]) as daemon:
                await daemon.ready()
                await until(lambda: mute.heard, "that the daemon speaks to the mute relay")
                code, seconds = await daemon.stop()
                assert (code, seconds < 5) == (0, True)
                assert "Traceback" not in daemon.complaints()
