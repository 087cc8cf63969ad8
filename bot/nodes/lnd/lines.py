"""HTTP/1.1 connections to one LND: what httpx sends its requests through.

A connection is kept for the next request when its answer was read to the end; one that is left before that is given up, which is
how a stream is left. Nothing is looked through when a connection is taken or given back, though hundreds of streams may be open.

Nothing is sent twice: a request whose connection breaks may or may not have reached LND, and raises (httpx.HTTPError or OSError).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

import h11
import httpx

_KEPT = 64  # connections that wait for the next request
_FRESH = 60.0  # seconds that they do
_CHUNK = 65_536

SocketOption = tuple[int, int, int]


class Lines(httpx.AsyncBaseTransport):
    def __init__(self, context: ssl.SSLContext, options: Sequence[SocketOption] = ()) -> None:
        """`options` are set on every socket."""
        self._context = context
        self._options = options
        self._kept: list[tuple[_Line, float]] = []  # with the loop's time since when
        self._all: set[_Line] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        within: Mapping[str, float | None] = request.extensions.get("timeout", {})
        line = self._waiting() or await self._open(request.url, within.get("connect"))
        try:
            answer = await line.ask(request, within.get("read"))
        except BaseException:
            self._give_up(line)
            raise
        return httpx.Response(answer.status_code, headers=list(answer.headers), stream=_Body(self, line))

    def _waiting(self) -> _Line | None:
        now = asyncio.get_running_loop().time()
        while self._kept:
            line, since = self._kept.pop()
            if line.is_well and now - since < _FRESH:
                return line
            self._give_up(line)
        return None

    async def _open(self, url: httpx.URL, within: float | None) -> _Line:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(url.host, url.port or 443, ssl=self._context, limit=_CHUNK)
        for option in self._options:
            writer.get_extra_info("socket").setsockopt(*option)
        line = _Line(reader, writer)
        self._all.add(line)
        return line

    def give_back(self, line: _Line) -> None:
        """Whoever had it is done with it."""
        if line.next_request() and len(self._kept) < _KEPT and line in self._all:
            self._kept.append((line, asyncio.get_running_loop().time()))
        else:
            self._give_up(line)

    def _give_up(self, line: _Line) -> None:
        self._all.discard(line)
        line.abort()

    async def aclose(self) -> None:
        lines = tuple(self._all)
        self._kept.clear()
        for line in lines:
            self._give_up(line)
        for line in lines:
            await line.gone()


class _Line:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._talk = h11.Connection(h11.CLIENT)
        self._within: float | None = None

    @property
    def is_well(self) -> bool:
        """As far as has been heard: the other side may be gone all the same."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def ask(self, request: httpx.Request, within: float | None) -> h11.Response:
        """Sends it; the head of the answer. `within`: seconds for each read, of the body too."""
        self._within = within
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        parts: tuple[h11.Event, ...] = (head, h11.Data(data=request.read()), h11.EndOfMessage())
        self._writer.write(b"".join(self._talk.send(part) or b"" for part in parts))
        await self._writer.drain()
        while True:
            event = await self._event()
            if isinstance(event, h11.Response):
                return event

    async def body(self) -> AsyncIterator[bytes]:
        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    async def _event(self) -> h11.Event:
        try:
            while (event := self._talk.next_event()) is h11.NEED_DATA:
                async with asyncio.timeout(self._within):
                    self._talk.receive_data(await self._reader.read(_CHUNK))
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        assert isinstance(event, h11.Event), "it never pauses: a request is sent whole, and no protocol is changed"
        return event

    def next_request(self) -> bool:
        """Whether the answer was read to its end and another request may follow."""
        try:
            self._talk.start_next_cycle()
        except h11.LocalProtocolError:
            return False
        return self.is_well

    def abort(self) -> None:
        self._writer.transport.abort()

    async def gone(self) -> None:
        with suppress(OSError):
            await self._writer.wait_closed()


class _Body(httpx.AsyncByteStream):
    def __init__(self, lines: Lines, line: _Line) -> None:
        self._lines, self._line = lines, line

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._line.body():
            yield chunk

    async def aclose(self) -> None:
        self._lines.give_back(self._line)
