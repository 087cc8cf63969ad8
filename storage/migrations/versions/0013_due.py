"""Looks that find little read little: what is pending by when it is due, what is published without its bodies, and the tasks that are
not over."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pending = sa.text("state = 'pending'")
    op.drop_index("events_pending", "events")
    op.create_index("events_pending", "events", ["next_at"], sqlite_where=pending)
    op.create_index("events_finished", "events", ["n", "kind", "state", "id"], sqlite_where=sa.text("state = 'done'"))
    op.drop_index("letters_pending", "letters")
    op.create_index("letters_pending", "letters", ["to", "next_at", "state"], sqlite_where=pending)
    op.drop_index("heard_unopened", "heard")
    op.create_index("heard_unopened", "heard", ["at"], sqlite_where=sa.text("opened = 0"))
    over = sa.text("state not in ('Paid', 'Refunded', 'Expired')")
    op.create_index("tasks_unended", "tasks", ["id"], sqlite_where=over)
