"""The cells as a picture: pages for nothing and minutes until a full outage pages, the forms side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.policies.cells import Cell
from benchmarks.policies.forms import FORMS
from benchmarks.policies.report import FALSE_PAGES, TOLD_WITHIN
from slo_engine.charts.svg import PALETTE, picture, text

_WIDTH, _HEIGHT = 40, 22
_LEFT, _TOP, _BETWEEN, _ABOVE = 66, 96, 22, 78

_TITLE = "An SLO that is just kept, and a full outage: textbook burn alerts and those that must be sure"


@dataclass(frozen=True)
class _Panel:
    """One number of each cell under one form. ``least`` is not coloured, ``most`` and all above it fully."""

    heading: str
    unit: str
    values: dict[tuple[float, int], float]
    least: float
    most: float

    def shade(self, value: float) -> float:
        """How strongly it is coloured: 0 to 1, logarithmic."""
        if value <= self.least:
            return 0.0
        return min(1.0, 0.15 + 0.85 * math.log(value / self.least) / math.log(self.most / self.least))

    def said(self, value: float) -> str:
        """As short as a cell."""
        if not math.isfinite(value):
            return "-"
        return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.2f}" if value < 1 else f"{value:.2g}"


def draw(cells: Sequence[Cell]) -> str:
    """A grid of objectives (down) and runs an hour (across) for each form and number."""
    rates, objectives = sorted({cell.per_hour for cell in cells}), sorted({cell.objective for cell in cells})
    across, down = len(rates) * _WIDTH + _BETWEEN, len(objectives) * _HEIGHT + _ABOVE
    parts = [text(12, 24, _TITLE, size=14)]
    remark = (
        f"Coloured: more than {FALSE_PAGES:g} pages a month while the true error ratio is the budget; more than "
        f"{TOLD_WITHIN:g} minutes, in the median, until a full outage pages"
    )
    parts.append(text(12, 44, remark, kind="pale"))
    for column, form in enumerate(FORMS):
        for row, panel in enumerate(_panels(cells, form)):
            left, top = _LEFT + column * across, _TOP + row * down
            parts += _grid(panel, rates, objectives, left, top, labelled=column == 0)
    width, height = _LEFT + len(FORMS) * across, _TOP + 2 * down
    return picture(width, height - 30, _TITLE, _description(cells), parts)


def _panels(cells: Sequence[Cell], form: str) -> Iterator[_Panel]:
    places = [(cell.objective, cell.per_hour) for cell in cells]
    pages = dict(zip(places, (cell.pages[form] for cell in cells), strict=True))
    yield _Panel(f"{form}: pages for nothing", "a month", pages, FALSE_PAGES, 60)
    minutes = dict(zip(places, (cell.minutes(form) for cell in cells), strict=True))
    yield _Panel(f"{form}: full outage", "minutes", minutes, TOLD_WITHIN, 480)


def _grid(
    panel: _Panel, rates: Sequence[int], objectives: Sequence[float], left: int, top: int, *, labelled: bool
) -> Iterator[str]:
    yield text(left, top - 22, f"{panel.heading}, {panel.unit}")
    for column, rate in enumerate(rates):
        yield text(left + (column + 0.5) * _WIDTH, top - 6, f"{rate}/h", kind="pale", anchor="middle", size=10)
    for row, objective in enumerate(objectives):
        y = top + row * _HEIGHT
        if labelled:
            yield text(left - 8, y + 15, f"{objective:g} %", kind="pale", anchor="end", size=11)
        for column, rate in enumerate(rates):
            value = panel.values[objective, rate]
            x, said = left + column * _WIDTH, panel.said(value)
            yield _cell(x, y, panel.shade(value), f"{objective:g} %, {rate}/h: {said} {panel.unit}")
            yield text(x + _WIDTH / 2, y + 15, said, anchor="middle", size=11)


def _cell(x: float, y: float, shade: float, said: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{_WIDTH}" height="{_HEIGHT}"'
    paint = f'class="grid" fill="{PALETTE[1]}" fill-opacity="{0.75 * shade:.2f}"'
    return f"<rect {paint} {place}><title>{escape(said)}</title></rect>"


def _description(cells: Sequence[Cell]) -> str:
    """The picture in words."""
    said = []
    for form in FORMS:
        pages, place = max((cell.pages[form], cell.name) for cell in cells)
        minutes, slow = max((cell.minutes(form), cell.name) for cell in cells)
        said.append(
            f"{form}: at most {pages:.2g} pages for nothing a month, at {place}; "
            f"a full outage pages after {minutes:g} minutes at {slow}."
        )
    return " ".join(said)
