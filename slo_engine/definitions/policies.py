"""Burn-rate policies: which burn rate, over which pair of windows, pages or opens a ticket. Data, not code."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from slo_engine.definitions.duration import Duration

Severity = Literal["page", "ticket"]

_USUAL_WINDOW = Duration.parse("30d")

ALPHA = 1e-4
"""How improbable the errors of a window must be for a service that just meets its objective, before an alert fires. It
is a bound for one look; how often alerts fire for nothing at one look a minute is simulated (``make bench-policies``).
"""

REACH = 0.75
"""Largest error ratio that an adaptive policy asks for. A factor whose threshold lies above it (14.4 does from an
objective of 94.8 % down; from 93.06 % down it exceeds 1 and could never fire) is lowered until it lies here, so that a
full outage fires the tier after 45 minutes of a 1 h window at the latest."""


@dataclass(frozen=True)
class Tier:
    """Fires while the burn rate exceeds ``factor`` over the long window and still does over the short one."""

    severity: Severity
    long: Duration
    short: Duration
    factor: float
    above: float = 0.0
    """The error ratio below which it does not fire, whatever the factor: one half for a tier that tells of outages
    only."""
    alpha: float | None = None
    """How improbable the errors must be for this tier, where it takes more than :data:`ALPHA`."""

    def __str__(self) -> str:
        return f"{self.severity} {self.long}/{self.short}"


@dataclass(frozen=True)
class Policy:
    """The tiers of a policy, for an SLO window of 30 days.

    ``adaptive``: each tier stands for a share of the error budget, so its factor grows and shrinks with the SLO window;
    and it is lowered where an objective makes it unreachable.
    """

    name: str
    tiers: tuple[Tier, ...]
    adaptive: bool = False

    def tiers_for(self, window: Duration) -> tuple[Tier, ...]:
        """The tiers with their factors for an SLO window: budget share x SLO window / long window (SRE workbook,
        chapter 5). Never below 1, at which an alert would fire although the objective is being met."""
        if not self.adaptive:
            return self.tiers
        scale = Fraction(window.milliseconds, _USUAL_WINDOW.milliseconds)
        return tuple(replace(tier, factor=max(1.0, float(Fraction(str(tier.factor)) * scale))) for tier in self.tiers)

    def factor(self, tier: Tier, error_budget: float) -> float:
        """The factor at which ``tier`` fires for this error budget (1 - objective). Never lowered below 1: an objective
        under 25 % is kept at an error ratio of 75 %."""
        factor = min(tier.factor, max(1.0, REACH / error_budget)) if self.adaptive else tier.factor
        return max(factor, tier.above / error_budget)


def improbability(events: float, error_ratio: float, error_budget: float) -> float:
    """How improbable it is that so large a share of the events fails where the error budget is the true error ratio: at
    most exp(-this). Chernoff's bound for a binomial: events x the Kullback-Leibler divergence; 0 up to the budget."""
    if not error_ratio > error_budget:  # NaN: no events
        return 0.0
    good = 1 - error_ratio
    of_good = good * math.log(good / (1 - error_budget)) if good > 0 else 0.0
    return events * (error_ratio * math.log(error_ratio / error_budget) + of_good)


def can_fire(factor: float, error_budget: float) -> bool:
    """Whether any error ratio up to 1 burns an event budget faster than ``factor``."""
    return factor * error_budget < 1


GOOGLE = Policy(
    # SRE workbook, chapter 5, table 5-8 and the example after it: 2 % of a 30 d budget in 1 h, 5 % in 6 h page;
    # 10 % in 1 d, 10 % in 3 d open a ticket. The short window is 1/12 of the long one.
    "google",
    (
        Tier("page", Duration.parse("1h"), Duration.parse("5m"), 14.4),
        Tier("page", Duration.parse("6h"), Duration.parse("30m"), 6.0),
        Tier("ticket", Duration.parse("1d"), Duration.parse("2h"), 3.0),
        Tier("ticket", Duration.parse("3d"), Duration.parse("6h"), 1.0),
    ),
    adaptive=True,
)

AGENT = Policy(
    # At an objective of 95 % the 2 % of the budget that google's first tier waits for are 44 minutes of a full outage.
    "agent",
    (
        Tier("page", Duration.parse("10m"), Duration.parse("3m"), GOOGLE.tiers[0].factor, above=0.5, alpha=1e-5),
        *GOOGLE.tiers,
    ),
    adaptive=True,
)

PAGE_AT_5X = Policy(
    # Pages from a burn rate of 5 on: a budget of 30 days that would be exhausted in 6.
    "page-at-5x",
    (
        Tier("page", Duration.parse("1h"), Duration.parse("5m"), 5.0),
        Tier("ticket", Duration.parse("3d"), Duration.parse("6h"), 1.0),
    ),
)

BUILT_IN = {policy.name: policy for policy in (GOOGLE, AGENT, PAGE_AT_5X)}
