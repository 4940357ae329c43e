"""What a change could break without anybody noticing: found by breaking it."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, use_span

from slo_engine.monitoring import (
    LangFuseAgentTracer,
    Prices,
    Scrubber,
    classify_error,
    current_run,
    metrics_app,
    monitor_agent,
    monitor_tool,
    start_metrics_server,
)
from slo_engine.monitoring.content import as_text, cut, metadata_of
from slo_engine.monitoring.endings import frames
from slo_engine.monitoring.metrics import CountedSeries, TimedSeries
from slo_engine.monitoring.otlp import Answer, Door, Spans, _NotOurs
from slo_engine.monitoring.outbox import SENDER, Outbox, Parcel
from slo_engine.monitoring.quiet import OnceAMinute
from slo_engine.monitoring.server import _Renderer
from slo_engine.monitoring.tracing import MAX_STEPS, Tracing
from slo_engine.monitoring.usage import StreamReader, usage_of
from tests.monitoring.world import PUBLIC_KEY, SECRET_KEY, Backend, Kept, World

# Privacy.


@pytest.mark.parametrize("kind", ["plain", "generator", "coroutine", "tool"])
@pytest.mark.parametrize(
    ("options", "expected"), [({"capture_output": False}, (True, False)), ({"capture_input": False}, (False, True))]
)
def test_capturing_can_be_switched_off(kind: str, options: dict[str, Any], expected: tuple[bool, bool]) -> None:
    world = World(traced=True)

    def plain(question: str) -> str:
        return "answer"

    def generator(question: str) -> Iterator[str]:
        yield "answer"

    async def coroutine(question: str) -> str:
        return "answer"

    if kind == "tool":
        with world.run():
            monitor_tool("search", metrics=world.metrics, **options)(plain)("q")
        step = world.trace.steps[1]
    else:
        function: Any = {"plain": plain, "generator": generator, "coroutine": coroutine}[kind]
        result = monitor_agent("agent", metrics=world.metrics, tracing=world.tracing, **options)(function)("q")
        if kind == "coroutine":
            asyncio.run(result)
        else:
            list(result)
        step = world.trace.steps[0]
    assert (step.input is not None, step.output is not None) == expected


def test_what_other_instruments_say_is_scrubbed_in_every_part() -> None:
    span: Any = TracerProvider().get_tracer("t").start_span("mail ada@example.org")
    span.set_attribute("list", ["ada@example.org"])
    span.set_status(Status(StatusCode.ERROR, "ada@example.org"))
    span.end()
    trace = Tracing(Kept()).begin("agent")
    (made,) = Spans(None, None, Scrubber().scrub).build([Parcel(trace, foreign=[span])], lambda: None)
    sent = Span.FromString(made.encoded.span)
    assert (sent.name, sent.status.message) == ("mail [EMAIL]", "[EMAIL]")
    texts = {each.key: [text.string_value for text in each.value.array_value.values] for each in sent.attributes}
    assert texts["list"] == ["[EMAIL]"]


@dataclass
class Client:
    name: str
    _api_key: str


def test_private_fields_are_nobodys_business_and_no_key_is_cut_in_two() -> None:
    assert as_text(Client("c", "hunter2")) == '{"name": "c"}'
    assert cut("word " * 10 + "k" * 50, 70) == ("word " * 10).rstrip()
    found = metadata_of({f"{number:03}" + "x" * 300: number for number in range(500)})
    assert len(found) == 100
    assert max(map(len, found)) == 200


# Bounds.


def test_a_trace_is_bounded_in_every_part() -> None:
    world = World(traced=True)
    with world.run() as run:
        for _ in range(MAX_STEPS):
            run.record_tool_call("search")
        for _ in range(MAX_STEPS * 2):
            run.record_tool_call("search", "failure")
            run.add_score("helpful", 1)
    assert len(world.trace.steps) == 2 * MAX_STEPS
    assert len(world.trace.scores) == MAX_STEPS
    trace = Tracing(Kept()).begin("agent")
    for failed, limit in ((False, MAX_STEPS), (True, 2 * MAX_STEPS)):
        for _ in range(MAX_STEPS * 2):
            trace.add_foreign(object(), failed=failed)
        assert len(trace.foreign) == limit


def test_a_long_stream_of_items_is_not_held() -> None:
    world = World(traced=True)

    def long() -> Iterator[str]:
        for _ in range(200):
            yield "x" * 1000

    list(monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(long)())
    assert len(world.trace.steps[0].output or "") <= 20_000


def test_names_that_a_model_makes_up_are_held_nowhere() -> None:
    world = World(max_label_values=3)
    with world.run() as run:
        for number in range(9):
            run.record_llm_call(f"model {number}", cost_usd=1.0, call_type=f"type {number}")
            world.metrics.set_circuit_breaker_state(f"service {number}", "open")
    assert len(world.metrics.agents["agent"].costs) <= 4
    assert world.value("agent_circuit_breaker_state", service_name="other") == 1
    prices = Prices(genai_prices=False)
    prices.cost("x" * 1000, 1, 1)
    assert not prices._known


# Numbers.


@pytest.mark.parametrize("bad", [math.nan, -1.0])
def test_a_time_that_is_none_kills_no_histogram(bad: float) -> None:
    world = World()
    with world.run() as run:
        run.record_llm_call("m", input_tokens=1, cost_usd=0.1, time_to_first_token=bad)
    assert not world.value("llm_time_to_first_token_seconds_count", model="m")
    assert world.value("agent_monitoring_dropped_total", reason="bad_amount") == 1


@pytest.mark.parametrize("bad", [math.inf, -math.inf])
def test_an_infinite_score_kills_no_histogram(bad: float) -> None:
    world = World()
    with world.run() as run:
        run.add_score("helpful", bad)
    assert world.value("agent_score_count", agent_type="agent", score_name="helpful") is None
    assert world.value("agent_monitoring_dropped_total", reason="bad_amount") == 1


def test_parts_of_the_tokens_are_never_more_than_the_whole() -> None:
    world = World()
    with world.run() as run:
        run.record_llm_call(
            "m",
            input_tokens=100,
            cached_tokens=80,
            cache_write_tokens=50,
            output_tokens=100,
            reasoning_tokens=500,
            cost_usd=0.1,
        )
    assert world.value("llm_tokens_used_total", model="m", token_type="cache_write") == 20
    assert world.value("llm_tokens_used_total", model="m", token_type="reasoning") == 100


def test_a_call_is_paid_by_what_it_used_whatever_became_of_it() -> None:
    world = World()
    prices = Prices({"m": {"input": 1, "output": 2}})
    with world.run(prices=prices) as run:
        run.record_llm_call("m", output_tokens=1_000_000)
        with pytest.raises(ConnectionError), run.llm_call("m") as call:
            call.record({"model": "m", "usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0}})
            raise ConnectionError("cut off")
    assert world.value("llm_cost_usd_total", model="m", agent_type="agent") == 3


def test_what_the_caller_says_counts_more_than_what_the_answer_says() -> None:
    world = World(traced=True)
    answer = {
        "model": "m",
        "usage": {"prompt_tokens": 10, "completion_tokens": 1},
        "choices": [{"message": {"content": "raw", "tool_calls": [{}]}}],
    }
    with world.run() as run:
        run.record_llm_call(answer, cost_usd=7.0, call_type="judge", output="parsed")
        with run.llm_call("m", input="question") as call:
            call.record(answer, output="parsed")
    assert world.value("llm_api_calls_total", model="m", call_type="judge") == 1
    assert (world.value("llm_cost_usd_total", model="m", agent_type="agent") or 0) == 7.0
    assert [step.output for step in world.trace.steps[1:]] == ["parsed", "parsed"]
    assert world.trace.steps[2].input == "question"


def test_an_early_stop_is_no_failure_of_a_tool_or_a_model() -> None:
    world = World(traced=True)
    with world.run() as run:
        tool, call = run.tool("search"), run.llm_call("nobody-knows-me")
        for each in (tool, call):
            each.begin()
            each.finish(GeneratorExit())
    assert not world.trace.failed
    assert world.value("agent_tool_calls_total", tool_name="search", status="success") == 1
    assert world.value("llm_unpriced_calls_total", model="nobody-knows-me") == 1


def test_answers_tell_thoughts_from_words_and_tools_from_prompts() -> None:
    assert StreamReader().read({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}})
    parts = [{"text": "let me think", "thought": True}, {"text": "42"}]
    usage = usage_of(
        {
            "usage_metadata": {"prompt_token_count": 10, "tool_use_prompt_token_count": 5},
            "candidates": [{"content": {"parts": parts}}],
        }
    )
    assert usage is not None
    assert (usage.input_tokens, usage.output) == (15, "42")


def test_a_stream_that_is_closed_is_counted_at_once() -> None:
    world = World()

    async def chunks() -> AsyncIterator[Any]:
        for _ in range(2):
            yield {"model": "m", "choices": []}

    async def main() -> None:
        with world.run() as run:
            stream: Any = run.record_llm_call(chunks())
            await anext(stream)
            await stream.aclose()
            assert world.value("llm_api_calls_total", model="m", call_type="completion") == 1

    asyncio.run(main())


# Exemplars and buckets.


@pytest.mark.parametrize(("flags", "expected"), [(0, None), (1, f"{5:032x}")])
def test_a_trace_of_another_tool_is_an_exemplar_if_it_is_sampled(flags: int, expected: str | None) -> None:
    world = World()
    span = NonRecordingSpan(SpanContext(5, 6, is_remote=False, trace_flags=TraceFlags(flags)))
    with use_span(span), world.run():
        pass
    assert world.exemplar("agent_requests", "agent_requests_total", status="success") == expected


def test_a_trace_that_an_error_has_saved_is_an_exemplar_from_then_on() -> None:
    world = World(traced=True, sample_rate=0.0)
    with world.run() as run:
        run.record_tool_call("search", "failure")
        run.record_tool_call("lookup")
    assert world.exemplar("agent_tool_calls", "agent_tool_calls_total", tool_name="lookup") == run.trace_id


def test_an_exemplar_is_due_after_a_second_and_a_bound_belongs_to_its_bucket() -> None:
    world = World(request_buckets=(1, 2))
    counted = CountedSeries(world.metrics.tool_calls, "t", "success")
    counted.inc_with({"trace_id": "a"}, 1.0)
    counted.inc_with({"trace_id": "b"}, 2.0)
    assert world.exemplar("agent_tool_calls", "agent_tool_calls_total", tool_name="t") == "b"
    timed = TimedSeries(world.metrics.request_duration, (1, 2), "a")
    for amount, trace_id, began in ((1.0, "x", 0.0), (1.0, "y", 0.1), (1.5, "z", 0.2)):
        timed.observe_with(amount, {"trace_id": trace_id}, began)
    assert world.value("agent_request_duration_seconds_bucket", agent_type="a", le="1.0") == 2
    duration = ("agent_request_duration_seconds", "agent_request_duration_seconds_bucket")
    assert world.exemplar(*duration, le="2.0") == "z"


# Who belongs to whom.


def test_a_step_is_below_what_it_belongs_to() -> None:
    world = World(traced=True)
    with world.run("outer") as outer, world.run("inner") as inner, inner.tool("search") as tool:
        outer.record_llm_call("of the outer", input_tokens=1)
        tool.finish()
        inner.record_llm_call("of the inner", input_tokens=1)
    steps = {step.name: step for step in world.trace.steps}
    assert steps["of the outer"].parent_id == steps["outer"].span_id
    assert steps["of the inner"].parent_id == steps["inner"].span_id


def test_runs_of_two_projects_are_two_traces() -> None:
    outer, inner = World(traced=True), World(traced=True)
    with outer.run("outer"), inner.run("inner"):
        pass
    assert [len(world.trace.steps) for world in (outer, inner)] == [1, 1]


def test_what_is_known_of_a_run_stays_known_and_the_latest_counts() -> None:
    world = World(traced=True)
    with world.run(user_id="anonymous", session_id="s") as run:
        run.update(user_id="u-17")
        run.update(output="x", tags="beta")
    assert (world.trace.user_id, world.trace.session_id) == ("u-17", "s")
    assert world.trace.tags == ["agent_type:agent", "beta"]


def test_what_comes_after_the_end_goes_by_itself_once() -> None:
    world = World(traced=True)
    with world.run() as run:
        pass
    run.record_tool_call("late")
    assert [step.name for step in world.trace.steps] == ["agent"]
    assert [step.name for step in world.kept.late] == ["late"]


def test_a_run_that_is_left_in_another_context_is_current_nowhere() -> None:
    world = World()
    run = world.run()
    contextvars.copy_context().run(run.__enter__)
    with world.run("other") as other:
        run.__exit__(None, None, None)
        assert current_run() is other
    assert current_run() is None


def test_the_sdks_spans_nest_and_a_late_error_of_a_dropped_trace_is_told(backend: Backend) -> None:
    def rows_of(key: str, body: Callable[[Any], Callable[[], None] | None], rate: float) -> dict[str, Any]:
        from langfuse import get_client

        backend.standin._credentials = f"{key}:{SECRET_KEY}"
        tracing = backend.tracing(public_key=key, sample_rate=rate)
        client = get_client(public_key=key)
        with backend.run(tracing) as run:
            left = body(client)
        if left is not None:
            left()
        client.flush()
        assert tracing.flush(10)
        return {row["name"]: row for row in backend.rows(run.trace_id)}

    def nested(client: Any) -> None:
        with (
            client.start_as_current_observation(name="outer"),
            client.start_as_current_observation(name="inner"),
        ):
            pass

    def late(client: Any) -> Callable[[], None]:
        span = client.start_observation(name="late")

        def fail() -> None:
            span.update(level="ERROR")
            span.end()

        return fail

    rows = rows_of("pk-lf-nested", nested, 1.0)
    assert rows["inner"]["parentObservationId"] == rows["outer"]["id"]
    assert "late" in rows_of("pk-lf-late", late, 0.0)


# Errors.


class RefusedError(Exception):
    status_code = 401


def test_a_refused_key_is_no_matter_of_content_and_a_huge_group_costs_little() -> None:
    assert classify_error(RefusedError("content_filter: maximum context length")) == "auth"
    assert classify_error(ExceptionGroup("many", [RuntimeError("x")] * 30 + [ValueError("y")])) == "internal"


def test_a_traceback_has_its_innermost_lines_and_none_of_ours() -> None:
    def down(depth: int) -> None:
        if depth:
            down(depth - 1)
        raise ValueError("the innermost")

    with pytest.raises(ValueError, match="innermost") as caught:
        down(30)
    lines = frames(caught.value).splitlines()
    assert len(lines) == 10
    assert all("down" in line for line in lines)
    world = World(traced=True)
    with pytest.raises(ValueError, match="innermost"):
        monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(lambda: down(0))()
    assert "slo_engine/monitoring" not in (world.trace.steps[0].metadata or {})["traceback"]


def test_a_log_that_cannot_be_written_harms_nobody() -> None:
    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("disk full")

    logger, handler = logging.getLogger("slo_engine.monitoring"), Full()
    logger.addHandler(handler)
    try:
        OnceAMinute().warn("x")
    finally:
        logger.removeHandler(handler)


def test_httpx_logs_nothing_of_our_requests_and_all_of_others() -> None:
    record = logging.LogRecord("httpx", logging.INFO, "", 1, "HTTP Request", None, None)
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(_NotOurs().filter(record)), name=SENDER)
    thread.start()
    thread.join()
    assert [*seen, _NotOurs().filter(record)] == [False, True]


# The way to LangFuse.


def test_a_forked_child_has_connections_and_locks_of_its_own(backend: Backend) -> None:
    sink: Any = backend.tracing().sink
    before = sink._door._client
    sink._starting.acquire()
    sink._after_fork()
    assert not sink._starting.locked()
    assert sink._door._client is not before


@pytest.mark.parametrize(("retry_after", "least"), [(2.0, 2.0), (0.0, 1.0)])
def test_a_server_that_is_away_gets_its_rest_even_from_a_flush(
    backend: Backend, retry_after: float, least: float
) -> None:
    tracing: Any = backend.tracing()
    at: list[float] = []

    def post(body: bytes) -> Answer:
        at.append(time.monotonic())
        return Answer(is_sent=len(at) == 2, is_final=False, retry_after=retry_after)

    tracing.sink._door.post_spans = post
    with backend.run(tracing):
        pass
    assert tracing.flush(10)
    assert at[1] - at[0] >= least


def test_traces_are_lost_by_the_trace_and_a_wrong_address_is_asked_once(backend: Backend) -> None:
    backend.standin.refusal = 404
    tracing = backend.tracing()
    for _ in range(8):
        with backend.run(tracing) as run:
            run.record_tool_call("a")
    assert not tracing.flush(10)
    assert backend.standin.requests == 1
    assert backend.dropped("trace_undelivered") == 8


def test_a_flush_after_the_end_waits_for_nothing(backend: Backend) -> None:
    backend.standin.is_hanging = True
    tracing = backend.tracing(timeout=3)
    with backend.run(tracing):
        pass
    tracing.close(0.1)
    begun = time.monotonic()
    assert not tracing.flush(2)
    assert time.monotonic() - begun < 1.5


def test_who_holds_a_run_does_not_hold_its_content(backend: Backend) -> None:
    tracing = backend.tracing()
    with backend.run(tracing) as run:
        run.update(input="x" * 1000)
    assert tracing.flush(10)
    assert run.traced is not None
    assert run.traced.trace.steps == []


def test_requests_are_for_the_current_ingestion_and_have_an_end(backend: Backend) -> None:
    door = Door(backend.url, PUBLIC_KEY, SECRET_KEY, 0.3)
    assert door._client.headers["x-langfuse-ingestion-version"] == "4"
    backend.standin.is_hanging = True
    begun = time.monotonic()
    answer = door.post_spans(b"")
    assert not answer.is_sent
    assert not answer.is_final
    assert time.monotonic() - begun < 3


def test_what_is_in_hand_stays_so_while_more_is_taken() -> None:
    outbox = Outbox(lambda _: None)
    outbox.done(still_in_hand=1)
    outbox.take(1, 10**9)
    assert not outbox.wait_until_empty(0)


def test_a_tracer_as_a_context_manager_is_current_and_tells_what_it_is_told() -> None:
    world = World(traced=True)
    with LangFuseAgentTracer("agent", tracing=world.tracing) as tracer:
        run = current_run()
        assert run is not None
        assert run.trace_id == tracer.trace_id
        tracer.end_llm_call(tracer.start_llm_call("m"), input_tokens=1, cost_usd=7.0)
        tracer.record_tool_call("search", error=TimeoutError("slow"))
    assert (world.trace.steps[1].attributes or {})["cost_details"] == {"total": 7.0}
    assert world.trace.steps[2].failed


def test_a_generator_tells_what_it_gave_and_what_it_returned() -> None:
    world = World(traced=True)

    def agent() -> Any:
        yield "a"
        return "b"

    list(monitor_agent("agent", metrics=world.metrics, tracing=world.tracing)(agent)())
    assert json.loads(world.trace.steps[0].output or "") == {"yielded": "a", "returned": "b"}


# The server.


def test_a_silent_client_is_let_go_and_a_body_is_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slo_engine.monitoring.server.REQUEST_TIMEOUT", 0.2)
    server = start_metrics_server(0, registry=World().registry)
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=3) as silent:
            assert silent.recv(1) == b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=3) as client:
            inner = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(inner) + inner)
            said = b"".join(iter(lambda: client.recv(65_536), b""))
        assert said.count(b"HTTP/1.1 ") == 1
    finally:
        server.close()


def test_a_scrape_behind_one_that_hangs_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slo_engine.monitoring.server.RENDER_TIMEOUT", 0.1)
    render = _Renderer(World().registry)
    render._lock.acquire()
    with pytest.raises(TimeoutError):
        render("")


def test_a_head_request_has_no_body() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asked = {"type": "http", "path": "/healthz", "headers": [], "method": "HEAD"}
    asyncio.run(metrics_app(registry=World().registry)(asked, None, send))
    assert [message["body"] for message in sent if message["type"] == "http.response.body"] == [b""]


def test_a_decorator_without_its_parentheses_says_so_where_it_stands() -> None:
    for decorate in (monitor_agent, monitor_tool):
        with pytest.raises(TypeError, match="with parentheses and a name"):
            decorate(lambda: None)  # type: ignore[arg-type]
