"""Alerts -> what they are about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from slo_engine.alerts.payload import Alert
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.explained import explanation_of
from slo_engine.definitions.labels import LONG_WINDOW, SERVICE, SLO
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.targets import Group
from slo_engine.definitions.traces import (
    Explanation,
    TraceQuery,
    TraceTemplateError,
    default_query,
    names_in_traces,
)
from slo_engine.evidence.subject import Subject
from slo_engine.recording.names import ABSENT_ALERT

DEFAULT_WINDOW = timedelta(hours=1)
"""How far to look back for the traces of an alert that names no window."""

LONGEST_WINDOW = timedelta(hours=6)
"""A ticket over three days is explained by its newest traces, not by reading three days of them."""


def subjects_of(
    alerts: Iterable[Alert], slos: SloSet, at: datetime, *, incident: str = "", title: str = ""
) -> list[Subject]:
    """The subjects of a notification that came ``at`` this time, each once, in the order of its alerts; those of firing
    alerts only. An alert that is not of an SLO or plain alert of ours is about nothing that evidence could be tied
    to. ``incident``, ``title``: the notification's thread, and its one line for lists."""
    found: dict[object, tuple[_About, list[Alert]]] = {}
    for alert in alerts:
        about = _about(alert, slos) if alert.is_firing else None
        if about is not None:
            key = (about.slo.key if about.slo else alert.name, tuple(about.group.items()))
            found.setdefault(key, (about, []))[1].append(alert)
    subjects = (_subject(about, alike, at) for about, alike in found.values())
    return [replace(each, incident=incident, title=title) for each in subjects]


@dataclass(frozen=True)
class _About:
    slo: Slo | None
    group: Group
    query: TraceQuery | None
    explained_by: Explanation | None


def _about(alert: Alert, slos: SloSet) -> _About | None:
    service = alert.labels.get(SERVICE, "")
    slo = slos.find(service, alert.labels.get(SLO, ""))
    if slo is not None and alert.name == ABSENT_ALERT:
        # Of data that are not there no run tells.
        return _About(slo, {label: alert.labels[label] for label in slo.by if label in alert.labels}, None, None)
    if slo is not None:
        group = {label: alert.labels.get(label, "") for label in slo.by}
        return _About(slo, group, _rendered(slo.traces, group), slo.explained_by)
    plain = slos.find_threshold(service, alert.name)
    explained_by = explanation_of(plain.expr) if plain else None
    if explained_by is None:
        return None
    group = names_in_traces(alert.labels)
    return _About(None, group, _rendered(default_query(group, ()), group), explained_by)


def _rendered(query: TraceQuery | None, group: Group) -> TraceQuery | None:
    if query is None:
        return None
    try:
        return query.render(group)
    except TraceTemplateError:
        return None


def _subject(about: _About, alerts: list[Alert], at: datetime) -> Subject:
    return Subject(
        slo=about.slo,
        group=about.group,
        since=min(_since(alert, at) for alert in alerts),
        until=at,
        query=about.query,
        explained_by=about.explained_by,
        fingerprints=tuple(alert.fingerprint for alert in alerts),
    )


def _since(alert: Alert, at: datetime) -> datetime:
    """The window that made it fire lies before its start. Of one that has been firing for longer than that, the last
    window is looked at."""
    window = _window(alert)
    started = alert.starts_at
    if started is None or not at - window <= started <= at:
        return at - window
    return started - window


def _window(alert: Alert) -> timedelta:
    try:
        window = timedelta(seconds=Duration.parse(alert.labels.get(LONG_WINDOW, "")).seconds)
    except ValueError:
        return DEFAULT_WINDOW
    return min(window, LONGEST_WINDOW)
