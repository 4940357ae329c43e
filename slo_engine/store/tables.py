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
    Table,
)

from slo_engine.store.types import Id, Words

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
    Column("id", Id, primary_key=True),
    Column("received_at", Double, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", Words(16), nullable=False),  # pending, processed, quarantined
    Column("error", Words()),
    Column("source", Words(100), nullable=False, server_default=""),  # of the settings; empty: the one without a name
    Index("ix_inbox_state", "state", "id"),
    sqlite_autoincrement=True,  # an id is never used twice, even when old rows are gone
)

# What is sent: a notification of one alert group, or a post of our own. Rows of alerts are first without evidence.
messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Words(64), nullable=False, unique=True),  # the idempotency key of its deliveries
    Column("inbox_id", ForeignKey("inbox.id")),  # where it comes from; NULL for what the engine says by itself
    Column("received_at", Double, nullable=False),
    Column("thread", Words(64), nullable=False),  # orders the deliveries: for alerts a hash of receiver and groupKey
    Column("kind", Words(16), nullable=False),  # firing, resolved, ...
    Column("severity", Words(100)),
    Column("title", Words(), nullable=False),
    Column("state", Words(16), nullable=False),  # gathering, ready
    Column("content", Words(), nullable=False),  # payload and evidence: see notifications.message
    Column("ready_at", Double),
    Column("priority", Integer, nullable=False, server_default="1"),  # 0: pages, which leave first
    Column("identity", Words(64)),  # what the Alertmanagers of a cluster say alike; NULL: of what we say ourselves
    Column("repeats", Integer, nullable=False, server_default="0"),  # how often it had been said before
    Column("alerts", Words()),  # JSON: the alerts it tells of, by their keys in alert_states
    Column("lease_until", Double, nullable=False, server_default="0"),
    Column("lease_token", Words(32)),  # of whoever gathers its evidence
    Index("ix_messages_identity", "identity", "received_at"),
    Index("ix_messages_thread", "thread", "state", "id"),
    Index("ix_messages_state", "state", "id"),
    sqlite_autoincrement=True,  # an id is never used twice, even when old rows are gone
)

# One row for each message and sink.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", ForeignKey("messages.id"), nullable=False),
    Column("sink", Words(100), nullable=False),
    Column("thread", Words(64), nullable=False),
    Column("state", Words(16), nullable=False),  # pending, delivered, superseded, dead
    Column("attempts", Integer, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("lease_token", Words(32)),  # fences off a worker that comes back after its lease has passed on
    Column("last_error", Words()),
    Column("receipt", Words()),  # JSON: what the sink said when it took the message
    Column("finished_at", Double),
    Column("instead_of", Words(100)),  # the sink that could not take it; NULL: it was sent here in the first place
    Column("priority", Integer, nullable=False, server_default="1"),  # that of the message
    Column("form", Words(8), nullable=False, server_default="full"),  # full; plain: without its evidence
    Column("queued_at", Double, nullable=False, server_default="0"),  # when it was put here, or sent again by a person
    Index("ix_outbox_next", "state", "sink", "priority", "message_id"),
    Index("ix_outbox_state", "state", "next_at"),
    Index("ix_outbox_sink", "sink", "thread", "state", "id"),
    Index("ix_outbox_message_id", "message_id"),
    sqlite_autoincrement=True,  # an id is never used twice, even when old rows are gone
)

# The newest that is known of each alert: which message told it, and of which episode.
alert_states = Table(
    "alert_states",
    metadata,
    Column("alert", Words(64), primary_key=True),  # a hash of source and fingerprint
    Column("source", Words(100), nullable=False),
    Column("fingerprint", Words(), nullable=False),
    Column("status", Words(16), nullable=False),  # firing, resolved
    Column("starts_at", Words(), nullable=False),  # to the millisecond: with the alert, it names the episode
    Column("message_id", Id, nullable=False),
    Column("thread", Words(64), nullable=False),
    Column("at", Double, nullable=False),  # when that was received
    Index("ix_alert_states_at", "at"),
)

# Messages of different threads that tell of the same alert: each is delivered after the one before.
message_order = Table(
    "message_order",
    metadata,
    Column("message_id", Id, primary_key=True),
    Column("after_id", Id, primary_key=True),
)

# Sinks that are left alone for a while, whoever delivers.
sink_states = Table(
    "sink_states",
    metadata,
    Column("sink", Words(100), primary_key=True),
    Column("held_until", Double, nullable=False),
    Column("failures", Integer, nullable=False),  # without a success between them
    Column("reason", Words(), nullable=False),
    Column("since", Double, nullable=False),  # when the first of them was
)

# What one engine of several does for all.
leases = Table(
    "leases",
    metadata,
    Column("name", Words(100), primary_key=True),
    Column("holder", Words(200), nullable=False),
    Column("token", Words(32), nullable=False),
    Column("lease_until", Double, nullable=False),
)

status_history = Table(
    "status_history",
    metadata,
    Column("id", Id, primary_key=True),
    Column("evaluated_at", Double, nullable=False),
    Column("service", Words(100), nullable=False),
    Column("slo", Words(100), nullable=False),
    Column("group_labels", Words(), nullable=False),
    Column("error_budget_remaining", Double),
    Column("status", Words(), nullable=False),
    Index("ix_status_history_slo", "service", "slo", "evaluated_at"),
    Index("ix_status_history_evaluated_at", "evaluated_at"),
)

# One row for each cause and incident: the notifications of one thread, from the first to the one that resolves it.
incident_notes = Table(
    "incident_notes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("incident", Words(100), nullable=False),  # the key of its first message
    Column("thread", Words(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("author", Words(200), nullable=False),
    Column("kind", Words(20), nullable=False),  # "note" or "cause"
    Column("text", Words(), nullable=False),
    Index("ix_incident_notes_incident", "incident"),
    Index("ix_incident_notes_thread", "thread", "at"),
)

causes = Table(
    "causes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Words(64), nullable=False),  # a hash of what the incident is about, and of the cause
    Column("cause", Words(), nullable=False),  # scrubbed
    Column("thread", Words(64), nullable=False),
    Column("title", Words(), nullable=False),  # of the incident's newest notification, scrubbed
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
    Column("service", Words(100), primary_key=True),
    Column("slo", Words(100), primary_key=True),
    Column("group_labels", Words(), primary_key=True),
    Column("evaluated_at", Double, nullable=False),  # of the newest status that was looked at
    Column("state", Words(), nullable=False),  # JSON: see posts.crossings
)

# What happened to budgets: a level passed, an exhaustion forecast, data lost, a policy in force.
crossings = Table(
    "crossings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Double, nullable=False),
    Column("service", Words(100), nullable=False),
    Column("slo", Words(100), nullable=False),
    Column("group_labels", Words(), nullable=False),
    Column("kind", Words(24), nullable=False),
    Column("crossing", Words(), nullable=False),  # JSON: see posts.crossings
    Index("ix_crossings_at", "at"),
    sqlite_autoincrement=True,  # an id is never used twice, even when old rows are gone
)

# When each scheduled post was last due and made.
post_runs = Table(
    "post_runs",
    metadata,
    Column("name", Words(100), primary_key=True),
    Column("due_at", Double, nullable=False),
)

# Alerts that Alertmanager did not send, and that were passed on in its place, until they end or it sends them.
reconciled_alerts = Table(
    "reconciled_alerts",
    metadata,
    Column("alert", Words(64), primary_key=True),  # a hash of receiver, group and fingerprint
    Column("told_at", Double, nullable=False),
    Column("payload", Words(), nullable=False),  # JSON: the notification as it was passed on
)
