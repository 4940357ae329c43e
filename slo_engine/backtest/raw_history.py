"""The base records that the rules would have made over a stretch of the past, read from the raw series.

Prometheus gives at most 11,000 steps for a range, refuses to load too many samples, and may be slow: the history comes
in chunks, whose length adapts to the number of groups and to what Prometheus bears.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from slo_engine.backtest.windows import MINUTE, STAGE, History
from slo_engine.errors import SloEngineError
from slo_engine.prometheus import PrometheusError, RangeResult

MAX_STEPS = 10_000
"""Steps of one query; Prometheus refuses more than 11,000."""

MAX_POINTS = 500_000
"""Points of one answer, over all of its series: about 20 MB of JSON."""

FIRST_STEPS = 60
"""The first query is small: it shows how many groups there are."""

MAX_GROUPS = 200
"""Groups of one SLO. A month of one takes about 1 MB here, and 20 MB while it is replayed."""

_LEAST_STEPS = 15

Values = tuple[str, ...]
"""The values of the group's labels, in the order of ``by``."""


class RawIncreases(Protocol):
    """PromQL over raw series alone: events and errors of the last minute, summed by the group."""

    @property
    def total(self) -> str | None:
        """None for spend, whose total is its budget."""

    @property
    def errors(self) -> str:
        """For spend, the money."""


class RangeSource(Protocol):
    """What answers queries: the Prometheus door, or a test."""

    def query_range(self, expr: str, start: datetime, end: datetime, step: timedelta) -> RangeResult:
        """Evaluate ``expr`` at every step."""


class HistoryError(SloEngineError):
    """A history that cannot be replayed, with what to do about it."""


@dataclass
class _Group:
    total: array[float]
    errors: array[float]


@dataclass
class _Reading:
    """A history on its way in: minutes from ``start`` on."""

    start: int
    minutes: int
    by: Sequence[str]
    groups: dict[Values, _Group] = field(default_factory=dict)

    def add(self, name: str, answer: RangeResult) -> None:
        for series in answer.series:
            values = tuple(series.labels.get(label, "") for label in self.by)
            if values not in self.groups:
                self.groups[values] = _Group(self._nothing(), self._nothing())
            column: array[float] = getattr(self.groups[values], name)
            for at, value in series.points:
                # What is not a number is a gap.
                if math.isfinite(value):
                    column[(int(at) - self.start) // MINUTE] = value
        if len(self.groups) > MAX_GROUPS:
            raise HistoryError(f"more than {MAX_GROUPS} groups: choose one with --group")

    def _nothing(self) -> array[float]:
        return array("d", [math.nan]) * self.minutes


def fetch(
    source: RangeSource,
    increases: RawIncreases,
    by: Sequence[str],
    start: datetime,
    end: datetime,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> Mapping[Values, History]:
    """The base records of every group from ``start`` (rounded up to five minutes) to ``end``, by the group's values.

    ``on_progress`` gets the share that is done. Raises PrometheusError, or HistoryError when there are too many groups.
    """
    first = math.ceil(start.timestamp() / (STAGE * MINUTE)) * STAGE * MINUTE
    minutes = (int(end.timestamp()) - first) // MINUTE + 1
    if minutes < 2:
        raise HistoryError("the end of the history must be after its start")
    reading = _Reading(first, minutes, by)
    limit, at, steps = MAX_STEPS, 0, FIRST_STEPS
    while at < minutes:
        steps = min(steps, limit, minutes - at)
        try:
            answers = _chunk(source, increases, first + at * MINUTE, steps)
        except PrometheusError as error:
            if not _too_much(error) or steps <= _LEAST_STEPS:
                raise
            limit = steps = steps // 2
            continue
        for name, answer in answers.items():
            reading.add(name, answer)
        at += steps
        steps = MAX_POINTS // max(1, len(reading.groups))
        if on_progress is not None:
            on_progress(at / minutes)
    spend = increases.total is None
    return {
        values: History(first, None if spend else group.total, group.errors)
        for values, group in sorted(reading.groups.items())
    }


def _chunk(source: RangeSource, increases: RawIncreases, start: int, steps: int) -> Mapping[str, RangeResult]:
    span = (datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(start + (steps - 1) * MINUTE, UTC))
    wanted = {"total": increases.total, "errors": increases.errors}
    return {name: source.query_range(expr, *span, timedelta(seconds=MINUTE)) for name, expr in wanted.items() if expr}


def _too_much(error: PrometheusError) -> bool:
    """Whether a shorter range may work."""
    return error.kind == "timeout" or (error.kind == "bad_query" and "too many" in str(error))
