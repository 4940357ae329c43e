"""Posts of the engine's own: what was said of each budget, what happened to it, what is due; and fallback sinks."""

import sqlalchemy as sa
from alembic import op

from slo_engine.store.types import Id

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables. Nothing was said before, so a first sight of each budget is no news."""
    op.add_column("outbox", sa.Column("instead_of", sa.String(100)))
    op.create_table(
        "budget_states",
        sa.Column("service", sa.String(100), primary_key=True),
        sa.Column("slo", sa.String(100), primary_key=True),
        sa.Column("group_labels", sa.Text, primary_key=True),
        sa.Column("evaluated_at", sa.Double, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "crossings",
        sa.Column("id", Id, primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("service", sa.String(100), nullable=False),
        sa.Column("slo", sa.String(100), nullable=False),
        sa.Column("group_labels", sa.Text, nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("crossing", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_crossings_at", "crossings", ["at"])
    op.create_table(
        "post_runs",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("due_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Forget what was said of budgets. What waits for a fallback sink is delivered there all the same."""
    for table in ("post_runs", "crossings", "budget_states"):
        op.drop_table(table)
    op.drop_column("outbox", "instead_of")
