"""``score``: a histogram of the scores that answers were given; one is good that lies above the threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from slo_engine.definitions.counts import Count
from slo_engine.definitions.kinds.counter import Counter
from slo_engine.definitions.kinds.error_series import ErrorSeries
from slo_engine.definitions.kinds.histogram import HistogramField
from slo_engine.definitions.kinds.kind import KindFormat
from slo_engine.definitions.kinds.sli import BaseRecord, Earlier, OfEvents, SliData, bounds, counted, gone, having
from slo_engine.definitions.kinds.specimen import Labels, Specimen, histogram_specimen
from slo_engine.definitions.promql import Selector
from slo_engine.definitions.traces import LowScore


@dataclass(frozen=True)
class ScoreSli(OfEvents):
    """A classic histogram, one of whose buckets ends at the threshold. A bucket holds its upper bound, so a score that
    is exactly the threshold counts as an error."""

    histogram: Selector
    above: float

    @property
    def explained_by(self) -> LowScore:
        """Low scores: who got one has not failed."""
        return LowScore(self.above)

    @property
    def failing(self) -> str:
        """What an error is."""
        return f"of scores are {self.above:g} or less"

    @property
    def watched(self) -> Selector:
        """The bucket without which nothing is known."""
        return self._bucket()

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[BaseRecord]:
        """Total, then the scores that are too low. Not filled with zeros: without the bucket nothing is known."""
        count = Counter("count", self.histogram.with_suffix("_count"))
        bucket = Counter("bucket", self._bucket())
        yield from gone((count, bucket), earlier)
        yield BaseRecord(Count.TOTAL, counted(by, count, earlier, having(bucket)))
        yield BaseRecord(Count.ERRORS, counted(by, bucket, earlier))

    @property
    def error_series(self) -> ErrorSeries:
        """All of it: an exemplar stands in the bucket that its value falls into."""
        return ErrorSeries((self.buckets,), at_most=self.above)

    @property
    def buckets(self) -> Selector:
        """Those of the histogram."""
        return self.histogram.with_suffix("_bucket")

    def specimen(self, group: Labels) -> Specimen | None:
        """The bucket holds the errors."""
        return histogram_specimen(self.histogram, self._bucket(), group, good=False)

    def written(self) -> SliData:
        """As it stands in an SLO file."""
        return {"score": {"histogram": str(self.histogram), "above": self.above}}

    def _bucket(self) -> Selector:
        return self.histogram.with_suffix("_bucket").where("le", bounds(self.above), "=~")


class ScoreFormat(KindFormat):
    """``sli.score``"""

    histogram: HistogramField
    """The base name of a classic histogram of scores, without _bucket or _count."""
    above: Annotated[float, Field(allow_inf_nan=False, strict=True)]
    """A score is good that is higher; a bucket must end here."""

    def sli(self) -> ScoreSli:
        """What the rules are made of."""
        return ScoreSli(self.histogram, self.above)
