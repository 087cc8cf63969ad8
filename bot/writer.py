"""The one writer: a thread of its own that runs jobs against the database, several to a commit.

Guarantees: nobody resumes before his job is durable; a job touches nothing but its transaction, so that a failed batch is
rolled back and its jobs run again, each alone; an error reaches the one whose job it was. If the process dies inside a batch,
none of it happened.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

R = TypeVar("R")
_BATCH = 64


class _Job:
    __slots__ = ("future", "loop", "run")

    def __init__(self, run: Callable[[Connection], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.run = run
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()

    def answer(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():  # whoever asked has gone; the job is done all the same
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Closed(RuntimeError):
    """The writer takes no more jobs."""


class Writer:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._closed = False
        self.commits = 0
        self._thread.start()

    async def do(self, job: Callable[[Connection], R]) -> R:
        """Runs the job in the next commit and returns its result once that is durable. Once queued it runs, whether or not
        the caller is cancelled meanwhile."""
        if self._closed:
            raise Closed("the writer is closed")
        queued = _Job(job, asyncio.get_running_loop())
        self._jobs.put(queued)
        result: R = await queued.future
        return result

    async def close(self) -> None:
        """Finishes what is queued."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        while True:
            batch, last = self._take()
            if batch:
                self._commit(batch)
            if last:
                return

    def _take(self) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) >= _BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Job]) -> None:
        try:
            with self._engine.begin() as tx:
                results = [job.run(tx) for job in batch]
            self.commits += 1
        except Exception as error:
            if len(batch) == 1:
                _answer(batch, [None], error)
                return
            for job in batch:
                self._commit([job])
            return
        _answer(batch, results, None)


def _answer(batch: Sequence[_Job], results: Sequence[Any], error: BaseException | None) -> None:
    """Wakes those who wait for these jobs: each event loop is called once for all of them, since a call costs a system call."""

    def answer(jobs: Sequence[tuple[_Job, Any]]) -> None:
        for job, result in jobs:
            job.answer(result, error)

    answers: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any]]] = {}
    for job, result in zip(batch, results, strict=True):
        answers.setdefault(job.loop, []).append((job, result))
    for loop, jobs in answers.items():
        loop.call_soon_threadsafe(answer, jobs)
