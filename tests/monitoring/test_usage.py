"""What calls used, read from the answers and streams of the real SDKs, which talk to a local fake."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.monitoring import Prices
from slo_engine.monitoring.integrations.anthropic import monitor_anthropic
from slo_engine.monitoring.integrations.openai import monitor_openai
from slo_engine.monitoring.usage import StreamReader, is_stream, usage_of
from tests.monitoring.provider import ANSWER, FakeProvider, Usage
from tests.monitoring.world import World

ASK: Any = [{"role": "user", "content": "How is the weather?"}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.usage = Usage(input=1000, cached=400, cache_write=0, output=50, reasoning=20)
        yield provider


class Clients:
    """A client of each provider."""

    def __init__(self, provider: FakeProvider) -> None:
        self.openai = openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
        self.anthropic = anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0)
        self.google = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=provider.url))


@pytest.fixture
def clients(provider: FakeProvider) -> Iterator[Clients]:
    clients = Clients(provider)
    with clients.openai, clients.anthropic:
        yield clients
        clients.google.close()


def answers_of(clients: Clients) -> dict[str, Any]:
    """An answer of each API."""
    claude = clients.anthropic.messages
    return {
        "chat": clients.openai.chat.completions.create(model="gpt-5-mini", messages=ASK),
        "responses": clients.openai.responses.create(model="gpt-5-mini", input="How?"),
        "anthropic": claude.create(model="claude-sonnet-5", max_tokens=99, messages=ASK),
        "google": clients.google.models.generate_content(model="gemini-2.5-pro", contents="How?"),
    }


MODELS = {"chat": "gpt-5-mini", "responses": "gpt-5-mini", "anthropic": "claude-sonnet-5"}
MODELS |= {"google": "gemini-2.5-pro"}


def test_every_answer_is_read_in_the_same_terms(clients: Clients) -> None:
    for api, answer in answers_of(clients).items():
        usage = usage_of(answer)
        assert usage is not None, api
        assert usage.model == MODELS[api], api
        reasoning = usage.reasoning_tokens
        assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (1000, 400, 50), api
        assert reasoning == 20 or api == "anthropic", api
        assert ANSWER in json.dumps(usage.output, default=str), api
        assert usage.call_type is None, api
        as_json = answer.model_dump(mode="json") if hasattr(answer, "model_dump") else None
        if as_json is not None:
            read_again = usage_of(as_json)
            assert read_again is not None, api
            assert read_again.tokens() == usage.tokens(), api


def test_writes_to_the_cache_are_a_part_of_the_input(provider: FakeProvider, clients: Clients) -> None:
    provider.usage = Usage(input=1000, cached=400, cache_write=100, output=50)
    usage = usage_of(clients.anthropic.messages.create(model="claude-sonnet-5", max_tokens=99, messages=ASK))
    assert usage is not None
    assert usage.tokens()[:4] == (1000, 50, 400, 100)


def test_an_answer_given_to_record_llm_call_comes_back_and_is_counted(clients: Clients) -> None:
    world = World(traced=True)
    for api, answer in answers_of(clients).items():
        with world.run() as run:
            assert run.record_llm_call(answer, seconds=1.5) is answer
        generation = world.kept.traces[-1].steps[1]
        assert generation.name == MODELS[api]
        assert generation.attributes is not None
        assert generation.attributes["usage_details"]["input"] == 600
        assert generation.attributes["cost_details"]["total"] > 0
        assert ANSWER in (generation.output or "")
    assert world.value("llm_api_calls_total", model="gpt-5-mini", call_type="completion") == 2
    assert world.value("llm_tokens_used_total", model="claude-sonnet-5", token_type="input") == 1000
    assert world.value("llm_tokens_used_total", model="gemini-2.5-pro", token_type="reasoning") == 20
    assert (world.value("llm_cost_usd_total", model="claude-sonnet-5", agent_type="agent") or 0) == pytest.approx(
        Prices().cost("claude-sonnet-5", 1000, 50, 400)
    )


def test_an_answer_that_calls_a_tool_is_a_tool_call(clients: Clients) -> None:
    usage = usage_of(clients.openai.chat.completions.create(model="gpt-5-mini", messages=ASK, tools=TOOLS))
    assert usage is not None
    assert usage.call_type == "tool_call"


def stream_of(clients: Clients, api: str) -> Any:
    """A stream of an API."""
    if api == "chat":
        return clients.openai.chat.completions.create(
            model=MODELS[api], messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    if api == "responses":
        return clients.openai.responses.create(model=MODELS[api], input="How?", stream=True)
    if api == "anthropic":
        return clients.anthropic.messages.create(model=MODELS[api], max_tokens=99, messages=ASK, stream=True)
    return clients.google.models.generate_content_stream(model=MODELS[api], contents="How?")


@pytest.mark.parametrize("api", ["chat", "responses", "anthropic", "google"])
def test_a_stream_goes_through_unchanged_and_is_counted_when_it_ends(clients: Clients, api: str) -> None:
    model, stream, again = MODELS[api], stream_of(clients, api), stream_of(clients, api)
    world = World(traced=True)
    with world.run() as run:
        wrapped = run.record_llm_call(stream)
        kinds = [type(chunk) for chunk in wrapped]
        if hasattr(wrapped, "close"):
            wrapped.close()
    assert kinds == [type(chunk) for chunk in again]
    assert world.value("llm_api_calls_total", model=model, call_type="completion") == 1
    assert world.value("llm_tokens_used_total", model=model, token_type="input") == 1000
    assert world.value("llm_tokens_used_total", model=model, token_type="cached") == 400
    assert world.value("llm_tokens_used_total", model=model, token_type="output") == 50
    assert world.value("llm_time_to_first_token_seconds_count", model=model) == 1
    assert world.value("llm_call_duration_seconds_count", model=model) == 1
    generation = world.trace.steps[1]
    assert (generation.name, generation.failed) == (model, False)
    assert ANSWER in (generation.output or "")


# In a process of its own: LiteLLM leaves sockets and event loops behind.
LITELLM = """
import json, os, sys
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
from tests.monitoring.world import World
world = World()
ask = {"model": "openai/gpt-5-mini", "messages": [{"role": "user", "content": "How?"}], "api_base": sys.argv[1]}
with world.run() as run:
    run.record_llm_call(litellm.completion(**ask, api_key="k"), seconds=1)
    stream = litellm.completion(**ask, api_key="k", stream=True, stream_options={"include_usage": True})
    for chunk in run.record_llm_call(stream):
        pass
