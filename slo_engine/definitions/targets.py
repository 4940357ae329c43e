"""What an SLO is held to: an objective, of which the error budget is a share of its events, or a budget of money.

A target answers what differs between the two, so that rules, status, tests and files need not ask which one it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from slo_engine.definitions.counts import Count
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.money import Budget
from slo_engine.definitions.policies import Policy, Tier
from slo_engine.definitions.promql import Selector

Group = Mapping[str, str]
"""One value for each label an SLO is divided by: ``{"agent_type": "support_agent"}``."""

_HOUR, _DAY = Duration.parse("1h"), Duration.parse("1d")

_MONTH = Duration.parse("30d")
"""What a calendar month counts as for burn rates."""


@dataclass(frozen=True)
class Override:
    """Another objective (in percent) or budget for the groups that carry these label values."""

    match: Group
    objective: float | None = None
    budget: Budget | None = None


@dataclass(frozen=True)
class Spike:
    """An hour that costs ``factor`` times the same hour of the last four weeks, and more than ``above``."""

    factor: float
    above: Budget


@dataclass(frozen=True)
class SpendLimits:
    """Alerts on spend beside those on the budget; None: not wanted."""

    hour: Budget | None = None
    request: Budget | None = None
    spike: Spike | None = None


class Target(Protocol):
    """What an SLO is held to."""

    @property
    def key(self) -> str:
        """What it is called in an SLO file: ``objective`` or ``budget``."""
        ...

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What is different for some groups; the first that matches counts."""
        ...

    @property
    def counts(self) -> tuple[Count, ...]:
        """What is added up over its windows. Without :attr:`Count.TOTAL` the total is the allowance, a constant."""
        ...

    @property
    def objective(self) -> float | None:
        """In percent of good events; None for money."""
        ...

    @property
    def budget(self) -> Budget | None:
        """The money for the SLO window; None for events."""
        ...

    @property
    def error_budget(self) -> float:
        """The error ratio at which the whole budget is spent: 1 - objective. 1 for money, whose recorded ratio is the
        burn rate already."""
        ...

    @property
    def month(self) -> ZoneInfo | None:
        """The budget is for the calendar month of this time zone; None: for the rolling SLO window."""
        ...

    @property
    def limits(self) -> SpendLimits:
        """Alerts on spend beside those on the budget."""
        ...

    @property
    def unpriced(self) -> Selector | None:
        """A counter of calls whose cost is not known."""
        ...

    @property
    def forecast_windows(self) -> tuple[Duration, ...]:
        """The burn rates of which a forecast continues the highest."""
        ...

    def amounts(self) -> Iterator[tuple[Group, float]]:
        """What each group is held to: an objective in percent or an amount of money. The first entry that matches a
        group counts; the last one matches every group."""
        ...

    def factor(self, policy: Policy, tier: Tier) -> float:
        """The burn rate at which a tier fires."""
        ...

    def allowance(self, share: float, amount: float | None = None) -> float | None:
        """What may be spent in this share of the SLO window (``amount`` in all of it, instead of the own one), where
        that does not depend on the number of events."""
        ...


@dataclass(frozen=True)
class Objective:
    """So many percent of the events are good."""

    objective: float
    overrides: tuple[Override, ...] = ()

    key = "objective"
    counts = (Count.TOTAL, Count.ERRORS)
    budget = None
    month = None
    limits = SpendLimits()
    unpriced = None
    forecast_windows = (_HOUR,)

    @property
    def error_budget(self) -> float:
        """1 - objective."""
        return error_budget(self.objective)

    def amounts(self) -> Iterator[tuple[Group, float]]:
        """Objectives in percent."""
        for override in self.overrides:
            if override.objective is not None:
                yield override.match, override.objective
        yield {}, self.objective

    def factor(self, policy: Policy, tier: Tier) -> float:
        """Lowered by an adaptive policy where the objective puts it out of reach."""
        return policy.factor(tier, self.error_budget)

    def allowance(self, share: float, amount: float | None = None) -> None:  # noqa: ARG002 - what a target is asked
        """It depends on the events."""
        return


@dataclass(frozen=True)
class Spend:
    """So much money may be spent in the SLO window."""

    budget: Budget
    month: ZoneInfo | None = None
    limits: SpendLimits = field(default=SpendLimits())
    unpriced: Selector | None = None
    overrides: tuple[Override, ...] = ()

    key = "budget"
    counts = (Count.ERRORS,)
    objective = None
    error_budget = 1.0
    forecast_windows = (_HOUR, _DAY)  # at night a day of spend says more than an hour does

    def amounts(self) -> Iterator[tuple[Group, float]]:
        """Amounts of money."""
        for override in self.overrides:
            if override.budget is not None:
                yield override.match, override.budget.amount
        yield {}, self.budget.amount

    def factor(self, policy: Policy, tier: Tier) -> float:  # noqa: ARG002 - what a target is asked
        """As it is: spend has no ceiling, so every factor can be reached."""
        return tier.factor

    def allowance(self, share: float, amount: float | None = None) -> float:
        """That share of the budget."""
        return (self.budget.amount if amount is None else amount) * share


def amount_for(target: Target, group: Group) -> float:
    """What one group is held to: percent or money."""
    return next(
        amount for match, amount in target.amounts() if all(group.get(label) == value for label, value in match.items())
    )


def window_of(target: Target) -> Duration | None:
    """The window that the target itself sets; None: the SLO's own."""
    return _MONTH if target.month else None


def begins_anew(target: Target, at: datetime) -> datetime | None:
    """When the next budget begins, whatever is left of this one; None: it rolls on."""
    if target.month is None:
        return None
    here = at.astimezone(target.month)
    return (here.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def began(target: Target, at: datetime) -> datetime | None:
    """When the budget of now began; None: it rolls on."""
    if target.month is None:
        return None
    return at.astimezone(target.month).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def error_budget(objective: float | None) -> float:
    """``98`` -> ``0.02``, without the noise of binary fractions. None (spend) -> ``1``."""
    return 1.0 if objective is None else float(1 - Decimal(str(objective)) / 100)


def ratio(percent: float) -> float:
    """``98`` -> ``0.98``, without the noise of binary fractions."""
    return float(Decimal(str(percent)) / 100)
