"""``score``: a histogram of the scores that answers were given; one is good that lies above the threshold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from slo_engine.definitions.fields import Strict
from slo_engine.definitions.kinds.histogram import HistogramField
from slo_engine.definitions.kinds.sli import Base, Earlier, Written, bounds, growth, summed
from slo_engine.definitions.promql import Selector


@dataclass(frozen=True)
class ScoreSli:
    """A classic histogram, one of whose buckets ends at the threshold. A bucket holds its upper bound, so a score that
    is exactly the threshold counts as an error."""

    histogram: Selector
    above: float

    explained_by = None  # a low score is no ERROR observation

    @property
    def failing(self) -> str:
        """What an error is."""
        return f"of scores are {self.above:g} or less"

    @property
    def watched(self) -> Selector:
        """The bucket without which nothing is known."""
        return self._bucket()

    def base(self, by: Sequence[str], earlier: Earlier) -> Iterator[tuple[Base, str]]:
        """Total, then the scores that are too low. Not filled with zeros: without the bucket nothing is known."""
        yield Base.TOTAL, summed(by, growth(self.histogram.with_suffix("_count")))
        yield Base.ERRORS, summed(by, growth(self._bucket()))

    def written(self) -> Written:
        """As it stands in an SLO file."""
        return {"score": {"histogram": str(self.histogram), "above": self.above}}

    def _bucket(self) -> Selector:
        return self.histogram.with_suffix("_bucket").where("le", bounds(self.above), "=~")


class ScoreFormat(Strict):
    """``sli.score``"""

    histogram: HistogramField
    above: Annotated[float, Field(allow_inf_nan=False, strict=True)]

    def sli(self) -> ScoreSli:
        """What the rules are made of."""
        return ScoreSli(self.histogram, self.above)
