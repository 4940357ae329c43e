"""Prometheus rules as values; ``expr`` is checked and formatted when a rule is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from slo_engine.definitions.duration import Duration
from slo_engine.rules.promql_text import as_promql


@dataclass(frozen=True)
class RecordingRule:
    """A recording rule."""

    record: str
    expr: str
    labels: Mapping[str, str]

    def as_data(self) -> dict[str, object]:
        """As Prometheus reads it."""
        return {"record": self.record, "expr": as_promql(self.expr), "labels": dict(self.labels)}


@dataclass(frozen=True)
class AlertRule:
    """An alerting rule."""

    alert: str
    expr: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    duration: Duration | None = None
    """How long the expression must hold before the alert fires (``for``)."""
    keep_firing_for: Duration | None = None
    """How long the alert goes on when the expression holds no more."""

    def as_data(self) -> dict[str, object]:
        """As Prometheus reads it."""
        held = {"for": str(self.duration)} if self.duration else {}
        kept = {"keep_firing_for": str(self.keep_firing_for)} if self.keep_firing_for else {}
        labels, annotations = dict(self.labels), dict(self.annotations)
        return {
            "alert": self.alert,
            "expr": as_promql(self.expr),
            **held,
            **kept,
            "labels": labels,
            "annotations": annotations,
        }


@dataclass(frozen=True)
class RuleGroup:
    """Rules that Prometheus evaluates one after the other, at one time; None: at Prometheus' own interval."""

    name: str
    interval: Duration | None
    rules: tuple[RecordingRule | AlertRule, ...] = field(default=())

    def as_data(self) -> dict[str, object]:
        """As Prometheus reads it."""
        interval = {"interval": str(self.interval)} if self.interval else {}
        return {"name": self.name, **interval, "rules": [rule.as_data() for rule in self.rules]}
