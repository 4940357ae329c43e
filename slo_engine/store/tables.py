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

# One notification of one alert group: what goes out, with its evidence.
pages = Table(
    "pages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),  # the idempotency key of its deliveries
    Column("inbox_id", ForeignKey("inbox.id"), nullable=False),
    Column("received_at", Double, nullable=False),
    Column("group_key", String(64), nullable=False),  # sha256 of receiver and groupKey: orders the deliveries
    Column("receiver", Text, nullable=False),
    Column("status", String(16), nullable=False),  # firing, resolved
    Column("title", Text, nullable=False),
    Column("state", String(16), nullable=False),  # gathering, ready
    Column("message", Text, nullable=False),  # the payload; with annotations and enrichment once it is ready
    Column("ready_at", Double),
    Index("ix_pages_group_key", "group_key", "state", "id"),
    Index("ix_pages_state", "state", "id"),
    sqlite_autoincrement=True,  # an id is never used twice, even when old rows are gone
)

# One row for each page and sink.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("page_id", ForeignKey("pages.id"), nullable=False),
    Column("sink", String(100), nullable=False),
    Column("group_key", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # pending, delivered, dead
    Column("attempts", Integer, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("lease_until", Double, nullable=False),
    Column("lease_token", String(32)),  # fences off a worker that comes back after its lease has passed on
    Column("last_error", Text),
    Column("finished_at", Double),
    Index("ix_outbox_state", "state", "next_at"),
    Index("ix_outbox_sink", "sink", "group_key", "state", "id"),
    Index("ix_outbox_page_id", "page_id"),
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
