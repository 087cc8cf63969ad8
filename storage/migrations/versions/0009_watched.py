"""The holds that may still change are read in pages, in the order of their refs."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0005"
branch_labels = None
depends_on = None

_WATCHED = sa.text("state in ('created', 'pending', 'accepted', 'lost')")


def upgrade() -> None:
    op.drop_index("fundings_watched", table_name="fundings")
    op.create_index("fundings_watched", "fundings", ["ref"], sqlite_where=_WATCHED)
