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
    IMPROBABILITY,
    OBJECTIVE,
    TOTAL_INCREASE,
    TOTAL_SUM,
    TOTAL_WINDOW,
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
    short = [window for window in slo.windows if window <= SHORT_LIMIT and window < slo.window]
    for window in short:
        yield from _window_records(slo, window)
    if slo.target.objective is not None:
        yield _record(slo, OBJECTIVE, _objective(slo))
    for window in short:
        yield from _improbability(slo, window)


def long_records(slo: Slo) -> Iterator[RecordingRule]:
    """Every five minutes: the later stages, the windows that are read from them, the budget over the SLO window."""
    whole = {WINDOW: slo.window_name}
    for name, expr, labels in stage_records(slo, _bases(slo)):
        yield _record(slo, name, expr, labels)
    for window in slo.windows:
        if SHORT_LIMIT < window < slo.window:
            yield from _window_records(slo, window)
            yield from _improbability(slo, window)
    if month := slo.target.month:
        for name, expr in month_records(slo, month):
            yield _record(slo, name, expr)
        yield _record(slo, ERRORS_SUM, spent_this_month(slo, month), whole)
    else:
        for base in _bases(slo):
            yield _record(slo, SUMS[base], sum_over(slo, base, slo.window), whole)
    yield _record(slo, ERROR_RATIO, _slo_window_ratio(slo), whole)
    yield from _improbability(slo, slo.window)
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


def _window_records(slo: Slo, window: Duration) -> Iterator[RecordingRule]:
    """The error ratio over a window shorter than the SLO's; the number of events, where an alert asks for it."""
    labels = {WINDOW: str(window)}
    if Count.TOTAL not in slo.target.counts:
        # What was spent, as a share of what the budget allows for a stretch of that length.
        part = window.milliseconds / slo.window.milliseconds
        spent = _of_allowance(slo, part, lambda group: sum_over(slo, ERRORS_INCREASE, window, group))
        yield _record(slo, ERROR_RATIO, spent, labels)
        return
    total = sum_over(slo, TOTAL_INCREASE, window)
    if _is_asked(slo, window):
        yield _record(slo, TOTAL_WINDOW, total, labels)
        total = str(recorded(slo, TOTAL_WINDOW).where(WINDOW, str(window)))
    # > 0 drops the groups without events: nothing is ever 0 / 0, whose NaN would poison whatever sums it.
    errors = sum_over(slo, ERRORS_INCREASE, window)
    ratio = f"{errors} / ignoring ({WINDOW}) ({total} > 0)" if _is_asked(slo, window) else f"{errors} / ({total} > 0)"
    yield _record(slo, ERROR_RATIO, ratio, labels)


def _is_asked(slo: Slo, window: Duration) -> bool:
    """Whether an alert must be sure of the errors over a window."""
    return any(tier.long == window and slo.alpha_of(tier) is not None for tier in slo.tiers)


def _improbability(slo: Slo, window: Duration) -> Iterator[RecordingRule]:
    """:func:`slo_engine.definitions.policies.improbability` in PromQL."""
    if not _is_asked(slo, window):
        return
    is_whole = window == slo.window
    labels = {WINDOW: slo.window_name if is_whole else str(window)}
    events = str(recorded(slo, TOTAL_SUM if is_whole else TOTAL_WINDOW).where(WINDOW, labels[WINDOW]))
    ratio = str(window_ratio_selector(slo, labels[WINDOW]))
    budget, kept = burning_budget(slo), f"{1 - slo.target.error_budget:.12g}"
    if slo.target.overrides:
        # The recorded objectives are of no window.
        events, ratio = f"max without ({WINDOW}) ({events})", f"max without ({WINDOW}) ({ratio})"
        kept = str(recorded(slo, OBJECTIVE))
    # Where all events fail, 0 x ln 0 would be NaN: next to nothing of them is good.
    good = f"clamp_min(1 - {ratio}, 1e-12)"
    divergence = f"({ratio} > {budget}) * ln({ratio} / {budget}) + {good} * ln({good} / {kept})"
    yield _record(slo, IMPROBABILITY, f"{events} * ({divergence})", labels)


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
