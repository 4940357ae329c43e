"""How soon a burn-rate alert fires, what that costs, and how soon it is over: the arithmetic of alerting on SLOs.

The formulas are those of the SRE workbook, chapter 5 (https://sre.google/workbook/alerting-on-slos/), for an outage
with one error ratio, in a service that has steady traffic and was healthy for the whole long window before. Where the
history before is shorter than the long window, an alert fires sooner: the errors have less to be diluted in.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.policies import Policy, Tier, improbability


@dataclass(frozen=True)
class Detection:
    """What one tier makes of an outage. None where it never fires."""

    tier: Tier
    factor: float
    """The burn rate that the tier asks for: the policy's, adapted to the objective."""
    seconds: float | None
    """From the begin of the outage until the alert fires."""
    budget_spent: float | None
    """The share of the error budget that is gone by then: 0.02 = 2 %."""
    reset_seconds: float | None
    """From the end of the outage until the alert is over, when the outage outlasts the short window."""


def detections(
    policy: Policy,
    error_budget: float,
    error_ratio: float,
    window: Duration,
    *,
    tiers: Iterable[Tier] | None = None,
    held: float = 0.0,
) -> tuple[Detection, ...]:
    """What each tier of a policy makes of an outage. ``window``: the SLO window; ``held``: seconds of `for`."""
    return tuple(
        _detection(tier, policy.factor(tier, error_budget), error_budget, error_ratio, window, held)
        for tier in (policy.tiers_for(window) if tiers is None else tiers)
    )


def first(found: Iterable[Detection]) -> Detection | None:
    """The tier that fires first; of two at the same time the page. None when none fires."""
    firing = [each for each in found if each.seconds is not None]
    return min(firing, key=lambda each: (each.seconds, each.tier.severity != "page"), default=None)


def burn_rate(error_ratio: float, error_budget: float) -> float:
    """How many times faster than allowed the budget is spent: error ratio / (1 - objective)."""
    return error_ratio / error_budget


def detection_time(long: Duration, threshold: float, error_ratio: float, *, held: float = 0.0) -> float | None:
    """Seconds until the error ratio over ``long`` exceeds ``threshold`` (= factor x (1 - objective)), and has done so
    for ``held`` seconds. None: it never does.

    Workbook, "4: Alert on Burn Rate": (1 - SLO) / error ratio x window x burn rate. The short window of a pair fills
    sooner than the long one, so the long one decides.
    """
    return long.seconds * threshold / error_ratio + held if error_ratio > threshold else None


def reset_time(short: Duration, threshold: float, error_ratio: float) -> float | None:
    """Seconds from the end of an outage that has filled ``short`` until the ratio over it is down to ``threshold``.

    Follows from the detection time: what is left of the outage in the window falls in a straight line, so
    W x (1 - threshold / error ratio). It gives the 58 minutes of the workbook's 1 h window. For a pair of windows the
    short one decides. None when the alert never fired.
    """
    return short.seconds * (1 - threshold / error_ratio) if error_ratio > threshold else None


def budget_at_detection(factor: float, long: Duration, window: Duration) -> float:
    """The share of the budget that is spent when the alert fires, whatever the error ratio: burn rate x long window /
    SLO window (workbook, table 5-6: 14.4 over 1 h of 30 d is 2 %)."""
    return factor * long.seconds / window.seconds


def budget_spent(error_ratio: float, seconds: float, error_budget: float, window: Duration) -> float:
    """The share of the budget of ``window`` that so many seconds of an error ratio spend; above 1: overspent."""
    return burn_rate(error_ratio, error_budget) * seconds / window.seconds


def exhausted_after(error_ratio: float, error_budget: float, window: Duration) -> float | None:
    """Seconds in which an error ratio uses up a whole budget: SLO window / burn rate (workbook, table 5-4). None below
    a burn rate of 1, which keeps the objective."""
    rate = burn_rate(error_ratio, error_budget)
    # An error ratio typed as 0.001 and a budget computed from 99.9 differ in the last bit.
    return window.seconds / rate if rate >= 1 - 1e-9 else None


def threshold(factor: float, error_budget: float) -> float:
    """The error ratio that a tier asks for. To twelve digits, as the rules have it: an adapted factor is 0.75 / budget,
    and times the budget that is 0.75 or its neighbour, as the bits fall."""
    return float(f"{factor * error_budget:.12g}")


@dataclass(frozen=True)
class Traffic:
    """What single errors mean where events are few (workbook, "Low-Traffic Services and Error Budget Alerting")."""

    events_per_hour: float
    error_budget: float
    window: Duration

    @property
    def errors_allowed(self) -> int:
        """How many events of an SLO window may fail."""
        # 0.001 x 7,000 events is 7.000000000000001 or 6.99..., as the bits fall.
        return math.floor(self._allowed + 1e-9)

    @property
    def share_of_one_error(self) -> float:
        """The share of the budget that one failing event spends."""
        return 1 / self._allowed

    def errors_to_fire(self, long: Duration, threshold: float, alpha: float | None) -> int | None:
        """The least number of errors within the long window that fires the alert, spread so that the short window sees
        them too. ``alpha``: how improbable they must be; None: that is not asked. None: all of them are too few."""
        events = self.events_per_hour * long.seconds / 3600
        least = math.floor(threshold * events + 1e-9) + 1
        if alpha is None:
            return least
        known = math.log(1 / alpha)
        candidates = range(least, math.floor(events + 1e-9) + 1)

        def surprise(errors: int) -> float:  # which grows with the errors
            return improbability(events, errors / events, self.error_budget)

        found = bisect_right(candidates, known, key=surprise)
        return candidates[found] if found < len(candidates) else None

    @property
    def _allowed(self) -> float:
        return self.error_budget * self.events_per_hour * self.window.seconds / 3600


def _detection(
    tier: Tier, factor: float, error_budget: float, error_ratio: float, window: Duration, held: float
) -> Detection:
    limit = threshold(factor, error_budget)
    seconds = detection_time(tier.long, limit, error_ratio, held=held)
    spent = None
    if seconds is not None:
        spent = budget_at_detection(factor, tier.long, window)
        spent += budget_spent(error_ratio, held, error_budget, window)
    return Detection(tier, factor, seconds, spent, reset_time(tier.short, limit, error_ratio))
