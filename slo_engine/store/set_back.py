"""What was put off, or claimed, until a time by a clock that was set back since: it would wait for as long as that."""

from __future__ import annotations

from sqlalchemy import Connection, exists, select, true, update

from slo_engine.store.leases import LEASE_SECONDS
from slo_engine.store.tables import leases, messages, outbox, sink_states
from slo_engine.store.types import database_now

_PENDING = outbox.c.state == "pending"
_UNTIL = (
    (outbox.c.next_at, _PENDING),
    (outbox.c.lease_until, _PENDING),
    (messages.c.lease_until, messages.c.state == "gathering"),
    (leases.c.lease_until, true()),
    (sink_states.c.held_until, true()),
)


def now(connection: Connection) -> float:
    """What the clock of the database shows, in seconds since the epoch."""
    return float(connection.execute(select(database_now())).scalar_one())


def is_seen(connection: Connection) -> bool:
    """Whether something waits that was put out later than now: the clock was set back, and nobody may have seen it."""
    ahead = select(outbox.c.id).where(_PENDING, outbox.c.queued_at > database_now() + LEASE_SECONDS)
    return bool(connection.execute(select(exists(ahead))).scalar())


def bring_forward(connection: Connection) -> None:
    """Nothing waits, and no claim lasts, for longer than a lease: what an engine still has in hand is renewed before
    that ends. However many engines do it, nothing is brought forward twice."""
    soon = database_now() + LEASE_SECONDS
    for column, is_meant in _UNTIL:
        connection.execute(update(column.table).where(column > soon, is_meant).values({column.name: soon}))
