"""Patience with relays that are away for a moment: whoever speaks or asks tries again until his time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bot.relays.client import Relays

_PAUSE = 0.1  # seconds between two attempts


async def attempts(relays: Relays, within: float) -> AsyncIterator[float]:
    """The seconds that are left, once for each attempt that may be made: a relay is connected then. It ends when time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while await relays.speaking(end - loop.time()):
        yield max(0.0, end - loop.time())
        if loop.time() + _PAUSE >= end:
            return
        await asyncio.sleep(_PAUSE)
