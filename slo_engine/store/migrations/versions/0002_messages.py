"""Messages of any origin instead of pages; the outbox keeps what sinks answer."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Carry over pages and their deliveries. What was ready keeps its evidence in its payload, as it was to be sent."""
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("inbox_id", sa.Integer, sa.ForeignKey("inbox.id")),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("thread", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(100)),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("ready_at", sa.Double),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO messages (id, key, inbox_id, received_at, thread, kind, title, state, content, ready_at) "
        "SELECT id, key, inbox_id, received_at, group_key, status, title, state, "
        "'{\"evidence\": null, \"payload\": ' || message || '}', ready_at FROM pages"
    )
    op.create_table(
        "outbox_of_messages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("message_id", sa.Integer, sa.ForeignKey("messages.id"), nullable=False),
        sa.Column("sink", sa.String(100), nullable=False),
        sa.Column("thread", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.Double, nullable=False),
        sa.Column("lease_until", sa.Double, nullable=False),
        sa.Column("lease_token", sa.String(32)),
        sa.Column("last_error", sa.Text),
        sa.Column("receipt", sa.Text),
        sa.Column("finished_at", sa.Double),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO outbox_of_messages (id, message_id, sink, thread, state, attempts, next_at, lease_until, "
        "lease_token, last_error, finished_at) SELECT id, page_id, sink, group_key, state, attempts, next_at, "
        "lease_until, lease_token, last_error, finished_at FROM outbox"
    )
    # Ids go on from where they were, even when the newest rows are gone.
    for old, new in (("pages", "messages"), ("outbox", "outbox_of_messages")):
        op.execute(f"DELETE FROM sqlite_sequence WHERE name = '{new}'")  # noqa: S608 - names that stand here
        op.execute(
            f"INSERT INTO sqlite_sequence (name, seq) SELECT '{new}', seq FROM sqlite_sequence "  # noqa: S608
            f"WHERE name = '{old}'"
        )
    op.drop_table("outbox")
    op.drop_table("pages")
    op.rename_table("outbox_of_messages", "outbox")
    op.create_index("ix_messages_thread", "messages", ["thread", "state", "id"])
    op.create_index("ix_messages_state", "messages", ["state", "id"])
    op.create_index("ix_outbox_state", "outbox", ["state", "next_at"])
    op.create_index("ix_outbox_sink", "outbox", ["sink", "thread", "state", "id"])
    op.create_index("ix_outbox_message_id", "outbox", ["message_id"])
