"""Letters to people, over the channel on which they last spoke, in order for each person.

The rumor is fixed by the row, so a letter that goes out twice is the same message twice; its wrap is made anew each time.
"""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

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
        self._busy: set[str] = set()  # people to whom a letter is on its way
        self._inboxes: dict[str, tuple[float, list[str]]] = {}
        self._tasks = asyncio.TaskGroup()

    async def run(self) -> None:
        """One letter at a time for each person, the oldest first; nobody waits for anybody else's relays."""
        world = self._world
        async with self._tasks:
            while True:
                found = await world.writer.do(
                    lambda tx: outbox.pending_letters(tx, world.moments.time, _BATCH, self._busy)
                )
                for letter in found:
                    self._busy.add(letter.to)
                    self._tasks.create_task(self._deliver(letter))
                if not found:
                    await world.idle(world.wakes.letters, letters)

    async def _deliver(self, letter: Letter) -> None:
        """Done with the first relay's OK; the others may take their time. Whatever goes wrong, it is tried again later."""
        try:
            sealed = await self._seal(letter)
            reads_there, urls = await self._where(letter)
            sends = {self._send(url, sealed): url for url in urls}
            waiting, accepted = set(sends), set[str]()
            while waiting and not accepted:
                ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                accepted |= {sends[send] for send in ended if send.result()}
            reached = bool(accepted & reads_there)
            if waiting and letter.ref and not reached:
                self._tasks.create_task(self._wait_for(letter, {send: sends[send] for send in waiting}, reads_there))
            await self._sent(letter, done=bool(accepted) or letter.tries >= _GIVE_UP, reached=reached)
        except Unsendable:
            log.warning("a letter is too long to be sent", letter=letter.n)
            await self._sent(letter, done=True, reached=False)
        except OperationalError:
            raise
        except Exception as error:
            log.error("a letter could not be sent", letter=letter.n, error=type(error).__name__)
            await self._sent(letter, done=letter.tries >= _GIVE_UP, reached=False)

    def _send(self, url: str, sealed: Event) -> asyncio.Task[bool]:
        async def send() -> bool:
            acks = await self._world.relays.publish_to([url], sealed.as_json(), sealed.id)
            return any(ack.accepted for ack in acks.values())

        return self._tasks.create_task(send())

    async def _wait_for(self, letter: Letter, sends: dict[asyncio.Task[bool], str], reads_there: set[str]) -> None:
        """That a relay which the person reads has the letter may matter to the task, also when it comes late."""
        await asyncio.wait(sends)
        if any(send.result() and url in reads_there for send, url in sends.items()):
            await self._world.writer.do(lambda tx: self._reached(tx, letter))
            self._world.wakes.inputs.ring()

    async def _sent(self, letter: Letter, done: bool, reached: bool) -> None:
        world = self._world
        later = 0 if done else world.backoff(letter.tries, most=1800.0)

        def record(tx: Connection) -> None:
            outbox.letter_sent(tx, letter.n, done, letter.tries + 1, later)
            if reached and letter.ref:
                self._reached(tx, letter)

        await world.writer.do(record)
        self._busy.discard(letter.to)
        world.wakes.letters.ring()
        if reached and letter.ref:
            world.wakes.inputs.ring()

    def _reached(self, tx: Connection, letter: Letter) -> None:
        fresh = NewInput(f"reached:{letter.n}", "reached", body_of(Reached(letter.ref)), letter.task)
        inbox.add(tx, fresh, self._world.moments.now(), self._world.policy_id)

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
        stale = known is None or self._world.clock() - known[0] > _KNOWN_FOR
        if stale and (letter.ref or not letter.relay):
            listed = await self._look_up(letter.to)
        else:
            listed = known[1] if known else []
            if stale:  # answer at once where he just spoke, and look his list up beside it
                self._tasks.create_task(self._look_up(letter.to))
        heard_at = [letter.relay] if letter.relay else list(self._world.relays.urls)
        return set(listed or heard_at), list(dict.fromkeys([*heard_at, *listed]))

    async def _look_up(self, who: Pubkey) -> list[str]:
        """The relays of his newest list; [] when he has none. Remembered only when a relay has answered."""
        lists: dict[int, Event] = {}
        answered = False
        for url in self._world.relays.urls:
            try:
                found = await self._world.relays.fetch(url, [{"kinds": [10050, 10002], "authors": [who]}], 3.0)
            except RelayTrouble:
                continue
            answered = True
            for event in found:
                if event.pubkey == who and event.created_at > getattr(lists.get(event.kind), "created_at", -1):
                    lists[event.kind] = event
        urls = lists[10050].tag_values("relay") if 10050 in lists else []
        if not urls and 10002 in lists:
            urls = [t[1] for t in lists[10002].tags if t[0] == "r" and len(t) > 1 and (len(t) == 2 or t[2] == "read")]
        if answered:
            self._inboxes.pop(who, None)
            self._inboxes[who] = (self._world.clock(), urls[:4])
            if len(self._inboxes) > 20_000:
                self._inboxes.pop(next(iter(self._inboxes)))
        return urls[:4]
