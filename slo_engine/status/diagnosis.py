"""What an SLO file cannot know of itself: is there data, is the threshold a bucket, would one failure alone page?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from slo_engine.prometheus import finite
from slo_engine.spec.kinds import CostSli, LatencySli, ScoreSli
from slo_engine.spec.names import ERRORS_INCREASE, SERVICE, SLO, TOTAL_STAGE
from slo_engine.spec.policies import Tier
from slo_engine.spec.promql import Selector
from slo_engine.spec.slo import Group, Slo, SloSet, error_budget
from slo_engine.status.evaluate import QuerySource

DAY_MS = 86_400_000

Problem = Literal["no-data", "no-bucket", "no-rules", "one-failure-pages"]


@dataclass(frozen=True)
class Finding:
    """Something that keeps an SLO from doing its work, and what to do about it."""

    service: str
    slo: str
    problem: Problem
    message: str

    def __str__(self) -> str:
        return f"{self.service} {self.slo}: {self.message}"

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        return {"service": self.service, "slo": self.slo, "problem": self.problem, "message": self.message}


def diagnose(slos: SloSet, source: QuerySource, at: datetime) -> Iterator[Finding]:
    """Look at the data of every SLO. Raises what ``source`` raises."""
    recorded = {_key(labels) for labels, _ in _ask(source, f"count by ({SERVICE}, {SLO}) ({ERRORS_INCREASE})", at)}
    a_day = _events_of_a_day(slos, source, at)
    for slo in sorted(slos.slos, key=lambda slo: slo.key):
        missing = next(_missing(slo, source, at), None)
        if missing:
            yield missing
        elif slo.key not in recorded:
            yield Finding(
                *slo.key,
                "no-rules",
                "there is data, and no rule records it: load the generated rules, or wait two minutes",
            )
        yield from _low_traffic(slo, a_day.get(slo.key, {}))


def _missing(slo: Slo, source: QuerySource, at: datetime) -> Iterator[Finding]:
    watched = slo.sli.watched
    if watched.metric == ERRORS_INCREASE or _ask(source, f"count({watched})", at):
        return  # a condition on slices may be anything: its rules say whether it has an answer
    bounds = _bounds(slo, source, at)
    if bounds:
        yield Finding(
            *slo.key, "no-bucket", f"the threshold is no bucket of the histogram; its buckets are {', '.join(bounds)}"
        )
        return
    yield Finding(
        *slo.key,
        "no-data",
        f"no series matches {watched}: is the agent scraped, and are the metric and its labels spelled like this?",
    )


def _bounds(slo: Slo, source: QuerySource, at: datetime) -> list[str]:
    """The buckets of the histogram of an SLO; none when it is not there, or not of that kind."""
    match slo.sli:
        case LatencySli(histogram, _, False):
            buckets = histogram.with_suffix("_bucket")
        case ScoreSli(histogram):
            buckets = histogram.with_suffix("_bucket")
        case _:
            return []
    found = {labels.get("le", "") for labels, _ in _ask(source, f"count by (le) ({buckets})", at)}
    return sorted(found - {""}, key=float)


def _events_of_a_day(slos: SloSet, source: QuerySource, at: datetime) -> dict[tuple[str, str], dict[str, float]]:
    """Events of the last day by SLO and group, as the rules have recorded them."""
    by = {slo.key: slo.by for slo in slos.slos}
    found: dict[tuple[str, str], dict[str, float]] = {}
    for labels, value in _ask(source, f"sum_over_time({Selector(TOTAL_STAGE)}[1d])", at):
        key = _key(labels)
        group = ", ".join(labels.get(label, "") for label in by.get(key, ()))
        found.setdefault(key, {})[group] = value
    return found


def _low_traffic(slo: Slo, a_day: dict[str, float]) -> Iterator[Finding]:
    if isinstance(slo.sli, CostSli):
        return
    for tier in slo.tiers:
        needed = _events_for_two_failures(slo, tier)
        quiet = [name or "all" for name, events in a_day.items() if 0 < _in_window(events, tier) < needed]
        if tier.severity == "page" and slo.min_events < needed and quiet:
            yield Finding(
                *slo.key,
                "one-failure-pages",
                f"one failure alone would page over {tier.long} for {', '.join(sorted(quiet))}, with fewer than "
                f"{needed} events in that time: set alerting.min_events to {needed}, or lower the objective",
            )
            return


def _events_for_two_failures(slo: Slo, tier: Tier) -> int:
    """From how many events in the long window on a single error stays below the threshold of a tier."""
    budget = error_budget(slo.objective)
    return math.floor(1 / (slo.policy.factor(tier, budget) * budget)) + 1


def _in_window(events_of_a_day: float, tier: Tier) -> float:
    return events_of_a_day * tier.long.milliseconds / DAY_MS


def _ask(source: QuerySource, expr: str, at: datetime) -> list[tuple[Group, float]]:
    return [(sample.labels, sample.value) for sample in finite(source.query(expr, at).samples)]


def _key(labels: Group) -> tuple[str, str]:
    return labels.get(SERVICE, ""), labels.get(SLO, "")
