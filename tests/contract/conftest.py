from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.nodes.base import Node
from tests.contract.bench import BENCHES, Bench


@pytest.fixture(params=sorted(BENCHES))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    made = await BENCHES[request.param](tmp_path)
    yield made
    await made.aclose()


@pytest.fixture
def node(bench: Bench) -> Node:
    return bench.node
