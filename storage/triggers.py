"""What the database itself refuses, whatever the code above it does: undeclared states, changed history, lost records."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, text

from handlers.transitions import pairs
from storage.schema import APPEND_ONLY, NEVER_DELETED, allowed

_STATE = """
CREATE TRIGGER tasks_state_{when} BEFORE {when} ON tasks
WHEN NOT EXISTS (SELECT 1 FROM allowed WHERE source = {old} AND target = NEW.state) {changed}
BEGIN SELECT RAISE(ABORT, 'this state may not follow'); END
"""
_FINAL_HASH = """
CREATE TRIGGER payouts_final BEFORE UPDATE ON payouts
WHEN OLD.state IN ('complete', 'failed', 'abandoned') AND NEW.state != OLD.state
BEGIN SELECT RAISE(ABORT, 'a final payout stays as it is'); END
"""
_HEARD_FIXED = """
CREATE TRIGGER heard_fixed BEFORE UPDATE OF id, kind, pubkey, created_at, relay, at, deaf, height, block, raw ON heard
BEGIN SELECT RAISE(ABORT, 'what was heard stays as it was'); END
"""
_INPUT_FIXED = """
CREATE TRIGGER inputs_fixed BEFORE UPDATE OF n, key, sort, "by", body, time, height, block, deaf, entropy, policy ON inputs
BEGIN SELECT RAISE(ABORT, 'what happened stays as it was'); END
"""
_LOG_CHAIN = """
CREATE TRIGGER log_chained BEFORE INSERT ON log
WHEN NEW.seq != 1 + COALESCE((SELECT MAX(seq) FROM log WHERE task = NEW.task), 0)
BEGIN SELECT RAISE(ABORT, 'the log has no gaps'); END
"""


def sqlite_triggers() -> list[str]:
    """The statements, for the first migration; a later change needs a migration of its own."""
    made = [
        _STATE.format(when="UPDATE", old="OLD.state", changed="AND NEW.state != OLD.state"),
        _STATE.format(when="INSERT", old="''", changed=""),
        _FINAL_HASH,
        _HEARD_FIXED,
        _INPUT_FIXED,
        _LOG_CHAIN,
    ]
    for table in APPEND_ONLY:
        made.append(_forbid(table, "UPDATE"))
    for table in (*APPEND_ONLY, *NEVER_DELETED):
        made.append(_forbid(table, "DELETE"))
    return [statement.strip() for statement in made]


def _forbid(table: str, what: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def refill_allowed(tx: Connection) -> None:
    """The states of the literal table as it is in this version of the code."""
    tx.execute(delete(allowed))
    tx.execute(insert(allowed), [{"source": source, "target": target} for source, target in sorted(pairs())])


def integrity(tx: Connection) -> str:
    """'ok', or what SQLite finds wrong with its file."""
    return str(tx.execute(text("PRAGMA quick_check")).scalar())
