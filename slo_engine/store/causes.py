"""Causes by incident, so that one that comes back is known.

An incident is what the notifications of one thread tell from the first that fires to the one that resolves it. Two
Alertmanagers send each of them twice, some seconds apart, and evidence is gathered side by side: a cause may be noted
after its incident was resolved, or twice, and is counted once all the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from slo_engine.store import notes
from slo_engine.store.tables import causes, messages

TWINS_SECONDS = 60.0
"""A notification that fires so soon after the one that resolved its thread is the other Alertmanager's, late."""

SILENT_SECONDS = 3 * 86_400.0
"""An incident without a notification for so long is over, though nobody said so: without ``send_resolved`` none ever
says so, and otherwise one that goes on is repeated, every four hours by default."""

_LONGEST = 1000
"""Characters of a cause that are kept for people to read; it is known by its key."""


@dataclass(frozen=True)
class EarlierIncidents:
    """What is known of a cause from incidents before this one. Times are Unix seconds."""

    back_since: float
    """When it was first seen in this incident."""
    first_seen: float
    last_seen: float
    count: int
    last_title: str
    """Of the last of them."""
    ended_at: float | None
    """When the last of them was resolved; None: nobody said so."""
    caused_by: str | None = None
    """What people wrote of why the last of them happened; None: nothing."""


@dataclass(frozen=True)
class RecentCause:
    """A cause of something that failed lately, over all its incidents. Times are Unix seconds."""

    cause: str
    incidents: int
    first_seen: float
    last_seen: float
    caused_by: str | None
    """What people wrote of why the last of them happened; None: nothing."""


def recent(connection: Connection, about: Iterable[str], threads: Collection[str], most: int) -> list[RecentCause]:
    """The causes of incidents of these threads, as far as they are of what is meant, the newest first. ``about``: as
    for :func:`note`."""
    newest_first = (causes.c.last_seen.desc(), causes.c.id.desc())
    wanted = select(causes).where(causes.c.thread.in_(threads)).order_by(*newest_first).limit(most)
    meant = list(about)
    newest: dict[str, Any] = {}
    for row in connection.execute(wanted):
        # A notification may be of several SLOs.
        if any(_key(each, row.cause) == row.key for each in meant):
            newest.setdefault(row.key, row)
    counted = select(causes.c.key, func.count(), func.min(causes.c.first_seen)).where(causes.c.key.in_(newest))
    known = {key: (incidents, first) for key, incidents, first in connection.execute(counted.group_by(causes.c.key))}
    return [
        RecentCause(row.cause, *known[key], row.last_seen, notes.caused_by(connection, row.thread, row.first_seen, inf))
        for key, row in newest.items()
    ]


def note(
    connection: Connection, about: str, found: Iterable[str], *, thread: str, title: str, at: float
) -> dict[str, EarlierIncidents | None]:
    """Note the causes that were found for a notification of a thread, received ``at``. Returns what is known of each
    from earlier incidents; None: nothing, it is new. ``about``: the SLO and group that failed, since the same text
    elsewhere is another cause."""
    return {cause: _note(connection, _key(about, cause), cause, thread, title, at) for cause in dict.fromkeys(found)}


def end(connection: Connection, thread: str, at: float) -> None:
    """The incident of a thread is resolved, as a notification received ``at`` says."""
    open_rows = (causes.c.thread == thread, causes.c.ended_at.is_(None), causes.c.first_seen <= at)
    connection.execute(update(causes).where(*open_rows).values(ended_at=at))


def _note(connection: Connection, key: str, cause: str, thread: str, title: str, at: float) -> EarlierIncidents | None:
    ended_at = _resolved_after(connection, thread, at)
    current = _current(connection, key, thread, at, ended_at)
    if current is None:
        values = {"key": key, "cause": cause[:_LONGEST], "thread": thread, "title": title}
        connection.execute(insert(causes).values(**values, first_seen=at, last_seen=at, ended_at=ended_at))
        return _earlier(connection, key, at)
    changed = {"first_seen": min(current.first_seen, at), "last_seen": max(current.last_seen, at)}
    if at >= current.last_seen:
        changed |= {"title": title, "ended_at": ended_at}
    connection.execute(update(causes).where(causes.c.id == current.id).values(**changed))
    return _earlier(connection, key, changed["first_seen"])


def _current(connection: Connection, key: str, thread: str, at: float, ended_at: float | None) -> Any:
    """The row of this incident, where the cause was noted for it already, maybe of a later notification; None: it was
    not."""
    begun_until = at + SILENT_SECONDS if ended_at is None else max(ended_at, at + TWINS_SECONDS)
    this_one = (
        causes.c.key == key,
        causes.c.thread == thread,
        causes.c.first_seen <= begun_until,
        causes.c.last_seen >= at - SILENT_SECONDS,
        or_(causes.c.ended_at.is_(None), causes.c.ended_at >= at - TWINS_SECONDS),
    )
    return connection.execute(select(causes).where(*this_one).order_by(causes.c.first_seen.desc()).limit(1)).first()


def _resolved_after(connection: Connection, thread: str, at: float) -> float | None:
    """When the thread was resolved after ``at``, if that is known already: evidence takes longer than the next post."""
    later = (messages.c.thread == thread, messages.c.kind == "resolved", messages.c.received_at >= at)
    found = connection.execute(select(func.min(messages.c.received_at)).where(*later)).scalar_one()
    return None if found is None else float(found)


def _earlier(connection: Connection, key: str, began: float) -> EarlierIncidents | None:
    """The incidents that were over when this one began. Another thread that goes on, such as the ticket beside the
    page, is about this incident."""
    over = or_(causes.c.ended_at <= began, causes.c.last_seen < began - SILENT_SECONDS)
    rows = connection.execute(
        select(causes)
        .where(causes.c.key == key, causes.c.first_seen < began, over)
        .order_by(causes.c.last_seen.desc(), causes.c.id.desc())
    ).all()
    if not rows:
        return None
    last = rows[0]
    first_seen = min(row.first_seen for row in rows)
    said = notes.caused_by(connection, last.thread, last.first_seen, began)
    return EarlierIncidents(began, first_seen, last.last_seen, len(rows), last.title, last.ended_at, said)


def _key(about: str, cause: str) -> str:
    return hashlib.sha256(f"{about}\0{cause}".encode()).hexdigest()
