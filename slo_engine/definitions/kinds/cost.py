"""``cost``: money spent, against a budget for the SLO window or for the calendar month."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field

from slo_engine.definitions.counts import Count
from slo_engine.definitions.fields import Label, Money, SelectorField, Strict, refuse
from slo_engine.definitions.kinds.counter import Counter, beside
from slo_engine.definitions.kinds.kind import KindFormat
from slo_engine.definitions.kinds.sli import BaseRecord, Earlier, SliData, counted, gone, narrowed
from slo_engine.definitions.kinds.specimen import Labels, Specimen, series
from slo_engine.definitions.money import Budget
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.targets import Override, Spend, SpendLimits, Spike
from slo_engine.definitions.traces import Spent


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
    """A counter of calls whose cost is not known: while it grows, the spend cannot be trusted."""
    limits: SpendLimits = field(default=SpendLimits())
    exporter_labels: tuple[str, ...] = ()
    """All labels that the exporter itself sets: a series that is new, while another one of its target was there before,
    differs from that in these only."""

    failing = "of the budget is spent"
    error_series = None
    """Money is spent by runs that succeed."""
    buckets = None
    parted_by = ()
    target_key = "budget"

    @property
    def watched(self) -> Selector:
        """The counter of money."""
        return self.spend

    @property
    def explained_by(self) -> Spent:
        """What was paid for: money is spent by runs that succeed."""
        return Spent(self.spend)

    @property
    def explained_if_tied(self) -> Spent:
        """The same."""
        return self.explained_by

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[BaseRecord]:
        """The spend. There is no total: that is the budget, a constant."""
        known = (beside(self.spend, self.exporter_labels),) if self.exporter_labels else ()
        spend = Counter("spend", self.spend, known)
        yield from gone((spend,), earlier)
        yield BaseRecord(Count.ERRORS, counted(by, spend, earlier))
        if self.requests and self.limits.request:
            requests = Counter("requests", self.requests)
            yield from gone((requests,), earlier)
            yield BaseRecord(Count.REQUESTS, counted(by, requests, earlier))

    def target(self, objective: float | None, overrides: tuple[Override, ...]) -> Spend:
        """The budget."""
        return Spend(self.budget, self.month, self.limits, self.unpriced, overrides)

    def selectors(self) -> tuple[Selector, ...]:
        """The counter of money; the others need not have its labels."""
        return (self.spend,)

    def specimen(self, group: Labels) -> Specimen | None:
        """The counter of money, which is all errors."""
        found = series(self.spend, group)
        return Specimen(errors=(found,)) if found else None

    def narrowed(self, matchers: Sequence[Matcher]) -> CostSli:
        """With these matchers in each of the counters."""
        return narrowed(self, matchers)

    def written(self) -> SliData:
        """As it stands in an SLO file."""
        limits: SliData = {}
        if self.limits.hour:
            limits["hour"] = self.limits.hour.written
        if self.limits.request:
            limits["request"] = self.limits.request.written
        if spike := self.limits.spike:
            limits["spike"] = {"factor": spike.factor, "above": spike.above.written}
        options: SliData = {
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
        raise refuse("is not a time zone: write one of the tz database, such as UTC or Europe/Berlin")
    return ZoneInfo(name)


Month = Annotated[ZoneInfo, BeforeValidator(_zone, json_schema_input_type=str)]


class SpikeFormat(Strict):
    """``sli.cost.limits.spike``"""

    factor: Annotated[float, Field(gt=1, allow_inf_nan=False, strict=True)]
    """Times the mean of the same hour one, two, three and four weeks ago."""
    above: Money
    """And more than this, so that little money wakes nobody."""


class LimitsFormat(Strict):
    """``sli.cost.limits``"""

    hour: Money | None = None
    """A ticket while more than this was spent within the last hour."""
    request: Money | None = None
    """A ticket while a request of the last hour cost more than this, on average; needs ``requests``."""
    spike: SpikeFormat | None = None
    """A ticket while an hour costs far more than usual."""

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


class CostFormat(KindFormat):
    """``sli.cost``"""

    spend: SelectorField
    """A counter of money."""
    budget: Money
    """Of each group, for the SLO window or for the month."""
    month: Month | None = None
    """A time zone, such as Europe/Berlin: the budget is for its calendar month, not for a rolling window."""
    requests: SelectorField | None = None
    """The counter that ``limits.request`` divides by."""
    unpriced: SelectorField | None = None
    """A counter of calls whose price nobody knows, with the label ``model``: a ticket when it grows."""
    limits: LimitsFormat = LimitsFormat()
    """Tickets beside the budget."""
    exporter_labels: list[Label] = []
    """All labels that the exporter itself sets, so that a new series is known to begin at 0."""

    def mistakes(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Amounts in different currencies, and a limit on requests that are not counted."""
        for where, amount in self.limits.amounts():
            if amount.currency != self.budget.currency:
                yield ("limits", *where), f"must be in {self.budget.currency}, like the budget"
        if self.limits.request and not self.requests:
            yield ("limits", "request"), "needs `requests`, the counter to divide by: add it beside `spend`"
        if self.requests and not self.limits.request:
            yield ("requests",), "is what limits.request divides by: add that limit, or remove this"

    def sli(self) -> CostSli:
        """What the rules are made of."""
        limits = self.limits.limits()
        labels = tuple(self.exporter_labels)
        return CostSli(self.spend, self.budget, self.month, self.requests, self.unpriced, limits, labels)
