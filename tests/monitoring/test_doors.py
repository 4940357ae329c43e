"""Every way of calling a model by a monitored client is counted, once, and leaves what it returns as it was."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest
from prometheus_client import CollectorRegistry

from slo_engine.monitoring import AgentMetrics, AgentMonitor, LangFuseAgentTracer, configure, monitor_agent
from slo_engine.monitoring.defaults import chosen
from slo_engine.monitoring.integrations.openai import monitor_openai
from slo_engine.monitoring.streams import settle_abandoned
from tests.monitoring.saying import (
    ASK,
    Answer,
    Failing,
    Json,
    Saying,
    chat,
    chunks,
    message,
    message_events,
    response,
    response_events,
)
from tests.monitoring.test_tokens import CLAUDE, City, to_anthropic, to_openai
from tests.monitoring.world import World


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> AgentMetrics:
    """Those that are used where nothing is given."""
    for name in ("metrics", "tracing", "is_tracing_known"):
        monkeypatch.setattr(chosen, name, getattr(chosen, name))
    found = AgentMetrics(CollectorRegistry())
    configure(metrics=found)
    return found


EVENTS = message_events(start={"input_tokens": 10, "output_tokens": 1}, end={"output_tokens": 50})
COMPLETION: Json = {
    "id": "c",
    "object": "text_completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "text": "x", "logprobs": None}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60},
}
EMBEDDING: Json = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}],
    "model": "m",
    "usage": {"prompt_tokens": 10, "total_tokens": 10},
}


def _raw_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.with_streaming_response.create(model="m", messages=[]) as raw:
        raw.parse()


def _helper(client: anthropic.Anthropic, messages: Any) -> None:
    with messages.stream(**CLAUDE) as stream:
        assert type(stream).__module__.startswith("anthropic")
        assert stream.get_final_message().usage.output_tokens == 50


@anthropic.beta_tool
def add(a: int) -> str:
    """Add.

    Args:
        a: a number
    """
    return str(a)


TEN: Json = {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60}
TEN_TOO: Json = {"input_tokens": 10, "output_tokens": 50, "total_tokens": 60}
OPENAI: dict[str, tuple[Answer, Callable[[openai.OpenAI], Any]]] = {
    "chat": (chat("m", usage=TEN), lambda c: c.chat.completions.create(model="m", messages=[])),
    "chat stream": (
        chunks("m", usage=TEN),
        lambda c: list(c.chat.completions.create(model="m", messages=[], stream=True)),
    ),
    "chat helper": (chunks("m", usage=TEN), lambda c: _chat_helper(c)),
    "parse": (
        chat("m", content='{"name":"x"}', usage=TEN),
        lambda c: c.chat.completions.parse(model="m", messages=[], response_format=City),
    ),
    "raw": (
        chat("m", usage=TEN),
        lambda c: c.chat.completions.with_raw_response.create(model="m", messages=[]).parse(),
    ),
    "raw, not parsed": (
        chat("m", usage=TEN),
        lambda c: c.chat.completions.with_raw_response.create(model="m", messages=[]).text,
    ),
    "raw of a client": (
        chat("m", usage=TEN),
        lambda c: c.with_raw_response.chat.completions.create(model="m", messages=[]).headers,
    ),
    "raw of a stream": (
        chunks("m", usage=TEN),
        lambda c: list(c.chat.completions.with_raw_response.create(model="m", messages=[], stream=True).parse()),
    ),
    "streaming response": (chat("m", usage=TEN), _raw_stream),
    "completions": (COMPLETION, lambda c: c.completions.create(model="m", prompt="q")),
    "responses": (response("m", usage=TEN_TOO), lambda c: c.responses.create(model="m", input="q")),
    "responses stream": (
        response_events(model="m", usage=TEN_TOO),
        lambda c: list(c.responses.create(model="m", input="q", stream=True)),
    ),
    "with_options": (
        chat("m", usage=TEN),
        lambda c: c.with_options(timeout=9).with_options(max_retries=0).chat.completions.create(model="m", messages=[]),
    ),
    "a retry": (chat("m", usage=TEN), lambda c: c.copy(max_retries=2).chat.completions.create(model="m", messages=[])),
}


def _chat_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="m", messages=[]) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == "sunny"


ANTHROPIC: dict[str, tuple[Answer, Callable[[anthropic.Anthropic], Any]]] = {
    "messages": (message(), lambda c: c.messages.create(**CLAUDE)),
    "beta": (message(), lambda c: c.beta.messages.create(**CLAUDE)),
    "raw": (message(), lambda c: c.messages.with_raw_response.create(**CLAUDE).parse()),
    "stream": (EVENTS, lambda c: list(c.messages.create(**CLAUDE, stream=True))),
    "stream helper": (EVENTS, lambda c: _helper(c, c.messages)),
    "beta stream helper": (EVENTS, lambda c: _helper(c, c.beta.messages)),
    "tool runner": (message(), lambda c: c.beta.messages.tool_runner(**CLAUDE, tools=[add]).until_done()),
    "with_options": (message(), lambda c: c.with_options(timeout=9).messages.create(**CLAUDE)),
}


def counted(world: World, model: str) -> tuple[float | None, ...]:
    tokens = (world.value("llm_tokens_used_total", model=model, token_type=each) for each in ("input", "output"))
    return (world.value("llm_api_calls_total", model=model, call_type="completion"), *tokens)


@pytest.mark.parametrize("door", OPENAI)
def test_every_door_of_openais_client_is_counted_once(door: str) -> None:
    answer, call = OPENAI[door]
    answers = [Failing(429, {"error": {"message": "slow"}}), answer] if door == "a retry" else [answer]
    world = World()
    with Saying(*answers) as provider, world.run():
        call(to_openai(provider))
    assert counted(world, "m") == (1, 10, 50)


@pytest.mark.parametrize("door", ANTHROPIC)
def test_every_door_of_anthropics_client_is_counted_once(door: str) -> None:
    answer, call = ANTHROPIC[door]
    world = World()
    with Saying(answer) as provider, world.run():
        call(to_anthropic(provider))
    assert counted(world, "claude-sonnet-5") == (1, 10, 50)


def test_async_doors_are_counted_once() -> None:
    world = World()

    async def main(provider: Saying) -> None:
        url = f"{provider.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as unseen, world.run():
            client = monitor_openai(unseen)
            await client.chat.completions.create(model="m", messages=[])
            stream = await client.chat.completions.create(model="m", messages=[], stream=True)
            assert isinstance(stream, openai.AsyncStream)
            async with stream:
                async for _ in stream:
                    pass
            raw = await client.chat.completions.with_raw_response.create(model="m", messages=[])
            assert raw.parse().choices
            async with client.chat.completions.with_streaming_response.create(model="m", messages=[]) as answer:
                await answer.parse()
            await client.with_options(timeout=9).chat.completions.create(model="m", messages=[])
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(model="m", messages=[])

    one = chat("m", usage=TEN)
    slow = Failing(429, {"error": {"message": "slow"}})
    with Saying(one, chunks("m", usage=TEN), one, one, one, slow) as provider:
        asyncio.run(main(provider))
    assert counted(world, "m") == (6, 50, 250)
    assert world.value("llm_unpriced_calls_total", model="m") == 5  # the one that failed cost nothing


def test_embeddings_are_counted_as_such() -> None:
    world = World()
    with Saying(EMBEDDING) as provider, world.run():
        to_openai(provider).embeddings.create(model="m", input="q")
    assert world.value("llm_api_calls_total", model="m", call_type="embedding") == 1
    assert world.value("llm_tokens_used_total", model="m", token_type="input") == 10


def test_what_is_no_call_of_a_model_is_none() -> None:
    world = World()
    with Saying({"input_tokens": 5}) as provider, world.run():
        to_anthropic(provider).messages.count_tokens(model="m", messages=ASK)
        to_openai(provider).post("/files", cast_to=object)
    assert world.value("llm_api_calls_total", model="m", call_type="completion") is None


def test_a_stream_keeps_its_type_and_what_can_be_done_with_it() -> None:
    world = World()
    with Saying(chunks("m", usage=TEN)) as provider, world.run():
        client = to_openai(provider)
        stream = client.chat.completions.create(model="m", messages=[], stream=True)
        assert isinstance(stream, openai.Stream)
        assert stream.response.status_code == 200
        assert next(stream).choices[0].delta.content == "sun"
        with stream as same:
            assert same is stream
            assert [each.choices[0].delta.content for each in stream if each.choices] == ["ny", None]
        assert counted(world, "m") == (1, 10, 50)
    with Saying(EVENTS) as provider, world.run():
        events = to_anthropic(provider).messages.create(**CLAUDE, stream=True)
        assert isinstance(events, anthropic.Stream)
        assert [each.type for each in events][-1] == "message_stop"


@pytest.mark.parametrize("ending", ["let go", "close", "exception", "drop"])
def test_a_stream_that_is_left_early_is_counted(ending: str) -> None:
    world = World()
    gc.disable()  # a stream that is dropped must not have to wait for it
    try:
        with Saying(chunks("m", usage=TEN)) as provider, world.run():
            _left_early(to_openai(provider), ending)
    finally:
        gc.enable()
    assert world.value("llm_api_calls_total", model="m", call_type="completion") == 1
    assert world.value("llm_unpriced_calls_total", model="m") == 1
    assert world.value("llm_time_to_first_token_seconds_count", model="m") == (None if ending == "drop" else 1)


def _left_early(client: openai.OpenAI, ending: str) -> None:
    stream = client.chat.completions.create(model="m", messages=[], stream=True)
    if ending == "drop":
        return
    next(stream)
    if ending == "close":
        stream.close()
    if ending == "exception":
        error = KeyError("city")
        stream.__enter__().__exit__(KeyError, error, None)


def test_a_raw_stream_that_nobody_parses_is_counted() -> None:
    world = World()
    with Saying(chunks("m", usage=TEN)) as provider, world.run():
        with to_openai(provider).chat.completions.with_streaming_response.create(
            model="m", messages=[], stream=True
        ) as raw:
            list(raw.iter_lines())
        del raw
        gc.collect()
        settle_abandoned()
    assert world.value("llm_api_calls_total", model="m", call_type="completion") == 1


@pytest.mark.parametrize("client", [object(), openai])
def test_what_is_no_client_is_refused_with_a_sentence(client: Any) -> None:
    with pytest.raises(TypeError, match="is no client of the provider's SDK"):
        monitor_openai(client)


def test_monitoring_a_client_twice_counts_once() -> None:
    world = World()
    with Saying(chat("m", usage=TEN)) as provider, world.run():
        monitor_openai(to_openai(provider)).chat.completions.create(model="m", messages=[])
    assert counted(world, "m") == (1, 10, 50)


# Outside of runs.


def test_calls_of_a_thread_pool_are_counted_as_no_runs(metrics: AgentMetrics) -> None:
    with Saying(chat()) as provider:
        client = to_openai(provider)

        def ask(_: int) -> None:
            client.chat.completions.create(model="gpt-5-mini", messages=[])

        @monitor_agent("pool")
        def pool() -> None:
            with ThreadPoolExecutor(3) as threads:
                list(threads.map(ask, range(3)))

        @monitor_agent("executor")
        async def executor() -> None:
            await asyncio.get_running_loop().run_in_executor(None, ask, 0)

        @monitor_agent("to_thread")
        async def to_thread() -> None:
            await asyncio.to_thread(ask, 0)

        pool()
        asyncio.run(executor())
        asyncio.run(to_thread())
    value = metrics.registry.get_sample_value
    assert value("llm_api_calls_total", {"model": "gpt-5-mini", "call_type": "completion"}) == 5
    assert value("llm_tokens_used_total", {"model": "gpt-5-mini", "token_type": "input"}) == 5000
    spent = {
        each: value("llm_cost_usd_total", {"model": "gpt-5-mini", "agent_type": each})
        for each in ("no_run", "to_thread")
    }
    assert spent == {"no_run": pytest.approx(4 * 0.00035), "to_thread": pytest.approx(0.00035)}
    assert value("agent_requests_total", {"agent_type": "no_run", "status": "success"}) is None


def test_a_monitor_in_a_thread_without_a_context_tells_its_only_run(metrics: AgentMetrics) -> None:
    monitor = AgentMonitor("support", "gpt-5-mini")
    with monitor:
        thread = threading.Thread(target=lambda: monitor.record_llm_call(input_tokens=1000, output_tokens=50))
        thread.start()
        thread.join()
    found = metrics.registry.get_sample_value(
        "agent_cost_per_request_usd_sum", {"agent_type": "support", "model": "gpt-5-mini"}
    )
    assert found == pytest.approx(0.00035)


def test_a_monitored_client_in_a_traced_run_counts_for_the_run_around_it(metrics: AgentMetrics) -> None:
    with Saying(chat()) as provider:
        client = to_openai(provider)
        with AgentMonitor("support"), LangFuseAgentTracer("support"):
            client.chat.completions.create(model="gpt-5-mini", messages=[])
        with LangFuseAgentTracer("alone"):
            client.chat.completions.create(model="gpt-5-mini", messages=[])
    for agent in ("support", "alone"):
        found = metrics.registry.get_sample_value("llm_cost_usd_total", {"model": "gpt-5-mini", "agent_type": agent})
        assert found == pytest.approx(0.00035)


def test_deployments_of_azure_are_counted_by_the_model_that_answers(
    metrics: AgentMetrics,
) -> None:
    with Saying(chat("gpt-4o-2024-11-20")) as provider, AgentMonitor("support"):
        url = f"{provider.url}/openai/deployments/ours"
        client = openai.AzureOpenAI(base_url=url, api_key="k", api_version="2024-10-21", max_retries=0)
        monitor_openai(provider.closing.enter_context(client)).chat.completions.create(model="ours", messages=[])
    labels = {"model": "gpt-4o-2024-11-20", "agent_type": "support"}
    assert (metrics.registry.get_sample_value("llm_cost_usd_total", labels) or 0) > 0
