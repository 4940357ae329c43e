"""The stand-in for LangFuse answers as the real server did: same data in, every recorded request replayed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from deploy.stack.standin.app import StandIn
from tests.standin.recordings import Recording, recording, recordings

KEYS = ("pk-lf-local", "sk-lf-local")
REPLAYED = [
    each
    for each in recordings("v4-events-only")
    if each.name != "obs_v2_all_fields" and not each.name.startswith(("metrics_", "scores_", "score_"))
]


def ask(standin: StandIn, each: Recording, auth: tuple[str, str] | None = KEYS) -> httpx.Response:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app=standin.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://langfuse", auth=auth) as client:
            return await client.request(each.method, each.path, params=each.parameters)

    return asyncio.run(request())


def loaded() -> StandIn:
    standin = StandIn()
    standin.add(recording("v4-events-only", "obs_v2_all_fields").body["data"])
    return standin


def in_any_order_of_ties(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Observations that start in the same millisecond have no order of their own."""
    return sorted(rows, key=lambda row: (row["startTime"], row["id"]), reverse=True)


@pytest.mark.parametrize("each", REPLAYED, ids=lambda each: each.name)
def test_the_stand_in_answers_a_recorded_request_as_the_real_server_did(each: Recording) -> None:
    wrong_keys = each.name == "obs_v2_unauthorized"
    answer = ask(loaded(), each, auth=("pk-lf-local", "wrong") if wrong_keys else KEYS)
    assert answer.status_code == each.status
    body = answer.json()
    if each.status != 200 or "data" not in each.body:
        assert body == each.body
        return
    assert ("cursor" in body.get("meta", {})) == ("cursor" in each.body.get("meta", {}))
    if each.name == "projects":
        assert body == each.body
        return
    expected = in_any_order_of_ties(each.body["data"])
    if "toStartTime" not in each.parameters and "filter" not in each.parameters:
        # Recorded without a window, on a server that went on receiving: only the shape can be compared.
        assert len(body["data"]) == len(expected)
        assert set(body["data"][0]) == set(expected[0])
        return
    assert in_any_order_of_ties(body["data"]) == expected
    assert [row["startTime"] for row in body["data"]] == sorted((row["startTime"] for row in expected), reverse=True)


def test_pages_follow_one_another_without_a_gap_or_a_repeat() -> None:
    standin, first = loaded(), recording("v4-events-only", "obs_v2_page1")
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        parameters = {**first.parameters, **({"cursor": cursor} if cursor else {})}
        body = ask(standin, Recording("page", "GET", first.path, parameters, 200, None)).json()
        seen += [row["id"] for row in body["data"]]
        cursor = body["meta"].get("cursor")
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 36


def test_a_cursor_that_the_real_server_gave_is_understood() -> None:
    second = recording("v4-events-only", "obs_v2_page2")
    assert "cursor" in second.parameters
    answer = ask(loaded(), second).json()
    assert [row["id"] for row in answer["data"]] == [row["id"] for row in second.body["data"]]


def test_a_v3_server_has_no_v2_endpoint() -> None:
    recorded = recording("v3-legacy-mode", "obs_v2")
    answer = ask(StandIn(mode="legacy"), recorded)
    assert (answer.status_code, answer.json()) == (recorded.status, recorded.body)


def test_v1_answers_have_the_shape_of_the_real_ones() -> None:
    standin = StandIn(mode="legacy")
    standin.add(recording("v4-events-only", "obs_v2_all_fields").body["data"])
    recorded = recording("v3-legacy-mode", "observations_v1_level_error")
    window = {"fromStartTime": "2026-11-23T06:37:25Z", "toStartTime": "2026-11-23T07:08:25Z", "level": "ERROR"}
    body = ask(standin, Recording("v1", "GET", recorded.path, {**window, "limit": 4}, 200, None)).json()
    assert body["meta"] == {"page": 1, "limit": 4, "totalItems": 6, "totalPages": 2}
    read_by_the_engine = {
        *("id", "traceId", "startTime", "projectId", "parentObservationId", "type", "name"),
        *("level", "statusMessage", "model", "latency"),
    }
    assert read_by_the_engine <= set(body["data"][0])
    assert read_by_the_engine <= set(recorded.body["data"][0])
    assert {row["level"] for row in body["data"]} == {"ERROR"}
