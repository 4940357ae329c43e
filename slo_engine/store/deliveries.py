"""The outbox for people: what is in it, and sending it again.

A dead letter that is sent again keeps its key, its place in the order of its incident, and gets its whole day anew. It
is still a message of the past: when the sink has meanwhile taken a newer one of the same incident, an old ``firing``
would open again what is over, and an old ``resolved`` close what goes on.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.store import sink_states
from slo_engine.store.outbox import SUPERSEDED_SECONDS
from slo_engine.store.tables import message_order, messages, outbox
from slo_engine.store.types import database_now

State = Literal["waiting", "delivered", "superseded", "dead"]
STATES: tuple[State, ...] = ("waiting", "delivered", "superseded", "dead")

_STORED: Mapping[State, str] = {
    "waiting": "pending",
    "delivered": "delivered",
    "superseded": "superseded",
    "dead": "dead",
}
_STATE_OF: Mapping[str, State] = {stored: state for state, stored in _STORED.items()}

_KINDS_OF_INCIDENTS = ("firing", "resolved", "update")
"""What the engine says by itself stands for itself: a digest is not wrong because there is a newer one."""

_AT_ONCE = 500
"""Ids in one statement."""


@dataclass(frozen=True)
class Selection:
    """Which deliveries; what is not given matches all."""

    states: Collection[State] = STATES
    ids: Collection[int] | None = None
    sink: str | None = None
    since: float | None = None
    """Of messages that were received at or after this time; Unix seconds."""
    until: float | None = None
    """Before this time."""
    severity: str | None = None
    search: str = ""
    """Words that all stand in the title, in small letters or large ones."""

    def where(self) -> list[ColumnElement[bool]]:
        """As conditions on the outbox and its messages."""
        found: list[ColumnElement[bool]] = [outbox.c.state.in_([_STORED[each] for each in self.states])]
        if self.ids is not None:
            found.append(outbox.c.id.in_(list(self.ids)))
        if self.sink is not None:
            found.append(outbox.c.sink == self.sink)
        if self.since is not None:
            found.append(messages.c.received_at >= self.since)
        if self.until is not None:
            found.append(messages.c.received_at < self.until)
        if self.severity is not None:
            found.append(messages.c.severity == self.severity)
        found += [_has_word(word) for word in self.search.split()]
        return found


def _has_word(word: str) -> ColumnElement[bool]:
    """In the title. SQLite knows small and large letters of ASCII alone, and PostgreSQL those of its locale."""
    spellings = dict.fromkeys((word.lower(), word.capitalize(), word.upper()))
    return or_(*(messages.c.title.icontains(each, autoescape=True) for each in spellings))


@dataclass(frozen=True)
class Delivery:
    """One message on its way to one sink."""

    id: int
    message_id: int
    key: str
    sink: str
    state: State
    kind: str
    severity: str | None
    title: str
    received_at: float
    """Times are Unix seconds."""
    attempts: int
    next_at: float
    finished_at: float | None
    queued_at: float
    """When it was put into the outbox, or sent again by a person."""
    last_error: str | None
    receipt: Mapping[str, Any] | None
    """What the sink said when it took it."""
    instead_of: str | None
    """The sink that it was meant for."""
    thread: str

    def as_json(self) -> dict[str, Any]:
        """The same for programs, times as RFC 3339."""
        times = ("received_at", "queued_at", "finished_at")
        found = {name: value for name, value in asdict(self).items() if name not in ("next_at", "thread")}
        return found | {name: None if found[name] is None else _time(found[name]) for name in times}


@dataclass(frozen=True)
class Skipped:
    """A delivery that was not sent again, and why."""

    id: int
    reason: str


@dataclass(frozen=True)
class Resent:
    """What came of sending again."""

    ids: tuple[int, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Orphans:
    """What waits for a sink that is not in the settings."""

    sink: str
    waiting: int
    oldest: float
    """When the first of them was received; Unix seconds."""


def find(connection: Connection, selection: Selection, limit: int, offset: int = 0) -> list[Delivery]:
    """Deliveries, those of the newest messages first."""
    ordered = _DELIVERY.where(*selection.where()).order_by(outbox.c.message_id.desc(), outbox.c.id.desc())
    return [_delivery(row) for row in connection.execute(ordered.limit(limit).offset(offset))]


def count(connection: Connection, selection: Selection) -> int:
    """How many deliveries there are."""
    rows = select(func.count()).select_from(_WITH_MESSAGE).where(*selection.where())
    return connection.execute(rows).scalar_one()


def orphans(connection: Connection, known: Iterable[str]) -> list[Orphans]:
    """The sinks for which messages wait and that are not ``known``, by name."""
    rows = (
        select(outbox.c.sink, func.count(), func.min(messages.c.received_at))
        .select_from(_WITH_MESSAGE)
        .where(outbox.c.state == "pending", outbox.c.sink.not_in(list(known)))
        .group_by(outbox.c.sink)
        .order_by(outbox.c.sink)
    )
    return [Orphans(*row) for row in connection.execute(rows)]


def resend(
    connection: Connection,
    selection: Selection,
    *,
    sinks: Collection[str],
    to: str | None = None,
    outdated: bool = False,
) -> Resent:
    """Send again what is selected: to its sink, or ``to`` another. ``sinks``: those of the settings. ``outdated``: also
    what a newer message of the same incident has overtaken. What waits is due at once, and a sink that was left alone
    because it failed is tried. Nothing is sent twice, however
    many do this at the same time."""
    chosen = select(outbox.c.message_id).select_from(_WITH_MESSAGE).where(*selection.where())
    # Whoever else sends one of these messages again waits here. (SQLite has one writer.)
    lock = select(messages.c.id).where(messages.c.id.in_(chosen)).order_by(messages.c.id)
    connection.execute(lock.with_for_update(key_share=True)).all()
    rows = connection.execute(_as_it_stands(selection, to)).all()
    skipped: dict[int, str] = {}
    wanted: dict[int, int] = {}
    redirected: set[int] = set()
    for row in rows:
        reason = _why_not(row, sinks, to, outdated=outdated)
        if reason is None and to is not None and row.message_id in redirected:
            reason = f"{to} gets it already"
        if reason is None:
            wanted[row.id] = row.message_id
            redirected.add(row.message_id)
        else:
            skipped[row.id] = reason
    ids = list(wanted)
    done = {
        each
        for first in range(0, len(ids), _AT_ONCE)
        for each in _send_again(connection, ids[first : first + _AT_ONCE], to)
    }
    for sink in {to or row.sink for row in rows if row.id in done}:
        sink_states.try_again(connection, sink)
    skipped |= dict.fromkeys((each for each in ids if each not in done), _IN_FLIGHT)
    for missing in sorted(set(selection.ids or ()) - {row.id for row in rows}):
        skipped[missing] = "there is no such delivery"
    return Resent(tuple(each for each in ids if each in done), tuple(Skipped(*each) for each in skipped.items()))


def _as_it_stands(selection: Selection, to: str | None) -> Select[Any]:
    """What decides about each delivery, in the order in which they leave."""
    there = outbox.c.sink if to is None else literal(to)
    others = outbox.alias("others")
    is_there = exists().where(
        others.c.message_id == outbox.c.message_id, others.c.sink == there, others.c.id != outbox.c.id
    )
    return (
        select(
            outbox.c.id,
            outbox.c.message_id,
            outbox.c.sink,
            outbox.c.state,
            _IS_IN_FLIGHT.label("is_in_flight"),
            is_there.label("is_there"),
            and_(messages.c.kind.in_(_KINDS_OF_INCIDENTS), _is_overtaken(there)).label("is_overtaken"),
        )
        .select_from(_WITH_MESSAGE)
        .where(*selection.where())
        .order_by(outbox.c.message_id, outbox.c.id)
    )


def _is_overtaken(there: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a sink has taken what came after a message: in its own thread, or in another that tells of its alerts."""
    newer, told, successor = outbox.alias("newer"), messages.alias("told"), messages.alias("successor")
    taken = (newer.c.sink == there, newer.c.state == "delivered", told.c.id == newer.c.message_id)
    # An update tells no more than that the incident goes on: without the message that it follows it is nothing.
    begins_or_ends = told.c.kind.in_(("firing", "resolved"))
    in_its_thread = exists().where(
        *taken, begins_or_ends, newer.c.thread == outbox.c.thread, newer.c.message_id > outbox.c.message_id
    )
    in_another = exists().where(
        message_order.c.after_id == outbox.c.message_id,
        successor.c.id == message_order.c.message_id,
        *taken,
        begins_or_ends,
        newer.c.thread == successor.c.thread,
        newer.c.message_id >= successor.c.id,
    )
    return or_(in_its_thread, in_another)


