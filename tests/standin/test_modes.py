"""How the stand-in behaves: its write modes, which may change while it runs, and its faults."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from deploy.stack.standin.app import Mode, StandIn
from tests.standin.recordings import Recording, recording, recordings
from tests.standin.replay import ask, get, observed

V2, METRICS, V3_SCORES = "/api/public/v2/observations", "/api/public/v2/metrics", "/api/public/v3/scores"
V1, V1_TRACES = "/api/public/observations", "/api/public/traces"
COUNT = {
    "view": "observations",
    "metrics": [{"measure": "count", "aggregation": "count"}],
    "fromTimestamp": "2026-11-23T06:00:00Z",
    "toTimestamp": "2026-11-23T08:00:00Z",
}


@pytest.mark.parametrize(
    ("mode", "statuses"),
    [
        ("events_only", {V2: 200, METRICS: 200, V3_SCORES: 200, V1: 404, V1_TRACES: 404}),
        ("dual", {V2: 200, METRICS: 200, V3_SCORES: 200, V1: 200, V1_TRACES: 200}),
        ("legacy", {V2: 404, METRICS: 404, V3_SCORES: 200, V1: 200, V1_TRACES: 200}),
    ],
)
def test_the_mode_may_change_while_it_runs(mode: Mode, statuses: dict[str, int]) -> None:
    standin = StandIn(mode="legacy" if mode == "events_only" else "events_only")
    get(standin, V2)
    standin.mode = mode
    found = {path: get(standin, path, {"query": json.dumps(COUNT)} if path == METRICS else {}) for path in statuses}
    assert {path: answer.status_code for path, answer in found.items()} == statuses


@pytest.mark.parametrize("name", ["obs_v2", "metrics_v2"])
def test_a_server_of_v3_has_nothing_of_v2(name: str) -> None:
    each = recording("v3-legacy-mode", name)
    answer = ask(StandIn(mode="legacy"), each)
    assert (answer.status_code, answer.json()) == (each.status, each.body)


@pytest.mark.parametrize(
    "each", [each for each in recordings("v4-events-only") if each.name.startswith("gone_")], ids=lambda each: each.name
)
def test_what_v4_does_not_have_any_more_is_gone_before_the_keys_are_looked_at(each: Recording) -> None:
    answer = ask(StandIn(), each, auth=None)
    assert (answer.status_code, answer.json()) == (each.status, each.body)


def test_reads_are_refused_and_ingestion_is_not() -> None:
    standin = StandIn()
    standin.reading_refusal, standin.retry_after = 429, 7
    answer = get(standin, V2)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json()["details"] == {"retryAfterSeconds": 7}
    assert ask(standin, score(), content={"name": "ok", "value": 1}).status_code == 200
    assert get(standin, "/api/public/health").status_code == 200
    standin.reading_refusal = 503
    assert get(standin, V3_SCORES).status_code == 503
    standin.reading_refusal = None
    assert get(standin, V2).status_code == 200


def score() -> Recording:
    return Recording("", "POST", "/api/public/scores", {}, 200, None)


def test_one_endpoint_may_be_slow_alone() -> None:
    standin = StandIn()
    standin.delays[V3_SCORES] = 0.2
    begin = time.monotonic()
    get(standin, V2)
    between = time.monotonic()
    get(standin, V3_SCORES)
    assert time.monotonic() - between >= 0.2
    assert between - begin < 0.2


def test_a_server_before_the_filter_answers_as_if_there_were_none() -> None:
    standin = StandIn()
    standin.add(observed())
    standin.ignores_filter = True
    wanted: list[dict[str, Any]] = [{"type": "string", "column": "nonsense", "operator": "=", "value": "x"}]
    rows = get(standin, V2, {"filter": json.dumps(wanted), "limit": 100}).json()["data"]
    assert len(rows) == 36
    assert [row["startTime"] for row in rows] == sorted((row["startTime"] for row in rows), reverse=True)


def test_requests_are_counted_by_their_path() -> None:
    standin = StandIn()
    get(standin, V2, {"limit": 1})
    get(standin, V2, {"limit": 2})
    get(standin, V1)
    get(standin, "/api/public/nowhere")
    assert standin.asked == {V2: 2, V1: 1, "/api/public/nowhere": 1}


def test_an_endpoint_of_v3_that_is_not_played_says_so() -> None:
    answer = get(StandIn(mode="dual"), "/api/public/sessions")
    assert (answer.status_code, answer.json()["message"]) == (501, "the stand-in does not play this endpoint of v3")
