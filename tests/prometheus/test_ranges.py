"""Range queries through the door to Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

import pytest

from deploy.stack.servers import Prometheus as RealPrometheus
from slo_engine.connect import Connection
from slo_engine.prometheus import Prometheus, PrometheusError, Series
from tests.prometheus.test_client import saying, serving

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with (
        RealPrometheus(tmp_path_factory.mktemp("prometheus")) as server,
        closing(Prometheus(Connection(server.url))) as opened,
    ):
        yield opened


def test_a_range_has_a_point_at_every_step_both_ends_included(door: Prometheus) -> None:
    (series,) = door.query_range("vector(time())", START, START + 2 * MINUTE, MINUTE).series
    at = START.timestamp()
    assert series == Series({}, ((at, at), (at + 60, at + 60), (at + 120, at + 120)))


def test_a_step_without_a_value_is_left_out_and_nan_is_kept(door: Prometheus) -> None:
    expr = "(vector(time()) % 120 == 0) * NaN"
    (series,) = door.query_range(expr, START, START + 3 * MINUTE, MINUTE).series
    assert [at - START.timestamp() for at, _ in series.points] == [0, 120]
    assert all(math.isnan(value) for _, value in series.points)


def test_more_steps_than_prometheus_gives_are_refused_with_its_reason(door: Prometheus) -> None:
    with pytest.raises(PrometheusError, match="11,000") as caught:
        door.query_range("vector(1)", START, START + timedelta(days=30), MINUTE)
    assert caught.value.kind == "bad_query"


def test_a_range_is_sent_in_the_body_with_its_deadline() -> None:
    seen: list[dict[str, list[str]]] = []

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        seen.append(parse_qs(body.decode()))
        saying(200, {"status": "success", "data": {"resultType": "matrix", "result": []}})(handler, body)

    with serving(answer) as url, closing(Prometheus(Connection(url, timeout=3.0))) as opened:
        assert opened.query_range("up", START, START + MINUTE, MINUTE).series == ()
    at = int(START.timestamp())
    assert seen == [
        {"query": ["up"], "start": [str(at)], "end": [str(at + 60)], "step": ["60s"], "timeout": ["2850ms"]}
    ]


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ([{"metric": {}, "value": [1, "1"]}], "not_prometheus"),
        ([{"metric": {}, "values": [[1]]}], "not_prometheus"),
        ([{"metric": {}, "values": [[1, "many"]]}], "not_prometheus"),
        ({"a": 1}, "not_prometheus"),
    ],
)
def test_json_that_is_no_range_is_said_to_be_none(result: object, kind: str) -> None:
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    with (
        serving(saying(200, body)) as url,
        closing(Prometheus(Connection(url))) as opened,
        pytest.raises(PrometheusError) as caught,
    ):
        opened.query_range("up", START, START + MINUTE, MINUTE)
    assert caught.value.kind == kind


def test_labels_and_values_of_several_series_stay_apart() -> None:
    body = {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [
                {"metric": {"a": "x"}, "values": [[1, "0.5"], [61, "NaN"]]},
                {"metric": {"a": "y"}, "values": [[61, "+Inf"]]},
            ],
        },
        "warnings": ["half of it is missing"],
    }
    with serving(saying(200, body)) as url, closing(Prometheus(Connection(url))) as opened:
        found = opened.query_range("up", START, START + MINUTE, MINUTE)
    assert [(dict(series.labels), len(series.points)) for series in found.series] == [({"a": "x"}, 2), ({"a": "y"}, 1)]
    assert found.series[1].points == ((61.0, float("inf")),)
    assert found.warnings == ("half of it is missing",)
