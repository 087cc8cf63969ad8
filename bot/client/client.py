"""The client: `async with Client(relay, secret, bot) as c`. It believes only verified events, and letters only from the bot.

What everybody can read of the bot is `c.public`. Every wait is for something to come, with a bound of `within` seconds; what came
before the wait counts too.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from bot.client import voice
from bot.client.heard import Channel, Letter, letter
from bot.client.public import PublicRecord
from bot.client.shelf import Shelf
from bot.client.voice import Away, NoBasis, Voice
from bot.relays.client import CaughtUp, Relays, Want
from bot.relays.sdk import nostr_sdk
from bot.relays.signer import KeySigner, Unreadable
from bot.relays.values import Filter
from kinds.commands import Command, Submit
from kinds.commands.base import TaskCommand
from kinds.events import DM_NIP04, DM_RUMOR, DM_WRAP, RECORD, TASK, Event, Tag, Unsigned
from kinds.grammar import read_command_text, write_json, write_text
from kinds.units import Pubkey, Secret, hash_of

Form = Literal["text", "json"]
Reads = Literal["all", "mine", "letters"]
"""What is read of the bot's public events: all of them, those that name us, or none but when asked for."""

_WRAPS_BACK = 49 * 3600  # gift wraps are dated up to 48 h back
_PUBLIC_BACK = 60


