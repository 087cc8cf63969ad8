"""The house's own books. What earlier versions kept of routing budgets stands in their tasks, and is booked at their last change."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TRIGGERS = [
    "CREATE TRIGGER bookings_no_update BEFORE UPDATE ON bookings BEGIN SELECT RAISE(ABORT, 'bookings is append-only'); END",
    "CREATE TRIGGER bookings_no_delete BEFORE DELETE ON bookings BEGIN SELECT RAISE(ABORT, 'bookings is append-only'); END",
]


def upgrade() -> None:
    bookings = op.create_table(
        "bookings",
        sa.Column("n", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.String(length=13), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sqlite_autoincrement=True,
    )
    tasks = op.get_bind().execute(sa.text("SELECT id, state_at, document FROM tasks ORDER BY state_at, id")).all()
    kept = [(row, json.loads(row.document).get("insurance", 0)) for row in tasks]
    lines = [
        {"at": row.state_at, "task": row.id, "account": "insurance", "amount": amount} for row, amount in kept if amount
    ]
    if lines:
        op.bulk_insert(bookings, lines)
    for statement in TRIGGERS:
        op.get_bind().exec_driver_sql(statement)
