"""SLOs as the other rooms see them: complete, checked, immutable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.kinds import CostSli, Sli
from slo_engine.definitions.money import Budget
from slo_engine.definitions.policies import Policy, Severity, Tier
from slo_engine.definitions.traces import TraceQuery

Group = Mapping[str, str]
"""One value for each label an SLO is divided by: ``{"agent_type": "support_agent"}``."""


@dataclass(frozen=True)
class Override:
    """Another objective (in percent) or budget for the groups that carry these label values."""

    match: Group
    objective: float | None = None
    budget: Budget | None = None


@dataclass(frozen=True)
class TierAlerting:
    """What a user adds to all alerts of one severity, or that they are not wanted."""

    disabled: bool = False
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Slo:
    """One objective of one service, for each value of its ``by`` labels."""

    service: str
    name: str
    description: str
    owner: str | None
    labels: Mapping[str, str]
    window: Duration
    by: tuple[str, ...]
    sli: Sli
    objective: float | None
    """In percent; None for spend, which has a budget instead."""
    overrides: tuple[Override, ...]
    policy: Policy
    alerting: Mapping[Severity, TierAlerting]
    disabled: tuple[Duration, ...]
    """The long windows of single tiers that are not wanted."""
    min_events: int
    keep_firing_for: Duration | None
    exhausted: Severity | None
    """How severe it is that the budget is used up; None: no alert."""
    absent: Duration | None
    traces: TraceQuery

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the SLO over all files."""
        return (self.service, self.name)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers of the policy whose alerts are wanted, with their factors for this window."""
        return tuple(
            tier
            for tier in self.policy.tiers_for(self.window)
            if not self.alerting[tier.severity].disabled and tier.long not in self.disabled
        )

    @property
    def window_name(self) -> str:
        """The SLO window as labels and people name it: ``30d``, or ``month`` for the calendar month."""
        return "month" if isinstance(self.sli, CostSli) and self.sli.month else str(self.window)

    @property
    def windows(self) -> tuple[Duration, ...]:
        """Every window whose error ratio is recorded, shortest first; the SLO window is the last."""
        wanted = {Duration.parse("5m"), Duration.parse("1h"), self.window}
        for tier in self.policy.tiers:
            wanted |= {tier.long, tier.short}
        return tuple(sorted(window for window in wanted if window <= self.window))

    def objective_for(self, group: Group) -> float | None:
        """The objective of one group, in percent; None for spend."""
        return None if isinstance(self.sli, CostSli) else self._target_for(group)

    def budget_for(self, group: Group) -> Budget | None:
        """The money of one group for the SLO window; None for all kinds but spend."""
        if not isinstance(self.sli, CostSli):
            return None
        return Budget(self._target_for(group), self.sli.budget.currency)

    def _target_for(self, group: Group) -> float:
        return next(
            target
            for match, target in targets(self)
            if all(group.get(label) == value for label, value in match.items())
        )


def targets(slo: Slo) -> Iterator[tuple[Group, float]]:
    """What each group is held to: an objective in percent or, for spend, an amount of money. The first entry that
    matches a group counts; the last one matches every group."""
    for override in slo.overrides:
        own = override.budget.amount if override.budget else override.objective
        if own is not None:
            yield override.match, own
    if isinstance(slo.sli, CostSli):
        yield {}, slo.sli.budget.amount
    elif slo.objective is not None:
        yield {}, slo.objective


def error_budget(objective: float | None) -> float:
    """``98`` -> ``0.02``, without the noise of binary fractions. None (spend) -> ``1``."""
    return 1.0 if objective is None else float(1 - Decimal(str(objective)) / 100)


def ratio(percent: float) -> float:
    """``98`` -> ``0.98``, without the noise of binary fractions."""
    return float(Decimal(str(percent)) / 100)


@dataclass(frozen=True)
class Threshold:
    """A plain alert beside the SLOs."""

    service: str
    alert: str
    expr: str
    duration: Duration | None
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class SloSet:
    """All SLOs and thresholds of a set of files."""

    slos: tuple[Slo, ...] = ()
    thresholds: tuple[Threshold, ...] = ()

    def find(self, service: str, name: str) -> Slo | None:
        """The SLO with this service and name."""
        return next((slo for slo in self.slos if slo.key == (service, name)), None)

    @property
    def services(self) -> tuple[str, ...]:
        """The names of all services, sorted."""
        return tuple(sorted({slo.service for slo in self.slos} | {plain.service for plain in self.thresholds}))
