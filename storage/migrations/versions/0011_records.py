"""What became of each payment, and when, stands in its own row: from there receipts and exports are read.

What was paid before is told by the published log, entry by entry, and by the tasks; what neither of them says stays unknown.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OVER = ("settled", "cancelled", "expired", "failed", "lost")
_PLANNED = ("proof.verified", "dispute.resolved")
_GIVEN_UP = ("payout.failed", "dispute.opened", "settlement.completed", "task.expired")


def upgrade() -> None:
    for table, name, kind, default in (
        ("fundings", "milestone", sa.Integer(), "1"),
        ("fundings", "held_at", sa.BigInteger(), "0"),
        ("fundings", "ended_at", sa.BigInteger(), "0"),
        ("fundings", "preimage", sa.String(64), ""),
        ("payouts", "milestone", sa.Integer(), "1"),
        ("payouts", "to", sa.String(64), ""),
        ("payouts", "at", sa.BigInteger(), "0"),
        ("payouts", "ended_at", sa.BigInteger(), "0"),
        ("payouts", "preimage", sa.String(64), ""),
        ("journals", "milestone", sa.Integer(), "0"),
    ):
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
    op.create_index("journals_task", "journals", ["task"])
    op.drop_index("payouts_active", "payouts")
    active = sa.text("state in ('planned', 'claimed', 'in_flight', 'complete')")
    op.create_index("payouts_active", "payouts", ["task", "milestone", "role"], unique=True, sqlite_where=active)
    bind = op.get_bind()
    _of_journals(bind)
    for row in bind.execute(sa.text("SELECT id, document FROM tasks")).all():
        entries = list(_entries(bind, row.id))
        document = json.loads(row.document)
        for funding in document.get("fundings", []):
            _funding(bind, funding, entries)
        for payout in document.get("payouts", []):
            _payout(bind, payout, entries)


def _of_journals(bind: Any) -> None:
    """A task had one milestone until now. A journal is never changed but here, under a trigger that is put back."""
    kept = bind.execute(sa.text("SELECT sql FROM sqlite_master WHERE name = 'journals_no_update'")).scalar()
    bind.exec_driver_sql("DROP TRIGGER journals_no_update")
    bind.exec_driver_sql("UPDATE journals SET milestone = 1 WHERE task != ''")
    bind.exec_driver_sql(kept)


def _entries(bind: Any, task: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """(type, time, facts) of the task's log; facts of what is not at hand are empty."""
    found = bind.execute(
        sa.text(
            "SELECT log.type, log.time, events.body FROM log LEFT JOIN events ON events.id = log.id"
            " WHERE log.task = :task ORDER BY log.seq"
        ),
        {"task": task},
    )
    for row in found.all():
        facts: dict[str, Any] = {}
        if row.body:
            facts = json.loads(json.loads(row.body)["content"]).get("facts", {})
        yield row.type, row.time, facts


def _funding(bind: Any, funding: dict[str, Any], entries: list[tuple[str, int, dict[str, Any]]]) -> None:
    ref, over = funding["ref"], funding["state"] in _OVER
    own = [(kind, time) for kind, time, facts in entries if facts.get("funding") == ref]
    held = [time for kind, time in own if kind in ("invoice.accepted", "rollover.completed", "funding.stray")]
    locked = [time for kind, time in own if kind == "ledger.locked"]
    last = locked or [time for kind, time in own if kind != "settlement.started"]
    bind.execute(
        sa.text(
            "UPDATE fundings SET milestone = :m, held_at = :held, ended_at = :ended, preimage = :p WHERE ref = :ref"
        ),
        {
            "ref": ref,
            "m": funding.get("milestone", 1),
            "held": held[0] if held else 0,
            "ended": last[-1] if over and last else 0,
            "p": funding.get("preimage", ""),
        },
    )


def _payout(bind: Any, payout: dict[str, Any], entries: list[tuple[str, int, dict[str, Any]]]) -> None:
    planned = [time for kind, time, _ in entries if kind in _PLANNED]
    over: list[int] = []
    if payout["state"] == "complete":
        over = [time for kind, time, facts in entries if kind == "settlement.started" and facts.get("reason") == "paid"]
        over = over or [time for kind, time, _ in entries if kind == "settlement.completed"]
    elif payout["state"] in ("failed", "abandoned"):
        over = [time for kind, time, _ in entries if kind in _GIVEN_UP]
    bind.execute(
        sa.text('UPDATE payouts SET "to" = :who, at = :at, ended_at = :ended, preimage = :p WHERE ref = :ref'),
        {
            "ref": payout["ref"],
            "who": payout["to"],
            "at": planned[-1] if planned else 0,
            "ended": over[-1] if over else 0,
            "p": payout.get("preimage", ""),
        },
    )
