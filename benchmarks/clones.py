"""Many agreements out of one: its rows in the daemon's database and in the simulated node's, copied under other ids.

What was heard and said about the first one is not copied: this is a daemon that was idle for a while, with everything published.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bot.nodes.preimages import hash_of, preimage_of, read_keys
from kinds.units import EventId, task_id

_TABLES = ("tasks", "log", "fundings", "payment_hashes")


def multiply(data: Path, task: str, count: int) -> None:
    """`count` copies of a task whose payment is held. Nobody may have these files open."""
    with closing(_open(data / "holdfast.db")) as memory, closing(_open(data / "simnet.db")) as node:
        names = _names(memory, task)
        key = read_keys(data / "simnet.key")[0]
        originals = [
            *(_Rows(memory, table, "id" if table == "tasks" else "task", task) for table in _TABLES),
            _Rows(node, "invoice", "hash", names["hash"]),
            _Rows(node, "part", "hash", names["hash"], fresh="id"),
        ]
        with _without_first_states(memory), memory, node:
            for _ in range(count):
                others = _others(names, key)
                for rows in originals:
                    rows.copy(others)
            held = node.execute("SELECT SUM(amount) FROM part WHERE live").fetchone()[0]
            before = node.execute("SELECT balance FROM account WHERE name = '@flight'").fetchone()[0]
            node.execute("UPDATE account SET balance = ? WHERE name = '@flight'", (held,))
            node.execute("UPDATE fact SET value = value + ? WHERE name = 'minted'", (held - before,))
            memory.execute("UPDATE fundings SET seen = ''")  # the node has news about each of them


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path)


def _names(memory: sqlite3.Connection, task: str) -> dict[str, str]:
    """What has to be another in each copy."""
    pinned, address = memory.execute("SELECT pinned, address FROM tasks WHERE id = ?", (task,)).fetchone()
    [payment_hash] = memory.execute("SELECT payment_hash FROM fundings WHERE task = ?", (task,)).fetchone()
    entries = memory.execute("SELECT id FROM log WHERE task = ? ORDER BY seq", (task,)).fetchall()
    named = {"task": task, "pinned": pinned, "d": address.split(":", 2)[2], "hash": payment_hash}
    hashes = memory.execute("SELECT hash FROM payment_hashes WHERE task = ? AND hash != ?", (task, payment_hash))
    return named | {f"name{n}": name for n, [name] in enumerate([*entries, *hashes.fetchall()])}


def _others(names: dict[str, str], key: bytes) -> dict[str, str]:
    """Old -> new."""
    new = {name: secrets.token_hex(32) for name in names}
    new["task"] = task_id(EventId(new["pinned"]))
    new["hash"] = hash_of(preimage_of(key, f"{new['task']}/h1"))
    return {old: new[name] for name, old in names.items()}


class _Rows:
    """Those of a table with that value in that column. `fresh`: a column that the table makes anew."""

    def __init__(self, database: sqlite3.Connection, table: str, column: str, value: str, fresh: str = "") -> None:
        found = database.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,))
        columns = [each[0] for each in found.description]
        kept = [n for n, name in enumerate(columns) if name != fresh]
        self._database = database
        self._rows = [[row[n] for n in kept] for row in found.fetchall()]
        names = ", ".join(f'"{columns[n]}"' for n in kept)
        self._insert = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(kept))})"

    def copy(self, others: dict[str, str]) -> None:
        """Once more, under the other names."""
        for row in self._rows:
            self._database.execute(self._insert, [_renamed(value, others) for value in row])


def _renamed(value: object, others: dict[str, str]) -> object:
    if isinstance(value, str):
        for old, new in others.items():
            value = value.replace(old, new)
    return value


@contextmanager
def _without_first_states(memory: sqlite3.Connection) -> Iterator[None]:
    """A copy comes into the database in the middle of its life, which is otherwise refused."""
    [text] = memory.execute("SELECT sql FROM sqlite_master WHERE name = 'tasks_state_INSERT'").fetchone()
    memory.execute("DROP TRIGGER tasks_state_INSERT")
    try:
        yield
    finally:
        memory.execute(text)
        memory.commit()
