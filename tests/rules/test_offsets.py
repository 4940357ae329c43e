"""Prometheus evaluates each rule group at an offset of its own: what one group reads of another's records is all of
them at any offset."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.rules.evaluation import Evaluation
from benchmarks.rules.ruleset import Rule, RuleSet
from benchmarks.rules.server import Prometheus
from benchmarks.rules.traffic import START
from benchmarks.rules.wire import Series
from slo_engine.definitions import load
from slo_engine.recording.names import ERRORS_STAGE, TOTAL_STAGE
from slo_engine.rules import RecordingRule, build
from tests.rules.lives import MINUTE

pytestmark = pytest.mark.stack

SLO = """
version: slo-engine/v1
service: shop
slos:
  - {name: runs, objective: 99, window: 6h, sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}},
     alerting: {policy: quick}}
policies: [{name: quick, tiers: [{severity: page, long: 1h, short: 5m, factor: 5}]}]
"""


@pytest.mark.parametrize("base", [0, 10_000, 44_000])
def test_stage_holds_the_five_minutes_of_the_base_at_any_offset(tmp_path: Path, base: int) -> None:
    minutes = 90
    times = START + np.arange(0, minutes * MINUTE, 15_000, dtype=np.int64) + 4_000
    scrapes = np.arange(len(times)).astype(np.float64)
    ok = Series({"__name__": "runs_total", "status": "ok"}, times, 3 * scrapes)
    bad = Series({"__name__": "runs_total", "status": "error"}, times, scrapes)
    found: dict[int, dict[str, set[float]]] = {}
    with Prometheus(tmp_path) as server:
        server.push([ok, bad])
        for offset in (0, 1, 9_999, 15_000, 29_999, 30_001, 31_000, 45_000, 54_000, 59_998):
            seen: dict[str, set[float]] = defaultdict(set)

            def watch(rule: Rule, series: Any, seen: dict[str, set[float]] = seen) -> None:
                for each in series:
                    whole = each.times > START + 15 * MINUTE
                    if isinstance(rule.rule, RecordingRule):
                        seen[rule.rule.record] |= set(each.values[whole].tolist())

            rules = _rules(base, offset)
            Evaluation(server, rules, watch).run(range(len(rules.rules)), START, START + (minutes - 2) * MINUTE)
            found[offset] = seen
    for offset, records in found.items():
        assert records[TOTAL_STAGE] == {5 * 4 * 4.0}, offset
        assert records[ERRORS_STAGE] == {5 * 4 * 1.0}, offset


def _rules(base: int, long: int) -> RuleSet:
    """All records, told apart by the offset."""
    text = SLO.replace("service: shop", f"service: shop-{base}-{long}")
    found = []
    for groups in build(load(text)).values():
        for group in groups:
            assert group.interval is not None
            interval = group.interval.milliseconds
            offset = base if interval == MINUTE else base + long
            found += [Rule(rule, interval, offset) for rule in group.rules if isinstance(rule, RecordingRule)]
    return RuleSet("ours", tuple(found))
