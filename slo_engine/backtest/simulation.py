"""How soon the alerts of a policy fire, for a grid of objectives and error ratios: by the formulas, and as the
generated rules would do it.

The rules differ from the formulas in when they look: each minute, each five minutes for windows over 6 h, and at events
that are ten seconds old. So the second time comes from walking through an outage step by step. It begins right after an
evaluation of both rule groups, which is when it takes longest to be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from slo_engine.backtest.detection import (
    Detection,
    budget_spent,
    burn_rate,
    detections,
    exhausted_after,
    first,
    threshold,
)
from slo_engine.backtest.windows import MINUTE, STAGE, History, RecordedSeries, Windows
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.kinds.counter import LAG_SECONDS
from slo_engine.definitions.policies import Policy, Tier
from slo_engine.definitions.targets import error_budget

_LATE = LAG_SECONDS / MINUTE
"""The share of a minute that its base record has not seen yet."""


@dataclass(frozen=True)
class SimulatedTier:
    """What one tier makes of an outage: by the formulas (``ideal``), and as the rules see it. None: it never fires."""

    ideal: Detection
    seconds: float | None
    """Until the alert fires in Prometheus."""
    budget_spent: float | None
    """The share of the error budget that is gone by then."""
    reset_seconds: float | None
    """Until it is over in Prometheus, after an outage that outlasted the long window."""


@dataclass(frozen=True)
class Simulated:
    """What a policy makes of one outage."""

    objective: float
    """In percent."""
    policy: Policy
    window: Duration
    error_ratio: float
    burn_rate: float
    exhausted_seconds: float | None
    """Until the error budget is exhausted; None where the objective is kept."""
    tiers: tuple[SimulatedTier, ...]
    first: SimulatedTier | None
    """The tier that fires first, by the formulas."""


def simulate(
    policies: Sequence[Policy],
    objectives: Sequence[float],
    error_ratios: Sequence[float],
    window: Duration,
    *,
    held: float = 0.0,
) -> Iterator[Simulated]:
    """Every policy at every objective (in percent), met by an outage of every error ratio (0 to 1)."""
    for policy in policies:
        for objective in objectives:
            for error_ratio in error_ratios:
                yield outcome(policy, objective, error_ratio, window, held=held)


def outcome(policy: Policy, objective: float, error_ratio: float, window: Duration, *, held: float = 0.0) -> Simulated:
    """One policy at one objective, met by one outage of a service that was healthy for all of the long windows."""
    budget = error_budget(objective)
    tiers = [tier for tier in policy.tiers_for(window) if tier.long <= window]
    found = detections(policy, budget, error_ratio, window, tiers=tiers, held=held)
    outcomes = {each: _in_prometheus(each, budget, error_ratio, window, held) for each in found}
    soonest = first(found)
    return Simulated(
        objective=objective,
        policy=policy,
        window=window,
        error_ratio=error_ratio,
        burn_rate=burn_rate(error_ratio, budget),
        exhausted_seconds=exhausted_after(error_ratio, budget, window),
        tiers=tuple(outcomes.values()),
        first=outcomes[soonest] if soonest else None,
    )


def _in_prometheus(ideal: Detection, budget: float, error_ratio: float, window: Duration, held: float) -> SimulatedTier:
    if ideal.seconds is None:
        return SimulatedTier(ideal, None, None, None)
    share = threshold(ideal.factor, budget) / error_ratio
    tier = ideal.tier
    rising, falling = _rising(tier, window), _falling(tier, window)
    step = rising.every * MINUTE
    fires = next((i for i, seen in enumerate(rising.values) if seen > share), None)
    over = next((i for i, seen in enumerate(falling.values) if seen <= share), None)
    # A threshold so close to the error ratio that only sums in another order exceed it.
    if fires is None or over is None:
        return SimulatedTier(ideal, None, None, None)
    seconds = float(fires * step + -(-held // step) * step)
    return SimulatedTier(ideal, seconds, budget_spent(error_ratio, seconds, budget, window), float(over * step))


@cache
def _rising(tier: Tier, window: Duration) -> RecordedSeries:
    """The share of full outage that both windows of a tier see, from the begin of an outage on."""
    healthy, failing = _minutes(tier), _minutes(tier)
    # The first minute is seen but for what the base leaves for later.
    shares = [0.0] * (healthy + 1) + [1 - _LATE] + [1.0] * (failing - 1)
    return _smaller(shares, tier, window, healthy)


@cache
def _falling(tier: Tier, window: Duration) -> RecordedSeries:
    """The share of full outage that both windows of a tier see, from the end of a long outage on."""
    failing, healthy = _minutes(tier), _minutes(tier)
    shares = [1.0] * (failing + 1) + [_LATE] + [0.0] * (healthy - 1)
    return _smaller(shares, tier, window, failing)


def _minutes(tier: Tier) -> int:
    """Whole five minutes that hold the long window."""
    return (tier.long.milliseconds // 300_000 + 2) * STAGE


def _smaller(shares: Sequence[float], tier: Tier, window: Duration, begin: int) -> RecordedSeries:
    """The smaller of the two windows at each evaluation of the alert, from minute ``begin`` on: both must exceed the
    threshold. Traffic is steady, so what an outage of a smaller error ratio gives is in proportion."""
    windows = Windows(History(0, [1.0] * len(shares), shares), window)
    long, short = windows.ratio(tier.long), windows.ratio(tier.short)
    every = max(long.every, short.every)
    return RecordedSeries(every, [min(long.at(at), short.at(at)) for at in range(begin, len(shares), every)])
