"""Sinks that are left alone for a while, whoever delivers: all engines that share a store see it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from slo_engine.store.tables import sink_states
from slo_engine.store.types import database_now, later_of


@dataclass(frozen=True)
class SinkState:
    """A sink that does not take what it is sent, or asks to wait."""

    sink: str
    held_for: float
    """Seconds from now; 0: it may be tried."""
    failures: int
    """Without a success between them."""
    reason: str
    failing_for: float
    """Seconds since the first of them."""


def state_of(connection: Connection, sink: str) -> SinkState | None:
    """None: all is well with it."""
    return next((each for each in _states(connection) if each.sink == sink), None)


def states(connection: Connection) -> list[SinkState]:
    """Of all sinks with which something is not well."""
    return _states(connection)


def hold(connection: Connection, sink: str, seconds: float, failures: int, reason: str) -> None:
    """Leave a sink alone for so long, from now. ``failures``: those in a row until now; 0: it only asks to wait."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    now = database_now()
    new = dialect.insert(sink_states).values(
        sink=sink, held_until=now + seconds, failures=failures, reason=reason, since=now
    )
    # Who began to fail earlier has failed since then.
    changed = {
        "held_until": later_of(sink_states.c.held_until, new.excluded.held_until),
        "failures": new.excluded.failures,
        "reason": new.excluded.reason,
    }
    connection.execute(new.on_conflict_do_update(index_elements=["sink"], set_=changed))


def try_again(connection: Connection, sink: str) -> None:
    """A person says that it is repaired: it is tried now, carefully. A sink that only asked to wait is left alone."""
    failing = (sink_states.c.sink == sink, sink_states.c.failures > 0)
    connection.execute(update(sink_states).where(*failing).values(held_until=0.0))


def release(connection: Connection, sink: str) -> None:
    """It took something: all is well."""
    connection.execute(delete(sink_states).where(sink_states.c.sink == sink))


def _states(connection: Connection) -> list[SinkState]:
    rows = connection.execute(
        select(
            sink_states,
            (sink_states.c.held_until - database_now()).label("held_for"),
            (database_now() - sink_states.c.since).label("failing_for"),
        ).order_by(sink_states.c.sink)
    )
    return [SinkState(row.sink, max(0.0, row.held_for), row.failures, row.reason, row.failing_for) for row in rows]
