"""The ordinary client against a relay inside the process and a bot that a test plays by hand."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from bot.client import Away, Client, NoBasis, Waited
from bot.client import public as public_module
from bot.keys import new_secret
from bot.relays.embedded import embedded_relay
from bot.relays.signer import KeySigner
from kinds import decision, proof, task
from kinds.commands import Approve, Cancel, Claim, Fund, Help, Submit
from kinds.events import DM_NIP04, DM_RUMOR, Event, Unsigned
from kinds.grammar import write_text
from kinds.log import entry
from kinds.state import state
from kinds.units import EventId, Pubkey, Secret, TaskId, task_id
from tests.bot.relays.fakes import FakeRelay, until

DAY = 86400
PINNED = EventId("ab" * 32)
TASK = task_id(PINNED)
ENTRIES = ["task.created", "invoice.created", "invoice.accepted", "task.claimed", "proof.submitted", "proof.submitted"]


@dataclass
class Bot:
    """The other side: hears as a client of its own, speaks whatever a test wants."""

    secret: Secret
    signer: KeySigner
    hears: Client
    person: Pubkey

    async def rumor(self, reply_to: str, text: str, signer: KeySigner | None = None) -> None:
        """A NIP-17 letter, by the bot or by somebody else."""
        by = signer or self.signer
        tags = (("p", self.person), ("e", reply_to))
        wrap = await by.wrap(self.person, Unsigned(by.pubkey, int(time.time()), DM_RUMOR, tags, text))
        await self.hears.send(wrap)

    async def nip04(self, reply_to: str, text: str) -> None:
        sealed = await self.signer.nip04_encrypt(self.person, text)
        tags = (("p", self.person), ("e", reply_to))
        await self.hears.say(Unsigned(self.signer.pubkey, int(time.time()), DM_NIP04, tags, sealed))

    async def entries(self, types: list[str], start: int = 1, **facts: Any) -> list[Event]:
        """Log entries of the task, in a row."""
        found = []
        for seq, type_ in enumerate(types, start):
            unsigned = self.unsigned_entry(seq, type_, facts)
            found.append(await self.hears.say(unsigned))
        return found

    def unsigned_entry(self, seq: int, type_: str, facts: dict[str, Any], by: Pubkey | None = None) -> Unsigned:
        return entry(
            bot=by or self.signer.pubkey,
            task=TASK,
            address=f"30078:{self.person}:x",
            root=PINNED,
            parties=(self.person,),
            seq=seq,
            prev=None,
            type=type_,
            state="Claimed",
            work="SUBMITTED",
            by="",
            proven="",
            time=int(time.time()),
            deaf=0,
            height=1,
            block_hash="00" * 32,
            facts=facts,
            event=None,
        )

    async def card(self, seq: int) -> None:
        made = state(
            bot=self.signer.pubkey,
            task=TASK,
            address="30078:x:y",
            root=PINNED,
            parties=(),
            head=EventId("cd" * 32),
            seq=seq,
            created_at=int(time.time()) + seq,
            facts={"state": "Claimed", "seq": seq},
        )
        await self.hears.say(made)


@pytest.fixture
async def talk() -> AsyncIterator[tuple[Client, Bot]]:
    mine, bots = new_secret(), new_secret()
    person, bot = KeySigner(mine), KeySigner(bots)
    async with (
        embedded_relay("127.0.0.1", 0) as url,
        Client(url, mine, bot.pubkey, within=5) as client,
        Client(url, bots, person.pubkey, within=5) as hears,
    ):
        yield client, Bot(bots, bot, hears, person.pubkey)


async def test_an_answer_is_known_by_what_it_answers(talk: tuple[Client, Bot]) -> None:
    client, bot = talk
    question = await client.tell("help")
    heard = await bot.hears.letter(lambda letter: letter.text == "help", "the question")
    assert heard.id == question
    await bot.rumor("00" * 32, "an answer to something else")
    await bot.rumor(question, "an answer by a stranger", KeySigner(new_secret()))
    await bot.rumor(question, '{"v":1,"ok":false,"code":"unknown_command","task":"x"}')
    answer = await client.answer(question)
    assert (answer.code, answer.ok, answer.task, answer.channel) == ("unknown_command", False, "x", "nip17")
    assert not [letter for letter in client.letters() if "stranger" in letter.text]


async def test_an_answer_that_came_first_counts(talk: tuple[Client, Bot]) -> None:
    client, bot = talk
    await bot.rumor("11" * 32, "early")
    await client.letter(lambda letter: letter.text == "early", "the early one")
    assert (await client.answer("11" * 32, within=0.01)).text == "early"


async def test_commands_go_in_the_form_and_channel_asked_for(talk: tuple[Client, Bot]) -> None:
    client, bot = talk
    asked = asyncio.ensure_future(client.ask(Fund(task=TASK), "nip04", "json"))
    heard = await bot.hears.letter(lambda letter: letter.channel == "nip04", "the question")
    assert heard.said == {"v": 1, "action": "fund", "task": TASK}
    await bot.nip04(heard.id, "pay lightning:LNPLAY1ABC please")
    answer = await asked
    assert (answer.channel, answer.invoice, answer.ok) == ("nip04", "lnplay1abc", True)
    await client.tell(Help(topic="fund"))
    assert await bot.hears.letter(lambda letter: letter.text == write_text(Help(topic="fund")), "the text")


async def test_a_letter_sent_twice_is_one_letter(talk: tuple[Client, Bot]) -> None:
    client, bot = talk
    created = int(time.time())
    rumor = Unsigned(bot.signer.pubkey, created, DM_RUMOR, (("p", client.pubkey),), "again")
    for _ in range(2):
        await bot.hears.send(await bot.signer.wrap(client.pubkey, rumor))
    await bot.rumor("22" * 32, "last")
    await client.letter(lambda letter: letter.text == "last", "the last one")
    assert [letter.text for letter in client.letters()].count("again") == 1


async def test_waiting_ends(talk: tuple[Client, Bot]) -> None:
    client, _ = talk
    with pytest.raises(Waited, match="an answer to 3333"):
        await client.answer("33" * 32, within=0.05)


async def test_no_relay_is_said_soon() -> None:
    client = Client("ws://127.0.0.1:9", new_secret(), "ab" * 32, within=0.3)
    with pytest.raises(Away, match="no relay answers"):
        async with client:
            pass


async def test_what_is_said_while_the_relay_is_away_is_said_when_it_is_back() -> None:
    """Neither sending nor reading gives up before its time is over."""
    relay = FakeRelay()
    async with relay.running() as url:
        port = int(url.rpartition(":")[2])
        client = Client(url, new_secret(), "ab" * 32, within=20)
        await client.__aenter__()
    try:
        saying = asyncio.ensure_future(client.tell("help"))
        reading = asyncio.ensure_future(client.public.log(TASK))
        await until(lambda: not relay.connections, "that the client is cut off")
        assert not saying.done()
        async with relay.running(port):
            assert await saying
            assert await reading == []
        assert any(said[0] == "EVENT" for said in relay.heard)
    finally:
        await client.close()


async def test_what_is_published_is_what_the_bot_understands(talk: tuple[Client, Bot]) -> None:
    client, bot = talk
    offered = await client.task("Mow", 5000, int(time.time()) + DAY, d="x", terms={"on_reject": "revise"})
    assert task.concerns(offered, bot.signer.pubkey)
    offer = task.parse(offered)
    assert (offer.title, offer.reward, offer.terms.on_reject) == ("Mow", 5_000_000, "revise")

    await bot.entries(["task.created"], employer=client.pubkey)
    digest = hashlib.sha256(b"work").hexdigest()
    proven = await client.proof(TASK, "https://e.org/x", digest, mime="text/plain", notes="done")
    assert proof.concerns(proven, bot.signer.pubkey)
    assert proven.tag("e") == PINNED
    assert proven.tag_values("p") == [bot.signer.pubkey, client.pubkey]
    words = Submit(task=TASK, url="https://e.org/x", sha256=digest, mime="text/plain", notes="done")
    assert proof.parse(proven, TaskId(TASK)) == words


async def test_a_decision_rests_on_what_it_answers(talk: tuple[Client, Bot]) -> None:
    client, bot = talk
    log = await bot.entries(ENTRIES)
    offer = (await bot.entries(["cancel.offered"], 7, by="ff" * 32, percent=30))[0]
    last = (await bot.entries(["review.prolonged"], 8))[0]

    async def basis(said: Any) -> str | None:
        event = await client.decide(said)
        assert decision.concerns(event, bot.signer.pubkey)
        return decision.parse(event).basis

    assert await basis(Claim(task=TASK)) == log[0].id
    assert await basis(Approve(task=TASK)) == log[5].id
    assert await basis(f"reject {TASK} it is not good") == log[5].id
    assert await basis(Cancel(task=TASK, percent=30)) == offer.id
    assert await basis(Cancel(task=TASK, percent=31)) == last.id
    assert await basis(Fund(task=TASK)) == last.id
    with pytest.raises(NoBasis, match="help"):
        await client.decide("help")


async def test_a_basis_that_is_just_being_published_is_waited_for(talk: tuple[Client, Bot]) -> None:
    client, bot = talk
    await bot.entries(ENTRIES[:4])
    wanted = asyncio.ensure_future(client.public.basis(Approve(task=TASK), client.pubkey))
    await client.public.entry(TASK, "task.claimed")
    submitted = (await bot.entries(["proof.submitted"], 5))[0]
    assert await wanted == submitted.id


async def test_no_basis_is_an_error_that_says_what_is_missing(
    talk: tuple[Client, Bot], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, bot = talk
    monkeypatch.setattr(public_module, "_LAG", 0.05)
    with pytest.raises(NoBasis, match="no log of a task"):
        await client.decide(Approve(task=TASK))
    await bot.entries(ENTRIES[:4])
    with pytest.raises(NoBasis, match=r"no proof\.submitted"):
        await client.decide(Approve(task=TASK))


async def test_a_log_by_somebody_else_is_not_read(talk: tuple[Client, Bot]) -> None:
    client, bot = talk
    forger = KeySigner(new_secret())
    await client.send(await forger.sign(bot.unsigned_entry(1, "task.created", {}, forger.pubkey)))
    await bot.entries(["task.created"])
    assert [found.event.pubkey for found in await client.public.log(TASK)] == [bot.signer.pubkey]


async def test_published_waits_until_state_and_log_agree(talk: tuple[Client, Bot]) -> None:
    client, bot = talk
    await bot.card(2)
    done = asyncio.ensure_future(client.public.published(TASK))
    await bot.entries(ENTRIES[:1])
    await client.public.entry(TASK, "task.created")
    assert not done.done()
    await bot.entries(ENTRIES[1:2], 2)
    assert [found.seq for found in await done] == [1, 2]
