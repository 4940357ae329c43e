"""The outbox: messages on their way to sinks.

A row is claimed with a lease on the database's clock and the token of the engine that sends it. Who comes back after
its lease has passed on finds another token, and changes nothing. No transaction is open while a message is being sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Double, and_, bindparam, exists, func, or_, select, update

from slo_engine.store import sink_states
from slo_engine.store.messages import StoredMessage, by_id, outbox_row, put_out
from slo_engine.store.tables import message_order, messages, outbox
from slo_engine.store.types import database_now, later_of

SUPERSEDED_SECONDS = 10.0
"""What has waited for so long is not sent any more when something newer says it, too. What comes faster than that is
sent as it came: each notification once."""

MOST_FAILURES_AHEAD = 12
"""After so many attempts, a message does not hold up those of other groups that tell of the same alert."""

FLAP_SECONDS = 300.0
"""A group that fires again so soon after its end goes on with the incident."""


@dataclass(frozen=True)
class Missed:
    """A message that was superseded before a sink took it."""

    kind: str
    received_at: float


@dataclass(frozen=True)
class Claim:
    """A message that one worker may send to one sink, until its lease ends."""

    id: int
    token: str
    sink: str
    attempts: int
    """Attempts before this one."""
    message: StoredMessage
    age: float = 0.0
    """Seconds since it was put into the outbox, or sent again by a person."""
    earlier: Mapping[str, Any] | None = None
    """The receipt of the newest message of the same incident that this sink took; None: this one begins it."""
    instead_of: str | None = None
    """The sink that could not take it."""
    form: str = "full"
    """``full``, or ``plain``: without what the sink refused."""
    missed: tuple[Missed, ...] = ()
    """What the sink was not told before, because this says it."""
    goes_on_from: Mapping[str, Any] | None = None
    """The receipt of the message that ended the incident, where it has begun again within minutes."""


@dataclass(frozen=True)
class Claimed:
    """What may be sent to a sink now, and what is known of it."""

    claims: Sequence[Claim]
    state: sink_states.SinkState | None = None
    """None: all is well with the sink."""


def claim(
    connection: Connection, sink: str, *, limit: int, lease: float, holder: str, failures_to_probe: int | None = None
) -> Claimed:
    """Claim rows of a sink that are due, pages first; at most one for each thread: its oldest, and only when no older
    message of the thread, or of the same alerts, is still to come. That keeps the order of firing and resolved. Of a
    sink that is held nothing; of one with ``failures_to_probe`` failures in a row one row, and only when no other is
    being sent."""
    state = sink_states.state_of(connection, sink)
    if state is not None and state.held_for > 0:
        return Claimed((), state)
    if state is not None and failures_to_probe is not None and state.failures >= failures_to_probe:
        if _is_sending(connection, sink):
            return Claimed((), state)
        limit = 1
    mine = {"of_sink": sink, "most": limit, "lease": lease, "holder": holder}
    rows = connection.execute(_CLAIM, mine).all()
    if not rows:
        return Claimed((), state)
    ids = _supersede(connection, sink, {row.thread: row.id for row in rows})
    claimed = {row.id for row in rows}
    if others := [row_id for row_id in ids if row_id not in claimed]:
        # A later one may have to wait for what other threads tell of its alerts.
        next_ones = select(outbox.c.id).where(outbox.c.id.in_(others), *_IS_NEXT)
        taken = update(outbox).where(outbox.c.id.in_(next_ones)).values(_LEASED).returning(outbox.c.id)
        ids = [
            *(row_id for row_id in ids if row_id in claimed),
            *connection.execute(taken, {"lease": lease, "holder": holder}).scalars(),
        ]
    return Claimed(_claims(connection, ids, holder), state)


def _is_sending(connection: Connection, sink: str) -> bool:
    sending = (outbox.c.sink == sink, outbox.c.state == "pending", outbox.c.lease_until > database_now())
    return connection.execute(select(outbox.c.id).where(*sending).limit(1)).first() is not None


def _supersede(connection: Connection, sink: str, first: Mapping[str, int]) -> list[int]:
    """Of each thread the row that is to be sent: its first, or a later one where that says what the first does. Those
    before it are superseded. ``first``: thread -> the row that was claimed."""
    waiting = connection.execute(_WAITING, {"of_sink": sink, "threads": list(first)}).all()
    threads: dict[str, list[Any]] = {}
    for row in waiting:
        threads.setdefault(row.thread, []).append(row)
    chosen: list[int] = []
    for thread, row_id in first.items():
        rows = threads.get(thread, [])
        over = {
            row.id: later.key
            for place, row in enumerate(rows)
            if row.has_waited and (later := next((each for each in rows[:place:-1] if _covers(each, row)), None))
        }
        for superseded_id, key in over.items():
            done = {"state": "superseded", "finished_at": database_now(), "lease_token": None}
            connection.execute(
                update(outbox).where(outbox.c.id == superseded_id).values(done | {"last_error": f"superseded by {key}"})
            )
        chosen.append(next((row.id for row in rows if row.id not in over), row_id))
    return chosen


def _covers(later: Any, row: Any) -> bool:
    """Whether a later message of the thread tells all that a message does."""
    if later.kind not in ("firing", "resolved"):
        return False
    if row.kind == "update":
        return True  # it only adds the evidence to what came before it
    if row.kind not in ("firing", "resolved") or row.alerts is None or later.alerts is None:
        return False
    return set(json.loads(row.alerts)) <= set(json.loads(later.alerts))


def _claims(connection: Connection, ids: Sequence[int], holder: str) -> list[Claim]:
    rows = connection.execute(_CLAIMED, {"ids": list(ids)}).all()
    read = by_id(connection, [row.message_id for row in rows])
    before: dict[int, list[Any]] = {}
    for each in connection.execute(_BEFORE, {"ids": list(ids)}):
        before.setdefault(each.claimed_id, []).append(each)
    claims = []
    for row in rows:
        told = before.get(row.id, ())
        receipt, is_over = _receipt(told, read[row.message_id].received_at)
        claims.append(
            Claim(
                row.id,
                holder,
                row.sink,
                row.attempts,
                read[row.message_id],
                row.age,
                None if is_over else receipt,
                row.instead_of,
                row.form,
                tuple(Missed(each.kind, each.received_at) for each in told if each.state == "superseded"),
                receipt if is_over else None,
            )
        )
    return claims


def _receipt(before: Sequence[Any], at: float) -> tuple[Mapping[str, Any] | None, bool]:
    """The receipt of the newest that the sink took, and whether that was the end of the incident; None where it ended
    too long ago."""
    found = next((each for each in before if each.state == "delivered"), None)
    if found is None or found.receipt is None:
        return None, False
    is_over = found.kind == "resolved"
    if is_over and at - found.received_at > FLAP_SECONDS:
        return None, False
    return json.loads(found.receipt), is_over


def delivered(connection: Connection, claimed: Claim, receipt: Mapping[str, Any] | None = None) -> bool:
    """The sink has taken the message, and said ``receipt``. False when the lease has passed on, and nothing was
    changed."""
    return bool(delivered_all(connection, [(claimed, receipt)]))


def delivered_all(connection: Connection, taken: Sequence[tuple[Claim, Mapping[str, Any] | None]]) -> set[int]:
    """The same for many of them. Returns the ids of the rows whose leases had not passed on."""
    rows = connection.execute(_HELD, {"ids": [claimed.id for claimed, _ in taken]})
    token_of = {row.id: row.lease_token for row in rows}
    ours = [(claimed.id, receipt) for claimed, receipt in taken if token_of.get(claimed.id) == claimed.token]
    if ours:
        said = (None if receipt is None else json.dumps(receipt) for _, receipt in ours)
        rows_done = [{"of_id": row_id, "said": each} for (row_id, _), each in zip(ours, said, strict=True)]
        connection.execute(_DELIVERED, rows_done)
    return {row_id for row_id, _ in ours}


def bury(connection: Connection, claimed: Claim, error: str) -> bool:
    """The sink refuses the message for good: a dead letter."""
    done = {"state": "dead", "finished_at": database_now(), "lease_token": None, "last_error": error}
    return connection.execute(_held(claimed).values(done | {"attempts": outbox.c.attempts + 1})).rowcount == 1


def retry_later(connection: Connection, claimed: Claim, error: str, delay: float, *, form: str | None = None) -> bool:
    """Try again after ``delay`` seconds; in another form, where one is given."""
    changed = connection.execute(
        _held(claimed).values(
            attempts=outbox.c.attempts + 1,
            next_at=database_now() + delay,
            lease_until=0.0,
            lease_token=None,
            last_error=error,
            form=form or claimed.form,
        )
    )
    return changed.rowcount == 1


def wake(connection: Connection, sink: str) -> None:
    """The sink is back: what was put off is due."""
    waiting = (outbox.c.sink == sink, outbox.c.state == "pending", outbox.c.attempts > 0)
    connection.execute(update(outbox).where(*waiting).values(next_at=0.0))


def let_go(connection: Connection, row_ids: Iterable[int], holder: str) -> None:
    """Somebody else, or we again, may send them."""
    ours = update(outbox).where(outbox.c.id.in_(list(row_ids)), outbox.c.lease_token == holder)
    connection.execute(ours.values(lease_until=0.0, lease_token=None))


def expire(connection: Connection, sink: str, seconds: float, reason: str) -> int:
    """What has waited for a sink for longer than that is a dead letter, but for what is being sent. Returns how many
    are."""
    old = (
        outbox.c.sink == sink,
        outbox.c.state == "pending",
        outbox.c.queued_at < database_now() - seconds,
        outbox.c.lease_until <= database_now(),
    )
    done = update(outbox).where(*old).values(state="dead", finished_at=database_now(), last_error=reason)
    return connection.execute(done).rowcount


def waiting_sinks(connection: Connection) -> set[str]:
    """The sinks for which something waits."""
    return set(connection.execute(select(outbox.c.sink).where(outbox.c.state == "pending").distinct()).scalars())


def newest_queued(connection: Connection, thread: str, sinks: Iterable[str]) -> dict[str, float]:
    """When something of a thread was last put into the outbox for each of the sinks."""
    rows = (
        select(outbox.c.sink, func.max(outbox.c.queued_at))
        .where(outbox.c.thread == thread, outbox.c.sink.in_(list(sinks)))
        .group_by(outbox.c.sink)
    )
    return {row.sink: row[1] for row in connection.execute(rows)}


def fall_back(connection: Connection, sink: str, fallback: str, waiting_since: float) -> int:
    """What was received before ``waiting_since`` and waits for ``sink``, behind a message that it did not take or as
    one, or because the sink is left alone, goes to ``fallback``, too. Returns how many messages do; each of them
    once."""
    is_failing = sink_states.state_of(connection, sink) is not None
    failed = outbox.alias("failed")
    is_held_up = exists().where(
        failed.c.sink == outbox.c.sink,
        failed.c.thread == outbox.c.thread,
        failed.c.state == "pending",
        failed.c.attempts > 0,
        failed.c.message_id <= outbox.c.message_id,
    )
    is_late = or_(messages.c.received_at < waiting_since, _WAS_SET_BACK)
    late = [outbox.c.sink == sink, outbox.c.state == "pending", is_late]
    waiting = (
        select(outbox.c.message_id, outbox.c.thread)
        .join(messages, messages.c.id == outbox.c.message_id)
        .where(*late, *([] if is_failing else [is_held_up]))
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
        select(outbox.c.message_id, outbox.c.sink, outbox.c.priority, messages.c.kind)
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
    priority = 0 if any(row.message_id in wanted and row.priority == 0 for row in rows) else 1
    put_out(connection, [outbox_row(each, thread, fallback, priority) | {"instead_of": sink} for each in wanted])
    return len(wanted)


def is_waiting(connection: Connection, sink: str) -> bool:
    """Whether anything waits for a sink."""
    waiting = select(outbox.c.id).where(outbox.c.sink == sink, outbox.c.state == "pending").limit(1)
    return connection.execute(waiting).first() is not None


def seconds_until_due(connection: Connection, sink: str) -> float | None:
    """How long until the next row of a sink can be claimed; None when nothing waits, or only behind others."""
    soonest = select(func.min(later_of(outbox.c.next_at, outbox.c.lease_until)) - database_now())
    found = connection.execute(soonest.where(outbox.c.sink == sink, *_IS_NEXT)).scalar_one_or_none()
    return None if found is None else float(found)


def counts(connection: Connection) -> dict[tuple[str, str], int]:
    """(sink, state) -> number of rows."""
    rows = select(outbox.c.sink, outbox.c.state, func.count()).group_by(outbox.c.sink, outbox.c.state)
    return {(sink, state): number for sink, state, number in connection.execute(rows)}


_older = outbox.alias("older")
_earlier = messages.alias("earlier")

_ahead = outbox.alias("ahead")
_gathering = messages.alias("gathering")
_after = message_order.alias("after")

# The oldest row of its sink and thread, and no older message of the thread, or of the same alerts in another one, is
# still to be sent or waits for its evidence.
_IS_NEXT = (
    outbox.c.state == "pending",
    # By sink and thread. PostgreSQL, on tables that it has no statistics of yet, takes any index for as good, and joins
    # for better: it then compares each of thousands that wait with each, for four seconds a claim. So this is none,
    # and the state is said so that no index begins with it.
    outbox.c.message_id
    == select(func.min(_older.c.message_id))
    .where(
        _older.c.sink == outbox.c.sink,
        _older.c.thread == outbox.c.thread,
        func.coalesce(_older.c.state, "") == "pending",
    )
    .correlate_except(_older)
    .scalar_subquery(),
    ~exists().where(
        and_(
            _earlier.c.thread == outbox.c.thread,
            _earlier.c.state == "gathering",
            _earlier.c.id < outbox.c.message_id,
        )
    ),
    ~exists().where(
        and_(
            _after.c.message_id == outbox.c.message_id,
            or_(
                # By itself, SQLAlchemy correlates with the innermost query around it, which does not have `outbox`.
                exists()
                .where(
                    _ahead.c.message_id == _after.c.after_id,
                    _ahead.c.sink == outbox.c.sink,
                    _ahead.c.state == "pending",
                    _ahead.c.attempts < MOST_FAILURES_AHEAD,
                )
                .correlate_except(_ahead),
                exists().where(and_(_gathering.c.id == _after.c.after_id, _gathering.c.state == "gathering")),
            ),
        )
    ),
)


# Since the row was put out, which was later than now. Nobody knows how long it has waited: for long, then.
_WAS_SET_BACK = outbox.c.queued_at > database_now() + 1.0

# What is done for each delivery in a storm is built once: SQLAlchemy takes longer for that than the database for the
# rest.
_LEASED = {"lease_until": database_now() + bindparam("lease", type_=Double), "lease_token": bindparam("holder")}
_CLAIM = (
    update(outbox)
    .where(
        outbox.c.id.in_(
            select(outbox.c.id)
            .where(
                outbox.c.sink == bindparam("of_sink"),
                *_IS_NEXT,
                outbox.c.next_at <= database_now(),
                outbox.c.lease_until <= database_now(),
            )
            .order_by(outbox.c.priority, outbox.c.message_id)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
        )
    )
    .values(_LEASED)
    .returning(outbox.c.id, outbox.c.thread)
)
_WAITING = (
    select(
        outbox.c.id,
        outbox.c.thread,
        messages.c.key,
        messages.c.kind,
        messages.c.alerts,
        or_(outbox.c.queued_at <= database_now() - SUPERSEDED_SECONDS, _WAS_SET_BACK).label("has_waited"),
    )
    .join(messages, messages.c.id == outbox.c.message_id)
    .where(
        outbox.c.sink == bindparam("of_sink"),
        outbox.c.state == "pending",
        outbox.c.thread.in_(bindparam("threads", expanding=True)),
    )
    .order_by(outbox.c.message_id)
)
_CLAIMED = (
    select(outbox, (database_now() - outbox.c.queued_at).label("age"))
    .where(outbox.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(outbox.c.priority, outbox.c.message_id)
)
_claimed = outbox.alias("claimed")
_newest = outbox.alias("newest")
_newest_taken = (
    select(func.max(_newest.c.message_id))
    .where(
        _newest.c.sink == _claimed.c.sink,
        _newest.c.thread == _claimed.c.thread,
        _newest.c.state == "delivered",
        _newest.c.message_id < _claimed.c.message_id,
    )
    .correlate(_claimed)
    .scalar_subquery()
)
# What the sinks of claimed rows were sent of their threads before, and what they were not because that was superseded:
# from the newest that each took on.
_BEFORE = (
    select(_claimed.c.id.label("claimed_id"), outbox.c.state, outbox.c.receipt, messages.c.kind, messages.c.received_at)
    .select_from(_claimed)
    .join(outbox, and_(outbox.c.sink == _claimed.c.sink, outbox.c.thread == _claimed.c.thread))
    .join(messages, messages.c.id == outbox.c.message_id)
    .where(
        _claimed.c.id.in_(bindparam("ids", expanding=True)),
        outbox.c.state.in_(["delivered", "superseded"]),
        outbox.c.message_id < _claimed.c.message_id,
        outbox.c.message_id >= func.coalesce(_newest_taken, 0),
    )
    .order_by(outbox.c.message_id)
)
_HELD = (
    select(outbox.c.id, outbox.c.lease_token)
    .where(outbox.c.id.in_(bindparam("ids", expanding=True)), outbox.c.state == "pending")
    .order_by(outbox.c.id)
    .with_for_update()
)
_DELIVERED = (
    update(outbox)
    .where(outbox.c.id == bindparam("of_id"))
    .values(
        state="delivered",
        attempts=outbox.c.attempts + 1,
        finished_at=database_now(),
        lease_token=None,
        last_error=None,
        receipt=bindparam("said"),
    )
)


def _held(claimed: Claim) -> Any:
    return update(outbox).where(
        outbox.c.id == claimed.id, outbox.c.lease_token == claimed.token, outbox.c.state == "pending"
    )
