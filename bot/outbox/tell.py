"""Letters to people, over the channel on which they last spoke, in order for each person.

The rumor is fixed by the row, so a letter that goes out twice is the same message twice; its wrap is made anew each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from bot.relays.client import NoAnswer
from bot.relays.signer import Unsendable
from bot.relays.values import RelayTrouble
from bot.world import World
from kinds.events import DM_NIP04, DM_RUMOR, Event, Unsigned
from kinds.inputs import Reached
from kinds.units import Pubkey
from storage import inbox, outbox
from storage.codec import body_of
from storage.inbox import NewInput
from storage.outbox import Letter
from storage.schema import letters

_BATCH = 200
_GIVE_UP = 200  # tries, about four days
_KNOWN_FOR = 3600.0
log = structlog.get_logger()


class Teller:
    def __init__(self, world: World) -> None:
        self._world = world
        self._busy: set[str] = set()  # people to whom letters are on their way
        self._inboxes: dict[str, tuple[float, list[str]]] = {}

    async def run(self) -> None:
        world = self._world
        async with asyncio.TaskGroup() as tasks:
            while True:
                found = await world.writer.do(lambda tx: outbox.pending_letters(tx, world.moments.time, _BATCH))
                lanes: dict[str, list[Letter]] = {}
                for letter in found:
                    if letter.to not in self._busy:
                        lanes.setdefault(letter.to, []).append(letter)
                if not lanes:
                    await world.idle(world.wakes.letters, letters)
                    continue
                self._busy.update(lanes)
                for lane in lanes.values():
                    tasks.create_task(self._deliver(lane))

    async def _deliver(self, lane: Sequence[Letter]) -> None:
        """One person's letters, the oldest first."""
        try:
            for letter in lane:
                if not await self._send(letter):
                    return
        finally:
            self._busy.discard(lane[0].to)
            self._world.wakes.letters.ring()

    async def _send(self, letter: Letter) -> bool:
        world = self._world
        try:
            sealed = await self._seal(letter)
        except Unsendable:
            log.warning("a letter is too long to be sent", letter=letter.n)
            await world.writer.do(lambda tx: outbox.letter_sent(tx, letter.n, True, letter.tries, 0))
            return True
        reads_there, urls = await self._where(letter)
        acks = await world.relays.publish_to(urls, sealed.as_json(), sealed.id)
        sent = any(ack.accepted for ack in acks.values())
        reached = any(ack.accepted for url, ack in acks.items() if url in reads_there)
        done = sent or letter.tries >= _GIVE_UP
        later = 0 if done else world.backoff(letter.tries, most=1800.0)

        def record(tx: object) -> None:
            outbox.letter_sent(tx, letter.n, done, letter.tries + 1, later)  # type: ignore[arg-type]
            if reached and letter.ref and letter.task:
                fresh = NewInput(f"reached:{letter.n}", "reached", body_of(Reached(letter.ref)), letter.task)
                inbox.add(tx, fresh, world.moments.now(), world.policy_id)  # type: ignore[arg-type]

        await world.writer.do(record)
        if reached and letter.ref:
            world.wakes.inputs.ring()
        return done

    async def _seal(self, letter: Letter) -> Event:
        world = self._world
        if letter.channel == "nip04":
            text = await world.signer.nip04_encrypt(letter.to, letter.text)
            tags: tuple[tuple[str, ...], ...] = (("p", letter.to),)
            if letter.reply_to:
                tags += (("e", letter.reply_to),)
            return await world.signer.sign(Unsigned(world.bot, letter.created_at, DM_NIP04, tags, text))
        rumor_tags: tuple[tuple[str, ...], ...] = (("p", letter.to),)
        if letter.reply_to:
            rumor_tags += (("e", letter.reply_to),)
        rumor = Unsigned(world.bot, letter.created_at, DM_RUMOR, rumor_tags, letter.text)
        return await world.signer.wrap(letter.to, rumor)

    async def _where(self, letter: Letter) -> tuple[set[str], list[str]]:
        """(relays that he reads, relays to send to). His 10050, else his 10002 read relays, else where we last heard him."""
        known = self._inboxes.get(letter.to)
        if known is None or self._world.clock() - known[0] > _KNOWN_FOR:
            if letter.relay:  # answer at once where he just spoke; look his list up beside it
                listed = known[1] if known else []
                self._inboxes[letter.to] = (self._world.clock(), listed)
                task = asyncio.create_task(self._look_up(letter.to))
                task.add_done_callback(_swallow)
            else:
                listed = await self._look_up(letter.to)
        else:
            listed = known[1]
        heard_at = [letter.relay] if letter.relay else list(self._world.relays.urls)
        return set(listed or heard_at), list(dict.fromkeys([*listed, *heard_at]))

    async def _look_up(self, who: Pubkey) -> list[str]:
        lists: dict[int, Event] = {}
        for url in self._world.relays.urls:
            try:
                for event in await self._world.relays.fetch(url, [{"kinds": [10050, 10002], "authors": [who]}], 3.0):
                    if event.pubkey == who and event.created_at > getattr(lists.get(event.kind), "created_at", -1):
                        lists[event.kind] = event
            except (NoAnswer, RelayTrouble):
                continue
        urls = lists[10050].tag_values("relay") if 10050 in lists else []
        if not urls and 10002 in lists:
            urls = [t[1] for t in lists[10002].tags if t[0] == "r" and len(t) > 1 and (len(t) == 2 or t[2] == "read")]
        self._inboxes[who] = (self._world.clock(), urls[:4])
        if len(self._inboxes) > 20_000:
            self._inboxes.pop(next(iter(self._inboxes)))
        return urls[:4]


def _swallow(task: asyncio.Task[list[str]]) -> None:
    if not task.cancelled() and task.exception():
        log.warning("looking up a relay list failed", error=type(task.exception()).__name__)
