"""Every fetch order ends in exactly one report, whatever the web does and wherever the process dies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import pytest

from bot.moments import Moments
from bot.outbox.fetch import Fetcher
from bot.web import Found, Matched, Mismatched, Unchecked, Why
from bot.world import World
from bot.writer import Writer
from handlers.decision import Fetch
from handlers.policy import Policy
from kinds.inputs import Check, Fetched
from kinds.units import EventId, Pubkey
from storage import inbox, outbox
from storage.codec import read_fact
from storage.open import engine_for, migrate

WANTED, OTHER = "aa" * 32, "bb" * 32
START = 1_700_000_000
LATER = Unchecked(Why.UNREACHABLE, passing=True)


class Clock:
    def __init__(self) -> None:
        self.time = float(START)

    def __call__(self) -> float:
        return self.time


class Script:
    """A web whose answers are given link by link; those after the last one are the last one."""

    def __init__(self, **answers: list[Found | Exception]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.now = 0
        self.most = 0  # at the same time
        self.hold: asyncio.Event | None = None
        self.seen = asyncio.Event()  # set at each question

    async def sha256_of(self, url: str, wanted: str) -> Found:
        assert wanted == WANTED
        self.asked.append(url)
        self.now += 1
        self.most = max(self.most, self.now)
        self.seen.set()
        try:
            if self.hold:
                await self.hold.wait()
        finally:
            self.now -= 1
        left = self.answers.get(url, [Matched()])
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class House:
    def __init__(self, world: World, clock: Clock) -> None:
        self.world = world
        self.clock = clock

    async def order(self, task: str, url: str, number: int = 1) -> None:
        wish = Fetch(f"{task}/proof/{number}", url, WANTED)
        await self.world.writer.do(lambda tx: outbox.order(tx, task, wish))
        self.world.wakes.fetches.ring()

    async def reports(self) -> list[tuple[str, str | None, Fetched]]:
        rows = await self.world.writer.do(lambda tx: inbox.waiting(tx, 1000))
        facts = [(row.key, row.task, read_fact(row.sort, row.body)) for row in rows]
        assert all(row.sort == "fetched" for row in rows)
        return cast(list[tuple[str, str | None, Fetched]], facts)

    async def open(self) -> list[outbox.Order]:
        return await self.world.writer.do(lambda tx: outbox.open_orders(tx, ("fetch",)))

    @asynccontextmanager
    async def fetching(self, web: Script) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(Fetcher(self.world, web).run())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, true: Callable[[], Any]) -> None:
        """Looks again after every commit of the writer's until it is so."""
        async with asyncio.timeout(5):
            while not await true():
                pass

    async def reported(self, count: int) -> list[tuple[str, str | None, Fetched]]:
        async def enough() -> bool:
            return len(await self.reports()) >= count

        await self.until(enough)
        return await self.reports()

    async def tried(self, times: int) -> int:
        """Waits for the only order to be put off; returns until when."""

        async def put_off() -> bool:
            return (await self.open())[0].tries == times

        await self.until(put_off)
        return (await self.open())[0].next_at

    def jump(self, to: float) -> None:
        self.clock.time = to
        self.world.wakes.fetches.ring()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    clock = Clock()
    engine = engine_for(None)
    migrate(engine)
    policy = Policy(
        bot=Pubkey("1" * 64),
        network="simnet",
        hrp="lnsb",
        node="02" * 33,
        terms_version=EventId("2" * 64),
        fetch=True,
    )
    nothing: Any = None  # no relay, signer, cursor or node is touched
    world = World(
        clock=clock,
        entropy=bytes,
        jitter=lambda: 0.5,
        writer=Writer(engine),
        relays=nothing,
        signer=nothing,
        node=nothing,
        cursors=nothing,
        prices=nothing,
        moments=Moments((), clock, bytes, confirmed=None, deaf=0),
        policy=policy,
        policy_id="3" * 64,
    )
    yield House(world, clock)
    await world.writer.close()
    engine.dispose()


@pytest.mark.parametrize(
    ("found", "fact"),
    [
        (Matched(), Fetched("t1/proof/1", Check.MATCHED, sha256=WANTED)),
        (Mismatched(OTHER), Fetched("t1/proof/1", Check.MISMATCHED, sha256=OTHER)),
        *(
            (Unchecked(why), Fetched("t1/proof/1", Check.UNCHECKED, reason=word))
            for why, word in (
                (Why.TOO_LARGE, "too_large"),
                (Why.REFUSED_ADDRESS, "refused_address"),
                (Why.HTTP_STATUS, "http_status"),
                (Why.REDIRECTS, "redirects"),
                (Why.SCHEME, "scheme"),
                (Why.ENCODED, "encoded"),
            )
        ),
    ],
)
async def test_what_was_found_is_reported_once(house: House, found: Found, fact: Fetched) -> None:
    web = Script(u=[found])
    async with house.fetching(web):
        await house.order("t1", "u")
        assert await house.reported(1) == [("effect:1:fetched", "t1", fact)]
        assert await house.open() == []
        await house.world.wakes.inputs.wait(0)
    async with house.fetching(web):  # nothing is left to do
        await house.order("t2", "v")
        assert len(await house.reported(2)) == 2
    assert web.asked == ["u", "v"]


