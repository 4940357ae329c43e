"""The recorded requests of an incident, replayed.

The data of the real server, some 13,000 runs, are not here: the stand-in holds the union of the rows that the recorded
answers show (most keep six of fifty). So what can be compared is compared: status, keys and their order; every row that
is answered here and was recorded there is the same; every recorded row is answered; the order is the recorded one; and
every row that is answered satisfies what was asked, by a second reading of the conditions that shares no code with the
stand-in.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from deploy.stack.standin.app import StandIn
from tests.standin.recordings import Recording, recording, recordings
from tests.standin.replay import ask, conditions, get, incident, observed

WHOLE = [each for each in recordings("v4-events-only-incident") if each.name.startswith("obs_")]
EXTRA = [each for each in recordings("v4-events-only-extra") if each.path.endswith("/v2/observations")]
# Metadata that no other answer shows: which of its rows have the key cannot be seen.
UNSEEN = {"obs_metadata_prompt_version"}


def holds(condition: dict[str, Any], row: dict[str, Any]) -> bool:
    """A condition of the recorded requests, read a second time."""
    column, operator, value = condition["column"], condition["operator"], condition["value"]
    found = row["tags" if column in ("tags", "traceTags") else column]
    if column == "metadata":
        found = found[condition["key"]]
    if column == "startTime":
        found, value = datetime.fromisoformat(found), datetime.fromisoformat(value)
    match operator:
        case "=":
            return bool(found == value)
        case "contains":
            return value in found
        case "any of":
            return found in value
        case ">":
            return bool(found > value)
        case ">=":
            return bool(found >= value)
        case "<":
            return bool(found < value)
    raise AssertionError(operator)


@pytest.mark.parametrize("each", WHOLE, ids=lambda each: each.name)
def test_the_stand_in_answers_a_recorded_question_of_an_incident(each: Recording) -> None:
    standin = with_prompt_versions(incident()) if each.name in UNSEEN else incident()
    answer = ask(standin, each)
    body = answer.json()
    assert answer.status_code == each.status
    recorded, answered = each.body["data"], body["data"]
    by_id = {row["id"]: row for row in answered}
    assert [row for row in recorded if by_id.get(row["id"]) != row] == []
    assert [list(row) for row in answered] == [list(row) for row in recorded[:1]] * len(answered)
    assert [id_ for id_ in by_id if id_ in {row["id"] for row in recorded}] == [row["id"] for row in recorded]
    held = {row["id"]: row for row in standin.rows()}
    assert all(holds(condition, held[row["id"]]) for row in answered for condition in conditions(each))
    asked_for = [row["id"] for row in standin.rows() if satisfies(each, row)]
    assert sorted(by_id) == sorted(asked_for)
    if "_note" not in each.body:  # whole: then also how it ends
        assert ("cursor" in body["meta"]) == ("cursor" in each.body["meta"])
        assert answered == recorded


def satisfies(each: Recording, row: dict[str, Any]) -> bool:
    return all(
        holds(condition, row)
        for condition in conditions(each)
        if condition["column"] != "metadata" or condition["key"] in row["metadata"]
    ) and all(c["key"] in row["metadata"] for c in conditions(each) if c["column"] == "metadata")


def with_prompt_versions(standin: StandIn) -> StandIn:
    """The answer to a question about metadata shows no metadata: that its rows had the key is what it says."""
    shown = {row["id"] for row in recording("v4-events-only-incident", "obs_metadata_prompt_version").body["data"]}
    for row in standin.rows():
        if row["id"] in shown:
            row["metadata"] = {"scope.name": "slo-engine", **row["metadata"], "prompt_version": "v12"}
    return standin


def test_every_row_that_an_answer_left_out_is_the_only_thing_that_is_not_compared() -> None:
    kept = {each.name for each in WHOLE if "_note" in each.body}
    assert {each.name for each in WHOLE} - kept == {"obs_environment_none", "obs_whole_trace_full"}


@pytest.mark.parametrize("each", EXTRA, ids=lambda each: each.name)
def test_an_edge_case_is_answered_as_it_was(each: Recording) -> None:
    if each.name == "no_auth_bearer":
        answer = ask(StandIn(), each, auth=None)
        assert (answer.status_code, answer.json()) == (each.status, each.body)
        return
    standin = StandIn()
    # Loaded: the rows of the answer itself (those of the other answers lack the keys that this one may filter by).
    lacking = {"traceName": "billing-agent"} if each.name.startswith("filter_tracename") else {}
    standin.add([{**lacking, **row} for row in each.body.get("data", ())])
    answer = ask(standin, each)
    body = answer.json()
    assert answer.status_code == each.status
    if each.status != 200:
        assert body == each.body
        return
    assert body["data"] == each.body["data"]
    assert [list(row) for row in body["data"]] == [list(row) for row in each.body["data"]]


def metadata_filter(key: str, operator: str, value: str) -> dict[str, str]:
    wanted = [
        {"type": "datetime", "column": "startTime", "operator": ">=", "value": "2026-11-01T00:00:00Z"},
        {"type": "stringObject", "column": "metadata", "key": key, "operator": operator, "value": value},
    ]
    return {"filter": json.dumps(wanted), "limit": "1000"}


@pytest.mark.parametrize(
    ("operator", "value", "by_sdk_5", "by_sdk_4", "by_this_library"),
    [
        ("=", "billing-agent", False, True, True),
        ("=", '"billing-agent"', True, False, False),
        ("contains", "billing-agent", True, True, True),
        ("starts with", "billing", False, True, True),
        ("does not contain", "support", True, True, True),
    ],
)
def test_metadata_is_compared_as_it_was_sent(
    operator: str, value: str, by_sdk_5: bool, by_sdk_4: bool, by_this_library: bool
) -> None:
    standin = StandIn()
    for name, scope in {
        "sdk-5": {"scope.name": "langfuse-sdk", "scope.version": "5.0.4"},
        "sdk-4": {"scope.name": "langfuse-sdk", "scope.version": "4.14.3"},
        "library": {"scope.name": "slo-engine"},
        "other": None,
    }.items():
        metadata = {"agent": "billing-agent", **scope} if scope else {}
        standin.add([{"id": name, "traceId": name, "startTime": "2026-11-23T07:00:00.000Z", "metadata": metadata}])
    found = get(standin, "/api/public/v2/observations", metadata_filter("agent", operator, value)).json()["data"]
    expected = {"sdk-5": by_sdk_5, "sdk-4": by_sdk_4, "library": by_this_library, "other": False}
    assert {row["id"] for row in found} == {name for name, is_found in expected.items() if is_found}


@pytest.mark.parametrize(
    ("kind", "column", "operator", "value", "count"),
    [
        ("stringOptions", "type", "none of", ["AGENT", "TOOL"], 12),
        ("string", "name", "does not contain", "agent", 24),
        ("string", "name", "starts with", "web", 12),
        ("string", "name", "ends with", "search", 12),
        ("boolean", "isRootObservation", "<>", True, 24),
        ("arrayOptions", "tags", "none of", ["agent:billing-agent"], 12),
        ("string", "release", "=", "2026.11.1", 36),
        ("number", "totalCost", ">", 0, 12),
        ("number", "inputTokens", ">=", 120, 12),
        ("string", "providedModelName", "=", "gpt-4o-mini", 12),
        ("stringOptions", "model", "any of", ["gpt-4o-mini"], 12),
        ("string", "promptName", "=", "", 36),
        ("null", "parentObservationId", "is null", None, 12),
    ],
)
def test_the_operators_of_the_openapi_document_find_what_they_say(
    kind: str, column: str, operator: str, value: Any, count: int
) -> None:
    standin = StandIn()
    standin.add(observed())
    wanted = [
        {"type": "datetime", "column": "startTime", "operator": ">=", "value": "2026-11-01T00:00:00Z"},
        {"type": kind, "column": column, "operator": operator, "value": value},
    ]
    answer = get(standin, "/api/public/v2/observations", {"filter": json.dumps(wanted), "limit": 1000})
    assert answer.status_code == 200
    assert len(answer.json()["data"]) == count


def test_long_values_of_metadata_are_cut_unless_they_are_asked_for() -> None:
    standin = StandIn()
    metadata = {"short": "s", "long": "x" * 300, "wanted": "y" * 300}
    standin.add([{"id": "a", "traceId": "a", "startTime": "2026-11-23T07:00:00.000Z", "metadata": metadata}])
    parameters = {"fields": "metadata", "expandMetadata": "wanted"}
    (row,) = get(standin, "/api/public/v2/observations", parameters).json()["data"]
    assert {name: len(value) for name, value in row["metadata"].items()} == {"short": 1, "long": 200, "wanted": 300}
