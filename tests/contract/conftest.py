"""Which nodes the contract suite runs against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bot.nodes.base import Node
from tests.contract import lnd_bench, simnet_bench
from tests.contract.bench import Bench

BENCHES: dict[str, Callable[[Path], AbstractAsyncContextManager[Bench]]] = {
    "simnet": simnet_bench.opened,
    "lnd": lnd_bench.opened,
}


@pytest.fixture(params=["simnet", pytest.param("lnd", marks=pytest.mark.regtest)])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with BENCHES[request.param](tmp_path) as made:
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
