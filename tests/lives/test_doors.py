"""A complete paid life through each door. What is said at one door is answered there, in the form in which it was said."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.client import Letter
from kinds.bolt11 import decode
from kinds.commands import Approve, Claim, Fund, Payout, Post, Submit
from kinds.commands.base import TaskCommand
from kinds.events import Unsigned
from kinds.units import EventId, commitment, task_id
from tests.lives.people import WORK, Person, Place, check_paid, couple, house, until
from verifier import verify

URL = "https://example.org/landing-page.html"
TITLE = "Build a landing page"


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr("bot.hearing._REPEAT", 0)  # the same answer again comes at once
    async with house(tmp_path / "data") as place:
        yield place


class Door:
    """Messages, in words or as JSON, over one channel. Other doors say some things otherwise."""

    def __init__(self, channel: str = "nip17", form: str = "text") -> None:
        self.channel, self.form = channel, form

    async def offer(self, employer: Person) -> str:
        return await employer.tell(Post(amount=50_000, title=TITLE, terms={"deadline": "3d"}), self.channel, self.form)

    async def say(self, who: Person, command: TaskCommand) -> str:
        return await who.tell(command, self.channel, self.form)

    async def claim(self, worker: Person, task: str) -> str:
        return await self.say(worker, Claim(task=task, destination=await worker.make_invoice()))

    async def submit(self, worker: Person, task: str) -> str:
        return await self.say(worker, Submit(task=task, url=URL, sha256=WORK, notes="ready"))


class Decisions(Door):
    """Signed events for the offer and the proof, signed decisions for everything else; only the invoice goes in private."""

    async def offer(self, employer: Person) -> str:
        return await employer.offer(TITLE)

    async def say(self, who: Person, command: TaskCommand) -> str:
        return await who.decide(command)

    async def claim(self, worker: Person, task: str) -> str:
        invoice, salt = await worker.make_invoice(), secrets.token_hex(32)
        claim = Claim(task=task, dest_hash=commitment(salt, decode(invoice).payment_hash))
        question = await self.say(worker, claim)
        await worker.answer(question)
        opened = await worker.ask(Payout(task=task, destination=invoice, salt=salt), form="json")
        assert (opened.code, opened.said["amount_msat"]) == ("destination_noted", 50_000_000)
        return question

    async def submit(self, worker: Person, task: str) -> str:
        event = await worker.client.proof(task, URL, WORK, mime="text/html", notes="ready")
        worker.said[event.id] = event
        return event.id


class Embedded(Decisions):
    """The same signed decisions, not published but sent inside a private message."""

    async def say(self, who: Person, command: TaskCommand) -> str:
        decision = await who.signed(command)
        carrier = await who.tell(decision.as_json())
        who.said[decision.id] = who.said[carrier]
        return decision.id


class WithProofEvent(Door):
    """`post` by message; the proof is a public event that names the task's address and its first entry."""

    async def submit(self, worker: Person, task: str) -> str:
        return await Decisions().submit(worker, task)


def check_answer(letter: Letter, channel: str, form: str, task: str) -> None:
    assert letter.channel == channel
    if form == "json":
        assert (letter.said["v"], letter.said["ok"]) == (1, True), letter.text
        assert letter.said["text"]
    else:
        assert letter.said == {}
    assert task in letter.text


async def live(
    door: Door, employer: Person, worker: Person, offered: str = ""
) -> tuple[str, dict[str, tuple[Person, str]]]:
    """The life itself; every answer is checked as it comes. Returns the task and what was asked: step -> (who, question)."""
    channel = "nip04" if door.channel == "nip04" else "nip17"
    asked: dict[str, tuple[Person, str]] = {}

    async def answered(step: str, who: Person, question: str, form: str = door.form) -> None:
        asked[step] = (who, question)
        check_answer(await who.answer(question), channel, form, task)

    question = await door.offer(employer)
    task = task_id(EventId(question))
    await answered("offer", employer, question, offered or door.form)
    await employer.client.public.card(task, "Draft")
    question = await door.say(employer, Fund(task=task))
    asked["fund"] = (employer, question)
    assert (await employer.answer(question)).channel == channel
    await employer.pay(await employer.invoice_for(task))
    await employer.client.public.entry(task, state="Funded")
    await answered("claim", worker, await door.claim(worker, task))
    await employer.client.public.entry(task, state="Claimed")
    await answered("submit", worker, await door.submit(worker, task))
    await employer.client.public.entry(task, "proof.submitted")
    await answered("approve", employer, await door.say(employer, Approve(task=task, feedback="lovely")))
    await employer.client.public.entry(task, state="Paid")
    return task, asked


