"""What the public can read: the log entries of every task as any relay has shown them, kept as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinds.events import RECORD, Event, read_json
from kinds.log import LOG_TAG
from kinds.states import TaskState
from tests.virtual.hub import Relay


@dataclass(slots=True)
class Public:
    """One task's log, by seq. `broken`: two entries of one seq, which must never be."""

    address: str = ""
    root: str = ""
    entries: dict[int, dict[str, Any]] = field(default_factory=dict)
    broken: bool = False

    @property
    def newest(self) -> dict[str, Any]:
        return self.entries[max(self.entries)]

    @property
    def is_final(self) -> bool:
        return bool(self.entries) and TaskState(self.newest["state"]).is_final

    @property
    def end(self) -> str:
        """The state in which it ended, '' before."""
        return str(self.newest["state"]) if self.is_final else ""

    @property
    def shown(self) -> dict[str, Any]:
        """What it costs and brings, as everybody was shown it last: of a price in a currency with the newest invoice."""
        facts: dict[str, Any] = self.entries[1]["facts"]
        invoice = self.last("invoice.created") if "currency" in facts else None
        return {**facts, **invoice["facts"], "hold_msat": invoice["facts"]["amount_msat"]} if invoice else facts

    @property
    def net(self) -> int:
        """What the worker was shown that he gets, msat."""
        return int(self.shown["net_msat"])

    def share(self, percent: int) -> int:
        """What he gets of so many percent: his part of the reward less that of what he bears of the fee, each in whole sats."""
        reward = int(self.shown["reward_msat"])
        if percent == 100:
            return self.net
        return sum(
            sign * (amount * percent // 100 // 1000 * 1000) for sign, amount in ((1, reward), (-1, reward - self.net))
        )

    def last(self, *kinds: str) -> dict[str, Any] | None:
        """The newest entry of one of these types."""
        found = [seq for seq, entry in self.entries.items() if entry["type"] in kinds]
        return self.entries[max(found)] if found else None


class Gazette:
    def __init__(self, bot: str, relays: Sequence[Relay], read: Callable[[str, dict[str, Any]], None]) -> None:
        self._bot, self._read = bot, read
        self.tasks: dict[str, Public] = {}
        for relay in relays:
            relay.listeners.append(self._hear)

    def of(self, task: str) -> Public | None:
        return self.tasks.get(task)

    def _hear(self, event: Event, relay: Relay) -> None:
        if event.pubkey != self._bot or event.kind != RECORD or LOG_TAG not in event.tag_values("t"):
            return
        content = read_json(event.content)
        assert isinstance(content, dict), "a log entry is a JSON object"
        entry = content | {"id": event.id}
        public = self.tasks.setdefault(entry["task"], Public())
        known = public.entries.get(entry["seq"])
        public.broken = public.broken or (known is not None and known["id"] != event.id)
        if known is None:
            public.entries[entry["seq"]] = entry
            public.address = event.tag("a") or ""
            public.root = event.tag("e") or (event.id if entry["seq"] == 1 else public.root)
            self._read(entry["task"], entry)
