"""Alerts -> what they are about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from slo_engine.alerts.payload import Alert
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import LONG_WINDOW, SERVICE, SLO
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.targets import Group
from slo_engine.definitions.traces import Failed, TraceQuery, TraceTemplateError
from slo_engine.evidence.subject import Subject

DEFAULT_WINDOW = timedelta(hours=1)
"""How far to look back for the traces of an alert that names no window."""

LONGEST_WINDOW = timedelta(hours=6)
"""A ticket over three days is explained by its newest traces, not by reading three days of them."""

MAX_SUBJECTS = 10
"""Subjects of one notification that get evidence; a storm in one group must not multiply requests."""

AGENT_LABEL = "agent_type"
"""The label by which the traces of an alert without an SLO are found, if it has it."""


def subjects_of(alerts: Iterable[Alert], slos: SloSet) -> list[Subject]:
    """The subjects of a notification, each once, in the order of its alerts; those of firing alerts only."""
    found: dict[object, tuple[Alert, Slo | None, Group, list[str]]] = {}
    for alert in alerts:
        if not alert.is_firing:
            continue
        slo = slos.find(alert.labels.get(SERVICE, ""), alert.labels.get(SLO, ""))
        labels = slo.by if slo else (AGENT_LABEL,) if AGENT_LABEL in alert.labels else ()
        group = {label: alert.labels.get(label, "") for label in labels}
        key = (slo.key if slo else None, tuple(group.items()))
        found.setdefault(key, (alert, slo, group, []))[3].append(alert.fingerprint)
    return [_subject(*each) for each in list(found.values())[:MAX_SUBJECTS]]


def _subject(alert: Alert, slo: Slo | None, group: Group, fingerprints: list[str]) -> Subject:
    return Subject(
        slo=slo,
        group=group,
        window=_window(alert),
        query=_query(slo, group),
        explained_by=slo.sli.explained_by if slo else Failed(),
        fingerprints=tuple(fingerprints),
    )


def _query(slo: Slo | None, group: Group) -> TraceQuery | None:
    if slo is None:
        return TraceQuery(tuple(f"{label}:{value}" for label, value in group.items())) if group else None
    if slo.sli.explained_by is None:
        return None
    try:
        return slo.traces.render(group)
    except TraceTemplateError:
        return None


def _window(alert: Alert) -> timedelta:
    try:
        window = timedelta(seconds=Duration.parse(alert.labels.get(LONG_WINDOW, "")).seconds)
    except ValueError:
        return DEFAULT_WINDOW
    return min(window, LONGEST_WINDOW)
