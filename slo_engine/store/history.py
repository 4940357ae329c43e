"""The history of SLO status."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from slo_engine.store.tables import status_history


@dataclass(frozen=True)
class StatusRow:
    """The status of one SLO group at one time."""

    evaluated_at: float
    service: str
    slo: str
    group: Mapping[str, str]
    error_budget_remaining: float | None
    status: Mapping[str, Any]


def append(connection: Connection, rows: Iterable[StatusRow]) -> None:
    """Add the rows of one evaluation."""
    values = [
        {
            "evaluated_at": row.evaluated_at,
            "service": row.service,
            "slo": row.slo,
            "group_labels": _group(row.group),
            "error_budget_remaining": row.error_budget_remaining,
            "status": json.dumps(row.status, separators=(",", ":")),
        }
        for row in rows
    ]
    if values:
        connection.execute(insert(status_history), values)


def of_slo(connection: Connection, service: str, slo: str, since: float) -> list[StatusRow]:
    """What was recorded for an SLO since a time, oldest first."""
    rows = (
        select(status_history)
        .where(
            status_history.c.service == service,
            status_history.c.slo == slo,
            status_history.c.evaluated_at >= since,
        )
        .order_by(status_history.c.evaluated_at, status_history.c.id)
    )
    return [
        StatusRow(
            row.evaluated_at,
            row.service,
            row.slo,
            json.loads(row.group_labels),
            row.error_budget_remaining,
            json.loads(row.status),
        )
        for row in connection.execute(rows)
    ]


def forget_before(connection: Connection, time: float) -> int:
    """Remove what is older than ``time``. Returns how many rows went."""
    return connection.execute(delete(status_history).where(status_history.c.evaluated_at < time)).rowcount


def _group(group: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(group.items())), separators=(",", ":"))
