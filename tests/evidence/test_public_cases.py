"""Inputs from public bug reports that once gave a wrong cause or none, told with made-up names: what is right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from slo_engine.alerts.payload import parse
from slo_engine.alerts.subjects import subjects_of
from slo_engine.connect import Connection
from slo_engine.definitions import load
from slo_engine.evidence import Backends, Gatherer, sources
from slo_engine.notifications import Evidence, Message, as_payload
from slo_engine.traces import LangFuse
from slo_engine.traces.langfuse import MAX_RESPONSE_BYTES
from tests.alerts.payloads import SUCCESS_LABELS, body, notification
from tests.evidence.world import NoStatuses

SLOS = load([Path(__file__).parent.parent.parent / "slos"])
Row = dict[str, Any]
Answer = Callable[[httpx.Request], httpx.Response]


def row(trace: str, name: str, **more: Any) -> Row:
    """One observation as v2 shows it, a minute old."""
    at = datetime.now(UTC) - timedelta(minutes=1, seconds=more.pop("ago", 0))
    end = at + timedelta(seconds=1)
    return {
        "id": f"{name}-{trace}",
        "traceId": trace,
        "startTime": at.isoformat().replace("+00:00", "Z"),
        "endTime": end.isoformat().replace("+00:00", "Z"),
        "projectId": "proj-1",
        "parentObservationId": f"support_agent-{trace}",
        "type": "TOOL",
        "name": name,
        "level": "ERROR",
        "statusMessage": "boom",
        "model": "",
        "isRootObservation": False,
        "latency": 1.0,
        "environment": "default",
        "tags": ["agent_type:support_agent"],
        **more,
    }


def root(trace: str, name: str = "support_agent", **more: Any) -> Row:
    own = {"parentObservationId": None, "type": "AGENT", "isRootObservation": True, "ago": 0.1}
    return row(trace, name, **{**own, **more})


def answering(rows: Sequence[Row]) -> Answer:
    """A server that answers every question with the same rows, and has nothing but v2 observations."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/v2/observations"):
            return httpx.Response(200, json={"data": rows, "meta": {}})
        return httpx.Response(404, json={"message": "no such endpoint"})

    return answer


def evidence(answer: Answer, posted: bytes | None = None, times: int = 1) -> Evidence:
    """Of the last of some notifications about failing runs of the support agent."""

    async def gather() -> Evidence:
        door = LangFuse(Connection("http://langfuse", basic_auth=("p", "s")), transport=httpx.MockTransport(answer))
        gatherer = Gatherer(sources(Backends(NoStatuses(), door)), NoStatuses(), budget=10.0)
        group = parse(posted or body(labels=SUCCESS_LABELS))
        for _ in range(times):
            found = await gatherer.gather(subjects_of(group.alerts, SLOS, datetime.now(UTC)))
        return found

    return asyncio.run(gather())


def causes(found: Evidence) -> Mapping[str, Any]:
    (topic,) = found.topics
    section = topic.section("causes")
    assert section is not None
    assert section.data is not None
    return section.data


def counted(found: Evidence) -> list[tuple[int, str, str]]:
    return [(each["count"], each["what"], each["message"]) for each in causes(found)["causes"]]


