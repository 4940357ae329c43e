"""Alerts -> what they are about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from slo_engine.alerts.payload import Alert
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import LONG_WINDOW, SERVICE, SLO
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.targets import Group
from slo_engine.definitions.traces import TraceQuery, TraceTemplateError
from slo_engine.evidence.subject import Subject

DEFAULT_WINDOW = timedelta(hours=1)
"""How far to look back for the traces of an alert that names no window."""

LONGEST_WINDOW = timedelta(hours=6)
"""A ticket over three days is explained by its newest traces, not by reading three days of them."""


def subjects_of(
    alerts: Iterable[Alert], slos: SloSet, at: datetime, *, incident: str = "", title: str = ""
) -> list[Subject]:
    """The subjects of a notification that came ``at`` this time, each once, in the order of its alerts; those of firing
    alerts only. An alert of no SLO that is known here is about nothing that evidence could be tied to. ``incident``,
    ``title``: its thread, and its one line for lists."""
    found: dict[object, tuple[Slo, Group, list[Alert]]] = {}
    for alert in alerts:
        slo = slos.find(alert.labels.get(SERVICE, ""), alert.labels.get(SLO, ""))
        if slo is None or not alert.is_firing:
            continue
        group = {label: alert.labels.get(label, "") for label in slo.by}
        found.setdefault((slo.key, tuple(group.items())), (slo, group, []))[2].append(alert)
    subjects = (_subject(slo, group, alike, at) for slo, group, alike in found.values())
    return [replace(each, incident=incident, title=title) for each in subjects]


def _subject(slo: Slo, group: Group, alerts: list[Alert], at: datetime) -> Subject:
    since = min(_since(alert, at) for alert in alerts)
    return Subject(
        slo=slo,
        group=group,
        since=since,
        until=at,
        query=_query(slo, group),
        explained_by=slo.sli.explained_by,
        fingerprints=tuple(alert.fingerprint for alert in alerts),
    )


def _query(slo: Slo, group: Group) -> TraceQuery | None:
    if slo.traces is None:
        return None
    try:
        return slo.traces.render(group)
    except TraceTemplateError:
        return None


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
