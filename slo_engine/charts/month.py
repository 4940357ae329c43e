"""A month in pictures: how a budget went down, day by day, and what was spent on which model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from slo_engine import amounts
from slo_engine.charts.svg import PALETTE, Axis, box, marked, path, picture, straight, text

WIDTH, HEIGHT = 300, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 288, 34, 122

SPEND_WIDTH, SPEND_HEIGHT = 480, 250
_SPEND_LEFT, _SPEND_RIGHT, _SPEND_TOP, _SPEND_BOTTOM = 60, 470, 34, 182

MOST_MODELS = len(PALETTE) - 1
"""Of one picture; the others are added up."""

OTHERS = "others"

_LETTERS = 38
"""Of the line above a budget: its title and what is left."""

_PARTLY = 0.9
"""The share of a day below which its records are told to be a part of it."""


@dataclass(frozen=True)
class BudgetDay:
    """What is left of the budget of the month at the end of a day. ``remaining``: None where nothing is recorded;
    ``recorded``: the share of the day that is."""

    date: date
    remaining: float | None
    recorded: float = 1.0


def budget(title: str, days: Sequence[BudgetDay], in_month: int, verdict: str) -> str:
    """How the budget of the month went down. ``days``: those that have gone by of ``in_month``. Where nothing is
    recorded the line is broken; what was used meanwhile nobody knows. Days that lack records are in bands."""
    known = [day.remaining for day in days if day.remaining is not None]
    lowest = min([0.0, *known])
    # An overspent budget goes down as far as it must; a budget that was overspent a hundredfold is cut off.
    floor = max(lowest, -1.0) if lowest >= -1 else -1.0
    upwards = Axis(floor, 1.0, _BOTTOM, _TOP)
    across = Axis(0, in_month, _LEFT, _RIGHT)
    left_over = amounts.budget_left(known[-1]).removeprefix("exhausted, ") if known else "nothing recorded"
    parts = [
        text(8, 18, _cut(title, _LETTERS - len(left_over)), size=13),
        text(_RIGHT, 18, left_over, kind="pale", anchor="end", size=11),
    ]
    for number, day in enumerate(days):
        if day.recorded < _PARTLY:
            left, right = across.at(number), across.at(number + 1)
            said = f"{day.date.day} {day.date:%b}: {amounts.about_percent(day.recorded)} of the day is recorded"
            parts.append(box(left, _TOP, right - left, _BOTTOM - _TOP, said))
    for tick in (1.0, 0.5, 0.0, *((floor,) if floor < -0.2 else ())):
        parts.append(straight(_LEFT, upwards.at(tick), _RIGHT, upwards.at(tick)))
        parts.append(text(_LEFT - 6, upwards.at(tick) + 4, f"{tick * 100:.0f} %", kind="pale", anchor="end", size=11))
    parts += _day_names([day.date for day in days], across, _BOTTOM + 16)
    if floor < 0:
        parts.append(marked([(_LEFT, upwards.at(0.0)), (_RIGHT, upwards.at(0.0))]))
    for run in _runs(days):
        points = [(across.at(number), upwards.at(remaining)) for number, remaining in run]
        parts.append(path(points, PALETTE[1] if run[-1][1] <= 0 else PALETTE[0]))
    described = f"{verdict}. {left_over} at the end."
    return picture(WIDTH, HEIGHT, title, described, parts)


def _runs(days: Sequence[BudgetDay]) -> Iterator[list[tuple[int, float]]]:
    """Stretches of the line: (days gone by, remaining). A day is drawn from its beginning, where the one before ended;
    after a gap, at what was left before it."""
    run: list[tuple[int, float]] = []
    before = 1.0
    for number, day in enumerate(days):
        if day.remaining is None:
            if run:
                yield run
            run = []
            continue
        if not run:
            run = [(number, before)]
        run.append((number + 1, day.remaining))
        before = day.remaining
    if run:
        yield run


def spend(title: str, currency: str, days: Sequence[date], in_month: int, models: Mapping[str, Sequence[float]]) -> str:
    """What was spent each day, a colour a model, the largest at the bottom. ``models``: the amounts of each by day."""
    shown = _largest(models)
    totals = [sum(amounts_of[number] for amounts_of in shown.values()) for number in range(len(days))]
    top = _round_up(max([*totals, 0.0]))
    upwards, across = (
        Axis(0.0, top, _SPEND_BOTTOM, _SPEND_TOP),
        Axis(0, in_month, _SPEND_LEFT, _SPEND_RIGHT),
    )
    parts = [text(8, 18, _cut(title, 60), size=13)]
    for tick in (0.0, top / 2, top):
        parts.append(straight(_SPEND_LEFT, upwards.at(tick), _SPEND_RIGHT, upwards.at(tick)))
        parts.append(text(_SPEND_LEFT - 6, upwards.at(tick) + 4, f"{tick:g}", kind="pale", anchor="end"))
    parts += _day_names(days, across, _SPEND_BOTTOM + 18)
    for number, day in enumerate(days):
        below = 0.0
        for index, (model, own) in enumerate(shown.items()):
            if own[number] <= 0:
                continue
            upper, lower = upwards.at(below + own[number]), upwards.at(below)
            said = f"{day.day} {day:%b}, {model}: {own[number]:,.2f} {currency}"
            width = across.at(number + 1) - across.at(number) - 2
            parts.append(box(across.at(number) + 1, upper, width, lower - upper, said, colour=_colour(model, index)))
            below += own[number]
    parts += _legend(list(shown))
    said = "; ".join(f"{model}: {sum(own):,.2f} {currency}" for model, own in shown.items())
    return picture(SPEND_WIDTH, SPEND_HEIGHT, title, f"{said}.", parts)


def _largest(models: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    ordered = sorted(models.items(), key=lambda each: -sum(each[1]))
    shown = {model: list(own) for model, own in ordered[:MOST_MODELS]}
    if rest := [own for _, own in ordered[MOST_MODELS:]]:
        shown[OTHERS] = [sum(day) for day in zip(*rest, strict=True)]
    return shown


def _legend(models: Sequence[str]) -> Iterator[str]:
    for index, model in enumerate(models):
        x, y = 8 + 158 * (index % 3), _SPEND_BOTTOM + 42 + 20 * (index // 3)
        yield box(x, y - 9, 10, 10, model, colour=_colour(model, index))
        yield text(x + 15, y, _cut(model, 22), kind="pale", size=11)


def _colour(model: str, index: int) -> str:
    return "#808890" if model == OTHERS else PALETTE[index]


def _day_names(days: Sequence[date], across: Axis, y: float) -> Iterator[str]:
    """The first of each week of the month: 1, 8, 15, 22, 29."""
    for number, day in enumerate(days):
        if number % 7 == 0:
            middle = (across.at(number) + across.at(number + 1)) / 2
            yield text(
                middle, y, f"{day.day} {day:%b}" if number == 0 else str(day.day), kind="pale", anchor="middle", size=11
            )


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten, so that the axis has round names."""
    size = 1e-6
    while True:
        for factor in (1, 2, 5):
            if size * factor >= value:
                return float(f"{size * factor:.6g}")
        size *= 10


def _cut(said: str, longest: int) -> str:
    return said if len(said) <= longest else f"{said[: longest - 1]}…"
