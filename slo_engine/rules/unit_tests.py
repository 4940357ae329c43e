"""promtool unit tests of the rules: each alert fires when the arithmetic says, and stays silent when it should.

Of each SLO: an outage of everything, a slow burn, errors whose series first appears in the outage, a service that keeps
its objective, an idle one, and one without any data. The times are those of the SRE workbook, chapter 5: a long window
that was clean is above its threshold after (threshold / error ratio) of its length.

promtool (2.42) evaluates all groups at one interval, so the tests of the short and of the long windows are two files:
every minute for those of hours, every five minutes for those of days.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.kinds.specimen import Specimen
from slo_engine.definitions.labels import LONG_WINDOW, SERVICE, SEVERITY, SHORT_WINDOW, SLO
from slo_engine.definitions.policies import Tier, improbability
from slo_engine.definitions.slo import Slo, SloSet
from slo_engine.definitions.targets import Group
from slo_engine.recording.base import RECORDS, recorded, watched
from slo_engine.recording.names import ABSENT_ALERT, ERROR_RATIO
from slo_engine.recording.stages import LONG_INTERVAL, SHORT_INTERVAL, SHORT_LIMIT
from slo_engine.rules.alerts import threshold_of
from slo_engine.rules.build import build
from slo_engine.rules.specimens import group_labels, histories, specimen
from slo_engine.rules.sums import sum_over
from slo_engine.rules.yaml_text import HEADER

SLACK = 3
"""Evaluations that an alert may come earlier or later than the arithmetic says: samples are a minute apart, and a
scrape is looked for a little late."""

EVENTS_A_MINUTE = 60

OFFSETS = (0, 15, 31, 45, 59)
"""Seconds by which Prometheus may evaluate the group of the long windows after that of the base. promtool evaluates all
at once, so the stage itself is asked."""


@dataclass(frozen=True)
class Speed:
    """How often the rules of a test file are evaluated, and the tiers that it looks at."""

    name: str
    interval: Duration

    def has(self, tier: Tier) -> bool:
        """Whether a tier belongs to this file."""
        return (tier.long <= SHORT_LIMIT) is (self.interval == SHORT_INTERVAL)

    @property
    def minutes(self) -> int:
        """Of one evaluation interval."""
        return self.interval.milliseconds // 60_000


SPEEDS = (Speed("hours", SHORT_INTERVAL), Speed("days", LONG_INTERVAL))


def unit_tests(slos: SloSet) -> Mapping[str, str]:
    """The test files: name -> text. They stand in a folder beside the rule files, one level deeper."""
    groups = build(slos)
    files = {}
    for service in slos.services:
        order = [group.name for group in groups[service]]
        ours = [slo for slo in sorted(slos.slos, key=lambda slo: slo.key) if slo.service == service]
        for speed in SPEEDS:
            watched = [slo for slo in ours if any(speed.has(tier) for tier in slo.tiers)]
            tests = _together(test for slo in watched for test in _tests(slo, speed))
            left_out = [slo.name for slo in watched if specimen(slo, "any") is None]
            if tests or left_out:
                files[f"{service}.{speed.name}.yaml"] = _file(service, speed, order, tests, left_out)
    return files


@dataclass
class _Test:
    """What stands in a test of promtool: series, and what is expected at times."""

    name: str
    series: dict[str, str]
    expected: list[dict[str, Any]]
    metrics: set[str]
    """Whose series these are: no other series of them may be there."""

    def as_data(self) -> dict[str, Any]:
        """As promtool reads it."""
        return {
            "name": self.name,
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in self.series.items()],
            "promql_expr_test": self.expected,
        }


def _together(tests: Iterator[_Test]) -> list[_Test]:
    """As few tests as there can be, for promtool evaluates all rules of the file in each: those of SLOs that look at
    other metrics become one."""
    merged: list[_Test] = []
    for test in tests:
        other = next((each for each in merged if not each.metrics & test.metrics), None)
        if other is None:
            merged.append(test)
            continue
        other.name += f"; {test.name}"
        other.series |= test.series
        other.expected += test.expected
        other.metrics |= test.metrics
    return merged


def _file(service: str, speed: Speed, order: list[str], tests: list[_Test], left_out: list[str]) -> str:
    data = {
        "rule_files": [f"../{service}.yaml"],
        "evaluation_interval": str(speed.interval),
        "group_eval_order": order,
        "tests": [test.as_data() for test in tests],
    }
    missing = "".join(f"# Not tested: {name}, for which no raw series can be made up.\n" for name in left_out)
    return HEADER + missing + str(yaml.dump(data, Dumper=yaml.CSafeDumper, sort_keys=False, width=1_000_000))


@dataclass(frozen=True)
class _Scenario:
    """What happens to one group: so many minutes, of which so much is wrong, one stretch after the other."""

    name: str
    stretches: tuple[tuple[int, float], ...]
    is_idle: bool = False
    errors_are_late: bool = False
    """The series of errors does not exist before the last stretch."""

    @property
    def minutes(self) -> int:
        return sum(minutes for minutes, _ in self.stretches)


def _tests(slo: Slo, speed: Speed) -> Iterator[_Test]:
    """One test in which each scenario is a group of its own; where there is one group only a test for each."""
    found = list(_scenarios(slo, speed))
    groups = {tuple(group_labels(slo, scenario.name).items()) for scenario in found}
    for several in [found] if len(groups) == len(found) else [[scenario] for scenario in found]:
        series: dict[str, str] = {}
        expected: list[dict[str, Any]] = []
        for scenario in several:
            raw = specimen(slo, scenario.name)
            if raw is None or (scenario.errors_are_late and not raw.errors):
                continue
            series |= _series(slo, raw, scenario, speed)
            expected += _expected(slo, scenario, speed)
        if expected:
            scenarios = " and ".join(scenario.name for scenario in several)
            yield _Test(f"{slo.name}: {scenarios}", series, expected, set(map(_metric, series)))
    if slo.absent and speed.interval == SHORT_INTERVAL:
        minute = slo.absent.milliseconds // 60_000 + 1
        fires = _fires(f"{minute}m", _matchers(slo, {"alertname": ABSENT_ALERT}), fires=True)
        yield _Test(f"{slo.name}: no data", {}, [fires], {watched(slo).metric})


def _scenarios(slo: Slo, speed: Speed) -> Iterator[_Scenario]:
    tiers = [tier for tier in slo.tiers if speed.has(tier)]
    clean = max(tier.long for tier in tiers).milliseconds // 60_000
    counts_events = slo.counts_events
    # Money has no ceiling: an outage of it is whatever fires every tier.
    worst = 1.0 if counts_events else 2 * max(tier.factor for tier in slo.tiers)
    lowest = min(threshold_of(slo, tier) for tier in slo.tiers)
    slow = min(1.5 * min(threshold_of(slo, tier) for tier in tiers), worst)
    yield _Scenario("outage", ((clean, 0.0), (_outage(slo, speed, worst), worst)))
    yield _Scenario("slow-burn", ((clean, 0.0), (_outage(slo, speed, slow), slow)))
    yield _Scenario("healthy", ((clean, lowest / 2),))
    yield _Scenario("idle", ((clean, 0.0),), is_idle=True)
    if counts_events and slo.sli.buckets is None:  # a histogram has all its series from the start
        yield _Scenario("late-errors", ((clean, 0.0), (_outage(slo, speed, worst), worst)), errors_are_late=True)


def _outage(slo: Slo, speed: Speed, failing: float) -> int:
    longest = max(_detection(slo, tier, speed, failing) or 0 for tier in slo.tiers if speed.has(tier))
    return math.ceil(longest / speed.minutes + SLACK + 2) * speed.minutes


def _series(slo: Slo, raw: Specimen, scenario: _Scenario, speed: Speed) -> dict[str, str]:
    events = 0.0 if scenario.is_idle else _events(slo)
    # What the budget allows a minute; of five minutes a rule sees one when it is evaluated each five minutes.
    allowed = slo.target.allowance(60_000 / slo.window.milliseconds * speed.minutes)
    events = events if allowed is None else allowed
    series = histories(raw, [(minutes, events, failing) for minutes, failing in scenario.stretches])
    if scenario.errors_are_late:
        clean = scenario.stretches[0][0]
        for name in raw.errors:
            series[name] = f"_x{clean} {series[name].split(' ')[-1]}"
    return series


def _expected(slo: Slo, scenario: _Scenario, speed: Speed) -> Iterator[dict[str, Any]]:
    group = group_labels(slo, scenario.name)
    if len(scenario.stretches) == 1:
        end = f"{scenario.minutes}m"
        burns = _matchers(slo, group)
        yield _expects(end, f'count_over_time(ALERTS{{{burns},{LONG_WINDOW}!=""}}[{end}])', fires=False)
        ratios = f"{ERROR_RATIO}{{{burns}}}"
        yield _expects(end, f"count({ratios} != {ratios})", fires=False)  # only NaN differs from itself
        if scenario.name == "healthy" and speed.interval == SHORT_INTERVAL:
            yield from _whole_stages(slo, scenario.minutes - 1, group)
        return
    clean, failing = scenario.stretches[0][0], scenario.stretches[-1][1]
    slack = SLACK * speed.minutes
    for tier in slo.tiers:
        if not speed.has(tier):
            continue
        windows = {LONG_WINDOW: str(tier.long), SHORT_WINDOW: str(tier.short)}
        severity = slo.alerting[tier.severity].severity or tier.severity
        alert = _matchers(slo, {**group, SEVERITY: severity, **windows})
        detection = _detection(slo, tier, speed, failing)
        if detection is None:
            yield _fires(f"{scenario.minutes}m", alert, fires=False)
            continue
        before = max(0, math.floor((clean + detection - slack) / speed.minutes)) * speed.minutes
        after = math.ceil((clean + detection + slack) / speed.minutes) * speed.minutes
        yield _fires(f"{before}m", alert, fires=False)
        yield _fires(f"{after}m", alert, fires=True)


def _whole_stages(slo: Slo, minute: int, group: Group) -> Iterator[dict[str, Any]]:
    """The stage holds five minutes of the base at whatever offset Prometheus evaluates its group."""
    base = RECORDS[slo.target.counts[0]]
    minutes = LONG_INTERVAL.milliseconds // SHORT_INTERVAL.milliseconds
    steady = f"{minutes} * {recorded(slo, base, group)}"
    for seconds in OFFSETS:
        missing = f"count(abs({sum_over(slo, base, LONG_INTERVAL, group)} / ({steady}) - 1) > 0.001)"
        yield _expects(f"{minute}m{seconds}s", missing, fires=False)


def _detection(slo: Slo, tier: Tier, speed: Speed, failing: float) -> float | None:
    """Minutes from the first error of this ratio to the alert of a tier; None: it never fires."""
    threshold, minutes = threshold_of(slo, tier), tier.long.milliseconds / 60_000
    if failing <= threshold:
        return None
    alpha = slo.alpha_of(tier)
    if alpha is None:
        return minutes * threshold / failing
    events = _events(slo) / speed.minutes * minutes

    def is_sure(minute: float) -> bool:
        return improbability(events, failing * minute / minutes, slo.target.error_budget) > math.log(1 / alpha)

    # The improbability grows with each error, so the minute lies between these two.
    early, late = minutes * threshold / failing, minutes
    if is_sure(early):
        return early
    for _ in range(50):
        middle = (early + late) / 2
        early, late = (early, middle) if is_sure(middle) else (middle, late)
    return late if is_sure(late) else None


def _events(slo: Slo) -> float:
    """A minute."""
    return float(max(EVENTS_A_MINUTE, slo.min_events))


def _fires(at: str, alert: str, *, fires: bool) -> dict[str, Any]:
    return _expects(at, f'count(ALERTS{{alertstate="firing",{alert}}})', fires=fires)


def _expects(at: str, expr: str, *, fires: bool) -> dict[str, Any]:
    return {"expr": expr, "eval_time": at, "exp_samples": [{"labels": "{}", "value": 1}] if fires else []}


def _matchers(slo: Slo, labels: Mapping[str, str]) -> str:
    wanted = {SERVICE: slo.service, SLO: slo.name, **labels}
    return ",".join(f'{name}="{value}"' for name, value in wanted.items())


def _metric(series: str) -> str:
    return series.partition("{")[0]
