"""Spend over the calendar month: where it begins, in every time zone and on a real Prometheus; and what it sums."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.stack.servers import Prometheus
from slo_engine.definitions import SloSet
from slo_engine.rules import RecordingRule, build
from slo_engine.rules.model import AlertRule
from tests.e2e.engine import get
from tests.rules.backfilled import backfill
from tests.rules.histories import counter
from tests.rules.promtool import near, nothing, replay, slos_of, true

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/St_Johns")

OCTOBER, NOVEMBER = (datetime(2026, month, 1, tzinfo=ZoneInfo("Europe/Berlin")) for month in (10, 11))

MONTHLY = """
version: slo-engine/v1
service: shop
slos:
  - name: spend
    by: [agent_type]
    alerting: {exhausted: ticket}
    sli: {cost: {spend: cost_usd_total, budget: 100 USD, month: ZONE}}
"""


def monthly(folder: Path, zone: str) -> SloSet:
    return slos_of(folder, MONTHLY.replace("ZONE", zone))


def expression(slos: SloSet, name: str) -> str:
    (groups,) = build(slos).values()
    rules = [rule for group in groups for rule in group.rules]
    return next(
        str(rule.as_data()["expr"])
        for rule in rules
        if (isinstance(rule, RecordingRule) and rule.record == name)
        or (isinstance(rule, AlertRule) and rule.alert == name)
    )


def query(server: Prometheus, expr: str, at: datetime) -> list[Any]:
    found = get(f"{server.url}/api/v1/query?{urllib.parse.urlencode({'query': expr, 'time': at.timestamp()})}")
    assert found["status"] == "success", found
    result: list[Any] = found["data"]["result"]
    return result


@pytest.fixture(scope="module")
def backfilled_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    # The longest month there is: the clock goes back in it.
    series = 'slo:sli_errors:month5m{slo_service="shop",slo="spend",agent_type="chat",slo_month="10"}'
    backfill(folder, {series: dict.fromkeys(range(int(OCTOBER.timestamp()), int(NOVEMBER.timestamp()), 300), 1.0)})
    with Prometheus(folder) as server:
        yield server


@pytest.mark.stack
@pytest.mark.parametrize("zone", ZONES)
def test_month_is_that_of_the_zone_at_every_hour_around_each_first(
    tmp_path: Path, backfilled_server: Prometheus, zone: str
) -> None:
    expr = expression(monthly(tmp_path, zone), "slo:sli_errors:month5m")
    this_month = expr[expr.index("count_values") :]
    local, checked = ZoneInfo(zone), 0
    for year in (2026, 2027):
        for month in range(1, 13):
            first = datetime(year, month, 1, tzinfo=UTC)
            span = {"start": (first - timedelta(days=1)).timestamp(), "end": (first + timedelta(days=1)).timestamp()}
            asked = urllib.parse.urlencode({"query": this_month, **span, "step": 300})
            found = get(f"{backfilled_server.url}/api/v1/query_range?{asked}")["data"]["result"]
            for each in found:
                for at, value in each["values"]:
                    assert (each["metric"], value) == (
                        {"slo_month": str(datetime.fromtimestamp(at, local).month)},
                        "1",
                    ), datetime.fromtimestamp(at, UTC)
                    checked += 1
    assert checked == 2 * 12 * (48 * 12 + 1), "at each time there is one month"


@pytest.mark.stack
def test_whole_month_is_summed_up_to_its_last_minute(tmp_path: Path, backfilled_server: Prometheus) -> None:
    expr = expression(monthly(tmp_path, "Europe/Berlin"), "slo:sli_errors:sum")
    (found,) = query(backfilled_server, expr, NOVEMBER - timedelta(minutes=5))
    assert float(found["value"][1]) == (31 * 24 + 1) * 12
    assert query(backfilled_server, expr, NOVEMBER) == []


def test_month_begins_anew_at_local_midnight_and_at_the_end_of_a_year(tmp_path: Path) -> None:
    # promtool's time 0 is midnight UTC of the first of January 1970: in New York, 19:00 of the last of December.
    series = {
        'cost_usd_total{agent_type="chat"}': counter((720, 0.5)),
        'cost_usd_total{agent_type="done"}': counter((240, 0.125), (480, 0)),
        'cost_usd_total{agent_type="over"}': counter((290, 0.5), (430, 0)),
    }
    chat, done, over = (f'{{agent_type="{agent}"}}' for agent in ("chat", "done", "over"))
    replay(
        tmp_path,
        monthly(tmp_path, "America/New_York"),
        series,
        near("4h55m", f"slo:sli_errors:sum{chat}", 295 / 2),
        near("4h55m", f"slo:error_budget_remaining:ratio{chat}", 1 - 1.475),
        true("4h55m", 'count(ALERTS{alertname="SLOSpendBudgetExhausted"}) == bool 2'),
        near("4h55m", f"slo:sli_errors:sum{done}", 30),
        # What the sample of midnight holds was spent in the five minutes before it.
        near("5h", f"slo:sli_errors:sum{chat}", 2.5),
        near("5h", f"slo:sli_errors:sum{done}", 0),
        near("5h", f"slo:error_budget_remaining:ratio{over}", 1),
        nothing("5h", 'ALERTS{alertname="SLOSpendBudgetExhausted"}'),
        near("12h", f"slo:sli_errors:sum{chat}", (7 * 60 + 5) / 2),
        near("12h", "count(slo:sli_errors:sum)", 3),
        near("12h", 'count(slo:sli_errors:sum{slo_window="month"})', 3),
        near("12h", 'slo:sli_error:ratio{agent_type="chat",slo_window="month"}', 2.125),
    )
