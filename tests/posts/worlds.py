"""Statuses of made-up budgets, and a board that knows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from slo_engine.definitions import load
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.slo import SloSet
from slo_engine.prometheus import PrometheusError
from slo_engine.status.model import Events, Firing, SloStatus

START = datetime(2026, 11, 2, tzinfo=UTC)
"""A Monday."""

SLOS_TEXT = """
version: slo-engine/v1
service: agents
owner: ai-platform
slos:
  - name: success
    objective: 98
    by: [agent_type]
    sli:
      events: {total: agent_requests_total, errors: 'agent_requests_total{status!="success"}'}
  - name: latency
    objective: 95
    by: [agent_type]
    sli:
      latency: {histogram: agent_request_duration_seconds, threshold: 15s}
"""


def slos() -> SloSet:
    return load(SLOS_TEXT)


def status(
    left: float | None,
    at: datetime = START,
    *,
    slo: str = "success",
    group: str = "support",
    exhausted_at: datetime | None = None,
    data_over: str = "30d",
    is_full: bool = True,
    measured_over: str = "30d",
    firing: Sequence[Firing] = (),
) -> SloStatus:
    return SloStatus(
        service="agents",
        slo=slo,
        group={"agent_type": group},
        objective=98.0,
        window="30d",
        budget=None,
        error_ratio={} if left is None else {"30d": (1 - left) * 0.02},
        burn_rate={} if left is None else {"1h": 1.0, "30d": 1 - left},
        error_budget_remaining=left,
        measured_over=None if left is None else measured_over,
        data_over=None if left is None else Duration.parse(data_over),
        is_window_full=None if left is None else is_full,
        events=None if left is None else Events(10_000, 200 * (1 - left)),
        exhausted_at=exhausted_at,
        firing=tuple(firing),
        unpriced_models=(),
        evaluated_at=at,
    )


class MadeUpBoard:
    """A board whose statuses are what a plan says for the time that it is told."""

    def __init__(self, plan: Mapping[str, Sequence[tuple[timedelta, float | None]]]) -> None:
        """``plan``: group -> (time since the start, budget left from then on)."""
        self.plan = dict(plan)
        self.now = START
        self.is_down = False
        self.statuses: Sequence[SloStatus] = ()
        self.evaluated_at: datetime | None = None

    def refresh(self, *, max_age: timedelta = timedelta(0)) -> Sequence[SloStatus]:
        if self.is_down:
            raise PrometheusError("timeout", "Prometheus at http://prom did not answer within 10 s")
        found = []
        for group, values in self.plan.items():
            lefts = [left for after, left in values if START + after <= self.now]
            if lefts:
                found.append(status(lefts[-1], self.now, group=group))
        self.statuses, self.evaluated_at = found, self.now
        return found
