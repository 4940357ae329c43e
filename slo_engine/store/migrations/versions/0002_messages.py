"""Messages of any origin instead of pages; the outbox keeps what sinks answer."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from slo_engine.scrub.outgoing import outgoing, outgoing_text
from slo_engine.store.types import Id

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Carry over pages and their deliveries. What was ready keeps its evidence in its payload, as it was to be sent but
    for what the scrubber masks: nothing leaves without it any more."""
    op.create_table(
        "messages",
        sa.Column("id", Id, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("inbox_id", Id, sa.ForeignKey("inbox.id")),
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
    connection = op.get_bind()
    kept = sa.text(
        "INSERT INTO messages SELECT id, key, inbox_id, received_at, group_key, status, :severity, :title, state, "
        ":content, ready_at FROM pages WHERE id = :id"
    )
    for page_id in connection.execute(sa.text("SELECT id FROM pages ORDER BY id")).scalars().all():
        page = connection.execute(sa.text("SELECT * FROM pages WHERE id = :id"), {"id": page_id}).one()
        payload = json.loads(page.message)
        content = {"evidence": None, "payload": outgoing(payload) if page.state == "ready" else payload}
        values = {"id": page_id, "title": outgoing_text(page.title), "content": json.dumps(content)}
        connection.execute(kept, {**values, "severity": _severity(payload)})
    op.create_table(
        "outbox_of_messages",
        sa.Column("id", Id, primary_key=True),
        sa.Column("message_id", Id, sa.ForeignKey("messages.id", name="fk_outbox_message_id"), nullable=False),
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
    _go_on_counting("pages", "messages")
    _go_on_counting("outbox", "outbox_of_messages")
    op.drop_table("outbox")
    op.drop_table("pages")
    op.rename_table("outbox_of_messages", "outbox")
    op.create_index("ix_messages_thread", "messages", ["thread", "state", "id"])
    op.create_index("ix_messages_state", "messages", ["state", "id"])
    op.create_index("ix_outbox_state", "outbox", ["state", "next_at"])
    op.create_index("ix_outbox_sink", "outbox", ["sink", "thread", "state", "id"])
    op.create_index("ix_outbox_message_id", "outbox", ["message_id"])


def downgrade() -> None:
    """Pages again: of messages those that came from Alertmanager. What the engine says by itself is gone, and so are
    the answers of sinks."""
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
    connection = op.get_bind()
    kept = sa.text(
        "INSERT INTO pages SELECT id, key, inbox_id, received_at, thread, :receiver, kind, title, state, :message, "
        "ready_at FROM messages WHERE id = :id"
    )
    of_alerts = sa.text("SELECT id, content FROM messages WHERE inbox_id IS NOT NULL ORDER BY id")
    for message in connection.execute(of_alerts).all():
        payload = json.loads(message.content)["payload"] or {}
        values = {"id": message.id, "receiver": str(payload.get("receiver") or ""), "message": json.dumps(payload)}
        connection.execute(kept, values)
    op.create_table(
        "outbox_of_pages",
        sa.Column("id", Id, primary_key=True),
        sa.Column("page_id", Id, sa.ForeignKey("pages.id", name="fk_outbox_page_id"), nullable=False),
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
    op.execute(
        "INSERT INTO outbox_of_pages SELECT id, message_id, sink, thread, state, attempts, next_at, lease_until, "
        "lease_token, last_error, finished_at FROM outbox WHERE message_id IN (SELECT id FROM pages)"
    )
    _go_on_counting("messages", "pages")
    _go_on_counting("outbox", "outbox_of_pages")
    op.drop_table("outbox")
    op.drop_table("messages")
    op.rename_table("outbox_of_pages", "outbox")
    op.create_index("ix_pages_group_key", "pages", ["group_key", "state", "id"])
    op.create_index("ix_pages_state", "pages", ["state", "id"])
    op.create_index("ix_outbox_state", "outbox", ["state", "next_at"])
    op.create_index("ix_outbox_sink", "outbox", ["sink", "group_key", "state", "id"])
    op.create_index("ix_outbox_page_id", "outbox", ["page_id"])


def _go_on_counting(old: str, new: str) -> None:
    """Ids go on from where they were, even when the newest rows are gone."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DELETE FROM sqlite_sequence WHERE name = '{new}'")  # noqa: S608 - names that stand here
        op.execute(
            f"INSERT INTO sqlite_sequence (name, seq) SELECT '{new}', seq FROM sqlite_sequence "  # noqa: S608
            f"WHERE name = '{old}'"
        )
    else:
        found = op.get_bind().execute(sa.text(f"SELECT pg_get_serial_sequence('{old}', 'id')")).scalar_one()
        op.execute(f"SELECT setval(pg_get_serial_sequence('{new}', 'id'), last_value, is_called) FROM {found}")  # noqa: S608


def _severity(payload: Any) -> str | None:
    """``page`` if one of the alerts is a page, else the first there is."""
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    labels = [each.get("labels") for each in alerts if isinstance(each, dict)] if isinstance(alerts, list) else []
    found = [str(each.get("severity") or "") for each in labels if isinstance(each, dict)]
    severity = "page" if "page" in found else next(filter(None, found), None)
    return None if severity is None else outgoing_text(severity)[:100]
