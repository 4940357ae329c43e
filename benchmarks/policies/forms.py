"""The forms of a policy that are compared, and what each asks for before a tier fires."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from slo_engine.backtest.detection import threshold
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.policies import GOOGLE, Policy, Tier

WINDOW = Duration.parse("30d")
"""The SLO window."""

ALPHA = 1e-4
OUTAGE = Tier("page", Duration.parse("10m"), Duration.parse("3m"), GOOGLE.tiers[0].factor)
OUTAGE_ABOVE = 0.5
OUTAGE_ALPHA = 1e-5


@dataclass(frozen=True)
class Condition:
    """What one tier asks for at one error budget."""

    tier: Tier
    threshold: float
    """The error ratio that both windows must exceed."""
    alpha: float | None
    """How improbable the errors of the long window must be if the error budget were the true error ratio; None: that is
    not asked."""


@dataclass(frozen=True)
class Form:
    """A policy, with the bound or without it."""

    name: str
    policy: Policy
    alpha: float | None
    outage: Tier | None = None

    def conditions(self, error_budget: float) -> Iterator[Condition]:
        """Those of all its tiers."""
        for tier in self.policy.tiers_for(WINDOW):
            yield Condition(tier, threshold(self.policy.factor(tier, error_budget), error_budget), self.alpha)
        if self.outage is not None:
            fast = threshold(self.policy.factor(self.outage, error_budget), error_budget)
            yield Condition(self.outage, max(fast, OUTAGE_ABOVE), OUTAGE_ALPHA)


TEXTBOOK = Form("textbook", GOOGLE, None)
BOUND = Form("bound", GOOGLE, ALPHA)
AGENT = Form("bound and outage tier", GOOGLE, ALPHA, OUTAGE)

FORMS: Mapping[str, Form] = {form.name: form for form in (TEXTBOOK, BOUND, AGENT)}


def improbability(events: float, error_ratio: float, error_budget: float) -> float:
    """How improbable it is that so large a share of the events fails where the error budget is the true error ratio: at
    most exp(-this). Chernoff's bound for a binomial: events x the Kullback-Leibler divergence; 0 up to the budget."""
    if not error_ratio > error_budget:
        return 0.0
    good = 1 - error_ratio
    of_good = good * math.log(good / (1 - error_budget)) if good > 0 else 0.0
    return events * (error_ratio * math.log(error_ratio / error_budget) + of_good)
