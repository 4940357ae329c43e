"""When an alert of a tier would have fired and been over, as Prometheus evaluates it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from slo_engine.backtest.windows import MINUTE, Windows
from slo_engine.definitions.policies import Tier, improbability


@dataclass(frozen=True)
class Condition:
    """What an alert waits for, and how long."""

    tier: Tier
    threshold: float
    """The error ratio that both windows must exceed: factor x (1 - objective)."""
    min_events: int = 0
    error_budget: float = 0.0
    alpha: float | None = None
    """How improbable so many errors must be if the error budget were the true error ratio; None: that is not asked."""
    held: float = 0.0
    """Seconds for which it must hold before the alert fires: `for`."""
    kept: float = 0.0
    """Seconds for which the alert goes on firing afterwards: `keep_firing_for`."""


@dataclass(frozen=True)
class Stretch:
    """Minutes of a history, from the first to the one before ``end``; None: up to the end of the history and on."""

    begin: int
    end: int | None


def firing(windows: Windows, condition: Condition) -> Iterator[Stretch]:
    """When the alert fires, in minutes of the history."""
    every = max(windows.every(condition.tier.long), windows.every(condition.tier.short))
    steps, held, kept = len(windows.ratio(condition.tier.long).values), condition.held, condition.kept
    steps = steps if every == windows.every(condition.tier.long) else (steps + every - 1) // every
    fires_from: int | None = None
    over_at = 0
    for begin, end in _holding(windows, condition, every):
        if fires_from is not None and begin > over_at:
            yield Stretch(fires_from * every, over_at * every)
            fires_from = None
        if fires_from is None:
            # At the first evaluation at which it has held for so long; unless it has ended before.
            waits = _steps(held, every)
            if end - begin <= waits:
                continue
            fires_from = begin + waits
        over_at = end + _steps(kept, every)
    if fires_from is not None:
        yield Stretch(fires_from * every, over_at * every if over_at < steps else None)


def _steps(seconds: float, every: int) -> int:
    return int(-(-seconds // (every * MINUTE)))


def _holding(windows: Windows, condition: Condition, every: int) -> Iterator[tuple[int, int]]:
    """The runs of evaluations at which the condition holds: the first, and the one after the last."""
    tier, threshold = condition.tier, condition.threshold
    long, short = windows.ratio(tier.long), windows.ratio(tier.short)
    events = windows.events(tier.long) if condition.min_events or condition.alpha is not None else None
    stride = every // long.every
    run: tuple[int, int] | None = None
    for step, value in enumerate(long.values[::stride]):
        # NaN exceeds nothing.
        if value > threshold and short.at(step * every) > threshold:
            if events is not None and not _is_enough(events.at(step * every), value, condition):
                continue
            if run is not None and run[1] == step:
                run = (run[0], step + 1)
            else:
                if run is not None:
                    yield run
                run = (step, step + 1)
    if run is not None:
        yield run


def _is_enough(events: float, error_ratio: float, condition: Condition) -> bool:
    """Whether so many events of the long window are enough to know."""
    if condition.alpha is not None:
        known = improbability(events, error_ratio, condition.error_budget) > math.log(1 / condition.alpha)
        return known and events >= condition.min_events
    return events >= condition.min_events