async def say_all_again(task: str, employer: Person, worker: Person, asked: dict[str, tuple[Person, str]]) -> None:
    """Every word of the life once more, in the same events and messages: no new entry, no other letter, no msat moved."""
    before = [(len(await who.client.public.log(task)), await who.balance()) for who in (employer, worker)]
    told = {who.name: {each.id for each in await who.delivered()} for who in (employer, worker)}
    first = {question: await who.answers_to(question) for who, question in asked.values()}
    assert all(first.values())
    for who, question in asked.values():
        await who.again(question)
    for who, question in asked.values():
        if isinstance(who.said[question], Unsigned):  # an event that is known to a relay goes no further

            async def came_again(who: Person = who, question: str = question) -> bool:
                return len(await who.answers_to(question)) > len(first[question])

            await until(came_again, "the same answer to the same message")
        assert {each.id for each in await who.answers_to(question)} == {each.id for each in first[question]}
    for who in (employer, worker):
        history = await who.ask(f"history {task}", form="text")
        assert history.text
        fresh = {each.id for each in await who.delivered()} - told[who.name]
        assert len(fresh) == 1, "only the answer to the history is new"
    assert before == [(len(await who.client.public.log(task)), await who.balance()) for who in (employer, worker)]


async def test_signed_events_and_signed_decisions(place: Place) -> None:
    async with couple(place) as (employer, worker):
        task, asked = await live(Decisions(form="json"), employer, worker, offered="text")
        entries = await check_paid(employer, worker, task)
        by_type = {entry["type"]: entry for entry in entries}
        for type, (who, question) in {
            "task.created": asked["offer"],
            "task.claimed": asked["claim"],
            "proof.submitted": asked["submit"],
            "proof.verified": asked["approve"],
        }.items():
            entry = by_type[type]
            assert (entry["by"], entry["proven"]) == (who.pubkey, "signed")
            assert entry["event"] == who.said[question].as_dict(), "the very event that was signed stands in the log"
        await say_all_again(task, employer, worker, asked)
    report = await verify(list(place.relays), place.bot)
    assert [(each.task, each.ok, each.evidence, each.payout) for each in report.tasks] == [
        (task, True, "signed", "proven")
    ]


@pytest.mark.parametrize(
    ("channel", "form"),
    [("nip17", "text"), ("nip17", "json"), ("nip04", "text"), ("nip04", "json"), ("direct", "text")],
)
async def test_messages(place: Place, channel: str, form: str) -> None:
    async with couple(place) as (employer, worker):
        task, asked = await live(Door(channel, form), employer, worker)
        entries = await check_paid(employer, worker, task)
        assert {entry["proven"] for entry in entries if entry["by"] in (employer.pubkey, worker.pubkey)} == {"attested"}
        assert all(entry["event"] is None for entry in entries)
        for who, words in ((employer, "preimage"), (worker, "arrived at your wallet")):
            last = await who.client.letter(lambda each, words=words: words in each.text, words)  # type: ignore[misc]
            assert task in last.text
            expected = "nip04" if channel == "nip04" else "nip17"
            letters = who.client.letters()
            assert {each.channel for each in letters} == {expected}
            assert {bool(each.said) for each in letters} == {form == "json"}
        await say_all_again(task, employer, worker, asked)


async def test_decisions_embedded_in_messages(place: Place) -> None:
    """As provable as published ones: the log embeds them, and the same message again gets the same answer again."""
    async with couple(place) as (employer, worker):
        task, asked = await live(Embedded(form="json"), employer, worker, offered="text")
        entries = await check_paid(employer, worker, task)
        approved = next(entry for entry in entries if entry["type"] == "proof.verified")
        assert (approved["proven"], approved["event"]["id"]) == ("signed", asked["approve"][1])
        await say_all_again(task, employer, worker, asked)


async def test_post_by_message_and_proof_by_event(place: Place) -> None:
    async with couple(place) as (employer, worker):
        task, asked = await live(WithProofEvent(), employer, worker)
        entries = await check_paid(employer, worker, task)
        proven = {entry["type"]: entry["proven"] for entry in entries}
        assert (proven["task.created"], proven["proof.submitted"]) == ("attested", "signed")
        await say_all_again(task, employer, worker, asked)


async def test_answers_in_words_can_be_acted_on(place: Place) -> None:
    """The invoice comes with a link, a QR code that fits a terminal, and what to do next."""
    async with couple(place) as (employer, _):
        task = await employer.drafted()
        await employer.tell(Fund(task=task))
        invoice = await employer.invoice_for(task)
        card = (await employer.client.letter(lambda each: bool(each.invoice), "the invoice")).text
        assert f"lightning:{invoice}" in card.lower()
        code = [line for line in card.splitlines() if line and set(line) <= set("█▀▄ ")]
        assert len(code) >= 15
        assert max(map(len, code)) <= 80
        again = await employer.ask(Fund(task=task))
        assert again.invoice == invoice, "fund again gives the same invoice"
