"""The provider's own numbers: of whole answers and of streams, of what was billed and could not be read."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anthropic
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_anthropic import ChatAnthropic
from pydantic import BaseModel, SecretStr

from slo_engine.monitoring import Prices
from slo_engine.monitoring.integrations.anthropic import monitor_anthropic
from slo_engine.monitoring.integrations.langchain import LangChainMonitor
from slo_engine.monitoring.integrations.openai import monitor_openai
from slo_engine.monitoring.usage import LLMUsage, StreamReader, usage_of
from tests.monitoring.saying import ASK, Answer, Saying, chat, chunks, message, message_events, response
from tests.monitoring.shapes import SHAPES
from tests.monitoring.world import World


def to_openai(provider: Saying) -> openai.OpenAI:
    client = openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0)
    return monitor_openai(provider.closing.enter_context(client))


def to_anthropic(provider: Saying) -> anthropic.Anthropic:
    client = anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0)
    return monitor_anthropic(provider.closing.enter_context(client))


def tokens(world: World, model: str) -> dict[str, float]:
    kinds = ("input", "output", "cached", "cache_write", "reasoning")
    found = {kind: world.value("llm_tokens_used_total", model=model, token_type=kind) for kind in kinds}
    return {kind: value for kind, value in found.items() if value}


def spent(world: World, model: str) -> float:
    return world.value("llm_cost_usd_total", model=model, agent_type="agent") or 0.0


CLAUDE: Any = {"model": "claude-sonnet-5", "max_tokens": 9, "messages": ASK}


@pytest.mark.parametrize("door", ["create", "stream"])
def test_a_stream_of_anthropic_tells_its_input_at_the_end_where_a_tool_ran_on_the_server(door: str) -> None:
    start = {"input_tokens": 25, "output_tokens": 1, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    end = {"input_tokens": 10682, "cache_read_input_tokens": 2000, "output_tokens": 510}
    world = World()
    with Saying(message_events(start=start, end=end)) as provider:
        client = to_anthropic(provider)
        with world.run():
            if door == "create":
                list(client.messages.create(**CLAUDE, stream=True))
            else:
                with client.messages.stream(**CLAUDE) as stream:
                    usage = stream.get_final_message().usage
                    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) == 12682
    assert tokens(world, "claude-sonnet-5") == {"input": 12682, "output": 510, "cached": 2000}


def test_a_stream_of_anthropic_that_tells_its_input_once_keeps_it() -> None:
    start = {"input_tokens": 25, "output_tokens": 1, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 30}
    world = World()
    with Saying(message_events(start=start, end={"output_tokens": 15})) as provider, world.run():
        list(to_anthropic(provider).messages.create(**CLAUDE, stream=True))
    assert tokens(world, "claude-sonnet-5") == {"input": 95, "output": 15, "cached": 40, "cache_write": 30}


@pytest.mark.parametrize(
    ("model", "prompt", "completion", "reasoning"),
    [("grok-4-fast-reasoning", 279, 6, 89), ("gemini-2.5-flash", 100, 20, 300)],
)
@pytest.mark.parametrize("is_told", [True, False])
def test_reasoning_that_a_provider_leaves_out_of_its_completion_is_output_all_the_same(
    model: str, prompt: int, completion: int, reasoning: int, is_told: bool
) -> None:
    usage: Any = {"prompt_tokens": prompt, "completion_tokens": completion}
    usage["total_tokens"] = prompt + completion + reasoning
    if is_told:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    world = World()
    with Saying(chat(model, usage=usage)) as provider, world.run():
        to_openai(provider).chat.completions.create(model=model, messages=[])
    assert tokens(world, model) == {"input": prompt, "output": completion + reasoning, "reasoning": reasoning}
    assert spent(world, model) == pytest.approx(Prices().cost(model, prompt, completion + reasoning))


class City(BaseModel):
    name: str


def _chat_parse(provider: Saying) -> Any:
    return to_openai(provider).chat.completions.parse(model="m", messages=[], response_format=City)


def _responses_parse(provider: Saying) -> Any:
    return to_openai(provider).responses.parse(model="m", input="q", text_format=City)


def _messages_parse(provider: Saying) -> Any:
    return to_anthropic(provider).messages.parse(**CLAUDE, output_format=City)


BILLED: dict[str, int] = {"prompt_tokens": 1000, "completion_tokens": 4000, "total_tokens": 5000}
BILLED_TOO: dict[str, int] = {"input_tokens": 1000, "output_tokens": 4000, "total_tokens": 5000}


@pytest.mark.parametrize(
    ("answer", "ask"),
    [
        (chat("m", content='{"name":"Par', finish="length", usage=BILLED), _chat_parse),
        (chat("m", content='{"nom":"Paris"}', usage=BILLED), _chat_parse),
        (response("m", text='{"nom":1}', usage=BILLED_TOO), _responses_parse),
        (message("m", text='{"nom":1}', input_tokens=1000, output_tokens=4000), _messages_parse),
    ],
    ids=["cut off", "chat", "responses", "anthropic"],
)
def test_what_parse_cannot_read_was_billed(answer: Answer, ask: Callable[[Saying], Any]) -> None:
    world = World(traced=True)
    with Saying(answer) as provider, pytest.raises(Exception, match=r"(?i)length|valid"), world.run():
        ask(provider)
    assert tokens(world, "m") == {"input": 1000, "output": 4000}
    assert world.value("llm_api_calls_total", model="m", call_type="completion") == 1
    assert world.trace.steps[1].failed


@pytest.mark.parametrize(("kind", "share"), [("5m", 1.25), ("1h", 2.0)])
@pytest.mark.parametrize("door", ["sdk", "langchain"])
def test_writes_to_a_cache_have_the_price_of_how_long_they_are_kept(door: str, kind: str, share: float) -> None:
    lives = {f"ephemeral_{each}_input_tokens": 8000 if each == kind else 0 for each in ("5m", "1h")}
    answer = message(
        input_tokens=10,
        output_tokens=0,
        cache_read_input_tokens=500,
        cache_creation_input_tokens=8000,
        cache_creation=lives,
    )
    rates = Prices().rates("claude-sonnet-5")
    assert rates is not None
    world = World()
    with Saying(answer) as provider, world.run():
        if door == "sdk":
            to_anthropic(provider).messages.create(**CLAUDE)
        else:
            model = ChatAnthropic(model_name="claude-sonnet-5", base_url=provider.url, api_key=SecretStr("k"))  # type: ignore[call-arg]
            model.invoke("q", {"callbacks": [LangChainMonitor()]})
    assert tokens(world, "claude-sonnet-5") == {"input": 8510, "cached": 500, "cache_write": 8000}
    assert spent(world, "claude-sonnet-5") == pytest.approx((10 + 500 * 0.1 + 8000 * share) * rates.input / 1e6)


@pytest.mark.parametrize("door", ["chat", "responses"])
def test_openais_writes_to_a_cache_are_counted(door: str) -> None:
    world = World()
    told = {"cached_tokens": 1000, "cache_write_tokens": 8000}
    usage: Any = {
        "prompt_tokens": 10_000,
        "completion_tokens": 1,
        "total_tokens": 10_001,
        "prompt_tokens_details": told,
    }
    other: Any = {"input_tokens": 10_000, "output_tokens": 1, "total_tokens": 10_001, "input_tokens_details": told}
    with Saying(chat(usage=usage) if door == "chat" else response(usage=other)) as provider, world.run():
        client = to_openai(provider)
        if door == "chat":
            client.chat.completions.create(model="gpt-5-mini", messages=[])
        else:
            client.responses.create(model="gpt-5-mini", input="q")
    assert tokens(world, "gpt-5-mini") == {"input": 10_000, "output": 1, "cached": 1000, "cache_write": 8000}


@pytest.mark.parametrize(
    ("tier", "share"), [("default", 1.0), ("auto", 1.0), ("flex", 0.5), ("priority", 2.5), ("scale-xl", None)]
)
def test_a_call_has_the_price_of_how_it_was_served_or_none(tier: str, share: float | None) -> None:
    world = World()
    with Saying(chat("gpt-5.5", service_tier=tier)) as provider, world.run():
        to_openai(provider).chat.completions.create(model="gpt-5.5", messages=[])
    listed = Prices().cost("gpt-5.5", 1000, 50)
    assert listed is not None
    if share is None:
        assert world.value("llm_unpriced_calls_total", model="gpt-5.5") == 1
        assert spent(world, "gpt-5.5") == 0
    else:
        assert spent(world, "gpt-5.5") == pytest.approx(share * listed)


@pytest.mark.parametrize("in_choice", [True, False])
def test_the_usage_of_a_stream_may_stand_in_its_last_choice(in_choice: bool) -> None:
    world = World()
    usage: Any = {"prompt_tokens": 700, "completion_tokens": 30, "total_tokens": 730, "cached_tokens": 500}
    with Saying(chunks("kimi-k2", usage=usage, in_choice=in_choice)) as provider, world.run():
        list(to_openai(provider).chat.completions.create(model="kimi-k2", messages=[], stream=True))
    assert tokens(world, "kimi-k2") == {"input": 700, "output": 30, "cached": 500}


@pytest.mark.parametrize("provider", SHAPES)
def test_input_and_output_are_the_providers_total(provider: str) -> None:
    answer, total = SHAPES[provider]
    found = usage_of(answer)
    assert found is not None
    assert found.input_tokens + found.output_tokens == total
    assert_sound(found)


def test_what_openrouter_says_of_the_cost_is_believed() -> None:
    found = usage_of(SHAPES["openrouter"][0])
    assert found is not None
    assert found.cost_usd == 0.0123
    assert found.tokens() == (10_339, 60, 10_318, 15, 0)


def test_a_stream_of_bedrock_and_of_ollama_is_read() -> None:
    reader = StreamReader()
    assert not reader.read({"messageStart": {"role": "assistant"}})
    assert reader.read({"contentBlockDelta": {"delta": {"text": "hi"}, "contentBlockIndex": 0}})
    reader.read({"messageStop": {"stopReason": "end_turn"}})
    reader.read({"metadata": {"usage": {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}, "metrics": {}}})
    found = reader.usage(keep_text=True)
    assert (found.tokens()[:2], found.output) == ((5, 2), "hi")
    reader = StreamReader()
    assert reader.read({"model": "llama3.2", "message": {"content": "hi"}, "done": False})
    reader.read(
        {"model": "llama3.2", "message": {"content": ""}, "done": True, "prompt_eval_count": 5, "eval_count": 2}
    )
    found = reader.usage(keep_text=True)
    assert (found.name(), found.tokens()[:2], found.output) == ("llama3.2", (5, 2), "hi")


AMOUNTS = st.none() | st.integers(min_value=0, max_value=10**7) | st.floats() | st.text(max_size=3) | st.booleans()


@given(
    usage=st.dictionaries(
        st.sampled_from(
            [
                *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens"),
                *("cached_tokens", "reasoning_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
                *("prompt_token_count", "candidates_token_count", "thoughts_token_count", "total_token_count"),
                *("inputTokens", "outputTokens", "billed_units", "prompt_tokens_details", "cache_creation", "cost"),
            ]
        ),
        AMOUNTS | st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens", "input_tokens"]), AMOUNTS),
    ),
    envelope=st.sampled_from(["chat.completion", "response", "message", "google"]),
)
def test_no_usage_however_odd_raises_or_has_parts_larger_than_their_whole(usage: Any, envelope: str) -> None:
    answer: Any = {"object": envelope, "type": envelope, "usage": usage}
    if envelope == "google":
        answer = {"usage_metadata": usage}
    found = usage_of(answer)
    if found is not None:
        world = World()
        with world.run() as run:
            run.record_llm_call(answer)
        counted = tokens(world, found.name())
        assert counted.get("cached", 0) + counted.get("cache_write", 0) <= counted.get("input", 0)
        assert counted.get("reasoning", 0) <= counted.get("output", 0)


def assert_sound(found: LLMUsage) -> None:
    assert found.cached_tokens + found.cache_write_tokens <= found.input_tokens
    assert found.cache_write_1h_tokens <= found.cache_write_tokens
    assert found.reasoning_tokens <= found.output_tokens


# What has a price of its own kind, or is not all known.


@pytest.mark.parametrize(
    "answer",
    [
        chat(usage={**BILLED, "completion_tokens_details": {"audio_tokens": 500}}),
        chat(usage={**BILLED, "prompt_tokens_details": {"audio_tokens": 500}}),
        {
            "candidates": [],
            "usageMetadata": {
                "promptTokenCount": 5,
                "candidatesTokenCount": 1290,
                "totalTokenCount": 1295,
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
            },
            "modelVersion": "gpt-5-mini",
        },
        message("claude-sonnet-5", inference_geo="us"),
    ],
    ids=["sound made", "sound heard", "a picture", "one place"],
)
def test_tokens_that_no_list_prices_as_text_are_counted_and_unpriced(answer: Any) -> None:
    world = World()
    with world.run() as run:
        run.record_llm_call(answer)
    model = answer.get("model") or "gpt-5-mini"
    assert (world.value("llm_tokens_used_total", model=model, token_type="output") or 0) > 0
    assert world.value("llm_unpriced_calls_total", model=model) == 1


def test_a_stream_of_anthropics_that_is_left_early_is_not_at_the_price_of_what_it_said_by_then() -> None:
    world = World()
    events = message_events(start={"input_tokens": 1000, "output_tokens": 1}, end={"output_tokens": 500})
    with Saying(events) as provider, world.run():
        stream = to_anthropic(provider).messages.create(**CLAUDE, stream=True)
        next(stream)
        stream.close()
    assert tokens(world, "claude-sonnet-5") == {"input": 1000, "output": 1}
    assert world.value("llm_unpriced_calls_total", model="claude-sonnet-5") == 1


def test_a_cost_of_another_kind_of_number_is_money() -> None:
    world = World()
    with world.run() as run:
        run.record_llm_call("m", input_tokens=1, output_tokens=1, cost_usd=Decimal("0.25"))  # type: ignore[call-overload]
    assert spent(world, "m") == 0.25


def test_numbers_that_come_with_an_answer_that_says_nothing_count() -> None:
    world = World()
    with world.run() as run:
        answer: Any = object()
        assert run.record_llm_call(answer, input_tokens=1000, output_tokens=10) is answer
    assert tokens(world, "unknown") == {"input": 1000, "output": 10}


def test_a_message_of_langchains_is_read() -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "input_token_details": {"cache_read": 4}}
    told = {"content": "x", "usage_metadata": usage, "response_metadata": {"model_name": "gpt-5-mini"}}
    found = usage_of(told)
    assert found is not None
    assert (found.name(), found.tokens()) == ("gpt-5-mini", (10, 5, 4, 0, 0))


@pytest.mark.parametrize(
    "events",
    [
        [{"x_groq": {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}, "model": "m", "choices": []}],
        [{"data": chunks("m", usage={"prompt_tokens": 7, "completion_tokens": 3})[-1]}],
        [
            {"type": "content-delta", "delta": {"message": {"content": {"text": "hi"}}}},
            {"type": "message-end", "delta": {"usage": {"billed_units": {"input_tokens": 7, "output_tokens": 3}}}},
        ],
    ],
    ids=["groq", "mistral", "cohere"],
)
def test_streams_of_others_tell_their_tokens(events: Any) -> None:
    reader = StreamReader()
    for event in events:
        reader.read(event)
    assert reader.usage(keep_text=True).tokens()[:2] == (7, 3)
