"""Notifications and causes -> the incidents of a month. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from slo_engine.reports.model import FoundCause, Incident
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.store.causes import SILENT_SECONDS, TWINS_SECONDS
from slo_engine.store.period import NotedCause, Notification


@dataclass
class _Told:
    """One incident, as far as it was told."""

    thread: str
    title: str
    severity: str | None
    began: float
    last: float
    """When something was last said of it."""
    ended: float | None = None
    notifications: int | None = None
    causes: list[NotedCause] = field(default_factory=list)

    def reaches(self, start: float, end: float) -> bool:
        """Whether it lies in a stretch of time, or a part of it does."""
        return self.began < end and (self.last if self.ended is None else self.ended) >= start

    def has(self, cause: NotedCause) -> bool:
        """Whether a cause was noted for it. It is noted while evidence is gathered, some time after a notification."""
        over = self.last + SILENT_SECONDS if self.ended is None else self.ended + TWINS_SECONDS
        return cause.first_seen <= over and cause.last_seen >= self.began - TWINS_SECONDS


def incidents_of(
    notifications: Sequence[Notification], causes: Sequence[NotedCause], start: float, end: float, now: float
) -> tuple[Incident, ...]:
    """The incidents of a month, the first first. Times are Unix seconds. ``notifications`` and ``causes`` may reach
    beyond the month, and should: an incident of its last day is over on the next."""
    threads: defaultdict[str, list[Notification]] = defaultdict(list)
    for each in sorted(notifications, key=lambda each: each.received_at):
        threads[each.thread].append(each)
    told = [incident for own in threads.values() for incident in _of_thread(own)]
    told += _from_causes(_left_after(told, causes))
    found = [each for each in told if each.reaches(start, end)]
    return tuple(_incident(each, now) for each in sorted(found, key=lambda each: (each.began, each.title)))


def _of_thread(notifications: Sequence[Notification]) -> Iterator[_Told]:
    """From each notification that fires to the one that resolves it."""
    current: _Told | None = None
    previous: Notification | None = None
    over = float("-inf")
    for each in notifications:
        if current is not None and each.received_at - current.last > SILENT_SECONDS:
            yield current
            current = None
        if current is None:
            # The other Alertmanager's, late; or the end of one whose beginning is not known any more.
            if each.kind == "resolved" or each.received_at - over <= TWINS_SECONDS:
                continue
            current = _Told(each.thread, each.title, each.severity, each.received_at, each.received_at, None, 0)
        is_twin = previous is not None and _is_twin(each, previous)
        current.notifications = (current.notifications or 0) + (0 if is_twin else 1)
        current.last, previous = each.received_at, each
        if each.kind == "resolved":
            current.ended = over = each.received_at
            yield current
            current = None
        else:
            current.title, current.severity = each.title, each.severity or current.severity
    if current is not None:
        yield current


def _is_twin(one: Notification, before: Notification) -> bool:
    """Whether both Alertmanagers of a pair have sent the same."""
    is_same = (one.kind, one.title) == (before.kind, before.title)
    return is_same and one.received_at - before.received_at <= TWINS_SECONDS


def _left_after(told: Sequence[_Told], causes: Sequence[NotedCause]) -> list[NotedCause]:
    """Give each incident its causes. Returns those whose notifications are not there any more."""
    by_thread: defaultdict[str, list[_Told]] = defaultdict(list)
    for incident in told:
        by_thread[incident.thread].append(incident)
    left: list[NotedCause] = []
    for cause in causes:
        # The latest that began before the cause was last seen: threads are used again.
        its = next((each for each in reversed(by_thread[cause.thread]) if each.has(cause)), None)
        (left if its is None else its.causes).append(cause)
    return left


def _from_causes(causes: Sequence[NotedCause]) -> list[_Told]:
    """What is known of incidents whose notifications are not there any more."""
    found: list[_Told] = []
    newest: dict[str, _Told] = {}
    for cause in sorted(causes, key=lambda cause: cause.first_seen):
        known = newest.get(cause.thread)
        if known is not None and known.has(cause):
            incident = known
        else:
            incident = newest[cause.thread] = _Told(
                cause.thread, cause.title, None, cause.first_seen, cause.last_seen, cause.ended_at
            )
            found.append(incident)
        incident.causes.append(cause)
        incident.last = max(incident.last, cause.last_seen)
        if cause.ended_at is not None:
            incident.ended = max(cause.ended_at, incident.ended or cause.ended_at)
    return found


def _incident(told: _Told, now: float) -> Incident:
    causes: dict[str, FoundCause] = {}
    for each in told.causes:  # a cause may be noted twice: evidence is gathered side by side
        noted = causes.get(each.cause)
        causes[each.cause] = FoundCause(
            outgoing_text(each.cause),
            min(each.first_seen, noted.first_seen if noted else each.first_seen),
            max(each.last_seen, noted.last_seen if noted else each.last_seen),
        )
    return Incident(
        title=outgoing_text(told.title),
        severity=told.severity,
        began=told.began,
        ended=told.ended,
        is_open=told.ended is None and now - told.last <= SILENT_SECONDS,
        notifications=told.notifications,
        causes=tuple(sorted(causes.values(), key=lambda cause: (cause.first_seen, cause.cause))),
    )
