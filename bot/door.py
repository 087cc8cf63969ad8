"""A door for other processes of the same owner: a unix socket in the data directory, one JSON object a line in, one a line out.

The socket is the owner's alone (0600). A path too long for a unix socket is replaced by a short one in a temporary
directory, written to `<path>.path`; `ask` follows it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

MAX_LINE = 64 * 1024  # bytes, both ways
MAX_PATH = 100  # bytes; the kernel's limit is 107

Answer = Callable[[bytes], Awaitable[dict[str, Any]]]


class Door:
    def __init__(self, path: Path, answer: Answer) -> None:
        """`answer` is given each line as it came, and never raises for what stands in it."""
        self._path, self._answer = path, answer
        self._pointer = path.with_name(path.name + ".path")
        self._short: Path | None = None
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Open the door, over whatever an earlier process left at that path. OSError when it cannot be opened."""
        place = self._path
        if len(os.fsencode(place)) > MAX_PATH:
            self._short = Path(tempfile.mkdtemp(prefix="holdfast-"))
            place = self._short / "sock"
            self._pointer.write_text(str(place))
        else:
            self._pointer.unlink(missing_ok=True)
        place.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(str(place))
            place.chmod(0o600)  # before anybody can connect: it does not listen yet
            self._server = await asyncio.start_unix_server(self._welcome, sock=listening, limit=MAX_LINE)
        except BaseException:
            listening.close()
            raise

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.close()
        for talk in tuple(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        self._path.unlink(missing_ok=True)
        if self._short is not None:
            self._pointer.unlink(missing_ok=True)
            shutil.rmtree(self._short, ignore_errors=True)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the caller went away, or the door closes
        finally:
            self._talks.discard(talk)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                writer.write(_line({"error": f"a request is at most {MAX_LINE} bytes"}))
                await writer.drain()
                return
            if not line:
                return
            writer.write(_line(await self._answer(line)))
            await writer.drain()


async def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """One request to the door at `path`. OSError when nobody is there; ValueError for an answer that is none."""
    pointer = path.with_name(path.name + ".path")
    place = Path(pointer.read_text()) if pointer.exists() else path
    reader, writer = await asyncio.open_unix_connection(str(place), limit=MAX_LINE)
    try:
        writer.write(_line(request))
        await writer.drain()
        answer = json.loads(await reader.readline())
    finally:
        writer.close()
        await writer.wait_closed()
    if not isinstance(answer, dict):
        raise ValueError("the door gave no answer")
    return answer


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False).encode() + b"\n"
