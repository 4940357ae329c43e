"""How much of each error budget is left, as a picture: one bar an SLO group, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from slo_engine import amounts
from slo_engine.charts.svg import Axis, box, picture, straight, text

WIDTH = 640
MOST = 20
"""Bars of one picture; a table says the rest."""

LOWEST = -1.0
"""An overspent budget is drawn to here; its figure is written beside it."""

_LONGEST_NAME = 34
_LONGEST_PART = 100
_LEFT, _RIGHT, _TOP, _ROW = 330, 560, 44, 24

_PLENTY, _LITTLE, _NONE = "#1a7f37", "#b58900", "#d1242f"
_LITTLE_LEFT = 0.25


def budgets(statuses: Sequence[Mapping[str, Any]], title: str = "Error budgets left") -> str:
    """``statuses``: rows of ``slo-engine status --json``. A bar to the right of zero is what is left of a budget,
    one to the left what is overspent; without data there is none."""
    ordered = sorted(statuses, key=_badness)
    shown = ordered[:MOST]
    is_overspent = any((_left(each) or 0.0) < 0 for each in shown)
    across = Axis(LOWEST if is_overspent else 0.0, 1.0, _LEFT, _RIGHT)
    bottom = _TOP + _ROW * len(shown)
    parts = [text(12, 22, _clipped(title, 80), size=14), *_grid(across, bottom)]
    for number, status in enumerate(shown):
        parts += _bar(status, across, _TOP + _ROW * number)
    height = bottom + 16
    if len(ordered) > MOST:
        parts.append(text(12, bottom + 16, f"and {len(ordered) - MOST} more, with more budget left", kind="pale"))
        height += 16
    return picture(WIDTH, height, title, "; ".join(f"{_name(each)}: {_said(each)}" for each in shown), parts)


def _grid(across: Axis, bottom: float) -> Iterator[str]:
    for value in (LOWEST, -0.5, 0.0, 0.5, 1.0):
        if value >= across.low:
            x = across.at(value)
            yield straight(x, _TOP - 4, x, bottom)
            yield text(x, _TOP - 8, f"{value * 100:.0f} %", kind="pale", anchor="middle", size=10)


def _bar(status: Mapping[str, Any], across: Axis, y: float) -> Iterator[str]:
    name, said, left = _name(status), _said(status), _left(status)
    yield text(_LEFT - 12, y + 16, _clipped(name, _LONGEST_NAME), anchor="end", size=11)
    if left is not None:
        zero, end = across.at(0.0), across.at(left)
        colour = _NONE if left <= 0 else _LITTLE if left < _LITTLE_LEFT else _PLENTY
        yield box(min(zero, end), y + 5, abs(end - zero), _ROW - 10, f"{name}: {said}", colour=colour)
    figure = "no data" if left is None else amounts.percent(left)
    yield text(_RIGHT + 10, y + 16, figure, kind="pale" if left is None else "ink", size=11)


def _badness(status: Mapping[str, Any]) -> tuple[bool, float, str]:
    left = _left(status)
    return left is None, left or 0.0, _name(status)


def _left(status: Mapping[str, Any]) -> float | None:
    left = status.get("error_budget_remaining")
    return None if left is None else float(left)


def _said(status: Mapping[str, Any]) -> str:
    left = _left(status)
    return "no data" if left is None else amounts.budget_left(left)


def _name(status: Mapping[str, Any]) -> str:
    group = (status.get("group") or {}).values()
    name = " ".join(str(part)[:_LONGEST_PART] for part in (status.get("service"), status.get("slo"), *group) if part)
    return "".join(letter if letter.isprintable() else " " for letter in name)  # XML has no control characters


def _clipped(words: str, longest: int) -> str:
    return words if len(words) <= longest else f"{words[: longest - 1].rstrip()}…"
