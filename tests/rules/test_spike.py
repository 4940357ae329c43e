"""The alert on a sudden rise of spend, against up to four weeks of history on a real Prometheus."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack.servers import Prometheus
from slo_engine.rules import build
from slo_engine.rules.model import AlertRule
from tests.e2e.engine import get
from tests.rules.backfilled import backfill
from tests.rules.promtool import slos_of

pytestmark = pytest.mark.stack

NOW = 1_793_500_200
HOUR, WEEK = 3600, 7 * 86_400

SPEND = """
version: slo-engine/v1
service: shop
slos:
  - name: spend
    by: [agent_type]
    sli: {cost: {spend: usd_total, budget: 9999 USD, limits: {spike: {factor: 3, above: 5 USD}}}}
"""

AGENTS: dict[str, tuple[float, list[float]]] = {
    # USD in the last hour, and in the same hour one, two, ... weeks ago; which of them are far more than usual?
    "new": (100, []),
    "one week": (13, [4]),
    "one week, not enough": (11.5, [4]),
    "two weeks": (13, [6, 2]),
    "three weeks, not enough": (13, [1, 4, 8]),
    "four weeks": (13, [1, 7, 1, 7]),
    "four weeks, not enough": (11.5, [8, 0, 0, 8]),
    "cheap": (4.9, [0.1, 0.1, 0.1, 0.1]),
    "out of nothing": (5.5, [0, 0, 0, 0]),
    "of before": (20, [0, 0, 0, 0, 1000]),
}
FAR_MORE = {"one week", "two weeks", "four weeks", "out of nothing", "of before"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    series = {}
    for agent, (usd, before) in AGENTS.items():
        samples: dict[int, float] = {}
        for weeks, spent in sorted(enumerate([usd, *before]), reverse=True):
            end = NOW - weeks * WEEK
            # As much again in the hour before and after, which is none of its business.
            samples |= dict.fromkeys(range(end - 2 * HOUR, end - HOUR + 1, 300), 50.0)
            samples |= dict.fromkeys(range(end - HOUR + 300, end + 1, 300), spent / 12)
            samples |= dict.fromkeys(range(end + 300, end + HOUR, 300), 50.0) if weeks else {}
        series[f'slo:sli_errors:stage5m{{slo_service="shop",slo="spend",agent_type="{agent}"}}'] = samples
    backfill(folder, series)
    with Prometheus(folder) as running:
        yield running


def test_hour_that_costs_far_more_than_the_same_hour_of_the_last_weeks(tmp_path: Path, server: Prometheus) -> None:
    (groups,) = build(slos_of(tmp_path, SPEND)).values()
    rules = [rule for group in groups for rule in group.rules if isinstance(rule, AlertRule)]
    (spike,) = [rule for rule in rules if rule.alert == "SLOSpendSpike"]
    asked = urllib.parse.urlencode({"query": spike.as_data()["expr"], "time": NOW})
    found = get(f"{server.url}/api/v1/query?{asked}")["data"]["result"]
    spent = {each["metric"]["agent_type"]: float(each["value"][1]) for each in found}
    assert spent == pytest.approx({agent: AGENTS[agent][0] for agent in FAR_MORE})
    assert {frozenset(each["metric"]) for each in found} == {frozenset({"agent_type", "slo", "slo_service"})}
    assert spike.annotations["summary"].startswith(
        'shop spend {{ $labels.agent_type }}: {{ printf "%.2f" $value }} USD'
    )
