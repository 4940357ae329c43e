"""Pydantic AI's agents, on real clients and a provider that answers what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from anthropic import AsyncAnthropic
from google import genai
from google.genai.types import HttpOptions
from openai import AsyncOpenAI
from pydantic_ai import Agent, ApprovalRequired, DeferredToolRequests, ModelRetry
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import ModelHTTPError, UnexpectedModelBehavior
from pydantic_ai.messages import ModelRequest
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.concurrency import ConcurrencyLimitedModel
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

from slo_engine.monitoring.integrations import pydantic_ai as pydantic_ai_monitoring
from slo_engine.monitoring.integrations.openai import monitor_openai
from slo_engine.monitoring.integrations.pydantic_ai import PydanticAIMonitor, monitor_model
from tests.monitoring.provider import ANSWER, FakeProvider, Usage
from tests.monitoring.world import World

T = TypeVar("T")

# What google-genai does with aiohttp when it opens its first async connection.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

USAGE = Usage(input=1000, cached=400, cache_write=100, output=50, reasoning=20)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.usage = USAGE
        yield provider


@pytest.fixture
def world() -> World:
    return World()


_opened: list[Callable[[], Awaitable[object]]] = []


def run(what: Awaitable[T]) -> T:
    """In a loop of its own, at whose end the clients are closed."""

    async def closing() -> T:
        try:
            return await what
        finally:
            while _opened:
                await _opened.pop()()

    return asyncio.run(closing())


def to_openai(provider: FakeProvider) -> OpenAIProvider:
    client = AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
    _opened.append(client.close)
    return OpenAIProvider(openai_client=client)


def chat(provider: FakeProvider, name: str = "gpt-5-mini") -> OpenAIChatModel:
    return OpenAIChatModel(name, provider=to_openai(provider))


def messages(provider: FakeProvider) -> AnthropicModel:
    client = AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0)
    _opened.append(client.close)
    return AnthropicModel("claude-sonnet-5", provider=AnthropicProvider(anthropic_client=client))


def contents(provider: FakeProvider) -> GoogleModel:
    client = genai.Client(api_key="k", vertexai=False, http_options=HttpOptions(base_url=provider.url))
    _opened.append(client.aio.aclose)
    return GoogleModel("gemini-2.5-flash", provider=GoogleProvider(client=client))


MODELS: dict[str, Callable[[FakeProvider], Model]] = {
    "chat": chat,
    "anthropic": messages,
    "google": contents,
}


def agent_of(model: Model, **options: Any) -> Agent[None, Any]:
    return Agent(model, capabilities=[PydanticAIMonitor()], **options)


def ask(world: World, agent: Agent[None, Any]) -> Any:
    async def asked() -> Any:
        with world.run():
            return (await agent.run("What is the weather?")).output

    return run(asked())


def tokens(world: World, model: str) -> dict[str, float | None]:
    kinds = ("input", "output", "cached", "cache_write", "reasoning")
    return {kind: world.value("llm_tokens_used_total", model=model, token_type=kind) or 0.0 for kind in kinds}


def calls(world: World, model: str, call_type: str = "completion") -> float:
    return world.value("llm_api_calls_total", model=model, call_type=call_type) or 0.0


def told(kind: str) -> dict[str, float]:
    # Google has no writes to a cache.
    written = 0.0 if kind == "google" else 100.0
    return {"input": 1000.0, "output": 50.0, "cached": 400.0, "cache_write": written, "reasoning": 20.0}


@pytest.mark.parametrize("kind", MODELS)
def test_each_provider_s_tokens_are_counted_in_the_terms_of_all(
    provider: FakeProvider, world: World, kind: str
) -> None:
    model = MODELS[kind](provider)
    assert ask(world, agent_of(model)) == ANSWER
    assert calls(world, model.model_name) == 1
    assert tokens(world, model.model_name) == told(kind)
    assert world.value("llm_call_duration_seconds_count", model=model.model_name) == 1
    assert (world.value("llm_cost_usd_total", model=model.model_name, agent_type="agent") or 0) > 0


@pytest.mark.parametrize("kind", MODELS)
def test_a_stream_counts_what_its_end_says_and_when_it_began(provider: FakeProvider, world: World, kind: str) -> None:
    model = MODELS[kind](provider)

    async def asked() -> str:
        with world.run():
            async with agent_of(model).run_stream("What is the weather?") as result:
                return "".join([piece async for piece in result.stream_text(delta=True)])

    assert run(asked()) == ANSWER
    assert calls(world, model.model_name) == 1
    assert tokens(world, model.model_name) == told(kind)
    assert world.value("llm_time_to_first_token_seconds_count", model=model.model_name) == 1


@pytest.mark.parametrize("monitors", ["model and client", "capability and model", "all"])
def test_a_call_that_several_see_is_counted_once(provider: FakeProvider, world: World, monitors: str) -> None:
    model: Model = chat(provider)
    if monitors != "capability and model":
        monitor_openai(model.provider.client)  # type: ignore[union-attr]
    if monitors != "model and client":
        model = monitor_model(model)
    assert ask(world, agent_of(model)) == ANSWER
    assert calls(world, "gpt-5-mini") == 1
    assert tokens(world, "gpt-5-mini")["input"] == 1000


def test_a_stream_that_a_monitored_client_sees_is_counted_once(provider: FakeProvider, world: World) -> None:
    model = chat(provider)
    monitor_openai(model.client)

    async def asked() -> None:
        with world.run():
            async with agent_of(model).run_stream("What is the weather?") as result:
                await result.get_output()

    run(asked())
    assert calls(world, "gpt-5-mini") == 1
    assert tokens(world, "gpt-5-mini")["input"] == 1000


def test_a_tool_is_counted_with_the_call_that_asks_for_it(provider: FakeProvider, world: World) -> None:
    agent = agent_of(chat(provider))

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    assert ask(world, agent) == ANSWER
    assert (calls(world, "gpt-5-mini", "tool_call"), calls(world, "gpt-5-mini")) == (1, 1)
    assert tokens(world, "gpt-5-mini")["input"] == 2000
    assert world.value("agent_tool_calls_total", tool_name="weather", status="success") == 1
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == 1


def test_a_tool_that_fails_fails_the_run_as_a_tool(provider: FakeProvider, world: World) -> None:
    agent = agent_of(chat(provider))

    @agent.tool_plain
    def weather(city: str) -> str:
        raise ConnectionError("no route")

    with pytest.raises(ConnectionError):
        ask(world, agent)
    assert world.value("agent_tool_calls_total", tool_name="weather", status="failure") == 1
    assert world.value("agent_errors_total", agent_type="agent", error_category="tool_failure") == 1


def test_a_tool_that_asks_to_be_called_otherwise_has_failed(provider: FakeProvider, world: World) -> None:
    agent = agent_of(chat(provider), retries=0)

    @agent.tool_plain
    def weather(city: str) -> str:
        raise ModelRetry("which Paris?")

    with pytest.raises(UnexpectedModelBehavior):
        ask(world, agent)
    assert world.value("agent_tool_calls_total", tool_name="weather", status="failure") == 1


def test_a_tool_that_takes_too_long_is_a_timeout(provider: FakeProvider, world: World) -> None:
    agent = agent_of(chat(provider))

    @agent.tool_plain(timeout=0.01)
    async def weather(city: str) -> str:
        await asyncio.Event().wait()
        return ""

    assert ask(world, agent) == ANSWER
    assert world.value("agent_tool_calls_total", tool_name="weather", status="timeout") == 1


def test_a_tool_that_waits_for_an_approval_is_not_called(provider: FakeProvider, world: World) -> None:
    agent = agent_of(chat(provider), output_type=[str, DeferredToolRequests])

    @agent.tool_plain
    def weather(city: str) -> str:
        raise ApprovalRequired

    assert isinstance(ask(world, agent), DeferredToolRequests)
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == 0


def test_a_model_that_fails_is_counted_and_costs_nothing(provider: FakeProvider, world: World) -> None:
    provider.fail_next(429)
    with pytest.raises(ModelHTTPError):
        ask(world, agent_of(chat(provider)))
    assert calls(world, "gpt-5-mini") == 1
    assert tokens(world, "gpt-5-mini")["input"] == 0
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 0
    assert world.value("agent_errors_total", agent_type="agent", error_category="rate_limit") == 1


@pytest.mark.parametrize("wraps", [False, True])
def test_each_model_of_a_fallback_is_counted_for_itself(provider: FakeProvider, world: World, wraps: bool) -> None:
    provider.fail_next(500)
    model: Model = FallbackModel(chat(provider, "gpt-5"), chat(provider))
    if wraps:
        model = ConcurrencyLimitedModel(model, limiter=1)
    agent = agent_of(model)

    async def asked() -> None:
        with world.run():
            await agent.run("What is the weather?")
            assert (calls(world, "gpt-5"), calls(world, "gpt-5-mini")) == (1, 1)
            await agent.run("What is the weather?")

    run(asked())
    assert (calls(world, "gpt-5"), calls(world, "gpt-5-mini")) == (2, 1)
    assert (tokens(world, "gpt-5")["input"], tokens(world, "gpt-5-mini")["input"]) == (1000, 1000)


def test_an_answer_that_does_not_fit_is_paid_as_well(provider: FakeProvider, world: World) -> None:
    agent = agent_of(chat(provider), retries=1)

    @agent.output_validator
    def never(output: str) -> str:
        raise ModelRetry("no")

    with pytest.raises(UnexpectedModelBehavior):
        ask(world, agent)
    assert calls(world, "gpt-5-mini") == len(provider.requests) == 2
    assert tokens(world, "gpt-5-mini")["input"] == 2000


@pytest.mark.parametrize("kind", ["anthropic", "chat"])
def test_a_stream_that_is_left_early_is_counted(provider: FakeProvider, world: World, kind: str) -> None:
    model = MODELS[kind](provider)

    async def asked() -> None:
        provider.delay_between_chunks = 0.05
        with world.run():
            async with agent_of(model).run_stream("What is the weather?") as result:
                async for _ in result.stream_text(debounce_by=None):
                    return

    run(asked())
    assert calls(world, model.model_name) == 1
    if kind == "chat":  # which tells its tokens at the end alone
        assert world.value("llm_unpriced_calls_total", model=model.model_name) == 1
    else:
        assert tokens(world, model.model_name)["input"] == 1000


def test_a_request_without_an_agent_is_counted_too(provider: FakeProvider, world: World) -> None:
    async def asked() -> None:
        with world.run():
            await model_request(monitor_model(chat(provider)), [ModelRequest.user_text_prompt("?")])

    run(asked())
    assert calls(world, "gpt-5-mini") == 1


def test_an_answer_that_the_sdk_cannot_read_is_not_free(provider: FakeProvider, world: World) -> None:
    class Unreadable(OpenAIChatModel):
        def _process_response(self, *args: Any, **kwargs: Any) -> Any:
            raise UnexpectedModelBehavior("what is this?")

    with pytest.raises(UnexpectedModelBehavior):
        ask(world, agent_of(Unreadable("gpt-5-mini", provider=to_openai(provider))))
    assert calls(world, "gpt-5-mini") == 1
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 1


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_that_the_monitoring_cannot_read_reaches_the_agent_all_the_same(
    provider: FakeProvider, world: World, monkeypatch: pytest.MonkeyPatch, streams: bool
) -> None:
    def unknown(response: object) -> None:
        raise AttributeError("another version")

    monkeypatch.setattr(pydantic_ai_monitoring, "_usage", unknown)

    async def asked() -> Any:
        with world.run():
            if not streams:
                return (await agent_of(chat(provider)).run("?")).output
            async with agent_of(chat(provider)).run_stream("?") as result:
                return await result.get_output()

    assert run(asked()) == ANSWER
    assert calls(world, "gpt-5-mini") == 1
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 1
    assert world.value("agent_monitoring_dropped_total", reason="internal") == 1


def test_what_is_said_is_in_the_trace(provider: FakeProvider) -> None:
    world = World(traced=True)
    agent = agent_of(chat(provider))

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sunny in {city}"

    ask(world, agent)
    kinds = [step.kind for step in world.trace.steps]
    assert sorted(kinds) == ["agent", "generation", "generation", "tool"]
    assert [step.output for step in world.trace.steps if step.kind == "tool"] == ["sunny in Paris"]
