"""``cost``: money spent, against a budget for the SLO window or for the calendar month."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field

from slo_engine.definitions.fields import Label, Money, SelectorField, Strict, refuse
from slo_engine.definitions.kinds.sli import Base, Earlier, Written, growth, summed
from slo_engine.definitions.money import Budget
from slo_engine.definitions.promql import Selector


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


@dataclass(frozen=True)
class CostSli:
    """A counter of money spent, against a budget."""

    spend: Selector
    budget: Budget
    month: ZoneInfo | None = None
    """The budget is for the calendar month of this time zone; None: for the rolling SLO window."""
    requests: Selector | None = None
    """What ``limits.request`` divides by."""
    unpriced: Selector | None = None
    """A counter of calls whose price is not known: while it grows, the spend cannot be trusted."""
    limits: SpendLimits = field(default=SpendLimits())
    exporter_labels: tuple[str, ...] = ()
    """All labels that the exporter itself sets: a series that is new, while another one of its target was there before,
    differs from that in these only."""

    failing = "of the budget is spent"
    explained_by = None  # money is spent by runs that succeed

    @property
    def watched(self) -> Selector:
        """The counter of money."""
        return self.spend

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[tuple[Base, str]]:
        """The spend. There is no total: that is the budget, a constant."""
        yield Base.ERRORS, summed(by, growth(self.spend, self.exporter_labels))
        if self.requests and self.limits.request:
            yield Base.REQUESTS, summed(by, growth(self.requests))

    def written(self) -> Written:
        """As it stands in an SLO file."""
        limits: Written = {}
        if self.limits.hour:
            limits["hour"] = self.limits.hour.written
        if self.limits.request:
            limits["request"] = self.limits.request.written
        if spike := self.limits.spike:
            limits["spike"] = {"factor": spike.factor, "above": spike.above.written}
        options: Written = {
            "month": self.month.key if self.month else None,
            "requests": str(self.requests) if self.requests else None,
            "unpriced": str(self.unpriced) if self.unpriced else None,
            "limits": limits or None,
            "exporter_labels": list(self.exporter_labels) or None,
        }
        wanted = {key: value for key, value in options.items() if value is not None}
        return {"cost": {"spend": str(self.spend), "budget": self.budget.written, **wanted}}


def _zone(name: Any) -> ZoneInfo:
    if not isinstance(name, str) or name not in available_timezones():
        raise refuse("is no time zone: write one of the tz database, such as UTC or Europe/Berlin")
    return ZoneInfo(name)


Month = Annotated[ZoneInfo, BeforeValidator(_zone)]


class SpikeFormat(Strict):
    """``sli.cost.limits.spike``"""

    factor: Annotated[float, Field(gt=1, allow_inf_nan=False, strict=True)]
    above: Money


class LimitsFormat(Strict):
    """``sli.cost.limits``"""

    hour: Money | None = None
    request: Money | None = None
    spike: SpikeFormat | None = None

    def limits(self) -> SpendLimits:
        """What the rules are made of."""
        return SpendLimits(self.hour, self.request, Spike(self.spike.factor, self.spike.above) if self.spike else None)

    def amounts(self) -> Iterator[tuple[tuple[str, ...], Budget]]:
        """Every amount, and where it stands."""
        if self.hour:
            yield ("hour",), self.hour
        if self.request:
            yield ("request",), self.request
        if self.spike:
            yield ("spike", "above"), self.spike.above


class CostFormat(Strict):
    """``sli.cost``"""

    spend: SelectorField
    budget: Money
    month: Month | None = None
    requests: SelectorField | None = None
    unpriced: SelectorField | None = None
    limits: LimitsFormat = LimitsFormat()
    exporter_labels: list[Label] = []

    def sli(self) -> CostSli:
        """What the rules are made of."""
        limits = self.limits.limits()
        labels = tuple(self.exporter_labels)
        return CostSli(self.spend, self.budget, self.month, self.requests, self.unpriced, limits, labels)
