"""A hold that was asked for ahead says so in its own row: receipts and exports tell a deposit from other money."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fundings", sa.Column("covers", sa.BigInteger(), nullable=False, server_default="0"))
