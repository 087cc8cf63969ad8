"""Which of two sets of events lacks what, without sending the sets: the client side of negentropy v1 (NIP-77).

Ranges of (created_at, id) are compared by fingerprint, differing ones are split, small ones are listed. All here is pure:
`Reconciliation.start()` gives the first message, `answer(message)` the next one or None when both differences are known.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate, pairwise

VERSION = 0x61
SKIP, FINGERPRINT, ID_LIST = 0, 1, 2
BUCKETS = 16
LIST_BELOW = 2 * BUCKETS  # a range with fewer items is sent as a list
FRAME_LIMIT = 30_000  # bytes of one message of ours: 60,000 hex digits pass every relay's limit
MAX_MISSING = 500_000  # ids; a relay that claims to have more is lying or not for us

INFINITY = 2**64 - 1

Bound = tuple[int, bytes]  # (created_at, prefix of the id): the first item not in the range
Item = tuple[int, bytes]


class BadReconciliation(ValueError):
    """The other side's message breaks the protocol."""


class Reconciliation:
    """One comparison of our items with a relay's. `missing` is what we lack, `surplus` what the relay lacks (hex ids)."""

    def __init__(self, items: Iterable[tuple[int, str]]) -> None:
        self._items: list[Item] = sorted({(when, bytes.fromhex(event_id)) for when, event_id in items})
        numbers = (int.from_bytes(event_id, "little") for _, event_id in self._items)
        self._sums = list(accumulate(numbers, initial=0))
        self.missing: set[str] = set()
        self.surplus: set[str] = set()

    def start(self) -> str:
        message = _Writer()
        self._describe(message, 0, len(self._items), (INFINITY, b""))
        return message.hex()

    def answer(self, text: str) -> str | None:
        """Our next message, or None when all ranges are settled. Raises BadReconciliation."""
        try:
            read = _Reader(bytes.fromhex(text))
        except ValueError as error:
            raise BadReconciliation("the message is not hex") from error
        if read.byte() != VERSION:
            raise BadReconciliation("the relay speaks another version")
        message = _Writer()
        low, low_bound = 0, (0, b"")
        while not read.done():
            bound = read.bound()
            if bound < low_bound:
                raise BadReconciliation("the ranges are not in order")
            mode = read.varint()
            high = max(low, bisect_left(self._items, bound))
            if mode == SKIP:
                message.skip_to(bound)
            elif mode == FINGERPRINT:
                if read.take(16) == self._fingerprint(low, high):
                    message.skip_to(bound)
                else:
                    self._describe(message, low, high, bound)
            elif mode == ID_LIST:
                self._compare(low, high, {read.take(32) for _ in range(read.count(32))})
                message.skip_to(bound)
            else:
                raise BadReconciliation(f"there is no mode {mode}")
            low, low_bound = high, bound
            if message.size() > FRAME_LIMIT:  # the rest as one range: it is split when the relay answers
                if bound != (INFINITY, b""):
                    message.fingerprint((INFINITY, b""), self._fingerprint(low, len(self._items)))
                break
        return message.hex() if message.says_something() else None

    def _compare(self, low: int, high: int, theirs: set[bytes]) -> None:
        ours = {event_id for _, event_id in self._items[low:high]}
        self.surplus.update(event_id.hex() for event_id in ours - theirs)
        self.missing.update(event_id.hex() for event_id in theirs - ours)
        if len(self.missing) > MAX_MISSING:
            raise BadReconciliation(f"the relay claims more than {MAX_MISSING} events")

    def _describe(self, message: _Writer, low: int, high: int, bound: Bound) -> None:
        """Our side of the range [low, high): a list when it is short, else fingerprints of its buckets."""
        count = high - low
        if count < LIST_BELOW:
            message.id_list(bound, [event_id for _, event_id in self._items[low:high]])
            return
        edges = [low + count * bucket // BUCKETS for bucket in range(BUCKETS + 1)]
        for first, last in pairwise(edges):
            end = bound if last == high else _between(self._items[last - 1], self._items[last])
            message.fingerprint(end, self._fingerprint(first, last))

    def _fingerprint(self, low: int, high: int) -> bytes:
        total = (self._sums[high] - self._sums[low]) % 2**256
        return hashlib.sha256(total.to_bytes(32, "little") + _varint(high - low)).digest()[:16]


def _between(before: Item, after: Item) -> Bound:
    """The shortest bound that lies above `before` and not above `after`."""
    if before[0] != after[0]:
        return after[0], b""
    shared = next(place for place in range(32) if before[1][place] != after[1][place])
    return after[0], after[1][: shared + 1]


def _varint(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


class _Writer:
    """A message under way. Skipped ranges are joined, and a skip at the end is left out."""

    def __init__(self) -> None:
        self._out = bytearray([VERSION])
        self._last_time = 0
        self._skipped: Bound | None = None

    def skip_to(self, bound: Bound) -> None:
        self._skipped = bound

    def fingerprint(self, bound: Bound, value: bytes) -> None:
        self._range(bound, FINGERPRINT, value)

    def id_list(self, bound: Bound, ids: list[bytes]) -> None:
        self._range(bound, ID_LIST, _varint(len(ids)) + b"".join(ids))

    def size(self) -> int:
        return len(self._out)

    def says_something(self) -> bool:
        return len(self._out) > 1

    def hex(self) -> str:
        return self._out.hex()

    def _range(self, bound: Bound, mode: int, payload: bytes) -> None:
        if self._skipped is not None:
            self._bound(self._skipped)
            self._out += _varint(SKIP)
            self._skipped = None
        self._bound(bound)
        self._out += _varint(mode) + payload

    def _bound(self, bound: Bound) -> None:
        when, prefix = bound
        if when == INFINITY:
            self._last_time = INFINITY
            self._out += _varint(0)
        else:
            self._out += _varint(when - self._last_time + 1)
            self._last_time = when
        self._out += _varint(len(prefix)) + prefix


class _Reader:
    """A message from the other side; every step checks that the bytes are there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._last_time = 0

    def done(self) -> bool:
        return self._at >= len(self._data)

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise BadReconciliation("the message ends too early")
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        number = 0
        for _ in range(10):
            digit = self.byte()
            number = number << 7 | digit & 0x7F
            if not digit & 0x80:
                return number
        raise BadReconciliation("a number is too long")

    def count(self, size: int) -> int:
        """How many things of `size` bytes follow."""
        number = self.varint()
        if self._at + number * size > len(self._data):
            raise BadReconciliation("the message ends too early")
        return number

    def bound(self) -> Bound:
        delta = self.varint()
        if delta == 0 or self._last_time == INFINITY:
            self._last_time = INFINITY
        else:
            self._last_time = min(self._last_time + delta - 1, INFINITY)
        length = self.varint()
        if length > 32:
            raise BadReconciliation("an id has 32 bytes")
        return self._last_time, self.take(length)
