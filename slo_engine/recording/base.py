"""The base records of an SLO, as its kind asks for them. The raw series are read here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from slo_engine.definitions.counts import Count
from slo_engine.definitions.labels import COUNTER, SERVICE, SLO
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.slo import Slo
from slo_engine.definitions.targets import Group
from slo_engine.recording.names import ERRORS_INCREASE, EVENTS_INCREASE, REQUESTS_INCREASE, SERIES_LAST, TOTAL_INCREASE

RECORDS: Mapping[Count, str] = {
    Count.GONE: SERIES_LAST,
    Count.EVENTS: EVENTS_INCREASE,
    Count.TOTAL: TOTAL_INCREASE,
    Count.ERRORS: ERRORS_INCREASE,
    Count.REQUESTS: REQUESTS_INCREASE,
}
"""The base record of each count."""


def base_records(slo: Slo) -> Iterator[tuple[str, str, Group]]:
    """Name, expression and labels of each base record, in the order of their evaluation."""
    for record in slo.sli.base(slo.by, _FromRecords(slo)):
        of_a_series = record.count is Count.GONE
        labels = {COUNTER: _counter(slo, record.counter)} if of_a_series else {SERVICE: slo.service, SLO: slo.name}
        yield RECORDS[record.count], record.expr, labels


def watched(slo: Slo) -> Selector:
    """What must be there for the SLI to be known: raw series or, where only they can tell, its own records."""
    return slo.sli.watched or recorded(slo, ERRORS_INCREASE)


@dataclass(frozen=True)
class RawIncreases:
    """The events of each minute in PromQL that reads raw series only. ``total`` is None for spend."""

    total: str | None
    errors: str


def raw_increases(slo: Slo) -> RawIncreases:
    """What the base records would have held, for a time before there were any."""
    written = _FromExpressions()
    for record in slo.sli.base(slo.by, written):
        written.exprs[record.count] = record.expr
    return RawIncreases(written.exprs.get(Count.TOTAL), written.exprs[Count.ERRORS])


def recorded(slo: Slo, name: str, group: Group | None = None) -> Selector:
    """The records of one SLO under one name: of all its groups, or of those with these label values."""
    return Selector(name, (*slo.identity, *(Matcher(label, "=", value) for label, value in (group or {}).items())))


class _FromRecords:
    recorded = True

    def __init__(self, slo: Slo) -> None:
        self._slo = slo

    def __call__(self, count: Count, matchers: Sequence[Matcher] = ()) -> str:
        selector = recorded(self._slo, RECORDS[count])
        return str(replace(selector, matchers=(*selector.matchers, *matchers)))

    def gone(self, counter: str) -> Selector:
        return Selector(SERIES_LAST).where(COUNTER, _counter(self._slo, counter))


class _FromExpressions:
    recorded = False

    def __init__(self) -> None:
        self.exprs: dict[Count, str] = {}

    def __call__(self, count: Count, matchers: Sequence[Matcher] = ()) -> str:
        assert not matchers  # what is written out cannot be told apart
        return f"({self.exprs[count]})"

    def gone(self, counter: str) -> None:  # noqa: ARG002 - what is asked of records
        return None


def _counter(slo: Slo, counter: str) -> str:
    return f"{slo.service}/{slo.name}/{counter}"
