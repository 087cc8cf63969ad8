"""`holdfast doctor`: everything that must be well before money is held, looked at without changing anything but for a few probe
events on the relays, which expire by themselves. It may run beside the daemon.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.config import Settings
from bot.doctor import clock, database, files, node, prices, relays
from bot.findings import Finding

__all__ = ["examine"]


async def examine(settings: Settings, now: Callable[[], float] = time.time) -> list[Finding]:
    """All findings, in the order of the areas. Never raises for what it finds."""
    key, found = files.examine(settings)
    found += database.examine(settings, int(now()))
    found += await node.examine(settings, now)
    said, dates = await relays.examine(settings, key, now)
    return found + said + clock.examine(dates) + await prices.examine(settings, int(now()))
