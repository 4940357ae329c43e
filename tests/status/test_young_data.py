"""`status` and `replay` on a real Prometheus with little history, in which the generated rules have recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.rules.backfill import Work, backfill
from benchmarks.rules.evaluation import Evaluation
from benchmarks.rules.ruleset import RuleSet, rule_set
from benchmarks.rules.server import Prometheus as Server
from benchmarks.rules.wire import Series
from slo_engine.connect import Connection
from slo_engine.definitions import Duration, SloSet, load
from slo_engine.prometheus import Prometheus
from slo_engine.rules import build
from slo_engine.status.evaluate import evaluate
from tests.cli.test_commands import run

pytestmark = [pytest.mark.stack, pytest.mark.takes(seconds=40)]

FILE = """
version: slo-engine/v1
service: shop
defaults: {by: [agent_type]}
slos:
  - name: runs
    objective: 98
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
  - name: day
    window: 1d
    objective: 98
    alerting: {disabled: [3d]}
    sli: {events: {total: runs_total, errors: 'runs_total{status="error"}'}}
  - name: spend
    sli: {cost: {spend: 'usd_total', budget: 3000 USD}}
  - name: month
    sli: {cost: {spend: 'usd_total', budget: 3000 USD, month: UTC}}
"""
MINUTE, HOUR = 60, 3600
END = int(time.time()) // HOUR * HOUR - HOUR


@dataclass(frozen=True)
class Agent:
    """Seconds before the end: when it is first scraped, begins to fail for ten minutes, and is scraped last."""

    began: int
    failing: int
    ended: int = 0


AGENTS = {
    "old": Agent(26 * HOUR, 12 * MINUTE),
    "young": Agent(49 * MINUTE, 44 * MINUTE),
    "newborn": Agent(4 * MINUTE, 2 * MINUTE),
    "morning": Agent(5 * HOUR, 4 * HOUR),
    "before the gap": Agent(34 * HOUR, 33 * HOUR),
    "gone": Agent(33 * HOUR, 33 * HOUR, 32 * HOUR),
}
DOWN = (END - 30 * HOUR, END - 27 * HOUR)
"""From when to when Prometheus is down."""


@dataclass(frozen=True)
class World:
    """A Prometheus that has recorded, and the SLOs."""

    url: str
    file: Path
    slos: SloSet

    def status(self, slo: str, group: str, at: int = END) -> dict[str, Any]:
        """What `slo-engine status --json` would have said then."""
        with closing(Prometheus(Connection(self.url))) as source:
            found = evaluate(self.slos, source, datetime.fromtimestamp(at, UTC))
        (status,) = (each for each in found if (each.slo, each.group_text) == (slo, group))
        return status.as_json()

    def replayed(self, slo: str, group: str, at: int = END) -> dict[str, Any]:
        """What `slo-engine replay --json` says of the time up to then."""
        span = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(each)) for each in (at - 2 * HOUR, at)]
        arguments = ("--slo", slo, "--from", span[0], "--to", span[1], "--json")
        done = run("replay", str(self.file), *arguments, SLO_ENGINE_PROMETHEUS__URL=self.url)
        assert done.returncode == 0, done.stderr
        (found,) = json.loads(done.stdout)
        (at_end,) = (each["at_end"] for each in found["groups"] if each["group"] == {"agent_type": group})
        assert isinstance(at_end, dict)
        return at_end


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("young")
    file = folder / "slos.yaml"
    file.write_text(FILE, encoding="utf-8")
    slos = load([file])
    raw = [series for group in AGENTS for series in _scraped(group)]
    with Server(folder) as server:
        evaluation = Evaluation(server, _rules(slos))
        work = [Work(evaluation, range(len(evaluation.rules.rules)))]
        begin = END - 35 * HOUR
        for start, end in ((begin, DOWN[0]), (DOWN[1], END)):
            for _ in backfill(server, raw, work, start * 1000, end * 1000):
                pass
            evaluation.restart()
        yield World(server.url, file, slos)


def _rules(slos: SloSet) -> RuleSet:
    """At whole minutes, when `replay` looks, and those of the long windows twenty seconds later."""
    rules = rule_set("ours", tuple(group for groups in build(slos).values() for group in groups))
    later = tuple(replace(rule, offset=20_000) if rule.interval > MINUTE * 1000 else rule for rule in rules.rules)
    return RuleSet(rules.name, later)


def _scraped(group: str) -> Iterator[Series]:
    """A scrape each 15 s of counters that begin at 0, and of ten runs a minute from the second minute on."""
    agent = AGENTS[group]
    times = np.arange(END - agent.began + 3, END - agent.ended + 1, 15, dtype=np.int64)
    runs = np.clip(np.floor((times - times[0]) / 6) - 20, 0, None)
    failed = np.clip(runs - np.floor((agent.began - agent.failing) / 6) + 20, 0, 100)
    for name, labels, values in (
        ("runs_total", {"status": "ok"}, runs - failed),
        ("runs_total", {"status": "error"}, failed),
        ("usd_total", {}, 0.25 * runs),
    ):
        yield Series({"__name__": name, "agent_type": group, **labels}, times * 1000, values)


def seconds(status: Mapping[str, Any]) -> float:
    return Duration.parse(status["data_over"]).seconds


@pytest.mark.parametrize("slo", ["runs", "day", "spend", "month"])
@pytest.mark.parametrize("group", ["old", "young", "newborn"])
def test_status_and_replay_tell_the_same_of_one_outage(world: World, slo: str, group: str) -> None:
    told, replayed = world.status(slo, group), world.replayed(slo, group)
    # A full window is longer here by the minutes since its sum was recorded.
    near = 0.005 if told["is_window_full"] else 1e-9
    assert told["error_budget_remaining"] == pytest.approx(replayed["error_budget_remaining"], abs=near)
    if not told["is_estimate"]:
        assert told["error_ratio"][told["window"]] == pytest.approx(replayed["error_ratio"], abs=near)
    # To the minute while it is young; later a beginning is known to the hour.
    assert 0 <= seconds(replayed) - seconds(told) <= (MINUTE if group != "old" else HOUR)
    assert told["is_window_full"] == replayed["is_window_full"] == (group == "old" and slo == "day")


@pytest.mark.parametrize("minutes", [3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 16])
def test_each_error_counts_once_whenever_one_looks(world: World, minutes: int) -> None:
    # The outage begins in the fifth minute; at each fifth a sum over the window is recorded.
    at = END - AGENTS["young"].began + minutes * MINUTE
    told, replayed = world.status("runs", "young", at + 25), world.replayed("runs", "young", at)
    assert told["error_budget_remaining"] == pytest.approx(replayed["error_budget_remaining"], abs=1e-9)
    assert abs(seconds(replayed) - seconds(told)) <= MINUTE


def test_budget_is_an_estimate_until_it_is_recorded(world: World) -> None:
    began = END - AGENTS["young"].began
    estimates = [world.status("runs", "young", began + minutes * MINUTE + 25)["is_estimate"] for minutes in (3, 10)]
    assert estimates == [True, False]


@pytest.mark.parametrize(
    ("group", "hours", "within"),
    [("before the gap", 34, 2.1), ("gone", 33, 2.1), ("morning", 5, 0.2), ("young", 49 / 60, 0.05)],
)
def test_gap_makes_a_past_no_shorter_and_no_group_has_that_of_another(
    world: World, group: str, hours: float, within: float
) -> None:
    # The first scrape has nothing to be compared with. What began more than a day ago is found in the records of whole
    # hours, in buckets of one.
    assert hours - within <= seconds(world.status("runs", group)) / HOUR <= hours
