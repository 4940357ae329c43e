"""The law of the base, on many random histories at once: generated rules, evaluated by a real Prometheus.

``make test-base``: no history in which ``increase`` sees events that the base does not count, and none in which the
base counts events that did not happen.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.rules.evaluation import Evaluation
from benchmarks.rules.ruleset import Rule, RuleSet
from benchmarks.rules.server import Prometheus
from benchmarks.rules.traffic import START
from benchmarks.rules.wire import Series
from slo_engine.definitions import SloSet, load
from slo_engine.recording.names import (
    ERRORS_INCREASE,
    EVENTS_INCREASE,
    REQUESTS_INCREASE,
    SERIES_LAST,
    TOTAL_INCREASE,
)
from slo_engine.recording.stages import SHORT_INTERVAL
from slo_engine.rules import RecordingRule, build
from tests.rules.lives import HOUR, MINUTE, life

LENGTH = 2 * HOUR

SLOS = """
version: slo-engine/v1
service: law
defaults: {by: [life], objective: 99}
slos:
  - name: errors
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
  - name: good
    sli: {events: {total: runs_total, good: 'runs_total{status="success"}'}}
  - name: two-metrics
    sli: {events: {total: [good_total, bad_total], errors: bad_total}}
  - name: spend
    sli: {cost: {spend: usd_total, budget: 3000 USD}}
"""

Metrics = Mapping[str, tuple[str, Mapping[str, str]]]
"""Outcome -> the name and the labels of its counter."""

METRICS: Sequence[Metrics] = (
    {"success": ("runs_total", {"status": "success"}), "error": ("runs_total", {"status": "error"})},
    {"success": ("good_total", {}), "error": ("bad_total", {}), "usd": ("usd_total", {})},
)

COUNTED = {
    # SLO and record -> the outcomes that it counts.
    ("errors", TOTAL_INCREASE): ("success", "error"),
    ("errors", ERRORS_INCREASE): ("error",),
    ("good", TOTAL_INCREASE): ("success", "error"),
    ("good", ERRORS_INCREASE): ("error",),
    ("two-metrics", TOTAL_INCREASE): ("success", "error"),
    ("two-metrics", ERRORS_INCREASE): ("error",),
    ("spend", ERRORS_INCREASE): ("usd",),
}

TOLERANCE = 1e-5
"""Of events. Money is recorded to a hundred-millionth."""

BATCH = 100
"""Histories for one Prometheus."""

_BASE = (SERIES_LAST, EVENTS_INCREASE, TOTAL_INCREASE, ERRORS_INCREASE, REQUESTS_INCREASE)

Counted = Mapping[tuple[str, str, str], float]
"""(SLO, record, value of the label that it is divided by) -> the sum of all its minutes."""


@dataclass(frozen=True)
class Breach:
    """A history in which the base has counted too little or too much."""

    slo: str
    record: str
    counted: float
    seen: float
    happened: float
    told: str

    def __str__(self) -> str:
        return (
            f"{self.slo}, {self.record}: counted {self.counted:.9g}; increase sees {self.seen:.9g}, and "
            f"{self.happened:.9g} happened; {self.told}"
        )


def breaches(folder: Path, seeds: Sequence[int]) -> Iterator[Breach]:
    """Those of these seeds. The offset of the rule groups is drawn by the first of them."""
    lives = [life(seed, START, LENGTH) for seed in seeds]
    series = [series for each in lives for metrics in METRICS for series in each.written(metrics)]
    offset = random.Random(seeds[0]).randrange(MINUTE)
    counted = base_counts(folder, load(SLOS), "life", series, offset, LENGTH)
    for (slo, record), outcomes in COUNTED.items():
        for each in lives:
            found = counted.get((slo, record, each.name), 0.0)
            seen = sum(map(each.seen, outcomes))
            happened = sum(each.happened[outcome] for outcome in outcomes)
            if not seen - TOLERANCE <= found <= happened + TOLERANCE:
                yield Breach(slo, record, found, seen, happened, each.told)


def base_counts(
    folder: Path, slos: SloSet, by: str, series: Sequence[Series], offset: int, length: int = LENGTH
) -> Counted:
    """What the base counts of these series in ``START`` to ``START + length``, in all. ``offset``: how many
    milliseconds after the minute its groups are evaluated."""
    counted: dict[tuple[str, str, str], float] = defaultdict(float)

    def watch(rule: Rule, found: Sequence[Series]) -> None:
        for each in found:
            counted[rule.rule.labels.get("slo", ""), rule_name(rule), each.labels.get(by, "")] += each.values.sum()

    rules = base_rules(slos, offset)
    with Prometheus(folder) as server:
        server.push(series)
        evaluation = Evaluation(server, rules, watch)
        evaluation.run(range(len(rules.rules)), START, START + length + 3 * MINUTE)
        assert not evaluation.failures, evaluation.failures
    return counted


def base_rules(slos: SloSet, offset: int) -> RuleSet:
    """The base records of some SLOs, and no other rule."""
    rules = (rule for groups in build(slos).values() for group in groups for rule in group.rules)
    records = (rule for rule in rules if isinstance(rule, RecordingRule) and rule.record in _BASE)
    return RuleSet("base", tuple(Rule(record, SHORT_INTERVAL.milliseconds, offset) for record in records))


def rule_name(rule: Rule) -> str:
    """The record that a rule makes."""
    return rule.rule.record if isinstance(rule.rule, RecordingRule) else rule.rule.alert


def main() -> int:
    """The long form; exit code 1 where the law is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.rules.law", description=__doc__)
    parser.add_argument("--histories", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--first", type=int, default=random.SystemRandom().randrange(10**9), help="the first seed")
    options = parser.parse_args()
    say = Console(highlight=False, soft_wrap=True).print
    seeds = range(options.first, options.first + options.histories)
    say(f"seeds {seeds[0]} to {seeds[-1]}, {len(COUNTED)} records of each")
    found: list[Breach] = []
    batches = [seeds[at : at + BATCH] for at in range(0, len(seeds), BATCH)]
    for batch in track(batches, description="histories", disable=not sys.stdout.isatty()):
        with tempfile.TemporaryDirectory() as folder:
            found += breaches(Path(folder), batch)
    for breach in found:
        say(breach)
    say(f"{len(seeds):,} histories, {len(found)} records that break the law")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
