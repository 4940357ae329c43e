"""Other cases of the kinds of fault in ``test_public_cases``, as SDKs, frameworks, servers and proxies make them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from slo_engine.alerts.payload import parse
from slo_engine.alerts.subjects import subjects_of
from slo_engine.connect import Connection
from slo_engine.definitions import load
from slo_engine.evidence import Backends, Gatherer, sources
from slo_engine.evidence.messages import clustered
from slo_engine.notifications import Evidence, Message, as_payload
from slo_engine.scrub.outgoing import outgoing
from slo_engine.traces import LangFuse
from tests.alerts.payloads import SUCCESS_LABELS, body
from tests.evidence import test_public_cases as public
from tests.evidence.test_public_cases import Answer, Row, answering, counted, evidence, root, row
from tests.evidence.world import NoStatuses

BEGAN = datetime.now(UTC) - timedelta(minutes=2)


def wrong(*values: Any, why: str) -> Any:
    """A case that comes out wrong today; ``why``: what is right."""
    return pytest.param(*values, marks=pytest.mark.xfail(strict=True, reason=why))


# 01, 02: messages.


# fmt: off
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Request failed with status code 502", "Request failed with status code 503"),
        ("HTTP error! status: 429", "HTTP error! status: 500"),
        ("Command exited with exit code 137", "Command exited with exit code 1"),
        ("'order_id'", "'amount'"),  # str(KeyError("order_id"))
        ("ECONNREFUSED 10.0.0.1:5432", "ETIMEDOUT 10.0.0.1:5432"),
        ("Twilio error 21211", "Twilio error 20003"),
        ("on tokens per min (TPM): Limit 30000, Used 3", "on requests per min (RPM): Limit 500, Used 3"),
        ("grpc_status:14", "grpc_status:4"),
        ("f() missing 1 required positional argument: 'a_b'", "f() missing 1 required positional argument: 'c_d'"),
        ("ThrottlingException: x", "AccessDeniedException: x"),
        ("MCP error -32602: bad", "MCP error -32603: bad"),
        ("JSON-RPC error -32000", "JSON-RPC error -32601"),
        ("ORA-00942: failed", "ORA-01017: failed"),
        ("SQLSTATE[23505]: failed", "SQLSTATE[40001]: failed"),
        ('(pymysql.err.OperationalError) (2003, "x")', '(pymysql.err.OperationalError) (2013, "x")'),
        ("[WinError 10061] failed", "[WinError 10060] failed"),
        ("HTTPError 403", "HTTPError 500"),
        ("received 1011 (internal error)", "received 1008 (internal error)"),
        (("<_InactiveRpcError of RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE\n"
            '\tdetails = "DNS resolution failed"\n>'),
            ("<_InactiveRpcError of RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE\n"
            '\tdetails = "Connection refused"\n>')),
        (("Error code: 400 - {'error': {'message': 'Provider returned error', 'code': 400, 'metadata': "
            "{'raw': 'context too long', 'provider_name': 'Together'}}}"),
            ("Error code: 400 - {'error': {'message': 'Provider returned error', 'code': 400, 'metadata': "
            "{'raw': 'no such tool', 'provider_name': 'DeepInfra'}}}")),
    ],
)
def test_other_faults_are_other_causes(one: str, other: str) -> None:
    assert len(clustered([one, other] * 20)) == 2
# fmt: on


HEAD = "Traceback (most recent call last):\n"
FRAME = '  File "/app/a.py", line 3, in run\n    r = get(u)\n        ^^^^^^\n'
CHAIN = "\n\nDuring handling of the above exception, another exception occurred:\n\n"


def group(*members: str) -> str:
    """As Python prints an ExceptionGroup."""
    said = '  + Exception Group Traceback (most recent call last):\n  |   File "a.py", line 1, in m\n'
    said += f"  | ExceptionGroup: unhandled errors in a TaskGroup ({len(members)} sub-exceptions)\n"
    for number, member in enumerate(members, 1):
        said += f"  {'+-' if number == 1 else '  '}+---------------- {number} ----------------\n"
        said += f'    | Traceback (most recent call last):\n    |   File "a.py", line 3, in f\n    | {member}\n'
    return f"{said}    +------------------------------------\n"


# fmt: off
@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (f"{HEAD}{FRAME}KeyError: 'k'{CHAIN}{HEAD}{FRAME}RuntimeError: crm down", "RuntimeError: crm down"),
        (f"{HEAD}{FRAME}KeyError: 'k'{CHAIN}{HEAD}  File \"/app/a.p", "KeyError: 'k'"),
        (f"{HEAD}{FRAME}ValueError: bad\nDuring task with name 'tools' and id '7b0f'", "ValueError: bad"),
        ((HEAD + FRAME + "ValueError: bad").replace("\n", "\r\n"), "ValueError: bad"),
        (f'{HEAD}  File \x1b[35m"a"\x1b[0m\n    x\n\x1b[1;35mValueError\x1b[0m: bad', "ValueError: bad"),
        (f"{HEAD}\x1b[2m{FRAME}\x1b[0m\x1b[31mValueError\x1b[0m: bad", "ValueError: bad"),
        (f"{HEAD}{FRAME * 400}ValueError: bad", "ValueError: bad"),
        (f"ValueError('bad'){HEAD}{FRAME}ValueError: bad", "ValueError: bad"),
        (group("ConnectError: refused", "asyncio.exceptions.CancelledError"), "ConnectError: refused"),
        ("AI_APICallError: Overloaded\n    at file:///app/x.mjs:1:2", "AI_APICallError: Overloaded"),
        ('  File "/app/b.py", line 9, in f\n    x()\nValueError: bad', "ValueError: bad"),
        ('p/b.py", line 9, in f\n    return x\nValueError: bad', "ValueError: bad"),
        (f"...\n{FRAME}ValueError: bad", "ValueError: bad"),
        (f"ValueError: bad\n{HEAD}{FRAME}", "ValueError: bad"),
        (f"{HEAD}{FRAME}", "no message"),
        (f"{HEAD}{FRAME}ValueError: bad{' x' * 6000}", "ValueError: bad x x"),
        (group("asyncio.exceptions.CancelledError", "ValueError: bad"), "ValueError: bad"),
        (group("KeyError: 'k'") + CHAIN + HEAD + FRAME + "RuntimeError: mcp gone", "mcp gone"),
        ((HEAD + FRAME + "ValueError: bad").replace("\n", "\\n"), "ValueError: bad"),
        ("\n".join(f"> {line}" for line in f"{HEAD}{FRAME}ValueError: bad".split("\n")), "> ValueError: bad"),
        (("----------\nValueError          Traceback (most recent call last)\nCell In[3], line 1\n----> 1 run()\n\n"
            "File /app/a.py:3, in run()\n----> 3     raise ValueError('bad')\n\nValueError: bad"), "ValueError: bad"),
        ("╭───── Traceback (most recent call last) ─────╮\n│ /app/a.py:3 in run │\n╰─────╯\nValueError: bad",
            "ValueError: bad"),
        (("java.lang.RuntimeException: tool failed\n\tat a.b.C.d(C.java:3)\nCaused by: java.net.ConnectException:"
            " crm refused\n\t... 12 more"), "crm refused"),
        (("Error: fetch failed\n    at run (file:///app/a.mjs:1:2) {\n  [cause]: Error: connect ECONNREFUSED"
            " 10.0.0.1:443\n}"), "ECONNREFUSED"),
        ("/app/agent.js:10\n    throw new Error('no seat');\n    ^\n\nError: no seat\n    at run (/app/a.js:1:9)",
            "Error: no seat"),
        (("1 validation error for Answer\n  Invalid JSON: EOF while parsing [type=json_invalid, input_value='x',"
            " input_type=str]"), "Answer: Invalid JSON: EOF"),
    ],
)
def test_of_a_traceback_in_any_shape_the_exception_is_said(raw: str, said: str) -> None:
    (cluster,) = clustered([raw] * 3)
    assert said in cluster.message
    assert 'File "' not in cluster.message
# fmt: on


# 03, 04, 06: runs.


def span(trace: str, name: str, at: float, lasts: float, message: str | None, *, under: str = "", **more: Any) -> Row:
    """A step that began ``at`` seconds after the run; ``message``: None if it went well."""
    begins = BEGAN + timedelta(seconds=at)
    ends = begins + timedelta(seconds=lasts)
    known: Row = {
        "startTime": begins.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "endTime": ends.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "latency": lasts,
        "parentObservationId": f"{under or 'support_agent'}-{trace}",
        "level": "DEFAULT" if message is None else "ERROR",
        "statusMessage": message or "",
    }
    return row(trace, name, **{**known, **more})


def run(trace: str, message: str | None, *, name: str = "support_agent", lasts: float = 10.0, **more: Any) -> Row:
    own = {"type": "AGENT", "parentObservationId": None, "isRootObservation": True}
    return span(trace, name, 0.0, lasts, message, **{**own, **more})


def model(trace: str, at: float, lasts: float, message: str | None, **more: Any) -> Row:
    return span(trace, "ChatOpenAI", at, lasts, message, **{"type": "GENERATION", "model": "gpt-5-mini", **more})


COLUMNS = {"level", "traceId", "isRootObservation", "name", "type", "environment", "model"}


def holds(each: Row, condition: Mapping[str, Any]) -> bool:
    column, wanted = condition["column"], condition["value"]
    if column == "startTime":
        return bool((each["startTime"] >= wanted) == (condition["operator"] == ">="))
    if column == "traceTags":
        return set(wanted) <= set(each.get("tags") or ())
    if column not in COLUMNS:
        return True
    found = each.get(column)
    return found in wanted if condition["operator"] == "any of" else found == wanted


def server(rows: Sequence[Row]) -> Answer:
    """A v4 server that filters."""

    def answer(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/v2/observations"):
            return httpx.Response(404, json={"message": "no such endpoint"})
        asked = json.loads(request.url.params["filter"])
        found = [each for each in rows if all(holds(each, condition) for condition in asked)]
        found.sort(key=lambda each: str(each["startTime"]), reverse=True)
        return httpx.Response(200, json={"data": found[: int(request.url.params["limit"])], "meta": {}})

    return answer


Run = Callable[[str], list[Row]]
LIMIT = "GraphRecursionError: Recursion limit of 25 reached without hitting a stop condition."
BUSY = "Error code: 429 - {'error': {'message': 'slow down', 'code': 'rate_limit_exceeded'}}"
CANCELLED = HEAD + FRAME * 6 + "asyncio.exceptions.CancelledError"
INTERRUPT = HEAD + FRAME * 15 + "langgraph.errors.GraphInterrupt: (Interrupt(value='approve?'),)"
# fmt: off
RIGHT: list[tuple[str, str | None, Run]] = [
    ("a fallback that went well, then the tool that failed", "tool crm", lambda t: [
        run(t, "agent failed"), model(t, 1, 1, BUSY), span(t, "crm", 5, 4.9, "crm is down")]),
    ("retries", "tool crm", lambda t: [
        run(t, "gave up"),
        *(span(t, "crm", 1 + 2 * n, 1, "read timed out", id=f"crm{n}-{t}") for n in range(3))]),
    ("a sibling was cancelled", "tool search", lambda t: [
        run(t, "TaskGroup failed", lasts=2.1), span(t, "search", 0, 2, "search is down"),
        span(t, "b", 0, 2.001, "CancelledError")]),
    ("sub-agents", "tool search", lambda t: [
        run(t, "sub failed"), span(t, "researcher", 1, 8, "research failed", type="AGENT"),
        span(t, "search", 2, 6, "search is down", under="researcher")]),
    ("twelve wrappers of one millisecond", "tool crm", lambda t: [
        run(t, "x failed"), span(t, "c0", 1, 5, "wrapped", type="CHAIN"),
        *(span(t, f"c{n + 1}", 1, 5, "wrapped", type="CHAIN", under=f"c{n}") for n in range(11)),
        span(t, "crm", 1, 5, "crm is down", under="c11")]),
    ("a parent that is missing", "tool crm", lambda t: [
        run(t, "failed"), span(t, "crm", 1, 8.9, "crm is down", under="nowhere")]),
    ("parents in a circle", "tool a", lambda t: [
        run(t, "failed"), span(t, "a", 1, 8.9, "a is down", under="b"), span(t, "b", 1, 9, "b", under="a")]),
    ("tags that came late", "tool crm", lambda t: [run(t, "x"), span(t, "crm", 1, 9, "crm is down", tags=[])]),
    ("a gateway above the agent", "tool crm", lambda t: [
        run(t, "500", name="POST /chat", type="SPAN", lasts=11), span(t, "crm", 1, 9, "crm is down"),
        run(t, "x", parentObservationId=f"POST /chat-{t}")]),
    ("nothing but interrupts", None, lambda t: [run(t, "(Interrupt(value='approve?', id='1'),)")]),
    ("a tool's error was caught", None, lambda t: [run(t, None), span(t, "crm", 1, 1, "crm is down")]),
    ("an evaluator beside a healthy run", None, lambda t: [
        run(t, None), run(t, "judge is down", name="helpful", type="EVALUATOR", lasts=2)]),
    ("the run's own limit, after an error that was caught", "agent support_agent", lambda t: [
        run(t, LIMIT, lasts=60), span(t, "crm", 1, 1, "crm: no such order")]),
    ("the same below a step that went well", "agent support_agent", lambda t: [
        run(t, LIMIT, lasts=60), span(t, "tools", 1, 1, None, type="CHAIN"),
        span(t, "crm", 1, 1, "crm: no such order", under="tools")]),
    ("a fallback below a step that went well", "agent support_agent", lambda t: [
        run(t, "ValueError: answer has no sources"), span(t, "with_fallbacks", 1, 3, None, type="CHAIN"),
        model(t, 1, 1, BUSY, parentObservationId=f"with_fallbacks-{t}")]),
    ("the run's own timeout", "agent support_agent", lambda t: [
        run(t, "TimeoutError: the run took more than 60 s", lasts=60), span(t, "crm", 1, 1, "no such order")]),
    ("a booking that was cancelled", "tool rebook", lambda t: [
        run(t, "failed"), span(t, "rebook", 1, 9, "ToolError: booking B-12 was cancelled by the airline")]),
    ("a model that cancels", "model gpt-5-mini", lambda t: [
        run(t, "failed"), model(t, 1, 9, "Error code: 499 - {'error': {'message': 'The operation was cancelled.'}}")]),
    ("a sibling cancelled, in a traceback", "tool search", lambda t: [
        run(t, "failed", lasts=2.1), span(t, "search", 0, 2, "search is down"), span(t, "b", 0, 1.999, CANCELLED)]),
    ("a sibling cancelled, without a word", "tool search", lambda t: [
        run(t, "failed", lasts=2.1), span(t, "search", 0, 2.001, "search is down"),
        span(t, "b", 0, 2, "", level="ERROR")]),
    ("a sibling aborted in JavaScript", "tool search", lambda t: [
        run(t, "failed", lasts=2.1), span(t, "search", 0, 2, "search is down"),
        model(t, 0, 1.999, "Request was aborted.")]),
    ("an interrupt in a traceback", None, lambda t: [run(t, INTERRUPT)]),
    ("a timeout that speaks of a person", "agent support_agent", lambda t: [
        run(t, "TimeoutError: waiting for user input took longer than 600 s")]),
    ("a sub-agent with a root of its own that was caught", None, lambda t: [
        run(t, None), run(t, "search is down", name="researcher", parentObservationId=f"support_agent-{t}")]),
    ("an agent as a helper beside a healthy run", None, lambda t: [
        run(t, None), run(t, "boom", name="router_agent", lasts=1)]),
    ("a trace of LangFuse's own evaluator", None, lambda t: [
        run(t, "Error code: 401 - bad key", name="Execute evaluator: x", traceName="Execute evaluator: x",
            type="SPAN", environment="langfuse-llm-as-a-judge")]),
    ("an interrupt after an error that was caught", None, lambda t: [
        run(t, "(Interrupt(value='approve?', id='1'),)"), span(t, "crm", 1, 1, "crm: no such order")]),
    ("CrewAI's name of a crew", "chain Crew_<id>.kickoff", lambda t: [
        run(t, "x"), span(t, f"Crew_{UUID(int=int(t[1:]) << 64)}.kickoff", 1, 9, "boom", type="CHAIN")]),
    ("the name of an HTTP span", "span GET /orders/<n>", lambda t: [
        run(t, "x"), span(t, f"GET /orders/{int(t[1:]) + 80254}", 1, 9, "503 Service Unavailable", type="SPAN")]),
]
# fmt: on


@pytest.mark.parametrize(
    ("what", "runs"),
    [pytest.param(what, runs, id=name) for name, what, runs in RIGHT],
)
def test_of_a_run_the_step_that_made_it_fail_is_said_or_none(what: str | None, runs: Run) -> None:
    found = evidence(server([each for number in range(8) for each in runs(f"t{number}")]))
    assert [(count, said) for count, said, _ in counted(found)] == ([] if what is None else [(8, what)])
    assert not any("reading it failed" in each.reason for each in found.missing)


@pytest.mark.parametrize(
    "marked",
    [
        {},
        {"isRootObservation": None},
        {"isRootObservation": ...},
    ],
)
def test_a_root_below_a_remote_parent_is_the_run_whether_it_is_marked_or_not(marked: Row) -> None:
    rows = []
    for number in range(8):
        for each in (
            run(f"t{number}", "x", parentObservationId="remote"),
            span(f"t{number}", "crm", 1, 9, "crm is down"),
        ):
            each |= marked
            rows.append({key: value for key, value in each.items() if value is not ...})
    assert counted(evidence(answering(rows))) == [(8, "tool crm", "crm is down")]


def test_each_of_several_runs_in_one_trace_has_its_own_cause() -> None:
    rows = []
    for number in range(12):
        trace, tool = f"t{number // 2}", ("crm", "search")[number % 2]
        rows += [
            run(trace, "failed", id=f"r{number}", lasts=1 + number),
            span(trace, tool, 0.5, 0.5 + number, f"{tool} is down", parentObservationId=f"r{number}"),
        ]
    assert sorted((count, what) for count, what, _ in counted(evidence(server(rows)))) == [
        (6, "tool crm"),
        (6, "tool search"),
    ]


@pytest.mark.parametrize("key", ["plan", "version"])
def test_what_the_metadata_says_sets_failing_runs_apart(key: str) -> None:
    rows = [run(f"h{n}", None, metadata={key: "one"}) for n in range(40)]
    rows += [run(f"t{n}", "boom", metadata={key: "two"}) for n in range(10)]
    assert f"They have {key} two" in told(evidence(server(rows)))


# 07, 09, 10: servers.

FAILED = [each for n in range(30) for each in (run(f"t{n}", "x"), span(f"t{n}", "crm", 1, 9, "crm is down"))]
OTHERS = [run(f"o{n}", "billing is down", name="billing_agent") for n in range(60)]
HEALTHY = [run(f"h{n}", None, name="billing_agent") for n in range(40)]
V1_LACKS = ("tags", "isRootObservation", "environment")


def as_v1(rows: Sequence[Row]) -> list[Row]:
    return [{key: value for key, value in each.items() if key not in V1_LACKS} for each in rows]


def v1(rows: Sequence[Row], v2: int = 404) -> Answer:
    """A server without v2, which pays no attention to filters."""

    def answer(request: httpx.Request) -> httpx.Response:
        if "/v2/" in request.url.path:
            return httpx.Response(v2, json={"message": "no such endpoint"})
        page, size = int(request.url.params["page"]), int(request.url.params["limit"])
        data = rows[(page - 1) * size : page * size]
        return httpx.Response(200, json={"data": data, "meta": {"totalPages": -(-len(rows) // size)}})

    return answer


def test_rows_of_v1_are_read() -> None:
    assert counted(evidence(v1(as_v1(FAILED)))) == [(30, "tool crm", "crm is down")]


def test_a_v1_server_that_ignores_filters_gives_nothing_of_other_agents() -> None:
    found = evidence(v1(as_v1([*FAILED, *HEALTHY, *OTHERS])))
    assert "billing" not in told(found)
    assert any("ignores filters" in each.reason for each in found.missing)


def test_a_server_that_ignores_tags_gives_the_rows_that_have_them() -> None:
    others = [{**each, "tags": ["agent_type:billing_agent"]} for each in OTHERS]
    assert counted(evidence(answering([*FAILED, *others]))) == [(30, "tool crm", "crm is down")]


@pytest.mark.parametrize(
    "status",
    [
        404,
        405,
        501,
    ],
)
def test_a_server_without_v2_is_asked_by_v1(status: int) -> None:
    assert counted(evidence(v1(as_v1(FAILED), status))) == [(30, "tool crm", "crm is down")]


PAGES: dict[str, Callable[[], httpx.Response]] = {
    "500": lambda: httpx.Response(500, json={}),
    "html": lambda: httpx.Response(200, html="<html>Sign in</html>"),
    "cut off": lambda: httpx.Response(200, content=b'{"data":[{"id":'),
    "no data": lambda: httpx.Response(200, json={"data": None}),
    "429": lambda: httpx.Response(429, json={}, headers={"retry-after": "9"}),
}


@pytest.mark.parametrize(
    "kind",
    [
        "500",
        "html",
        "cut off",
        "no data",
        "429",
    ],
)
def test_when_the_second_page_fails_the_first_is_evidence(kind: str) -> None:
    rows = [each for n in range(1500) for each in (run(f"t{n}", "x"), span(f"t{n}", "crm", 0.1, 9, "crm is down"))]

    def answer(request: httpx.Request) -> httpx.Response:
        if "cursor" in request.url.params:
            return PAGES[kind]()
        answered = server(rows)(request)
        if answered.status_code == 200 and len(data := answered.json()["data"]) == 1000:
            return httpx.Response(200, json={"data": data, "meta": {"cursor": "next"}})
        return answered

    ((_, what, message),) = counted(evidence(answer))
    assert (what, message) == ("tool crm", "crm is down")


def test_when_the_steps_cannot_be_read_the_runs_are_evidence() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if '"isRootObservation", "operator": "=", "value": false' in request.url.params.get("filter", ""):
            return httpx.Response(500, json={})
        return server([{**each, "statusMessage": "crm is down"} for each in FAILED])(request)

    assert "crm is down" in told(evidence(answer))


def test_a_row_that_is_longer_than_what_is_read_is_not_said_to_be_missing() -> None:
    assert "No such trace" not in told(evidence(server([run("t0", "boom " + "x y z " * 2_000_000)])))


def test_pages_without_an_end_are_not_an_answer() -> None:
    found = evidence(lambda _: httpx.Response(200, json={"data": [], "meta": {"cursor": "same"}}))
    assert "No such trace" not in told(found)


NO_ROWS: list[Any] = [[], None, {}, {"data": {}}, {"data": [None, 1, "x", []]}]


@pytest.mark.parametrize(
    "answered",
    [
        *(partial(httpx.Response, status) for status in (204, 302, 401, 403, 500, 502, 503)),
        *(partial(httpx.Response, 200, json=each) for each in NO_ROWS),
        partial(httpx.Response, 200, html="<html>Sign in</html>"),
        partial(httpx.Response, 200, json={"data": [{"startTime": 1, "traceId": ["x"], "tags": {}, "level": 5}]}),
        partial(httpx.Response, 429, headers={"retry-after": "soon"}),
    ],
)
def test_whatever_a_server_answers_nothing_raises_and_no_cause_is_made_of_it(
    answered: Callable[[], httpx.Response],
) -> None:
    found = evidence(lambda _: answered(), times=2)
    assert "% of failing" not in told(found)
    assert not any("reading it failed" in each.reason for each in found.missing)


class Hanging(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError


def test_a_server_that_hangs_holds_up_three_notifications_for_their_budget_and_then_none() -> None:
    async def all_of_them() -> list[tuple[float, str]]:
        door = LangFuse(Connection("http://langfuse", basic_auth=("pk", "sk-1")), transport=Hanging())
        gatherer = Gatherer(sources(Backends(NoStatuses(), door)), NoStatuses(), budget=1.0)
        waited = []
        for _ in range(4):
            began, group = time.monotonic(), parse(body(labels=SUCCESS_LABELS))
            found = await gatherer.gather(subjects_of(group.alerts, public.SLOS, datetime.now(UTC)))
            waited.append((time.monotonic() - began, found.missing[0].reason))
        return waited

    waited = asyncio.run(all_of_them())
    assert all(seconds < 1.5 for seconds, _ in waited)
    assert "circuit breaker open" in waited[-1][1]


# 11: alerts that failing runs do not explain.


def told(found: Evidence) -> str:
    """All that leaves."""
    message = Message("key", "title", "firing", None, "", found, {"alerts": []})
    return json.dumps(outgoing(as_payload(message)), ensure_ascii=False)


OF_THE_WEB = """
version: slo-engine/v1
service: web
defaults: {window: 30d, objective: 99, by: [agent_type]}
slos:
  - {name: http, by: [], sli: {events: {total: http_requests_total, errors: 'http_requests_total{code=~"5.."}'}}}
  - {name: path, by: [path], sli: {events: {total: http_requests_total, errors: 'http_requests_total{code=~"5.."}'}}}
  - {name: queue, sli: {latency: {histogram: agent_queue_time_seconds, threshold: 5s}}}
  - {name: wait, sli: {latency: {histogram: task_wait_seconds, threshold: 5s}}}
  - {name: ttft, sli: {latency: {histogram: gen_ai_server_time_to_first_token_seconds, threshold: 2s}}}
  - {name: slices, sli: {slices: {good: 'max by (agent_type) (agent_queue_length) < bool 100'}}}
  - {name: thumbs, sli: {events: {total: feedback_total, errors: 'feedback_total{thumb="down"}'}}}
  - {name: cache, sli: {events: {total: llm_cache_requests_total, errors: 'llm_cache_requests_total{result="miss"}'}}}
  - {name: all, by: [], traces: {tags: ["agent_type:support_agent"]}, alerting: {absent: 10m},
     sli: {events: {total: agent_requests_total, errors: agent_errors_total}}}
