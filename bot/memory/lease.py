"""One key, one daemon: the lease that every heartbeat renews, without any clock.

Each process has an instance id of its own, which its heartbeats carry; and each names the others that it hears. Whoever is named by
another instance knows that it lives, since nobody could name an id that was made a moment ago: an old heartbeat, which a relay gives
once more, names only the dead. Of two that live the one that started later yields (by `since`, then by the id). A dead machine
answers nobody, so its lease is over with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bot.relays.genuine import is_genuine
from kinds.events import Event
from kinds.profile import INSTANCE_TAG, NAMES_TAG, SINCE_TAG
from kinds.units import Pubkey

HEARD_FOR = 120  # seconds that a heartbeat of another is worth naming
ANSWER = 1.5  # seconds that an answer to our first heartbeat may take, once it came back to us
ECHO = 8.0  # seconds in which that may happen, where a relay is reached at all
_MOST = 16


class KeyInUse(RuntimeError):
    """Another daemon with this key is running."""


class SecondCopy(Exception):
    """An older instance with our key is alive: this one does nothing any more."""


@dataclass(frozen=True, slots=True)
class _Other:
    since: int
    heard: float


class Lease:
    def __init__(self, bot: Pubkey, instance: str, since: int, clock: Callable[[], float]) -> None:
        """`instance`: random; `since`: unix seconds of our start, 0 to take the key over from whoever has it."""
        self.instance, self.since = instance, since
        self.given_up = False  # we have yielded: that the other one lives is known
        self._bot, self._clock = bot, clock
        self._others: dict[str, _Other] = {}
        self.answer = asyncio.Event()  # somebody new is heard: he is told at once that we live
        self.echoed = asyncio.Event()  # a heartbeat of ours came back

    def is_ours(self, beat: Event) -> bool:
        """Our own heartbeat, come back."""
        return beat.tag(INSTANCE_TAG) == self.instance

    def hear(self, beat: Event) -> None:
        """A heartbeat by our key. Raises SecondCopy when its sender lives, and started before us."""
        other, since = beat.tag(INSTANCE_TAG) or "", beat.tag(SINCE_TAG) or ""
        if other == self.instance:
            self.echoed.set()
            return
        if not _is_id(other) or not (since.isascii() and since.isdigit() and len(since) < 12):
            return
        if beat.pubkey != self._bot or not is_genuine(beat):
            return
        if other not in self._others:
            self.answer.set()
        self._others[other] = _Other(int(since), self._clock())
        while len(self._others) > _MOST:
            del self._others[min(self._others, key=lambda each: self._others[each].heard)]
        lives = self.instance in beat.tag_values(NAMES_TAG)
        if lives and (int(since), other) < (self.since, self.instance) and not self.given_up:
            raise SecondCopy(f"an instance that started before this one is running with the same key ({other[:8]})")

    def names(self) -> tuple[str, ...]:
        """Whom our next heartbeat names."""
        now = self._clock()
        return tuple(name for name, other in self._others.items() if now - other.heard <= HEARD_FOR)

    async def question(self) -> None:
        """Waits until whoever else has this key must have answered our first heartbeat; without any relay nobody can."""
        try:
            async with asyncio.timeout(ECHO):
                await self.echoed.wait()
        except TimeoutError:
            return
        await asyncio.sleep(ANSWER)


def _is_id(text: str) -> bool:
    return 16 <= len(text) <= 64 and all(letter in "0123456789abcdef" for letter in text)
