"""A replay as a picture: for each group the burn rate over time, the significant events, and what would have fired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from slo_engine.backtest.replay import Backtest, Candidate, Replay, tiers_of
from slo_engine.backtest.windows import MINUTE, History, Values, Windows
from slo_engine.charts.svg import PALETTE, Axis, box, path, picture, straight, text
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.policies import Tier
from slo_engine.definitions.targets import error_budget

MOST_GROUPS = 6
"""Panels of one picture: the groups with the most alerts."""

WIDTH = 960
_LEFT, _RIGHT = 210, 940
_CURVE, _STRIP, _SPACE = 120, 14, 58
_BURN = Duration.parse("1h")
_TICKS = (0.1, 1.0, 10.0, 100.0)


def draw(found: Backtest, histories: Mapping[tuple[str, ...], History]) -> str:
    """One panel a group: the burn rate over 1 h (logarithmic), bands for events, a strip for each tier of each
    policy."""
    plan = found.plan
    across = Axis(plan.start, max(plan.end, plan.start + 1), _LEFT, _RIGHT)
    shown = _busiest(found, list(histories))
    title = f"{found.slo.service} {found.slo.name}: what would have fired"
    parts = [text(12, 22, title, size=14), text(12, 40, _span(plan.start, plan.end), kind="pale")]
    top = 60.0
    for values in shown:
        group = dict(zip(found.slo.by, values, strict=True))
        panel = list(_panel(found, group, histories[values], across, top))
        parts += panel
        top += _CURVE + _STRIP * len(_rows(found)) + _SPACE
    if len(shown) < len(histories):
        parts.append(text(12, top, f"and {len(histories) - len(shown)} more groups", kind="pale"))
        top += 20
    return picture(WIDTH, int(top), title, _description(found), parts)


def _panel(found: Backtest, group: Mapping[str, str], history: History, across: Axis, top: float) -> Iterator[str]:
    bottom, rows = top + _CURVE, _rows(found)
    strips = bottom + 12
    end = strips + _STRIP * len(rows)
    yield text(12, top + 12, ", ".join(group.values()) or "all events")
    for each in found.replays[0].events:
        if each.incident.hit(group):
            left, right = across.at(each.incident.start), across.at(each.incident.end)
            yield box(left, top, right - left, end - top, each.incident.name or "significant errors")
    upwards = Axis(_TICKS[0], _TICKS[-1], bottom, top, logarithmic=True)
    for tick in _TICKS:
        yield straight(_LEFT, upwards.at(tick), _RIGHT, upwards.at(tick))
        yield text(_LEFT - 8, upwards.at(tick) + 4, f"{tick:g}x", kind="pale", anchor="end")
    yield text(12, top + 30, "burn rate over 1 h", kind="pale")
    for points in _runs(_burn_rates(found, group, history), history.start, across, upwards):
        yield path(points, PALETTE[0])
    for number, (replay, tier) in enumerate(rows):
        y = strips + _STRIP * number
        colour = PALETTE[1] if tier.severity == "page" else PALETTE[2]
        yield text(_LEFT - 8, y + 9, f"{_named(found, replay.candidate)} {tier}", kind="pale", anchor="end", size=10)
        yield straight(_LEFT, y + 5, _RIGHT, y + 5)
        for alert in replay.alerts:
            if alert.tier == tier and alert.group == group:
                over = found.plan.end if alert.reset_at is None else alert.reset_at
                left, right = across.at(alert.fired_at), across.at(over)
                said = f"{tier} fires {_minute(alert.fired_at)} to {_minute(over)}"
                yield box(left, y, right - left, _STRIP - 4, said, colour=colour)
    yield from _days(across, end + 16)


def _burn_rates(found: Backtest, group: Mapping[str, str], history: History) -> Values:
    candidate, money = found.replays[0].candidate, found.slo.budget_for(group)
    windows = Windows(history, found.slo.window, budget=money.amount if money else None)
    recorded = windows.ratio(_BURN)
    objective = found.slo.objective_for(group) if candidate.objective is None else candidate.objective
    budget = error_budget(None if money else objective)
    return [recorded.at(minute) / budget for minute in range(len(history.errors))]


def _runs(rates: Values, start: int, across: Axis, upwards: Axis) -> Iterator[list[tuple[float, float]]]:
    """The line, broken at gaps; of what falls on one pixel the highest."""
    run: dict[int, float] = {}
    for minute, rate in enumerate(rates):
        time = start + minute * MINUTE
        if rate == rate and across.low <= time <= across.high:
            pixel = int(across.at(time))
            run[pixel] = max(run.get(pixel, 0.0), rate)
        elif run and rate != rate:
            yield [(x, upwards.at(value)) for x, value in run.items()]
            run = {}
    if run:
        yield [(x, upwards.at(value)) for x, value in run.items()]


def _rows(found: Backtest) -> list[tuple[Replay, Tier]]:
    return [(replay, tier) for replay in found.replays for tier in tiers_of(found.slo, replay.candidate)]


def _named(found: Backtest, candidate: Candidate) -> str:
    several = len({each.candidate.objective for each in found.replays}) > 1
    return f"{candidate.policy.name} {candidate.objective:g} %" if several else candidate.policy.name


def _busiest(found: Backtest, groups: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    def alerts(values: tuple[str, ...]) -> int:
        group = dict(zip(found.slo.by, values, strict=True))
        return sum(alert.group == group for replay in found.replays for alert in replay.alerts)

    busiest = sorted(groups, key=alerts, reverse=True)[:MOST_GROUPS]
    return [values for values in groups if values in busiest]


def _days(across: Axis, y: float) -> Iterator[str]:
    days = max(1, int((across.high - across.low) / 86_400))
    every = max(1, -(-days // 10)) * 86_400
    first = -(-int(across.low) // every) * every
    for time in range(first, int(across.high) + 1, every):
        day = datetime.fromtimestamp(time, UTC)
        yield text(across.at(time), y, f"{day.day} {day:%b}", kind="pale", anchor="middle", size=11)


def _span(start: int, end: int) -> str:
    return f"{_minute(start)} to {_minute(end)} UTC; bands: significant events; strips: firing alerts"


def _minute(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M")


def _description(found: Backtest) -> str:
    """The picture in words, for those who do not see it."""
    said = []
    for replay in found.replays:
        score = replay.scores["all"]
        said.append(
            f"{_named(found, replay.candidate)}: {score.alerts} alerts, {score.significant} of them for a significant "
            f"event; {score.detected} of {score.events} events found."
        )
    return " ".join(said)
