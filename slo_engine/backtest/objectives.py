"""Which objective a service has met over a history."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from slo_engine.backtest.windows import MINUTE, STAGE, History
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.targets import error_budget

SENSIBLE = (50, 60, 70, 75, 80, 85, 90, 92, 95, 97, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99, 99.999)
"""Objectives that people write, in percent."""


@dataclass(frozen=True)
class Met:
    """What one group has met. Ratios are of good events: 0.995."""

    events: float
    errors: float
    overall: float
    worst: float | None
    """Over the worst SLO window that lies within the history; None when it is shorter than the window."""
    windows: int
    """How many SLO windows were looked at, one each five minutes."""
    objective: float | None
    """The highest sensible objective that was met, in percent; None when even the lowest was not."""
    margin: float | None
    """The share of the error budget that this objective would have left over."""


def met(history: History, begin: int, window: Duration) -> Met | None:
    """What a group has met from minute ``begin`` of its history on. None for spend, and without any event."""
    if history.total is None:
        return None
    pairs = [
        (errors, total) if errors == errors and total == total else (0.0, 0.0)
        for errors, total in zip(history.errors[begin:], history.total[begin:], strict=True)
    ]
    errors, events = (
        (list(accumulate(column, initial=0.0)) for column in zip(*pairs, strict=True)) if pairs else ([0.0], [0.0])
    )
    if events[-1] <= 0:
        return None
    overall = errors[-1] / events[-1]
    span = window.milliseconds // (MINUTE * 1000)
    ratios = [
        (lost - lost_before) / (seen - seen_before)
        for lost, lost_before, seen, seen_before in zip(
            errors[span::STAGE], errors[::STAGE], events[span::STAGE], events[::STAGE], strict=False
        )
        if seen > seen_before
    ]
    worst = max(ratios, default=None)
    of_a_window = events[-1] * min(1.0, span / len(pairs))
    objective = _sensible(overall if worst is None else max(worst, 0.0), of_a_window)
    margin = None
    if objective is not None:
        margin = 1 - (overall if worst is None else max(worst, 0.0)) / error_budget(objective)
    return Met(
        events=events[-1],
        errors=errors[-1],
        overall=1 - overall,
        worst=None if worst is None else 1 - max(worst, 0.0),
        windows=len(ratios),
        objective=objective,
        margin=margin,
    )


def _sensible(error_ratio: float, events: float) -> float | None:
    """The highest objective whose budget was not overspent, and allows at least one error in so many events: a budget
    of half an event is none."""
    kept = [
        objective
        for objective in SENSIBLE
        if error_ratio <= error_budget(objective)
        and (objective == SENSIBLE[0] or error_budget(objective) * events >= 1)
    ]
    return max(kept, default=None)
