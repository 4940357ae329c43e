"""The message that leaves: Alertmanager's payload, plus annotations for people and ``enrichment`` for code."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from slo_engine.alerts.payload import Notification
from slo_engine.evidence.gathering import Evidence, SubjectEvidence, as_json

_ENVIRONMENT = Environment(
    loader=PackageLoader("slo_engine.notifications"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - plain text: who shows it escapes it, as for every annotation
    trim_blocks=True,
    lstrip_blocks=True,
)

ANNOTATIONS = ("slo_engine_budget", "slo_engine_causes", "slo_engine_traces", "slo_engine_missing")
"""What is added to the annotations of each firing alert; each only where there is something to say."""


def enriched(notification: Notification, evidence: Evidence) -> dict[str, Any]:
    """The payload with what was found out. Existing receivers see only annotations and one key that are new."""
    by_fingerprint: dict[str, Mapping[str, str]] = {}
    for each in evidence.subjects:
        by_fingerprint |= dict.fromkeys(each.subject.fingerprints, annotations_for(each, evidence))
    alerts = []
    for alert, raw in zip(notification.alerts, notification.raw["alerts"], strict=True):
        added = by_fingerprint.get(alert.fingerprint, {}) if alert.is_firing else {}
        alerts.append({**raw, "annotations": {**alert.annotations, **added}} if added else raw)
    return {**notification.raw, "alerts": alerts, "enrichment": as_json(evidence)}


def plain(payload: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """The payload as it came, with the reason why nothing was added."""
    return {**payload, "enrichment": {"version": "1", "missing": [{"source": "engine", "reason": reason}]}}


def annotations_for(found: SubjectEvidence, evidence: Evidence) -> Mapping[str, str]:
    """The annotations of the alerts of one subject."""
    rendered = {
        name: _ENVIRONMENT.get_template(f"{name}.txt.j2").render(
            status=found.status, finding=found.finding, missing=evidence.missing
        )
        for name in ANNOTATIONS
    }
    return {name: text.strip() for name, text in rendered.items() if text.strip()}


def percent(value: float) -> str:
    """0.4149 -> 41.5 %; -20.3 -> -2,030.0 %"""
    return f"{value * 100:,.1f} %"


def length(value: timedelta) -> str:
    """A length of time in its two largest units: 2d 4h."""
    minutes = max(0, round(value.total_seconds() / 60))
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = [f"{amount}{unit}" for amount, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if amount]
    return " ".join(parts[:2]) or "less than a minute"


def clock(value: datetime) -> str:
    """2026-11-23 17:05 UTC"""
    return value.strftime("%Y-%m-%d %H:%M UTC")


_ENVIRONMENT.filters |= {"percent": percent, "length": length, "clock": clock}