"""


@pytest.mark.parametrize(
    ("slo", "alert"),
    [
        *((name, "SLOErrorBudgetBurn") for name in ("http", "path", "queue", "ttft", "slices")),
        ("wait", "SLOErrorBudgetBurn"),
        ("thumbs", "SLOErrorBudgetBurn"),
        ("cache", "SLOErrorBudgetBurn"),
        ("all", "SLODataAbsent"),
    ],
)
def test_what_failing_runs_do_not_explain_carries_none(
    slo: str, alert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web.yaml").write_text(OF_THE_WEB, encoding="utf-8")
    monkeypatch.setattr(public, "SLOS", load([tmp_path]))
    labels = {"alertname": alert, "slo_service": "web", "slo": slo, "agent_type": "support_agent", "path": "/chat"}
    found = evidence(server(FAILED), body(labels=labels))
    assert len(found.topics) == 1
    assert "crm" not in told(found)


# 14: payloads.


@pytest.mark.parametrize(
    "agent",
    [
        "",
        "{{ 7 * 7 }}",
        "Zürich 🔥\u202e",
        "x" * 100_000,
    ],
)
def test_no_name_of_an_agent_raises(agent: str) -> None:
    found = evidence(server(FAILED), body(labels={**SUCCESS_LABELS, "agent_type": agent}))
    assert not any("reading it failed" in each.reason for each in found.missing)
    assert "crm" not in told(found)


# Secrets.

SECRETS = [
    *("sk-proj-AbC123dEf456GhI789jKl012MnO345pQr678", "sk-ant-api03-AbCdEf0123456789AbCdEf0123456789-xyzAA"),
    *("sk-lf-12345678-1234-1234-1234-123456789abc", "ghp_AbCdEf0123456789AbCdEf0123456789AbCd"),
    *("xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx", "AKIAIOSFODNN7EXAMPLE", "jane.doe@customer-mail.org"),
    *("AIzaSyA1234567890abcdefghijklmnopqrstuv", "+49 170 1234567", "DE89370400440532013000", "4111 1111 1111 1111"),
    *("sk_live_51AbCdEfGhIjKlMnOpQrStUv", "hf_AbCdEfGhIjKlMnOpQrStUvWxYz123456", "glpat-AbCdEf0123456789AbCd"),
    "4111111111111111",
    *("tvly-dev-AbCdEf0123456789AbCdEf01234567", "pcsk_4AbCdE_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"),
    *("lsv2_pt_0123456789abcdef0123456789abcdef_0123456789", "fc-0123456789abcdef0123456789abcdef"),
    *("123456789:AAEhBOweik6ad9r_abcdefghijklmnopqrs", "pa-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfG"),
    *("csk-AbCdEf0123456789AbCdEf0123456789AbCdEf01234567", "sig=AbCdEf%2B0123456789%3D"),
]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_leaves_wherever_it_stands(secret: str) -> None:
    healthy = [run(f"h{n}", None, userId="u", metadata={"customer": "c", secret: "n"}) for n in range(40)]
    places: list[Row] = [
        {"statusMessage": f"call with {secret} failed"},
        {"name": f"fetch {secret}"},
        {"model": secret, "type": "GENERATION"},
        {"userId": secret, "sessionId": secret, "release": secret, "promptName": secret, "traceName": secret},
        {"metadata": {"customer": secret}},
        {"metadata": {secret: "yes"}},
        {"tags": ["agent_type:support_agent", secret, f"customer:{secret}"]},
    ]
    for place in places:
        failing = [root(f"t{n}", **{"statusMessage": "boom", **place}) for n in range(8)]
        assert secret not in told(evidence(server([*healthy, *failing])))