names = ["llm_tokens_used_total", "llm_api_calls_total", "llm_time_to_first_token_seconds_count", "llm_cost_usd_total"]
print(json.dumps([
    [sample.name, sample.labels.get("token_type"), sample.value]
    for family in world.registry.collect() for sample in family.samples if sample.name in names
]))
"""


def test_answers_and_streams_of_litellm_are_read_too(provider: FakeProvider) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LITELLM, f"{provider.url}/v1"], capture_output=True, text=True, check=True, timeout=120
    )
    counted = {(name, kind): value for name, kind, value in json.loads(done.stdout.splitlines()[-1])}
    assert counted["llm_api_calls_total", None] == 2
    assert [counted["llm_tokens_used_total", kind] for kind in ("input", "cached", "output", "reasoning")] == [
        *(2000, 800, 100, 40),
    ]
    assert counted["llm_time_to_first_token_seconds_count", None] == 1
    assert counted["llm_cost_usd_total", None] > 0


def test_the_first_token_is_the_first_that_says_something(provider: FakeProvider, clients: Clients) -> None:
    provider.delay_between_chunks = 0.05
    world = World()
    with world.run() as run:
        for _ in run.record_llm_call(clients.openai.chat.completions.create(model="m", messages=ASK, stream=True)):
            pass
    total = world.value("llm_call_duration_seconds_sum", model="m") or 0
    first = world.value("llm_time_to_first_token_seconds_sum", model="m") or 0
    assert 0 < first < total


def test_a_stream_without_tokens_is_unpriced_rather_than_free(clients: Clients) -> None:
    world = World()
    with world.run() as run:
        for _ in run.record_llm_call(
            clients.openai.chat.completions.create(model="gpt-5-mini", messages=ASK, stream=True)
        ):
            pass
    assert world.value("llm_unpriced_calls_total", model="gpt-5-mini") == 1
    assert world.value("llm_cost_usd_total", model="gpt-5-mini", agent_type="agent") is None


def test_a_stream_that_is_given_up_is_counted_once(clients: Clients) -> None:
    world = World(traced=True)
    client = monitor_openai(clients.openai)
    with world.run():
        stream = client.chat.completions.create(model="gpt-5-mini", messages=ASK, stream=True)
        next(iter(stream))
        stream.close()
        dropped = client.chat.completions.create(model="gpt-5-mini", messages=ASK, stream=True)
        next(iter(dropped))
        dropped.response.close()
        del dropped
        with client.chat.completions.create(model="gpt-5-mini", messages=ASK, stream=True) as managed:
            next(managed)
    assert world.value("llm_api_calls_total", model="gpt-5-mini", call_type="completion") == 3
    assert not world.trace.failed


def test_a_stream_that_breaks_is_an_error_of_its_model() -> None:
    def chunks() -> Iterator[Any]:
        yield {"model": "m", "choices": [{"delta": {"content": "half"}}]}
        raise ConnectionError("reset")

    world = World(traced=True)
    with pytest.raises(ConnectionError), world.run() as run:
        for _ in run.record_llm_call(chunks()):
            pass
    assert world.value("agent_errors_total", agent_type="agent", error_category="llm_error") == 1
    assert world.trace.steps[1].failed
    assert world.trace.steps[1].output == "half"


def test_async_clients_and_streams_are_counted_too(provider: FakeProvider) -> None:
    world = World()

    async def main() -> None:
        async with (
            monitor_openai(openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)) as client,
            monitor_anthropic(anthropic.AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0)) as claude,
            world.run(),
        ):
            await client.chat.completions.create(model="gpt-5-mini", messages=ASK)
            async for _ in await client.responses.create(model="gpt-5-mini", input="How?", stream=True):
                pass
            await client.embeddings.create(model="text-embedding-3-small", input="How?")
            async with claude.messages.stream(model="claude-sonnet-5", max_tokens=9, messages=ASK) as stream:
                assert await stream.get_final_text() == ANSWER

    asyncio.run(main())
    assert world.value("llm_api_calls_total", model="gpt-5-mini", call_type="completion") == 2
    assert world.value("llm_api_calls_total", model="text-embedding-3-small", call_type="embedding") == 1
    assert world.value("llm_tokens_used_total", model="claude-sonnet-5", token_type="output") == 50


def test_clients_outside_of_a_run_are_as_they_were_and_a_second_time_changes_nothing(clients: Clients) -> None:
    world = World()
    client = monitor_openai(monitor_openai(clients.openai))
    assert client.chat.completions.create(model="gpt-5-mini", messages=ASK).choices[0].message.content == ANSWER
    with world.run():
        client.chat.completions.create(model="gpt-5-mini", messages=ASK)
        with client.chat.completions.stream(
            model="gpt-5-mini", messages=ASK, stream_options={"include_usage": True}
        ) as stream:
            assert stream.get_final_completion().choices[0].message.content == ANSWER
    assert world.value("llm_api_calls_total", model="gpt-5-mini", call_type="completion") == 2


@pytest.mark.parametrize(
    "answer",
    [None, 3, "text", [1], {}, {"usage": None}, {"usage": 3}, object(), MagicMock(), SimpleNamespace(usage={})],
)
def test_an_answer_of_no_known_kind_is_counted_as_one_of_an_unknown_model(answer: Any) -> None:
    world = World(traced=True)
    with world.run() as run:
        returned = run.record_llm_call(answer)
    assert world.runs("success") == 1
    if not isinstance(answer, str):
        assert returned is answer
        assert world.value("llm_cost_usd_total", model="unknown", agent_type="agent") is None


@pytest.mark.parametrize(
    "answer", ["text", b"bytes", [1, 2], (1,), {"a": 1}, {1, 2}, SimpleNamespace(usage=1), 3, None]
)
def test_what_is_no_stream_is_not_taken_for_one(answer: Any) -> None:
    assert not is_stream(answer)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["usage", "type", "choices", "delta", "content", "model", "message", "usage_metadata", "input_tokens"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(chunks=st.lists(JSON, max_size=5))
def test_no_answer_however_strange_harms_who_reads_it(chunks: list[Any]) -> None:
    reader = StreamReader()
    for chunk in chunks:
        usage_of(chunk)
        reader.read(chunk)
    reader.usage(keep_text=True)
