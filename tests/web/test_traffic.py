"""The traffic of an SLO on its page, as a real Prometheus has recorded it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.connect import Connection
from slo_engine.prometheus import Prometheus, RangeResult
from slo_engine.web.pages.slo import STEPS, _asked_traffic
from tests.rules.backfilled import backfill
from tests.web.site import Site, status

pytestmark = pytest.mark.stack

EVENTS = 25.0
"""Of five minutes: 300 an hour."""


@pytest.fixture(scope="module")
def now() -> float:
    return float(int(time.time()) // 14_400 * 14_400)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, now: float) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    # Two days of records, in which an hour is missing.
    times = [int(now) - 150 - 300 * number for number in reversed(range(576)) if not 12 <= number < 24]
    record = 'slo:sli_total:stage5m{slo_service="agents",slo="success",agent_type="support_agent"}'
    other = record.replace("support_agent", "another")
    backfill(folder, {record: dict.fromkeys(times, EVENTS), other: dict.fromkeys(times, 1000.0)})
    with RealPrometheus(folder) as server, closing(Prometheus(Connection(server.url))) as opened:
        yield opened


@pytest.mark.parametrize("span", STEPS)
def test_events_are_told_by_the_hour_and_a_gap_is_a_gap(door: Prometheus, now: float, span: str) -> None:
    points = list(_asked_traffic(door, status(), span, now))
    assert {at - earlier for (earlier, _), (at, _) in pairwise(points)} == {STEPS[span]}
    known = [value for _, value in points if value is not None]
    if STEPS[span] <= 3600:
        assert set(known) == {300.0}
        assert any(value is None for _, value in points[-10:])
    else:
        assert known[-1] == pytest.approx(225.0)  # of four hours, one is missing


def test_of_what_prometheus_does_not_know_there_is_no_picture(door: Prometheus, now: float, tmp_path: Path) -> None:
    assert list(_asked_traffic(door, status("latency"), "1d", now)) == []
    assert list(_asked_traffic(None, status(), "1d", now)) == []
    gone = Prometheus(Connection("http://127.0.0.1:9", timeout=1.0))
    assert list(_asked_traffic(gone, status(), "1d", now)) == []
    site = Site(tmp_path, prometheus_door=gone)
    site.board.shown = [status()]
    page = site.ask("GET", "/slos/agents/success?label=agent_type%3Dsupport_agent")
    assert page.text.count("<figure") == 3


def test_where_the_status_could_not_be_asked_for_the_traffic_is_not_either(tmp_path: Path) -> None:
    class Hanging:
        asked = 0

        def query_range(self, *_: object) -> RangeResult:
            self.asked += 1
            return RangeResult((), ())

    hanging = Hanging()
    site = Site(tmp_path, prometheus_door=cast("Prometheus", hanging))
    site.board.tick()
    assert site.board.failure
    site.board.shown = [status()]
    assert site.ask("GET", "/slos/agents/success?label=agent_type%3Dsupport_agent&span=6h").status_code == 200
    assert hanging.asked == 0


def test_the_page_has_its_picture(door: Prometheus, tmp_path: Path) -> None:
    site = Site(tmp_path, prometheus_door=door)
    site.board.shown = [status()]
    page = site.ask("GET", "/slos/agents/success?label=agent_type%3Dsupport_agent&span=7d").text
    assert page.count("<figure") == 4
    assert "Events an hour" in page
