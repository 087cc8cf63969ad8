"""Which nodes the contract suite runs against."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bot.nodes.base import Node
from tests.contract import nwc_bench, simnet_bench
from tests.contract.bench import Bench

BENCHES: dict[str, Callable[[Path], AbstractAsyncContextManager[Bench]]] = {
    "nwc": nwc_bench.bench_opened,
    "simnet": simnet_bench.opened,
}


@pytest.fixture(params=sorted(BENCHES))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with BENCHES[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def node(bench: Bench) -> Node:
    return bench.node
