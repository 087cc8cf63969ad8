"""One life of the process: it looks whether its memory is as old as the world, and only then opens the house; else it is read-only.

Read-only, it hears and keeps what people send, and tells the operator why; nothing is decided, signed, paid or given back. That holds
across restarts (`storage.memory.Seal`) until `holdfast recover` has imported what is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection

from bot.config import Settings
from bot.dispatch import Dispatch
from bot.hearing import Ears
from bot.memory import relays
from bot.memory.lease import KeyInUse, SecondCopy
from bot.memory.verdict import Older, Verdict, signs
from bot.memory.words import LOOKING, WAITING, alert_text, why
from bot.outbox.fetch import Fetcher
from bot.outbox.money import Cashier
from bot.outbox.publish import Publisher
from bot.outbox.tell import Teller
from bot.prices.refresh import Refresher
from bot.timers import Timers
from bot.watch import Watch
from bot.web import Web
from bot.world import World
from handlers.policy import Policy
from kinds.events import DM_RUMOR, Unsigned
from kinds.units import Pubkey
from storage import house, memory
from storage.memory import Missing, Seal

T = TypeVar("T")
Work = Coroutine[Any, Any, None]
_LOOK_AGAIN = 600.0  # seconds between two looks of a daemon that is read-only
log = structlog.get_logger()


class Life:
    """`shop` opens the house in a transaction, once nothing is missing, and says by which rules it is run."""

    def __init__(self, world: World, settings: Settings, shop: Callable[[Connection], Policy]) -> None:
        self.world, self._settings, self._shop = world, settings, shop
        self.dispatch: Dispatch | None = None  # once the house is open
        self.seal: Seal | None = None  # why it is read-only
        self.waiting = False  # no relay answers, so nothing is known
        self._lasting: list[
            asyncio.Task[None]
        ] = []  # the connections and the eyes, which no change of our standing ends
        self._running: list[asyncio.Task[None]] = []

    async def run(self, told: Callable[[Life], None] = lambda _: None) -> None:
        """`told`: once it is known how we stand, or that this may take its time. Raises KeyInUse, and whatever a part fails by."""
        world = self.world
        self._ears = Ears(world, self._settings.dm.nip04)
        try:
            self._lasting = [asyncio.ensure_future(each) for each in (world.relays.run(), Watch(world).facts())]
            self._begin(self._ears.listen())
            self.seal = await world.writer.do(memory.seal)
            if self.seal is None:
                try:
                    await self._open(told)
                except SecondCopy as second:
                    if self.dispatch is None:
                        raise KeyInUse(f"{second}; stop that one first, or start this one with --take-over") from second
                    await self._close("second", [Missing("second_copy", "", str(second))])
                except Older as older:
                    await self._close("older", older.missing)
            await self._read_only(told)
        finally:
            self._running += self._lasting
            await self._end()

    async def _open(self, told: Callable[[Life], None]) -> None:
        world = self.world

        def wait() -> None:
            self.waiting = True
            told(self)

        self._begin(self._ears.beat())
        await self._during(world.lease.question())
        verdict = Verdict(world)
        await self._during(verdict.wait(wait))
        world.policy = await world.writer.do(self._shop)
        world.policy_id = await world.writer.do(lambda tx: house.remember_policy(tx, world.policy, world.moments.time))
        self.dispatch = Dispatch(world, await world.writer.do(memory.said_before))
        self._begin(*open_parts(world, self._settings, self._ears, self.dispatch), verdict.later())
        await self._ears.keep(world.policy_id)
        announced, self.waiting = self.waiting, False
        if not announced:
            told(self)
        await self._during(asyncio.Event().wait())

    async def _close(self, reason: str, missing: list[Missing]) -> None:
        """At once: whatever is not committed by now never happens."""
        world = self.world
        world.lease.given_up = True
        await self._end()
        self.dispatch = None
        self.seal = await world.writer.do(self._seal_job(reason, missing))
        self._ears = Ears(world, self._settings.dm.nip04)
        self._begin(self._ears.listen(), self._alert(self.seal))

    async def _read_only(self, told: Callable[[Life], None]) -> None:
        world, seal = self.world, self.seal
        assert seal is not None, "only a sealed house is read-only"
        log.error("read-only: the memory of this daemon is not the newest", why=seal.why, missing=len(seal.missing))
        self.waiting = False
        told(self)
        policy = await world.writer.do(memory.newest_policy)
        if policy:  # a database without any past keeps nothing: the relays do, and its cursors do not move
            await self._ears.keep(policy)
            self._begin(self._ears.open())
        self._begin(self._look_on())
        await self._during(asyncio.Event().wait())

    async def _look_on(self) -> None:
        """What is known of what is missing is kept up to date; the seal stays, also when a relay shows less than before."""
        world = self.world
        while True:
            found = await signs(world, await relays.read_all(world))
            if found:
                self.seal = await world.writer.do(self._seal_job("older", found))
            await asyncio.sleep(_LOOK_AGAIN)

    def _seal_job(self, reason: str, missing: list[Missing]) -> Callable[[Connection], Seal]:
        return lambda tx: memory.put_seal(tx, self.world.moments.time, reason, missing)

    async def _alert(self, seal: Seal) -> None:
        """The operator is told, if he has named his key. A letter says nothing for ever, so it may be signed."""
        world, who = self.world, self.world.policy.operator
        if who:
            rumor = Unsigned(world.bot, world.moments.time, DM_RUMOR, (("p", who),), alert_text(seal))
            sealed = await world.signer.wrap(Pubkey(who), rumor)
            await world.relays.speaking(10.0)
            await world.relays.publish_to(world.relays.urls, sealed.as_json(), sealed.id)
        await asyncio.Event().wait()

    async def by_hand(self, text: str) -> str | None:
        """The operator's word at the machine; a sentence of its own, as JSON, while the house is not open. None: not now."""
        return await self.dispatch.by_hand(text) if self.dispatch else None

    @property
    def closed(self) -> str:
        """Why the operator's commands are not carried out now; "" when they are."""
        if self.dispatch is not None:
            return ""
        return why(self.seal) if self.seal else WAITING if self.waiting else LOOKING

    # The parts

    def _begin(self, *work: Work) -> None:
        self._running += [asyncio.ensure_future(each) for each in work]

    async def _during(self, step: Coroutine[Any, Any, T]) -> T:
        """What this step gives, while the parts run; the failure of a part is ours."""
        mine = asyncio.ensure_future(step)
        try:
            ended, _ = await asyncio.wait([*self._lasting, *self._running, mine], return_when=asyncio.FIRST_COMPLETED)
            for part in ended - {mine}:
                part.result()  # a part that failed ends this life; the next one starts where it was
            if mine not in ended:
                raise RuntimeError("a part of the daemon ended by itself")
            return mine.result()
        finally:
            mine.cancel()
            await asyncio.gather(mine, return_exceptions=True)

    async def _end(self) -> None:
        running, self._running = self._running, []
        for part in running:
            part.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def open_parts(world: World, settings: Settings, ears: Ears, dispatch: Dispatch) -> list[Work]:
    """What runs in an open house, beside what hears and looks."""
    watch, publisher = Watch(world), Publisher(world)
    return [
        ears.open(),
        ears.remember_hearing(),
        dispatch.run(),
        watch.hints(),
        watch.poll(),
        Timers(world, settings.daemon.sweep_seconds).run(),
        publisher.run(),
        publisher.audit(),
        Teller(world).run(),
        Cashier(world, dispatch).run(),
        Fetcher(world, Web(settings.fetch)).run(),
        Refresher(world).run(),
    ]
