"""SLOs x recorded series -> status. Three queries, whatever the number of SLOs, and now and then those for
:mod:`~slo_engine.status.beginnings`; the rest is arithmetic."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import LONG_WINDOW, SERVICE, SEVERITY, SHORT_WINDOW, SLO, WINDOW
from slo_engine.definitions.money import Budget
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.targets import Group, began, begins_anew, error_budget
from slo_engine.prometheus import RangeResult, Result, finite
from slo_engine.recording.names import (
    ERROR_RATIO,
    ERRORS_INCREASE,
    ERRORS_SUM,
    TOTAL_INCREASE,
    TOTAL_SUM,
    UNPRICED_ALERT,
)
from slo_engine.recording.stages import SHORT_LIMIT
from slo_engine.status.beginnings import Beginnings, GroupKey
from slo_engine.status.model import Events, Firing, SloStatus

_LOOK_BACK = "10m"
"""Long windows are recorded every five minutes: two intervals, so that one late evaluation does not blank them."""

_FULL = 0.99
"""The share of a window from which on its records are taken for all of it: beginnings are known to some hours."""

_MINUTE = timedelta(minutes=1)


class QuerySource(Protocol):
    """What answers instant queries: the Prometheus door, or a test."""

    def query(self, expr: str, at: datetime) -> Result:
        """Evaluate ``expr`` at one time."""
        ...


class RecordSource(QuerySource, Protocol):
    """What also gives the records of the last minutes one by one."""

    def samples(self, expr: str, at: datetime) -> RangeResult:
        """The samples in a range selector."""
        ...


@dataclass
class GroupRecords:
    """What the rules have recorded for one SLO group."""

    ratios: dict[str, float] = field(default_factory=dict)
    total: float | None = None
    errors: float | None = None
    since: datetime | None = None
    """When the oldest of the records begins."""
    firing: list[Firing] = field(default_factory=list)
    unpriced_models: set[str] = field(default_factory=set)


def evaluate(slos: SloSet, source: RecordSource, at: datetime, beginnings: Beginnings | None = None) -> list[SloStatus]:
    """The status of every group of every SLO, ordered by service, SLO and group. An SLO without any data has one entry
    with an empty group. ``beginnings``: what earlier evaluations have found out. Raises what ``source`` raises."""
    if not slos.slos:
        return []
    recorded = _fetch(slos, source, at, beginnings or Beginnings())
    return [
        status_of(slo, dict(zip(slo.by, values, strict=False)), found, at)
        for slo in sorted(slos.slos, key=lambda slo: slo.key)
        for values, found in sorted(recorded[slo.key].items() or [((), GroupRecords())], key=_values)
    ]


def status_of(slo: Slo, group: Group, recorded: GroupRecords, at: datetime) -> SloStatus:
    """The arithmetic of one group. Burn rate = error ratio / error budget; remaining = 1 - burn rate over the SLO
    window (SRE workbook, chapter 5)."""
    allowed = error_budget(slo.objective_for(group))
    order = {str(window): window for window in slo.windows if window < slo.window} | {slo.window_name: slo.window}
    budget = slo.budget_for(group)
    events = _events(recorded, budget)
    known = dict(recorded.ratios)
    if events is not None:
        # From the sums, which are fresher than the recorded ratio. Without any event nothing is spent.
        known[slo.window_name] = events.errors / events.total if events.total > 0 else 0.0
    # A total next to nothing (1e-302 events) divides into infinity, which is no fact and no JSON.
    ratios = {name: known[name] for name in order if name in known and math.isfinite(known[name] / allowed)}
    burn_rates = {name: ratio / allowed for name, ratio in ratios.items()}
    measured_over = next(reversed(ratios), None)
    remaining = None
    if measured_over is not None:
        remaining = 1 - burn_rates[measured_over]
        if budget is not None:
            # Money spent over a part of the window has spent that part of the budget, not all of it.
            remaining = 1 - burn_rates[measured_over] * order[measured_over].seconds / slo.window.seconds
    data_over, is_window_full = _data_over(slo, recorded.since, order.get(measured_over or ""), at)
    return SloStatus(
        service=slo.service,
        slo=slo.name,
        group=group,
        objective=slo.objective_for(group),
        window=slo.window_name,
        budget=budget,
        error_ratio=ratios,
        burn_rate=burn_rates,
        error_budget_remaining=remaining,
        measured_over=measured_over,
        data_over=data_over,
        is_window_full=is_window_full,
        events=events,
        exhausted_at=_before_it_begins_anew(slo, exhausted_at(remaining, _pace(slo, burn_rates), slo.window, at), at),
        firing=tuple(sorted(recorded.firing, key=lambda each: (each.severity, each.long_window))),
        unpriced_models=tuple(sorted(recorded.unpriced_models)),
        evaluated_at=at,
    )


def _data_over(
    slo: Slo, since: datetime | None, window: Duration | None, at: datetime
) -> tuple[Duration | None, bool | None]:
    """How much of ``window`` has been recorded, and whether that is the whole SLO window."""
    if since is None or window is None:
        return None, None
    whole = at - (began(slo.target, at) or at - timedelta(seconds=slo.window.seconds))
    reach = min(at - since, whole, timedelta(seconds=window.seconds) if window < slo.window else whole)
    if is_full := reach >= _FULL * whole:
        reach = whole
    return Duration(max(1, reach // _MINUTE) * 60_000), is_full


def _pace(slo: Slo, burn_rates: Mapping[str, float]) -> float | None:
    """The burn rate that a forecast continues."""
    rates = (burn_rates.get(str(window)) for window in slo.target.forecast_windows)
    return max((rate for rate in rates if rate is not None), default=None)


def _before_it_begins_anew(slo: Slo, exhausted: datetime | None, at: datetime) -> datetime | None:
    """A budget that outlasts its calendar month is not exhausted: the next month begins with a new one."""
    anew = begins_anew(slo.target, at)
    return exhausted if exhausted is None or anew is None or exhausted < anew else None


def _events(recorded: GroupRecords, budget: Budget | None) -> Events | None:
    total = budget.amount if budget else recorded.total
    return None if total is None or recorded.errors is None else Events(total, recorded.errors)


def exhausted_at(remaining: float | None, burn_rate: float | None, window: Duration, at: datetime) -> datetime | None:
    """When a budget is exhausted if it goes on burning at ``burn_rate``: a rate of 1 uses a whole budget in a window.
    ``at`` when nothing is left; None when it does not burn, or would last for longer than a window."""
    if remaining is None:
        return None
    if remaining <= 0:
        return at
    if not burn_rate or burn_rate <= 0:
        return None
    left = remaining * window.seconds / burn_rate
    # What burns more slowly never runs out: by then what has been spent first is out of the window.
    return at + timedelta(seconds=left) if left < window.seconds else None


def _values(item: tuple[tuple[str, ...], GroupRecords]) -> tuple[str, ...]:
    return item[0]


_Groups = defaultdict[tuple[str, ...], GroupRecords]
"""What is recorded for the groups of an SLO, by the values of its ``by`` labels."""

_Points = tuple[tuple[float, float], ...]


def _fetch(
    slos: SloSet, source: RecordSource, at: datetime, beginnings: Beginnings
) -> Mapping[tuple[str, str], _Groups]:
    known = {slo.key: slo for slo in slos.slos}
    found: dict[tuple[str, str], _Groups] = {slo.key: defaultdict(GroupRecords) for slo in slos.slos}
    for sample in finite(source.query(_ratios_query(slos), at).samples):
        if group := _group_of(sample.labels, known):
            found[group[0]][group[1]].ratios[sample.labels.get(WINDOW, "")] = sample.value
    oldest = {}
    for group, points in _sums(slos, source, at, known).items():
        recorded = found[group[0]][group[1]]
        recorded.total = _up_to_now(points.get(TOTAL_SUM, ()), points.get(TOTAL_INCREASE, ()))
        recorded.errors = _up_to_now(points.get(ERRORS_SUM, ()), points.get(ERRORS_INCREASE, ()))
        if minutes := points.get(ERRORS_INCREASE):
            # Each holds the minute before it.
            oldest[group] = datetime.fromtimestamp(minutes[0][0], UTC) - _MINUTE
    groups = {(key, values): oldest.get((key, values)) for key, those in found.items() for values in those}
    for group, since in beginnings.of(slos, source.query, at, groups).items() if groups else ():
        found[group[0]][group[1]].since = since
    for sample in finite(source.query(f'ALERTS{{alertstate="firing",{SLO}!=""}}', at).samples):
        key = (sample.labels.get(SERVICE, ""), sample.labels.get(SLO, ""))
        if key in found:
            for recorded in _concerned(found[key], known[key].by, sample.labels):
                _add_alert(recorded, sample.labels)
    return found


def _group_of(labels: Mapping[str, str], slos: Mapping[tuple[str, str], Slo]) -> GroupKey | None:
    key = (labels.get(SERVICE, ""), labels.get(SLO, ""))
    slo = slos.get(key)
    return None if slo is None else (key, tuple(labels.get(label, "") for label in slo.by))


def _sums(
    slos: SloSet, source: RecordSource, at: datetime, known: Mapping[tuple[str, str], Slo]
) -> Mapping[GroupKey, Mapping[str, _Points]]:
    """The records over the SLO window and the base records of the last minutes, by group and name."""
    names = "|".join((TOTAL_SUM, ERRORS_SUM, TOTAL_INCREASE, ERRORS_INCREASE))
    # The base has no window. Of the sums there may be more windows than that of the SLO.
    windows = "|".join(["", *sorted({slo.window_name for slo in slos.slos})])
    found: dict[GroupKey, dict[str, _Points]] = defaultdict(dict)
    for series in source.samples(f'{{__name__=~"{names}",{WINDOW}=~"{windows}"}}[{_LOOK_BACK}]', at).series:
        group = _group_of(series.labels, known)
        points = tuple(point for point in series.points if math.isfinite(point[1]))
        if group and points and series.labels.get(WINDOW) in (None, known[group[0]].window_name):
            found[group][series.labels.get("__name__", "")] = points
    return found


def _up_to_now(record: _Points, minutes: _Points) -> float | None:
    """The newest sum over the SLO window, which is up to five minutes old, and the minutes that have come since.
    Without them the budget in a page would not know of the outage that the page is about, for as long as Prometheus has
    not much more history than the outage."""
    if not record:
        return None
    recorded_at, value = record[-1]
    return value + math.fsum(events for at, events in minutes if at > recorded_at)


def _concerned(groups: _Groups, by: tuple[str, ...], labels: Mapping[str, str]) -> list[GroupRecords]:
    """The groups that an alert is about: its own or, where it is about the SLO as a whole, all of them."""
    if all(labels.get(label) for label in by):
        return [groups[tuple(labels[label] for label in by)]]
    return list(groups.values()) or [groups[()]]


def _add_alert(recorded: GroupRecords, labels: Mapping[str, str]) -> None:
    if labels.get("alertname") == UNPRICED_ALERT:
        recorded.unpriced_models.add(labels.get("model", ""))
    text = (labels.get(name, "") for name in ("alertname", SEVERITY, LONG_WINDOW, SHORT_WINDOW))
    firing = Firing(*text)
    if firing not in recorded.firing:
        recorded.firing.append(firing)


def _ratios_query(slos: SloSet) -> str:
    """Every recorded ratio. The short windows as they are now, the long ones as last recorded: an idle agent has no
    5m ratio, and must not be shown the one from before it went idle."""
    long = {str(window) for slo in slos.slos for window in slo.windows if SHORT_LIMIT < window < slo.window}
    long |= {slo.window_name for slo in slos.slos}
    return f'{ERROR_RATIO} or last_over_time({ERROR_RATIO}{{{WINDOW}=~"{"|".join(sorted(long))}"}}[{_LOOK_BACK}])'
