"""``latency``: a histogram of durations; an event is good that took at most the threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from slo_engine.definitions.counts import Count
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.fields import Label
from slo_engine.definitions.kinds.counter import DELAY, Counter, beside, grouped
from slo_engine.definitions.kinds.error_series import ErrorSeries
from slo_engine.definitions.kinds.histogram import HistogramField
from slo_engine.definitions.kinds.kind import KindFormat
from slo_engine.definitions.kinds.sli import (
    BaseRecord,
    Earlier,
    OfEvents,
    SliData,
    bounds,
    counted,
    gone,
    having,
    rest,
    shortest,
)
from slo_engine.definitions.kinds.specimen import Labels, Specimen, histogram_specimen
from slo_engine.definitions.promql import Selector
from slo_engine.definitions.traces import Slow, event_of


@dataclass(frozen=True)
class LatencySli(OfEvents):
    """A histogram, classic (then the threshold is one of its buckets) or native (then any threshold will do)."""

    histogram: Selector
    threshold: Duration
    native: bool = False
    exporter_labels: tuple[str, ...] = ()
    """All labels that the exporter itself sets: a series that is new, while another one of its target was there before,
    differs from that in these only."""

    failing = "of events are slow"

    @property
    def explained_by(self) -> Slow | None:
        """What was slow, not what failed."""
        event = event_of(self.histogram.metric)
        return Slow(self.threshold.seconds, event) if event else None

    @property
    def watched(self) -> Selector:
        """The histogram; of a classic one the bucket, without which nothing is known."""
        return self.histogram if self.native else self._bucket()

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[BaseRecord]:
        """Total, then what of it took longer."""
        if self.native:
            # PromQL cannot compare native histograms, so theirs is the pace of the last five minutes, extrapolated.
            raised = f"sum {grouped(by)}(increase({self.histogram}[5m] offset {DELAY}))"
            yield BaseRecord(Count.TOTAL, f"histogram_count({raised}) / 5 >= 0 < +Inf")
            total = earlier(Count.TOTAL)
            fraction = f"histogram_fraction(0, {shortest(self.threshold.seconds)}, {raised}) >= 0"
            # Of an idle group the fraction is 0 / 0: what is left of its total is 0, not NaN.
            below = f"({fraction}) * on ({', '.join(by)}) {total} or {total} == 0"
            yield BaseRecord(Count.ERRORS, rest(by, total, below))
            return
        known = (beside(self.histogram.with_suffix("_count"), self.exporter_labels),) if self.exporter_labels else ()
        count = Counter("count", self.histogram.with_suffix("_count"), known)
        known = (beside(self._bucket(), self.exporter_labels),) if self.exporter_labels else ()
        bucket = Counter("bucket", self._bucket(), known)
        yield from gone((count, bucket), earlier)
        yield BaseRecord(Count.TOTAL, counted(by, count, earlier, having(bucket)))
        # Not filled with zeros: a threshold that is not a bucket must give no data, not a page for every event.
        yield BaseRecord(Count.ERRORS, rest(by, earlier(Count.TOTAL), counted(by, bucket, earlier)))

    @property
    def error_series(self) -> ErrorSeries:
        """All of it: an exemplar stands in the bucket that its value falls into."""
        return ErrorSeries((self.buckets or self.histogram,), above=self.threshold.seconds)

    @property
    def buckets(self) -> Selector | None:
        """Those of a classic histogram."""
        return None if self.native else self.histogram.with_suffix("_bucket")

    def specimen(self, group: Labels) -> Specimen | None:
        """None of a native histogram, which promtool does not take."""
        return None if self.native else histogram_specimen(self.histogram, self._bucket(), group, good=True)

    def written(self) -> SliData:
        """As it stands in an SLO file."""
        options: SliData = {"native": True} if self.native else {}
        if self.exporter_labels:
            options["exporter_labels"] = list(self.exporter_labels)
        return {"latency": {"histogram": str(self.histogram), "threshold": str(self.threshold), **options}}

    def _bucket(self) -> Selector:
        return self.histogram.with_suffix("_bucket").where("le", bounds(self.threshold.seconds), "=~")


class LatencyFormat(KindFormat):
    """``sli.latency``"""

    histogram: HistogramField
    """The base name of a histogram, without _bucket or _count."""
    threshold: Duration
    """An event is good that took this long or less; a classic histogram must have a bucket that ends here."""
    native: bool = Field(default=False, strict=True)
    """true: a native histogram, of which any threshold can be asked."""
    exporter_labels: list[Label] = []
    """All labels that the exporter itself sets, so that a new series is known to begin at 0."""

    def sli(self) -> LatencySli:
        """What the rules are made of."""
        return LatencySli(self.histogram, self.threshold, self.native, tuple(self.exporter_labels))
