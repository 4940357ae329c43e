"""SLOs as the other rooms see them: complete, checked, immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from slo_engine.definitions.counts import Count
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.kinds.sli import Sli
from slo_engine.definitions.labels import SERVICE, SLO
from slo_engine.definitions.money import Budget
from slo_engine.definitions.policies import Policy, Severity, Tier
from slo_engine.definitions.promql import Matcher
from slo_engine.definitions.targets import Group, Target, amount_for
from slo_engine.definitions.traces import Explanation, Spent, TraceQuery


@dataclass(frozen=True)
class TierAlerting:
    """What a user adds to all alerts of one severity, or that they are not wanted."""

    disabled: bool = False
    severity: str | None = None
    """What is written into the label ``severity``; None: its own name."""
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
    target: Target
    policy: Policy
    alerting: Mapping[Severity, TierAlerting]
    alert: str | None
    """What its burn alerts are called; None: as the rules call them."""
    disabled: tuple[Duration, ...]
    """The long windows of single tiers that are not wanted."""
    min_events: int
    alpha: float | None
    """How improbable the errors must be for an alert; None: that is not asked."""
    keep_firing_for: Duration | None
    exhausted: Severity | None
    """How severe it is that the budget is exhausted; None: no alert."""
    absent: Duration | None
    traces: TraceQuery | None
    """Which traces explain its errors; None: it is tied to none."""
    declares_traces: bool = False
    """Whether the file says which, if only that it is to be none; else they are those of its labels."""

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the SLO over all files."""
        return (self.service, self.name)

    @cached_property
    def identity(self) -> tuple[Matcher, Matcher]:
        """The labels of everything that the rules record for it."""
        return Matcher(SERVICE, "=", self.service), Matcher(SLO, "=", self.name)

    @property
    def lacks_traces(self) -> bool:
        """Whether its notifications cannot say why, for want of a tie that its author may not have thought of."""
        explained = self.sli.explained_if_tied
        needs_traces = explained is not None and not isinstance(explained, Spent)
        return not self.declares_traces and needs_traces and (self.traces is None or self.explained_by is None)

    @property
    def explained_by(self) -> Explanation | None:
        """What explains its errors; None: nothing that is known."""
        return self.sli.explained_if_tied if self.declares_traces else self.sli.explained_by

    @cached_property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers of the policy whose alerts are wanted, with their factors for this window."""
        return tuple(
            tier for tier in self._tiers if not self.alerting[tier.severity].disabled and tier.long not in self.disabled
        )

    @cached_property
    def _tiers(self) -> tuple[Tier, ...]:
        # Money has no error ratio that a tier could ask for.
        return tuple(tier for tier in self.policy.tiers_for(self.window) if self.counts_events or not tier.above)

    @property
    def counts_events(self) -> bool:
        """Whether there is a number of events; money has none."""
        return Count.TOTAL in self.target.counts

    def alpha_of(self, tier: Tier) -> float | None:
        """How improbable the errors must be for a tier; None: that is not asked."""
        asked = [alpha for alpha in (self.alpha, tier.alpha) if alpha is not None]
        return min(asked) if asked and self.counts_events else None

    @property
    def window_name(self) -> str:
        """The SLO window as labels and people name it: ``30d``, or ``month`` for the calendar month."""
        return "month" if self.target.month else str(self.window)

    @cached_property
    def windows(self) -> tuple[Duration, ...]:
        """Every window whose error ratio is recorded, shortest first; the SLO window is the last."""
        wanted = {Duration.parse("5m"), Duration.parse("1h"), self.window}
        for tier in self._tiers:
            wanted |= {tier.long, tier.short}
        return tuple(sorted(window for window in wanted if window <= self.window))

    def objective_for(self, group: Group) -> float | None:
        """The objective of one group, in percent; None for spend."""
        return None if self.target.objective is None else amount_for(self.target, group)

    def budget_for(self, group: Group) -> Budget | None:
        """The money of one group for the SLO window; None for all kinds but spend."""
        if self.target.budget is None:
            return None
        return Budget(amount_for(self.target, group), self.target.budget.currency)

    def narrowed(self, group: Group) -> Slo:
        """The same SLO for the series with these label values alone."""
        matchers = [Matcher(label, "=", value) for label, value in group.items()]
        return replace(self, sli=self.sli.narrowed(matchers)) if matchers else self


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

    def find_threshold(self, service: str, alert: str) -> Threshold | None:
        """The plain alert of this service and name."""
        return next((each for each in self.thresholds if (each.service, each.alert) == (service, alert)), None)

    @property
    def paging_severities(self) -> frozenset[str]:
        """What the severity of a page is called in the labels of alerts."""
        return frozenset({"page", *(slo.alerting["page"].severity or "page" for slo in self.slos)})

    @property
    def services(self) -> tuple[str, ...]:
        """The names of all services, sorted."""
        return tuple(sorted({slo.service for slo in self.slos} | {plain.service for plain in self.thresholds}))
