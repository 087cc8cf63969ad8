"""What the operator did: each act once, for ever, whether it was done or refused."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select

from kinds.inputs import Now
from storage.schema import acts
from storage.statements import Statement

_ACT = Statement(insert(acts), "at", "who", "what", "result")


def record(tx: Connection, now: Now, who: str, what: str, result: str) -> None:
    _ACT.run(tx, {"at": now.time, "who": who, "what": what, "result": result})


def newest(tx: Connection, limit: int | None, since: int = 0, until: int = 1 << 40) -> list[dict[str, Any]]:
    """The last of them, from `since` to before `until` (unix seconds), the oldest first; None: all."""
    found = select(acts).where(acts.c.at >= since, acts.c.at < until).order_by(acts.c.n.desc())
    rows = tx.execute(found.limit(limit)).all()
    return [
        {"n": row.n, "at": row.at, "who": row.who, "what": row.what, "result": row.result} for row in reversed(rows)
    ]