class Client:
    """One person on one or several relays, talking with one bot."""

    def __init__(
        self,
        relay: str | Sequence[str],
        secret: Secret,
        bot: str,
        *,
        within: float = 20.0,
        reads: Reads = "all",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`bot` is the bot's public key in hex. Raises BadRelayUrl for a bad address, ValueError for a bad key."""
        self._signer = KeySigner(secret)
        self.pubkey, self.bot, self.within = self._signer.pubkey, Pubkey(bot), within
        self._clock = clock
        self._relays = Relays(
            [relay] if isinstance(relay, str) else relay,
            self._wants(reads),
            signer=self._signer,
            since=lambda _, want: int(clock()) - (_WRAPS_BACK if want == "wraps" else _PUBLIC_BACK),
            clock=lambda: int(clock()),
            jitter=random.random,
            allow_private=True,
        )
        self.public = PublicRecord(self._relays, self.bot, within)
        self._voice = Voice(self._relays, self._signer, within)
        self._letters: Shelf[Letter] = Shelf()
        self._known: set[tuple[str, ...]] = set()
        self._caught_up: Shelf[str] = Shelf()
        self._parts: list[asyncio.Task[None]] = []

    def _wants(self, reads: Reads) -> list[Want]:
        me, bot = self.pubkey, self.bot
        by_bot: Filter = {"kinds": [RECORD, TASK], "authors": [bot], **({"#p": [me]} if reads == "mine" else {})}
        wants = [
            Want("wraps", lambda since: [{"kinds": [DM_WRAP], "#p": [me], "since": since}]),
            Want("nip04", lambda since: [{"kinds": [DM_NIP04], "authors": [bot], "#p": [me], "since": since}]),
        ]
        if reads != "letters":
            wants.append(Want("public", lambda since: [{**by_bot, "since": since}]))
        return wants

    # On the line

    async def __aenter__(self) -> Self:
        """Returns when a relay has given everything that waited there for us. Raises Away."""
        nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())
        self._parts = [asyncio.ensure_future(self._relays.run()), asyncio.ensure_future(self._listen())]
        try:
            async with asyncio.timeout(self.within):
                for want in ("wraps", "nip04"):
                    await self._caught_up.first(want, lambda _: True, self.within * 2, want)
        except TimeoutError:
            await self.close()
            raise Away(f"no relay answers at {', '.join(self._relays.urls)}") from None
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        for part in self._parts:
            part.cancel()
        await asyncio.gather(*self._parts, return_exceptions=True)

    # What we say

    async def task(
        self,
        title: str,
        amount: int | str,
        deadline: int,
        *,
        d: str = "",
        terms: Mapping[str, Any] | None = None,
        tags: Sequence[Tag] = (),
    ) -> Event:
        """Publishes a task offer; `amount` in sats, or of the currency that a tag names; `deadline` in unix seconds. Its answer is `answer(event.id)`."""
        name = d or f"task-{secrets.token_hex(4)}"
        unsigned = voice.offer(
            self.pubkey,
            self._now(),
            self.bot,
            d=name,
            title=title,
            amount=amount,
            deadline=deadline,
            terms=terms or {},
            more=tags,
        )
        return await self.say(unsigned)

    async def proof(
        self, task: str, url: str, sha256: str, *, mime: str | None = None, notes: str = "", key: Secret | None = None
    ) -> Event:
        """Publishes a proof of work for the task; `key`: that of a sealed file. Raises NoBasis when the task is not in the public log."""
        created = await self.public.first(task, "submit")
        more: tuple[Tag, ...] = ()
        if key is not None:
            more = (("key", hash_of(key)), ("sealed", await self._signer.encrypt44(self.bot, key.reveal())))
        unsigned = voice.proof(
            self.pubkey,
            self._now(),
            self.bot,
            d=f"{task}-{secrets.token_hex(4)}",
            address=created.event.tag("a") or "",
            pinned=created.event.tag("e") or created.id,
            employer=str(created.facts.get("employer") or ""),
            url=url,
            sha256=sha256,
            mime=mime,
            notes=notes,
            more=more,
        )
        return await self.say(unsigned)

    async def decide(self, command: TaskCommand | str, basis: str | None = None) -> Event:
        """Publishes a signed decision, resting on the entry of the public log that it answers. Raises NoBasis."""
        said = read_command_text(command) if isinstance(command, str) else command
        if not isinstance(said, TaskCommand):
            raise NoBasis(f"only commands about one task can be signed, and {said.action} is none")
        if isinstance(said, Submit) and said.key is not None:
            raise NoBasis(
                "a signed decision is public, and a key never goes into one: send it by message, or publish a proof"
            )
        rests_on = basis or await self.public.basis(said, self.pubkey)
        return await self.say(voice.decision(self.pubkey, self._now(), self.bot, said.letters, said, rests_on))

    async def tell(self, said: Command | str, channel: Channel = "nip17", form: Form = "text") -> str:
        """Sends a private message; the id under which it is answered. A command is written in the form; text goes as it is."""
        if isinstance(said, Command):
            said = write_json(said) if form == "json" else write_text(said)
        return await self.tell_text(said, channel)

    async def tell_text(self, text: str, channel: Channel = "nip17") -> str:
        if channel == "nip04":
            sealed = await self._signer.nip04_encrypt(self.bot, text)
            said = await self.say(Unsigned(self.pubkey, self._now(), DM_NIP04, (("p", self.bot),), sealed))
            return said.id
        rumor = Unsigned(self.pubkey, self._now(), DM_RUMOR, (("p", self.bot), ("nonce", secrets.token_hex(4))), text)
        await self.send(await self._signer.wrap(self.bot, rumor))
        return rumor.id

    async def say(self, unsigned: Unsigned) -> Event:
        """Signs and publishes anything. Raises NotTaken, Away."""
        return await self._voice.say(unsigned)

    async def send(self, event: Event) -> None:
        """Publishes what is signed already. Raises NotTaken, Away."""
        await self._voice.send(event)

    # What we hear

    async def ask(
        self, said: Command | str, channel: Channel = "nip17", form: Form = "text", within: float | None = None
    ) -> Letter:
        """Sends a private message and waits for its answer. Raises Waited."""
        return await self.answer(await self.tell(said, channel, form), within)

    async def answer(self, question: str, within: float | None = None) -> Letter:
        """The first answer to the message or event of this id. Raises Waited."""
        what = f"an answer to {question[:12]}"
        return await self._letters.first(question, lambda _: True, within or self.within, what)

    async def letter(self, wanted: Callable[[Letter], bool], what: str, within: float | None = None) -> Letter:
        """The first letter of the bot, answer or notice, that is wanted. Raises Waited."""
        return await self._letters.first("", wanted, within or self.within, what)

    def letters(self) -> list[Letter]:
        """All letters so far, as they came."""
        return self._letters.under("")

    # Inside

    def _now(self) -> int:
        return int(self._clock())

    async def _listen(self) -> None:
        while True:
            for item in await self._relays.batch(500):
                if isinstance(item, CaughtUp):
                    self._caught_up.put([item.want], item.relay)
                elif item.event.kind in (DM_WRAP, DM_NIP04):
                    await self._open(item.event)
                else:
                    self.public.shelve(item.event)

    async def _open(self, event: Event) -> None:
        try:
            if event.kind == DM_WRAP:
                rumor = await self._signer.unwrap(event)
                if rumor.pubkey != self.bot or rumor.kind != DM_RUMOR:
                    return
                replied = next((tag[1] for tag in rumor.tags if tag[0] == "e" and len(tag) > 1), None)
                found = letter(rumor.id, "nip17", replied, rumor.created_at, rumor.content)
            else:
                text = await self._signer.nip04_decrypt(event.pubkey, event.content)
                found = letter(event.id, "nip04", event.tag("e"), event.created_at, text)
        except Unreadable:
            return  # not for us, or not from whom it says
        same = (found.channel, found.reply_to, str(found.created_at), found.text)  # sent twice, it is the same letter
        if same not in self._known:
            self._known.add(same)
            self._letters.put({"", found.reply_to}, found)
