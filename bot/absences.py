"""A node that says it knows no such hold is not believed at once: it may have answered before it was ready."""

from __future__ import annotations

from collections.abc import Callable

from kinds.lightning import HoldStatus, HoldView

GRACE = 600  # seconds in which it must go on saying so


class Absences:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def believe(self, view: HoldView) -> bool:
        """False while this view is an ABSENT that has not lasted for the grace period."""
        if view.status is not HoldStatus.ABSENT:
            self._since.pop(view.payment_hash, None)
            return True
        return self._clock() - self._since.setdefault(view.payment_hash, self._clock()) >= GRACE
