"""``events``: counters of all events, and of the errors or the good ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from slo_engine.definitions.counts import Count
from slo_engine.definitions.fields import Label, SelectorField, refuse
from slo_engine.definitions.kinds.kind import KindFormat
from slo_engine.definitions.kinds.sli import Earlier, OfEvents, SliData, grouped, growth, or_zero, rest, summed
from slo_engine.definitions.kinds.specimen import Labels, Specimen, series
from slo_engine.definitions.labels import RESERVED_LABELS
from slo_engine.definitions.promql import Matcher, Selector


@dataclass(frozen=True)
class EventsSli(OfEvents):
    """Counters of events: all of them, and either the errors or the good ones."""

    total: Selector
    errors: Selector | None = None
    good: Selector | None = None
    series_expire: bool = False
    """The exporter drops series that were idle for a while and shows them again later, with all they had counted."""
    exporter_labels: tuple[str, ...] = ()
    """All labels that the exporter itself sets: a series that is new, while another one of its target was there before,
    differs from that in these only."""

    failing = "of events fail"

    @property
    def watched(self) -> Selector:
        """The counter of all events."""
        return self.total

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[tuple[Count, str]]:
        """Total, then errors: themselves, or what of the total is not good."""
        part = self.errors or self.good
        assert part is not None  # the format takes exactly one of them
        added = self._added(part)
        labels = tuple(dict.fromkeys(matcher.name for matcher in added))
        known_without = () if self.series_expire else tuple(dict.fromkeys((*labels, *self.exporter_labels)))
        if earlier.recorded and self._is_within_total(part) and not RESERVED_LABELS.intersection(labels):
            # One reading of the raw series for both sides.
            yield Count.EVENTS, summed((*by, *labels), growth(self.total, known_without))
            yield Count.TOTAL, f"sum {grouped(by)}({earlier(Count.EVENTS)})"
            counted = f"sum {grouped(by)}({earlier(Count.EVENTS, added)})"
        else:
            same = part.metric == self.total.metric or self.exporter_labels
            yield Count.TOTAL, summed(by, growth(self.total, known_without if same else ()))
            counted = summed(by, growth(part, known_without))
        total = earlier(Count.TOTAL)
        zero_filled = or_zero(by, counted, total)
        yield Count.ERRORS, zero_filled if self.errors else rest(by, total, zero_filled)

    @property
    def parted_by(self) -> tuple[str, ...]:
        """The labels that tell the errors (or the good ones) from the rest of the total."""
        part = self.errors or self.good
        same = part is not None and part.metric == self.total.metric
        return tuple(matcher.name for matcher in self._added(part)) if part and same else ()

    def specimen(self, group: Labels) -> Specimen | None:
        """One series of the part and one beside it or, where the part is another metric, of the whole."""
        part = self.errors or self.good
        assert part is not None  # the format takes exactly one of them
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
        return {"events": {"total": str(self.total), **part, **options}}

    def _added(self, part: Selector) -> tuple[Matcher, ...]:
        """What the selector of the part asks for beyond the total's. A series of the part differs in these labels from
        one of its target that was there before it."""
        return tuple(matcher for matcher in part.matchers if matcher not in self.total.matchers)

    def _is_within_total(self, part: Selector) -> bool:
        return part.metric == self.total.metric and set(self.total.matchers) <= set(part.matchers)


class EventsFormat(KindFormat):
    """``sli.events``"""

    total: SelectorField
    errors: SelectorField | None = None
    good: SelectorField | None = None
    series_expire: bool = Field(default=False, strict=True)
    exporter_labels: list[Label] = []

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.errors is None) == (self.good is None):
            raise refuse("takes total and exactly one of errors and good")
        part = self.errors or self.good
        if part and part.metric == self.total.metric and set(part.matchers) <= set(self.total.matchers):
            name = "errors" if self.errors else "good"
            raise refuse(f"{name} holds all of total, so that the ratio says nothing: are the two swapped?")
        return self

    def sli(self) -> EventsSli:
        """What the rules are made of."""
        return EventsSli(self.total, self.errors, self.good, self.series_expire, tuple(self.exporter_labels))
