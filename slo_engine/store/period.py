"""What happened in a stretch of time: notifications of alerts, causes, crossings. Times are Unix seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from slo_engine.store.tables import causes, crossings, messages

ALERT_KINDS = ("firing", "resolved")
"""Of messages: what Alertmanager said. All others are the engine's own."""


@dataclass(frozen=True)
class Notification:
    """A notification of alerts, without its contents."""

    received_at: float
    thread: str
    kind: str
    severity: str | None
    title: str


@dataclass(frozen=True)
class NotedCause:
    """A cause in one incident."""

    cause: str
    thread: str
    title: str
    first_seen: float
    last_seen: float
    ended_at: float | None


@dataclass(frozen=True)
class NotedCrossing:
    """Something that happened to a budget."""

    at: float
    service: str
    slo: str
    group: Mapping[str, str]
    kind: str
    crossing: Mapping[str, Any]


def notifications_since(connection: Connection, since: float) -> list[Notification]:
    """Those of alerts, oldest first."""
    columns = (messages.c.received_at, messages.c.thread, messages.c.kind, messages.c.severity, messages.c.title)
    wanted = (messages.c.received_at >= since, messages.c.kind.in_(ALERT_KINDS))
    rows = connection.execute(select(*columns).where(*wanted).order_by(messages.c.received_at, messages.c.id))
    return [Notification(*row) for row in rows]


def causes_since(connection: Connection, since: float) -> list[NotedCause]:
    """Those that were seen, or whose incident ended, since then; the first seen first."""
    columns = (causes.c.cause, causes.c.thread, causes.c.title, causes.c.first_seen, causes.c.last_seen)
    wanted = (causes.c.last_seen >= since) | (causes.c.ended_at >= since)
    rows = connection.execute(
        select(*columns, causes.c.ended_at).where(wanted).order_by(causes.c.first_seen, causes.c.id)
    )
    return [NotedCause(*row) for row in rows]


def crossings_between(connection: Connection, start: float, end: float) -> list[NotedCrossing]:
    """In the order in which they happened."""
    rows = connection.execute(
        select(crossings).where(crossings.c.at >= start, crossings.c.at < end).order_by(crossings.c.at, crossings.c.id)
    )
    return [
        NotedCrossing(row.at, row.service, row.slo, _mapping(row.group_labels), row.kind, _mapping(row.crossing))
        for row in rows
    ]


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