def test_sdk_errors_keep_their_number_and_code() -> None:
    said = {
        401: (12, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: ********."),
        429: (6, "requests", "rate_limit_exceeded", "Rate limit reached for requests"),
        400: (2, "invalid_request_error", "context_length_exceeded", "maximum context length is 128000 tokens"),
    }
    rows = []
    for status, (count, kind, code, text) in said.items():
        message = f"Error code: {status} - {{'error': {{'message': '{text}', 'type': '{kind}', 'code': '{code}'}}}}"
        for number in range(count):
            trace = f"t{status}-{number}"
            call = row(trace, "chat", type="GENERATION", model="gpt-5-mini", statusMessage=message)
            rows += [call, root(trace, statusMessage=message)]
    found = counted(evidence(answering(rows)))
    assert [count for count, _, _ in found] == [12, 6, 2]
    for (_, what, message), (status, (_, _, code, _)) in zip(found, said.items(), strict=True):
        assert what == "model gpt-5-mini"
        assert str(status) in message
        assert code in message


def test_of_a_traceback_its_last_line_is_the_message() -> None:
    rows = []
    for number in range(7):
        last = "TimeoutError: search backend gave no answer" if number < 4 else "KeyError: 'invoice'"
        message = f'Traceback (most recent call last):\n  File "/app/a.py", line 3, in search\n    r = get(u)\n{last}'
        rows += [row(f"t{number}", "search", statusMessage=message), root(f"t{number}", statusMessage=message)]
    assert [(count, message) for count, _, message in counted(evidence(answering(rows)))] == [
        (4, "TimeoutError: search backend gave no answer"),
        (3, "KeyError: 'invoice'"),
    ]


def test_the_root_of_an_application_may_hang_below_a_span_of_its_web_framework() -> None:
    rows = []
    for number in range(30):
        rows += [
            row(f"t{number}", "web_search", statusMessage="search is down"),
            root(f"t{number}", statusMessage="search is down", parentObservationId=f"fastapi{number}"),
        ]
    assert counted(evidence(answering(rows))) == [(30, "tool web_search", "search is down")]


def test_a_wrapper_of_the_same_millisecond_is_not_to_blame() -> None:
    rows = []
    for number in range(6):
        trace = f"t{number}"
        wrapper = row(trace, "a-tools", type="CHAIN", statusMessage="GraphBubbleUp")
        tool = row(trace, "web_search", statusMessage="connection refused", parentObservationId=wrapper["id"])
        tool["startTime"], tool["endTime"] = wrapper["startTime"], wrapper["endTime"]
        rows += [wrapper, tool, root(trace, statusMessage="failed")]
    assert counted(evidence(answering(rows))) == [(6, "tool web_search", "connection refused")]


def test_a_top_level_step_that_failed_is_not_a_run_that_failed() -> None:
    rows = [root(f"t{n}", name="cache_lookup", type="SPAN", statusMessage="server gone") for n in range(8)]
    found = evidence(answering(rows))
    assert (causes(found)["failed"], causes(found)["causes"]) == (0, [])
    assert [(each["count"], each["what"]) for each in causes(found)["uncertain"]] == [(8, "span cache_lookup")]
    assert "whether the run did is not known" in found.topics[0].sections[0].text


def test_huge_messages_are_partial_evidence_and_not_none() -> None:
    rows = []
    for number in range(500):
        message = f"Error code: 502 - <html>{'x' * 9000}</html>"
        trace = f"t{number:03}"
        rows += [row(trace, "chat", statusMessage=message, ago=number), root(trace, statusMessage=message, ago=number)]
    assert len(json.dumps(rows)) > MAX_RESPONSE_BYTES
    found = evidence(answering(rows))
    ((count, what, message),) = counted(found)
    assert 200 < count < 500
    assert (what, "502" in message) == ("tool chat", True)
    assert causes(found)["partial"]
    assert found.missing == ()


def test_a_server_that_ignores_filters_gives_nothing_and_that_is_said() -> None:
    healthy = [
        root(f"ok{n}", name="billing_agent", level="DEFAULT", statusMessage=None, tags=["agent_type:billing_agent"])
        for n in range(40)
    ]
    old = root("bad", statusMessage="search is down", ago=9 * 86_400)

    def answer(request: httpx.Request) -> httpx.Response:
        if "/v2/" in request.url.path:
            return httpx.Response(404, json={})
        meta = {"page": 1, "limit": 100, "totalItems": 41, "totalPages": 1}
        return httpx.Response(200, json={"data": [*healthy, old], "meta": meta})

    found = evidence(answer)
    assert [topic.sections for topic in found.topics] == [()]
    assert [(each.source, "ignores filters" in each.reason) for each in found.missing] == [("langfuse", True)]


def test_what_a_server_cannot_answer_does_not_open_the_breaker() -> None:
    rows = [root("t0", parentObservationId=None, type="AGENT"), row("t0", "web_search")]

    def answer(request: httpx.Request) -> httpx.Response:
        if "/v2/" in request.url.path:
            return httpx.Response(404, json={})
        return httpx.Response(200, json={"data": rows, "meta": {"totalPages": 1}})

    posted = notification(labels={**SUCCESS_LABELS, "slo": "latency"})
    three = [
        {**alert, "labels": {**alert["labels"], "agent_type": name}, "fingerprint": name}
        for name in "abc"
        for alert in posted["alerts"]
    ]

    async def both() -> tuple[Evidence, Evidence]:
        door = LangFuse(Connection("http://langfuse", basic_auth=("p", "s")), transport=httpx.MockTransport(answer))
        gatherer = Gatherer(sources(Backends(NoStatuses(), door)), budget=10.0)
        for _ in range(5):
            slow = parse(json.dumps({**posted, "alerts": three}).encode())
            first = await gatherer.gather(subjects_of(slow.alerts, SLOS, datetime.now(UTC)))
        failing = parse(body(labels=SUCCESS_LABELS))
        return first, await gatherer.gather(subjects_of(failing.alerts, SLOS, datetime.now(UTC)))

    cannot, then = asyncio.run(both())
    assert {"v4 can" in each.reason for each in cannot.missing} == {True}
    assert counted(then) == [(1, "tool web_search", "boom")]


@pytest.mark.parametrize("alert", ["AgentHighSpend", "AgentHighLatency"])
@pytest.mark.parametrize("service", ["slo_service", "service"])
def test_alerts_on_money_and_latency_carry_no_failing_runs(alert: str, service: str) -> None:
    rows = [each for n in range(9) for each in (row(f"t{n}", "crm"), root(f"t{n}"))]
    labels = {"alertname": alert, "agent_type": "support_agent", service: "agents", "severity": "warning"}
    found = evidence(answering(rows), body(labels=labels))
    assert all(topic.section("causes") is None for topic in found.topics)
    assert "crm" not in json.dumps(as_payload(Message("k", "t", "firing", None, "", found, {"alerts": []})))


def test_of_a_group_of_300_it_is_said_that_ten_have_evidence() -> None:
    posted = notification(labels=SUCCESS_LABELS)
    alerts = [
        {**alert, "labels": {**alert["labels"], "agent_type": f"agent_{n:03}"}, "fingerprint": f"f{n}"}
        for n in range(300)
        for alert in posted["alerts"]
    ]
    found = evidence(answering([]), json.dumps({**posted, "alerts": alerts}).encode())
    assert len(found.topics) == 10
    assert [each.reason for each in found.missing] == [
        "evidence for 10 of 300 groups: those with the most errors",
    ]


def test_odd_payloads_are_understood() -> None:
    posted = notification(labels={**SUCCESS_LABELS, "pod": "line1\nline2", "city": "Zürich 🔥"})
    posted["alerts"][0]["startsAt"] = "0001-01-01T00:00:00Z"
    late = {**posted["alerts"][0], "startsAt": "2262-04-11T23:47:16.854775807+05:30", "fingerprint": "b"}
    late["labels"] = {**SUCCESS_LABELS, "agent_type": "x"}
    posted |= {"alerts": [*posted["alerts"], late], "groupLabels": None, "groupKey": ""}
    rows = [row("t0", "crm"), root("t0")]
    found = evidence(answering(rows), json.dumps(posted).encode())
    first, _ = found.topics
    section = first.section("causes")
    assert section is not None
    assert section.text == "1 of 1: tool crm: boom"


def test_where_several_environments_are_mixed_it_is_said_how_to_ask_for_one() -> None:
    rows = []
    for number in range(13):
        where = {"environment": "staging" if number < 9 else "production"}
        tool, message = ("new_tool", "NotImplementedError: wip") if number < 9 else ("web_search", "search is down")
        rows += [row(f"t{number}", tool, statusMessage=message, **where), root(f"t{number}", **where)]
    (topic,) = evidence(answering(rows)).topics
    section = topic.section("causes")
    assert section is not None
    assert "tool new_tool: NotImplementedError: wip (environment staging)" in section.text
    assert "traces: {environment: ...}" in section.text
