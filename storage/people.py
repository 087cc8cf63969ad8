"""How each person last spoke to us, and so how he is answered."""

from __future__ import annotations

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.schema import people, tasks


def remember(tx: Connection, who: str, channel: str, form: str, relay: str, at: int) -> None:
    statement = upsert(people).values(pubkey=who, channel=channel, form=form, relay=relay, at=at)
    newer = {"channel": channel, "form": form, "relay": relay, "at": at}
    tx.execute(statement.on_conflict_do_update(index_elements=["pubkey"], set_=newer))


def remember_relays(tx: Connection, who: str, relays: list[str]) -> None:
    tx.execute(update(people).where(people.c.pubkey == who).values(relays="\n".join(relays)))


def is_stranger(tx: Connection, who: str) -> bool:
    """In no task as yet."""
    return (
        tx.execute(select(tasks.c.id).where((tasks.c.employer == who) | (tasks.c.worker == who)).limit(1)).first()
        is None
    )
