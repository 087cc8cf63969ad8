"""Ears: what the relays deliver is kept, then opened, then handed to dispatch; and the heartbeat that shows that we hear.

Stored before it is processed, remembered only after it was verified. If the process dies between two steps, the next start
finds it where it was: a wrap that nobody opened, an input that nobody processed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Connection

from bot.memory.lease import SecondCopy
from bot.moments import Outage
from bot.relays.client import CaughtUp, Heard, Want
from bot.relays.genuine import is_genuine
from bot.relays.signer import Rumor, SignerAway, Unreadable
from bot.world import World
from kinds import decision, proof, task
from kinds.events import DM_NIP04, DM_RUMOR, DM_WRAP, PROOF, RECORD, TASK, BadEvent, Event, read_json
from kinds.events import canonical_json as canonical
from kinds.inputs import Now
from kinds.profile import HEARTBEAT, heartbeat
from kinds.units import Secret
from storage import house, inbox, outbox
from storage.inbox import NewInput, Sealed

OVERLAP = 48 * 3600 + 3600  # gift wraps are dated up to 48 h back
_SEALED = (DM_WRAP, DM_NIP04, DM_RUMOR)
_OPENED_AT_ONCE = 200
_BEAT_EVERY = 30.0
_ANSWER_PAUSE = 0.1  # seconds before an answer to another's heartbeat, which is one for all that came meanwhile
_MOST_EARLY = 2000  # items that wait in memory; then the relays wait
_REPEAT = 5  # seconds between an answer and the same answer again
log = structlog.get_logger()


def wants(bot: str) -> tuple[Want, ...]:
    """What we ask of every relay; each DM kind in a subscription of its own."""

    def about_us(kinds: list[int], **more: Any) -> Any:
        return lambda since: [{"kinds": kinds, "#p": [bot], "since": since, **more}]

    return (
        Want("work", about_us([TASK, PROOF])),
        Want("decisions", about_us([RECORD], **{"#t": [decision.DECISION_TAG]})),
        Want("wraps", about_us([DM_WRAP])),
        Want("nip04", about_us([DM_NIP04])),
        Want("direct", about_us([DM_RUMOR])),
        Want("beat", lambda since: [{"kinds": [HEARTBEAT], "authors": [bot]}]),
    )


class Ears:
    def __init__(self, world: World, accept_nip04: bool) -> None:
        self._world = world
        self._accept_nip04 = accept_nip04
        self._policy = ""  # by whose rules what is heard is kept; "" while that is not known
        self._keeping = asyncio.Event()
        self._early: list[Heard | CaughtUp] = []  # heard before
        self._order = asyncio.Lock()

    async def keep(self, policy_id: str) -> None:
        """From now on what is heard is kept, first of all what was heard already."""
        async with self._order:
            self._policy = policy_id
            self._keeping.set()
            early, self._early = self._early, []
            await self._store(early)

    async def listen(self) -> None:
        """From the relays into `heard` and `inputs`; a relay's cursor moves in the commit that keeps what came before it.
        Raises SecondCopy."""
        world = self._world
        while True:
            if len(self._early) >= _MOST_EARLY:
                await self._keeping.wait()
            batch = await world.relays.batch(500)
            kept: list[Heard | CaughtUp] = []
            second: SecondCopy | None = None
            for item in batch:
                if isinstance(item, Heard) and item.event.kind == HEARTBEAT:
                    if item.event.pubkey == world.bot:
                        second = self._beat_heard(item) or second
                elif isinstance(item, CaughtUp) or self._concerns(item.event):
                    kept.append(item)
            async with self._order:
                if self._keeping.is_set():
                    await self._store(kept)
                else:
                    self._early += kept
            if second is not None:
                raise second

    def _beat_heard(self, item: Heard) -> SecondCopy | None:
        world = self._world
        if world.lease.is_ours(item.event):
            world.moments.beat(item.relay, item.event.created_at)
        try:
            world.lease.hear(item.event)
        except SecondCopy as second:
            return second
        return None

    async def _store(self, kept: list[Heard | CaughtUp]) -> None:
        world = self._world
        if not kept:
            return
        fresh = await world.writer.do(lambda tx: self._keep(tx, kept))
        for marker in kept:
            if isinstance(marker, CaughtUp):
                world.cursors[marker.relay, marker.want] = marker.at
                world.moments.delivered(marker.relay, marker.want)
        sealed = {_is_sealed(event) for event in fresh}
        if True in sealed:
            world.wakes.sealed.ring()
        if False in sealed:
            world.wakes.inputs.ring()

    def _concerns(self, event: Event) -> bool:
        """Ours to keep: addressed to us, not by us, not expired (NIP-40), and meant as what we take it for."""
        bot = self._world.bot
        if event.pubkey == bot or (event.tag("expiration") and _is_expired(event, self._world.moments.time)):
            return False
        match event.kind:
            case kind if kind == TASK:
                return task.concerns(event, bot)
            case kind if kind == PROOF:
                return proof.concerns(event, bot)
            case kind if kind == RECORD:
                return decision.concerns(event, bot)
            case kind if kind == DM_NIP04:
                return self._accept_nip04 and bot in event.tag_values("p")
            case kind:
                return kind in _SEALED and bot in event.tag_values("p")

    def _keep(self, tx: Connection, batch: Sequence[Heard | CaughtUp]) -> list[Event]:
        """Which of them are new."""
        now = self._world.moments.now()
        found = [(item.event, item.relay, _is_sealed(item.event)) for item in batch if isinstance(item, Heard)]
        relay_of = {event.id: relay for event, relay, _ in found}
        fresh = inbox.hear(tx, found, now)
        for event in fresh:
            if not _is_sealed(event):
                self._input(tx, event.as_dict(), relay_of[event.id], "", now)
        for item in batch:
            if isinstance(item, CaughtUp) and item.want != "beat":
                house.move_cursor(tx, item.relay, item.want, item.at)
        return fresh

    def _input(
        self, tx: Connection, event: dict[str, Any], relay: str, channel: str, now: Now, key: Secret | None = None
    ) -> bool:
        """False when it is known already. `key`: what was sealed in a proof for us."""
        more = {} if key is None else {"key": key.reveal()}
        body = canonical({"event": event, "relay": relay, "channel": channel, **more})
        fresh = NewInput(f"event:{event['id']}", "event", body, by=event["pubkey"])
        return inbox.add(tx, fresh, now, self._policy)

    async def open(self) -> None:
        """Opens letters, many at a time; an absent signer loses none, and no letter can stop the others."""
        world = self._world
        while True:
            waiting = await world.writer.do(lambda tx: inbox.sealed_waiting(tx, _OPENED_AT_ONCE))
            if waiting:
                try:
                    opened = await self._unseal(waiting)
                except SignerAway:
                    log.warning("the signer is away: letters wait for it")
                    await asyncio.sleep(5.0)
                    continue
                again = await world.writer.do(lambda tx, opened=opened: self._letters(tx, opened))  # type: ignore[misc]
                world.wakes.inputs.ring()
                if again:
                    world.wakes.letters.ring()
                world.wakes.timers.ring()
            if len(waiting) < _OPENED_AT_ONCE:  # that was all; what comes from now on rings
                await world.idle(world.wakes.sealed)

    async def _unseal(self, sealed: Sequence[Sealed]) -> list[tuple[Sealed, Rumor | None]]:
        signer = self._world.signer
        wraps = [letter.event for letter in sealed if letter.event.kind == DM_WRAP]
        try:
            opened = await signer.unwrap_many(wraps)
        except SignerAway:
            raise
        except Exception as error:  # one of them is of a kind that nobody has thought of: each by itself
            log.warning("a batch of letters could not be opened together", error=type(error).__name__)
            opened = [await self._one(wrap) for wrap in wraps]
        rumors = dict(zip((wrap.id for wrap in wraps), opened, strict=True))
        found: list[tuple[Sealed, Rumor | None]] = []
        for letter in sealed:
            rumor = rumors[letter.event.id] if letter.event.kind == DM_WRAP else await self._one(letter.event)
            mine = isinstance(rumor, Rumor) and rumor.pubkey != self._world.bot
            found.append((letter, rumor if mine and isinstance(rumor, Rumor) else None))
        return found

    async def _one(self, event: Event) -> Rumor | Unreadable:
        signer = self._world.signer
        try:
            if event.kind == DM_WRAP:
                return await signer.unwrap(event)
            if event.kind == DM_RUMOR:
                return await signer.unseal_direct(event)
            if event.kind == PROOF:
                key = await signer.decrypt44(event.pubkey, proof.sealed_key(event) or "")
                return Rumor(event.id, event.pubkey, event.created_at, event.kind, event.tags, key)
            text = await signer.nip04_decrypt(event.pubkey, event.content)
            return Rumor(event.id, event.pubkey, event.created_at, event.kind, event.tags, text)
        except (Unreadable, SignerAway) as known:
            if isinstance(known, SignerAway):
                raise
            return known
        except Exception as error:
            return Unreadable(type(error).__name__)

    def _letters(self, tx: Connection, opened: Sequence[tuple[Sealed, Rumor | None]]) -> int:
        """Each letter becomes an input of the moment at which it was heard, not of that at which it was opened. How many answers go out
        again, since their letters are known."""
        again, later = 0, self._world.moments.time + _REPEAT
        inbox.mark_opened(tx, [letter.event.id for letter, rumor in opened if rumor], True)
        inbox.mark_opened(tx, [letter.event.id for letter, rumor in opened if not rumor], False)
        for letter, rumor in opened:
            if letter.event.kind == PROOF:  # if its key cannot be read, the worker is told
                key = Secret(rumor.content if rumor else "")
                self._input(tx, letter.event.as_dict(), letter.relay, "", self._moment(letter), key)
                continue
            if rumor is None or rumor.kind not in (DM_RUMOR, DM_NIP04):
                continue
            moment = self._moment(letter)
            channel = "nip04" if letter.event.kind == DM_NIP04 else "nip17"
            embedded = _embedded(rumor)
            if embedded is not None and decision.concerns(embedded, self._world.bot):
                if not self._input(tx, embedded.as_dict(), letter.relay, channel, moment):
                    again += outbox.answer_again(tx, f"event:{embedded.id}", embedded.pubkey, later)
                continue
            body = {
                "id": rumor.id,
                "outer": letter.event.id,
                "by": rumor.pubkey,
                "created_at": rumor.created_at,
                "text": rumor.content,
                "channel": channel,
                "relay": letter.relay,
            }
            fresh = NewInput(f"message:{rumor.id}", "dm", canonical(body), by=rumor.pubkey)
            if not inbox.add(tx, fresh, moment, self._policy):
                again += outbox.answer_again(tx, fresh.key, rumor.pubkey, later)
        return again

    def _moment(self, letter: Sealed) -> Now:
        return replace(letter.heard, entropy=self._world.entropy(32).hex())

    async def beat(self) -> None:
        """A heartbeat to each relay; a relay that does not give it back gets a new connection."""
        world = self._world
        while True:
            lease, word = world.lease, world.entropy(8).hex()
            said = heartbeat(world.bot, world.moments.time, word, lease.instance, lease.since, lease.names())
            signed = await world.signer.sign(said)
            body = signed.as_json()
            sends = [world.relays.publish(url, body, signed.id, 10.0) for url in world.relays.urls]
            await asyncio.gather(*sends)
            for url in world.moments.late():
                status = world.relays.status().get(url)
                if status and status.hearing and status.since and world.moments.time - status.since > 300:
                    world.relays.kick(url)
            with suppress(TimeoutError):  # whoever has just begun to use our key is told at once that we live
                async with asyncio.timeout(_BEAT_EVERY if not world.moments.is_deaf else 5.0):
                    await lease.answer.wait()
                    await asyncio.sleep(_ANSWER_PAUSE)
            lease.answer.clear()

    async def remember_hearing(self) -> None:
        """Writes down until when we have heard, and each outage in the daemon's own chain, so that anybody can add them up."""
        world, told, noted = self._world, False, (-1, 0)
        while True:
            ended = world.moments.ended_outages()
            paused = world.moments.silent_long and not told
            since = world.moments.confirmed
            if paused:
                log.warning("deaf: deadlines stand still", since=since)
            told = world.moments.silent_long
            present = since, world.moments.settled_deaf
            if ended or paused or present != noted:  # a deaf daemon has nothing new to write down
                await world.writer.do(
                    lambda tx, ended=ended, paused=paused, since=since: self._note(tx, ended, since if paused else None)  # type: ignore[misc]
                )
                noted = present
            if ended or paused:
                world.wakes.events.ring()
                world.wakes.timers.ring()
            await asyncio.sleep(5.0 if world.moments.is_deaf else 30.0)

    def _note(self, tx: Connection, ended: Sequence[Outage], paused_since: int | None) -> None:
        for outage in ended:
            facts = {"since": outage.since, "until": outage.until, "deaf": outage.deaf}
            self._checkpoint(tx, "clock.resumed", facts)
        if paused_since is not None:
            self._checkpoint(tx, "clock.paused", {"since": paused_since})
        moments = self._world.moments
        house.put_json(tx, "hearing", {"confirmed": moments.confirmed, "deaf": moments.settled_deaf})

    def _checkpoint(self, tx: Connection, what: str, facts: dict[str, int]) -> None:
        house.add_checkpoint(tx, self._world.bot, what, self._world.moments.now(), facts)


def _is_sealed(event: Event) -> bool:
    """It must be opened before it is understood: a letter, or a proof with a key in it."""
    return event.kind in _SEALED or (event.kind == PROOF and proof.sealed_key(event) is not None)


def _embedded(rumor: Rumor) -> Event | None:
    """A signed event that its author sends inside a DM, verified; None when it is not one."""
    text = rumor.content
    if not text.lstrip().startswith("{") or '"sig"' not in text:
        return None
    try:
        event = Event.parse(read_json(text))
    except BadEvent:
        return None
    return event if event.pubkey == rumor.pubkey and is_genuine(event) else None


def _is_expired(event: Event, time: int) -> bool:
    until = event.tag("expiration")
    return until is not None and until.isascii() and until.isdigit() and int(until) <= time and event.kind != RECORD
