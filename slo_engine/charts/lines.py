"""Values over time, as a picture: lines, what they are measured against, and what happened meanwhile."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from slo_engine.charts.svg import DASHES, PALETTE, Axis, box, marked, path, picture, straight, text

WIDTH, HEIGHT = 860, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 846, 34, 196
_LEGEND = 26
"""Pixels below the axis that name the lines, where there are several."""

MOST_POINTS = 360
"""Of one line: more than there are pixels for say nothing."""

GAP = 3.0
"""A line is broken where its points are so many times further apart than most of them are."""

_TICKS = 4
_LARGEST = 1e100


@dataclass(frozen=True)
class Line:
    """One value over time. ``points``: Unix seconds and values, in their order; None: nothing is known."""

    name: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Band:
    """Something that lasted. Unix seconds."""

    start: float
    end: float
    said: str


@dataclass(frozen=True)
class Level:
    """What the lines are measured against."""

    value: float
    name: str


Said = Callable[[float], str]


def over_time(
    title: str,
    lines: Sequence[Line],
    since: float,
    until: float,
    said: Said,
    *,
    bands: Sequence[Band] = (),
    levels: Sequence[Level] = (),
    from_zero: bool = True,
) -> str:
    """Lines from ``since`` to ``until`` (Unix seconds). ``said``: a value as people read it. ``from_zero``: the axis
    begins there; else where the lines do."""
    lines = [Line(line.name, thinned(_finite(line.points))) for line in lines]
    known = [value for line in lines for _, value in line.points if value is not None and math.isfinite(value)]
    known += [level.value for level in levels]
    upwards, across = _scale(known, from_zero=from_zero), Axis(since, until, _LEFT, _RIGHT)
    parts = [text(8, 18, title, size=13)]
    for tick in _ticks(upwards):
        parts.append(straight(_LEFT, upwards.at(tick), _RIGHT, upwards.at(tick)))
        parts.append(text(_LEFT - 6, upwards.at(tick) + 4, said(tick), kind="pale", anchor="end", size=11))
    parts += _days(across)
    for band in bands:
        left, right = across.at(max(band.start, since)), across.at(min(band.end, until))
        parts.append(box(left, _TOP, right - left, _BOTTOM - _TOP, band.said))
    parts += _levels(levels, upwards)
    for number, line in enumerate(lines):
        parts += _drawn(line, number, across, upwards, said)
    parts += _legend(lines)
    height = HEIGHT if len(lines) > 1 else HEIGHT - _LEGEND
    return picture(WIDTH, height, title, _description(lines, said, bands), parts)


def spark(values: Sequence[float | None], said: str) -> str:
    """A line so small that it stands in a row: from 1 at the top to 0, or what is below, at the bottom."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low = max(-1.0, min(0.0, *known))
    height, width = 16 / (1 - low), 88 / (len(values) - 1)
    # Plain arithmetic: a page may have a thousand of them.
    steps = " ".join(
        f"{1 + index * width:.0f},{17 - (min(max(value, low), 1.0) - low) * height:.1f}"
        for index, value in enumerate(values)
        if value is not None
    )
    return (
        f'<svg class="spark" viewBox="0 0 90 18" role="img" aria-label="{escape(said)}">'
        f'<polyline class="{"over" if known[-1] <= 0 else "within"}" points="{steps}"/></svg>'
    )


def thinned(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """As many points as a picture has room for: the first and the last one, and of neighbours the lowest and the
    highest, so that no peak is lost."""
    size = math.ceil(2 * len(points) / MOST_POINTS)
    if size <= 2:
        return list(points)
    kept = {0, len(points) - 1}
    for start in range(0, len(points), size):
        known = [
            (value, index)
            for index in range(start, min(start + size, len(points)))
            if (value := points[index][1]) is not None
        ]
        kept |= {min(known)[1], max(known)[1]} if known else {start}
    return [points[index] for index in sorted(kept)]


def _finite(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """What no picture has room for is not known."""
    return [(time, value if value is not None and abs(value) < _LARGEST else None) for time, value in points]


def _scale(known: Sequence[float], *, from_zero: bool) -> Axis:
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if from_zero:
        low, high = min(0.0, low), max(0.0, high)
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-12):
        low, high = low - (abs(low) or 1.0) / 100, high + (abs(high) or 1.0) / 100
    return Axis(low, high, _BOTTOM, _TOP)


def _ticks(axis: Axis) -> Iterator[float]:
    rough = (axis.high - axis.low) / _TICKS
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10, 20) if size * factor >= rough * 0.999)
    first = math.ceil(axis.low / step - 1e-9)
    for number in range(2 * _TICKS + 2):
        tick = (first + number) * step
        if tick <= axis.high + step * 1e-9:
            yield tick


