"""A city of people, relays, a node and the daemon's real parts, all of one seed. `live` lets so many agreements play in a storm, then
calms it and waits until each has come to its end; `judge` says whether everybody got what he was owed."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from bot.config import Daemon, FeeSettings, PriceSettings, Settings, SettlementSettings, TermsSettings
from bot.daemon import open_shop, remembered, rules
from bot.hearing import OVERLAP, wants
from bot.life import Life
from bot.limits import Limits
from bot.moments import Moments
from bot.nodes.simnet import Params, SimNode
from bot.prices.board import Board
from bot.world import World
from kinds.states import Payer
from kinds.units import Secret
from storage import commit
from storage.codec import forget_tasks
from storage.schema import effects, events, inputs
from tests.simulation import judge
from tests.simulation.gazette import Gazette
from tests.simulation.guard import Guard, Violation
from tests.simulation.market import moving_price
from tests.simulation.operator import Operator
from tests.simulation.pace import empty_database
from tests.simulation.person import Person, Post
from tests.simulation.players import Ahead, Deal, Player, Temper
from tests.simulation.process import Disk, DiskWriter, Line, Mortal, WireNode, is_of_disk
from tests.simulation.sea import FastGate, Sea, WildRelay
from tests.simulation.signer import PlainSigner
from tests.simulation.storm import Storm
from tests.simulation.story import Story

EPOCH = 1_800_000_000
HOUR = 3600
OPERATOR = 4000  # the number of his key
FEES = (  # a city has one of these, by its seed; amounts are such that something must be rounded
    *(FeeSettings(ppm=12_345, base_sat=1, minimum_sat=7, payer=payer, insurance_percent=10) for payer in Payer),
    FeeSettings(),
)


def settings_of(seed: int) -> Settings:
    """A city's terms are of its seed: how long holds last, the margin, how long people are waited for."""
    chance = random.Random(f"{seed}/terms")
    terms = TermsSettings(
        hold_cltv=chance.choice((560, 560, 600, 700)),
        margin=chance.choice((58, 58, 40, 72)),
        review_window=HOUR,
        hold_timeout=chance.choice((HOUR, 3 * HOUR, 3 * HOUR)),
        min_reward_sat=100,
        dispute_days=1,
        **deposits_of(seed),
    )
    rounds = SettlementSettings(batch_seconds=chance.choice((0, 0, 300)), batch_from=2)
    return Settings(
        settlement=rounds,
        prices=PriceSettings(currencies=("INR",), invoice_expiry=600 if seed % 2 else HOUR),
        daemon=Daemon(operator=PlainSigner(Secret(f"{OPERATOR:064x}")).pubkey, sweep_seconds=120),
        terms=terms,
        fees=FEES[seed % len(FEES)],
    )


def deposits_of(seed: int) -> dict[str, Any]:
    """How large a deposit is, and of what it is asked."""
    chance = random.Random(f"{seed}/deposits")
    return {
        "deposit_percent": chance.choice((25, 25, 40, 100)),
        "deposit_above_sat": chance.choice((1, 1, 3_000, 30_000)),
        "deposit_above_price": chance.choice((0, 3_000)),
    }


def _money_ahead(deal: Deal, chance: random.Random) -> None:
    """Whether its employer locks some of it ahead; some say so in their terms, and some agreements are made for it."""
    if meant := chance.random() < 0.3:
        deal.terms["order"] = "hire_first"
        if chance.random() < 0.6 and "custody_mode" not in deal.terms:
            deal.terms["funding"] = "on_approval"
    deal.ahead = Ahead(
        random.Random(chance.random()),
        accepts=chance.choice((0.5, 0.9, 1.0) if meant else (0.0, 0.5, 0.9, 1.0)),
        pays=chance.choice((0.0, 0.4, 0.9, 0.9, 0.9)),
        pesters=0.3 if meant else chance.choice((0.0, 0.0, 0.02, 0.1)),
        in_four=chance.random() < 0.5,
    )
    if chance.random() < 0.2:
        deal.terms["deposit_percent"] = chance.choice((1, 25, 60, 100))


