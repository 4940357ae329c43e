"""The reader of LangFuse, against recorded answers and against the stand-in that is held to them. Every request is held
to LangFuse's OpenAPI document."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from deploy.stack.standin.app import Mode, StandIn
from slo_engine.connect import Connection
from slo_engine.traces import HEALTHY_LEVELS, LangFuse, Observations, Selection, TracesError, UnsupportedError
from slo_engine.traces.langfuse import MAX_RESPONSE_BYTES
from tests.standin.contract import HeldToTheContract
from tests.standin.recordings import recording, recordings

T = TypeVar("T")

SINCE, UNTIL = datetime(2026, 11, 23, 6, 37, 25, tzinfo=UTC), datetime(2026, 11, 23, 7, 8, 25, tzinfo=UTC)
INCIDENT = datetime(2026, 11, 27, 11, 44, tzinfo=UTC), datetime(2026, 11, 27, 11, 49, tzinfo=UTC)
KEYS = ("pk-lf-local", "sk-lf-local")
SDK_5 = {"scope.name": "langfuse-sdk", "scope.version": "5.0.4"}
ERRORS = Selection(SINCE, UNTIL, levels=("ERROR",))
BILLING = replace(ERRORS, tags=("agent:billing-agent",))


def standin(mode: Mode = "events_only") -> httpx.AsyncBaseTransport:
    server = StandIn(mode=mode)
    server.add(recording("v4-events-only", "obs_v2_all_fields").body["data"])
    return HeldToTheContract(httpx.ASGITransport(app=server.app))


def answering(status: int, content: bytes | Mapping[str, object], **headers: str) -> httpx.AsyncBaseTransport:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx.MockTransport(lambda _: httpx.Response(status, content=body, headers=headers))


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


def soon() -> float:
    return time.monotonic() + 30


def reading(wanted: Selection = ERRORS, most: int = 5000) -> Callable[[LangFuse], Awaitable[Observations]]:
    return lambda door: door.observations(wanted, most=most, deadline=soon())


def ids(found: Iterable[Any]) -> list[str]:
    return sorted(row["id"] if isinstance(row, dict) else row.id for row in found)


@pytest.mark.parametrize("mode", ["events_only", "dual", "legacy"])
def test_errors_of_one_agent_are_found_on_v4_and_on_v3(mode: Mode) -> None:
    found = ask(standin(mode), reading(BILLING))
    assert ids(found.rows) == ids(recording("v4-events-only", "obs_v2_filter_error_tag").body["data"])
    assert not found.is_partial


def test_roots_and_steps_are_asked_for_separately() -> None:
    roots, steps = (ask(standin(), reading(replace(BILLING, is_root=is_root))) for is_root in (True, False))
    assert {row.is_root for row in roots.rows} == {True}
    assert {row.is_root for row in steps.rows} == {False}
    assert len(roots.rows) + len(steps.rows) == 3


@pytest.mark.parametrize(
    ("narrowed", "key", "value"),
    [
        ({"name": "web_search"}, "name", "web_search"),
        ({"type": "TOOL"}, "type", "TOOL"),
        ({"environment": "production"}, "environment", "production"),
        ({"trace_name": "billing-agent"}, "traceName", "billing-agent"),
    ],
)
def test_the_server_is_asked_for_what_is_meant(narrowed: dict[str, Any], key: str, value: str) -> None:
    rows = recording("v4-events-only", "obs_v2_all_fields").body["data"]
    expected = [row for row in rows if row[key] == value and row["level"] == "ERROR"]
    found = ask(standin(), reading(replace(ERRORS, **narrowed)))
    assert ids(found.rows) == ids(expected)


def test_what_did_not_fail_is_all_levels_but_one() -> None:
    rows = recording("v4-events-only", "obs_v2_all_fields").body["data"]
    found = ask(standin(), reading(replace(ERRORS, levels=HEALTHY_LEVELS)))
    assert ids(found.rows) == ids(row for row in rows if row["level"] != "ERROR")


def test_all_tags_must_be_there() -> None:
    assert len(ask(standin(), reading(replace(ERRORS, tags=("agent:billing-agent", "team:payments")))).rows) == 3
    assert ask(standin(), reading(replace(ERRORS, tags=("agent:billing-agent", "team:other")))).rows == ()


def test_metadata_is_found_whichever_sdk_sent_it() -> None:
    wanted = Selection(*INCIDENT, metadata=(("prompt_version", "v12"),))
    ours = recording("v4-events-only-incident", "obs_roots_error").body["data"]
    of_sdk_5 = [{**row, "id": f"sdk5-{row['id']}", "metadata": SDK_5 | {"prompt_version": "v12"}} for row in ours]
    server = StandIn()
    server.add([*ours, *of_sdk_5])
    found = ask(HeldToTheContract(httpx.ASGITransport(app=server.app)), reading(wanted))
    assert ids(found.rows) == ids(row for row in [*ours, *of_sdk_5] if row["metadata"]["prompt_version"] == "v12")
    assert len(found.rows) > len(of_sdk_5)
    metadata = found.rows[0].metadata
    assert metadata is not None
    assert metadata["prompt_version"] == "v12"
    assert not [key for key in metadata if "." in key]  # what OpenTelemetry adds


def test_nothing_outside_the_window_is_found() -> None:
    assert ask(standin(), reading(replace(ERRORS, since=SINCE - timedelta(days=1), until=SINCE))).rows == ()


def test_what_was_not_asked_for_is_dropped_though_the_server_sent_it() -> None:
    rows = recording("v4-events-only", "obs_v2_all_fields").body["data"]
    found = ask(answering(200, {"data": rows, "meta": {}}), reading(replace(BILLING, is_root=True)))
    assert {(row.level, row.is_root) for row in found.rows} == {("ERROR", True)}
    assert all(row.tags is not None and "agent:billing-agent" in row.tags for row in found.rows)
    assert found.unasked > 0


def test_a_link_leads_to_where_people_open_langfuse() -> None:
    row = ask(standin(), reading(BILLING)).rows[0]
    door = LangFuse(Connection("http://langfuse/"), public_url="https://traces.example/")
    assert door.url_of(row) == f"https://traces.example/project/proj-slo/traces/{row.trace_id}"


def test_a_link_leads_to_the_same_rows_in_langfuses_own_table() -> None:
    door = LangFuse(Connection("http://langfuse/"), public_url="https://traces.example/")
    wanted = replace(BILLING, tags=("a:b,c;d", "e"), is_root=True, metadata=(("k", "v"),))
    found = urlsplit(door.filtered_url("p", wanted))
    assert f"{found.scheme}://{found.netloc}{found.path}" == "https://traces.example/project/p/observations"
    asked = dict(parse_qsl(found.query))
    assert asked["dateRange"] == f"{int(SINCE.timestamp() * 1000)}-{int(UNTIL.timestamp() * 1000)}"
    assert asked["filter"].split(",") == [
        "level;string;;=;ERROR",
        "traceTags;arrayOptions;;all of;a%3Ab%2Cc%3Bd|e",
        "isRootObservation;boolean;;=;true",
        "metadata;stringObject;k;contains;v",
    ]


def test_recorded_answers_of_a_v3_server_are_understood() -> None:
    gone = recording("v3-legacy-mode", "obs_v2")
    v1 = recording("v3-legacy-mode", "observations_v1_filter_error_tag")

    def answer(request: httpx.Request) -> httpx.Response:
        recorded = gone if "/v2/" in request.url.path else v1
        return httpx.Response(recorded.status, json=recorded.body)

    wanted = replace(everything_of_one_window(), levels=("ERROR",), tags=BILLING.tags)
    found = ask(httpx.MockTransport(answer), reading(wanted))
    assert ids(found.rows) == ids(v1.body["data"])


def everything_of_one_window() -> Selection:
    return Selection(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


OBSERVATIONS = [
    (mode, each.name)
    for mode in ("v4-events-only", "v4-events-only-extra", "v4-events-only-incident", "v4-dual-mode", "v3-legacy-mode")
    for each in recordings(mode)
    if each.method == "GET" and each.path.endswith(("/observations", "/v2/observations")) and each.status == 200
]


@pytest.mark.parametrize(("mode", "name"), OBSERVATIONS, ids=lambda each: each)
def test_every_recorded_row_is_read(mode: str, name: str) -> None:
    recorded = recording(mode, name)
    is_v1 = "/v2/" not in recorded.path

    def answer(request: httpx.Request) -> httpx.Response:
        if is_v1 and "/v2/" in request.url.path:
            return httpx.Response(404, json={})
        body = {**recorded.body, "meta": {"totalPages": 1} if is_v1 else {}}
        return httpx.Response(200, json=body)

    found = ask(httpx.MockTransport(answer), reading(everything_of_one_window()))
    assert ids(found.rows) == sorted({row["id"] for row in recorded.body["data"]})


REFUSED = [
    (mode, each.name)
    for mode in ("v4-events-only", "v4-events-only-extra", "v3-legacy-mode")
    for each in recordings(mode)
    if each.status in (400, 401, 404, 405)
]


@pytest.mark.parametrize(("mode", "name"), REFUSED, ids=lambda each: each)
def test_every_recorded_refusal_is_an_error_with_its_reason(mode: str, name: str) -> None:
    recorded = recording(mode, name)
    transport = httpx.MockTransport(lambda _: httpx.Response(recorded.status, json=recorded.body))
    with pytest.raises(TracesError) as caught:
        ask(transport, reading())
    assert not caught.value.is_outage


def test_the_filter_repeats_the_window_because_it_replaces_the_parameters() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"data": [], "meta": {}})

    ask(httpx.MockTransport(answer), reading(replace(ERRORS, tags=("agent_type:x",))))
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
    assert len(ask(transport, reading()).rows) == 3


def test_a_row_that_comes_twice_is_one() -> None:
    rows = recording("v4-events-only", "obs_v2_filter_error_tag").body["data"]
    pages = [{"data": rows, "meta": {"cursor": "more"}}, {"data": rows[-1:], "meta": {}}]
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=pages.pop(0)))
    assert len(ask(transport, reading()).rows) == 3


def test_reading_ends_where_enough_was_read_and_says_that_there_is_more() -> None:
    found = ask(standin(), reading(ERRORS, most=2))
    whole = ask(standin(), reading(ERRORS))
    assert (found.is_partial, whole.is_partial) == (True, False)
    assert found.rows == whole.rows[:2]


def test_an_endless_server_is_not_read_for_ever() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"data": [], "meta": {"cursor": "always more"}})

    assert ask(httpx.MockTransport(answer), reading()).is_partial
    assert len(asked) < 10


def test_at_the_deadline_what_was_read_is_used() -> None:
    rows = recording("v4-events-only", "obs_v2_filter_error_tag").body["data"]

    async def answer(request: httpx.Request) -> httpx.Response:
        if "cursor" in request.url.params:
            await asyncio.sleep(5)
        return httpx.Response(200, json={"data": rows, "meta": {"cursor": "more"}})

    def read(door: LangFuse) -> Awaitable[Observations]:
        return door.observations(ERRORS, most=5000, deadline=time.monotonic() + 0.3)

    found = ask(httpx.MockTransport(answer), read)
    assert (len(found.rows), found.is_partial) == (3, True)


def test_of_an_answer_that_is_too_large_the_rows_that_fit_are_used() -> None:
    row = {"level": "ERROR", "startTime": "2026-11-23T07:00:00Z", "statusMessage": 'a "quoted" [{}] \\' * 1000}
    rows = [{**row, "id": str(number), "traceId": str(number)} for number in range(700)]
    body = json.dumps({"data": rows, "meta": {"cursor": "more"}}).encode()
    assert len(body) > MAX_RESPONSE_BYTES
    found = ask(answering(200, body), reading())
    assert found.is_partial
    assert [each.id for each in found.rows] == [str(number) for number in range(len(found.rows))]
    assert 0.9 < len(found.rows) / (700 * MAX_RESPONSE_BYTES / len(body)) <= 1


def test_slow_runs_are_found_by_their_latency() -> None:
    recorded = recording("v4-events-only", "obs_v2_all_fields").body["data"]
    slow = Selection(SINCE, UNTIL, is_root=True, slower_than=0.01)
    fast = Selection(SINCE, UNTIL, is_root=True, at_most=0.01)
    roots = [row for row in recorded if row["isRootObservation"] and row["latency"] is not None]
    assert ids(ask(standin(), reading(slow)).rows) == ids(row for row in roots if row["latency"] > 0.01)
    assert ids(ask(standin(), reading(fast)).rows) == ids(row for row in roots if row["latency"] <= 0.01)


def test_a_v3_server_cannot_list_by_latency_and_is_not_broken() -> None:
    with pytest.raises(UnsupportedError, match="v4 can"):
        ask(standin("legacy"), reading(Selection(SINCE, UNTIL, slower_than=1.0)))


@pytest.mark.parametrize(
    ("before", "after"), [("legacy", "events_only"), ("events_only", "legacy"), ("legacy", "dual")]
)
def test_a_server_may_change_its_mode_while_we_run(before: Mode, after: Mode) -> None:
    server = StandIn(mode=before)
    server.add(recording("v4-events-only", "obs_v2_all_fields").body["data"])

    async def read(door: LangFuse) -> list[int]:
        first = await door.observations(BILLING, most=100, deadline=soon())
        server.mode = after
        return [len(first.rows), len((await door.observations(BILLING, most=100, deadline=soon())).rows)]

    assert ask(httpx.ASGITransport(app=server.app), read) == [3, 3]


def test_the_server_counts() -> None:
    def count(door: LangFuse) -> Awaitable[Any]:
        return door.counts(ERRORS, by=("traceName",), deadline=soon())

    found = ask(standin(), count)
    rows = recording("v4-events-only", "obs_v2_all_fields").body["data"]
    names = {row["traceName"] for row in rows if row["level"] == "ERROR"}
    assert {each.values["traceName"] for each in found} == names
    assert sum(each.number for each in found) == sum(row["level"] == "ERROR" for row in rows)
    with pytest.raises(UnsupportedError):
        ask(standin("legacy"), count)


def test_the_server_counts_by_everything_that_an_slo_may_be_tied_by() -> None:
    wanted = replace(BILLING, is_root=True, environment="default", trace_name="billing-agent", metadata=(("k", "v"),))
    for each in (BILLING, wanted, replace(BILLING, model="gpt-5-mini", type="GENERATION", name="chat")):
        found = ask(standin(), lambda door, each=each: door.counts(each, deadline=soon()))  # type: ignore[misc]
        assert sum(count.number for count in found) == len(ask(standin(), reading(each)).rows)


def test_low_scores_are_found_by_name_value_and_time() -> None:
    recorded = recording("v4-events-only-incident", "scores_low_window").body["data"]
    server = StandIn()
    server.add_scores(recorded)
    since, until = INCIDENT

    def read(at_most: float) -> Any:
        return ask(
            HeldToTheContract(httpx.ASGITransport(app=server.app)),
            lambda door: door.scores("grounded", since, until, at_most=at_most, most=300, deadline=soon()),
        )

    found = read(0.6)
    assert len(found.rows) == len(recorded) > 0
    assert not found.is_partial
    assert {each.value <= 0.6 for each in found.rows} == {True}
    assert read(0.0).rows == ()


def test_a_yes_is_one_and_a_no_is_zero() -> None:
    server = StandIn()
    base = recording("v4-events-only-incident", "scores_low_window").body["data"][0]
    yes_and_no = [
        {**base, "id": str(n), "dataType": "BOOLEAN", "value": n % 2 == 0, "name": "solved"} for n in range(6)
    ]
    server.add_scores(yes_and_no)
    since, until = INCIDENT
    for at_most, values in ((0.5, [0.0] * 3), (1.0, [0.0] * 3 + [1.0] * 3), (None, [0.0] * 3 + [1.0] * 3)):
        found = ask(
            HeldToTheContract(httpx.ASGITransport(app=server.app)),
            lambda door, at_most=at_most: door.scores(  # type: ignore[misc]
                "solved", since, until, at_most=at_most, most=300, deadline=soon()
            ),
        )
        assert sorted(each.value for each in found.rows) == values


def test_wrong_keys_are_named_as_the_reason_and_are_no_outage() -> None:
    with pytest.raises(TracesError, match="does not accept public_key and secret_key") as caught:
        ask(standin(), reading(), keys=("pk-lf-local", "wrong"))
    assert not caught.value.is_outage


@pytest.mark.parametrize(
    ("transport", "reason", "is_outage"),
    [
        (answering(500, b"oops"), "HTTP 500", True),
        (answering(429, b"{}"), "HTTP 429", True),
        (answering(200, b"<html>login</html>"), "not JSON", False),
        (answering(200, b"[1]"), "not an object", False),
        (answering(200, {"message": "hello"}), "without data", False),
        (answering(302, b""), "HTTP 302", False),
        (answering(404, b"not here"), "has no", False),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error_with_its_reason(
    transport: httpx.AsyncBaseTransport, reason: str, is_outage: bool
) -> None:
    with pytest.raises(TracesError, match=reason) as caught:
        ask(transport, reading())
    assert caught.value.is_outage is is_outage


def test_a_server_that_is_asked_too_often_is_left_alone_for_as_long_as_it_says() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(429, json={}, headers={"retry-after": "30"})

    async def read(door: LangFuse) -> None:
        for reason in ("HTTP 429", "no more requests for 30 s"):
            with pytest.raises(TracesError, match=reason):
                await door.observations(ERRORS, most=10, deadline=soon())

    ask(httpx.MockTransport(answer), read)
    assert len(asked) == 1


def test_a_server_that_cannot_be_reached_is_an_error_without_our_keys_in_it() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connect to http://pk:sk-lf-local@langfuse failed", request=request)

    with pytest.raises(TracesError) as caught:
        ask(httpx.MockTransport(refuse), reading())
    assert "sk-lf-local" not in str(caught.value)
    assert caught.value.is_outage


def test_a_row_that_is_none_is_left_out_and_the_others_are_used() -> None:
    good = recording("v4-events-only", "obs_v2_filter_error_tag").body["data"]
    bad = [{"traceId": "t", "startTime": "yesterday"}, {"traceId": "t"}, {"startTime": "2026-11-23T07:00:00Z"}, 5, None]
    assert len(ask(answering(200, {"data": [*bad, *good], "meta": "none"}), reading()).rows) == 3


def test_half_characters_are_replaced_so_that_a_page_can_be_written() -> None:
    row = {
        "traceId": "t\ud800",
        "startTime": "2026-11-23T07:00:00Z",
        "level": "ERROR",
        "name": "n\ud800",
        "statusMessage": "m\ud800",
        "tags": ["x\ud800"],
        "metadata": {"k": "v\ud800"},
    }
    found = ask(answering(200, {"data": [row]}), reading()).rows[0]
    json.dumps([found.trace_id, found.name, found.status_message, found.tags, found.metadata]).encode()
    f"{found.trace_id}{found.name}{found.status_message}{found.tags}{found.metadata}".encode()


MODES = ("v4-events-only", "v4-events-only-extra", "v4-events-only-incident", "v4-dual-mode", "v3-legacy-mode")
COUNTED = [
    (mode, each.name)
    for mode in MODES
    for each in recordings(mode)
    if each.path.endswith("/v2/metrics") and "count_count" in json.dumps(each.body)
]


@pytest.mark.parametrize(("mode", "name"), COUNTED, ids=lambda each: each)
def test_every_recorded_count_is_read(mode: str, name: str) -> None:
    recorded = recording(mode, name)
    dimensions = [each["field"] for each in json.loads(recorded.parameters["query"]).get("dimensions", ())]
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=recorded.body))
    found = ask(transport, lambda door: door.counts(ERRORS, by=dimensions, deadline=soon()))
    assert [each.number for each in found] == [int(row["count_count"]) for row in recorded.body["data"]]
    for each, row in zip(found, recorded.body["data"], strict=True):
        assert set(each.values) == {name for name in dimensions if row.get(name) is not None}


SCORES = [(mode, each.name) for mode in MODES for each in recordings(mode) if each.path.endswith("/v3/scores")]


@pytest.mark.parametrize(("mode", "name"), SCORES, ids=lambda each: each)
def test_every_recorded_answer_about_scores_is_read_or_refused_with_its_reason(mode: str, name: str) -> None:
    recorded = recording(mode, name)
    body = recorded.body if recorded.status != 200 else {**recorded.body, "meta": {}}
    transport = httpx.MockTransport(lambda _: httpx.Response(recorded.status, json=body))
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)

    def read(of: str) -> Any:
        return ask(transport, lambda door: door.scores(of, since, until, at_most=None, most=300, deadline=soon()))

    if recorded.status != 200:
        with pytest.raises(TracesError):
            read("grounded")
        return
    numeric = [row for row in recorded.body["data"] if isinstance(row["value"], int | float) and "subject" in row]
    for of in {row["name"] for row in numeric}:
        own = [row for row in numeric if row["name"] == of and row["subject"]["kind"] == "trace"]
        assert [each.value for each in read(of).rows] == [row["value"] for row in own]
