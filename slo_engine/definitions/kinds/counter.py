"""How much counters have grown by in each minute, to the event, in PromQL.

Time is cut into cells of a quarter minute. The **level** of a counter at the end of a cell is its last sample that is a
number, however old. From one cell to the next it has grown by the difference of the levels or, where it is lower, by
the new level, for then the process was restarted: that is ``irate`` over the two, which never extrapolates. So the
minutes of a window add up to exactly what Prometheus' ``increase`` would find between its samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slo_engine.definitions.labels import COUNTER
from slo_engine.definitions.promql import Selector

DELAY = "10s"
"""How late the base looks. A scrape is stamped with its beginning and there when it has ended, up to the default
``scrape_timeout`` of Prometheus later; a sample that came after it was looked for would be lost."""

CELL_SECONDS = 15
CELL = f"{CELL_SECONDS}s"

LAG_SECONDS = 15
"""How long ago the last cell has ended for a base that is evaluated on the minute: the first end of a cell before
:data:`DELAY`. For groups with another offset it is 10 to 25."""

_TWO_CELLS = "29s"
"""A range that holds the ends of two cells and no third, in Prometheus 2, which takes both ends of a range, and in 3,
which takes the later one."""

_CELLS_OF_A_MINUTE = "59s999ms"
"""Likewise the ends of four cells."""

_AT_HAND = "4m"
"""How long the level is read from the raw series, across failed scrapes, restarts and samples that are NaN. A level
that is older is read from the record of those that have gone."""

_LONGEST_GAP = "1h"
"""How long a series may be away for its growth meanwhile to be counted when it is back."""

GONE_FOR = "2m"
"""A series without a sample for so long is recorded with its last one, once."""

_PRECISION = 1e-8
"""Events are whole numbers; money is counted to so much of its unit. Without it the division by seconds in ``irate``
leaves 6.999999999999999 of 7 events. A power of ten whose inverse is exact: Prometheus multiplies by it."""


@dataclass(frozen=True)
class Counter:
    """A counter of an SLI, all its series."""

    name: str
    """What it counts for the SLI: ``total``, ``errors``."""
    selector: Selector
    beside: tuple[str, ...] = ()
    """Right hand sides of ``and``: series which, if they were there before, prove that a new series of the counter has
    begun at 0, for its target was already scraped without it. None: a new series may be old, and grows from its first
    sample on."""

    def gone(self) -> str:
        """The last sample of each series that has not had one for a while, or none that is a number. It is given once,
        in the minute in which it is found missing."""
        # The minute reaches back a cell further, and what has come since a cell into it: a sample between the two is
        # recorded a minute later. min_over_time finds a number wherever there is one.
        last = f"last_over_time({self._samples()}[1m{CELL}:{CELL}] offset {GONE_FOR}{DELAY})"
        since = f"min_over_time({self.selector}[{GONE_FOR}{CELL}] offset {DELAY})"
        return f"{last} unless ({since} < +Inf)"

    def growth(self, gone: Selector | None) -> str:
        """By how much each series has grown within a minute. ``gone``: where :meth:`gone` is recorded; None: nowhere,
        then what is counted while a series is away for more than four minutes is not known."""
        grown = f"irate(({self._level(gone)})[{_TWO_CELLS}:{CELL}])"
        # Below 0 or infinite: no counter.
        return f"sum_over_time({grown}[{_CELLS_OF_A_MINUTE}:{CELL}] offset {DELAY}) >= 0 < +Inf"

    def _level(self, gone: Selector | None) -> str:
        # abs() drops the name of the metric, with which a series would be another one than what stands in for it.
        levels = [f"abs(last_over_time({self._samples()}[{_AT_HAND}:{CELL}]))"]
        if gone:
            # Recorded at the time of an evaluation, which lies behind the cell that it looks at.
            levels.append(f"max without ({COUNTER}) (last_over_time({gone}[{_LONGEST_GAP}] offset -{DELAY}))")
        levels += [f"0 * {self._samples(f' offset -{CELL}')} and {each}" for each in self.beside]
        return " or ".join(levels)

    def _samples(self, offset: str = "") -> str:
        """The last sample of each cell, where it is a number: NaN compares with nothing."""
        return f"(last_over_time({self.selector}[{CELL}]{offset}) < +Inf)"


def summed(by: Sequence[str], growth: str) -> str:
    """The growth of a minute, summed by the group."""
    return f"round({CELL_SECONDS} * sum {grouped(by)}({growth}), {_PRECISION:.8f})"


def grouped(by: Sequence[str]) -> str:
    """``by (agent_type) `` or nothing, for an aggregation."""
    return f"by ({', '.join(by)}) " if by else ""


def beside(selector: Selector, without: Sequence[str]) -> str:
    """Series of a counter that differ from a new one in these labels only."""
    kept = tuple(matcher for matcher in selector.matchers if matcher.name not in without)
    return f"ignoring ({', '.join(without)}) {numbers(Selector(selector.metric, kept))}"


def numbers(selector: Selector) -> str:
    """The series whose newest sample is a number: NaN compares with nothing."""
    return f"({selector} < +Inf)"
