"""What Alertmanager posted: taken in, and worked off in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, LargeBinary, func, insert, select, update

from slo_engine.store.tables import inbox


@dataclass(frozen=True)
class Arrived:
    """One body that is to be taken in."""

    received_at: float
    body: bytes
    source: str = ""


@dataclass(frozen=True)
class Posted:
    """One body that was posted."""

    id: int
    received_at: float
    body: bytes
    source: str = ""


@dataclass(frozen=True)
class Quarantined:
    """One body that could not be understood."""

    id: int
    received_at: float
    beginning: bytes
    size: int
    error: str


SHOWN_BYTES = 2000


def accept(connection: Connection, body: bytes, now: float, source: str = "") -> int:
    """Take in a body, whatever it holds. Returns its id. ``source``: the name of who posted it, of the settings."""
    row = insert(inbox).values(received_at=now, body=body, state="pending", source=source).returning(inbox.c.id)
    return int(connection.execute(row).scalar_one())


def accept_all(connection: Connection, arrived: Sequence[Arrived]) -> None:
    """Take in many bodies with one statement."""
    rows = [
        {"received_at": each.received_at, "body": each.body, "state": "pending", "source": each.source}
        for each in arrived
    ]
    if rows:
        connection.execute(insert(inbox), rows)


def next_pending(connection: Connection, limit: int, max_bytes: int | None = None) -> list[Posted]:
    """The oldest bodies that nobody has worked off, in order; of them no more than ``max_bytes``, but one."""
    heads = (
        select(inbox.c.id, func.length(inbox.c.body))
        .where(inbox.c.state == "pending")
        .order_by(inbox.c.id)
        .limit(limit)
    )
    ids: list[int] = []
    together = 0
    for row_id, size in connection.execute(heads):
        together += size
        if ids and max_bytes is not None and together > max_bytes:
            break
        ids.append(row_id)
    found = (
        select(inbox.c.id, inbox.c.received_at, inbox.c.body, inbox.c.source)
        .where(inbox.c.id.in_(ids))
        .order_by(inbox.c.id)
    )
    return [Posted(*row) for row in connection.execute(found)] if ids else []


def still_pending(connection: Connection, posted_ids: Sequence[int]) -> set[int]:
    """Those of the bodies that nobody has worked off meanwhile."""
    found = select(inbox.c.id).where(inbox.c.id.in_(posted_ids), inbox.c.state == "pending")
    return set(connection.execute(found).scalars())


def mark_processed(connection: Connection, posted_ids: Sequence[int]) -> None:
    """The bodies have become messages, or need not."""
    if posted_ids:
        connection.execute(update(inbox).where(inbox.c.id.in_(posted_ids)).values(state="processed"))


def quarantine(connection: Connection, posted_id: int, error: str) -> None:
    """The body cannot be understood: keep it for a person, with the reason."""
    connection.execute(update(inbox).where(inbox.c.id == posted_id).values(state="quarantined", error=error))


def quarantined(connection: Connection, limit: int) -> list[Quarantined]:
    """The newest bodies that could not be understood, of each no more than its beginning."""
    found = (
        select(
            inbox.c.id,
            inbox.c.received_at,
            func.substr(inbox.c.body, 1, SHOWN_BYTES, type_=LargeBinary),
            func.length(inbox.c.body),
            inbox.c.error,
        )
        .where(inbox.c.state == "quarantined")
        .order_by(inbox.c.id.desc())
        .limit(limit)
    )
    # SQLite's substr of an empty blob is NULL.
    return [
        Quarantined(row_id, received_at, beginning or b"", size, error)
        for row_id, received_at, beginning, size, error in connection.execute(found)
    ]


def count(connection: Connection, state: str) -> int:
    """How many bodies are in a state: ``pending``, ``processed`` or ``quarantined``."""
    return connection.execute(select(func.count()).select_from(inbox).where(inbox.c.state == state)).scalar_one()
