"""Does an event match a NIP-01 filter? A relay's word for it is not taken: it may send anything under any subscription."""

from __future__ import annotations

from collections.abc import Sequence

from bot.relays.values import Filter
from kinds.events import Event


class Sieve:
    """The filters of one subscription, made ready for many events. An event passes when any one filter matches."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self._rows = [_Row(each) for each in filters]

    def passes(self, event: Event) -> bool:
        for row in self._rows:  # noqa: SIM110  # the hottest line of the daemon's ear: a generator costs as much as the rest
            if row.matches(event):
                return True
        return False


class _Row:
    __slots__ = ("_authors", "_ids", "_kinds", "_since", "_tags", "_until")

    def __init__(self, wanted: Filter) -> None:
        self._ids = frozenset(wanted["ids"]) if "ids" in wanted else None
        self._authors = frozenset(wanted["authors"]) if "authors" in wanted else None
        self._kinds = frozenset(wanted["kinds"]) if "kinds" in wanted else None
        self._since: int = wanted.get("since", 0)
        self._until: int | None = wanted.get("until")
        self._tags = [(name[1:], frozenset(values)) for name, values in wanted.items() if name.startswith("#")]

    def matches(self, event: Event) -> bool:
        return (
            (self._kinds is None or event.kind in self._kinds)
            and event.created_at >= self._since
            and (self._until is None or event.created_at <= self._until)
            and (self._authors is None or event.pubkey in self._authors)
            and (self._ids is None or event.id in self._ids)
            and (not self._tags or self._names(event))
        )

    def _names(self, event: Event) -> bool:
        for name, values in self._tags:
            for tag in event.tags:
                if tag[0] == name and len(tag) > 1 and tag[1] in values:
                    break
            else:
                return False
        return True
