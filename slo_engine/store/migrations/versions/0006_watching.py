"""The alerts that were passed on in place of Alertmanager."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "reconciled_alerts",
        sa.Column("alert", sa.String(64), primary_key=True),
        sa.Column("told_at", sa.Double, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Forget them: nobody tells that they have ended."""
    op.drop_table("reconciled_alerts")
