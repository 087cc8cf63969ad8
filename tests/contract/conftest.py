"""Which nodes the contract suite runs against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bot.nodes.base import Node
from tests.cln import regtest
from tests.contract import cln_bench, cln_real_bench, lnd_bench, nwc_bench, nwc_lnd_bench, simnet_bench
from tests.contract.bench import Bench

BENCHES: dict[str, Callable[[Path], AbstractAsyncContextManager[Bench]]] = {
    "cln": cln_bench.opened,
    "lnd": lnd_bench.opened,
    "nwc": nwc_bench.bench_opened,
    "nwc-lnd": nwc_lnd_bench.opened,
    "simnet": simnet_bench.opened,
}


ON_LND = ("lnd", "nwc-lnd")

REAL: dict[str, tuple[Callable[[Path], AbstractAsyncContextManager[Bench]], list[str]]] = {
    "cln-real": (cln_real_bench.opened, regtest.missing()),
}
"""Nodes that are slow and may not be there, with the programs that are missing."""


def _real(name: str) -> object:
    missing = REAL[name][1]
    absent = pytest.mark.skipif(bool(missing), reason=f"not on the path: {', '.join(missing)}")
    return pytest.param(name, marks=[pytest.mark.slow, absent])


def _usual(name: str) -> object:
    return pytest.param(name, marks=[pytest.mark.regtest] if name in ON_LND else [])


@pytest.fixture(params=[*map(_usual, sorted(BENCHES)), *map(_real, sorted(REAL))])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    opened = BENCHES[request.param] if request.param in BENCHES else REAL[request.param][0]
    async with opened(tmp_path) as made:
        yield made


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for minutes waits for them only where time is real, and then not in the quick run."""
    for item in items:
        if item.get_closest_marker("patient") and item.get_closest_marker("regtest"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def node(bench: Bench) -> Node:
    return bench.node
