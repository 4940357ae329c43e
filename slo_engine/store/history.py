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
            "group_labels": group_key(row.group),
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
    return [_row(row) for row in connection.execute(rows)]


def forget_before(connection: Connection, time: float) -> int:
    """Remove what is older than ``time``. Returns how many rows went."""
    return connection.execute(delete(status_history).where(status_history.c.evaluated_at < time)).rowcount


def group_key(group: Mapping[str, str]) -> str:
    """The labels of a group as one text, whatever their order."""
    return json.dumps(dict(sorted(group.items())), separators=(",", ":"))


def _row(row: Any) -> StatusRow:
    return StatusRow(
        row.evaluated_at,
        row.service,
        row.slo,
        json.loads(row.group_labels),
        row.error_budget_remaining,
        json.loads(row.status),
    )


def of_group(
    connection: Connection, service: str, slo: str, group: Mapping[str, str], since: float, until: float | None = None
) -> list[StatusRow]:
    """What was recorded for one group since a time, and ``until`` another one, oldest first."""
    wanted = [
        status_history.c.service == service,
        status_history.c.slo == slo,
        status_history.c.group_labels == group_key(group),
        status_history.c.evaluated_at >= since,
    ]
    if until is not None:
        wanted.append(status_history.c.evaluated_at <= until)
    rows = select(status_history).where(*wanted).order_by(status_history.c.evaluated_at, status_history.c.id)
    return [_row(row) for row in connection.execute(rows)]


def remaining_between(connection: Connection, since: float, until: float) -> dict[tuple[str, str, str], float | None]:
    """What was left of every budget, as the newest record of a span of time has it: by service, SLO and group (as
    `group_key` writes it)."""
    rows = (
        select(
            status_history.c.service,
            status_history.c.slo,
            status_history.c.group_labels,
            status_history.c.error_budget_remaining,
        )
        .where(status_history.c.evaluated_at >= since, status_history.c.evaluated_at < until)
        .order_by(status_history.c.evaluated_at)
    )
    return {(row[0], row[1], row[2]): row[3] for row in connection.execute(rows)}
