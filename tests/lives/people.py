"""Ordinary people around a real daemon: an employer and a worker with Nostr clients and wallets, and what everybody can see.

They use public doors only: relays, and for their money a wallet: here one of play money, behind the control socket of simnet.
Waits are for conditions, with a bound.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, overload

from bot.client import Client, Letter
from bot.config import Daemon, RelaySettings, Settings
from bot.daemon import Ready, run
from bot.door import ask
from bot.keys import new_secret
from bot.relays.genuine import is_genuine
from bot.relays.sdk import nostr_sdk
from bot.relays.signer import KeySigner, Rumor
from kinds.commands import Approve, Claim, Command, Fund, Submit
from kinds.commands.base import TaskCommand
from kinds.events import DM_NIP04, DM_RUMOR, DM_WRAP, RECORD, TASK, Event, Unsigned, canonical_json
from kinds.grammar import write_json, write_text
from kinds.units import EventId, Secret, task_id
from verifier import check

DAY = 86400
REWARD, HOLD = 50_000_000, 50_500_000  # msat; what is left of the budget stays with the operator
START = 10_000_000_000  # msat in everybody's wallet
WORK = hashlib.sha256(b"<h1>Holdfast Bakery</h1>").hexdigest()
PAID = [
    "task.created", "invoice.created", "invoice.accepted", "task.claimed", "proof.submitted", "proof.verified",
    "settlement.started", "settlement.completed",
]  # fmt: skip
T = TypeVar("T")


@overload
async def until(condition: Callable[[], Awaitable[T]], what: str, within: float = 20.0) -> T: ...


@overload
async def until(condition: Callable[[], T], what: str, within: float = 20.0) -> T: ...


async def until(condition: Callable[[], Any], what: str, within: float = 20.0) -> Any:
    """The first true value of the condition. Fails when none comes in time."""
    end = asyncio.get_running_loop().time() + within
    while True:
        found = condition()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"waited {within:g} s in vain: {what}")
        await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Place:
    """A daemon as people know it: its key, its relays, and the door to its play money."""

    bot: str
    relays: tuple[str, ...]
    data: Path

    async def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        answer = await ask(self.data / "simnet.sock", {"do": do, **fields})
        assert "error" not in answer, answer
        return answer

    async def money(self) -> dict[str, Any]:
        """Where all the money is, in msat."""
        money: dict[str, Any] = (await self.ask("state"))["money_msat"]
        return money


@asynccontextmanager
async def house(
    data: Path, relays: Sequence[str] = (), clock: Callable[[], float] = time.time, **sections: Any
) -> AsyncIterator[Place]:
    """A daemon in this process; without relays, with one of its own on a free port."""
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
    settings = Settings(daemon=Daemon(data=data), relays=RelaySettings(urls=tuple(relays), embedded_port=0), **sections)
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    daemon = asyncio.ensure_future(run(settings, ready.set_result, stop, clock))
    try:
        await asyncio.wait([daemon, ready], return_when=asyncio.FIRST_COMPLETED)
        if daemon.done():
            daemon.result()
        told: Ready = ready.result()
        yield Place(told.pubkey, told.relays, data)
        assert not daemon.done(), "the daemon has ended by itself"
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await daemon


class Wallet(Protocol):
    """What people do with their money; sat in, msat out."""

    async def invoice(self, sat: int, expiry: int) -> str: ...

    async def pay(self, invoice: str, **more: Any) -> dict[str, Any]: ...

    async def balance(self) -> int: ...


@dataclass(frozen=True, slots=True)
class PlayWallet:
    """The wallet of this name on the place's simnet."""

    name: str
    place: Place

    async def invoice(self, sat: int, expiry: int) -> str:
        made = await self.place.ask("invoice", wallet=self.name, amount_sat=sat, expiry=expiry)
        return str(made["invoice"])

    async def pay(self, invoice: str, **more: Any) -> dict[str, Any]:
        return await self.place.ask("pay", wallet=self.name, invoice=invoice, **more)

    async def balance(self) -> int:
        wallets = (await self.place.ask("wallet"))["balances_msat"]
        return int(wallets.get(self.name, START))


