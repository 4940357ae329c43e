"""What people write to an incident."""

import sqlalchemy as sa
from alembic import op

from slo_engine.store.types import Id

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "incident_notes",
        sa.Column("id", Id, primary_key=True),
        sa.Column("incident", sa.String(100), nullable=False),
        sa.Column("thread", sa.String(64), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("ix_incident_notes_incident", "incident_notes", ["incident"])
    op.create_index("ix_incident_notes_thread", "incident_notes", ["thread", "at"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("incident_notes")
