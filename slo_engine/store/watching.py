"""What the engine remembers of watching itself: marks, and the alerts that it passed on in place of Alertmanager."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, literal, select, update

from slo_engine.store.tables import (
    alert_states,
    inbox,
    messages,
    outbox,
    post_runs,
    reconciled_alerts,
)

_MANY = 500
"""Parameters of one statement; databases have limits."""


@dataclass(frozen=True)
class ArrivedAlert:
    """The newest that came of an alert. ``starts_at``: as posted. ``at``: Unix seconds."""

    status: str
    starts_at: str
    at: float


@dataclass(frozen=True)
class Reconciled:
    """An alert that was passed on in place of Alertmanager. ``payload``: JSON, as it was passed on."""

    alert: str
    told_at: float
    payload: str


def mark(connection: Connection, name: str) -> float | None:
    """When something last happened, in Unix seconds; None: never."""
    found: float | None = connection.execute(select(post_runs.c.due_at).where(post_runs.c.name == name)).scalar()
    return found


def set_mark(connection: Connection, name: str, at: float) -> None:
    """It happened, whenever it did before: a clock may be set back."""
    changed = connection.execute(update(post_runs).where(post_runs.c.name == name).values(due_at=at)).rowcount
    if not changed:
        is_there = select(post_runs.c.name).where(post_runs.c.name == name).exists()
        row = select(literal(name), literal(at)).where(~is_there)
        connection.execute(insert(post_runs).from_select(["name", "due_at"], row))


def remove_mark(connection: Connection, name: str) -> None:
    """As if it had never happened."""
    connection.execute(delete(post_runs).where(post_runs.c.name == name))


def arrived(connection: Connection, fingerprints: Iterable[str], source: str | None) -> dict[str, ArrivedAlert]:
    """What came of these alerts, by their fingerprints: from one source of the settings, or (None) from any."""
    wanted = sorted(set(fingerprints))
    found: dict[str, ArrivedAlert] = {}
    for start in range(0, len(wanted), _MANY):
        rows = select(alert_states).where(alert_states.c.fingerprint.in_(wanted[start : start + _MANY]))
        if source is not None:
            rows = rows.where(alert_states.c.source == source)
        for row in connection.execute(rows.order_by(alert_states.c.at)):
            found[row.fingerprint] = ArrivedAlert(row.status, row.starts_at, row.at)
    return found


def oldest_unread(connection: Connection) -> float | None:
    """When the oldest posted body that is not read yet was received; None: all are read."""
    found: float | None = connection.execute(
        select(func.min(inbox.c.received_at)).where(inbox.c.state == "pending")
    ).scalar()
    return found


def oldest_gathering(connection: Connection) -> float | None:
    """When the oldest notification that gathers its evidence was received."""
    found: float | None = connection.execute(
        select(func.min(messages.c.received_at)).where(messages.c.state == "gathering")
    ).scalar()
    return found


def oldest_pending(connection: Connection) -> dict[str, float]:
    """When the oldest notification that waits for each sink was received."""
    rows = (
        select(outbox.c.sink, func.min(messages.c.received_at))
        .join(messages, messages.c.id == outbox.c.message_id)
        .where(outbox.c.state == "pending")
        .group_by(outbox.c.sink)
    )
    return {row.sink: row[1] for row in connection.execute(rows)}


def reconciled(connection: Connection) -> list[Reconciled]:
    """The alerts that were passed on in place of Alertmanager and are not known to have ended."""
    return [Reconciled(*row) for row in connection.execute(select(reconciled_alerts))]


def add_reconciled(connection: Connection, new: Reconciled) -> None:
    """It was passed on."""
    forget_reconciled(connection, new.alert)
    row = {"alert": new.alert, "told_at": new.told_at, "payload": new.payload}
    connection.execute(insert(reconciled_alerts), [row])


def forget_reconciled(connection: Connection, alert: str) -> None:
    """It has ended, or Alertmanager has sent it after all."""
    connection.execute(delete(reconciled_alerts).where(reconciled_alerts.c.alert == alert))
