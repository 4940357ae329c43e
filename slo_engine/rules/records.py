"""The recording rules of an SLO, on top of the sums of its events: error ratios, objectives, the error budget.

Windows are ratios of sums, never means of ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from slo_engine.definitions.counts import Count
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import SERVICE, SLO, WINDOW
from slo_engine.definitions.promql import Selector
from slo_engine.definitions.slo import Slo
from slo_engine.definitions.targets import Group, ratio
from slo_engine.recording.base import RECORDS, base_records, recorded
from slo_engine.recording.names import (
    BUDGET_REMAINING,
    ERROR_RATIO,
    ERRORS_INCREASE,
    ERRORS_SUM,
    OBJECTIVE,
    TOTAL_INCREASE,
    TOTAL_SUM,
)
from slo_engine.recording.stages import SHORT_LIMIT, SUMS
from slo_engine.rules.model import RecordingRule
from slo_engine.rules.month import month_records, spent_this_month
from slo_engine.rules.sums import stage_records, sum_over

_BUDGET_SHOWN = "10m"
"""How long the record of a budget counts as current: twice the interval at which it is made."""


def short_records(slo: Slo) -> Iterator[RecordingRule]:
    """Every minute: the base, the windows that are read from it, and the objectives that alerts compare them with."""
    for name, expr, labels in base_records(slo):
        yield RecordingRule(name, expr, labels)
    for window in slo.windows:
        if window <= SHORT_LIMIT and window < slo.window:
            yield _record(slo, ERROR_RATIO, _window_ratio(slo, window), {WINDOW: str(window)})
    if slo.target.objective is not None:
        yield _record(slo, OBJECTIVE, _objective(slo))


def long_records(slo: Slo) -> Iterator[RecordingRule]:
    """Every five minutes: the later stages, the windows that are read from them, the budget over the SLO window."""
    whole = {WINDOW: slo.window_name}
    for name, expr, labels in stage_records(slo, _bases(slo)):
        yield _record(slo, name, expr, labels)
    for window in slo.windows:
        if SHORT_LIMIT < window < slo.window:
            yield _record(slo, ERROR_RATIO, _window_ratio(slo, window), {WINDOW: str(window)})
    if month := slo.target.month:
        for name, expr in month_records(slo, month):
            yield _record(slo, name, expr)
        yield _record(slo, ERRORS_SUM, spent_this_month(slo, month), whole)
    else:
        for base in _bases(slo):
            yield _record(slo, SUMS[base], sum_over(slo, base, slo.window), whole)
    yield _record(slo, ERROR_RATIO, _slo_window_ratio(slo), whole)
    yield _record(slo, BUDGET_REMAINING, _budget_remaining(slo), whole)


def window_ratio_selector(slo: Slo, window: str) -> Selector:
    """The recorded error ratio over one window."""
    return recorded(slo, ERROR_RATIO).where(WINDOW, window)


def burning_budget(slo: Slo) -> str:
    """The error budget (1 - objective) of each group, to compare with or divide by."""
    if slo.target.overrides and slo.target.objective is not None:
        return f"(1 - {recorded(slo, OBJECTIVE)})"
    return f"{slo.target.error_budget:.12g}"


def _bases(slo: Slo) -> tuple[str, ...]:
    return tuple(RECORDS[count] for count in slo.target.counts)


def _record(slo: Slo, name: str, expr: str, labels: Group | None = None) -> RecordingRule:
    return RecordingRule(name, expr, {SERVICE: slo.service, SLO: slo.name, **(labels or {})})


def _window_ratio(slo: Slo, window: Duration) -> str:
    if Count.TOTAL not in slo.target.counts:
        # What was spent, as a share of what the budget allows for a stretch of that length.
        part = window.milliseconds / slo.window.milliseconds
        return _of_allowance(slo, part, lambda group: sum_over(slo, ERRORS_INCREASE, window, group))
    # > 0 drops the groups without events: nothing is ever 0 / 0, whose NaN would poison whatever sums it.
    return f"{sum_over(slo, ERRORS_INCREASE, window)} / ({sum_over(slo, TOTAL_INCREASE, window)} > 0)"


def _slo_window_ratio(slo: Slo) -> str:
    errors = recorded(slo, ERRORS_SUM)
    if Count.TOTAL not in slo.target.counts:
        return _of_allowance(slo, 1.0, lambda group: str(recorded(slo, ERRORS_SUM, group)))
    # A group without any event has spent nothing: its ratio is its errors, 0.
    return f"{errors} / ({recorded(slo, TOTAL_SUM)} > 0) or {errors}"


def _objective(slo: Slo) -> str:
    # An agent that is gone keeps its objective for as long as its budget shows.
    def of(group: Group, objective: float) -> str:
        budgeted = f"last_over_time({recorded(slo, TOTAL_SUM, group)}[{_BUDGET_SHOWN}])"
        seen = f"{recorded(slo, TOTAL_INCREASE, group)} or ignoring ({WINDOW}) {budgeted}"
        return f"0 * max without ({WINDOW}) ({seen}) + {ratio(objective):.12g}"

    return _for_each_group(slo, of)


def _budget_remaining(slo: Slo) -> str:
    spent = f"max without ({WINDOW}) ({window_ratio_selector(slo, slo.window_name)})"
    budget = burning_budget(slo)
    return f"1 - {spent}" if budget == "1" else f"1 - {spent} / {budget}"


def _of_allowance(slo: Slo, share: float, spent: Callable[[Group], str]) -> str:
    """What each group has spent, divided by what it may spend in that share of the SLO window."""

    def of(group: Group, amount: float) -> str:
        return f"{spent(group)} / {slo.target.allowance(share, amount):.12g}"

    return _for_each_group(slo, of)


def _for_each_group(slo: Slo, expr: Callable[[Group, float], str]) -> str:
    """One expression that gives the groups of each override their own target, and all others that of the SLO.

    ``a or b`` keeps of ``b`` only the groups that ``a`` does not have, so the first override that matches wins.
    """
    return " or ".join(expr(group, target) for group, target in slo.target.amounts())
