"""How a file names a histogram: by the name that its series share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from slo_engine.definitions.fields import SelectorField, refuse
from slo_engine.definitions.promql import Selector


def _base_name(histogram: Selector) -> Selector:
    if histogram.metric.endswith(("_bucket", "_count", "_sum")):
        base = histogram.metric.rpartition("_")[0]
        raise refuse(f"takes the histogram's base name: {base} instead of {histogram.metric}")
    if any(matcher.name == "le" for matcher in histogram.matchers):
        raise refuse("must not choose a bucket: leave out `le`, the threshold says which one is read")
    return histogram


HistogramField = Annotated[SelectorField, AfterValidator(_base_name)]
