"""What an hour of evaluations costs: samples read and seconds, on 30 days of 60 raw series and of 600."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np

from benchmarks.figure import Figure
from benchmarks.rules.backfill import Work, backfill
from benchmarks.rules.contenders import generated, ours, pyrra_form, sloth_form
from benchmarks.rules.evaluation import Evaluation
from benchmarks.rules.progress import Progress, Reached
from benchmarks.rules.ruleset import readings, subqueries
from benchmarks.rules.server import Cost, Prometheus
from benchmarks.rules.traffic import DAY_MS, HOUR_MS, MINUTE_MS, START, Agent, Outage, history

DAYS = 30
OBJECTIVE = 99.0
SERIES = (60, 600)

FEWER_SAMPLES = {60: {"Sloth's form": 80, "Pyrra's form": 320}, 600: {"Sloth's form": 450, "Pyrra's form": 1800}}
LESS_TIME = {60: 15, 600: 50}
"""By how much the rules of Sloth's form are to take longer."""

EXPENSIVE_SECONDS = 0.25
"""A rule that takes this long for one evaluation is evaluated SAMPLED times in the hour, and that is scaled."""

SAMPLED = 12


@dataclass
class HourOfRule:
    """What one rule took in the hour."""

    due: int = 0
    costs: list[Cost] = field(default_factory=list)

    @property
    def samples(self) -> float:
        """Samples read in the hour."""
        return self.due * float(np.mean([cost.samples for cost in self.costs]))

    @property
    def seconds(self) -> float:
        """Seconds of evaluation in the hour."""
        return self.due * float(np.mean([cost.seconds for cost in self.costs]))


@dataclass(frozen=True)
class Hour:
    """What a rule set took in the hour, rule by rule."""

    name: str
    rules: tuple[tuple[str, HourOfRule], ...]
    failures: int

    @property
    def samples(self) -> float:
        """Samples read."""
        return sum(rule.samples for _, rule in self.rules)

    @property
    def seconds(self) -> float:
        """Seconds of evaluation, by Prometheus' own clock."""
        return sum(rule.seconds for _, rule in self.rules)

    @property
    def scaled(self) -> list[str]:
        """The rules that were not evaluated every time."""
        return [f"{name} {len(rule.costs)} of {rule.due}" for name, rule in self.rules if len(rule.costs) < rule.due]

    def __str__(self) -> str:
        note = f"; scaled from fewer evaluations: {', '.join(self.scaled)}" if self.scaled else ""
        failed = f"; {self.failures} FAILED" if self.failures else ""
        return f"{self.name}: {self.samples:,.0f} samples, {self.seconds:.3f} s{failed}{note}"


def figures(series: int, progress: Progress) -> Iterator[Figure]:
    """Ours, held to a share of the others; and the others, for the record."""
    mine, *others = measure(series, progress)
    for hour in (mine, *others):
        progress.say(f"  {series} series, one hour, {hour}")
        for name, rule in sorted(hour.rules, key=lambda item: -item[1].samples)[:6]:
            progress.say(f"    {rule.samples:>14,.0f} samples {rule.seconds:>9.3f} s  {rule.due:>4} x {name}")
    for other in others:
        times = mine.samples and other.samples / mine.samples
        wanted = FEWER_SAMPLES.get(series, {}).get(other.name)
        beside = f"{other.name} {other.samples:,.0f}: {times:,.0f} times as many"
        limit = other.samples / wanted if wanted else None
        yield Figure(f"{series} series: samples an hour, {other.name}", mine.samples, "samples", limit, beside)
    for other in others:
        wanted = LESS_TIME.get(series) if other.name == "Sloth's form" else None
        beside = f"{other.name} {other.seconds:,.2f} s: {other.seconds / mine.seconds:,.0f} times as long"
        limit = other.seconds / wanted if wanted else None
        yield Figure(f"{series} series: evaluation an hour, {other.name}", mine.seconds, "s", limit, beside)


