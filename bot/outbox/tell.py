"""Letters to people, over the channel on which they last spoke, in order for each person.

The rumor is fixed by the row, so a letter that goes out twice is the same message twice; its wrap is made anew each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bot.outbox.inboxes import Inboxes
from bot.relays.signer import Unsendable
from bot.world import World
from kinds.events import DM_NIP04, DM_RUMOR, Event, Unsigned
from kinds.inputs import Reached
from storage import inbox, outbox
from storage.codec import body_of
from storage.inbox import NewInput
from storage.outbox import Letter
from storage.schema import letters

_BATCH = 200
_TOGETHER = 16  # letters sealed at once: the first of many need not wait for the last
_GIVE_UP = 200  # tries, about four days
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Sent:
    """What came of sending a letter."""

    letter: Letter
    done: bool
    reached: bool  # a relay that he reads has it
    later: int


class Teller:
    def __init__(self, world: World) -> None:
        self._world = world
        self._busy: set[str] = set()  # people to whom a letter is on its way
        self._inboxes = Inboxes(world)
        self._sent: list[_Sent] = []  # not written down yet: until then each counts as on its way
        self._tasks = asyncio.TaskGroup()

    async def run(self) -> None:
        """One letter at a time for each person, the oldest first; nobody waits for anybody else's relays."""
        world = self._world
        async with self._tasks:
            self._tasks.create_task(self._inboxes.run())
            while True:
                found, soonest = await self._turn()
                for first in range(0, len(found), _TOGETHER):
                    some = found[first : first + _TOGETHER]
                    for letter, sealed in zip(some, await self._seal(some), strict=True):
                        self._tasks.create_task(self._deliver(letter, sealed))
                if len(found) < _BATCH:  # that was all; what is written from now on rings
                    await world.idle(world.wakes.letters, soonest)

    async def _turn(self) -> tuple[list[Letter], int | None]:
        """Writes down what came of the letters that have ended by now, and takes those that may be sent now: a person's next one is
        among them."""
        world = self._world
        sent, self._sent = self._sent, []
        busy = frozenset(self._busy.difference(one.letter.to for one in sent))

        def turn(tx: Connection) -> tuple[list[Letter], int | None]:
            for one in sent:
                outbox.letter_sent(tx, one.letter.n, one.done, one.letter.tries + 1, one.later)
                if one.reached:
                    self._reached(tx, one.letter)
            return self._pending(tx, busy)

        found, soonest = await world.writer.do(turn)
        self._busy = {*busy, *(letter.to for letter in found)}
        if any(one.reached for one in sent):
            world.wakes.inputs.ring()
        return found, soonest

    def _pending(self, tx: Connection, busy: frozenset[str]) -> tuple[list[Letter], int | None]:
        """What may be sent now; when that is all, the time at which something else will be."""
        now = self._world.moments.time
        found = outbox.pending_letters(tx, now, _BATCH, busy)
        return found, None if len(found) >= _BATCH else outbox.next_try(tx, letters, now)

    async def _deliver(self, letter: Letter, sealed: Event | Exception) -> None:
        """Done with the first relay's OK; the others may take their time. Whatever goes wrong, it is tried again later."""
        try:
            if isinstance(sealed, Exception):
                raise sealed
            reads_there, urls = await self._where(letter)
            sends = {self._send(url, sealed): url for url in urls}
            waiting, accepted = set(sends), set[str]()
            while waiting and not accepted:
                ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                accepted |= {sends[send] for send in ended if send.result()}
            reached = bool(accepted & reads_there)
            if waiting and letter.ref and not reached:
                self._tasks.create_task(self._wait_for(letter, {send: sends[send] for send in waiting}, reads_there))
            self._end(letter, done=bool(accepted) or letter.tries >= _GIVE_UP, reached=reached)
        except Unsendable:
            log.warning("a letter is too long to be sent", letter=letter.n)
            self._end(letter, done=True, reached=False)
        except OperationalError:
            raise
        except Exception as error:
            log.error("a letter could not be sent", letter=letter.n, error=type(error).__name__)
            self._end(letter, done=letter.tries >= _GIVE_UP, reached=False)

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

    def _end(self, letter: Letter, done: bool, reached: bool) -> None:
        later = 0 if done else self._world.backoff(letter.tries, most=1800.0)
        self._sent.append(_Sent(letter, done, reached and bool(letter.ref), later))
        self._world.wakes.letters.ring()

    def _reached(self, tx: Connection, letter: Letter) -> None:
        fresh = NewInput(f"reached:{letter.n}", "reached", body_of(Reached(letter.ref)), letter.task)
        inbox.add(tx, fresh, self._world.moments.now(), self._world.policy_id)

    async def _seal(self, some: Sequence[Letter]) -> list[Event | Exception]:
        """Each letter ready to be sent, or why it is not."""
        world = self._world
        sealed: dict[int, Event | Exception] = {}
        wraps = [letter for letter in some if letter.channel != "nip04"]
        try:
            rumors = [(letter.to, self._rumor(letter)) for letter in wraps]
            made = [await world.signer.wrap(*rumors[0])] if len(rumors) == 1 else await world.signer.wrap_many(rumors)
            sealed |= {letter.n: event for letter, event in zip(wraps, made, strict=True)}
        except Exception as error:
            sealed |= {letter.n: error for letter in wraps}
        for letter in some:
            if letter.channel == "nip04":
                try:
                    sealed[letter.n] = await self._seal_nip04(letter)
                except Exception as error:
                    sealed[letter.n] = error
        return [sealed[letter.n] for letter in some]

    def _rumor(self, letter: Letter) -> Unsigned:
        return Unsigned(self._world.bot, letter.created_at, DM_RUMOR, _tags(letter), letter.text)

    async def _seal_nip04(self, letter: Letter) -> Event:
        world = self._world
        text = await world.signer.nip04_encrypt(letter.to, letter.text)
        return await world.signer.sign(Unsigned(world.bot, letter.created_at, DM_NIP04, _tags(letter), text))

    async def _where(self, letter: Letter) -> tuple[set[str], list[str]]:
        """(relays that he reads, relays to send to). His 10050, else his 10002 read relays, else where we last heard him."""
        listed, fresh = self._inboxes.known(letter.to)
        if not fresh and (letter.ref or not letter.relay):
            listed = await self._inboxes.look_up(letter.to)
        elif not fresh:  # answer at once where he just spoke, and look his list up beside it
            self._inboxes.want(letter.to)
        heard_at = [letter.relay] if letter.relay else list(self._world.relays.urls)
        return set(listed or heard_at), list(dict.fromkeys([*heard_at, *listed]))


def _tags(letter: Letter) -> tuple[tuple[str, ...], ...]:
    to = ("p", letter.to)
    return (to, ("e", letter.reply_to)) if letter.reply_to else (to,)
