"""``events``: counters of all events, and of the errors or the good ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from slo_engine.definitions.counts import Count
from slo_engine.definitions.fields import Label, SelectorField, SelectorsField, refuse, schema_of_set
from slo_engine.definitions.kinds.counter import Counter, beside, grouped, numbers
from slo_engine.definitions.kinds.error_series import ErrorSeries, lacking
from slo_engine.definitions.kinds.kind import KindFormat
from slo_engine.definitions.kinds.sli import BaseRecord, Earlier, OfEvents, SliData, counted, gone, or_zero, rest
from slo_engine.definitions.kinds.specimen import Labels, Specimen, series
from slo_engine.definitions.labels import COUNTER, RESERVED_LABELS
from slo_engine.definitions.promql import Matcher, Selector
from slo_engine.definitions.traces import Failed, counts_failures, event_of

TARGET_LABELS = ("job", "instance", "namespace", "pod", "container")
"""What names a target, for Prometheus and in Kubernetes."""


@dataclass(frozen=True)
class EventsSli(OfEvents):
    """Counters of events: all of them, and either the errors or the good ones."""

    total: Selector
    errors: Selector | None = None
    good: Selector | None = None
    series_expire: bool = False
    """The exporter drops series that were idle for a while and shows them again later, with all they had counted."""
    further: tuple[Selector, ...] = ()
    """Counters to add to ``total``: each event is in one of them."""
    exporter_labels: tuple[str, ...] = ()
    """All labels that the exporter itself sets: a series that is new, while another one of its target was there before,
    differs from that in these only."""

    failing = "of events fail"

    @property
    def watched(self) -> Selector:
        """The counter of all events."""
        return self.total

    @property
    def explained_by(self) -> Failed | None:
        """Runs that failed, or calls in them, where that is what is counted."""
        event = event_of(self.total.metric)
        failed = counts_failures(self._part, is_good=self.errors is None)
        return Failed(event) if event and failed else None

    @property
    def explained_if_tied(self) -> Failed | None:
        """The same, whatever the errors are called."""
        event = event_of(self.total.metric)
        return Failed(event) if event else None

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[BaseRecord]:
        """Total, then errors: themselves, or what of the total is not good."""
        part = self._part
        added = self._added(part)
        labels = tuple(dict.fromkeys(matcher.name for matcher in added))
        counters = self._totals(labels)
        if earlier.recorded and self._is_within_total(part) and not RESERVED_LABELS.intersection(labels):
            # One reading of the raw series for both sides.
            yield from gone(counters, earlier)
            yield BaseRecord(Count.EVENTS, counted((*by, *labels), counters[0], earlier))
            yield BaseRecord(Count.TOTAL, f"sum {grouped(by)}({earlier(Count.EVENTS)})")
            parts = f"sum {grouped(by)}({earlier(Count.EVENTS, added)})"
        else:
            counter = Counter("errors" if self.errors else "good", part, tuple(self._beside_part(labels)))
            yield from gone((*counters, counter), earlier)
            yield BaseRecord(Count.TOTAL, _added_up(by, counters, earlier))
            parts = counted(by, counter, earlier)
        total = earlier(Count.TOTAL)
        zero_filled = or_zero(by, parts, total)
        yield BaseRecord(Count.ERRORS, zero_filled if self.errors else rest(by, total, zero_filled))

    def _totals(self, labels: tuple[str, ...]) -> list[Counter]:
        """The counters that make up the total. ``labels``: by which errors are told from it."""
        known = (*labels, *self.exporter_labels) if self._part.metric == self.total.metric else self.exporter_labels
        shown = () if self.series_expire or not known else (tuple(dict.fromkeys(known)),)
        return [
            Counter(f"total-{number}" if number else "total", each, tuple(beside(each, known) for known in shown))
            for number, each in enumerate((self.total, *self.further))
        ]

    def _beside_part(self, labels: tuple[str, ...]) -> Iterator[str]:
        """What proves that a new series of errors (or good ones) has begun at 0."""
        part = self._part
        known = tuple(dict.fromkeys((*labels, *self.exporter_labels)))
        if self.series_expire:
            return
        if known:
            yield beside(part, known)
        for total in (self.total, *self.further):
            if total.metric != part.metric and self.errors:
                yield beside(total, known)
            elif total.metric != part.metric:
                # Its other labels may be anything. Where this is wrong, too many are good for a minute; to take those
                # for errors which a process had finished before its counter of good ones appeared would page.
                yield f"on ({', '.join(TARGET_LABELS)}) {numbers(total)}"

    @property
    def parted_by(self) -> tuple[str, ...]:
        """The labels that tell the errors (or the good ones) from the rest of the total."""
        same = self._part.metric == self.total.metric and not self.further
        return tuple(matcher.name for matcher in self._added(self._part)) if same else ()

    @property
    def error_series(self) -> ErrorSeries | None:
        """The errors or, where the good ones are a part of the total, what lies beside them."""
        if self.errors:
            return ErrorSeries((self.errors,))
        good = self._part
        return ErrorSeries(lacking(self.total, self._added(good))) if self._is_within_total(good) else None

    def specimen(self, group: Labels) -> Specimen | None:
        """One series of the part and one beside it or, where the part is another metric, of the whole."""
        part = self._part
        inside = series(part, group)
        if part.metric != self.total.metric:
            whole = series(self.total, group)
            if not whole or not inside:
                return None
            return Specimen(each=(whole,), **{"errors" if self.errors else "good": (inside,)})
        flipped = (matcher for matcher in part.matchers if matcher not in self.total.matchers)
        outside = next((found for matcher in flipped if (found := series(self.total, group, unlike=matcher))), None)
        if not inside or not outside:
            return None
        return (
            Specimen(good=(outside,), errors=(inside,)) if self.errors else Specimen(good=(inside,), errors=(outside,))
        )

    def written(self) -> SliData:
        """As it stands in an SLO file."""
        options: SliData = {"series_expire": True} if self.series_expire else {}
        if self.exporter_labels:
            options["exporter_labels"] = list(self.exporter_labels)
        part = {"errors": str(self.errors)} if self.errors else {"good": str(self.good)}
        totals = [str(total) for total in (self.total, *self.further)]
        return {"events": {"total": totals if self.further else totals[0], **part, **options}}

    def selectors(self) -> tuple[Selector, ...]:
        """All of its counters."""
        return (*super().selectors(), *self.further)

    def narrowed(self, matchers: Sequence[Matcher]) -> EventsSli:
        """With these matchers in each of them."""
        found = super().narrowed(matchers)
        further = tuple(replace(each, matchers=(*each.matchers, *matchers)) for each in self.further)
        return replace(found, further=further)

    @property
    def _part(self) -> Selector:
        part = self.errors or self.good
        assert part is not None  # the format takes exactly one of them
        return part

    def _added(self, part: Selector) -> tuple[Matcher, ...]:
        """What the selector of the part asks for beyond the total's. A series of the part differs in these labels from
        one of its target that was there before it."""
        return tuple(matcher for matcher in part.matchers if matcher not in self.total.matchers)

    def _is_within_total(self, part: Selector) -> bool:
        return not self.further and part.metric == self.total.metric and set(self.total.matchers) <= set(part.matchers)


def _added_up(by: Sequence[str], counters: Sequence[Counter], earlier: Earlier) -> str:
    """The sum of several counters, of which a group may have only some."""
    sums = [counted(by, counter, earlier) for counter in counters]
    if len(sums) == 1:
        return sums[0]
    told_apart = (
        f'label_replace({each}, "{COUNTER}", "{counter.name}", "", "")'
        for each, counter in zip(sums, counters, strict=True)
    )
    return f"sum {grouped(by)}({' or '.join(told_apart)})"


class EventsFormat(KindFormat):
    """``sli.events``"""

    model_config = ConfigDict(json_schema_extra={"oneOf": [schema_of_set("errors"), schema_of_set("good")]})

    total: SelectorsField
    """A counter of all events; of a list of counters each event is in one, and they are added up."""
    errors: SelectorField | None = None
    """A counter of the bad ones; this or ``good``."""
    good: SelectorField | None = None
    """A counter of the good ones; this or ``errors``."""
    series_expire: bool = Field(default=False, strict=True)
    """true: the exporter drops series that were idle, and shows them again later with all they had counted."""
    exporter_labels: list[Label] = []
    """All labels that the exporter itself sets, so that a new series is known to begin at 0."""

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.errors is None) == (self.good is None):
            raise refuse("takes total and exactly one of errors and good")
        part = self.errors or self.good
        first, *further = self.total
        if part and not further and part.metric == first.metric and set(part.matchers) <= set(first.matchers):
            name = "errors" if self.errors else "good"
            raise refuse(f"{name} holds all of total, so that the ratio says nothing: are the two swapped?")
        return self

    def sli(self) -> EventsSli:
        """What the rules are made of."""
        first, *further = self.total
        labels = tuple(self.exporter_labels)
        return EventsSli(first, self.errors, self.good, self.series_expire, tuple(further), labels)
