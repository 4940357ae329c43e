"""Google's Agent Development Kit, where it is installed: it does not go with this project's own dependencies.

``pip install google-adk`` in another environment, then ``pytest tests/monitoring/test_google_adk.py`` there.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from slo_engine.monitoring import AgentMetrics, AgentMonitor
from slo_engine.monitoring.integrations.google import monitor_google
from tests.monitoring.provider import ANSWER, FakeProvider, Usage

pytest.importorskip("google.adk", reason="google-adk is not installed")
pytestmark = pytest.mark.filterwarnings("default")

from google import genai  # noqa: E402
from google.adk.agents import LlmAgent  # noqa: E402
from google.adk.agents.run_config import RunConfig, StreamingMode  # noqa: E402
from google.adk.models.google_llm import Gemini  # noqa: E402
from google.adk.runners import InMemoryRunner  # noqa: E402
from google.genai import types  # noqa: E402
from prometheus_client import CollectorRegistry  # noqa: E402

from slo_engine.monitoring.integrations.google_adk import AdkMonitor  # noqa: E402

MODEL = "gemini-2.5-flash"


class World:
    """`tests.monitoring.world` needs what is not installed beside the kit."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = AgentMetrics(self.registry)

    def run(self) -> Any:
        return AgentMonitor("agent", metrics=self.metrics).run_context()

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def calls(self, call_type: str = "completion") -> float:
        return self.value("llm_api_calls_total", model=MODEL, call_type=call_type)

    def tokens(self) -> dict[str, float]:
        kinds = ("input", "output", "cached", "reasoning")
        return {kind: self.value("llm_tokens_used_total", model=MODEL, token_type=kind) for kind in kinds}


def told(calls: int) -> dict[str, float]:
    return {"input": 1000.0 * calls, "output": 50.0 * calls, "cached": 400.0 * calls, "reasoning": 20.0 * calls}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.usage = Usage(input=1000, cached=400, output=50, reasoning=20)
        yield provider


def weather(city: str) -> dict[str, str]:
    """The weather in a city."""
    return {"found": f"sunny in {city}"}


def broken(city: str) -> dict[str, str]:
    """The weather in a city."""
    raise ConnectionError("no route")


def refusing(city: str) -> dict[str, str]:
    """The weather in a city."""
    return {"error": "no such city"}


def ask(
    world: World, provider: FakeProvider, *tools: Any, streams: bool = False, monitors: bool = False, stop: int = 0
) -> str:
    client = genai.Client(api_key="test", vertexai=False, http_options=types.HttpOptions(base_url=provider.url))
    if monitors:
        monitor_google(client)
    model = Gemini(model=MODEL, client=client)

    async def run() -> str:
        agent = LlmAgent(name="support", model=model, instruction="Help.", tools=list(tools))
        runner = InMemoryRunner(agent=agent, app_name="app", plugins=[AdkMonitor()])
        session = await runner.session_service.create_session(app_name="app", user_id="u")
        config = RunConfig(streaming_mode=StreamingMode.SSE if streams else StreamingMode.NONE)
        said = []
        question = types.Content(role="user", parts=[types.Part(text="What is the weather?")])
        with world.run():
            events = runner.run_async(user_id="u", session_id=session.id, new_message=question, run_config=config)
            async for event in events:
                if not event.partial and event.content and event.content.parts:
                    said += [part.text or "" for part in event.content.parts]
                if stop and len(said) + bool(event.partial) >= stop:
                    await events.aclose()
                    break
        return "".join(said)

    answer = asyncio.run(run())
    gc.collect()
    with AgentMonitor("another", metrics=world.metrics):
        pass  # which settles what was abandoned
    return answer


@pytest.mark.parametrize("streams", [False, True])
def test_a_model_s_answer_is_counted(world: World, provider: FakeProvider, streams: bool) -> None:
    assert ask(world, provider, streams=streams) == ANSWER
    assert world.calls() == 1
    assert world.tokens() == told(1)
    assert world.value("llm_call_duration_seconds_count", model=MODEL) == 1
    assert world.value("llm_time_to_first_token_seconds_count", model=MODEL) == streams
    assert world.value("llm_cost_usd_total", model=MODEL, agent_type="agent") > 0


@pytest.mark.parametrize("streams", [False, True])
def test_a_tool_is_counted_with_the_call_that_asks_for_it(world: World, provider: FakeProvider, streams: bool) -> None:
    assert ask(world, provider, weather, streams=streams) == ANSWER
    assert (world.calls("tool_call"), world.calls()) == (1, 1)
    assert world.tokens() == told(2)
    assert world.value("agent_tool_calls_total", tool_name="weather", status="success") == 1
    assert world.value("agent_tool_call_count_sum", agent_type="agent") == 1


@pytest.mark.parametrize("streams", [False, True])
def test_a_call_that_a_monitored_client_counts_is_counted_once(
    world: World, provider: FakeProvider, streams: bool
) -> None:
    assert ask(world, provider, weather, streams=streams, monitors=True) == ANSWER
    assert (world.calls("tool_call"), world.calls()) == (1, 1)
    assert world.tokens() == told(2)


def test_a_tool_that_fails_fails_the_run_as_a_tool(world: World, provider: FakeProvider) -> None:
    with pytest.raises(ConnectionError):
        ask(world, provider, broken)
    assert world.value("agent_tool_calls_total", tool_name="broken", status="failure") == 1
    assert world.value("agent_errors_total", agent_type="agent", error_category="tool_failure") == 1


def test_a_tool_that_answers_with_an_error_has_failed(world: World, provider: FakeProvider) -> None:
    assert ask(world, provider, refusing) == ANSWER
    assert world.value("agent_tool_calls_total", tool_name="refusing", status="failure") == 1
    assert world.value("agent_requests_total", agent_type="agent", status="success") == 1


@pytest.mark.parametrize(("failure", "category"), [(429, "rate_limit"), (500, "llm_error")])
def test_what_a_provider_refuses_is_counted_by_its_category(
    world: World, provider: FakeProvider, failure: Any, category: str
) -> None:
    provider.fail_next(failure)
    with pytest.raises(genai.errors.APIError):
        ask(world, provider)
    assert world.calls() == 1
    assert world.value("llm_unpriced_calls_total", model=MODEL) == 0
    assert world.value("agent_errors_total", agent_type="agent", error_category=category) == 1


def test_a_stream_that_is_left_early_is_counted(world: World, provider: FakeProvider) -> None:
    ask(world, provider, streams=True, stop=1)
    assert world.calls() == 1
    assert world.tokens()["input"] == 1000
