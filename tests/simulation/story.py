"""What happened, in order: short lines to read when a seed fails, a digest to compare two runs, and the counts that a run reports."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable


class Story:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lines: list[tuple[float, str, str]] = []  # (time, task or '', what)
        self.faults: Counter[str] = Counter()

    def tell(self, what: str, task: str = "") -> None:
        self._lines.append((self._clock(), task, what))

    def fault(self, kind: str, what: str = "") -> None:
        """Something was broken on purpose."""
        self.faults[kind] += 1
        if what:
            self.tell(f"!! {what}")

    def of(self, task: str, most: int = 80) -> str:
        """What concerns this task, faults included; all when it is ''."""
        lines = [line for line in self._lines if not task or line[1] in ("", task)]
        return "\n".join(_line(*line) for line in lines[-most:])

    def text(self) -> str:
        return "\n".join(_line(*line) for line in self._lines)

    def digest(self) -> str:
        return hashlib.sha256(self.text().encode()).hexdigest()


def _line(time: float, task: str, what: str) -> str:
    days, rest = divmod(int(time), 86400)
    return f"{days}d {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02} {task[:4]:4} {what}"
