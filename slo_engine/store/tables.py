"""The tables. Times are seconds since the epoch, UTC; JSON is text. Changes go through ``migrations/``."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# What Alertmanager posted, byte for byte, before anybody looked at it.
inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("received_at", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),  # pending, processed, quarantined
    Column("error", Text),
    Index("ix_inbox_state", "state", "id"),
    sqlite_autoincrement=True,  # an id is never used twice, even when old rows are gone
)

# What is sent: a notification of one alert group, or a post of our own. Rows of alerts are first without evidence.
messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),  # the idempotency key of its deliveries
    Column("inbox_id", ForeignKey("inbox.id")),  # where it comes from; NULL for what the engine says by itself
    Column("received_at", Double, nullable=False),
    Column("thread", String(64), nullable=False),  # orders the deliveries: for alerts a hash of receiver and groupKey
    Column("kind", String(16), nullable=False),  # firing, resolved, ...
    Column("severity", String(100)),
    Column("title", Text, nullable=False),
    Column("state", String(16), nullable=False),  # gathering, ready
    Column("content", Text, nullable=False),  # payload and evidence: see notifications.message
    Column("ready_at", Double),
    Index("ix_messages_thread", "thread", "state", "id"),
    Index("ix_messages_state", "state", "id"),
    sqlite_autoincrement=True,  # an id is never used twice, even when old rows are gone
)

# One row for each message and sink.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), nullable=False),
    Column("sink", String(100), nullable=False),
    Column("thread", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # pending, delivered, dead
    Column("attempts", Integer, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("lease_token", String(32)),  # fences off a worker that comes back after its lease has passed on
    Column("last_error", Text),
    Column("receipt", Text),  # JSON: what the sink said when it took the message
    Column("finished_at", Double),
    Column("instead_of", String(100)),  # the sink that could not take it; NULL: it was sent here in the first place
    Index("ix_outbox_state", "state", "next_at"),
    Index("ix_outbox_sink", "sink", "thread", "state", "id"),
    Index("ix_outbox_message_id", "message_id"),
    sqlite_autoincrement=True,  # an id is never used twice, even when old rows are gone
)

status_history = Table(
    "status_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("evaluated_at", Double, nullable=False),
    Column("service", String(100), nullable=False),
    Column("slo", String(100), nullable=False),
    Column("group_labels", Text, nullable=False),
    Column("error_budget_remaining", Double),
    Column("status", Text, nullable=False),
    Index("ix_status_history_slo", "service", "slo", "evaluated_at"),
    Index("ix_status_history_evaluated_at", "evaluated_at"),
)

# One row for each cause and incident: the notifications of one thread, from the first to the one that resolves it.
causes = Table(
    "causes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False),  # a hash of what the incident is about, and of the cause
    Column("cause", Text, nullable=False),  # scrubbed
    Column("thread", String(64), nullable=False),
    Column("title", Text, nullable=False),  # of the incident's newest notification, scrubbed
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),  # when the notifications with this cause were received
    Column("ended_at", Double),  # when the incident was resolved; NULL: not that we know
    Index("ix_causes_key", "key", "first_seen"),
    Index("ix_causes_thread", "thread", "ended_at"),
    Index("ix_causes_last_seen", "last_seen"),
)

# What was last said about the budget of each group, so that each crossing is told once.
budget_states = Table(
    "budget_states",
    metadata,
    Column("service", String(100), primary_key=True),
    Column("slo", String(100), primary_key=True),
    Column("group_labels", Text, primary_key=True),
    Column("evaluated_at", Double, nullable=False),  # of the newest status that was looked at
    Column("state", Text, nullable=False),  # JSON: see posts.crossings
)

# What happened to budgets: a level passed, an exhaustion forecast, data lost, a policy in force.
crossings = Table(
    "crossings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("service", String(100), nullable=False),
    Column("slo", String(100), nullable=False),
    Column("group_labels", Text, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("crossing", Text, nullable=False),  # JSON: see posts.crossings
    Index("ix_crossings_at", "at"),
    sqlite_autoincrement=True,  # an id is never used twice, even when old rows are gone
)

# When each scheduled post was last due and made.
post_runs = Table(
    "post_runs",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("due_at", Double, nullable=False),
)
