"""Reward, fee budget, fee and insurance belong to a milestone, of which a task may have several."""

from alembic import op

revision = "0010"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOVED = ("budget", "fee", "insurance")


def upgrade() -> None:
    pairs = ", ".join(f"'$.milestones[0].{name}', coalesce(json_extract(document, '$.{name}'), 0)" for name in _MOVED)
    gone = ", ".join(f"'$.{name}'" for name in ("reward", *_MOVED))
    op.execute(f"UPDATE tasks SET document = json_remove(json_set(document, {pairs}), {gone})")