async def test_the_inputs_are_woken(house: House) -> None:
    async with house.fetching(Script()), asyncio.timeout(5):
        await house.order("t1", "u")
        await house.world.wakes.inputs.wait(60)
    assert len(await house.reports()) == 1


@pytest.mark.parametrize("why", [Why.UNREACHABLE, Why.TIMEOUT, Why.HTTP_STATUS, Why.TRUNCATED])
async def test_trouble_that_does_not_pass_is_reported_after_three_tries(house: House, why: Why) -> None:
    web = Script(u=[Unchecked(why, passing=True)])
    async with house.fetching(web):
        await house.order("t1", "u")
        first = await house.tried(1)
        assert 20 <= first - START <= 40
        assert await house.reports() == []
        house.jump(first)
        second = await house.tried(2)
        assert 40 <= second - first <= 80
        house.jump(second)
        [(_, _, fact)] = await house.reported(1)
    assert fact == Fetched("t1/proof/1", Check.UNCHECKED, reason=str(why))
    assert len(web.asked) == 3


async def test_trouble_that_passes(house: House) -> None:
    web = Script(u=[LATER, Matched()])
    async with house.fetching(web):
        await house.order("t1", "u")
        house.jump(await house.tried(1))
        [(_, _, fact)] = await house.reported(1)
    assert fact.check is Check.MATCHED


async def test_not_before_its_time(house: House) -> None:
    web = Script(u=[LATER])
    async with house.fetching(web):
        await house.order("t1", "u")
        house.jump(await house.tried(1) - 1)
        await house.order("t2", "v")
        await house.reported(1)
    assert web.asked == ["u", "v"]


async def test_a_defect_of_ours_neither_ends_the_daemon_nor_leaves_the_task_waiting(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    web = Script(u=[RuntimeError("https://files.example/?key=hush")])
    async with house.fetching(web) as running:
        await house.order("t1", "u")
        [(_, _, fact)] = await house.reported(1)
        await house.order("t2", "v")
        await house.reported(2)
        assert not running.done()
    assert fact == Fetched("t1/proof/1", Check.UNCHECKED, reason="unreachable")
    out = capsys.readouterr()
    assert "RuntimeError" in out.out + out.err
    assert "hush" not in out.out + out.err


async def test_four_at_once_and_one_of_each_task(house: House) -> None:
    web = Script()
    web.hold = asyncio.Event()
    for task in range(9):
        for number in (1, 2):
            await house.order(f"t{task}", f"t{task}", number)
    async with house.fetching(web):

        async def four() -> bool:
            await house.open()
            return web.now == 4

        await house.until(four)
        assert max(Counter(web.asked).values()) == 1
        web.hold.set()
        reports = await house.reported(18)
    assert web.most == 4
    assert len({key for key, _, _ in reports}) == 18
    newest = [fact.ref for _, task, fact in reports if task == "t0"]
    assert newest == ["t0/proof/2", "t0/proof/1"]


async def test_a_task_has_one_fetch_at_a_time(house: House) -> None:
    web = Script()
    web.hold = asyncio.Event()
    async with house.fetching(web):
        await house.order("t1", "u")
        await web.seen.wait()
        await house.order("t1", "v", 2)
        await house.order("t2", "w")

        async def both() -> bool:
            await house.open()
            return web.now == 2

        await house.until(both)
        assert web.asked == ["u", "w"]
        web.hold.set()
        await house.reported(3)
    assert web.asked == ["u", "w", "v"]


async def test_killed_in_the_middle_it_is_done_again(house: House) -> None:
    web = Script(u=[Matched()])
    web.hold = asyncio.Event()
    await house.order("t1", "u")
    async with house.fetching(web):
        await web.seen.wait()
    assert (await house.reports(), len(await house.open())) == ([], 1)
    web.hold = None
    async with house.fetching(web):
        await house.reported(1)
    assert web.asked == ["u", "u"]


async def test_the_count_of_tries_survives_a_restart(house: House) -> None:
    web = Script(u=[LATER])
    await house.order("t1", "u")
    for times in (1, 2):
        async with house.fetching(web):
            house.clock.time = await house.tried(times)
    async with house.fetching(web):
        await house.reported(1)
    assert len(web.asked) == 3


async def test_the_report_and_the_end_of_the_order_are_one_write(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> bool:
        raise OSError("disk full")

    await house.order("t1", "u")
    with monkeypatch.context() as broken:
        broken.setattr(inbox, "add", full)
        with pytest.raises(ExceptionGroup):
            await Fetcher(house.world, Script()).run()
    assert (await house.reports(), len(await house.open())) == ([], 1)
    async with house.fetching(Script()):
        await house.reported(1)
    assert await house.open() == []


async def test_a_switch_turned_off_meanwhile_is_obeyed(house: House) -> None:
    web = Script()
    house.world.policy = replace(house.world.policy, fetch=False)
    async with house.fetching(web):
        await house.order("t1", "u")
        [(_, _, fact)] = await house.reported(1)
    assert fact == Fetched("t1/proof/1", Check.UNCHECKED, reason="fetching_off")
    assert web.asked == []
