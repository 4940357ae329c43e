"""The recording rules of an SLO, in stages: base, short windows, stage, long windows, budget.

Raw series are read by the base alone. Windows are ratios of summed base records, never means of ratios. Long windows
read the stage, one sample for five minutes, so a window of 30 days touches 8,640 samples a series instead of 43,200.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from slo_engine.rules.increases import base_selector, increases
from slo_engine.rules.model import Record
from slo_engine.spec.duration import Duration
from slo_engine.spec.names import (
    BUDGET_REMAINING,
    ERROR_RATIO,
    ERRORS_INCREASE,
    ERRORS_STAGE,
    ERRORS_SUM,
    OBJECTIVE,
    SERVICE,
    SLO,
    TOTAL_INCREASE,
    TOTAL_STAGE,
    TOTAL_SUM,
    WINDOW,
)
from slo_engine.spec.promql import Selector
from slo_engine.spec.slo import CostSli, Group, Slo, error_budget, ratio, targets

BASE_WINDOW = Duration.parse("5m")
SHORT_INTERVAL = Duration.parse("1m")
LONG_INTERVAL = Duration.parse("5m")

SHORT_LIMIT = Duration.parse("6h")
"""Windows up to this are read from the base, longer ones from the stage."""

_BASE_OVERLAP = BASE_WINDOW.milliseconds // SHORT_INTERVAL.milliseconds
"""Each event is in five base records: sums over them count it five times. Ratios do not care; numbers do."""


def short_records(slo: Slo) -> Iterator[Record]:
    """Every minute: the base, the windows that are read from it, and the objectives that alerts compare them with."""
    base = increases(slo)
    if base.total is not None:
        yield _record(slo, TOTAL_INCREASE, base.total)
    yield _record(slo, ERRORS_INCREASE, base.errors)
    for window in slo.windows:
        if window <= SHORT_LIMIT and window < slo.window:
            yield _record(slo, ERROR_RATIO, _window_ratio(slo, window), window)
    if base.total is not None:
        yield _record(slo, OBJECTIVE, _objective(slo))


def long_records(slo: Slo) -> Iterator[Record]:
    """Every five minutes: the stage, the windows that are read from it, and the budget over the SLO window."""
    has_total = not isinstance(slo.sli, CostSli)
    if has_total:
        yield _record(slo, TOTAL_STAGE, str(base_selector(slo, TOTAL_INCREASE)))
    yield _record(slo, ERRORS_STAGE, str(base_selector(slo, ERRORS_INCREASE)))
    for window in slo.windows:
        if SHORT_LIMIT < window < slo.window:
            yield _record(slo, ERROR_RATIO, _window_ratio(slo, window), window)
    if has_total:
        yield _record(slo, TOTAL_SUM, events_total(slo, slo.window), slo.window)
    yield _record(slo, ERRORS_SUM, _count(slo, ERRORS_INCREASE, ERRORS_STAGE, slo.window), slo.window)
    yield _record(slo, ERROR_RATIO, _slo_window_ratio(slo), slo.window)
    yield _record(slo, BUDGET_REMAINING, _budget_remaining(slo), slo.window)


def window_ratio_selector(slo: Slo, window: Duration) -> Selector:
    """The recorded error ratio over one window."""
    return base_selector(slo, ERROR_RATIO).where(WINDOW, str(window))


def events_total(slo: Slo, window: Duration) -> str:
    """The number of events over a window."""
    return _count(slo, TOTAL_INCREASE, TOTAL_STAGE, window)


def burning_budget(slo: Slo) -> str:
    """The error budget (1 - objective) of each group, to compare with or divide by."""
    if slo.overrides and not isinstance(slo.sli, CostSli):
        return f"(1 - {base_selector(slo, OBJECTIVE)})"
    return f"{error_budget(slo.objective):.12g}"


def _record(slo: Slo, name: str, expr: str, window: Duration | None = None) -> Record:
    covered = {WINDOW: str(window)} if window else {}
    return Record(name, expr, {SERVICE: slo.service, SLO: slo.name, **covered})


def _count(slo: Slo, base: str, stage: str, window: Duration) -> str:
    if window <= SHORT_LIMIT:
        return f"sum_over_time({base_selector(slo, base)}[{window}]) / {_BASE_OVERLAP}"
    return f"sum_over_time({base_selector(slo, stage)}[{window}])"


def _window_ratio(slo: Slo, window: Duration) -> str:
    if isinstance(slo.sli, CostSli):
        return _share_of_budget(slo, ERRORS_INCREASE if window <= SHORT_LIMIT else ERRORS_STAGE, window)
    # > 0 drops the groups without events: nothing is ever 0 / 0, whose NaN would poison whatever sums it.
    if window == BASE_WINDOW:
        return f"{base_selector(slo, ERRORS_INCREASE)} / ({base_selector(slo, TOTAL_INCREASE)} > 0)"
    errors, total = (ERRORS_INCREASE, TOTAL_INCREASE) if window <= SHORT_LIMIT else (ERRORS_STAGE, TOTAL_STAGE)
    return (
        f"sum_over_time({base_selector(slo, errors)}[{window}])"
        f" / (sum_over_time({base_selector(slo, total)}[{window}]) > 0)"
    )


def _slo_window_ratio(slo: Slo) -> str:
    errors = base_selector(slo, ERRORS_SUM)
    if isinstance(slo.sli, CostSli):
        return _for_each_group(slo, lambda group, budget: f"{_within(errors, group)} / {budget:.12g}")
    # A group without any event has spent nothing: its ratio is its errors, 0.
    return f"{errors} / ({base_selector(slo, TOTAL_SUM)} > 0) or {errors}"


def _share_of_budget(slo: Slo, metric: str, window: Duration) -> str:
    """What was spent over ``window``, as a share of what the budget allows for a stretch of that length."""
    part = window.milliseconds / slo.window.milliseconds
    spent = base_selector(slo, metric)
    if window == BASE_WINDOW:
        # One record covers it. Prometheus 2 takes both ends of a range: in five minutes it finds six.
        return _for_each_group(slo, lambda group, budget: f"{_within(spent, group)} / {budget * part:.12g}")
    counted = _BASE_OVERLAP if metric == ERRORS_INCREASE else 1
    return _for_each_group(
        slo, lambda group, budget: f"sum_over_time({_within(spent, group)}[{window}]) / {budget * part * counted:.12g}"
    )


def _objective(slo: Slo) -> str:
    # From whatever window still has a ratio: an agent that is gone keeps its objective as long as its budget shows.
    ratios = base_selector(slo, ERROR_RATIO)
    return _for_each_group(
        slo,
        lambda group, objective: (
            f"0 * max without ({WINDOW}) (last_over_time({_within(ratios, group)}[10m])) + {ratio(objective):.12g}"
        ),
    )


def _budget_remaining(slo: Slo) -> str:
    spent = f"max without ({WINDOW}) ({window_ratio_selector(slo, slo.window)})"
    return f"1 - {spent}" if isinstance(slo.sli, CostSli) else f"1 - {spent} / {burning_budget(slo)}"


def _for_each_group(slo: Slo, expr: Callable[[Group, float], str]) -> str:
    """One expression that gives the groups of each override their own target, and all others that of the SLO.

    ``a or b`` keeps of ``b`` only the groups that ``a`` does not have, so the first override that matches wins.
    """
    return " or ".join(expr(group, target) for group, target in targets(slo))


def _within(selector: Selector, group: Group) -> Selector:
    for label, value in group.items():
        selector = selector.where(label, value)
    return selector
