from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from storage.open import engine_for, migrate


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A database in memory, as it is after its first start."""
    made = engine_for(None)
    migrate(made)
    yield made
    made.dispose()
