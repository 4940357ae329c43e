"""Questions to Prometheus about metrics that nobody has written an SLO for yet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from slo_engine.checks.probes import ask, ask_all
from slo_engine.definitions import Duration
from slo_engine.definitions.promql import Selector, quote
from slo_engine.status.evaluate import QuerySource

SPANS = tuple(Duration.parse(text) for text in ("7d", "3d", "1d", "6h", "1h", "10m"))
"""How far back is looked: as far as there are samples, and a week at most, whose days differ."""

SHORT_SPANS = SPANS[-2:]
"""What is looked at of metrics that are too much for Prometheus over days."""

Group = tuple[str, ...]
"""The values of the labels that an SLO is divided by."""


@dataclass(frozen=True)
class Bucket:
    """A bucket of a histogram, and the share of all observations that are in it; None where there were none."""

    bound: float
    share: float | None


class Scout:
    """Asks one Prometheus, at one point in time. Its methods raise what ``source`` raises."""

    def __init__(self, source: QuerySource, at: datetime, spans: Sequence[Duration] = SPANS) -> None:
        self._source = source
        self._at = at
        self._spans = spans

    def names(self, wanted: Iterable[str]) -> frozenset[str]:
        """Which of these metrics have series."""
        pattern = "|".join(sorted(set(wanted)))
        found = ask(self._source, f"group by (__name__) ({{__name__=~{quote(pattern)}}})", self._at)
        return frozenset(labels["__name__"] for labels, _ in found)

    def label_of(self, selector: Selector, candidates: Sequence[str]) -> str | None:
        """The first of these labels that all series have; else the first that some have."""
        asked = {label: f"count({selector.where(label, '', '!=')})" for label in candidates}
        found = ask_all(self._source, {"": f"count({selector})", **asked}, self._at)
        of_all = (label for label in candidates if label in found and found[label] == found.get(""))
        return next(of_all, next((label for label in candidates if label in found), None))

    def span(self, selector: Selector) -> Duration | None:
        """How far back there are samples; None: hardly any."""
        found = ask_all(self._source, {span: f"count({selector} offset {span})" for span in self._spans}, self._at)
        return next((span for span in self._spans if span in found), None)

    def growth(self, selector: Selector, by: Sequence[str], span: Duration | None) -> Mapping[Group, float]:
        """What a counter grew by, for each group; without a span: since it began."""
        found = ask(self._source, f"sum by ({', '.join(by)}) ({_grown(selector, span)})", self._at)
        return {tuple(labels.get(label, "") for label in by): value for labels, value in found}

    def bucket(self, buckets: Selector, share: float) -> Bucket | None:
        """The smallest bucket of a classic histogram with this share of the observations, of those that all its targets
        have; the largest where none has so many. None: it has no bucket that a threshold can name."""
        series = ask_all(self._source, {"all": f"count({buckets.where('le', '+Inf')})"}, self._at)
        found = ask(self._source, f"count by (le) ({buckets})", self._at)
        bounds = sorted(
            bound
            for labels, count in found
            if count == series.get("all") and _is_threshold(bound := float(labels.get("le", "inf")))
        )
        if not bounds:
            return None
        within = self._within(buckets)
        total = within.get(math.inf, 0.0)
        if not total:
            return Bucket(bounds[len(bounds) // 2], None)
        shares = [Bucket(bound, within.get(bound, 0.0) / total) for bound in bounds]
        return next((each for each in shares if (each.share or 0) >= share), shares[-1])

    def _within(self, buckets: Selector) -> dict[float, float]:
        """Observations up to each bound: of the past that there is, or since the targets began."""
        found = ask(self._source, f"sum by (le) ({_grown(buckets, self.span(buckets))})", self._at)
        return {float(labels.get("le", "nan")): value for labels, value in found}


def _grown(selector: Selector, span: Duration | None) -> str:
    return f"increase({selector}[{span}])" if span else str(selector)


def _is_threshold(bound: float) -> bool:
    """Whether a duration can name it, which has whole milliseconds."""
    return 0 < bound < math.inf and math.isclose(bound * 1000, round(bound * 1000), rel_tol=1e-9)
