"""The checker of requests, on requests that a real server took and on those that it refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from deploy.stack.standin.app import StandIn
from deploy.stack.standin.observations import COLUMNS
from deploy.stack.standin.views import VIEWS
from tests.standin import contract, contract_json
from tests.standin.contract import ContractError, HeldToTheContract, check_request
from tests.standin.recordings import Recording, recordings
from tests.standin.replay import KEYS

FOLDERS = ("v4-events-only", "v4-events-only-incident", "v4-events-only-extra", "v3-legacy-mode", "v4-dual-mode")
USED = ("/health", "/projects", "/observations", "/metrics", "/v3/scores", "/public/traces")
ASKED = [
    each
    for folder in FOLDERS
    for each in recordings(folder)
    if each.method == "GET" and each.path.endswith(USED) and each.path != "/api/public/metrics"
]
# Taken by the server, and answered otherwise than who asks would think.
TAKEN_AND_WRONG = {
    "obs_v2_filter_plus_query_ignored": "level says nothing beside filter",
    "obs_v2_unknown_field_group": "no field group",
    "health_failIfDatabaseUnavailable": "no parameter",
    "health_no_recent": "no parameter",
}
# Refused for what the document says nothing of.
REFUSED_AND_RIGHT = {"obs_v2_bad_cursor", "obs_v2_parseio", "obs_v2_unauthorized", "no_auth_bearer", "traces_limit_0"}


@pytest.mark.parametrize("each", [each for each in ASKED if each.status in (200, 404)], ids=lambda each: f"{each.name}")
def test_what_a_real_server_took_is_right(each: Recording) -> None:
    if each.name in TAKEN_AND_WRONG:
        with pytest.raises(ContractError, match=TAKEN_AND_WRONG[each.name]):
            check_request(each.method, each.path, each.parameters)
        return
    check_request(each.method, each.path, each.parameters)
    as_text = {name: value if isinstance(value, list) else str(value) for name, value in each.parameters.items()}
    check_request(each.method, f"/prefix{each.path}", as_text)


@pytest.mark.parametrize("each", [each for each in ASKED if each.status in (400, 401)], ids=lambda each: each.name)
def test_what_a_real_server_refused_is_wrong(each: Recording) -> None:
    if each.name in REFUSED_AND_RIGHT:
        check_request(each.method, each.path, each.parameters)
        return
    with pytest.raises(ContractError):
        check_request(each.method, each.path, each.parameters)


def conditions(*more: dict[str, Any]) -> dict[str, str]:
    window = {"type": "datetime", "column": "startTime", "operator": ">=", "value": "2026-11-27T11:44:00Z"}
    return {"filter": json.dumps([window, *more])}


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"type": "string", "column": "agent", "operator": "=", "value": "x"}, "no column agent"),
        ({"type": "string", "column": "name", "operator": "like", "value": "x"}, "no operator 'like'"),
        ({"type": "string", "column": "name", "operator": "matches", "value": "x"}, "does not work on name"),
        ({"type": "number", "column": "latency", "operator": ">", "value": "2"}, "no number"),
        ({"type": "stringOptions", "column": "type", "operator": "any of", "value": "TOOL"}, "no list"),
        ({"type": "stringObject", "column": "metadata", "operator": "=", "value": "v12"}, "a key belongs"),
        ({"type": "datetime", "column": "endTime", "operator": "<", "value": "2026-11-27T11:44:00"}, "offset"),
        ({"type": "boolean", "column": "isRootObservation", "operator": "=", "value": "true"}, "neither"),
    ],
)
def test_a_condition_is_held_to_the_columns_and_operators_of_the_document(condition: Any, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_request("GET", "/api/public/v2/observations", conditions(condition))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"view": "traces"}, "no view 'traces'"),
        ({"dimensions": [{"field": "statusMessage"}]}, "no dimension statusMessage"),
        ({"dimensions": [{"field": "userId"}]}, "userId need config.row_limit"),
        ({"metrics": [{"measure": "value", "aggregation": "avg"}]}, "no measure value"),
        ({"metrics": [{"measure": "latency", "aggregation": "p42"}]}, "no aggregation p42"),
        ({"metrics": []}, "no metrics"),
        ({"timeDimension": {"granularity": "second"}}, "no granularity second"),
        ({"orderBy": [{"field": "p95_latency", "direction": "desc"}]}, "no field p95_latency"),
        ({"config": {"row_limit": 5000}}, "row_limit is 5000"),
        ({"filters": [{"type": "string", "column": "statusMessage", "operator": "=", "value": "x"}]}, "no column"),
        ({"toTimestamp": "2026-11-27T11:40:00Z"}, "ends before it begins"),
        ({"limit": 10}, "no limit in a query"),
    ],
)
def test_a_query_is_held_to_the_dimensions_and_measures_of_the_document(change: Any, said: str) -> None:
    query = {
        "view": "observations",
        "metrics": [{"measure": "count", "aggregation": "count"}],
        "fromTimestamp": "2026-11-27T11:44:00Z",
        "toTimestamp": "2026-11-27T11:49:00Z",
    }
    check_request("GET", "/api/public/v2/metrics", {"query": json.dumps(query)})
    with pytest.raises(ContractError, match=said):
        check_request("GET", "/api/public/v2/metrics", {"query": json.dumps({**query, **change})})


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"valueMax": 0.6}, "need dataType=NUMERIC"),
        ({"limit": 101}, "more than 100"),
        ({"fields": "subject,comments"}, "no field group 'comments'"),
        ({"valueMax": "low", "dataType": "NUMERIC"}, "no number"),
        ({"agent": "x"}, "no parameter agent"),
        ({"name": ["a", "b"]}, "more than once"),
    ],
)
def test_a_request_for_scores_is_held_to_the_document(params: Any, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_request("GET", "/api/public/v3/scores", params)


def test_a_score_that_is_sent_is_held_to_the_document() -> None:
    check_request("POST", "/api/public/scores", body={"name": "grounded", "value": 0.3, "traceId": "t"})
    with pytest.raises(ContractError, match="value is missing in the body; no agent in the body"):
        check_request("POST", "/api/public/scores", body={"name": "grounded", "agent": "x"})


# Documented, and answered by the stand-in with 501 or 400: no reader of this project asks for them.
NOT_PLAYED = {"countScores", "input", "output", "tokensPerSecond"}


def test_the_stand_in_plays_the_columns_of_the_document_and_no_others() -> None:
    columns = set(contract_json.documented_columns(described("/api/public/v2/observations", "filter")))
    assert columns - COLUMNS.keys() == NOT_PLAYED - {"countScores"}
    others = {"release", "providedModelName", "parentObservationId"}  # recorded, an alias, and of the source
    assert COLUMNS.keys() - columns <= others


@pytest.mark.parametrize("name", VIEWS)
def test_the_stand_in_plays_the_dimensions_and_measures_of_the_document_and_no_others(name: str) -> None:
    operation = contract.document()["paths"]["/api/public/v2/metrics"]["get"]
    view = contract_json.documented_views(operation["description"])[name]
    assert VIEWS[name].dimensions.keys() == view.dimensions | view.high_cardinality
    assert VIEWS[name].high_cardinality == view.high_cardinality
    assert view.measures - VIEWS[name].measures.keys() <= NOT_PLAYED
    assert VIEWS[name].measures.keys() <= view.measures


def described(path: str, parameter: str) -> str:
    known = contract.document()["paths"][path]["get"]["parameters"]
    return str(next(each for each in known if each["name"] == parameter)["description"])


def test_a_transport_holds_every_request_to_the_contract() -> None:
    async def ask() -> None:
        transport = HeldToTheContract(httpx.ASGITransport(app=StandIn().app))
        async with httpx.AsyncClient(transport=transport, base_url="http://langfuse", auth=KEYS) as client:
            answer = await client.get("/api/public/v3/scores", params={"limit": 10})
            assert (answer.status_code, transport.checked) == (200, 1)
            with pytest.raises(ContractError):
                await client.get("/api/public/v3/scores", params={"limit": 1000})

    asyncio.run(ask())