def _why_not(row: Any, sinks: Collection[str], to: str | None, *, outdated: bool) -> str | None:
    """Why a delivery is not sent again; None: it is."""
    there = to or row.sink
    if row.state == "delivered":
        return "it was delivered"
    if row.is_in_flight:
        return _IN_FLIGHT
    if there not in sinks:
        return f"there is no sink {there} in the settings any more: send it to another"
    if row.is_there:
        return f"{there} has it already, or gets it"
    if row.is_overtaken and not outdated:
        return f"{there} has taken a newer message of this incident since"
    return None


def _send_again(connection: Connection, ids: Sequence[int], to: str | None) -> list[int]:
    """Returns which of them are sent: not those that a courier has claimed meanwhile."""
    values: dict[str, Any] = {
        "state": "pending",
        "attempts": 0,
        "next_at": 0.0,
        "lease_until": 0.0,
        "lease_token": None,
        "finished_at": None,
        "form": "full",
        # A day from now, all but the seconds after which what something newer says, too, is superseded.
        "queued_at": database_now() - SUPERSEDED_SECONDS,
    }
    if to is not None:
        first = func.coalesce(outbox.c.instead_of, outbox.c.sink)
        values |= {"sink": to, "instead_of": case((first == to, null()), else_=first)}
    is_free = or_(outbox.c.state.not_in(("pending", "delivered")), ~_IS_IN_FLIGHT & (outbox.c.state == "pending"))
    changed = update(outbox).where(outbox.c.id.in_(ids), is_free).values(values).returning(outbox.c.id)
    return list(connection.execute(changed).scalars())


_IN_FLIGHT = "it is being sent now"
_IS_IN_FLIGHT = and_(outbox.c.state == "pending", outbox.c.lease_until > database_now())

_WITH_MESSAGE = outbox.join(messages, messages.c.id == outbox.c.message_id)

_DELIVERY = select(
    outbox.c.id,
    outbox.c.message_id,
    messages.c.key,
    outbox.c.sink,
    outbox.c.state,
    messages.c.kind,
    messages.c.severity,
    messages.c.title,
    messages.c.received_at,
    outbox.c.attempts,
    outbox.c.next_at,
    outbox.c.finished_at,
    outbox.c.queued_at,
    outbox.c.last_error,
    outbox.c.receipt,
    outbox.c.instead_of,
    outbox.c.thread,
).select_from(_WITH_MESSAGE)


def _delivery(row: Any) -> Delivery:
    receipt = None if row.receipt is None else json.loads(row.receipt)
    # What a sink has answered may repeat what it was sent, or shown.
    error = None if row.last_error is None else outgoing_text(row.last_error)
    return Delivery(**{**row._mapping, "state": _STATE_OF[row.state], "receipt": receipt, "last_error": error})


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
