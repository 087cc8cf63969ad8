"""A few facts about ourselves that outlive a restart: hearing, cursors of relays, the daemon's own chain, incidents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, literal_column, select

from handlers.policy import Policy
from kinds import log as words
from kinds.events import Unsigned, canonical_json
from kinds.inputs import Now
from kinds.units import EventId, Pubkey
from storage.codec import policy_id, policy_text, read_policy
from storage.outbox import publish
from storage.schema import chain, house, incidents, policies
from storage.statements import Statement, insert_new, insert_or_update

_GET = Statement(select(house.c.value).where(house.c.key == bindparam("which")))
_CURSORS = Statement(select(house.c.key, house.c.value).where(house.c.key.startswith("cursor:")))
_NEWEST = Statement(
    select(chain.c.seq, chain.c.id, chain.c.time).order_by(chain.c.seq.desc()).limit(literal_column("1"))
)
_CHAIN = Statement(insert(chain), "seq", "id", "type", "time", "facts")


def get(tx: Connection, key: str) -> str | None:
    return _GET.scalar(tx, {"which": key})


def put(tx: Connection, key: str, value: str) -> None:
    insert_or_update(house, ("key", "value"), "key").run(tx, {"key": key, "value": value})


def get_json(tx: Connection, key: str, default: Any) -> Any:
    value = get(tx, key)
    return default if value is None else json.loads(value)


def put_json(tx: Connection, key: str, value: Any) -> None:
    put(tx, key, json.dumps(value))


def cursors(tx: Connection) -> dict[tuple[str, str], int]:
    """(relay, want) -> up to when everything that it had for us is stored."""
    split = [(row.key.split(":", 2), row.value) for row in _CURSORS.rows(tx)]
    return {(relay, want): int(value) for (_, want, relay), value in split}


def move_cursor(tx: Connection, relay: str, want: str, at: int) -> None:
    put(tx, f"cursor:{want}:{relay}", str(at))


def add_checkpoint(tx: Connection, bot: Pubkey, type: str, now: Now, facts: Mapping[str, Any]) -> EventId:
    """One more entry in the daemon's own chain, to be published."""
    last = _NEWEST.first(tx)
    seq, prev, after = (last.seq + 1, EventId(last.id), last.time) if last else (1, None, 0)
    time = max(now.time, after)
    event = words.checkpoint(
        bot=bot, seq=seq, prev=prev, type=type, time=time, height=now.height, block_hash=now.block_hash, facts=facts
    )
    name = publish(tx, event)
    _CHAIN.run(tx, {"seq": seq, "id": name, "type": type, "time": time, "facts": canonical_json(dict(facts))})
    return name


def publish_addressable(tx: Connection, event: Unsigned) -> Unsigned:
    """Publishes a replaceable event, its created_at above that of the one before (relays keep the newest only)."""
    key = f"stamp:{event.kind}:{ {t[0]: t[1] for t in event.tags if len(t) > 1}.get('d', '') }"
    at = max(event.created_at, int(get(tx, key) or 0) + 1)
    stamped = Unsigned(event.pubkey, at, event.kind, event.tags, event.content)
    put(tx, key, str(at))
    publish(tx, stamped, address=key)
    return stamped


def remember_policy(tx: Connection, policy: Policy, time: int) -> str:
    """Keeps this set of values, so that an input that names it can be replayed exactly. Returns its id."""
    name = policy_id(policy)
    insert_new(policies, ("id", "at", "body")).run(tx, {"id": name, "at": time, "body": policy_text(policy)})
    return name


def policy_by_id(tx: Connection, name: str) -> Policy:
    return read_policy(tx.execute(select(policies.c.body).where(policies.c.id == name)).scalar_one())


def incident(tx: Connection, now: Now, code: str, task: str | None, facts: Mapping[str, Any]) -> bool:
    """Records something that the operator must see; False when the very same is on record already."""
    if is_known(tx, code, task, facts):
        return False
    tx.execute(insert(incidents).values(at=now.time, code=code, task=task, facts=canonical_json(dict(facts))))
    return True


def is_known(tx: Connection, code: str, task: str | None, facts: Mapping[str, Any]) -> bool:
    """Is this very incident on record?"""
    same = select(func.count()).where(
        incidents.c.code == code, incidents.c.task.is_(task) if task is None else incidents.c.task == task,
        incidents.c.facts == canonical_json(dict(facts)),
    )  # fmt: skip
    return bool(tx.execute(same).scalar())
