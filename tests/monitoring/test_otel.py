"""Metrics from the spans of instrumentations: Pydantic AI's own, and such as others write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from openai import OpenAI
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Status, StatusCode, Tracer, set_span_in_context
from pydantic_ai import Agent
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.instrumented import InstrumentationSettings

from slo_engine.monitoring.defaults import chosen
from slo_engine.monitoring.integrations.anthropic import monitor_anthropic
from slo_engine.monitoring.integrations.openai import monitor_openai
from slo_engine.monitoring.integrations.otel import GenAiSpanMetrics
from tests.monitoring.provider import ANSWER, FakeProvider, Usage
from tests.monitoring.test_pydantic_ai import MODELS, chat, run
from tests.monitoring.world import World

USAGE = Usage(input=1000, cached=400, cache_write=100, output=50, reasoning=20)
CHAT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-5-mini",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 50,
}
AGENT: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "support"}
TOOL: dict[str, Any] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(chosen, "metrics", world.metrics)
    return world


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.usage = USAGE
        yield provider


@pytest.fixture
def traced() -> TracerProvider:
    traced = TracerProvider()
    traced.add_span_processor(GenAiSpanMetrics())
    return traced


@pytest.fixture
def tracer(traced: TracerProvider) -> Tracer:
    return traced.get_tracer("an.instrumentation")


def calls(world: World, model: str = "gpt-5-mini", call_type: str = "completion") -> float:
    return world.value("llm_api_calls_total", model=model, call_type=call_type) or 0.0


def tokens(world: World, kind: str, model: str = "gpt-5-mini") -> float:
    return world.value("llm_tokens_used_total", model=model, token_type=kind) or 0.0


def tools(world: World, status: str, name: str = "search") -> float:
    return world.value("agent_tool_calls_total", tool_name=name, status=status) or 0.0


def agent_of(model: Any, traced: TracerProvider) -> Agent[None, Any]:
    settings = InstrumentationSettings(tracer_provider=traced)
    agent: Agent[None, Any] = Agent(model, name="support", capabilities=[Instrumentation(settings=settings)])

    @agent.tool_plain
    def search(query: str) -> str:
        return f"3 documents about {query}"

    return agent


@pytest.mark.parametrize("kind", MODELS)
def test_an_instrumented_agent_has_its_run_its_calls_and_its_tools(
    world: World, provider: FakeProvider, traced: TracerProvider, kind: str
) -> None:
    model = MODELS[kind](provider)

    async def asked() -> Any:
        return (await agent_of(model, traced).run("Where?")).output

    assert run(asked()) == ANSWER
    name = model.model_name
    assert world.runs("success", "support") == 1
    assert world.value("active_agent_runs", agent_type="support") == 0
    assert (calls(world, name, "tool_call"), calls(world, name)) == (1, 1)
    written = 0 if kind == "google" else 200
    found = {kind: tokens(world, kind, name) for kind in ("input", "output", "cached", "cache_write", "reasoning")}
    assert found == {"input": 2000, "output": 100, "cached": 800, "cache_write": written, "reasoning": 40}
    assert tools(world, "success") == 1
    assert world.value("agent_tool_call_count_sum", agent_type="support") == 1
    assert (world.value("llm_cost_usd_total", model=name, agent_type="support") or 0) > 0


def test_a_run_that_a_model_s_refusal_ends_is_an_error_of_its_category(
    world: World, provider: FakeProvider, traced: TracerProvider
) -> None:
    provider.fail_next(429)

    async def asked() -> None:
        await agent_of(chat(provider), traced).run("Where?")

    with pytest.raises(ModelHTTPError):
        run(asked())
    assert world.runs("error", "support") == 1
    assert world.value("agent_errors_total", agent_type="support", error_category="rate_limit") == 1
    assert calls(world) == 1
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 0


def test_a_span_inside_a_run_of_ours_fills_that_in(world: World, tracer: Tracer) -> None:
    with (
        world.run("ours"),
        tracer.start_as_current_span("invoke_agent support", attributes=AGENT),
        tracer.start_as_current_span("chat", attributes=CHAT),
    ):
        pass
    assert world.runs("success", "ours") == 1
    assert world.runs("success", "support") == 0
    assert (world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="ours") or 0) > 0


def test_a_call_without_an_agent_is_counted_outside_of_runs(world: World, tracer: Tracer) -> None:
    with tracer.start_as_current_span("chat", attributes=CHAT):
        pass
    assert calls(world) == 1
    assert (world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="no_run") or 0) > 0


def test_a_call_that_two_instrumentations_see_is_counted_once(world: World, tracer: Tracer) -> None:
    with (
        tracer.start_as_current_span("invoke_agent support", attributes=AGENT),
        tracer.start_as_current_span("chat fallback", attributes=CHAT | {"gen_ai.request.model": "fallback:a,b"}),
        tracer.start_as_current_span("POST"),
        tracer.start_as_current_span("openai.chat", attributes=CHAT),
    ):
        pass
    assert calls(world) == 1
    assert calls(world, "fallback:a,b") == 0
    assert tokens(world, "input") == 1000


def test_spans_of_one_call_that_stand_side_by_side_are_counted_once(
    world: World, traced: TracerProvider, tracer: Tracer
) -> None:
    # As OpenLLMetry's and the Anthropic SDK's own do: neither makes its span the current one.
    another = traced.get_tracer("another.instrumentation")
    streams = []
    for _ in range(2):  # the second is asked while the first is still being read
        streams.append((tracer.start_span("chat", attributes=CHAT), another.start_span("chat", attributes=CHAT)))
    for outer, inner in streams:
        inner.end()
        outer.end()
    assert calls(world) == 2
    assert tokens(world, "input") == 2000


@pytest.mark.parametrize("nested", [False, True])
def test_a_span_that_says_at_its_end_what_it_was_is_known_for_the_same_call(
    world: World, traced: TracerProvider, tracer: Tracer, nested: bool
) -> None:
    # As OpenLIT's do, around the Anthropic SDK's own.
    inner = traced.get_tracer("another.instrumentation")
    for _ in range(2):
        outer = tracer.start_span("chat")
        inner.start_span("chat", attributes=CHAT, context=set_span_in_context(outer) if nested else None).end()
        outer.set_attributes(CHAT)
        outer.end()
    assert calls(world) == 2
    assert tokens(world, "input") == 2000


def test_what_openlit_says_of_anthropic_leaves_the_cache_out(world: World, traced: TracerProvider) -> None:
    cache = {"gen_ai.usage.cache_read.input_tokens": 400, "gen_ai.usage.cache_creation.input_tokens": 100}
    told: dict[str, Any] = CHAT | cache | {"gen_ai.provider.name": "anthropic", "gen_ai.usage.input_tokens": 500}
    traced.get_tracer("openlit.instrumentation.anthropic").start_span("chat", attributes=told).end()
    assert [tokens(world, kind) for kind in ("input", "cached", "cache_write")] == [1000, 400, 100]


def test_a_call_in_a_tool_in_a_call_is_another_one(world: World, tracer: Tracer) -> None:
    with (
        tracer.start_as_current_span("chat", attributes=CHAT),
        tracer.start_as_current_span("execute_tool search", attributes=TOOL),
        tracer.start_as_current_span("chat", attributes=CHAT),
    ):
        pass
    assert calls(world) == 2
    assert tools(world, "success") == 1


def test_a_call_that_a_monitored_client_counts_is_left_to_it(
    world: World, provider: FakeProvider, tracer: Tracer
) -> None:
    with OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0) as client:
        monitor_openai(client)
        with tracer.start_as_current_span("chat", attributes=CHAT):
            client.chat.completions.create(model="gpt-5-mini", messages=[{"role": "user", "content": "?"}])
    assert calls(world) == 1
    assert tokens(world, "input") == 1000


@pytest.mark.parametrize("streams", [False, True])
def test_spans_that_the_sdk_of_a_monitored_client_makes_itself_are_of_its_call(
    world: World, provider: FakeProvider, traced: TracerProvider, monkeypatch: pytest.MonkeyPatch, streams: bool
) -> None:
    made: list[str] = []

    class Seen(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            made.append(str((span.attributes or {}).get("gen_ai.operation.name")))

    traced.add_span_processor(Seen())
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: traced)
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", traced)
    with Anthropic(base_url=provider.url, api_key="k", max_retries=0) as client:
        asked = monitor_anthropic(client).messages.create(
            model="claude-sonnet-5", max_tokens=9, messages=[{"role": "user", "content": "?"}], stream=streams
        )
        list(asked)
    assert made == ["chat"]
    assert calls(world, "claude-sonnet-5") == 1
    assert tokens(world, "input", "claude-sonnet-5") == 1000


def test_a_stream_s_span_is_not_taken_for_what_is_asked_while_it_is_read(
    world: World, provider: FakeProvider, tracer: Tracer
) -> None:
    stream = tracer.start_span("chat", attributes=CHAT)  # its end comes with that of the stream
    with tracer.start_as_current_span("chat", attributes=CHAT):
        pass
    stream.end()
    assert calls(world) == 2


def test_agents_in_an_agent_are_runs_of_their_own_and_one_seen_twice_is_one(world: World, tracer: Tracer) -> None:
    with (
        tracer.start_as_current_span("invoke_agent support", attributes=AGENT),
        tracer.start_as_current_span("agent run", attributes=AGENT),
        tracer.start_as_current_span("invoke_agent", attributes=AGENT | {"gen_ai.agent.name": "billing"}),
        tracer.start_as_current_span("chat", attributes=CHAT),
    ):
        pass
    assert (world.runs("success", "support"), world.runs("success", "billing")) == (1, 1)
    assert (world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="billing") or 0) > 0


@pytest.mark.parametrize(
    ("attributes", "status", "error"),
    [
        ({}, "success", None),
        ({"error.type": "tool_error"}, "failure", None),
        ({"error.type": "timeout"}, "timeout", None),
        ({"error.type": "httpx.ReadTimeout"}, "timeout", None),
        ({}, "failure", ValueError("no")),
        ({}, "timeout", TimeoutError()),
    ],
)
def test_how_a_tool_ended_is_told_by_its_span(
    world: World, tracer: Tracer, attributes: Any, status: str, error: BaseException | None
) -> None:
    span = tracer.start_span("execute_tool search", attributes=TOOL | attributes)
    if error is not None:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
    assert tools(world, status) == 1


def test_a_tool_s_error_that_ends_the_run_is_a_tool_failure(world: World, tracer: Tracer) -> None:
    def fail() -> None:
        with (
            tracer.start_as_current_span("invoke_agent support", attributes=AGENT),
            tracer.start_as_current_span("execute_tool search", attributes=TOOL),
        ):
            raise ConnectionError("no route")

    with pytest.raises(ConnectionError):
        fail()
    assert world.value("agent_errors_total", agent_type="support", error_category="tool_failure") == 1


@pytest.mark.parametrize(
    ("error_type", "status", "category"),
    [
        ("429", "error", "rate_limit"),
        ("openai.RateLimitError", "error", "rate_limit"),
        ("openai.InternalServerError", "error", "llm_error"),
        ("TimeoutError", "timeout", "timeout"),
        ("asyncio.exceptions.CancelledError", "cancelled", "cancelled"),
        ("_OTHER", "error", "internal"),
    ],
)
def test_a_run_s_error_is_classified_by_its_type(
    world: World, tracer: Tracer, error_type: str, status: str, category: str
) -> None:
    tracer.start_span("invoke_agent", attributes=AGENT | {"error.type": error_type}).end()
    assert world.runs(status, "support") == 1
    assert world.value("agent_errors_total", agent_type="support", error_category=category) == 1


OLDER: dict[str, Any] = {
    "llm.request.type": "chat",
    "gen_ai.request.model": "gpt-5-mini",
    "gen_ai.response.model": "gpt-5-mini",
    "gen_ai.usage.prompt_tokens": 1000,
    "gen_ai.usage.completion_tokens": 50,
    "gen_ai.usage.cache_read_input_tokens": 400,
    "gen_ai.usage.reasoning_tokens": 20,
    "gen_ai.completion.0.finish_reason": "tool_calls",
}


def test_the_names_of_openllmetry_s_past_are_known(world: World, tracer: Tracer) -> None:
    tracer.start_span("openai.chat", attributes=OLDER).end()
    assert calls(world, call_type="tool_call") == 1
    assert [tokens(world, kind) for kind in ("input", "output", "cached", "reasoning")] == [1000, 50, 400, 20]


def test_embeddings_are_calls_of_their_own_kind(world: World, tracer: Tracer) -> None:
    told: dict[str, Any] = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": "e",
        "gen_ai.usage.input_tokens": 9,
    }
    tracer.start_span("embeddings e", attributes=told).end()
    assert calls(world, "e", "embedding") == 1


def test_input_that_cannot_hold_the_cached_tokens_leaves_them_out(world: World, tracer: Tracer) -> None:
    cache: dict[str, Any] = {
        "gen_ai.usage.cache_read.input_tokens": 4000,
        "gen_ai.usage.cache_creation.input_tokens": 100,
    }
    tracer.start_span("chat", attributes=CHAT | cache).end()
    assert tokens(world, "input") == 5100


def test_attributes_that_come_at_the_end_are_enough(world: World, tracer: Tracer) -> None:
    with tracer.start_as_current_span("something") as span:
        span.set_attributes(CHAT | {"gen_ai.response.time_to_first_chunk": 0.3})
    assert calls(world) == 1
    assert world.value("llm_time_to_first_token_seconds_sum", model="gpt-5-mini") == 0.3


def test_a_call_without_tokens_is_unpriced_and_other_spans_are_nothing(world: World, tracer: Tracer) -> None:
    tracer.start_span("chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}).end()
    tracer.start_span("GET /", attributes={"http.request.method": "GET"}).end()
    tracer.start_span("create", attributes={"gen_ai.operation.name": "create_agent"}).end()
    assert calls(world, "m") == 1
    assert world.value("llm_unpriced_calls_total", model="m") == 1


def test_a_span_that_ends_in_another_context_belongs_to_the_run_it_began_in(world: World, tracer: Tracer) -> None:
    async def asked() -> None:
        agent = tracer.start_span("invoke_agent", attributes=AGENT)

        async def call() -> None:
            tracer.start_span("chat", context=set_span_in_context(agent), attributes=CHAT).end()

        await asyncio.create_task(call())
        await asyncio.to_thread(agent.end)

    asyncio.run(asked())
    assert world.runs("success", "support") == 1
    assert (world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="support") or 0) > 0
