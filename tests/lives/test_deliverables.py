"""The file behind a proof is downloaded and its sha256 compared, where the operator has switched that on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.config import FetchSettings
from kinds.commands import Submit
from tests.lives.people import couple, house, public_log, until

FILE = b"<h1>Bakery</h1>"
DIGEST = hashlib.sha256(FILE).hexdigest()


@asynccontextmanager
async def files() -> AsyncIterator[str]:
    """A web server that knows one file; returns its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).split()
        found = head[1] == b"/page.html"
        body = FILE if found else b"nothing"
        status = b"200 OK" if found else b"404 Not Found"
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_a_matching_file_is_recorded_and_another_one_refused(tmp_path: Path) -> None:
    settings = FetchSettings(enabled=True, allow_private=True)
    async with files() as url, house(tmp_path, fetch=settings) as place, couple(place) as (employer, worker):
        task = await employer.funded()
        await worker.claims(task)
        before = len(await public_log(employer, task))
        await worker.tell(Submit(task=task, url=f"{url}/page.html", sha256="00" * 32), form="json")
        refused = await worker.told("proof_mismatched")
        assert refused.said["got"] == DIGEST
        assert len(await public_log(employer, task)) == before  # nothing has changed
        await worker.tell(Submit(task=task, url=f"{url}/page.html", sha256=DIGEST))
        entry = await employer.client.public.entry(task, "proof.submitted")
        assert entry.facts["check"] == "matched"
        await employer.approves(task)


async def test_a_file_that_cannot_be_had_is_recorded_as_unchecked(tmp_path: Path) -> None:
    settings = FetchSettings(enabled=True)  # a private address is not visited by default
    async with files() as url, house(tmp_path, fetch=settings) as place, couple(place) as (employer, worker):
        task = await employer.funded()
        await worker.claims(task)
        await worker.tell(Submit(task=task, url=f"{url}/page.html", sha256=DIGEST))
        entry = await employer.client.public.entry(task, "proof.submitted")
        assert (entry.facts["check"], entry.facts["check_reason"]) == ("unchecked", "refused_address")
        assert url not in str(await public_log(employer, task))
        await until(lambda: employer.client.letters(), "the employer has letters")
