"""What is known of each alert: the newest that a notification told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, Insert, func, select
from sqlalchemy.dialects import postgresql, sqlite

from slo_engine.store.tables import alert_states, messages

_AT_ONCE = 5000
"""Databases take only so many parameters."""


@dataclass(frozen=True)
class AlertState:
    """The newest of one alert. Times are Unix seconds, but for those as posted."""

    alert: str
    """A hash of source and fingerprint."""
    source: str
    fingerprint: str
    status: str
    """``firing`` or ``resolved``."""
    starts_at: str
    """To the millisecond: with the alert, it names the episode."""
    message_id: int
    thread: str
    at: float
    """When that was received."""


def of_alerts(connection: Connection, keys: Iterable[str]) -> dict[str, AlertState]:
    """What is known of alerts, by their keys."""
    found: dict[str, AlertState] = {}
    left = iter(dict.fromkeys(keys))
    while some := list(islice(left, _AT_ONCE)):
        rows = connection.execute(select(alert_states).where(alert_states.c.alert.in_(some)))
        found |= {row.alert: AlertState(*row) for row in rows}
    return found


def note(connection: Connection, states: Sequence[AlertState]) -> None:
    """Keep what is newest."""
    rows = [vars(state) for state in states]
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(_upsert(connection), rows[start : start + _AT_ONCE])


def newest_alike(connection: Connection, identities: Iterable[str]) -> dict[str, tuple[float, int]]:
    """Of what was said already, by identity: when it was received last, and how often it had been said before."""
    wanted = list(dict.fromkeys(identities))
    rows = connection.execute(
        select(messages.c.identity, func.max(messages.c.received_at), func.max(messages.c.repeats))
        .where(messages.c.identity.in_(wanted))
        .group_by(messages.c.identity)
    )
    return {identity: (at, repeats) for identity, at, repeats in rows}


def _upsert(connection: Connection) -> Insert:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    new = dialect.insert(alert_states)
    changed: Mapping[str, object] = {
        column.name: new.excluded[column.name] for column in alert_states.columns if not column.primary_key
    }
    upsert: Insert = new.on_conflict_do_update(index_elements=["alert"], set_=changed)
    return upsert
