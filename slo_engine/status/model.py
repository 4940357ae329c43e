"""The status of one SLO group: what its error budget is doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slo_engine import amounts
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.money import Budget
from slo_engine.definitions.targets import Group


@dataclass(frozen=True)
class Events:
    """Events, or for spend money, over the SLO window. For spend ``total`` is the budget and ``errors`` the spend."""

    total: float
    errors: float


@dataclass(frozen=True)
class Firing:
    """An alert of the SLO that fires for the group. ``long_window``, ``short_window``: of a burn alert, else empty."""

    alert: str
    severity: str
    long_window: str
    short_window: str

    @property
    def remark(self) -> str:
        """``page 1h``, or ``ticket SLODataAbsent``."""
        return f"{self.severity} {self.long_window or self.alert}"


@dataclass(frozen=True)
class SloStatus:
    """One SLO group at one time. Ratios and burn rates are by window (``5m``, ``1h``, ...), and only where Prometheus
    has them: an idle agent has none over a window without events."""

    service: str
    slo: str
    group: Group
    objective: float | None
    """In percent; None for spend."""
    window: str
    budget: Budget | None
    """The money of a spend SLO; None for all other kinds."""
    error_ratio: Mapping[str, float]
    burn_rate: Mapping[str, float]
    error_budget_remaining: float | None
    """1 = untouched, negative = overspent, None = no data."""
    measured_over: str | None
    """The window behind ``error_budget_remaining``: the SLO window, or the longest one recorded so far."""
    data_over: Duration | None
    """How much history of the group that window holds: the whole window, unless the group is younger. In whole minutes;
    None = not known. A gap makes it no shorter."""
    is_window_full: bool | None
    """Whether it is that of the whole SLO window (of a calendar month: what has gone by of it)."""
    events: Events | None
    exhausted_at: datetime | None
    """When the budget is exhausted at the burn rate of the last hour; ``evaluated_at`` when it is already."""
    firing: tuple[Firing, ...]
    unpriced_models: tuple[str, ...]
    """Models with calls whose cost is not known, for a spend SLO that watches them: it has spent more than it shows."""
    evaluated_at: datetime

    @property
    def is_estimate(self) -> bool:
        """Whether the budget is not recorded over the SLO window, and estimated from the last minutes or hours."""
        return self.measured_over not in (None, self.window)

    @property
    def measured(self) -> str:
        """``over 5 min of data``, or ``estimated from 4 min of data``; empty when it is the whole SLO window."""
        return measured(self.as_json())

    @property
    def group_text(self) -> str:
        """``support_agent``, or ``eu, support_agent``; empty when the SLO is not divided."""
        return ", ".join(self.group.values())

    def as_json(self) -> dict[str, Any]:
        """For JSON: only finite numbers, times in RFC 3339."""
        return {
            "service": self.service,
            "slo": self.slo,
            "group": dict(self.group),
            "objective": self.objective,
            "window": self.window,
            "budget": None if self.budget is None else {"amount": self.budget.amount, "currency": self.budget.currency},
            "error_ratio": dict(self.error_ratio),
            "burn_rate": dict(self.burn_rate),
            "error_budget_remaining": self.error_budget_remaining,
            "measured_over": self.measured_over,
            "data_over": None if self.data_over is None else str(self.data_over),
            "is_window_full": self.is_window_full,
            "is_estimate": self.is_estimate,
            "events": None if self.events is None else {"total": self.events.total, "errors": self.events.errors},
            "exhausted_at": None if self.exhausted_at is None else self.exhausted_at.isoformat(),
            "firing": [
                {
                    "alert": each.alert,
                    "severity": each.severity,
                    "long_window": each.long_window,
                    "short_window": each.short_window,
                }
                for each in self.firing
            ],
            "unpriced_models": list(self.unpriced_models),
            "evaluated_at": self.evaluated_at.isoformat(),
        }


def measured(status: Mapping[str, Any]) -> str:
    """:attr:`SloStatus.measured` of a status in JSON, which may have been kept by a version that did not say it."""
    data_over, is_estimate = status.get("data_over"), status.get("is_estimate", False)
    if not is_estimate and (data_over is None or status.get("is_window_full")):
        return ""
    of_data = amounts.length(Duration.parse(data_over).seconds) if data_over else status.get("measured_over")
    return f"estimated from {of_data} of data" if is_estimate else f"over {of_data} of data"
