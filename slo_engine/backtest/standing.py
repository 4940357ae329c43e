"""How the error budget stands at the end of a history: what ``slo-engine status`` says at that time, from the same
events."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from slo_engine.backtest.windows import MINUTE, STAGE, History, Values
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.slo import Slo
from slo_engine.definitions.targets import began, error_budget


@dataclass(frozen=True)
class Standing:
    """The budget of one group over the SLO window up to the end of its history."""

    error_ratio: float
    """For spend, the share of the budget."""
    error_budget_remaining: float
    data_over: Duration
    """How much of the SLO window there is data of: all of it, unless the group is younger. A gap makes it no
    shorter."""
    is_window_full: bool


def standing(slo: Slo, group: Mapping[str, str], history: History) -> Standing | None:
    """None without any data, and where the history was not read back to the beginning of the SLO window, although there
    is more of it."""
    minutes = len(history.errors)
    first = next((minute for minute, value in enumerate(history.errors) if value == value), None)
    if first is None:
        return None
    window = _minutes_of_window(slo, history.start + (minutes - 1) * MINUTE)
    if minutes < window and first < STAGE:
        return None
    begin = max(0, minutes - window)
    errors = _sum(history.errors[begin:])
    if budget := slo.budget_for(group):
        ratio = errors / budget.amount
    else:
        total = _sum(history.total[begin:]) if history.total is not None else 0.0
        ratio = errors / total if total > 0 else 0.0
    reach = min(minutes - first, window)
    remaining = 1 - ratio / error_budget(slo.objective_for(group))
    return Standing(ratio, remaining, Duration(max(1, reach) * MINUTE * 1000), reach == window)


def _minutes_of_window(slo: Slo, end: int) -> int:
    """Of a calendar month, those that have gone by."""
    since = began(slo.target, datetime.fromtimestamp(end, UTC))
    return int(slo.window.seconds if since is None else end - since.timestamp()) // MINUTE


def _sum(values: Values) -> float:
    return math.fsum(value for value in values if value == value)
