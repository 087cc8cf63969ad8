"""How much one person may say: a bucket per pubkey, refilled by time. Forgetting it at a restart does no harm."""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum

_MOST = 20_000  # people remembered


class Verdict(Enum):
    FINE = "fine"
    TOLD = "told"  # over the limit, and told so now
    SILENT = "silent"  # over the limit, told already


class Floods:
    def __init__(self, a_minute: int) -> None:
        self._room = float(a_minute)
        self._buckets: OrderedDict[str, tuple[float, int, bool]] = OrderedDict()

    def take(self, who: str, time: int) -> Verdict:
        left, at, told = self._buckets.pop(who, (self._room, time, False))
        left = min(self._room, left + max(0, time - at) * self._room / 60)
        if left >= 1:
            verdict, entry = Verdict.FINE, (left - 1, time, False)
        else:
            verdict, entry = (Verdict.SILENT if told else Verdict.TOLD), (left, time, True)
        self._buckets[who] = entry
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return verdict
