"""What is known of each alert, the order across incidents, holds of sinks, leases; sources and priorities."""

import sqlalchemy as sa
from alembic import op

from slo_engine.store.types import Id

revision = "0005"
down_revision = "0004"

_COLUMNS = (
    ("inbox", lambda: sa.Column("source", sa.String(100), nullable=False, server_default="")),
    ("messages", lambda: sa.Column("priority", sa.Integer, nullable=False, server_default="1")),
    ("messages", lambda: sa.Column("identity", sa.String(64))),
    ("messages", lambda: sa.Column("repeats", sa.Integer, nullable=False, server_default="0")),
    ("messages", lambda: sa.Column("alerts", sa.Text)),
    ("messages", lambda: sa.Column("lease_until", sa.Double, nullable=False, server_default="0")),
    ("messages", lambda: sa.Column("lease_token", sa.String(32))),
    ("outbox", lambda: sa.Column("priority", sa.Integer, nullable=False, server_default="1")),
    ("outbox", lambda: sa.Column("form", sa.String(8), nullable=False, server_default="full")),
    ("outbox", lambda: sa.Column("queued_at", sa.Double, nullable=False, server_default="0")),
)


def upgrade() -> None:
    """Add the columns and create the tables. Columns have defaults: an engine of the version before goes on writing
    while others are replaced."""
    for table, column in _COLUMNS:
        op.add_column(table, column())
    pages = "UPDATE {} SET priority = 0 WHERE {} IN (SELECT id FROM messages WHERE severity IN ('page', 'critical'))"
    for table, key in (("outbox", "message_id"), ("messages", "id")):
        op.execute(pages.format(table, key))
    op.execute("UPDATE outbox SET queued_at = (SELECT received_at FROM messages WHERE messages.id = outbox.message_id)")
    op.create_index("ix_outbox_next", "outbox", ["state", "sink", "priority", "message_id"])
    op.create_index("ix_messages_identity", "messages", ["identity", "received_at"])
    op.create_table(
        "alert_states",
        sa.Column("alert", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("starts_at", sa.Text, nullable=False),
        sa.Column("message_id", Id, nullable=False),
        sa.Column("thread", sa.String(64), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
    op.create_index("ix_alert_states_at", "alert_states", ["at"])
    op.create_table(
        "message_order",
        sa.Column("message_id", Id, primary_key=True, autoincrement=False),
        sa.Column("after_id", Id, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "sink_states",
        sa.Column("sink", sa.String(100), primary_key=True),
        sa.Column("held_until", sa.Double, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Forget all that. What was superseded was not delivered, and waits no more."""
    for table in ("leases", "sink_states", "message_order", "alert_states"):
        op.drop_table(table)
    op.execute("UPDATE outbox SET state = 'dead' WHERE state = 'superseded'")
    op.drop_index("ix_messages_identity", "messages")
    op.drop_index("ix_outbox_next", "outbox")
    for table, column in reversed(_COLUMNS):
        op.drop_column(table, column().name)
