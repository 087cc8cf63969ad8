"""No test may hang: one that takes far too long fails where it stands, and the others go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from tests.cln import regtest as cln
from tests.regtest import build, town

LIMIT = 240  # seconds; the longest takes some 20 on two idle cores
LIMIT_SLOW = 1200
LEFT_OUT = pytest.StashKey[int]()


def _over(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError("this test took far too long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without the programs that it needs, the suite on real nodes is left out, or it is a failure where it must run."""
    real = [item for item in items if item.get_closest_marker("regtest")]
    if not real or build.is_built():
        return
    if build.REQUIRED:
        raise pytest.UsageError("the tests on real LND nodes must run, and lnd and btcd are not built: make regtest")
    items[:] = [item for item in items if item not in real]
    config.hook.pytest_deselected(items=real)
    config.stash[LEFT_OUT] = len(real)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(LEFT_OUT, 0)
    if left_out:
        terminalreporter.write_line(f"{build.LEFT_OUT} ({left_out}), since lnd and btcd are not built: make regtest")


def pytest_unconfigure() -> None:
    town.close_shared()
    cln.ONCE.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _over)
    signal.alarm(LIMIT_SLOW if item.get_closest_marker("slow") else LIMIT)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
