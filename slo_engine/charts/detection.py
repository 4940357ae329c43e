"""How soon alerts fire, as a picture: error ratio across, time until the alert upwards, both logarithmic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from slo_engine.backtest.detection import detections, exhausted_after, first
from slo_engine.backtest.simulation import Simulated, SimulatedTier
from slo_engine.charts.svg import DASHES, PALETTE, Axis, dot, marked, path, picture, straight, text
from slo_engine.definitions.policies import Tier
from slo_engine.definitions.targets import error_budget

WIDTH, HEIGHT = 860, 460
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 620, 40, 400
_POINTS = 240

_TIMES = {
    "10 s": 10,
    "30 s": 30,
    "1 min": 60,
    "5 min": 300,
    "15 min": 900,
    "1 h": 3600,
    "6 h": 21_600,
    "1 d": 86_400,
    "3 d": 259_200,
}
_TIMES |= {"10 d": 864_000, "30 d": 2_592_000}
_RATIOS = {"0.1 %": 0.001, "0.2 %": 0.002, "0.5 %": 0.005, "1 %": 0.01, "2 %": 0.02, "5 %": 0.05, "10 %": 0.1}
_RATIOS |= {"20 %": 0.2, "50 %": 0.5, "100 %": 1.0}


@dataclass(frozen=True)
class _Line:
    name: str
    times: Callable[[float], float | None]
    """Seconds until the alert, for an error ratio."""
    dots: tuple[tuple[float, SimulatedTier], ...]
    """Error ratios, and what the rules make of them."""


def draw(outcomes: Sequence[Simulated]) -> str:
    """A line a tier when there is one policy at one objective, else a line for what fires first. Dots: what the rules
    take in Prometheus; dashed: when the budget is used up."""
    cases = list({(each.policy.name, each.objective): each for each in outcomes}.values())
    window = cases[0].window
    lowest = min(min(each.error_ratio for each in outcomes), 0.5)
    across = Axis(lowest, 1.0, _LEFT, _RIGHT, logarithmic=True)
    upwards = Axis(10.0, window.seconds, _BOTTOM, _TOP, logarithmic=True)
    title = f"How soon the first alert fires, objectives over {window}"
    if len(cases) == 1:
        title = f"Policy {cases[0].policy.name}, objective {cases[0].objective:g} % over {window}"
    parts = [*_grid(across, upwards), text(_LEFT, 22, title, size=14)]
    lines = list(_tiers(outcomes) if len(cases) == 1 else _firsts(cases, outcomes))
    for number, line in enumerate(lines):
        colour, dash = PALETTE[number % len(PALETTE)], DASHES[(number + number // len(PALETTE)) % len(DASHES)]
        points = _curve(line.times, across, upwards)
        if points:
            parts.append(path(points, colour, dash))
        for error_ratio, tier in line.dots:
            if tier.seconds is not None:
                said = (
                    f"{error_ratio * 100:g} % errors: {tier.ideal.tier} after {tier.seconds / 60:g} min in Prometheus"
                )
                parts.append(dot(across.at(error_ratio), upwards.at(tier.seconds), colour, said))
        y = _TOP + 8 + 22 * number
        parts += [
            path([(_RIGHT + 20, y), (_RIGHT + 48, y)], colour, dash),
            text(_RIGHT + 56, y + 4, line.name if points else f"{line.name}: never"),
        ]
    for objective in {each.objective: None for each in cases}:
        gone = partial(exhausted_after, error_budget=error_budget(objective), window=window)
        if points := _curve(gone, across, upwards):
            parts += [marked(points)]
    parts += _remarks(_TOP + 8 + 22 * len(lines))
    return picture(WIDTH, HEIGHT, title, _description(outcomes), parts)


def _tiers(outcomes: Sequence[Simulated]) -> Iterator[_Line]:
    case = outcomes[0]
    budget = error_budget(case.objective)
    for index, tier in enumerate(each.ideal.tier for each in case.tiers):

        def times(error_ratio: float, tier: Tier = tier) -> float | None:
            (found,) = detections(case.policy, budget, error_ratio, case.window, tiers=[tier])
            return found.seconds

        dots = tuple((each.error_ratio, each.tiers[index]) for each in outcomes)
        yield _Line(f"{tier} x{case.policy.factor(tier, budget):.4g}", times, dots)


def _firsts(cases: Sequence[Simulated], outcomes: Sequence[Simulated]) -> Iterator[_Line]:
    for case in cases:

        def times(error_ratio: float, case: Simulated = case) -> float | None:
            tiers = [each.ideal.tier for each in case.tiers]
            found = first(detections(case.policy, error_budget(case.objective), error_ratio, case.window, tiers=tiers))
            return found.seconds if found else None

        of_it = [each for each in outcomes if (each.policy, each.objective) == (case.policy, case.objective)]
        dots = tuple((each.error_ratio, each.first) for each in of_it if each.first is not None)
        yield _Line(f"{case.policy.name}, {case.objective:g} %", times, dots)


def _curve(times: Callable[[float], float | None], across: Axis, upwards: Axis) -> list[tuple[float, float]]:
    points = []
    for step in range(_POINTS + 1):
        error_ratio = across.low * (across.high / across.low) ** (step / _POINTS)
        seconds = times(error_ratio)
        if seconds is not None and seconds <= upwards.high:
            points.append((across.at(error_ratio), upwards.at(seconds)))
    return points


def _grid(across: Axis, upwards: Axis) -> Iterator[str]:
    for name, ratio in _RATIOS.items():
        if across.low <= ratio <= across.high:
            yield straight(across.at(ratio), _TOP, across.at(ratio), _BOTTOM)
            yield text(across.at(ratio), _BOTTOM + 18, name, kind="pale", anchor="middle")
    for name, seconds in _TIMES.items():
        if upwards.low <= seconds <= upwards.high:
            yield straight(_LEFT, upwards.at(seconds), _RIGHT, upwards.at(seconds))
            yield text(_LEFT - 8, upwards.at(seconds) + 4, name, kind="pale", anchor="end")
    yield text((_LEFT + _RIGHT) / 2, _BOTTOM + 42, "events that fail", kind="pale", anchor="middle")


def _remarks(y: float) -> Iterator[str]:
    yield marked([(_RIGHT + 20, y), (_RIGHT + 48, y)])
    yield text(_RIGHT + 56, y + 4, "error budget used up", kind="pale")
    yield dot(_RIGHT + 34, y + 22, "#808080", "in Prometheus")
    yield text(_RIGHT + 56, y + 26, "with our rules", kind="pale")


def _description(outcomes: Sequence[Simulated]) -> str:
    """The picture in words, for those who do not see it."""
    said = []
    for each in outcomes:
        when = "nothing fires"
        if each.first is not None and each.first.ideal.seconds is not None:
            when = f"{each.first.ideal.tier} fires after {each.first.ideal.seconds / 60:.3g} minutes"
        said.append(f"{each.policy.name} at {each.objective:g} %, {each.error_ratio * 100:g} % errors: {when}.")
    return " ".join(said)
