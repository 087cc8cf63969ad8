"""Which holds changed, for the daemon that waits for it (`holdfast-wait`). Only hints: the newest are kept, and a daemon that
missed some, or meets a plugin that has started anew, is told to look at everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from bot.nodes.cln.wire import WAIT_SECONDS

_KEPT = 1024
Reply = Callable[[dict[str, Any]], None]


class News:
    """`since` of a call is the `next` of the answer before it; 0 at first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._number = 0
        self._changed: deque[tuple[int, str]] = deque(maxlen=_KEPT)
        self._waiting: list[tuple[int, float, Reply]] = []

    def changed(self, payment_hash: str) -> None:
        self._number += 1
        self._changed.append((self._number, payment_hash))

    def wait(self, since: int, reply: Reply) -> None:
        self._waiting.append((since, self._clock() + WAIT_SECONDS, reply))

    def serve(self) -> None:
        """Answers those for whom there is news, and those who have waited long enough."""
        now, still = self._clock(), []
        for since, until, reply in self._waiting:
            if since != self._number or now >= until:
                reply(self._since(since))
            else:
                still.append((since, until, reply))
        self._waiting = still

    def _since(self, since: int) -> dict[str, Any]:
        oldest = self._changed[0][0] if self._changed else self._number + 1
        missed = since > self._number or since + 1 < oldest
        fresh = dict.fromkeys(changed for number, changed in self._changed if number > since)
        return {"next": self._number, "changed": list(fresh), "missed": missed and self._number > 0}
