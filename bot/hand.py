"""The operator's hand at the machine: his commands through a door in the data directory, carried out by the running daemon."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.door import Door
from bot.life import Life

SOCKET = "holdfast.sock"
_TRIES = 3  # an input before it may be one that nobody can process: it is put aside meanwhile


@asynccontextmanager
async def hand(life: Life, data: Path) -> AsyncIterator[None]:
    """The door is open as long as the daemon runs. A request is `{"say": <a command in text or JSON>}`; its answer is that of a
    message in JSON, or `{"error": sentence}` when the daemon cannot hear it."""

    async def answer(line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except ValueError:
            request = None
        if not isinstance(request, dict) or request.keys() != {"say"} or not isinstance(request["say"], str):
            return {"error": 'a request is one JSON object: {"say": "pause"}'}
        for _ in range(_TRIES):
            if life.closed:
                return {"error": life.closed}
            said = await life.by_hand(request["say"])
            if said is not None:
                told: dict[str, Any] = json.loads(said)
                return told
        return {"error": "the daemon cannot process this now; look at its log and try again"}

    door = Door(data / SOCKET, answer)
    await door.start()
    try:
        yield
    finally:
        await door.aclose()
