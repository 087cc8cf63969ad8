"""What makes simulated hours cheap without changing what happens in them: looks that find nothing come less often, and the schema is
made once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest import mock

from sqlalchemy import Engine

from bot import hearing, watch
from bot.outbox import publish
from storage.open import engine_for, migrate

_SLOWER: tuple[tuple[Any, str, float], ...] = (  # (module, pause, seconds): all far below what anything waits for
    (watch, "_FACTS", 20.0),  # 5: a block takes ten minutes
    (watch, "_POLL", 120.0),  # 60: a hint comes at once, and a look at everything with each new stream
    (hearing, "_BEAT_EVERY", 60.0),  # 30: silence counts from ten minutes on, a relay that missed some from two
    (publish, "_LOOK", 15.0),  # 5: a relay is looked through every quarter of an hour
)


@contextmanager
def unhurried() -> Iterator[None]:
    with ExitStack() as stack:
        for module, name, seconds in _SLOWER:
            stack.enter_context(mock.patch.object(module, name, seconds))
        yield


def empty_database() -> Engine:
    """In memory, with the schema of today."""
    engine = engine_for(None)
    driver(engine).deserialize(_schema())
    return engine


def driver(engine: Engine) -> Any:
    """The one connection below it."""
    return engine.raw_connection().driver_connection


@cache
def _schema() -> bytes:
    engine = engine_for(None)
    migrate(engine)
    made: bytes = driver(engine).serialize()
    return made
