"""Recorded queries of v2 metrics, replayed.

Exactly, where the rows that were counted are here: those of ``v4-events-only``, over its 36 observations. Of the
incident they are not: its answers are compared by status, keys, their order, the types of the values, and the order of
the rows; its refusals exactly. Its time buckets are compared exactly too, over rows that are made to fit them.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from deploy.stack.standin.app import StandIn
from tests.standin.recordings import Recording, recording, recordings
from tests.standin.replay import ask, get, incident, observed, shape

PATH = "/api/public/v2/metrics"
EXACT = [each for each in recordings("v4-events-only") if each.name.startswith("metrics_")]
OF_THE_INCIDENT = [each for each in recordings("v4-events-only-incident") if each.name.startswith("metrics_")]


def query_of(each: Recording) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(each.parameters["query"])
    return found


def standin_with(rows: list[dict[str, Any]]) -> StandIn:
    standin = StandIn()
    standin.add(rows)
    return standin


def answer(standin: StandIn, **query: Any) -> Any:
    whole = {
        "view": "observations",
        "metrics": [{"measure": "count", "aggregation": "count"}],
        "fromTimestamp": "2026-11-23T06:37:25Z",
        "toTimestamp": "2026-11-23T07:08:25Z",
        **query,
    }
    return get(standin, PATH, {"query": json.dumps(whole)}).json()


@pytest.mark.parametrize("each", EXACT, ids=lambda each: each.name)
def test_a_query_over_the_small_data_set_is_answered_exactly(each: Recording) -> None:
    answered = ask(standin_with(observed()), each)
    assert answered.status_code == each.status
    if each.status != 200:
        assert answered.json() == each.body
        return
    answered_rows, recorded = answered.json()["data"], each.body["data"]
    # Rows that count the same have no order of their own.
    assert sorted(answered_rows, key=json.dumps) == sorted(recorded, key=json.dumps)
    assert [row["count_count"] for row in answered_rows] == [row["count_count"] for row in recorded]
    assert [list(row) for row in answered_rows] == [list(row) for row in recorded]


@pytest.mark.parametrize("each", OF_THE_INCIDENT, ids=lambda each: each.name)
def test_a_query_of_the_incident_is_answered_in_its_shape(each: Recording) -> None:
    standin = with_scores(incident()) if "scores" in each.name else incident()
    answered = ask(standin, each)
    assert answered.status_code == each.status
    if each.status != 200:
        assert answered.json() == each.body
        return
    rows, recorded = answered.json()["data"], each.body["data"]
    assert rows
    shapes = [shape(row) for row in recorded]
    if each.name != "metrics_tags":  # other rows have other tags
        assert [one for one in map(shape, rows) if one not in shapes] == []
    query = query_of(each)
    first = f"{query['metrics'][0]['aggregation']}_{query['metrics'][0]['measure']}"
    if query.get("timeDimension"):
        assert [row["time_dimension"] for row in rows] == [row["time_dimension"] for row in recorded]
    elif each.name != "metrics_p95_by_step":
        assert [row[first] for row in rows] == sorted((row[first] for row in rows), reverse=True)
    assert [row[first] for row in recorded] == sorted((row[first] for row in recorded), reverse=True) or query.get(
        "timeDimension"
    )


def with_scores(standin: StandIn) -> StandIn:
    """A score of the recordings for one trace that is there, and one for a trace that sampling dropped."""
    whole = recording("v4-events-only", "scores_v3").body["data"][0]
    low = recording("v4-events-only-incident", "scores_low_window").body["data"]
    root = next(row for row in standin.rows() if row["parentObservationId"] is None)
    standin.add_scores([{**whole, **low[0], "subject": {"kind": "trace", "id": root["traceId"]}}, {**whole, **low[1]}])
    return standin


def test_time_buckets_are_those_that_were_recorded() -> None:
    each = recording("v4-events-only-incident", "metrics_errors_by_minute")
    rows: list[dict[str, Any]] = []
    for bucket in each.body["data"]:
        begin = datetime.fromisoformat(bucket["time_dimension"])
        for number in range(bucket["count_count"]):
            time = (begin + timedelta(milliseconds=number * 60)).isoformat(timespec="milliseconds")
            row = {"id": f"{time}", "traceId": "t", "startTime": time.replace("+00:00", "Z")}
            rows.append({**row, "level": "ERROR", "traceName": "support_agent"})
    assert ask(standin_with(rows), each).json() == each.body


def test_a_score_is_counted_by_agent_only_where_its_trace_was_kept() -> None:
    standin = with_scores(incident())
    window = {"fromTimestamp": "2026-11-27T11:44:00Z", "toTimestamp": "2026-11-27T11:49:00Z", "view": "scores-numeric"}
    assert answer(standin, **window)["data"] == [{"count_count": 2}]
    by_agent = answer(standin, **window, dimensions=[{"field": "traceName"}])["data"]
    assert [row["count_count"] for row in by_agent] == [1]


def test_the_quantiles_lie_between_the_nearest_ranks() -> None:
    metrics = [{"measure": "latency", "aggregation": each} for each in ("p50", "p95", "max", "min", "avg", "sum")]
    (row,) = answer(standin_with([timed(1), timed(2), timed(4)]), metrics=metrics)["data"]
    expected = {"p50": 2000, "p95": 3800, "max": 4000, "min": 1000, "avg": 7000 / 3, "sum": 7000}
    assert row == pytest.approx({f"{each}_latency": value for each, value in expected.items()})


def timed(seconds: int) -> dict[str, Any]:
    end = f"2026-11-23T07:00:0{seconds}.000Z"
    return {"id": str(seconds), "traceId": "t", "startTime": "2026-11-23T07:00:00.000Z", "endTime": end}


def test_a_user_is_a_dimension_with_a_limit_and_an_order() -> None:
    order = {"orderBy": [{"field": "count_count", "direction": "desc"}], "config": {"row_limit": 1}}
    body = answer(standin_with(observed()), dimensions=[{"field": "userId"}], **order)
    assert [row["count_count"] for row in body["data"]] == [12]
    late = answer(
        standin_with(observed()), dimensions=[{"field": "userId"}], timeDimension={"granularity": "hour"}, **order
    )
    assert "cannot be used with timeDimension" in late["message"]


def test_more_rows_than_the_limit_are_cut_and_time_buckets_count_as_rows() -> None:
    window = {"fromTimestamp": "2026-11-23T05:00:00Z", "toTimestamp": "2026-11-23T08:00:00Z"}
    minutes = {"timeDimension": {"granularity": "minute"}}
    assert len(answer(standin_with(observed()), **window, **minutes)["data"]) == 100
    assert len(answer(standin_with(observed()), **window, **minutes, config={"row_limit": 1000})["data"]) == 180


def test_an_order_leaves_empty_buckets_out() -> None:
    order = {"orderBy": [{"field": "time_dimension", "direction": "asc"}]}
    (row,) = answer(standin_with(observed()), timeDimension={"granularity": "minute"}, **order)["data"]
    assert row == {"time_dimension": "2026-11-23T07:06:00Z", "count_count": 36}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"filters": [{"column": "statusMessage", "type": "string", "operator": "contains", "value": "x"}]}, "column"),
        ({"filters": [{"column": "latency", "type": "number", "operator": ">", "value": 1}]}, "column latency"),
        ({"filters": [{"column": "tags", "type": "string", "operator": "=", "value": "x"}]}, "arrayOptions"),
        ({"metrics": [{"measure": "speed", "aggregation": "avg"}]}, "Invalid metric speed"),
        ({"metrics": [{"measure": "count", "aggregation": "mean"}]}, "Invalid request data"),
        ({"orderBy": [{"field": "p95_latency", "direction": "desc"}]}, "Invalid orderBy field"),
        ({"orderBy": [{"field": "count_count"}]}, "Invalid request data"),
        ({"fromTimestamp": "2026-11-23"}, "Invalid request data"),
        ({"config": {"row_limit": 1001}}, "Invalid request data"),
    ],
)
def test_what_cannot_be_asked_is_refused(query: dict[str, Any], said: str) -> None:
    assert said in answer(standin_with(observed()), **query)["message"]


def test_what_the_stand_in_does_not_compute_is_never_guessed() -> None:
    body = answer(standin_with(observed()), dimensions=[{"field": "toolNames"}])
    assert body == {"message": "the stand-in does not play dimension toolNames"}
