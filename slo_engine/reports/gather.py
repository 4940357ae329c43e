"""Prometheus and the store -> the report of a month.

The base records are read: the events of each minute, a partition of time, day by day of the month's own time zone. So a
month begins and ends within a minute or so of its midnight in any zone (later stages would miss it by up to an hour),
and no query is large. How many there are (six for each day, and one) does not depend on the number of SLOs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from slo_engine.definitions.labels import SERVICE, SLO, WINDOW
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.prometheus import Sample, finite
from slo_engine.recording.names import (
    ERROR_RATIO,
    ERRORS_INCREASE,
    ERRORS_SUM,
    OBJECTIVE,
    TOTAL_INCREASE,
    UNPRICED_ALERT,
)
from slo_engine.reports.incidents import incidents_of
from slo_engine.reports.model import Crossing, Incident, Outcome, Report, Spending
from slo_engine.reports.month import Day, Month
from slo_engine.reports.outcomes import DayRecords, GroupRecords, outcome_of
from slo_engine.reports.remarks import Observed, remarks_on
from slo_engine.reports.spending import is_told_by_counter, models_query, spending_of, who_and_model
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.status.evaluate import QuerySource
from slo_engine.store.period import causes_since, crossings_between, notifications_since

T = TypeVar("T")

SloKey = tuple[str, str]
GroupKey = tuple[SloKey, tuple[str, ...]]
"""The key of an SLO, and the values of its ``by`` labels."""

_EARLIER = timedelta(days=31)
"""How long before the month an incident may have begun to be told from its beginning, as far as the store has it."""

_PER_DAY: Mapping[str, str] = {
    "minutes": f"count_over_time({ERRORS_INCREASE}[RANGE])",
    "errors": f"sum_over_time({ERRORS_INCREASE}[RANGE])",
    "events": f"sum_over_time({TOTAL_INCREASE}[RANGE])",
    "objective": f"last_over_time({OBJECTIVE}[RANGE])",
    # Of spend the recorded ratio is what was spent / the budget; of events it is something else.
    "budget": f"last_over_time({ERRORS_SUM}[RANGE]) / (last_over_time({ERROR_RATIO}{{{WINDOW}=~WINDOWS}}[RANGE]) > 0)",
}


class ReadStore(Protocol):
    """``Database.read`` of an engine, or ``StoreReader.read`` beside one."""

    def __call__(self, work: Callable[[Connection], T], /) -> T:
        """What ``work`` reads."""
        ...


@dataclass
class _Found:
    """What Prometheus has recorded, by group and day."""

    values: Mapping[str, dict[GroupKey, dict[date, float]]] = field(
        default_factory=lambda: {name: defaultdict(dict) for name in _PER_DAY}
    )
    ambiguous: dict[GroupKey, set[date]] = field(default_factory=lambda: defaultdict(set))
    """Days on which a group has several series under one name: which of them count, nobody knows."""
    models: dict[GroupKey, dict[date, dict[tuple[str, str], float]]] = field(default_factory=lambda: defaultdict(dict))
    unpriced: dict[SloKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    unknown: set[SloKey] = field(default_factory=set)
    """SLOs with records that no file defines."""
    warnings: dict[str, None] = field(default_factory=dict)
    """What came with answers: that a part of the data could not be read, say."""


def make(slos: SloSet, source: QuerySource, read_store: ReadStore | None, month: Month, now: datetime) -> Report:
    """The report of a month, or of what has gone by of it. ``read_store``: None leaves the incidents out. Raises
    ReportError when the month has not begun, and what the two raise."""
    days = month.days(now)
    until = days[-1].end
    found = _fetch(slos, source, days)
    dark = _dark(found, days)
    outcomes = tuple(_outcomes(slos, month, days, found, dark))
    spend = tuple(_spend(slos, outcomes, found))
    incidents: tuple[Incident, ...] | None = None
    crossings: tuple[Crossing, ...] = ()
    if read_store is not None:
        incidents = _incidents(read_store, month.start, until, now)
        crossings = _crossings(read_store, month.start, until)
    ambiguous = {_name(group): len(those) for group, those in sorted(found.ambiguous.items())}
    unknown = tuple(sorted("/".join(key) for key in found.unknown))
    observed = Observed(month, days, dark, ambiguous, unknown, tuple(found.warnings))
    is_whole = month.is_whole(now)
    remarks = tuple(remarks_on(slos, outcomes, spend, observed, store_was_read=incidents is not None))
    made_at = now.astimezone(UTC)
    return Report(month, made_at, until, is_whole, outcomes, spend, incidents, crossings, remarks)


def _fetch(slos: SloSet, source: QuerySource, days: Sequence[Day]) -> _Found:
    found = _Found()

    def ask(expr: str, at: datetime) -> tuple[Sample, ...]:
        result = source.query(expr, at)
        found.warnings |= dict.fromkeys(result.warnings)
        return result.samples

    by_key = {slo.key: slo for slo in slos.slos}
    if not by_key:
        return found
    windows = "|".join(sorted({slo.window_name for slo in slos.slos}))
    for day in days:
        for name, template in _PER_DAY.items():
            expr = template.replace("RANGE", _just_short_of(day)).replace("WINDOWS", f'"{windows}"')
            _add(found, name, day.date, by_key, ask(expr, day.end))
        if by_model := models_query(slos.slos, round((day.end - day.start) / timedelta(milliseconds=1))):
            for sample in finite(ask(by_model, day.end)):
                if group := _group_of(sample, by_key):
                    key = who_and_model(sample.labels, by_key[group[0]].by)
                    models = found.models[group].setdefault(day.date, {})
                    models[key] = models.get(key, 0.0) + sample.value
    for sample in ask(_unpriced(days), days[-1].end):
        found.unpriced[_key(sample)].add(sample.labels.get("model", ""))
    return found


def _add(found: _Found, name: str, day: date, slos: Mapping[SloKey, Slo], samples: Iterable[Sample]) -> None:
    values = found.values[name]
    seen: set[GroupKey] = set()
    for sample in samples:
        if (group := _group_of(sample, slos)) is None:
            if all(_key(sample)):  # other tools record objectives under the same name
                found.unknown.add(_key(sample))
            continue
        if group in seen:
            found.ambiguous[group].add(day)
        seen.add(group)
        if math.isfinite(sample.value):
            values[group][day] = sample.value


def _group_of(sample: Sample, slos: Mapping[SloKey, Slo]) -> GroupKey | None:
    slo = slos.get(_key(sample))
    return None if slo is None else (slo.key, tuple(sample.labels.get(label, "") for label in slo.by))


def _key(sample: Sample) -> SloKey:
    return (sample.labels.get(SERVICE, ""), sample.labels.get(SLO, ""))


def _just_short_of(day: Day) -> str:
    """A range that holds what is stamped after the day's start, up to its end: each record is about the minute before
    it. Prometheus 2 takes both ends of a range, 3 only the later one."""
    return f"{round((day.end - day.start) / timedelta(milliseconds=1)) - 1}ms"


def _unpriced(days: Sequence[Day]) -> str:
    alert = f'ALERTS{{alertname="{UNPRICED_ALERT}",alertstate="firing"}}'
    milliseconds = round((days[-1].end - days[0].start) / timedelta(milliseconds=1)) - 1
    return f"sum by ({SERVICE}, {SLO}, model) (count_over_time({alert}[{milliseconds}ms]))"


def _dark(found: _Found, days: Sequence[Day]) -> dict[date, float]:
    """The minutes of each day in which no SLO was recorded, at most: those that lack in the best recorded group."""
    minutes = found.values["minutes"]
    return {
        day.date: max(0.0, day.minutes - max((those.get(day.date, 0.0) for those in minutes.values()), default=0.0))
        for day in days
    }


def _outcomes(
    slos: SloSet, month: Month, days: Sequence[Day], found: _Found, dark: Mapping[date, float]
) -> Iterator[Outcome]:
    groups: defaultdict[SloKey, set[tuple[str, ...]]] = defaultdict(set)
    for key, values in found.values["minutes"]:
        groups[key].add(values)
    for slo in sorted(slos.slos, key=lambda slo: slo.key):
        for values in sorted(groups[slo.key]) or [()]:
            unpriced = tuple(sorted(found.unpriced.get(slo.key, ())))
            is_spend = slo.target.budget is not None
            recorded = _recorded(found, (slo.key, values), unpriced, is_spend=is_spend)
            yield outcome_of(slo, dict(zip(slo.by, values, strict=False)), month, days, recorded, dark)


def _recorded(found: _Found, group: GroupKey, unpriced: tuple[str, ...], *, is_spend: bool) -> GroupRecords:
    minutes, errors, events, objectives, budgets = (
        found.values[name].get(group, {}) for name in ("minutes", "errors", "events", "objective", "budget")
    )
    targets = budgets if is_spend else {day: 100 * ratio for day, ratio in objectives.items()}
    left_out = found.ambiguous.get(group, set())
    return GroupRecords(
        {
            day: DayRecords(count, events.get(day), errors.get(day))
            for day, count in minutes.items()
            if day not in left_out
        },
        targets,
        unpriced,
    )


def _spend(slos: SloSet, outcomes: Sequence[Outcome], found: _Found) -> Iterator[Spending]:
    for outcome in outcomes:
        slo = slos.find(outcome.service, outcome.slo)
        if slo is not None and outcome.is_spend and outcome.coverage > 0:
            group = (slo.key, tuple(outcome.group.get(label, "") for label in slo.by))
            # A part that is added up with days that are left out would not be a part.
            known = {day.date for day in outcome.days if day.recorded}
            by_day = {day: those for day, those in found.models.get(group, {}).items() if day in known}
            yield spending_of(slo, outcome, by_day if is_told_by_counter(slo) else {})


def _incidents(read_store: ReadStore, start: datetime, until: datetime, now: datetime) -> tuple[Incident, ...]:
    since = (start - _EARLIER).timestamp()
    notifications = read_store(lambda connection: notifications_since(connection, since))
    causes = read_store(lambda connection: causes_since(connection, since))
    return incidents_of(notifications, causes, start.timestamp(), until.timestamp(), now.timestamp())


def _crossings(read_store: ReadStore, start: datetime, until: datetime) -> tuple[Crossing, ...]:
    noted = read_store(lambda connection: crossings_between(connection, start.timestamp(), until.timestamp()))
    return tuple(
        Crossing(each.at, each.service, each.slo, each.group, each.kind, _text(each.crossing.get("text")))
        for each in noted
    )


def _text(said: object) -> str | None:
    return outgoing_text(said) if isinstance(said, str) and said else None


def _name(group: GroupKey) -> str:
    return " ".join(part for part in (*group[0], ", ".join(group[1])) if part)