def by_the_hour(deal: Deal, chance: random.Random) -> None:
    """About the same price, as so many hours at a rate."""
    cap = chance.choice((1, 3, 8, 40))
    deal.terms |= {"payment_type": "HOURLY_RATE", "cap": cap}
    if deal.rupees:
        rate = int(Decimal(deal.rupees) * 100) // cap + 1
        deal.terms["rate"] = f"{rate // 100}.{rate % 100:02}"
        deal.rupees = f"{rate * cap // 100}.{rate * cap % 100:02}"
    else:
        deal.terms["rate"] = deal.sat // cap + 1
        deal.sat = deal.terms["rate"] * cap


@dataclass(slots=True)
class Tally:
    """What a run was made of."""

    lives: int = 0
    steps: int = 0
    crashes: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        self.lives += other.lives
        self.steps += other.steps
        self.crashes += other.crashes
        for mine, more in ((self.ends, other.ends), (self.faults, other.faults)):
            for name, count in more.items():
                mine[name] = mine.get(name, 0) + count


class City:
    """Made inside a running VirtualLoop."""

    def __init__(self, seed: int, relays: int = 2, settings: Settings | None = None) -> None:
        self.seed = seed
        self.settings = settings or settings_of(seed)  # as it will be at the next start
        self._chance = random.Random(f"{seed}/city")
        self.loop = asyncio.get_running_loop()
        self.clock_ahead = 0
        self.story = Story(self.loop.time)
        self.relays = [WildRelay(f"ws://relay{number}.test") for number in range(relays)]
        self.engine = empty_database()
        self.node = SimNode(self.clock, random.Random(f"{seed}/node").randbytes, None, params=Params(block_seconds=600))
        self._failed: asyncio.Future[None] = self.loop.create_future()
        self.guard = Guard(self.node, self.engine, lambda: self.settings.terms.margin, self._fail)
        self._signer = PlainSigner(Secret(f"{7:064x}"))
        self.bot = self._signer.pubkey
        self.gazette = Gazette(self.bot, self.relays, self._read)
        self._gate = FastGate()
        self.disk = Disk()
        self.wire_slow = 0.0
        self.deals: list[Deal] = []
        self.everybody: list[Person] = []
        self.tally = Tally()
        self._life = Mortal()
        self._tasks: list[asyncio.Task[None]] = []
        self.may_start = asyncio.Event()  # the daemon is started again when it died
        self.may_start.set()
        self._post = Post(self.relays)
        self.operator = Operator(self, self.person("operator", OPERATOR), random.Random(f"{seed}/operator"))

    def clock(self) -> float:
        return EPOCH + self.loop.time() + self.clock_ahead

    @property
    def time(self) -> int:
        return int(self.clock())

    def board(self, network: str) -> Board:
        """Rates move all the time."""
        return Board(self.settings.prices, network, fixed=moving_price)

    def mine(self, blocks: int) -> None:
        self.node.network.mine(blocks)

    def no_blocks(self, blocks: int) -> None:
        """None comes for the time of so many: heights never fall."""
        network = self.node.network
        network._chain = replace(network._chain, mined=network._chain.mined - blocks)

    def process_dies_at(self, steps: int) -> None:
        """So many passages through a door from now; 0: not at all."""
        self._life.dies_at = self._life.steps + steps if steps else 0

    def _read(self, task: str, entry: dict[str, Any]) -> None:
        self.story.tell(f"  log {entry['seq']:2} {entry['type']} -> {entry['state']} {entry['work']}", task)

    # The daemon

    async def _daemon(self) -> None:
        """The process, started again whenever it died."""
        while True:
            await self.may_start.wait()
            self._life = Mortal()
            async with AsyncExitStack() as stack:
                try:
                    parts = await self._start(self._life, stack)
                except OperationalError:
                    parts = []
                    self._life.die()
                died = asyncio.ensure_future(self._life.died.wait())
                try:
                    done, _ = await asyncio.wait([*parts, died], return_when=asyncio.FIRST_COMPLETED)
                    for part in done - {died}:
                        if not part.cancelled() and part.exception() and not is_of_disk(part.exception()):
                            raise part.exception() or AssertionError
                finally:
                    self._life.die()
                    for part in (*parts, died):
                        part.cancel()
                    await asyncio.gather(*parts, died, return_exceptions=True)
                    self.tally.steps += self._life.steps
            self.tally.crashes += 1
            self.story.tell("!! the daemon died")
            await asyncio.sleep(self._chance.expovariate(1 / 120))

    async def _start(self, life: Mortal, stack: AsyncExitStack) -> list[asyncio.Task[None]]:
        forget_tasks()
        chance = random.Random(self._chance.random())
        writer = DiskWriter(self.engine, self.disk, life, self.guard.committed)
        stack.push_async_callback(writer.close)
        memory = await writer.do(remembered)
        urls = [relay.url for relay in self.relays]
        moments = Moments(urls, self.clock, chance.randbytes, confirmed=memory.confirmed, deaf=memory.deaf)
        facts = self.node._facts()
        moments.node(facts)
        sea = Sea(
            self.relays,
            self.bot,
            wants(self.bot),
            lambda relay, want: memory.cursors.get((relay, want), self.time) - OVERLAP,
            lambda: self.time,
            chance,
            self._gate,
            self.story.fault,
        )
        wire = WireNode(self.guard, life, chance, lambda: self.wire_slow)
        line: Any = Line(sea, life)
        world = World(
            clock=self.clock,
            entropy=chance.randbytes,
            jitter=chance.random,
            writer=writer,
            relays=line,
            signer=self._signer,
            node=wire,
            moments=moments,
            policy=rules(self.settings, self.bot, facts),
            policy_id="",
            cursors=memory.cursors,
            prices=self.board(facts.network),
            limits=Limits(),
            batching=self.settings.settlement.batching(),
        )
        shop = lambda tx: open_shop(tx, self.settings, self.bot, facts, moments.now(), urls)  # noqa: E731
        self.house = Life(world, self.settings, shop)
        return [asyncio.ensure_future(self.house.run())]

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)

    # The people

    def person(self, name: str, number: int) -> Person:
        chance = random.Random(f"{self.seed}/{name}")
        wallet = self.node.wallet(name)
        person = self._post.add(Person(name, number, wallet, self.bot, self.relays, lambda: self.time, chance))
        self.everybody.append(person)
        return person

    def people(self, lives: int) -> None:
        """Employers and workers with several deals each, and a few thieves."""
        many = max(2, lives // 4)
        employers = [self.person(f"employer{n}", 1000 + n) for n in range(many)]
        workers = [self.person(f"worker{n}", 2000 + n) for n in range(many)]
        thieves = [self.person(f"thief{n}", 3000 + n) for n in range(max(1, lives // 20))]
        chance, prices = self._chance, random.Random(f"{self.seed}/prices")
        later, clocks = random.Random(f"{self.seed}/later"), random.Random(f"{self.seed}/hours")
        ahead = random.Random(f"{self.seed}/ahead")
        tempers = [Temper.HONEST] * 5 + [Temper.FORGETFUL, Temper.PICKY, Temper.FICKLE, Temper.HOSTILE, Temper.HOSTILE]
        for number in range(lives):
            terms: dict[str, Any] = {
                "review_window": chance.choice((1800, HOUR, 2 * HOUR)),
                "on_silence": chance.choice(("approve", "approve", "dispute")),
                "on_reject": chance.choice(("dispute", "revise")),
                "on_hold_end": chance.choice(("refund", "rollover then refund", "ledger", "rollover then ledger")),
            }
            if chance.random() < 0.2:
                terms["custody_mode"] = "ledger"
            if chance.random() < 0.3:
                terms["order"] = "hire_first"
            if chance.random() < 0.3:
                terms["claim"] = "pick"
            if chance.random() < 0.1:
                terms["min_evidence"] = "signed"
            self.deals.append(
                Deal(
                    number=number,
                    employer=chance.choice(employers),
                    worker=chance.choice(workers),
                    thief=chance.choice(thieves),
                    tempers={
                        "employer": chance.choice(tempers),
                        "worker": chance.choice(tempers),
                        "thief": Temper.HOSTILE,
                    },
                    sat=chance.choice((100, 1_000, 21_000, 100_000)) + chance.randrange(100),
                    terms=terms,
                    deadline=0,
                    posted=chance.random() < 0.4,
                )
            )
            if later.random() < 0.5 and terms.get("order") == "hire_first" and "custody_mode" not in terms:
                terms["funding"] = "on_approval"
            if prices.random() < 0.25:
                deal = self.deals[-1]
                deal.rupees = f"{max(deal.sat, 1_000) * 8 / 100:.2f}"
            if clocks.random() < 0.2:
                by_the_hour(self.deals[-1], clocks)
            _money_ahead(self.deals[-1], ahead)

    async def _deal(self, deal: Deal, begins: float) -> None:
        await asyncio.sleep(begins)
        deal.deadline = self.time + self._chance.randint(2 * HOUR, 10 * HOUR)
        players = [Player(deal, role, self.gazette, self.story, lambda: self.time) for role in ("employer", "worker")]
        if self._chance.random() < 0.3:
            players.append(Player(deal, "thief", self.gazette, self.story, lambda: self.time))
        async with asyncio.TaskGroup() as group:
            for player in players:
                group.create_task(player.play())

    def frozen(self) -> list[str]:
        """The tasks that stand still."""
        with self.engine.begin() as tx:
            held = [commit.load(tx, deal.task) for deal in self.deals if deal.task]
        return [each.task.id for each in held if each and each.task.frozen]

    def deal_words(self, task: str) -> dict[str, set[tuple[str, int]]]:
        """What each person has ever said about this task: (action, percent)."""
        said: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for deal in self.deals:
            if deal.task == task:
                for each in deal.said:
                    said[each.who].add((each.action, each.percent))
        return said

    # The run

    async def live(self, lives: int, storm_every: float = 240.0, within: float = 5 * HOUR) -> None:
        """`within`: seconds in which the agreements begin. Raises Violation."""
        self.people(lives)
        storm = Storm(self, random.Random(f"{self.seed}/storm"))
        async with self.running():
            raging = self.begin(storm.rage(storm_every))
            ruling = self.begin(self.operator.play())
            for deal in self.deals:
                self.begin(self._deal(deal, self._chance.random() * within))
            await self.until(within + 9 * HOUR)
            raging.cancel()
            ruling.cancel()
            storm.calm()
            await self.operator.calm()
            for deal in self.deals:
                deal.tired = True
            await self.finish()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The daemon and the chain, and whatever else `begin` begins meanwhile."""
        self.begin(self._daemon())
        self.begin(self._blocks())
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def finish(self) -> None:
        """Nothing goes wrong any more: everything comes to its end, and is judged."""
        await self._ended()
        await self._quiet()
        judge.judge(self)
        self.tally.faults = dict(self.story.faults)
        for public in self.gazette.tasks.values():
            state = public.newest["state"]
            self.tally.ends[state] = self.tally.ends.get(state, 0) + 1
        self.tally.lives = sum(self.tally.ends.values())  # those alone that were lived to their end

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def run() -> None:
            try:
                await work
            except Exception as error:
                self._fail(error)

        task = asyncio.ensure_future(run())
        self._tasks.append(task)
        return task

    async def until(self, seconds: float) -> None:
        """Time passes, unless a rule is broken meanwhile."""
        await asyncio.wait([self._failed], timeout=seconds)
        if self._failed.done():
            self._failed.result()

    async def _blocks(self) -> None:
        height = 0
        while True:
            await asyncio.sleep(300)
            if self.node.network.height != height:
                height = self.node.network.height
                self.guard.at_block()

    async def _ended(self) -> None:
        """Liveness: without faults every agreement ends, soon after what its terms allow: each of four milestones may be paid for two days
        after its approval. Blocks come quickly, since disputes wait for the end of their hold; people go on, and the daemon is not disturbed."""
        for _ in range(1_800):
            await self.until(600)
            open_now = [deal.task for deal in self.deals if deal.task and not self._is_over(deal.task)]
            if not open_now:
                return
            if all((public := self.gazette.of(task)) and public.newest["state"] == "Disputed" for task in open_now):
                self.mine(3)
        raise Violation(open_now[0], f"liveness: {len(open_now)} agreements never end, {open_now[0]} among them")

    def _is_over(self, task: str) -> bool:
        public = self.gazette.of(task)
        return public is None or public.is_final

    async def _quiet(self) -> None:
        """Everything that was decided has been done, said and published, and all relays have been looked through for what they lack."""
        await self.until(2 * 900)
        for _ in range(600):
            await self.until(60)
            with self.engine.begin() as tx:
                pending = [
                    tx.execute(
                        select(table.c.n).where(table.c.state.in_(("pending", "new", "started"))).limit(1)
                    ).first()
                    for table in (events, effects, inputs)
                ]
            if not any(pending):
                return
        raise Violation("", "liveness: the daemon never finishes what it has decided")
