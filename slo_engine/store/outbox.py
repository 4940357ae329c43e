"""The outbox: messages on their way to sinks.

A row is claimed with a lease on the database's clock and a token. Who comes back after its lease has passed on finds
another token, and changes nothing. No transaction is open while a message is being sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, and_, exists, func, insert, or_, select, update

from slo_engine.store.messages import StoredMessage, by_id, outbox_row
from slo_engine.store.tables import messages, outbox
from slo_engine.store.types import database_now, later_of


@dataclass(frozen=True)
class Claim:
    """A message that one worker may send to one sink, until its lease ends."""

    id: int
    token: str
    sink: str
    attempts: int
    """Attempts before this one."""
    message: StoredMessage
    earlier: Mapping[str, Any] | None = None
    """The receipt of the newest message of the same incident that this sink took; None: this one begins it."""
    instead_of: str | None = None
    """The sink that could not take it."""


def claim(connection: Connection, *, limit: int, lease: float) -> list[Claim]:
    """Claim rows that are due, at most one for each sink and thread: their oldest, and only when no older message of
    the thread still waits for its evidence. That keeps the order of firing and resolved."""
    due = (
        select(outbox.c.id)
        .where(*_IS_NEXT, _has_come(outbox.c.next_at), _has_come(outbox.c.lease_until))
        .order_by(outbox.c.message_id)
        .limit(limit)
    )
    token = uuid4().hex
    taken = (
        update(outbox)
        .where(outbox.c.id.in_(due))
        .values(lease_until=_NOW + lease, lease_token=token)
        .returning(outbox.c.id)
    )
    ids = list(connection.execute(taken).scalars())
    rows = connection.execute(
        select(outbox.c.id, outbox.c.sink, outbox.c.thread, outbox.c.attempts, outbox.c.message_id, outbox.c.instead_of)
        .where(outbox.c.id.in_(ids))
        .order_by(outbox.c.message_id)
    ).all()
    read = by_id(connection, [row.message_id for row in rows])
    return [
        Claim(
            row.id,
            token,
            row.sink,
            row.attempts,
            read[row.message_id],
            _earlier_receipt(connection, row.sink, row.thread, row.message_id),
            row.instead_of,
        )
        for row in rows
    ]


def release_leases(connection: Connection) -> None:
    """Give back what a process that is gone had claimed. Only for who knows that it is alone: at the start."""
    connection.execute(update(outbox).where(outbox.c.state == "pending").values(lease_until=0.0, lease_token=None))


def delivered(connection: Connection, claimed: Claim, receipt: Mapping[str, Any] | None = None) -> bool:
    """The sink has taken the message, and said ``receipt``. False when the lease has passed on, and nothing was
    changed."""
    return _finish(connection, claimed, "delivered", None, receipt)


def bury(connection: Connection, claimed: Claim, error: str) -> bool:
    """The sink refuses the message for good: a dead letter."""
    return _finish(connection, claimed, "dead", error)


def retry_later(connection: Connection, claimed: Claim, error: str, delay: float) -> bool:
    """Try again after ``delay`` seconds."""
    changed = connection.execute(
        _held(claimed).values(
            attempts=outbox.c.attempts + 1, next_at=_NOW + delay, lease_until=0.0, lease_token=None, last_error=error
        )
    )
    return changed.rowcount == 1


def fall_back(connection: Connection, sink: str, fallback: str, waiting_since: float) -> int:
    """What was received before ``waiting_since`` and waits for ``sink``, behind a message that it did not take or as
    one, goes to ``fallback``, too. Returns how many messages do; each of them once."""
    failed = outbox.alias("failed")
    is_held_up = exists().where(
        failed.c.sink == outbox.c.sink,
        failed.c.thread == outbox.c.thread,
        failed.c.state == "pending",
        failed.c.attempts > 0,
        failed.c.message_id <= outbox.c.message_id,
    )
    waiting = (
        select(outbox.c.message_id, outbox.c.thread)
        .join(messages, messages.c.id == outbox.c.message_id)
        .where(outbox.c.sink == sink, outbox.c.state == "pending", messages.c.received_at < waiting_since, is_held_up)
        .order_by(outbox.c.message_id)
    )
    return sum(
        _add_fallback(connection, row.message_id, row.thread, sink, fallback)
        for row in connection.execute(waiting).all()
    )


def fall_back_one(connection: Connection, claimed: Claim, fallback: str) -> int:
    """A message that a sink will never take goes to ``fallback``. Returns 1, or 0 where it is there already."""
    return _add_fallback(connection, claimed.message.id, claimed.message.thread, claimed.sink, fallback)


def _add_fallback(connection: Connection, message_id: int, thread: str, sink: str, fallback: str) -> int:
    of_thread = (outbox.c.thread == thread, outbox.c.message_id >= message_id)
    rows = connection.execute(
        select(outbox.c.message_id, outbox.c.sink, messages.c.kind)
        .join(messages, messages.c.id == outbox.c.message_id)
        .where(*of_thread, outbox.c.sink.in_([sink, fallback]))
        .order_by(outbox.c.message_id)
    ).all()
    known = {row.message_id for row in rows if row.sink == fallback}
    # Whoever has it already, in the first place or instead of another, does not get it twice; so chains end, too. And
    # who was told that the incident is over is not told after that that it goes on.
    if any(row.message_id in known and (row.message_id == message_id or row.kind == "resolved") for row in rows):
        return 0
    wanted = [message_id]
    for row in rows:
        # What was said after it to the sink alone, up to the end of the incident: who is told of an incident is told of
        # its end.
        if row.sink == sink and row.message_id > message_id and row.message_id not in known:
            wanted.append(row.message_id)
        if row.kind == "resolved":
            break
    new = [outbox_row(each, thread, fallback) | {"instead_of": sink} for each in wanted]
    connection.execute(insert(outbox), new)
    return len(new)


def seconds_until_due(connection: Connection) -> float | None:
    """How long until the next row can be claimed; None when nothing waits, or only behind others."""
    soonest = select(func.min(later_of(outbox.c.next_at, outbox.c.lease_until)) - _NOW).where(*_IS_NEXT)
    found = connection.execute(soonest).scalar_one_or_none()
    return None if found is None else float(found)


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """(sink, state) -> number of rows."""
    rows = select(outbox.c.sink, outbox.c.state, func.count()).group_by(outbox.c.sink, outbox.c.state)
    return {(sink, state): number for sink, state, number in connection.execute(rows)}


def _earlier_receipt(connection: Connection, sink: str, thread: str, before: int) -> Mapping[str, Any] | None:
    newest = (
        select(outbox.c.receipt, messages.c.kind)
        .join(messages, messages.c.id == outbox.c.message_id)
        .where(
            outbox.c.sink == sink,
            outbox.c.thread == thread,
            outbox.c.state == "delivered",
            outbox.c.message_id < before,
        )
        .order_by(outbox.c.message_id.desc())
        .limit(1)
    )
    found = connection.execute(newest).first()
    if found is None or found.kind == "resolved" or found.receipt is None:
        return None
    receipt: Mapping[str, Any] = json.loads(found.receipt)
    return receipt


_NOW = database_now()

LONGEST_WAIT = 2 * 3600.0
"""Nothing is put off for so long: a time that is further away was noted before the clock was set back."""


def _has_come(time: Any) -> Any:
    return or_(time <= _NOW, time > _NOW + LONGEST_WAIT)


_older = outbox.alias("older")
_earlier = messages.alias("earlier")

# The oldest row of its sink and thread, and no older message of the thread still waits for its evidence.
_IS_NEXT = (
    outbox.c.state == "pending",
    ~exists().where(
        and_(
            _older.c.sink == outbox.c.sink,
            _older.c.thread == outbox.c.thread,
            _older.c.state == "pending",
            _older.c.message_id < outbox.c.message_id,
        )
    ),
    ~exists().where(
        and_(
            _earlier.c.thread == outbox.c.thread,
            _earlier.c.state == "gathering",
            _earlier.c.id < outbox.c.message_id,
        )
    ),
)


def _held(claimed: Claim) -> Any:
    return update(outbox).where(
        outbox.c.id == claimed.id, outbox.c.lease_token == claimed.token, outbox.c.state == "pending"
    )


def _finish(
    connection: Connection, claimed: Claim, state: str, error: str | None, receipt: Mapping[str, Any] | None = None
) -> bool:
    changed = connection.execute(
        _held(claimed).values(
            state=state,
            attempts=outbox.c.attempts + 1,
            finished_at=_NOW,
            lease_token=None,
            last_error=error,
            receipt=None if receipt is None else json.dumps(receipt),
        )
    )
    return changed.rowcount == 1
