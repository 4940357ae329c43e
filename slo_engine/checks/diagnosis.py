"""What an SLO file cannot know of itself: is there data, is the threshold a bucket, would one failure alone page?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import SERVICE, SLO
from slo_engine.definitions.policies import Tier
from slo_engine.definitions.promql import Selector
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.targets import Group, error_budget
from slo_engine.prometheus import finite
from slo_engine.recording.names import ERRORS_INCREASE, TOTAL_STAGE
from slo_engine.status.evaluate import QuerySource

_FIVE_MINUTES = 300_000
"""Milliseconds that one record of the stage covers."""

FindingKind = Literal["no-data", "no-bucket", "no-label", "no-rules", "one-failure-pages", "never-enough-events"]


@dataclass(frozen=True)
class Finding:
    """Something that keeps an SLO from doing its work, and what to do about it."""

    service: str
    slo: str
    problem: FindingKind
    message: str

    def __str__(self) -> str:
        return f"{self.service} {self.slo}: {self.message}"

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        return {"service": self.service, "slo": self.slo, "problem": self.problem, "message": self.message}


def diagnose(slos: SloSet, source: QuerySource, at: datetime) -> Iterator[Finding]:
    """Look at the data of every SLO. Raises what ``source`` raises."""
    recorded = {_key(labels) for labels, _ in _ask(source, f"count by ({SERVICE}, {SLO}) ({ERRORS_INCREASE})", at)}
    pace = _events_of_five_minutes(slos, source, at)
    for slo in sorted(slos.slos, key=lambda slo: slo.key):
        missing = next(_missing(slo, source, at), None)
        if missing:
            yield missing
        elif slo.key not in recorded:
            yield Finding(
                *slo.key,
                "no-rules",
                "there is data, and no rule records it: are the generated rules loaded (`slo-engine rules check "
                "--prometheus URL`), for two minutes at least, and has the SLI a value?",
            )
        else:
            yield from _no_group(slo, source, at)
        yield from _low_traffic(slo, pace.get(slo.key, {}))


def _no_group(slo: Slo, source: QuerySource, at: datetime) -> Iterator[Finding]:
    """Labels of ``by`` that no series of the SLI has: all would be one group."""
    if slo.sli.watched is None:
        return
    for label in slo.by:
        if not _ask(source, f"count({slo.sli.watched.where(label, '', '!=')})", at):
            yield Finding(
                *slo.key, "no-label", f"no series of {slo.sli.watched} has the label {label}, which `by` names"
            )


def _missing(slo: Slo, source: QuerySource, at: datetime) -> Iterator[Finding]:
    watched = slo.sli.watched
    if watched is None or _ask(source, f"count({watched})", at):
        return  # a condition on slices may be anything: its rules say whether it has an answer
    bounds = _bounds(slo, source, at)
    if bounds:
        yield Finding(
            *slo.key,
            "no-bucket",
            f"the threshold is not a bucket of the histogram; its buckets are {', '.join(bounds)}",
        )
        return
    yield Finding(
        *slo.key,
        "no-data",
        f"no series matches {watched}: is the agent scraped, and are the metric and its labels spelled like this?",
    )


def _bounds(slo: Slo, source: QuerySource, at: datetime) -> list[str]:
    """The buckets of the histogram of an SLO; none when it is not there, or not of that kind."""
    buckets = slo.sli.buckets
    if buckets is None:
        return []
    found = {labels.get("le", "") for labels, _ in _ask(source, f"count by (le) ({buckets})", at)}
    return sorted(found - {""}, key=float)


_Pace = dict[tuple[str, ...], float]
"""Events of five minutes by group, on average over the last day or over what there is of it."""


def _events_of_five_minutes(slos: SloSet, source: QuerySource, at: datetime) -> dict[tuple[str, str], _Pace]:
    by = {slo.key: slo.by for slo in slos.slos}
    found: dict[tuple[str, str], _Pace] = {}
    for labels, value in _ask(source, f"avg_over_time({Selector(TOTAL_STAGE)}[1d])", at):
        key = _key(labels)
        found.setdefault(key, {})[tuple(labels.get(label, "") for label in by.get(key, ()))] = value
    return found


def _low_traffic(slo: Slo, pace: _Pace) -> Iterator[Finding]:
    if not pace:
        return
    longest = max((tier.long for tier in slo.tiers), default=None)
    if longest and slo.min_events > max(_in_window(events, longest) for events in pace.values()):
        yield Finding(
            *slo.key,
            "never-enough-events",
            f"no group has {slo.min_events} events even in {longest}, so no alert can fire: lower alerting.min_events",
        )
    for tier in slo.tiers:
        if slo.alpha_of(tier) is not None:
            continue  # one failure is never improbable enough
        quiet, needed = [], 0
        for values, events in pace.items():
            group = dict(zip(slo.by, values, strict=False))
            enough = _events_for_two_failures(slo, tier, group)
            if slo.min_events < enough and 0 < _in_window(events, tier.long) < enough:
                quiet.append(", ".join(values) or "all")
                needed = max(needed, enough)
        if tier.severity == "page" and quiet:
            yield Finding(
                *slo.key,
                "one-failure-pages",
                f"one failure alone would page over {tier.long} for {', '.join(sorted(quiet))}, with fewer than "
                f"{needed} events in that time: remove `alerting.sure: false`, or set alerting.min_events to {needed}",
            )
            return


def _events_for_two_failures(slo: Slo, tier: Tier, group: Group) -> int:
    """From how many events in the long window on a single error stays below the threshold of a tier."""
    budget = error_budget(slo.objective_for(group))
    return math.floor(1 / (slo.policy.factor(tier, budget) * budget)) + 1


def _in_window(events_of_five_minutes: float, window: Duration) -> float:
    return events_of_five_minutes * window.milliseconds / _FIVE_MINUTES


def _ask(source: QuerySource, expr: str, at: datetime) -> list[tuple[Group, float]]:
    return [(sample.labels, sample.value) for sample in finite(source.query(expr, at).samples)]


def _key(labels: Group) -> tuple[str, str]:
    return labels.get(SERVICE, ""), labels.get(SLO, "")
