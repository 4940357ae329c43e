"""The reader of LangFuse, against recorded answers and against the stand-in that is held to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import httpx
import pytest

from deploy.stack.standin.app import Mode, StandIn
from slo_engine.connect import Connection
from slo_engine.evidence.causes import failed_runs, slow_runs
from slo_engine.evidence.model import Causes
from slo_engine.traces import LangFuse, TracesError
from tests.standin.recordings import recording

T = TypeVar("T")

SINCE, UNTIL = datetime(2026, 11, 23, 6, 37, 25, tzinfo=UTC), datetime(2026, 11, 23, 7, 8, 25, tzinfo=UTC)
KEYS = ("pk-lf-local", "sk-lf-local")


def standin(mode: Mode = "events_only") -> httpx.AsyncBaseTransport:
    server = StandIn(mode=mode)
    server.add(recording("v4-events-only", "obs_v2_all_fields").body["data"])
    return httpx.ASGITransport(app=server.app)


def answering(status: int, content: bytes | Mapping[str, object]) -> httpx.AsyncBaseTransport:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx.MockTransport(lambda _: httpx.Response(status, content=body))


def ask(
    transport: httpx.AsyncBaseTransport, question: Callable[[LangFuse], Awaitable[T]], keys: tuple[str, str] = KEYS
) -> T:
    async def run() -> T:
        connection = Connection("http://langfuse/", basic_auth=keys)
        door = LangFuse(connection, public_url="https://traces.example/", transport=transport)
        try:
            return await question(door)
        finally:
            await door.close()

    return asyncio.run(run())


def failures(
    *tags: str, observation: str | None = None, since: datetime = SINCE, until: datetime = UNTIL
) -> Callable[[LangFuse], Awaitable[Causes]]:
    async def read(door: LangFuse) -> Causes:
        return failed_runs(await door.failed(tags, since, until), since, until, door.url_of, name=observation)

    return read


def slower_than(seconds: float) -> Callable[[LangFuse], Awaitable[Causes]]:
    async def read(door: LangFuse) -> Causes:
        found = await door.slow([], SINCE, UNTIL, seconds=seconds)
        return slow_runs(found, SINCE, UNTIL, door.url_of, seconds=seconds)

    return read


@pytest.mark.parametrize("mode", ["events_only", "legacy"])
def test_failing_runs_of_one_agent_are_found_on_v4_and_on_v3(mode: Mode) -> None:
    found = ask(standin(mode), failures("agent:billing-agent"))
    # Three ERROR observations, of which two are roots: one tool error, one crash of the agent.
    recorded = recording("v4-events-only", "obs_v2_filter_error_tag").body["data"]
    roots = {row["traceId"] for row in recorded if row["isRootObservation"]}
    assert found.failed == len(roots) == 2
    assert {trace.id for cause in found.causes for trace in cause.examples} == roots


def test_a_link_leads_to_where_people_open_langfuse() -> None:
    found = ask(standin(), failures("agent:billing-agent"))
    link = found.causes[0].examples[0]
    assert link.url == f"https://traces.example/project/proj-slo/traces/{link.id}"


def test_all_tags_must_be_there() -> None:
    assert ask(standin(), failures("agent:billing-agent", "team:payments")).failed == 2
    assert ask(standin(), failures("agent:billing-agent", "team:other")).failed == 0


def test_failing_calls_of_a_tool_are_found_by_its_name() -> None:
    found = ask(standin(), failures(observation="web_search"))
    assert {cause.what for cause in found.causes} == {"tool web_search"}
    assert found.causes[0].message == "upstream search timed out after <n>s"


def test_nothing_outside_the_window_is_found() -> None:
    found = ask(standin(), failures(since=SINCE - timedelta(days=1), until=SINCE))
    assert found.failed == 0
    assert found.causes == ()


def test_recorded_answers_of_a_v3_server_are_understood() -> None:
    gone = recording("v3-legacy-mode", "obs_v2")
    v1 = recording("v3-legacy-mode", "observations_v1_filter_error_tag")

    def answer(request: httpx.Request) -> httpx.Response:
        recorded = gone if "/v2/" in request.url.path else v1
        return httpx.Response(recorded.status, json=recorded.body)

    found = ask(httpx.MockTransport(answer), failures("agent:billing-agent"))
    roots = {row["traceId"] for row in v1.body["data"] if row["parentObservationId"] is None}
    assert found.failed == len(roots) > 0


def test_the_filter_repeats_the_window_because_it_replaces_the_parameters() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": [], "meta": {}})

    ask(httpx.MockTransport(answer), failures("agent_type:x"))
    conditions = json.loads(seen[0].url.params["filter"])
    assert {(each["column"], each["operator"]) for each in conditions} == {
        ("level", "="),
        ("startTime", ">="),
        ("startTime", "<"),
        ("traceTags", "all of"),
    }
    assert all(each["value"].endswith("Z") for each in conditions if each["column"] == "startTime")
    assert "io" not in seen[0].url.params["fields"].split(",")


def test_an_empty_page_with_a_cursor_is_not_the_end() -> None:
    rows = recording("v4-events-only", "obs_v2_filter_error_tag").body["data"]
    pages = [{"data": [], "meta": {"cursor": "more"}}, {"data": rows, "meta": {}}]
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=pages.pop(0)))
    assert ask(transport, failures()).failed == 2


def test_reading_ends_after_a_few_pages_and_says_that_there_is_more() -> None:
    rows = recording("v4-events-only", "obs_v2_filter_error_tag").body["data"]
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"data": rows, "meta": {"cursor": "always more"}})

    found = ask(httpx.MockTransport(answer), failures())
    assert found.is_partial
    assert len(asked) == 5


def test_slow_runs_are_found_by_their_latency() -> None:
    found = ask(standin(), slower_than(0.01))
    recorded = recording("v4-events-only", "obs_v2_all_fields").body["data"]
    slow = {row["traceId"] for row in recorded if row["isRootObservation"] and (row["latency"] or 0) > 0.01}
    assert found.failed == len(slow) > 0
    assert {cause.message for cause in found.causes} == {"took longer than 0.01 s"}


def test_a_v3_server_cannot_tell_slow_runs_and_that_is_said() -> None:
    with pytest.raises(TracesError, match="v4 can"):
        ask(standin("legacy"), slower_than(1.0))


def test_wrong_keys_are_named_as_the_reason() -> None:
    with pytest.raises(TracesError, match="does not accept public_key and secret_key"):
        ask(standin(), failures(), keys=("pk-lf-local", "wrong"))


@pytest.mark.parametrize(
    ("transport", "reason"),
    [
        (answering(500, b"oops"), "HTTP 500"),
        (answering(429, b"{}"), "HTTP 429"),
        (answering(200, b"<html>login</html>"), "not JSON"),
        (answering(200, b"[1]"), "not an object"),
        (answering(200, {"message": "hello"}), "without data"),
        (answering(302, b""), "HTTP 302"),
        (answering(200, b"x" * 9_000_000), "more than"),
        (answering(404, b"not here"), "has no"),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error_with_its_reason(
    transport: httpx.AsyncBaseTransport, reason: str
) -> None:
    with pytest.raises(TracesError, match=reason):
        ask(transport, failures())


def test_a_server_that_cannot_be_reached_is_an_error_without_our_keys_in_it() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connect to http://pk:sk-lf-local@langfuse failed", request=request)

    with pytest.raises(TracesError) as caught:
        ask(httpx.MockTransport(refuse), failures())
    assert "sk-lf-local" not in str(caught.value)


def test_a_row_that_is_none_is_left_out_and_the_others_are_used() -> None:
    good = recording("v4-events-only", "obs_v2_filter_error_tag").body["data"]
    bad = [{"traceId": "t", "startTime": "yesterday"}, {"traceId": "t"}, {"startTime": "2026-11-23T07:00:00Z"}, 5, None]
    assert ask(answering(200, {"data": [*bad, *good], "meta": "none"}), failures()).failed == 2


def test_half_characters_are_replaced_so_that_a_page_can_be_written() -> None:
    row = {"traceId": "t\ud800", "startTime": "2026-11-23T07:00:00Z", "name": "n\ud800", "statusMessage": "m\ud800"}
    cause = ask(answering(200, {"data": [row]}), failures()).causes[0]
    json.dumps(cause.as_json(), ensure_ascii=False).encode()
