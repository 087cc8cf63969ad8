"""A double of lightningd with the plugin's real process, and the adapter beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cln.double import Double
from tests.contract.cln_bench import ClnBench


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    made = Double()
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def bench(double: Double) -> AsyncIterator[ClnBench]:
    made = ClnBench(double)
    yield made
    await made.node.aclose()
