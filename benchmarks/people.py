"""Many people over a few connections: they sign, wrap and open as any client does; what they hear is stamped when it comes.

A crowd has one pair of connections (`bot.relays`, which opens a fresh one before LocalRelay cuts it off, and catches up on what
the relay's live channel lost) instead of a pair for each person: two thousand sockets would measure the relay.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from bot.client import voice
from bot.client.heard import Letter, letter
from bot.client.shelf import Shelf
from bot.keys import new_secret
from bot.relays.client import CaughtUp, Relays, Want
from bot.relays.sdk import nostr_sdk
from bot.relays.signer import KeySigner
from bot.relays.values import Filter
from kinds.commands import Command
from kinds.commands.base import TaskCommand
from kinds.events import DM_RUMOR, DM_WRAP, RECORD, TASK, Event, Unsigned
from kinds.grammar import write_json
from kinds.log import LOG_TAG
from kinds.units import Pubkey

_WRAPS_BACK = 49 * 3600  # wraps are dated up to 48 h back
_AT_ONCE = 200  # people to one subscription
_CATCH_UP = 20.0  # seconds between two catch-ups
_IN_FLIGHT = 500  # publications that wait for their OK


@dataclass(frozen=True, slots=True)
class Seen:
    """A published log entry and the moment at which it was seen (perf_counter)."""

    event: Event
    at: float


@dataclass(slots=True)
class Person:
    signer: KeySigner
    bot: Pubkey
    letters: Shelf[Letter] = field(default_factory=Shelf)
    wraps: list[tuple[Event, float]] = field(default_factory=list)  # with the moment of each
    told: dict[str, float] = field(default_factory=dict)  # a letter's id -> when it came
    reads: bool = True  # opens his letters as they come; else they are only counted

    @property
    def pubkey(self) -> Pubkey:
        return self.signer.pubkey

    async def offer(self, title: str, sats: int) -> Event:
        now = int(time.time())
        name = f"task-{secrets.token_hex(4)}"
        terms = {"description": "One page for a bakery."}
        unsigned = voice.offer(
            self.pubkey, now, self.bot, d=name, title=title, amount=sats, deadline=now + 3 * 86400, terms=terms
        )
        return await self.signer.sign(unsigned)

    async def proof(self, task: str, created: Event, employer: Pubkey, url: str, sha256: str) -> Event:
        unsigned = voice.proof(
            self.pubkey,
            int(time.time()),
            self.bot,
            d=f"{task}-{secrets.token_hex(4)}",
            address=created.tag("a") or "",
            pinned=created.tag("e") or "",
            employer=employer,
            url=url,
            sha256=sha256,
            mime=None,
            notes="done",
        )
        return await self.signer.sign(unsigned)

    async def decision(self, command: TaskCommand, basis: str) -> Event:
        return await self.signer.sign(
            voice.decision(self.pubkey, int(time.time()), self.bot, command.task, command, basis)
        )

    async def message(self, said: Command | str) -> tuple[Event, str]:
        """A gift wrap for the bot, and the id under which it is answered."""
        text = said if isinstance(said, str) else write_json(said)
        tags = (("p", self.bot), ("nonce", secrets.token_hex(4)))
        rumor = Unsigned(self.pubkey, int(time.time()), DM_RUMOR, tags, text)
        return await self.signer.wrap(self.bot, rumor), rumor.id

    async def open(self, wrap: Event, now: float) -> None:
        rumor = await self.signer.unwrap(wrap)
        if rumor.pubkey == self.bot:
            self.told.setdefault(rumor.id, now)
            replied = next((tag[1] for tag in rumor.tags if tag[0] == "e" and len(tag) > 1), None)
            self.letters.put({"", replied or ""}, letter(rumor.id, "nip17", replied, rumor.created_at, rumor.content))


def people(count: int, bot: Pubkey, *, reads: bool = True) -> list[Person]:
    return [Person(KeySigner(new_secret()), bot, reads=reads) for _ in range(count)]


class Crowd:
    """`async with`: returns when the relay has given everything that waited for these people."""

    def __init__(self, relay: str, bot: Pubkey, members: Iterable[Person]) -> None:
        self.relay, self.bot = relay, bot
        self.members = {person.pubkey: person for person in members}
        self.entries: Shelf[Seen] = Shelf()  # under "task type"
        self.public: dict[str, Event] = {}  # what the bot published, by id
        self.tasks: dict[str, float] = {}  # task -> when its first entry was seen
        self.said: dict[str, Event] = {}  # what these people published
        self.last = 0.0  # when something last came
        began = int(time.time())
        keys = list(self.members)
        groups = [keys[first : first + _AT_ONCE] for first in range(0, len(keys), _AT_ONCE)]
        self._wanted = {"public", *(f"letters{n}" for n in range(len(groups)))}
        self._relays = Relays(
            [relay],
            [self._public(), *(self._letters(n, group) for n, group in enumerate(groups))],
            signer=None,
            since=lambda _, want: began - (60 if want == "public" else _WRAPS_BACK),
            clock=lambda: int(time.time()),
            jitter=random.random,
            have=self._have,
            allow_private=True,
            repeat_catch_up=_CATCH_UP,
        )
        self._known: dict[str, tuple[int, int]] = {}  # id -> kind, created_at
        self._here = asyncio.Event()
        self._room = asyncio.Semaphore(_IN_FLIGHT)
        self._parts: list[asyncio.Task[None]] = []

    def _public(self) -> Want:
        return Want("public", lambda since: [{"kinds": [RECORD, TASK], "authors": [self.bot], "since": since}])

    def _letters(self, n: int, group: Sequence[Pubkey]) -> Want:
        return Want(f"letters{n}", lambda since: [{"kinds": [DM_WRAP], "#p": list(group), "since": since}])

    async def _have(self, filters: list[Filter]) -> list[tuple[int, str]]:
        """What need not be sent again when catching up (NIP-77)."""
        kinds = {kind for each in filters for kind in each["kinds"]}
        return [(at, event_id) for event_id, (kind, at) in self._known.items() if kind in kinds]

    async def __aenter__(self) -> Self:
        nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
        self._parts = [asyncio.ensure_future(self._relays.run()), asyncio.ensure_future(self._listen())]
        async with asyncio.timeout(60):
            await self._here.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self._parts:
            part.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)

    async def say(self, event: Event) -> None:
        """Publishes; the same bytes again until the relay has taken them."""
        self.said[event.id] = event
        body = event.as_json()
        async with self._room:
            for _ in range(5):
                ack = await self._relays.publish(self.relay, body, event.id, 30.0)
                if ack.accepted:
                    return
                if ack.accepted is False:
                    raise RuntimeError(f"the relay refused an event: {ack.message}")
        raise RuntimeError("the relay does not answer")

    async def entry(self, task: str, type: str, within: float = 60.0) -> Seen:
        return await self.entries.first(f"{task} {type}", lambda _: True, within, f"{type} of {task}")

    async def begin(self) -> None:
        """From here on counts what comes; what came before is forgotten."""
        await self.quiet()
        self.public.clear()
        self.tasks.clear()

    async def quiet(self, seconds: float = 1.0) -> None:
        """Returns when nothing has come for so long."""
        while (left := self.last + seconds - time.perf_counter()) > 0:  # noqa: ASYNC110  (the end of things is no event)
            await asyncio.sleep(left)

    async def _listen(self) -> None:
        while True:
            for item in await self._relays.batch(500):
                if isinstance(item, CaughtUp):
                    self._wanted.discard(item.want)
                    if not self._wanted:
                        self._here.set()
                else:
                    await self._hear(item.event, time.perf_counter())

    async def _hear(self, event: Event, now: float) -> None:
        if event.id in self._known:  # heard live and again when catching up
            return
        self._known[event.id] = event.kind, event.created_at
        self.last = now
        if event.kind == DM_WRAP:
            person = self.members[Pubkey(event.tag("p") or "")]
            person.wraps.append((event, now))
            if person.reads:
                await person.open(event, now)
            return
        self.public[event.id] = event
        if event.kind == RECORD and LOG_TAG in event.tag_values("t"):
            task = event.tag("d") or ""
            self.tasks.setdefault(task, now)
            self.entries.put([f"{task} {event.tag('type')}"], Seen(event, now))


async def census(relay: str, filters: Sequence[Filter]) -> list[Event]:
    """All that the relay holds for these filters, each event once; asked over a connection of its own, by pages or NIP-77."""
    found: dict[str, Event] = {}
    asked = Relays(
        [relay],
        [Want("all", lambda _: [dict(each) for each in filters])],
        signer=None,
        since=lambda _, want: 0,
        clock=lambda: int(time.time()),
        jitter=random.random,
        have=_nothing,
    )
    running = asyncio.ensure_future(asked.run())
    try:
        async with asyncio.timeout(120):
            while True:
                for item in await asked.batch(500):
                    if isinstance(item, CaughtUp):
                        return list(found.values())
                    found[item.event.id] = item.event
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _nothing(_: list[Filter]) -> list[tuple[int, str]]:
    return []
