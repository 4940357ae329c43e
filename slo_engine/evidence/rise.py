"""Whether runs fail more often than before. Pure."""

from __future__ import annotations

from slo_engine.evidence.crosstab import Count, Crosstab
from slo_engine.evidence.significance import fisher_greater

MIN_RISE = 1.2
"""Times the odds of failing before, and times their rise among the other runs: with many runs, less is significant, and
no news."""


def p_value_of_rise(table: Crosstab, cells: int, *, past: int, alpha: float) -> float:
    """How likely the runs of ``cells`` fail no more often than those of ``past`` did before. 1 when the rise is small;
    0 when too few runs are known from before, which then neither accuse nor acquit."""
    now, before = table.now.count(cells), table.before.count(past)
    if not _can_tell(now, before, alpha):
        return 0.0
    if table.now.odds(cells) < MIN_RISE * table.before.odds(past):
        return 1.0
    return _p_value(now, before)


def rose_no_more_than(table: Crosstab, cells: int, others: int, *, alpha: float) -> bool:
    """Whether ``others`` fail more often than before as well, and these runs hardly more so."""
    if not _can_tell(table.now.count(cells), table.before.count(cells), alpha):
        return False
    if _p_value(table.now.count(others), table.before.count(others)) > alpha:
        return False
    return _rise(table, cells) < MIN_RISE * _rise(table, others)


def _can_tell(now: Count, before: Count, alpha: float) -> bool:
    """Whether there were so many runs before that none failing among them would be significant."""
    return _p_value(now, Count(0, before.failing + before.healthy, 0.0)) <= alpha


def _rise(table: Crosstab, cells: int) -> float:
    """The odds of failing now, in those before."""
    return table.now.odds(cells) / table.before.odds(cells)


def _p_value(now: Count, before: Count) -> float:
    return fisher_greater(now.failing, now.healthy, before.failing, before.healthy)
