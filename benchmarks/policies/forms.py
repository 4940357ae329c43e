"""The forms of a policy that are compared, and what each asks for before a tier fires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from slo_engine.backtest.detection import threshold
from slo_engine.backtest.firing import Condition
from slo_engine.definitions import policies
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.policies import ALPHA, GOOGLE, Policy

WINDOW = Duration.parse("30d")
"""The SLO window."""


@dataclass(frozen=True)
class Form:
    """A policy, with the bound or without it."""

    name: str
    policy: Policy
    alpha: float | None

    def conditions(self, error_budget: float) -> Iterator[Condition]:
        """Those of all its tiers."""
        for tier in self.policy.tiers_for(WINDOW):
            asked = [alpha for alpha in (self.alpha, tier.alpha) if alpha is not None]
            above = threshold(self.policy.factor(tier, error_budget), error_budget)
            yield Condition(tier, above, error_budget=error_budget, alpha=min(asked, default=None))


TEXTBOOK = Form("textbook", GOOGLE, None)
BOUND = Form("bound", GOOGLE, ALPHA)
AGENT = Form("bound and outage tier", policies.AGENT, ALPHA)

FORMS: Mapping[str, Form] = {form.name: form for form in (TEXTBOOK, BOUND, AGENT)}