@dataclass(slots=True)
class Person:
    """Somebody with a key, a client and a wallet."""

    name: str
    place: Place
    signer: KeySigner
    client: Client
    wallet: Wallet
    said: dict[str, Unsigned | Event] = field(default_factory=dict)

    @property
    def pubkey(self) -> str:
        return self.signer.pubkey

    # What he says: every method returns the id under which it is answered

    async def tell(self, said: Command | str, channel: str = "nip17", form: str = "text") -> str:
        """A message: `nip17`, `nip04`, or `direct`, the signed kind 14 without a wrap."""
        text = said if isinstance(said, str) else write_json(said) if form == "json" else write_text(said)
        bot, now = self.client.bot, self.client._now()
        if channel == "nip17":
            rumor = Unsigned(self.signer.pubkey, now, DM_RUMOR, (("p", bot), ("n", secrets.token_hex(4))), text)
            self.said[rumor.id] = rumor
            await self.client.send(await self.signer.wrap(bot, rumor))
            return rumor.id
        kind, seal = (DM_NIP04, self.signer.nip04_encrypt) if channel == "nip04" else (DM_RUMOR, self.signer.encrypt44)
        return await self.publish(Unsigned(self.signer.pubkey, now, kind, (("p", bot),), await seal(bot, text)))

    async def publish(self, unsigned: Unsigned) -> str:
        event = await self.client.say(unsigned)
        self.said[event.id] = event
        return event.id

    async def again(self, question: str) -> None:
        """Says the very same once more: a rumor in a new wrap, an event as it is."""
        said = self.said[question]
        event = said if isinstance(said, Event) else await self.signer.wrap(self.client.bot, said)
        await self.client.send(event)

    async def offer(self, title: str = "Build a landing page", sat: int = 50_000, **more: Any) -> str:
        deadline = more.pop("deadline", self.client._now() + 3 * DAY)
        event = await self.client.task(title, sat, deadline, **more)
        self.said[event.id] = event
        return event.id

    async def decide(self, command: TaskCommand, basis: str | None = None) -> str:
        event = await self.client.decide(command, basis)
        self.said[event.id] = event
        return event.id

    async def signed(self, command: TaskCommand, basis: str | None = None) -> Event:
        """The signed decision, not published."""
        rests_on = basis or await self.client.public.basis(command, self.pubkey)
        tags = (("d", command.task), ("t", "holdfast-decision"), ("p", self.client.bot), ("e", rests_on, "", "basis"))
        return await self.signer.sign(
            Unsigned(self.signer.pubkey, self.client._now(), RECORD, tags, write_json(command))
        )

    # What he hears

    async def answer(self, question: str, within: float | None = None) -> Letter:
        return await self.client.answer(question, within)

    async def ask(self, said: Command | str, channel: str = "nip17", form: str = "text") -> Letter:
        return await self.answer(await self.tell(said, channel, form))

    async def refusal(self, said: Command | str) -> str:
        """The code of a refusal; a program's form, since words for people carry none."""
        letter = await self.ask(said, form="json")
        assert letter.said["ok"] is False, letter.text
        return letter.code

    async def told(self, words: str, within: float | None = None) -> Letter:
        """A letter with these words or this code in it."""
        return await self.client.letter(lambda each: words in (each.code or each.text), words, within)

    async def invoice_for(self, task: str) -> str:
        letter = await self.client.letter(lambda each: bool(each.invoice) and task in each.text, "the invoice")
        return letter.invoice

    async def delivered(self) -> list[Rumor]:
        """Every message of the bot to him that lies on the relays, opened, each copy of it."""
        wanted = [
            {"kinds": [DM_WRAP], "#p": [self.pubkey]},
            {"kinds": [DM_NIP04], "#p": [self.pubkey], "authors": [self.client.bot]},
        ]
        found = []
        for event in await self.client.public.fetch(wanted):
            if event.kind == DM_WRAP:
                found.append(await self.signer.unwrap(event))
            else:
                text = await self.signer.nip04_decrypt(event.pubkey, event.content)
                found.append(Rumor(event.id, event.pubkey, event.created_at, event.kind, event.tags, text))
        return found

    async def answers_to(self, question: str) -> list[Rumor]:
        return [each for each in await self.delivered() if ("e", question) in [tag[:2] for tag in each.tags]]

    # His wallet

    async def make_invoice(self, sat: int = 50_000, expiry: int = 20 * DAY) -> str:
        return await self.wallet.invoice(sat, expiry)

    async def pay(self, invoice: str, **more: Any) -> dict[str, Any]:
        return await self.wallet.pay(invoice, **more)

    async def balance(self) -> int:
        return await self.wallet.balance()

    # Steps of a life that other stories begin with

    async def drafted(self, **more: Any) -> str:
        question = await self.offer(**more)
        task = task_id(EventId(question))
        await self.client.public.card(task, "Draft")
        return task

    async def funded(self, **more: Any) -> str:
        task = await self.drafted(**more)
        await self.tell(Fund(task=task))
        await self.pay(await self.invoice_for(task))
        await self.client.public.entry(task, state="Funded")
        return task

    async def claims(self, task: str, destination: bool = True) -> None:
        invoice = await self.make_invoice() if destination else None
        await self.tell(Claim(task=task, destination=invoice))
        await self.client.public.entry(task, state="Claimed")

    async def delivers(self, task: str, url: str = "https://example.org/page.html") -> None:
        before = len(await self.client.public.log(task))
        await self.tell(Submit(task=task, url=url, sha256=WORK))
        await self.client.public.entry(task, "proof.submitted", after=before)

    async def approves(self, task: str) -> None:
        await self.tell(Approve(task=task))
        await self.client.public.entry(task, state="Paid")


