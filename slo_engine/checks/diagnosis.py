"""What an SLO file cannot know of itself: is there data, is it counted, would one failure alone page?

An SLO takes four queries, whatever it is made of, and one more for each label or bucket that is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from slo_engine.checks import health, sums
from slo_engine.checks.finding import Finding
from slo_engine.checks.probes import ask, ask_all
from slo_engine.checks.series import Series
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.labels import SERVICE, SLO
from slo_engine.definitions.policies import Tier
from slo_engine.definitions.promql import Selector
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.targets import Group, error_budget
from slo_engine.recording.names import ERRORS_INCREASE, TOTAL_STAGE
from slo_engine.status.evaluate import QuerySource

_FIVE_MINUTES = 300_000
"""Milliseconds that one record of the stage covers."""

_TOO_OLD = 75
"""Seconds. The rules look at the last minute, and 10 s late; a sample older than that they do not see."""


def diagnose(slos: SloSet, source: QuerySource, at: datetime) -> Iterator[Finding]:
    """Look at the data of every SLO. Raises what ``source`` raises."""
    recorded = {_key(labels) for labels, _ in ask(source, f"count by ({SERVICE}, {SLO}) ({ERRORS_INCREASE})", at)}
    pace = _events_of_five_minutes(slos, source, at)
    for slo in sorted(slos.slos, key=lambda slo: slo.key):
        series = Series(slo, source, at)
        yield from series.findings()
        if not series.missing:
            yield from _counted(slo, source, at, is_recorded=slo.key in recorded, age=series.age)
        yield from _low_traffic(slo, pace.get(slo.key, {}))


def _counted(slo: Slo, source: QuerySource, at: datetime, *, is_recorded: bool, age: float) -> Iterator[Finding]:
    """Are the series scraped as they should be, and has what they grew by been recorded?"""
    questions = dict(health.probes(slo))
    if is_recorded:
        questions |= {**dict(sums.probes_of_records(slo)), **dict(sums.probes_of_windows(slo))}
    found = ask_all(source, questions, at)
    yield from health.findings(slo, found)
    if is_recorded:
        twice = list(sums.recorded_twice(slo, found))
        yield from twice
        minutes = sums.longest_window(found)
        if minutes and not twice:
            answers = ask_all(source, dict(sums.probes(slo, minutes)), sums.last_record(found))
            yield from sums.findings(slo, minutes, answers)
    elif age > _TOO_OLD:
        yield Finding(
            *slo.key,
            "late-samples",
            f"no rule records it, and the newest sample of {slo.sli.watched} is {age:.0f} s old: the rules look at the "
            "last minute only. Is it still scraped? Where samples arrive late, let the rules look later: "
            "rule_query_offset in Prometheus 2.53 or later, ruler_evaluation_delay_duration in Mimir",
        )
    else:
        yield Finding(
            *slo.key,
            "no-rules",
            "there is data, and no rule records it: are the generated rules loaded (`slo-engine rules check "
            "--prometheus URL`), for two minutes at least, and has the SLI a value?",
        )


_Pace = dict[tuple[str, ...], float]
"""Events of five minutes by group, on average over the last day or over what there is of it."""


def _events_of_five_minutes(slos: SloSet, source: QuerySource, at: datetime) -> dict[tuple[str, str], _Pace]:
    by = {slo.key: slo.by for slo in slos.slos}
    found: dict[tuple[str, str], _Pace] = {}
    for labels, value in ask(source, f"avg_over_time({Selector(TOTAL_STAGE)}[1d])", at):
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


def _key(labels: Group) -> tuple[str, str]:
    return labels.get(SERVICE, ""), labels.get(SLO, "")
