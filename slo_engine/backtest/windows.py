"""The windows of the recording rules, computed in Python over a history of base records.

What Prometheus would have recorded for a window is the ratio of two sums over base records, each of which holds the
events of one minute: for windows up to 6 h of these themselves, for longer ones of a stage that adds them up each five
minutes (``slo_engine.rules.sums``), which comes to the same. Sums slide over prefix sums, so a history costs the same
whatever its windows.

One thing is simpler here. The rules read windows over 3 d from hours, and the hour at their older end is in or out as a
whole, by a phase that nobody chose. Here they are as long as their name says: at most half an hour off, which is less
than 1 % of such a window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from slo_engine.definitions.duration import Duration
from slo_engine.recording.stages import SHORT_LIMIT

MINUTE = 60
"""Seconds between base records."""

STAGE = 5
"""Minutes between the records of longer windows."""

Values = Sequence[float]
"""One value for each step; NaN: none."""


@dataclass(frozen=True)
class History:
    """The base records of one group: what each minute has added, from ``start`` on. NaN: no record."""

    start: int
    """Unix seconds; a multiple of 300, so that the stage of longer windows is recorded at every fifth minute."""
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
class RecordedSeries:
    """A recorded series: ``values[i]`` stands at minute ``i * every`` of the history."""

    every: int
    values: Values

    def at(self, minute: int) -> float:
        """The newest value at a minute of the history."""
        return self.values[minute // self.every]


class Windows:
    """The recorded windows of one group. Each is computed once."""

    def __init__(self, history: History, slo_window: Duration, *, budget: float | None = None) -> None:
        """``budget``: the money of a spend SLO for its window."""
        self._history = history
        self._slo_window = slo_window
        self._budget = budget
        self._sums: dict[str, _Sums] = {}
        self._ratios: dict[Duration, RecordedSeries] = {}

    def ratio(self, window: Duration) -> RecordedSeries:
        """The error ratio over a window; for spend, its share of what the budget allows for so long a time."""
        if window not in self._ratios:
            every = self.every(window)
            self._ratios[window] = RecordedSeries(every, self.ratios(window, every))
        return self._ratios[window]

    def events(self, window: Duration) -> RecordedSeries:
        """The number of events over a window."""
        every = self.every(window)
        return RecordedSeries(every, self._slide("total", window, every))

    def every(self, window: Duration) -> int:
        """Minutes between the records of a window."""
        return 1 if window <= SHORT_LIMIT and window < self._slo_window else STAGE

    def ratios(self, window: Duration, every: int = 1) -> Values:
        """The ratio over a window at every so many minutes, whether the rules record it then or not."""
        errors = self._slide("errors", window, every)
        if self._budget is not None:
            allowed = self._budget * window.milliseconds / self._slo_window.milliseconds
            return [spent / allowed for spent in errors]
        total = self._slide("total", window, every)
        return [_divided(*pair) for pair in zip(errors, total, strict=True)]

    def _slide(self, name: str, window: Duration, every: int) -> Values:
        if name not in self._sums:
            values = self._history.errors if name == "errors" else self._history.total
            assert values is not None
            self._sums[name] = _Sums(values)
        return self._sums[name].over(_minutes_read(window), every)


def _minutes_read(window: Duration) -> int:
    """The minutes that a window reads: the nearest whole number of steps."""
    step = MINUTE * 1000 * (1 if window <= SHORT_LIMIT else STAGE)
    steps = (window.milliseconds - step // 2) // step + 1
    return steps * step // (MINUTE * 1000)


class _Sums:
    """Prefix sums of a series with gaps. Over values that are all 0 two of them do not differ, so what is nothing stays
    nothing, however much came before."""

    def __init__(self, values: Values) -> None:
        there = [value == value for value in values]  # NaN differs from itself
        known = (value if seen else 0.0 for value, seen in zip(values, there, strict=True))
        self._there: list[float] = [0, *accumulate(there)]
        self._sums: list[float] = [0, *accumulate(known)]

    def over(self, minutes: int, every: int) -> Values:
        """The sum of the last so many values at every so many of them; NaN where none of them is there."""
        number = len(self._sums) - 1
        # Near its begin a history has fewer values than the window takes.
        short = -(-min(minutes, number) // every)
        lead: list[float] = [0] * short
        behind = slice(short * every + 1 - minutes, number + 1 - minutes, every) if minutes < number else slice(0)
        return [
            total - total_before if known != known_before else math.nan
            for total, total_before, known, known_before in zip(
                self._sums[1::every],
                lead + self._sums[behind],
                self._there[1::every],
                lead + self._there[behind],
                strict=True,
            )
        ]


def _divided(errors: float, total: float) -> float:
    # No total: no ratio, never 0 / 0. A comparison with NaN does not hold.
    return errors / total if total > 0 else math.nan
