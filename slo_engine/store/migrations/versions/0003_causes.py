"""Causes of incidents are remembered."""

import sqlalchemy as sa
from alembic import op

from slo_engine.store.types import Id

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table. Nothing is known of incidents before: their causes were kept in messages only."""
    op.create_table(
        "causes",
        sa.Column("id", Id, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("thread", sa.String(64), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("first_seen", sa.Double, nullable=False),
        sa.Column("last_seen", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
    )
    op.create_index("ix_causes_key", "causes", ["key", "first_seen"])
    op.create_index("ix_causes_thread", "causes", ["thread", "ended_at"])
    op.create_index("ix_causes_last_seen", "causes", ["last_seen"])


def downgrade() -> None:
    """Forget the causes."""
    op.drop_table("causes")
