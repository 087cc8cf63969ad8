"""Which tasks are open for a claim is a column of its own: those with money, and those that hire before there is any."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("tasks_open", "tasks")
    op.add_column("tasks", sa.Column("open", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE tasks SET open = 1 WHERE state = 'Funded' AND phase = ''")
    op.create_index("tasks_open", "tasks", ["state_at"], sqlite_where=sa.text("open = 1"))
