"""Messages: those of alerts first without their evidence; once ready, with one outbox row for each sink."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from slo_engine.store import inbox
from slo_engine.store.tables import message_order, messages, outbox
from slo_engine.store.types import database_now


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
    priority: int = 1
    """0: a page, which leaves first."""
    identity: str | None = None
    """What the Alertmanagers of a cluster say alike."""
    repeats: int = 0
    """How often it had been said before."""
    alerts: tuple[str, ...] = ()
    """The alerts that it tells of, by their keys in ``alert_states``."""


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
    priority: int = 1
    repeats: int = 0


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
    (message_id,) = add_all(connection, [new])
    return message_id


def add_all(connection: Connection, new: Sequence[NewMessage]) -> list[int]:
    """Store many of them, in their order. Returns their ids."""
    if not new:
        return []
    rows = [
        {
            "key": each.key or f"msg_{uuid4().hex}",
            "inbox_id": each.inbox_id,
            "received_at": each.received_at,
            "thread": each.thread,
            "kind": each.kind,
            "severity": each.severity,
            "title": each.title,
            "state": "gathering",
            "content": json.dumps(each.content),
            "priority": each.priority,
            "identity": each.identity,
            "repeats": each.repeats,
            "alerts": json.dumps(each.alerts) if each.alerts else None,
        }
        for each in new
    ]
    added = insert(messages).returning(messages.c.id, sort_by_parameter_order=True)
    ids = [int(each) for each in connection.execute(added, rows).scalars()]
    inbox.mark_processed(connection, [each.inbox_id for each in new if each.inbox_id is not None])
    return ids


def put_after(connection: Connection, order: Iterable[tuple[int, int]]) -> None:
    """Pairs of messages, of different threads, that tell of the same alert: the first is delivered after the second."""
    rows = [{"message_id": message_id, "after_id": after} for message_id, after in dict.fromkeys(order)]
    if rows:
        connection.execute(insert(message_order), rows)


def are_gathering(connection: Connection) -> bool:
    """Whether a message waits for somebody to gather its evidence."""
    return connection.execute(select(messages.c.id).where(*_UNCLAIMED).limit(1)).first() is not None


def claim_gathering(
    connection: Connection, *, limit: int, lease: float, holder: str, others_before: float | None = None
) -> list[StoredMessage]:
    """Take messages that wait for their evidence, pages first, for ``lease`` seconds, unless it is renewed. Nobody else
    takes them before that ends. ``others_before``: of those that are no pages only what was received before,
    and what a page has to wait for."""
    wanted = list(_UNCLAIMED)
    if others_before is not None:
        wanted.append(or_(messages.c.priority == 0, messages.c.received_at < others_before, *_IS_BEFORE_A_PAGE))
    waiting = select(messages.c.id).where(*wanted).order_by(messages.c.priority, messages.c.id).limit(limit)
    taken = (
        update(messages)
        .where(messages.c.id.in_(waiting.with_for_update(skip_locked=True)))
        .values(lease_until=database_now() + lease, lease_token=holder)
        .returning(messages.c.id)
    )
    found = by_id(connection, connection.execute(taken).scalars().all())
    return sorted(found.values(), key=lambda each: (each.priority, each.id))


def let_go(connection: Connection, message_id: int, holder: str) -> None:
    """Somebody else, or we again, may complete it."""
    ours = update(messages).where(messages.c.id == message_id, messages.c.lease_token == holder)
    connection.execute(ours.values(lease_until=0.0, lease_token=None))


@dataclass(frozen=True)
class Finished:
    """A message that is complete."""

    id: int
    content: str
    """What leaves, as JSON."""
    sinks: Sequence[str]


def finish(
    connection: Connection,
    message_id: int,
    content: Mapping[str, Any],
    sinks: Iterable[str],
    now: float,
    *,
    holder: str | None = None,
) -> bool:
    """The message is complete: keep what leaves, and add an outbox row for each sink. ``holder``: who has claimed it.
    False, and nothing is changed, when somebody else has completed it or is about to."""
    finished = Finished(message_id, json.dumps(content), tuple(sinks))
    return bool(finish_all(connection, [finished], now, holder=holder))


def finish_all(
    connection: Connection, finished: Sequence[Finished], now: float, *, holder: str | None = None
) -> set[int]:
    """The same for many messages. Returns the ids of those that were ours to complete."""
    of = {each.id: each for each in finished}
    wanted = {"ids": list(of)} if holder is None else {"ids": list(of), "holder": holder}
    ours = connection.execute(_GATHERING if holder is None else _GATHERING_OF_HOLDER, wanted).all()
    if not ours:
        return set()
    connection.execute(_FINISH, [{"of_id": row.id, "new_content": of[row.id].content, "now": now} for row in ours])
    rows = [
        outbox_row(row.id, row.thread, sink, row.priority) for row in ours for sink in dict.fromkeys(of[row.id].sinks)
    ]
    put_out(connection, rows)
    return {row.id for row in ours}


def put_out(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put rows into the outbox."""
    if rows:
        connection.execute(_PUT_OUT, rows)


