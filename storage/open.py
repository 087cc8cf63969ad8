"""Opens the database file: SQLite in WAL, every commit on disk before anybody is answered, migrations applied at start."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import StaticPool

from storage.statements import Statement
from storage.triggers import refill_allowed

_BEGIN = Statement(text("BEGIN IMMEDIATE"))


class InUse(RuntimeError):
    """Another daemon holds this data directory."""


class OtherSchema(RuntimeError):
    """The database was written by a version of this program that is not this one or one before it."""


def engine_for(path: Path | None) -> Engine:
    """One connection for the one writer; None is a database in memory, for simulations."""
    if path:
        path.touch(mode=0o600)  # it holds invoices and messages; SQLite gives its other files the same mode
    url = f"sqlite:///{path}" if path else "sqlite://"
    engine = create_engine(
        url, poolclass=StaticPool, connect_args={"check_same_thread": False, "timeout": 30}, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _pragmas(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # we say BEGIN IMMEDIATE ourselves
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        _BEGIN.run(connection)

    return engine


def migrate(engine: Engine, revision: str = "head") -> None:
    """Brings the schema to this version of the code and refills the table of allowed states. Raises OtherSchema, and nothing has
    changed."""
    config = Config()
    with resources.as_file(resources.files("storage") / "migrations") as folder:
        config.set_main_option("script_location", str(folder))
        with engine.begin() as tx:
            config.attributes["connection"] = tx
            try:
                command.upgrade(config, revision)
            except CommandError as error:
                raise OtherSchema(
                    f"the database was made by a newer version of holdfast ({error}); use that one, or another --data directory"
                ) from error
            if revision == "head":
                refill_allowed(tx)


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """One daemon per data directory. Raises InUse."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InUse(
                f"another daemon is running on {folder}; stop it first, or use another --data directory"
            ) from error
        yield
    finally:
        os.close(handle)
