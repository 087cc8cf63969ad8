"""lightningd's JSON-RPC over its unix socket, without threads: the event loop never waits for it, each call is bounded in time,
and a call that is cancelled leaves nothing behind here. (What it began inside lightningd goes on there.)

One connection a call, as pyln-client does: lightningd answers the calls of one connection one after the other.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_MOST_BYTES = 64 * 2**20  # of one answer; listpeerchannels of a big node has a few
_NUMBERS = itertools.count(1)


class NoAnswer(Exception):
    """The call may or may not have been carried out."""


class Refused(Exception):
    """lightningd's own error: a code and a message that may quote what was asked, so it belongs into no log."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"error {code}")
        self.code = code
        self.message = message


class Rpc:
    def __init__(self, socket: Path, seconds: float = 15.0) -> None:
        self._socket = socket
        self._seconds = seconds

    async def call(
        self, method: str, params: Mapping[str, object] | None = None, seconds: float | None = None
    ) -> dict[str, Any]:
        """Raises NoAnswer and Refused. Arguments that are None are left out."""
        number = f"holdfast:{method}#{next(_NUMBERS)}"
        given = {name: value for name, value in (params or {}).items() if value is not None}
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": given}
        try:
            async with asyncio.timeout(seconds or self._seconds):
                raw = await self._exchange(json.dumps(request, ensure_ascii=False).encode() + b"\n\n")
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
            raise NoAnswer(f"{method}: {type(error).__name__}") from None
        return _result(raw, method, number)

    async def _exchange(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=_MOST_BYTES)
        try:
            writer.write(request)
            await writer.drain()
            return await reader.readuntil(b"\n\n")
        finally:
            writer.close()


class Shared:
    """One call without parameters for all who wait for its answer. Nobody gets an answer that is older than his question: who
    comes while one is on its way gets the next."""

    def __init__(self, rpc: Rpc, method: str) -> None:
        self._rpc, self._method = rpc, method
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[dict[str, Any]] | None = None

    async def get(self) -> dict[str, Any]:
        """Raises NoAnswer and Refused."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask())
        return await asyncio.shield(self._next)

    async def _ask(self) -> dict[str, Any]:
        async with self._turn:
            self._next = None
            return await self._rpc.call(self._method)


def _result(raw: bytes, method: str, number: str) -> dict[str, Any]:
    try:
        answer = json.loads(raw)
    except ValueError:
        raise NoAnswer(f"{method}: not JSON") from None
    if not isinstance(answer, dict) or answer.get("id") != number:
        raise NoAnswer(f"{method}: an answer to something else")
    error, result = answer.get("error"), answer.get("result")
    if isinstance(error, Mapping):
        code = error.get("code")
        raise Refused(code if isinstance(code, int) else -1, str(error.get("message", "")))
    if not isinstance(result, dict):
        raise NoAnswer(f"{method}: an answer without a result")
    return result


def rows(answer: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """A list of objects in an answer. Raises NoAnswer."""
    found = answer.get(name, [])
    if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
        raise NoAnswer(f"{name}: of another form")
    return found


def msat(row: Mapping[str, Any], name: str) -> int:
    """An amount; old answers write "5msat". Raises NoAnswer."""
    try:
        return int(str(row.get(name, 0)).removesuffix("msat"))
    except ValueError:
        raise NoAnswer(f"{name}: not an amount") from None
