"""Spend over the calendar month of a time zone.

PromQL cannot sum from the first of the month on. So each stretch of five minutes is recorded under the month that it
belongs to, and what is summed is the series of the month that it is now.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from slo_engine.definitions.labels import MONTH
from slo_engine.definitions.slo import Slo
from slo_engine.recording.base import recorded
from slo_engine.recording.names import ERRORS_MONTH, ERRORS_STAGE

_LONGEST_MONTH = "32d"
"""October has 31 days and an hour where the clock goes back in it; a month's own samples are all that it can find."""

_OFFSETS_OF = 2026
"""The year whose offsets are taken. Clocks change in the night from a Saturday to a Sunday some days before or after
the first of a month, and so in the same months each year."""


def month_records(slo: Slo, zone: ZoneInfo) -> Iterator[tuple[str, str]]:
    """The stage, labelled with its month."""
    yield ERRORS_MONTH, f"{recorded(slo, ERRORS_STAGE)} * on () group_left ({MONTH}) {_this_month(zone)}"


def spent_this_month(slo: Slo, zone: ZoneInfo) -> str:
    """The sum since the month began."""
    summed = f"sum_over_time({recorded(slo, ERRORS_MONTH)}[{_LONGEST_MONTH}])"
    return f"max without ({MONTH}) ({summed} and on ({MONTH}) {_this_month(zone)})"


def _this_month(zone: ZoneInfo) -> str:
    """One sample of value 1, labelled with the month that it is in the zone.

    A month begins at midnight by the offset in force on its first day. Where that differs over the year: when the clock
    of the larger offset shows a month that begins with it, it is that month; else it is what the other clock shows.
    """
    offsets = {month: _offset_on_the_first(zone, month) for month in range(1, 13)}
    ahead, behind = max(offsets.values()), min(offsets.values())
    month = _month_at(behind)
    if ahead != behind:
        others = "".join(f" != {number}" for number, offset in offsets.items() if offset != ahead)
        month = f"{_month_at(ahead)}{others} or {month}"
    return f'count_values("{MONTH}", {month})'


def _month_at(offset: int) -> str:
    return f"month(vector(time() + {offset}))" if offset >= 0 else f"month(vector(time() - {-offset}))"


def _offset_on_the_first(zone: ZoneInfo, month: int) -> int:
    offset = datetime(_OFFSETS_OF, month, 1, tzinfo=zone).utcoffset()
    return int((offset or timedelta()).total_seconds())