def _days(across: Axis) -> Iterator[str]:
    """Midnights; hours where that is less than two days."""
    span = across.high - across.low
    step = next(each for each in (3600, 10_800, 21_600, 86_400, 432_000, 864_000, 2_592_000) if span / each <= 10)
    time = math.ceil(across.low / step) * step
    while time <= across.high:
        at = datetime.fromtimestamp(time, UTC)
        x = across.at(time)
        yield straight(x, _BOTTOM, x, _BOTTOM + 4)
        name = f"{at:%H:%M}" if step < 86_400 else f"{at.day} {at:%b}"
        yield text(x, _BOTTOM + 18, name, kind="pale", anchor="middle")
        time += step


def _levels(levels: Sequence[Level], upwards: Axis) -> Iterator[str]:
    """Names stand above their lines, at the right; one that is too near to the one below it, further left."""
    right, below = _RIGHT, math.inf
    for level in sorted(levels, key=lambda each: each.value):
        y = upwards.at(level.value)
        right = right - 110 if below - y < 13 else _RIGHT
        below = y
        yield marked([(_LEFT, y), (_RIGHT, y)])
        yield text(right, y - 4, level.name, kind="pale", anchor="end", size=10)


def _drawn(line: Line, number: int, across: Axis, upwards: Axis, said: Said) -> Iterator[str]:
    colour, dash = PALETTE[number % len(PALETTE)], DASHES[number % len(DASHES)]
    shown = [(across.at(time), upwards.at(value)) for time, value in line.points if value is not None]
    hover = [
        [round(across.at(time), 1), round(upwards.at(value), 1), time, f"{line.name}: {said(value)}"]
        for time, value in line.points
        if value is not None
    ]
    yield f'<g class="series" data-hover="{escape(json.dumps(hover))}">'
    if len(shown) == 1:
        yield f'<circle cx="{shown[0][0]:.1f}" cy="{shown[0][1]:.1f}" r="2.5" fill="{colour}"/>'
    for run in _runs(line.points):
        yield path([(across.at(time), upwards.at(value)) for time, value in run], colour, dash)
    yield "</g>"


def _runs(points: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    times = [time for time, value in points if value is not None]
    steps = sorted(later - earlier for earlier, later in itertools.pairwise(times))
    limit = steps[len(steps) // 2] * GAP if steps else math.inf
    run: list[tuple[float, float]] = []
    for time, value in points:
        if run and (value is None or time - run[-1][0] > limit):
            yield run
            run = []
        if value is not None:
            run.append((time, value))
    if run:
        yield run


def _legend(lines: Sequence[Line]) -> Iterator[str]:
    if len(lines) < 2:
        return
    for number, line in enumerate(lines):
        x = _LEFT + 130 * number
        colour, dash = PALETTE[number % len(PALETTE)], DASHES[number % len(DASHES)]
        yield path([(x, HEIGHT - 12), (x + 22, HEIGHT - 12)], colour, dash)
        yield text(x + 28, HEIGHT - 8, line.name, kind="pale", size=11)


def _description(lines: Sequence[Line], said: Said, bands: Sequence[Band]) -> str:
    parts = []
    for line in lines:
        known = [value for _, value in line.points if value is not None]
        parts.append(
            f"{line.name}: {said(known[-1])} now, between {said(min(known))} and {said(max(known))}"
            if known
            else f"{line.name}: no data"
        )
    return "; ".join([*parts, *(band.said for band in bands[:10])]) + "."
