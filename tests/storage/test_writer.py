"""The one writer: several jobs to a commit, nobody resumes before it is durable, an error hits only the one whose job it was."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, select, text

from bot.writer import Closed, Writer
from storage.open import engine_for, migrate
from storage.schema import house


@pytest.fixture
async def writer(engine: Engine) -> AsyncIterator[Writer]:
    made = Writer(engine)
    yield made
    await made.close()


def put(key: str, value: str = "") -> Callable[[Connection], str]:
    def job(tx: Connection) -> str:
        tx.execute(insert(house).values(key=key, value=value))
        return key

    return job


def keys(tx: Connection) -> list[str]:
    return list(tx.execute(select(house.c.key).order_by(house.c.key)).scalars())


class Gate:
    """Keeps the writer busy, so that what comes meanwhile is one batch."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.reached = threading.Event()

    def job(self, tx: Connection) -> None:
        self.reached.set()
        self.open.wait(10)


async def queued(writer: Writer, gate: Gate, *jobs: Callable[[Connection], object]) -> list[asyncio.Task[object]]:
    """The jobs, waiting together behind the gate."""
    first = asyncio.create_task(writer.do(gate.job))
    await asyncio.to_thread(gate.reached.wait, 10)
    waiting: list[asyncio.Task[object]] = [asyncio.create_task(writer.do(job)) for job in jobs]
    await asyncio.sleep(0.01)
    return [first, *waiting]


async def test_jobs_that_wait_share_a_commit(writer: Writer) -> None:
    gate = Gate()
    tasks = await queued(writer, gate, *[put(f"{n:02}") for n in range(10)])
    gate.open.set()
    results = await asyncio.gather(*tasks)
    assert results[1:] == [f"{n:02}" for n in range(10)]
    assert writer.commits == 2


async def test_an_error_rolls_back_only_its_own_job(writer: Writer) -> None:
    def half_done(tx: Connection) -> None:
        put("half")(tx)
        raise ValueError("in the middle")

    gate = Gate()
    tasks = await queued(writer, gate, put("before"), half_done, put("after"), put("before"))
    gate.open.set()
    _, first, failed, last, twin = await asyncio.gather(*tasks, return_exceptions=True)
    assert (first, last) == ("before", "after")
    assert isinstance(failed, ValueError)
    assert isinstance(twin, Exception)
    assert await writer.do(keys) == ["after", "before"]


async def test_a_job_whose_caller_is_gone_is_done_all_the_same(writer: Writer) -> None:
    gate = Gate()
    _, patient, gone = await queued(writer, gate, put("patient"), put("gone"))
    gone.cancel()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await patient == "patient"
    assert await writer.do(keys) == ["gone", "patient"]


async def test_closing_finishes_what_is_queued(engine: Engine) -> None:
    writer, gate = Writer(engine), Gate()
    tasks = await queued(writer, gate, *[put(f"{n:03}") for n in range(200)])
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0.01)
    with pytest.raises(Closed):
        await writer.do(put("late"))
    gate.open.set()
    await closing
    await asyncio.gather(*tasks)
    await writer.close()  # twice does no harm
    with engine.begin() as tx:
        assert len(keys(tx)) == 200


async def test_nobody_resumes_before_it_is_durable(tmp_path: Path) -> None:
    path = tmp_path / "holdfast.db"
    engine = engine_for(path)
    migrate(engine)
    writer, other = Writer(engine), engine_for(path)
    for n in range(20):
        await writer.do(put(f"{n:02}"))
        with other.connect() as tx:  # another connection sees it at once
            assert keys(tx)[-1] == f"{n:02}"
    await writer.close()
    engine.dispose()
    other.dispose()


async def test_a_commit_that_fails_is_nobodys_success(writer: Writer) -> None:
    def spoils_the_commit(tx: Connection) -> None:
        put("spoilt")(tx)
        tx.execute(text("PRAGMA defer_foreign_keys = ON"))
        raise RuntimeError("the disk is full")

    for _ in range(3):
        with pytest.raises(RuntimeError):
            await writer.do(spoils_the_commit)
    assert await writer.do(keys) == []
    assert await writer.do(put("fine")) == "fine"


async def test_jobs_keep_their_order(writer: Writer) -> None:
    seen: list[int] = []
    await asyncio.gather(*(writer.do(lambda tx, n=n: seen.append(n)) for n in range(150)))  # type: ignore[misc]
    assert seen == list(range(150))
