"""The windows of the recording rules, computed in Python over a history of base records.

What Prometheus would have recorded for a window is the ratio of two sums over base records: over those of each minute
for windows up to 6 h, over one in five for longer ones, which are recorded each five minutes
(``slo_engine.rules.records``). Sums slide over prefix sums, so a history costs the same whatever its windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from slo_engine.spec.duration import Duration

MINUTE = 60
"""Seconds between base records."""

STAGE = 5
"""Minutes between the records of longer windows; also what one base record covers."""

SHORT_LIMIT = Duration.parse("6h")
"""Windows up to this are recorded each minute, from every base record."""

_BASE = Duration.parse("5m")

Values = Sequence[float]
"""One value for each step; NaN: none."""


@dataclass(frozen=True)
class History:
    """The base records of one group: the increase over five minutes, each minute from ``start`` on. NaN: no record."""

    start: int
    """Unix seconds; a multiple of 300, so that every fifth record is one that longer windows read."""
    total: Values | None
    """None for spend, which has a budget instead."""
    errors: Values
    """Errors; for spend, money."""

    def __post_init__(self) -> None:
        if self.start % (STAGE * MINUTE):
            raise ValueError("a history begins at a multiple of five minutes")

    @property
    def seen(self) -> Values:
        """What tells whether there is a record: the total or, for spend, the money."""
        return self.errors if self.total is None else self.total


@dataclass(frozen=True)
class Recorded:
    """A recorded series: ``values[i]`` stands at minute ``i * every`` of the history."""

    every: int
    values: Values

    def at(self, minute: int) -> float:
        """The newest value at a minute of the history."""
        return self.values[minute // self.every]


class Windows:
    """The recorded windows of one group. Each is computed once."""

    def __init__(
        self, history: History, slo_window: Duration, *, budget: float | None = None, closed: bool = True
    ) -> None:
        """``budget``: the money of a spend SLO for its window. ``closed``: a range takes both of its ends, as it does
        in Prometheus 2; Prometheus 3 leaves the older one out."""
        self._history = history
        self._slo_window = slo_window
        self._budget = budget
        self._closed = closed
        self._sums: dict[tuple[str, int], _Sums] = {}
        self._ratios: dict[Duration, Recorded] = {}
        self._events: dict[Duration, Recorded] = {}

    def ratio(self, window: Duration) -> Recorded:
        """The error ratio over a window; for spend, its share of what the budget allows for so long a time."""
        if window not in self._ratios:
            every = self.every(window)
            self._ratios[window] = Recorded(every, self._ratio(window, every))
        return self._ratios[window]

    def events(self, window: Duration) -> Recorded:
        """The number of events over a window."""
        if window not in self._events:
            every = 1 if window <= SHORT_LIMIT else STAGE
            covered = STAGE if every == 1 else 1  # each event is in five base records
            sums = self._slide("total", window, every)
            self._events[window] = Recorded(every, [value / covered for value in sums])
        return self._events[window]

    def every(self, window: Duration) -> int:
        """Minutes between the records of a window."""
        return 1 if window <= SHORT_LIMIT and (window < self._slo_window or window == _BASE) else STAGE

    def _ratio(self, window: Duration, every: int) -> Values:
        if self._budget is not None:
            allowed = self._budget * window.milliseconds / self._slo_window.milliseconds
            if window == _BASE:
                return [spent / allowed for spent in self._history.errors]
            counted = STAGE if every == 1 else 1
            return [spent / (allowed * counted) for spent in self._slide("errors", window, every)]
        if window == _BASE and every == 1:
            assert self._history.total is not None
            return [_divided(*pair) for pair in zip(self._history.errors, self._history.total, strict=True)]
        errors, total = self._slide("errors", window, every), self._slide("total", window, every)
        return [_divided(*pair) for pair in zip(errors, total, strict=True)]

    def _slide(self, name: str, window: Duration, every: int) -> Values:
        step = every * MINUTE * 1000
        whole = window.milliseconds % step == 0
        samples = window.milliseconds // step + (1 if self._closed or not whole else 0)
        if (name, every) not in self._sums:
            values = self._history.errors if name == "errors" else self._history.total
            assert values is not None
            self._sums[name, every] = _Sums(values[::every])
        return self._sums[name, every].over(samples)


class _Sums:
    """Prefix sums of a series with gaps. Over values that are all 0 two of them do not differ, so what is nothing stays
    nothing, however much came before."""

    def __init__(self, values: Values) -> None:
        there = [value == value for value in values]  # NaN differs from itself
        known = (value if seen else 0.0 for value, seen in zip(values, there, strict=True))
        self._there: list[float] = [0, *accumulate(there)]
        self._sums: list[float] = [0, *accumulate(known)]

    def over(self, samples: int) -> Values:
        """The sum of the last ``samples`` values at each step; NaN where none of them is there."""
        number = len(self._sums) - 1
        # Near its begin a history has fewer values than the window takes.
        lead: list[float] = [0] * min(samples, number)
        behind = max(0, number - samples) + 1
        return [
            total - total_before if known != known_before else math.nan
            for total, total_before, known, known_before in zip(
                self._sums[1:],
                lead + self._sums[1:behind],
                self._there[1:],
                lead + self._there[1:behind],
                strict=True,
            )
        ]


def _divided(errors: float, total: float) -> float:
    # No total: no ratio, never 0 / 0. A comparison with NaN does not hold.
    return errors / total if total > 0 else math.nan
