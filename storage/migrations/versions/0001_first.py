"""The first schema, spelled out: later versions of the code change it by revisions of their own, never here."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TRIGGERS = [
    "CREATE TRIGGER tasks_state_UPDATE BEFORE UPDATE ON tasks\nWHEN NOT EXISTS (SELECT 1 FROM allowed WHERE source = OLD.state AND target = NEW.state) AND NEW.state != OLD.state\nBEGIN SELECT RAISE(ABORT, 'this state may not follow'); END",
    "CREATE TRIGGER tasks_state_INSERT BEFORE INSERT ON tasks\nWHEN NOT EXISTS (SELECT 1 FROM allowed WHERE source = '' AND target = NEW.state) \nBEGIN SELECT RAISE(ABORT, 'this state may not follow'); END",
    "CREATE TRIGGER payouts_final BEFORE UPDATE ON payouts\nWHEN OLD.state IN ('complete', 'failed', 'abandoned') AND NEW.state != OLD.state\nBEGIN SELECT RAISE(ABORT, 'a final payout stays as it is'); END",
    "CREATE TRIGGER heard_fixed BEFORE UPDATE OF id, kind, pubkey, created_at, relay, at, deaf, height, block, raw ON heard\nBEGIN SELECT RAISE(ABORT, 'what was heard stays as it was'); END",
    "CREATE TRIGGER inputs_fixed BEFORE UPDATE OF n, key, sort, \"by\", body, time, height, block, deaf, entropy, policy ON inputs\nBEGIN SELECT RAISE(ABORT, 'what happened stays as it was'); END",
    "CREATE TRIGGER log_chained BEFORE INSERT ON log\nWHEN NEW.seq != 1 + COALESCE((SELECT MAX(seq) FROM log WHERE task = NEW.task), 0)\nBEGIN SELECT RAISE(ABORT, 'the log has no gaps'); END",
    "CREATE TRIGGER log_no_update BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'log is append-only'); END",
    "CREATE TRIGGER chain_no_update BEFORE UPDATE ON chain BEGIN SELECT RAISE(ABORT, 'chain is append-only'); END",
    "CREATE TRIGGER credits_no_update BEFORE UPDATE ON credits BEGIN SELECT RAISE(ABORT, 'credits is append-only'); END",
    "CREATE TRIGGER payment_hashes_no_update BEFORE UPDATE ON payment_hashes BEGIN SELECT RAISE(ABORT, 'payment_hashes is append-only'); END",
    "CREATE TRIGGER policies_no_update BEFORE UPDATE ON policies BEGIN SELECT RAISE(ABORT, 'policies is append-only'); END",
    "CREATE TRIGGER log_no_delete BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'log is append-only'); END",
    "CREATE TRIGGER chain_no_delete BEFORE DELETE ON chain BEGIN SELECT RAISE(ABORT, 'chain is append-only'); END",
    "CREATE TRIGGER credits_no_delete BEFORE DELETE ON credits BEGIN SELECT RAISE(ABORT, 'credits is append-only'); END",
    "CREATE TRIGGER payment_hashes_no_delete BEFORE DELETE ON payment_hashes BEGIN SELECT RAISE(ABORT, 'payment_hashes is append-only'); END",
    "CREATE TRIGGER policies_no_delete BEFORE DELETE ON policies BEGIN SELECT RAISE(ABORT, 'policies is append-only'); END",
    "CREATE TRIGGER heard_no_delete BEFORE DELETE ON heard BEGIN SELECT RAISE(ABORT, 'heard is append-only'); END",
    "CREATE TRIGGER inputs_no_delete BEFORE DELETE ON inputs BEGIN SELECT RAISE(ABORT, 'inputs is append-only'); END",
    "CREATE TRIGGER tasks_no_delete BEFORE DELETE ON tasks BEGIN SELECT RAISE(ABORT, 'tasks is append-only'); END",
    "CREATE TRIGGER fundings_no_delete BEFORE DELETE ON fundings BEGIN SELECT RAISE(ABORT, 'fundings is append-only'); END",
    "CREATE TRIGGER payouts_no_delete BEFORE DELETE ON payouts BEGIN SELECT RAISE(ABORT, 'payouts is append-only'); END",
    "CREATE TRIGGER effects_no_delete BEFORE DELETE ON effects BEGIN SELECT RAISE(ABORT, 'effects is append-only'); END",
    "CREATE TRIGGER incidents_no_delete BEFORE DELETE ON incidents BEGIN SELECT RAISE(ABORT, 'incidents is append-only'); END",
]


def upgrade() -> None:
    op.create_table(
        "allowed",
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("target", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("source", "target"),
    )
    op.create_table(
        "chain",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "credits",
        sa.Column("task", sa.String(length=13), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("pubkey", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("task", "n"),
    )
    op.create_index(op.f("ix_credits_pubkey"), "credits", ["pubkey"], unique=False)
    op.create_table(
        "effects",
        sa.Column("n", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("task", sa.String(length=13), nullable=False),
        sa.Column("sort", sa.String(length=12), nullable=False),
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), server_default="new", nullable=False),
        sa.Column("started_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sqlite_autoincrement=True,
    )
    op.create_index("effects_open", "effects", ["n"], unique=False, sqlite_where=sa.text("state != 'done'"))
    op.create_table(
        "events",
        sa.Column("n", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("signed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("acked", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.String(length=10), server_default="pending", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "events_address",
        "events",
        ["address"],
        unique=False,
        sqlite_where=sa.text("address != '' and state != 'superseded'"),
    )
    op.create_index("events_pending", "events", ["n"], unique=False, sqlite_where=sa.text("state = 'pending'"))
    op.create_table(
        "fundings",
        sa.Column("ref", sa.String(length=24), nullable=False),
        sa.Column("task", sa.String(length=13), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("goal", sa.String(length=8), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("payment_hash", sa.String(length=64), nullable=False),
        sa.Column("payer", sa.String(length=64), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("expiry_height", sa.Integer(), nullable=False),
        sa.Column("seen", sa.String(length=64), server_default="", nullable=False),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("ref"),
    )
    op.create_index("fundings_payer", "fundings", ["payer", "asked"], unique=False)
    op.create_index(
        "fundings_watched",
        "fundings",
        ["state"],
        unique=False,
        sqlite_where=sa.text("state in ('created', 'pending', 'accepted', 'lost')"),
    )
    op.create_index(op.f("ix_fundings_task"), "fundings", ["task"], unique=False)
    op.create_table(
        "heard",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("pubkey", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("deaf", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("block", sa.String(length=64), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("opened", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("heard_kind", "heard", ["kind", "created_at"], unique=False)
    op.create_index("heard_unopened", "heard", ["opened"], unique=False, sqlite_where=sa.text("opened = 0"))
    op.create_table(
        "house",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "incidents",
        sa.Column("n", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("task", sa.String(length=13), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sa.UniqueConstraint("code", "task", "facts"),
    )
    op.create_table(
        "inputs",
        sa.Column("n", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sort", sa.String(length=16), nullable=False),
        sa.Column("task", sa.String(length=13), nullable=True),
        sa.Column("by", sa.String(length=64), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("block", sa.String(length=64), nullable=False),
        sa.Column("deaf", sa.BigInteger(), nullable=False),
        sa.Column("entropy", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), server_default="new", nullable=False),
        sa.Column("result", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sa.UniqueConstraint("key"),
        sqlite_autoincrement=True,
    )
    op.create_index("inputs_new", "inputs", ["n"], unique=False, sqlite_where=sa.text("state = 'new'"))
    op.create_index("inputs_stuck", "inputs", ["n"], unique=False, sqlite_where=sa.text("state = 'stuck'"))
    op.create_table(
        "letters",
        sa.Column("n", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("task", sa.String(length=13), nullable=True),
        sa.Column("to", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=6), nullable=False),
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("reply_to", sa.String(length=64), server_default="", nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.String(length=8), server_default="pending", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_letters_source"), "letters", ["source"], unique=False)
    op.create_index("letters_pending", "letters", ["n"], unique=False, sqlite_where=sa.text("state = 'pending'"))
    op.create_table(
        "log",
        sa.Column("task", sa.String(length=13), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("deaf", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("block", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("task", "seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "payment_hashes",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("ref", sa.String(length=24), nullable=False),
        sa.Column("task", sa.String(length=13), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "payouts",
        sa.Column("ref", sa.String(length=24), nullable=False),
        sa.Column("task", sa.String(length=13), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("from_credit", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("budget", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("payment_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("ref"),
    )
    op.create_index(op.f("ix_payouts_task"), "payouts", ["task"], unique=False)
    op.create_index(
        "payouts_active",
        "payouts",
        ["task", "role"],
        unique=True,
        sqlite_where=sa.text("from_credit = 0 and state in ('planned', 'claimed', 'in_flight', 'complete')"),
        postgresql_where=sa.text("from_credit = 0 and state in ('planned', 'claimed', 'in_flight', 'complete')"),
    )
    op.create_table(
        "people",
        sa.Column("pubkey", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=6), nullable=False),
        sa.Column("form", sa.String(length=4), nullable=False),
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("relays", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pubkey"),
    )
    op.create_table(
        "policies",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=13), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("pinned", sa.String(length=64), nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("employer", sa.String(length=64), nullable=False),
        sa.Column("worker", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("phase", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.Column("state_at", sa.BigInteger(), nullable=False),
        sa.Column("due_heard", sa.BigInteger(), nullable=True),
        sa.Column("due_time", sa.BigInteger(), nullable=True),
        sa.Column("due_height", sa.Integer(), nullable=True),
        sa.Column("ticked", sa.Text(), server_default="", nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("address"),
        sa.UniqueConstraint("pinned"),
    )
    op.create_index(op.f("ix_tasks_due_heard"), "tasks", ["due_heard"], unique=False)
    op.create_index(op.f("ix_tasks_due_height"), "tasks", ["due_height"], unique=False)
    op.create_index(op.f("ix_tasks_due_time"), "tasks", ["due_time"], unique=False)
    op.create_index(op.f("ix_tasks_employer"), "tasks", ["employer"], unique=False)
    op.create_index(op.f("ix_tasks_worker"), "tasks", ["worker"], unique=False)
    op.create_index("tasks_open", "tasks", ["state"], unique=False, sqlite_where=sa.text("state = 'Funded'"))
    for statement in TRIGGERS:
        op.get_bind().exec_driver_sql(statement)