def measure(series: int, progress: Progress) -> list[Hour]:
    """Ours first."""
    sets = [ours(OBJECTIVE), sloth_form(OBJECTIVE), pyrra_form(OBJECTIVE), *generated(OBJECTIVE)]
    with tempfile.TemporaryDirectory() as folder, Prometheus(Path(folder)) as server:
        end = START + DAYS * DAY_MS
        hour = end - HOUR_MS
        raw = [one for agent in _agents(series) for one in history(agent, DAYS).series]
        assert len(raw) == series
        evaluations = [Evaluation(server, rules) for rules in sets]
        work = [Work(each, each.rules.kept) for each in evaluations]
        with progress.task(f"{series} series: 30 days", hour - START) as reached:
            for until in backfill(server, raw, work, START, hour):
                reached(until - START)
        server.push([each.between(hour, end) for each in raw])
        for each in evaluations:  # what an hour finds that its rules have recorded a moment ago
            for index in range(len(each.rules.rules)):
                if index not in each.rules.kept:
                    each.at(index, hour)
        with progress.task(f"{series} series: one hour of evaluations", HOUR_MS) as reached:
            return _hour(server, evaluations, hour, end, reached)


def _hour(server: Prometheus, evaluations: Sequence[Evaluation], start: int, end: int, reached: Reached) -> list[Hour]:
    """All rules of all sets at all their times in the hour; the sets take turns, so that noise hits them alike."""
    hours = [[HourOfRule() for _ in each.rules.rules] for each in evaluations]
    due = [
        (at, which, index)
        for which, evaluation in enumerate(evaluations)
        for index, rule in enumerate(evaluation.rules.rules)
        for at in rule.times(start, end)
    ]
    for at, which, index in sorted(due):
        evaluation, found = evaluations[which], hours[which][index]
        rule = evaluation.rules.rules[index]
        found.due += 1
        times = HOUR_MS // rule.interval
        if found.costs and found.costs[0].seconds > EXPENSIVE_SECONDS and found.due % max(1, times // SAMPLED):
            continue
        cost = evaluation.at(index, at)
        if cost is not None:
            found.costs.append(Cost(cost.samples + _beneath(server, rule.rule.expr, at, at), cost.seconds))
        reached(at - start)
    return [
        Hour(each.rules.name, tuple(zip(map(str, each.rules.rules), hour, strict=True)), sum(each.failures.values()))
        for each, hour in zip(evaluations, hours, strict=True)
    ]


def _beneath(server: Prometheus, expr: str, first_at: int, last_at: int) -> int:
    """Samples that the subqueries of an expression read from the database, which is evaluated from one time to another:
    Prometheus counts only what they hand up. It evaluates a subquery once for all of these times, and so those within
    it; what one hands up to another is read from nowhere."""
    read = 0
    for subquery in subqueries(expr):
        inner = subquery.expr.prettify()
        step = _milliseconds(subquery.step) or MINUTE_MS
        first, last = (at - _milliseconds(subquery.offset) for at in (first_at, last_at))
        # Prometheus aligns the steps of a subquery with multiples of its step, and takes both ends of its range.
        first, last = -((_milliseconds(subquery.range) - first) // step) * step, last // step * step
        read += sum(server.query_range(reading, first, last, step).cost.samples for reading in readings(inner))
        read += _beneath(server, inner, first, last)
    return read


def _milliseconds(length: timedelta | None) -> int:
    return round(length.total_seconds() * 1000) if length else 0


def _agents(series: int) -> Iterator[Agent]:
    instances = series // 6
    outage = Outage(12 * DAY_MS + 10 * HOUR_MS, 40 * MINUTE_MS, 0.5)
    yield Agent("busy_agent", 20.0, 0.005, instances, outages=(outage,))
    yield Agent("medium_agent", 2.0, 0.01, instances, outages=(outage,))
    yield Agent("idle_agent", 0.01, 0.02, instances)
