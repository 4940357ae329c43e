"""Messages: those of alerts first without their evidence; once ready, with one outbox row for each sink."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, insert, select, update

from slo_engine.store import inbox
from slo_engine.store.tables import messages, outbox


@dataclass(frozen=True)
class NewMessage:
    """A message that the store does not have yet."""

    received_at: float
    thread: str
    kind: str
    severity: str | None
    title: str
    content: Mapping[str, Any]
    inbox_id: int | None = None
    """The posted body that it was made from."""
    key: str | None = None
    """The idempotency key; None: one of its own. Two messages of one key are one."""


@dataclass(frozen=True)
class StoredMessage:
    """A message in the store."""

    id: int
    key: str
    received_at: float
    thread: str
    kind: str
    severity: str | None
    title: str
    state: str
    """``gathering`` or ``ready``."""
    content: Mapping[str, Any]


@dataclass(frozen=True)
class MessageHead:
    """A message without what it says: what is read to find out which of them belong together."""

    id: int
    key: str
    received_at: float
    thread: str
    kind: str
    severity: str | None
    title: str
    state: str


@dataclass(frozen=True)
class DeliveryState:
    """How far a message has come on its way to one sink."""

    sink: str
    state: str
    attempts: int
    last_error: str | None
    receipt: Mapping[str, Any] | None


def add(connection: Connection, new: NewMessage) -> int:
    """Store a message that waits for its evidence, and mark what it was made from as processed. Returns its id."""
    row = (
        insert(messages)
        .values(
            key=new.key or f"msg_{uuid4().hex}",
            inbox_id=new.inbox_id,
            received_at=new.received_at,
            thread=new.thread,
            kind=new.kind,
            severity=new.severity,
            title=new.title,
            state="gathering",
            content=json.dumps(new.content),
        )
        .returning(messages.c.id)
    )
    if new.inbox_id is not None:
        inbox.mark_processed(connection, new.inbox_id)
    return int(connection.execute(row).scalar_one())


def gathering(connection: Connection, *, besides: Iterable[int] = (), limit: int = 1000) -> list[StoredMessage]:
    """The messages that wait for their evidence, oldest first, ``besides`` those that are in hand."""
    unclaimed = messages.c.id.not_in(list(besides))
    waiting = _MESSAGE.where(messages.c.state == "gathering", unclaimed).order_by(messages.c.id).limit(limit)
    return [_message(row) for row in connection.execute(waiting)]


def finish(
    connection: Connection, message_id: int, content: Mapping[str, Any], sinks: Iterable[str], now: float
) -> None:
    """The message is complete: keep what leaves, and add an outbox row for each sink."""
    thread = connection.execute(select(messages.c.thread).where(messages.c.id == message_id)).scalar_one()
    connection.execute(
        update(messages)
        .where(messages.c.id == message_id)
        .values(state="ready", content=json.dumps(content), ready_at=now)
    )
    rows = [outbox_row(message_id, thread, sink) for sink in dict.fromkeys(sinks)]
    if rows:
        connection.execute(insert(outbox), rows)


def outbox_row(message_id: int, thread: str, sink: str) -> dict[str, Any]:
    """The values of a message on its way to a sink."""
    return {
        "message_id": message_id,
        "sink": sink,
        "thread": thread,
        "state": "pending",
        "attempts": 0,
        "next_at": 0.0,
        "lease_until": 0.0,
        "instead_of": None,
    }


def add_ready(connection: Connection, new: NewMessage, sinks: Iterable[str]) -> int:
    """Store a message that is complete, with an outbox row for each sink. Returns its id."""
    message_id = add(connection, new)
    finish(connection, message_id, new.content, sinks, new.received_at)
    return message_id


def sinks_of_incident(connection: Connection, thread: str, before: int) -> tuple[str, ...]:
    """The sinks that the messages of an incident went to: those of the thread since the last one that resolved it,
    with ids under ``before``."""
    rows = (
        select(outbox.c.sink)
        .where(outbox.c.thread == thread, outbox.c.message_id > _began_after(connection, thread, before))
        .where(outbox.c.message_id < before)
        .order_by(outbox.c.id)
    )
    return tuple(dict.fromkeys(connection.execute(rows).scalars()))


def gathering_of(connection: Connection, thread: str, before: int) -> list[StoredMessage]:
    """The messages of an incident, as :func:`sinks_of_incident` has it, that still wait for their evidence."""
    of_incident = (messages.c.thread == thread, messages.c.id > _began_after(connection, thread, before))
    waiting = _MESSAGE.where(*of_incident, messages.c.state == "gathering", messages.c.id < before)
    return [_message(row) for row in connection.execute(waiting)]


def _began_after(connection: Connection, thread: str, before: int) -> int:
    ended = (messages.c.thread == thread, messages.c.kind == "resolved", messages.c.id < before)
    return connection.execute(select(func.max(messages.c.id)).where(*ended)).scalar_one() or 0


def newest_of(connection: Connection, thread: str) -> int | None:
    """The id of the newest message of a thread; None: it has none."""
    newest_id: int | None = connection.execute(
        select(func.max(messages.c.id)).where(messages.c.thread == thread)
    ).scalar_one()
    return newest_id


def newest(connection: Connection, limit: int) -> list[StoredMessage]:
    """The newest messages, newest first."""
    return [_message(row) for row in connection.execute(_MESSAGE.order_by(messages.c.id.desc()).limit(limit))]


def newest_heads(connection: Connection, limit: int) -> list[MessageHead]:
    """The same without their contents, which may be large."""
    rows = select(*_HEAD).order_by(messages.c.id.desc()).limit(limit)
    return [MessageHead(*row) for row in connection.execute(rows)]


def that_fit(connection: Connection, message_ids: Sequence[int], characters: int) -> dict[int, StoredMessage]:
    """Messages by their ids: of the first ones as many as have contents of no more than this length together."""
    sizes = select(messages.c.id, func.length(messages.c.content)).where(messages.c.id.in_(message_ids))
    size_of = {row.id: row[1] for row in connection.execute(sizes)}
    together = accumulate(size_of.get(each, 0) for each in message_ids)
    return by_id(connection, [each for each, size in zip(message_ids, together, strict=True) if size <= characters])


def by_id(connection: Connection, message_ids: Iterable[int]) -> dict[int, StoredMessage]:
    """Messages by their ids."""
    rows = connection.execute(_MESSAGE.where(messages.c.id.in_(set(message_ids))))
    return {row.id: _message(row) for row in rows}


def deliveries(connection: Connection, message_ids: Iterable[int]) -> dict[int, list[DeliveryState]]:
    """For each message, how far it has come on its way to each sink."""
    found: dict[int, list[DeliveryState]] = {}
    rows = (
        select(
            outbox.c.message_id, outbox.c.sink, outbox.c.state, outbox.c.attempts, outbox.c.last_error, outbox.c.receipt
        )
        .where(outbox.c.message_id.in_(list(message_ids)))
        .order_by(outbox.c.id)
    )
    for message_id, sink, state, attempts, last_error, receipt in connection.execute(rows):
        read = None if receipt is None else json.loads(receipt)
        found.setdefault(message_id, []).append(DeliveryState(sink, state, attempts, last_error, read))
    return found


def count_gathering(connection: Connection) -> int:
    """How many messages wait for their evidence."""
    return connection.execute(
        select(func.count()).select_from(messages).where(messages.c.state == "gathering")
    ).scalar_one()


_HEAD = (
    messages.c.id,
    messages.c.key,
    messages.c.received_at,
    messages.c.thread,
    messages.c.kind,
    messages.c.severity,
    messages.c.title,
    messages.c.state,
)
_MESSAGE = select(*_HEAD, messages.c.content)


def _message(row: Any) -> StoredMessage:
    return StoredMessage(**{**row._mapping, "content": json.loads(row.content)})
