"""The first tables: inbox, pages, outbox, status history."""

import sqlalchemy as sa
from alembic import op

from slo_engine.store.types import Id

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "inbox",
        sa.Column("id", Id, primary_key=True),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_state", "inbox", ["state", "id"])
    op.create_table(
        "pages",
        sa.Column("id", Id, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("inbox_id", Id, sa.ForeignKey("inbox.id"), nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("group_key", sa.String(64), nullable=False),
        sa.Column("receiver", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("ready_at", sa.Double),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pages_group_key", "pages", ["group_key", "state", "id"])
    op.create_index("ix_pages_state", "pages", ["state", "id"])
    op.create_table(
        "outbox",
        sa.Column("id", Id, primary_key=True),
        sa.Column("page_id", Id, sa.ForeignKey("pages.id"), nullable=False),
        sa.Column("sink", sa.String(100), nullable=False),
        sa.Column("group_key", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Double, nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("lease_token", sa.String(32)),
        sa.Column("last_error", sa.Text),
        sa.Column("finished_at", sa.Double),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_state", "outbox", ["state", "next_at"])
    op.create_index("ix_outbox_sink", "outbox", ["sink", "group_key", "state", "id"])
    op.create_index("ix_outbox_page_id", "outbox", ["page_id"])
    op.create_table(
        "status_history",
        sa.Column("id", Id, primary_key=True),
        sa.Column("evaluated_at", sa.Double, nullable=False),
        sa.Column("service", sa.String(100), nullable=False),
        sa.Column("slo", sa.String(100), nullable=False),
        sa.Column("group_labels", sa.Text, nullable=False),
        sa.Column("error_budget_remaining", sa.Double),
        sa.Column("status", sa.Text, nullable=False),
    )
    op.create_index("ix_status_history_slo", "status_history", ["service", "slo", "evaluated_at"])
    op.create_index("ix_status_history_evaluated_at", "status_history", ["evaluated_at"])


def downgrade() -> None:
    """Remove the tables, and all that is in them."""
    for table in ("status_history", "outbox", "pages", "inbox"):
        op.drop_table(table)
