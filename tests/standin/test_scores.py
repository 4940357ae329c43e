"""Scores: taken as the real server takes them, answered as it answers them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.stack.standin.app import Mode, StandIn
from tests.standin.recordings import Recording, recording
from tests.standin.replay import ask, get

PATH = "/api/public/v3/scores"
RECEIVED = datetime(2026, 11, 27, 11, 47, 51, 871000, tzinfo=UTC)
WHOLE = recording("v4-events-only", "scores_v3").body["data"]


def holding(*names: str, of: str = "v4-events-only-incident", mode: Mode = "events_only") -> StandIn:
    """With the scores that some answers show; what they do not show is as in the small data set."""
    standin = StandIn(mode=mode)
    blank: dict[str, Any] = {"comment": None, "configId": None, "metadata": {}, "authorUserId": None, "queueId": None}
    for name in names:
        for row in recording(of, name).body["data"]:
            subject = {"subject": row.get("subject", {"kind": "trace", "id": "unseen"})}
            standin.add_scores([{key: {**blank, **row, **subject}[key] for key in WHOLE[0]}])
    return standin


@pytest.mark.parametrize("name", ["scores_v3", "scores_v3_filter", "scores_v3_limit_101"])
def test_recorded_requests_are_answered_exactly(name: str) -> None:
    standin = StandIn()
    standin.add_scores(WHOLE)
    each = recording("v4-events-only", name)
    answer = ask(standin, each)
    assert (answer.status_code, answer.json()) == (each.status, each.body)
    assert keys(answer.json()) == keys(each.body)


@pytest.mark.parametrize(("folder", "mode"), [("v3-legacy-mode", "legacy"), ("v4-dual-mode", "dual")])
def test_a_server_of_every_mode_answers_scores(folder: str, mode: Mode) -> None:
    each = recording(folder, "scores_v3")
    answer = ask(holding("scores_v3", of=folder, mode=mode), each)
    assert (answer.status_code, answer.json()["data"]) == (each.status, each.body["data"])


@pytest.mark.parametrize("name", ["scores_low", "scores_low_window"])
def test_low_scores_of_an_incident_are_found(name: str) -> None:
    """Six of fifty and of seventy were kept: so they come whole, and how the page ends cannot be compared."""
    each = recording("v4-events-only-incident", name)
    body = ask(holding("scores_low", "scores_low_window", "scores_all_fields"), each).json()
    assert body["data"] == each.body["data"]
    assert keys(body) == keys(each.body)
    assert body["meta"]["limit"] == each.body["meta"]["limit"]


def test_a_page_of_scores_ends_in_a_cursor() -> None:
    """Its five rows were stamped in the year 9999, all the same: they have no order of their own."""
    each = recording("v4-events-only-incident", "scores_all_fields")
    standin = holding("scores_all_fields", "scores_low")
    body = ask(standin, each).json()
    assert sorted(row["id"] for row in body["data"]) == sorted(row["id"] for row in each.body["data"])
    assert keys(body) == keys(each.body)
    rest = get(standin, PATH, {**each.parameters, "cursor": body["meta"]["cursor"]}).json()
    again = get(standin, PATH, {**each.parameters, "limit": 100, "cursor": each.body["meta"]["cursor"]}).json()
    assert [row["timestamp"][:4] for row in rest["data"]] == ["2026"] * 5
    assert {row["id"] for row in again["data"]} >= {row["id"] for row in rest["data"]}


def keys(body: Any) -> Any:
    return [list(row) for row in body.get("data", ())] or list(body)


def post(standin: StandIn, score: Any) -> Any:
    standin.clock = lambda: RECEIVED
    return ask(standin, Recording("", "POST", "/api/public/scores", {}, 200, None), content=score)


def test_a_score_is_stamped_with_the_time_at_which_it_was_received() -> None:
    standin = StandIn()
    sent = {"name": "grounded", "value": 0.3, "dataType": "NUMERIC", "traceId": "t-1", "environment": "production"}
    given = post(standin, {**sent, "timestamp": "2026-11-27T09:00:00Z", "comment": "made up"}).json()
    (score,) = get(standin, PATH, {"fields": "subject,details,annotation"}).json()["data"]
    shown = recording("v4-events-only-incident", "scores_low_window").body["data"][0]
    assert list(score) == list(WHOLE[0])
    as_recorded = {key: shown[key] for key in ("timestamp", "createdAt", "environment", "source", "dataType")}
    assert score == {
        **as_recorded,
        "id": given["id"],
        "projectId": "proj-slo",
        "name": "grounded",
        "updatedAt": shown["timestamp"],
        "comment": "made up",
        "configId": None,
        "metadata": {},
        "authorUserId": None,
        "queueId": None,
        "subject": {"kind": "trace", "id": "t-1"},
        "value": 0.3,
    }


def test_an_array_of_scores_is_refused_as_4_16_refuses_that_of_sdk_5() -> None:
    each = recording("v4-events-only", "score_post_array_sdk5_style")
    answer = post(StandIn(), [{"name": "grounded", "value": 1}])
    assert (answer.status_code, answer.json()) == (each.status, each.body)


def test_values_are_of_the_type_of_their_score() -> None:
    standin = StandIn()
    post(standin, {"id": "1", "name": "ok", "value": 1, "dataType": "BOOLEAN", "observationId": "o", "traceId": "t"})
    post(standin, {"id": "2", "name": "verdict", "value": "bad", "sessionId": "s"})
    post(standin, {"id": "2", "name": "verdict", "value": "good", "sessionId": "s"})  # the same score, said again
    found = {row["id"]: row for row in get(standin, PATH, {"fields": "subject"}).json()["data"]}
    assert (found["1"]["value"], found["2"]["value"], found["2"]["dataType"]) == (True, "good", "CATEGORICAL")
    assert found["1"]["subject"] == {"kind": "observation", "id": "o", "traceId": "t"}
    assert found["2"]["subject"] == {"kind": "session", "id": "s"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"valueMax": 0.6},
        {"valueMin": 0.6, "dataType": "NUMERIC,BOOLEAN"},
        {"value": "true"},
        {"observationId": "o"},
        {"traceId": "t", "sessionId": "s"},
        {"fields": "everything"},
        {"fromTimestamp": "2026-11-27T11:44:00"},
        {"limit": 0},
        {"cursor": "xxx"},
    ],
)
def test_what_cannot_be_asked_is_refused(parameters: dict[str, Any]) -> None:
    assert get(StandIn(), PATH, parameters).status_code == 400


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"dataType": "boolean"}, {"success"}),
        ({"name": "success,verdict"}, {"success", "verdict"}),
        ({"environment": "default"}, {"verdict"}),
        ({"value": "bad", "dataType": "CATEGORICAL"}, {"verdict"}),
        ({"traceId": "d17f9acae01f5057ca02135e92b1d3f2", "name": "success"}, {"success"}),
        ({"source": "api"}, {"success", "verdict"}),
        ({"toTimestamp": "2026-11-23T07:07:27.726Z"}, {"success"}),
        ({"fromTimestamp": "2026-11-23T07:07:27.726Z"}, {"verdict"}),
    ],
)
def test_scores_are_filtered_as_the_openapi_document_says(parameters: dict[str, Any], names: set[str]) -> None:
    standin = StandIn()
    standin.add_scores(WHOLE)
    assert {row["name"] for row in get(standin, PATH, parameters).json()["data"]} == names