@asynccontextmanager
async def person(
    name: str,
    place: Place,
    relays: Sequence[str] = (),
    secret: Secret | None = None,
    wallet: Wallet | None = None,
    **more: Any,
) -> AsyncIterator[Person]:
    key = secret or new_secret()
    async with Client(relays or place.relays, key, place.bot, **more) as client:
        yield Person(name, place, KeySigner(key), client, wallet or PlayWallet(name, place))


@asynccontextmanager
async def couple(place: Place, relays: Sequence[str] = (), **more: Any) -> AsyncIterator[tuple[Person, Person]]:
    """An employer and a worker."""
    async with person("employer", place, relays, **more) as employer, person("worker", place, relays, **more) as worker:
        yield employer, worker


async def paid_life(employer: Person, worker: Person) -> str:
    """A whole life by messages in words; returns its task."""
    task = await employer.funded()
    await worker.claims(task)
    await worker.delivers(task)
    await employer.approves(task)
    await employer.client.public.published(task)
    return task


async def public_log(someone: Person, task: str) -> list[dict[str, Any]]:
    """The published log as the relays have it, checked: genuine, one event for each seq, chained, the state event at its head,
    and found in order by the public verifier. Each entry's content, with its event's id."""
    place, public = someone.place, someone.client.public
    await public.published(task)
    found = await public.fetch([{"kinds": [RECORD], "authors": [place.bot], "#d": [task]}])
    events = sorted(found, key=lambda event: int(event.tag("seq") or 0))
    assert all(is_genuine(event) for event in events)
    assert [event.tag("seq") for event in events] == [str(seq) for seq in range(1, len(events) + 1)]
    assert [event.tag("prev") for event in events] == [None, *(event.id for event in events[:-1])]
    entries = [json.loads(event.content) for event in events]
    assert [event.content for event in events] == [canonical_json(entry) for entry in entries]
    states = await public.fetch([{"kinds": [TASK], "authors": [place.bot], "#d": [f"holdfast-{task}"]}])
    newest = max(states, key=lambda event: event.created_at)
    assert is_genuine(newest)
    assert newest.tag("e") == events[-1].id
    facts = json.loads(newest.content)
    assert (facts["state"], facts["seq"]) == (entries[-1]["state"], len(events))
    await _sound(someone, task)
    return [entry | {"id": event.id} for entry, event in zip(entries, events, strict=True)]


async def _sound(someone: Person, task: str, within: float = 20.0) -> None:
    """The public verifier finds the log in order, once all that it rests on is there: terms and the daemon's own chain are sent
    beside it, and again where a relay has refused or lost them."""
    place, end = someone.place, asyncio.get_running_loop().time() + within
    while True:
        mine = await someone.client.public.fetch([{"authors": [place.bot]}])
        report = check([event.as_dict() for event in mine], place.bot, task)
        if report.ok or asyncio.get_running_loop().time() > end:
            break
        await asyncio.sleep(0.2)
    assert report.ok, report.to_text()


async def check_paid(employer: Person, worker: Person, task: str, lives: int = 1) -> list[dict[str, Any]]:
    """The life ended Paid, and every msat is where it belongs. Returns its log."""
    entries = await public_log(employer, task)
    assert [entry["type"] for entry in entries] == PAID
    assert entries[-1]["state"] == "Paid"
    assert await employer.balance() == START - lives * HOLD
    assert await worker.balance() == START + lives * REWARD
    money = await employer.place.money()
    assert (money["in_flight"], money["held"], money["total"]) == (0, 0, money["minted"])
    return entries
