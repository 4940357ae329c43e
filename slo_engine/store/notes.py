"""What people write to an incident; and what they say caused it, which is told when its causes come back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection, insert, select

from slo_engine.store.tables import incident_notes, messages

Kind = Literal["note", "cause"]
KINDS: tuple[Kind, ...] = get_args(Kind)

LONGEST = 4000
"""Characters of a note."""


@dataclass(frozen=True)
class Note:
    """What somebody wrote."""

    at: float
    author: str
    kind: str
    text: str


def add(connection: Connection, incident: str, author: str, kind: Kind, text: str, at: float) -> bool:
    """Keep a note to the incident whose first message has this key. False: there is no such message."""
    thread = connection.execute(select(messages.c.thread).where(messages.c.key == incident)).scalar()
    if thread is None:
        return False
    values = {"incident": incident, "thread": thread, "at": at, "author": author, "kind": kind}
    connection.execute(insert(incident_notes).values(**values, text=text[:LONGEST]))
    return True


def of_incident(connection: Connection, keys: Collection[str]) -> list[Note]:
    """Those to any of the messages of an incident, the oldest first."""
    columns = (incident_notes.c.at, incident_notes.c.author, incident_notes.c.kind, incident_notes.c.text)
    rows = select(*columns).where(incident_notes.c.incident.in_(keys)).order_by(incident_notes.c.id)
    return [Note(*row) for row in connection.execute(rows)]


def caused_by(connection: Connection, thread: str, since: float, until: float) -> str | None:
    """What people said last of why the incident of a thread happened, between two times; None: nothing."""
    said = (
        incident_notes.c.thread == thread,
        incident_notes.c.kind == "cause",
        incident_notes.c.at >= since,
        incident_notes.c.at < until,
    )
    newest = select(incident_notes.c.text).where(*said).order_by(incident_notes.c.id.desc()).limit(1)
    found: str | None = connection.execute(newest).scalar()
    return found
