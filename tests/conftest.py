"""No test may hang: one that takes far too long fails where it stands, and the others go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

LIMIT = 240  # seconds; the longest takes some 20 on two idle cores
LIMIT_SLOW = 1200


def _over(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError("this test took far too long")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _over)
    signal.alarm(LIMIT_SLOW if item.get_closest_marker("slow") else LIMIT)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
