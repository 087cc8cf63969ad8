"""How each person last spoke to us, and so how he is answered."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from storage.schema import people, tasks
from storage.statements import insert_or_update


def remember(tx: Connection, who: str, channel: str, form: str, relay: str, at: int) -> None:
    row = {"pubkey": who, "channel": channel, "form": form, "relay": relay, "at": at}
    insert_or_update(people, tuple(row), "pubkey").run(tx, row)


def remember_relays(tx: Connection, who: str, relays: list[str]) -> None:
    tx.execute(update(people).where(people.c.pubkey == who).values(relays="\n".join(relays)))


def is_stranger(tx: Connection, who: str) -> bool:
    """In no task as yet."""
    return (
        tx.execute(select(tasks.c.id).where((tasks.c.employer == who) | (tasks.c.worker == who)).limit(1)).first()
        is None
    )
