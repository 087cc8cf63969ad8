"""Connections to LND: used again when they can be, given up when they cannot, and trouble is always an exception of the client's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bot.nodes.lnd.credentials import read_certificate
from bot.nodes.lnd.lines import Lines
from bot.nodes.lnd.rest import Refusal, Rest, pinned
from tests.bot.nodes.test_lnd_rest import MACAROON, certificate

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n3\r\n{}\n\r\n"
END = b"0\r\n\r\n"


class Server:
    """Answers each request with what `answer` says of its number, counted over all connections."""

    def __init__(self, answer: Callable[[int], bytes], hangs_up: bool) -> None:
        self._answer, self._hangs_up = answer, hangs_up
        self.requests: list[bytes] = []
        self.connections: list[asyncio.StreamWriter] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(row[15:]) for row in head.lower().split(b"\r\n") if row.startswith(b"content-length")), 0
                )
                self.requests.append(head + await reader.readexactly(length))
                writer.write(self._answer(len(self.requests)))
                await writer.drain()
                if self._hangs_up:
                    break
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(
    folder: Path, answer: Callable[[int], bytes], hangs_up: bool = False
) -> AsyncIterator[tuple[Server, str, Lines]]:
    cert, key = certificate(folder, "lnd")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    there, lines = Server(answer, hangs_up), Lines(pinned(read_certificate(cert)))
    listening = await asyncio.start_server(there.talk, "127.0.0.1", 0, ssl=context)
    try:
        yield there, f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}", lines
    finally:
        await lines.aclose()
        listening.close()


async def asked(lines: Lines, url: str, read: float = 5.0, **more: object) -> bytes:
    request = httpx.Request("POST", url, json=more, extensions={"timeout": {"connect": 5.0, "read": read}})
    answer = await lines.handle_async_request(request)
    try:
        return await answer.aread()
    finally:
        await answer.aclose()


async def test_a_connection_is_used_again(tmp_path: Path) -> None:
    """Whether the answer's length was told or it came in chunks; the request arrives whole."""
    async with served(tmp_path, lambda n: WHOLE if n % 2 else CHUNKED + END) as (there, url, lines):
        assert [await asked(lines, url, n=n) for n in range(4)] == [b"{}", b"{}\n{}\n"] * 2
        assert len(there.connections) == 1
        assert [request.rpartition(b"\r\n\r\n")[2] for request in there.requests] == [b'{"n":%d}' % n for n in range(4)]


async def test_side_by_side_each_has_its_own(tmp_path: Path) -> None:
    async with served(tmp_path, lambda _: WHOLE) as (there, url, lines):
        assert await asyncio.gather(*(asked(lines, url) for _ in range(5))) == [b"{}"] * 5
        assert len(there.connections) == 5
        await asyncio.gather(*(asked(lines, url) for _ in range(5)))
        assert len(there.connections) == 5


async def test_a_stream_that_is_left_ends_its_connection(tmp_path: Path) -> None:
    async with served(tmp_path, lambda n: CHUNKED if n == 1 else WHOLE) as (there, url, lines):
        answer = await lines.handle_async_request(httpx.Request("GET", url))
        assert await anext(answer.aiter_lines()) == "{}"
        await answer.aclose()
        assert await asked(lines, url) == b"{}"
        assert len(there.connections) == 2


async def test_a_stream_that_is_refused_keeps_its_connection(tmp_path: Path) -> None:
    """Though nobody asks it for more than the refusal: that a payment is not known is asked before each payout."""
    body = b'{"error": {"code": 5, "message": "payment isn\'t initiated"}}\n'
    refused = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with served(tmp_path, lambda _: refused) as (there, url, lines):
        rest = Rest(url, b"", MACAROON, lines)
        for _ in range(3):
            async with aclosing(rest.stream("GET", "/v2/router/track/")) as replies:
                assert await anext(replies) == Refusal(5, "payment isn't initiated")
        assert len(there.connections) == 1


async def test_a_connection_that_was_closed_meanwhile_is_not_used(tmp_path: Path) -> None:
    async with served(tmp_path, lambda _: WHOLE) as (there, url, lines):
        await asked(lines, url)
        there.connections[0].close()
        await there.connections[0].wait_closed()
        assert await asked(lines, url) == b"{}"
        assert len(there.connections) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
        b"junk\r\n\r\n",
    ],
)
async def test_trouble_is_an_exception_and_nothing_is_sent_twice(tmp_path: Path, answer: bytes) -> None:
    """It hangs up before it answers; it hangs up in the middle; it does not speak HTTP."""
    async with served(tmp_path, lambda _: answer, hangs_up=True) as (there, url, lines):
        with pytest.raises(httpx.HTTPError):
            await asked(lines, url)
        assert len(there.requests) == 1


async def test_an_answer_that_does_not_come(tmp_path: Path) -> None:
    """Its connection is given up, since it might still come."""
    async with served(tmp_path, lambda n: CHUNKED if n == 1 else WHOLE) as (there, url, lines):
        with pytest.raises(TimeoutError):
            await asked(lines, url, read=0.1)
        assert await asked(lines, url) == b"{}"
        assert len(there.connections) == 2


async def test_nobody_there(tmp_path: Path) -> None:
    lines = Lines(ssl.create_default_context())
    with pytest.raises(OSError, match="Connect"):
        await asked(lines, "https://127.0.0.1:1")
    await lines.aclose()
