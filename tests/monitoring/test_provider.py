"""The fake provider answers the official SDKs as their providers do."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import anthropic
import httpx
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.monitoring.provider import ANSWER, FakeProvider, Usage

M = TypeVar("M", bound=BaseModel)

USAGE = Usage(input=1000, cached=400, cache_write=100, output=50, reasoning=20)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
}
ARGUMENTS = {"city": "Paris", "days": 1}
ASK: Any = [{"role": "user", "content": "What is the weather?"}]
CHAT_TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
RESPONSE_TOOLS: Any = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}]
MESSAGE_TOOLS: Any = [{"name": "weather", "input_schema": SCHEMA}]
CONTENT_TOOLS: Any = [{"function_declarations": [{"name": "weather", "parameters_json_schema": SCHEMA}]}]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.usage = USAGE
        yield provider


@pytest.fixture
def to_openai(provider: FakeProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="sk-test", max_retries=0) as client:
        yield client


@pytest.fixture
def to_anthropic(provider: FakeProvider) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=provider.url, api_key="sk-test", max_retries=0) as client:
        yield client


@pytest.fixture
def to_google(provider: FakeProvider) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=provider.url)  # which asks for no retries
    with genai.Client(api_key="test", vertexai=False, http_options=options) as client:
        yield client


def complete(answer: M) -> M:
    """The SDKs take what comes without looking; this looks."""
    type(answer).model_validate(answer.model_dump(exclude_unset=True, by_alias=True))
    return answer


def test_chat_completion_is_complete(provider: FakeProvider, to_openai: openai.OpenAI) -> None:
    answer = complete(to_openai.chat.completions.create(model="gpt-5-mini", messages=ASK))
    assert (answer.model, answer.choices[0].message.content) == ("gpt-5-mini", ANSWER)
    assert answer.choices[0].finish_reason == "stop"
    assert_chat_usage(answer.usage)
    assert answer._request_id
    assert [(seen.path, seen.json["model"]) for seen in provider.requests] == [("/v1/chat/completions", "gpt-5-mini")]


def assert_chat_usage(usage: Any) -> None:
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (1000, 50, 1050)
    assert (usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens_details.cache_write_tokens) == (400, 100)
    assert usage.completion_tokens_details.reasoning_tokens == 20


def test_chat_completion_calls_a_tool_and_then_answers(to_openai: openai.OpenAI) -> None:
    asked = complete(to_openai.chat.completions.create(model="gpt-5-mini", messages=ASK, tools=CHAT_TOOLS))
    assert asked.choices[0].finish_reason == "tool_calls"
    [call] = asked.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", ARGUMENTS)
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    talk: Any = [*ASK, asked.choices[0].message.to_dict(), result]
    answer = to_openai.chat.completions.create(model="gpt-5-mini", messages=talk, tools=CHAT_TOOLS)
    assert answer.choices[0].message.content == ANSWER


def test_chat_stream_has_usage_in_its_last_chunk_when_asked_for(to_openai: openai.OpenAI) -> None:
    chunks = [
        complete(chunk)
        for chunk in to_openai.chat.completions.create(
            model="gpt-5-mini", messages=ASK, stream=True, stream_options={"include_usage": True}
        )
    ]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == ANSWER
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-2:] == [None, "stop"]
    assert chunks[-1].choices == []
    assert_chat_usage(chunks[-1].usage)
    assert not any(chunk.usage for chunk in chunks[:-1])


def test_chat_stream_has_no_usage_unasked(to_openai: openai.OpenAI) -> None:
    chunks = list(to_openai.chat.completions.create(model="gpt-5-mini", messages=ASK, stream=True))
    assert not any("usage" in chunk.model_fields_set for chunk in chunks)


def test_chat_stream_is_put_together_by_the_sdk(to_openai: openai.OpenAI) -> None:
    with to_openai.chat.completions.stream(
        model="gpt-5-mini", messages=ASK, tools=CHAT_TOOLS, stream_options={"include_usage": True}
    ) as stream:
        answer = stream.get_final_completion()
    [call] = answer.choices[0].message.tool_calls or []
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", ARGUMENTS)
    assert_chat_usage(answer.usage)


def test_response_is_complete(to_openai: openai.OpenAI) -> None:
    answer = complete(to_openai.responses.create(model="gpt-5-mini", input="What is the weather?"))
    assert (answer.model, answer.status, answer.output_text) == ("gpt-5-mini", "completed", ANSWER)
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    assert_response_usage(answer.usage)


def assert_response_usage(usage: Any) -> None:
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1000, 50, 1050)
    assert (usage.input_tokens_details.cached_tokens, usage.input_tokens_details.cache_write_tokens) == (400, 100)
    assert usage.output_tokens_details.reasoning_tokens == 20


def test_response_calls_a_tool_and_then_answers(to_openai: openai.OpenAI) -> None:
    asked = complete(to_openai.responses.create(model="gpt-5-mini", input=ASK, tools=RESPONSE_TOOLS))
    call = asked.output[-1]
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("weather", ARGUMENTS)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    talk = [*ASK, *(item.to_dict() for item in asked.output), result]
    assert to_openai.responses.create(model="gpt-5-mini", input=talk, tools=RESPONSE_TOOLS).output_text == ANSWER


@pytest.mark.parametrize("tools", [[], RESPONSE_TOOLS], ids=["text", "tool"])
def test_response_stream_has_every_event(to_openai: openai.OpenAI, tools: Any) -> None:
    events = to_openai.responses.create(model="gpt-5-mini", input=ASK, tools=tools, stream=True)
    first, second, *rest, last = [complete(event) for event in events]
    assert [first.type, second.type] == ["response.created", "response.in_progress"]
    assert [event.sequence_number for event in rest] == list(range(2, 2 + len(rest)))
    assert last.type == "response.completed"
    assert_response_usage(last.response.usage)


@pytest.mark.parametrize("tools", [[], RESPONSE_TOOLS], ids=["text", "tool"])
def test_response_stream_is_put_together_by_the_sdk(to_openai: openai.OpenAI, tools: Any) -> None:
    with to_openai.responses.stream(model="gpt-5-mini", input=ASK, tools=tools) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        answer = stream.get_final_response()
    assert text == answer.output_text == ("" if tools else ANSWER)
    assert answer.output[-1].type == ("function_call" if tools else "message")
    assert_response_usage(answer.usage)


def test_embeddings_are_complete(to_openai: openai.OpenAI) -> None:
    answer = complete(to_openai.embeddings.create(model="text-embedding-3-small", input=["one", "two"]))
    assert [item.embedding for item in answer.data] == [[0.25, -0.5, 0.75]] * 2
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (1000, 1000)
    plain = to_openai.embeddings.create(model="text-embedding-3-small", input="one", encoding_format="float")
    assert plain.data[0].embedding == [0.25, -0.5, 0.75]


def test_message_is_complete_and_keeps_cached_input_apart(to_anthropic: anthropic.Anthropic) -> None:
    answer = complete(to_anthropic.messages.create(model="claude-sonnet-5", max_tokens=99, messages=ASK))
    assert (answer.model, answer.stop_reason) == ("claude-sonnet-5", "end_turn")
    assert [block.type == "text" and block.text for block in answer.content] == [ANSWER]
    assert_message_usage(answer.usage)
    assert answer._request_id


def assert_message_usage(usage: Any) -> None:
    cache = (usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
    assert (usage.input_tokens, *cache, usage.output_tokens) == (500, 400, 100, 50)
    assert usage.output_tokens_details.thinking_tokens == 20


def test_message_uses_a_tool_and_then_answers(to_anthropic: anthropic.Anthropic) -> None:
    messages = to_anthropic.messages
    asked = complete(messages.create(model="claude-sonnet-5", max_tokens=99, messages=ASK, tools=MESSAGE_TOOLS))
    [call] = asked.content
    assert call.type == "tool_use"
    assert (asked.stop_reason, call.name, call.input) == ("tool_use", "weather", ARGUMENTS)
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}
    talk: Any = [*ASK, {"role": "assistant", "content": [call.to_dict()]}, result]
    answer = messages.create(model="claude-sonnet-5", max_tokens=99, messages=talk, tools=MESSAGE_TOOLS)
    assert answer.stop_reason == "end_turn"


@pytest.mark.parametrize("tools", [[], MESSAGE_TOOLS], ids=["text", "tool"])
def test_message_stream_is_put_together_by_the_sdk(to_anthropic: anthropic.Anthropic, tools: Any) -> None:
    with to_anthropic.messages.stream(model="claude-sonnet-5", max_tokens=99, messages=ASK, tools=tools) as stream:
        answer = complete(stream.get_final_message())
    [block] = answer.content
    assert (block.input == ARGUMENTS) if block.type == "tool_use" else (block.type == "text" and block.text == ANSWER)
    assert answer.stop_reason == ("tool_use" if tools else "end_turn")
    assert_message_usage(answer.usage)


def test_message_stream_counts_output_at_its_end(to_anthropic: anthropic.Anthropic) -> None:
    stream = to_anthropic.messages.create(model="claude-sonnet-5", max_tokens=99, messages=ASK, stream=True)
    first, *_, delta, stop = [complete(event) for event in stream]
    assert first.type == "message_start"
    assert first.message.stop_reason is None
    assert (first.message.usage.input_tokens, first.message.usage.output_tokens) == (500, 1)
    assert delta.type == "message_delta"
    assert_message_usage(delta.usage)
    assert stop.type == "message_stop"


def test_content_is_complete_and_keeps_thoughts_apart(to_google: genai.Client) -> None:
    answer = complete(to_google.models.generate_content(model="gemini-3-flash", contents="What is the weather?"))
    assert (answer.model_version, answer.text) == ("gemini-3-flash", ANSWER)
    assert_content_usage(answer)


def assert_content_usage(answer: types.GenerateContentResponse) -> None:
    usage, [candidate] = answer.usage_metadata, answer.candidates or []
    assert usage
    assert (usage.prompt_token_count, usage.cached_content_token_count) == (1000, 400)
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.total_token_count) == (30, 20, 1050)
    assert candidate.finish_reason == types.FinishReason.STOP


def test_content_stream_counts_as_it_goes(to_google: genai.Client) -> None:
    chunks = list(to_google.models.generate_content_stream(model="gemini-3-flash", contents="What is the weather?"))
    assert "".join(chunk.text or "" for chunk in chunks) == ANSWER
    counts = [chunk.usage_metadata.candidates_token_count or 0 for chunk in chunks if chunk.usage_metadata]
    assert counts == sorted(counts)
    assert_content_usage(chunks[-1])


@pytest.mark.parametrize("streams", [False, True])
def test_content_calls_a_function_and_then_answers(to_google: genai.Client, streams: bool) -> None:
    def ask(contents: Any) -> types.GenerateContentResponse:
        if streams:
            *_, last = to_google.models.generate_content_stream(
                model="gemini-3-flash", contents=contents, config={"tools": CONTENT_TOOLS}
            )
            return last
        return to_google.models.generate_content(
            model="gemini-3-flash", contents=contents, config={"tools": CONTENT_TOOLS}
        )

    talk: list[Any] = [{"role": "user", "parts": [{"text": "What is the weather?"}]}]
    asked = ask(talk)
    [call] = asked.function_calls or []
    assert (call.name, call.args) == ("weather", ARGUMENTS)
    assert asked.candidates
    result = types.Part.from_function_response(name="weather", response={"result": "sunny"})
    answer = ask([*talk, asked.candidates[0].content, types.Content(role="user", parts=[result])])
    assert answer.function_calls is None


def test_functions_of_google_are_called_by_its_sdk(provider: FakeProvider, to_google: genai.Client) -> None:
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    answer = to_google.models.generate_content(
        model="gemini-3-flash", contents="What is the weather?", config=types.GenerateContentConfig(tools=[weather])
    )
    assert (answer.text, len(provider.requests)) == (ANSWER, 2)


OPENAI_FAILURES: list[tuple[Any, type[openai.APIStatusError], int, str | None]] = [
    (401, openai.AuthenticationError, 401, "invalid_api_key"),
    (429, openai.RateLimitError, 429, "rate_limit_exceeded"),
    (500, openai.InternalServerError, 500, None),
    (529, openai.InternalServerError, 503, None),
    ("context_length_exceeded", openai.BadRequestError, 400, "context_length_exceeded"),
    ("content_filter", openai.BadRequestError, 400, "content_filter"),
]


@pytest.mark.parametrize(("failure", "kind", "status", "code"), OPENAI_FAILURES)
def test_openai_fails_as_told(
    provider: FakeProvider,
    to_openai: openai.OpenAI,
    failure: Any,
    kind: type[openai.APIStatusError],
    status: int,
    code: str | None,
) -> None:
    requests: list[Callable[[], object]] = [
        lambda: to_openai.chat.completions.create(model="m", messages=ASK),
        lambda: to_openai.chat.completions.create(model="m", messages=ASK, stream=True),
        lambda: to_openai.responses.create(model="m", input="?"),
        lambda: to_openai.responses.create(model="m", input="?", stream=True),
        lambda: to_openai.embeddings.create(model="m", input="?"),
    ]
    for request in requests:
        provider.fail_next(failure)
        with pytest.raises(kind) as raised:
            request()
        assert (raised.value.status_code, raised.value.code) == (status, code)
        assert raised.value.request_id
        assert raised.value.response.headers.get("retry-after") == ("1" if failure == 429 else None)


ANTHROPIC_FAILURES: list[tuple[Any, type[anthropic.APIStatusError], int, str]] = [
    (401, anthropic.AuthenticationError, 401, "authentication_error"),
    (429, anthropic.RateLimitError, 429, "rate_limit_error"),
    (500, anthropic.InternalServerError, 500, "api_error"),
    (529, anthropic.OverloadedError, 529, "overloaded_error"),
    ("context_length_exceeded", anthropic.BadRequestError, 400, "invalid_request_error"),
    ("content_filter", anthropic.BadRequestError, 400, "invalid_request_error"),
]


@pytest.mark.parametrize(("failure", "kind", "status", "name"), ANTHROPIC_FAILURES)
def test_anthropic_fails_as_told(
    provider: FakeProvider,
    to_anthropic: anthropic.Anthropic,
    failure: Any,
    kind: type[anthropic.APIStatusError],
    status: int,
    name: str,
) -> None:
    for stream in (False, True):
        provider.fail_next(failure)
        with pytest.raises(kind) as raised:
            to_anthropic.messages.create(model="m", max_tokens=9, messages=ASK, stream=stream)
        assert (raised.value.status_code, raised.value.type) == (status, name)
        assert raised.value.request_id
        assert raised.value.response.headers.get("retry-after") == ("1" if failure == 429 else None)


GOOGLE_FAILURES: list[tuple[Any, type[errors.APIError], int, str]] = [
    (401, errors.ClientError, 400, "INVALID_ARGUMENT"),
    (429, errors.ClientError, 429, "RESOURCE_EXHAUSTED"),
    (500, errors.ServerError, 500, "INTERNAL"),
    (529, errors.ServerError, 503, "UNAVAILABLE"),
    ("context_length_exceeded", errors.ClientError, 400, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("failure", "kind", "code", "status"), GOOGLE_FAILURES)
def test_google_fails_as_told(
    provider: FakeProvider,
    to_google: genai.Client,
    failure: Any,
    kind: type[errors.APIError],
    code: int,
    status: str,
) -> None:
    for ask in (to_google.models.generate_content, to_google.models.generate_content_stream):
        provider.fail_next(failure)
        with pytest.raises(kind) as raised:
            list(ask(model="m", contents="?"))
        assert (raised.value.code, raised.value.status) == (code, status)


@pytest.mark.parametrize("stream", [False, True])
def test_google_answers_a_filtered_prompt_with_no_candidate(
    provider: FakeProvider, to_google: genai.Client, stream: bool
) -> None:
    provider.fail_next("content_filter")
    if stream:
        [answer] = to_google.models.generate_content_stream(model="m", contents="?")
    else:
        answer = to_google.models.generate_content(model="m", contents="?")
    assert answer.candidates is None
    assert answer.prompt_feedback
    assert answer.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


def test_only_the_next_request_fails(provider: FakeProvider, to_openai: openai.OpenAI) -> None:
    provider.fail_next(500)
    with pytest.raises(openai.InternalServerError):
        to_openai.chat.completions.create(model="m", messages=ASK)
    assert to_openai.chat.completions.create(model="m", messages=ASK).choices[0].message.content == ANSWER


def test_answers_name_the_served_model(provider: FakeProvider, to_openai: openai.OpenAI) -> None:
    provider.served_model = "gpt-5-mini-2025-08-07"
    assert to_openai.responses.create(model="gpt-5-mini", input="?").model == "gpt-5-mini-2025-08-07"


def test_slow_provider_times_the_client_out_and_still_stops_at_once() -> None:
    began = time.monotonic()
    with FakeProvider() as provider:
        provider.delay = 600.0
        with (
            openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0, timeout=0.2) as to_openai,
            pytest.raises(openai.APITimeoutError),
        ):
            to_openai.chat.completions.create(model="m", messages=ASK)
        with (
            anthropic.Anthropic(base_url=provider.url, api_key="k", max_retries=0, timeout=0.2) as to_anthropic,
            pytest.raises(anthropic.APITimeoutError),
        ):
            to_anthropic.messages.create(model="m", max_tokens=9, messages=ASK)
        options = types.HttpOptions(base_url=provider.url, timeout=200)  # milliseconds
        with (
            genai.Client(api_key="k", vertexai=False, http_options=options) as to_google,
            pytest.raises(httpx2.TimeoutException),  # google-genai has no class of its own
        ):
            to_google.models.generate_content(model="m", contents="?")
    assert time.monotonic() - began < 60.0
    assert not any(thread.name == "fake provider" for thread in threading.enumerate())


def test_stream_pauses_between_chunks(provider: FakeProvider, to_openai: openai.OpenAI) -> None:
    provider.delay_between_chunks = 600.0
    patience = httpx.Timeout(30.0, read=1.0)
    stream = to_openai.chat.completions.create(model="m", messages=ASK, stream=True, timeout=patience)
    assert next(stream).choices[0].delta.role == "assistant"
    with pytest.raises(httpx.ReadTimeout):
        next(stream)


def test_stopped_provider_refuses_connections() -> None:
    with FakeProvider() as provider:
        pass
    with (
        openai.OpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.chat.completions.create(model="m", messages=ASK)


def test_async_clients_are_served_at_the_same_time(provider: FakeProvider) -> None:
    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="k", max_retries=0) as client:
            asked = (client.chat.completions.create(model="m", messages=ASK) for _ in range(5))
            return [answer.choices[0].message.content for answer in await asyncio.gather(*asked)]

    assert asyncio.run(ask()) == [ANSWER] * 5
