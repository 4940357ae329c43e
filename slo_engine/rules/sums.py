"""Sums of events over windows, from the stages of :mod:`slo_engine.recording.stages`, so that no window reads more than
some hundred samples a series.

A range is a millisecond shorter than its window. Prometheus evaluates each group at an offset of its own, and 2 takes
both ends of a range, 3 only the later one: so at any offset both find the five samples of five minutes, and no sixth.
"""

from __future__ import annotations

from collections.abc import Iterator

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import HOUR
from slo_engine.definitions.slo import Slo
from slo_engine.definitions.targets import Group
from slo_engine.recording.base import recorded
from slo_engine.recording.stages import (
    HOUR_LENGTH,
    HOURS,
    LONG_INTERVAL,
    SHORT_INTERVAL,
    SHORT_LIMIT,
    STAGE_LIMIT,
    STAGES,
)

_LONGEST_GAP = Duration.parse("3h")
"""How long an evaluation may be missed before what was open is forgotten: an hour of events at most."""


def sum_over(slo: Slo, base: str, window: Duration, group: Group | None = None) -> str:
    """The events of a base record over a window, as an operand."""
    if window <= SHORT_LIMIT:
        return f"sum_over_time({recorded(slo, base, group)}[{just_short_of(window, SHORT_INTERVAL)}])"
    if window <= STAGE_LIMIT:
        return f"sum_over_time({recorded(slo, STAGES[base], group)}[{just_short_of(window, LONG_INTERVAL)}])"
    hours = recorded(slo, HOURS[base], group)
    # With the open hour that is on average the window: an hour closes by itself, not with the window's edge.
    half_an_hour_less = Duration(window.milliseconds - HOUR_LENGTH.milliseconds // 2)
    closed = f"sum_over_time({hours.where(HOUR, 'closed')}[{half_an_hour_less}])"
    return f"sum without ({HOUR}) ({closed} or {hours.where(HOUR, 'open')})"


def needs_hours(slo: Slo) -> bool:
    """Whether a window of the SLO is longer than the stage is read for."""
    return slo.windows[-1] > STAGE_LIMIT


def closed_hour(slo: Slo, base: str) -> str:
    """What has come since the last hour was closed, unless one was closed within an hour. Nothing says when an hour has
    to begin: where evaluations are missed the next one closes it, with all that was open before them."""
    last = f"last_over_time({_closed(slo, base)}[{just_short_of(HOUR_LENGTH, LONG_INTERVAL)}])"
    return f"({_since_closed(slo, base)}) unless ignoring ({HOUR}) {last}"


def open_hour(slo: Slo, base: str) -> str:
    """What has come since the last hour was closed; 0 when it has just been."""
    just_closed = f"0 * last_over_time({_closed(slo, base)}[{just_short_of(LONG_INTERVAL, LONG_INTERVAL)}])"
    return f"{just_closed} or ignoring ({HOUR}) ({_since_closed(slo, base)})"


def _since_closed(slo: Slo, base: str) -> str:
    """The stage, and what was open before it. A group that is gone is open until its last hour is closed."""
    stage = recorded(slo, STAGES[base])
    before = f"last_over_time({recorded(slo, HOURS[base]).where(HOUR, 'open')}[{_LONGEST_GAP}])"
    of_late = f"last_over_time({stage}[{just_short_of(HOUR_LENGTH, LONG_INTERVAL)}])"
    return f"sum without ({HOUR}) ({stage} or {before}) and {of_late}"


def _closed(slo: Slo, base: str) -> str:
    return str(recorded(slo, HOURS[base]).where(HOUR, "closed"))


def just_short_of(window: Duration, step: Duration) -> Duration:
    """The range that holds the samples of a window, the nearest whole number of them, at whatever offset it is looked
    at. ``step``: the time between two samples."""
    samples = (window.milliseconds - step.milliseconds // 2) // step.milliseconds + 1
    return Duration(samples * step.milliseconds - 1)


def stage_records(slo: Slo, bases: tuple[str, ...]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The records of both later stages, in the order of their evaluation: name, expression, labels."""
    for base in bases:
        yield STAGES[base], sum_over(slo, base, LONG_INTERVAL), {}
    if needs_hours(slo):
        for base in bases:
            yield HOURS[base], closed_hour(slo, base), {HOUR: "closed"}
            yield HOURS[base], open_hour(slo, base), {HOUR: "open"}
