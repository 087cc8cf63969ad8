"""The first schema.

It creates the tables as the code of its time declared them, and the triggers; later revisions spell out their changes.
"""

from alembic import op

from storage.schema import metadata
from storage.triggers import sqlite_triggers

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    metadata.create_all(connection)
    for statement in sqlite_triggers():
        connection.exec_driver_sql(statement)