def outbox_row(message_id: int, thread: str, sink: str, priority: int) -> dict[str, Any]:
    """The values of a message on its way to a sink."""
    return {
        "priority": priority,
        "message_id": message_id,
        "sink": sink,
        "thread": thread,
        "state": "pending",
        "attempts": 0,
        "next_at": 0.0,
        "lease_until": 0.0,
        "instead_of": None,
        "form": "full",
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


def has_told(connection: Connection, thread: str, alert: str, since: float) -> bool:
    """Whether a message of a thread that fires, received ``since``, tells of an alert, by its key."""
    firing = (messages.c.thread == thread, messages.c.kind == "firing", messages.c.received_at >= since)
    told = select(messages.c.id).where(*firing, messages.c.alerts.contains(alert, autoescape=True)).limit(1)
    return connection.execute(told).first() is not None


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


def thread_of(connection: Connection, key: str, limit: int) -> list[MessageHead]:
    """The newest messages of the thread of the one with this key; empty: there is none."""
    thread = connection.execute(select(messages.c.thread).where(messages.c.key == key)).scalar()
    of_thread = select(*_HEAD).where(messages.c.thread == thread).order_by(messages.c.id.desc()).limit(limit)
    return [MessageHead(*row) for row in connection.execute(of_thread)]


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
_MESSAGE = select(*_HEAD, messages.c.content, messages.c.priority, messages.c.repeats)

_UNCLAIMED = (messages.c.state == "gathering", messages.c.lease_until <= database_now())


# What is done for each message in a storm is built once: SQLAlchemy takes longer for that than the database for the
# rest.
_GATHERING = (
    select(messages.c.id, messages.c.thread, messages.c.priority)
    .where(messages.c.id.in_(bindparam("ids", expanding=True)), messages.c.state == "gathering")
    .order_by(messages.c.id)
    .with_for_update()
)
_GATHERING_OF_HOLDER = _GATHERING.where(messages.c.lease_token == bindparam("holder"))
_FINISH = (
    update(messages)
    .where(messages.c.id == bindparam("of_id"))
    .values(state="ready", content=bindparam("new_content"), ready_at=bindparam("now"), lease_token=None)
)
_PUT_OUT = insert(outbox).values(queued_at=database_now())


_page = messages.alias("page")
_pages = select(_page.c.thread).where(_page.c.state == "gathering", _page.c.priority == 0)
# Of its thread, or of the same alerts in another one. Asked once for all of them: there may be thousands that wait.
_IS_BEFORE_A_PAGE = (
    messages.c.thread.in_(_pages),
    messages.c.id.in_(
        select(message_order.c.after_id)
        .join(_page, _page.c.id == message_order.c.message_id)
        .where(_page.c.state == "gathering", _page.c.priority == 0)
    ),
)


def _message(row: Any) -> StoredMessage:
    return StoredMessage(**{**row._mapping, "content": json.loads(row.content)})
