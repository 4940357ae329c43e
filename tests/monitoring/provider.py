"""The APIs of OpenAI, Anthropic and Google as their SDKs know them, on a loopback port and without a model.

>>> with FakeProvider() as provider:
...     provider.usage = Usage(input=1000, cached=400, output=50, reasoning=20)
...     provider.fail_next(429)
...     openai.OpenAI(base_url=f"{provider.url}/v1", api_key="sk-test", max_retries=0)
...     anthropic.Anthropic(base_url=provider.url, api_key="sk-test", max_retries=0)
...     genai.Client(api_key="test", http_options=HttpOptions(base_url=provider.url))

A request with tools whose last word is the user's is answered with a call of the first tool; every other with
:data:`ANSWER`.
"""

from __future__ import annotations

import array
import asyncio
import base64
import contextlib
import json
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.waiting import wait_for

ANSWER = "It is sunny in Paris, and warm."
RETRY_AFTER = 1
"""Seconds, in the answer to a request beyond the rate limit."""

Json = dict[str, Any]

Failure = Literal[401, 429, 500, 529, "context_length_exceeded", "content_filter"]
"""What goes wrong, by the name most of them use. Each provider says it in its own way, at times with another status:
529 (overloaded) is Anthropic's, the others say 503; to Google a wrong key is a 400, and a filtered prompt a 200."""


@dataclass(frozen=True)
class Usage:
    """Tokens of a request. ``input`` has the ``cached`` (read) and ``cache_write`` in it, ``output`` the
    ``reasoning``."""

    input: int = 1000
    cached: int = 400
    cache_write: int = 0
    output: int = 50
    reasoning: int = 20

    @property
    def total(self) -> int:
        return self.input + self.output


class Seen(NamedTuple):
    """A request as it came."""

    path: str
    json: Json


class FakeProvider:
    """The server; it runs while in its ``with`` block."""

    def __init__(self) -> None:
        self.usage = Usage()
        self.requests: list[Seen] = []
        self.served_model: str | None = None
        """The model that answers name, as a dated snapshot behind an alias; None for the one asked for."""
        self.delay = 0.0
        """Seconds before an answer begins. Ends early with the server, as the next one does."""
        self.delay_between_chunks = 0.0
        """Seconds after each event of a stream."""
        self._failures: deque[Failure] = deque()
        routes = [Route(path, self._served_by(api), methods=["POST"]) for path, api in _APIS.items()]
        config = uvicorn.Config(Starlette(routes=routes), lifespan="off", ws="none", log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="fake provider", daemon=True)

    def fail_next(self, failure: Failure) -> None:
        """The next request fails. Said twice, the next two do."""
        self._failures.append(failure)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread.start()
        wait_for("the fake provider", lambda: self._server.started, within=10.0, every=0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        with self._listener:
            await self._server.serve(sockets=[self._listener])

    def _served_by(self, api: _Api) -> Callable[[Request], Any]:
        async def serve(request: Request) -> Response:
            body = await request.json()
            self.requests.append(Seen(request.url.path, body))
            await self._pause(self.delay)
            headers = {api.request_id: f"req_{uuid.uuid4().hex}"}
            streams = bool(body.get("stream")) or request.url.path.endswith(":streamGenerateContent")
            if self._failures:
                status, error = api.failed(self._failures.popleft())
                if status == 429 and api.failed is not _google_failure:  # which says it in the body
                    headers["retry-after"] = str(RETRY_AFTER)
                if status == 200 and streams:
                    return StreamingResponse(iter([_event(error)]), 200, headers, "text/event-stream")
                return JSONResponse(error, status, headers)
            model = self.served_model or request.path_params.get("model") or body["model"]
            asked = _Asked(body, model, self.usage, _wanted_call(body))
            if streams and api.stream:
                return StreamingResponse(self._paced(api.stream(asked)), 200, headers, "text/event-stream")
            return JSONResponse(api.answer(asked), 200, headers)

        return serve

    async def _paced(self, events: Iterator[str]) -> AsyncIterator[str]:
        for event in events:
            yield event
            await self._pause(self.delay_between_chunks)

    async def _pause(self, seconds: float) -> None:
        if seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)


class _Call(NamedTuple):
    name: str
    arguments: Json

    @property
    def as_json(self) -> str:
        return json.dumps(self.arguments)


class _Asked(NamedTuple):
    body: Json
    model: str
    usage: Usage
    call: _Call | None


def _wanted_call(body: Json) -> _Call | None:
    tools = [
        function
        for tool in body.get("tools") or ()
        for function in tool.get("functionDeclarations", [tool.get("function", tool)])
        if "name" in function
    ]
    turns = body.get("messages") or body.get("contents") or body.get("input") or ""
    last = turns[-1] if turns and isinstance(turns[-1], dict) else {}  # a bare text is the user's
    said = last.get("content") or last.get("parts") or ()
    has_result = any(isinstance(part, dict) and {"tool_use_id", "functionResponse"} & part.keys() for part in said)
    if not tools or has_result or "call_id" in last or last.get("role", "user") != "user":
        return None
    schemas = (tools[0].get(name) for name in ("parameters", "parameters_json_schema", "input_schema"))
    return _Call(tools[0]["name"], _example(next(filter(None, schemas), {"type": "object"})))


def _example(schema: Json) -> Any:
    """A value that fits, for the schemas of simple tools."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0])
    kind = schema.get("type", "string").lower()  # Google writes it large
    if kind == "object":
        return {name: _example(schema["properties"][name]) for name in schema.get("required", ())}
    return {"string": "Paris", "integer": 1, "number": 1.5, "boolean": True, "array": [], "null": None}[kind]


def _pieces(text: str) -> list[str]:
    return [text[start : start + 8] for start in range(0, len(text), 8)]


def _event(data: Json, *, named: bool = False) -> str:
    return (f"event: {data['type']}\n" if named else "") + f"data: {json.dumps(data)}\n\n"


def _new_id(kind: str) -> str:
    return f"{kind}{uuid.uuid4().hex}"


# OpenAI, https://platform.openai.com/docs/api-reference


def _chat(asked: _Asked) -> Json:
    message: Json = {"role": "assistant", "content": None if asked.call else ANSWER, "refusal": None, "annotations": []}
    if asked.call:
        function = {"name": asked.call.name, "arguments": asked.call.as_json}
        message["tool_calls"] = [{"id": _new_id("call_"), "type": "function", "function": function}]
    finish = "tool_calls" if asked.call else "stop"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return _chat_head(asked, "chat.completion") | {"choices": [choice], "usage": _chat_usage(asked.usage)}


def _chat_stream(asked: _Asked) -> Iterator[str]:
    with_usage = (asked.body.get("stream_options") or {}).get("include_usage", False)
    head = _chat_head(asked, "chat.completion.chunk") | ({"usage": None} if with_usage else {})
    deltas: list[Json] = [{"role": "assistant", "content": None if asked.call else "", "refusal": None}]
    if asked.call:
        function = {"name": asked.call.name, "arguments": ""}
        deltas[0]["tool_calls"] = [{"index": 0, "id": _new_id("call_"), "type": "function", "function": function}]
        arguments = _pieces(asked.call.as_json)
        deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in arguments]
    else:
        deltas += [{"content": piece} for piece in _pieces(ANSWER)]
    for delta in [*deltas, {}]:
        finish = None if delta else "tool_calls" if asked.call else "stop"
        yield _event(head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})
    if with_usage:
        yield _event(head | {"choices": [], "usage": _chat_usage(asked.usage)})
    yield "data: [DONE]\n\n"


def _chat_head(asked: _Asked, kind: str) -> Json:
    made = {"id": _new_id("chatcmpl-"), "object": kind, "created": int(time.time()), "model": asked.model}
    return made | {"service_tier": "default", "system_fingerprint": "fp_fake"}


def _chat_usage(usage: Usage) -> Json:
    unused = {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0, "audio_tokens": 0}
    prompt = {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write, "audio_tokens": 0}
    completion = {"reasoning_tokens": usage.reasoning} | unused
    totals = {"prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": usage.total}
    return totals | {"prompt_tokens_details": prompt, "completion_tokens_details": completion}


def _response(asked: _Asked) -> Json:
    usage, now = asked.usage, int(time.time())
    unset = ("error", "incomplete_details", "instructions", "max_output_tokens", "previous_response_id", "user")
    head = {"id": _new_id("resp_"), "object": "response", "created_at": now, "completed_at": now, "model": asked.model}
    tools = [{"strict": True, "description": None} | tool for tool in asked.body.get("tools") or ()]
    settings = {"temperature": 1.0, "top_p": 1.0, "parallel_tool_calls": True, "tool_choice": "auto", "tools": tools}
    details = {
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    counted = {"input_tokens": usage.input, "output_tokens": usage.output, "total_tokens": usage.total} | details
    said = {"status": "completed", "output": _response_items(asked), "usage": counted, "metadata": {}}
    return dict.fromkeys(unset) | head | settings | said


def _response_items(asked: _Asked) -> list[Json]:
    thought: Json = {"id": _new_id("rs_"), "type": "reasoning", "summary": []}
    if asked.call:
        called = {"name": asked.call.name, "arguments": asked.call.as_json, "call_id": _new_id("call_")}
        item: Json = {"id": _new_id("fc_"), "type": "function_call", "status": "completed", **called}
    else:
        text = {"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}
        item = {"id": _new_id("msg_"), "type": "message", "status": "completed", "role": "assistant", "content": [text]}
    return [thought, item] if asked.usage.reasoning else [item]


def _response_stream(asked: _Asked) -> Iterator[str]:
    whole = _response(asked)
    begun = whole | {"status": "in_progress", "completed_at": None, "output": [], "usage": None}
    events: list[tuple[str, Json]] = [("created", {"response": begun}), ("in_progress", {"response": begun})]
    for index, item in enumerate(whole["output"]):
        at: Json = {"item_id": item["id"], "output_index": index}
        empty: Json = {name: type(item[name])() for name in ("arguments", "content") if name in item}
        begun_item = item | empty | ({"status": "in_progress"} if empty else {})
        events.append(("output_item.added", {"output_index": index, "item": begun_item}))
        if item["type"] == "function_call":
            done = {"name": item["name"], "arguments": item["arguments"]}
            events += [("function_call_arguments.delta", at | {"delta": p}) for p in _pieces(item["arguments"])]
            events.append(("function_call_arguments.done", at | done))
        elif item["type"] == "message":
            at, [part] = at | {"content_index": 0}, item["content"]
            events.append(("content_part.added", at | {"part": part | {"text": ""}}))
            events += [("output_text.delta", at | {"delta": p, "logprobs": []}) for p in _pieces(part["text"])]
            events.append(("output_text.done", at | {"text": part["text"], "logprobs": []}))
            events.append(("content_part.done", at | {"part": part}))
        events.append(("output_item.done", {"output_index": index, "item": item}))
    events.append(("completed", {"response": whole}))
    for number, (kind, data) in enumerate(events):
        yield _event({"type": f"response.{kind}", "sequence_number": number, **data}, named=True)


def _embeddings(asked: _Asked) -> Json:
    vector: Any = [0.25, -0.5, 0.75]
    if asked.body.get("encoding_format") == "base64":  # as the SDK asks for
        vector = base64.b64encode(array.array("f", vector).tobytes()).decode()
    texts = [asked.body["input"]] if isinstance(asked.body["input"], str) else asked.body["input"]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(len(texts))]
    usage = {"prompt_tokens": asked.usage.input, "total_tokens": asked.usage.input}
    return {"object": "list", "data": data, "model": asked.model, "usage": usage}


# Anthropic, https://docs.claude.com/en/api/messages


def _message(asked: _Asked) -> Json:
    block: Json = {"type": "text", "text": ANSWER, "citations": None}
    if asked.call:
        block = {"type": "tool_use", "id": _new_id("toolu_"), "name": asked.call.name, "input": asked.call.arguments}
    head = {"id": _new_id("msg_"), "type": "message", "role": "assistant", "model": asked.model, "content": [block]}
    stop = {"stop_reason": "tool_use" if asked.call else "end_turn", "stop_sequence": None, "stop_details": None}
    written = {"ephemeral_5m_input_tokens": asked.usage.cache_write, "ephemeral_1h_input_tokens": 0}
    usage = _message_usage(asked.usage) | {"cache_creation": written, "service_tier": "standard"}
    return head | stop | {"usage": usage}


def _message_stream(asked: _Asked) -> Iterator[str]:
    whole = _message(asked)
    stop = {name: whole[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    begun = whole | dict.fromkeys(stop) | {"content": [], "usage": whole["usage"] | {"output_tokens": 1}}
    del begun["usage"]["output_tokens_details"]
    block, deltas = {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in _pieces(ANSWER)]
    if asked.call:
        block = whole["content"][0] | {"input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in ["", *_pieces(asked.call.as_json)]]
    events: list[Json] = [{"type": "message_start", "message": begun}]
    events += [{"type": "content_block_start", "index": 0, "content_block": block}, {"type": "ping"}]
    events += [{"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas]
    events += [{"type": "content_block_stop", "index": 0}]
    # Its numbers are totals, which replace those of message_start.
    events += [{"type": "message_delta", "delta": stop, "usage": _message_usage(asked.usage)}, {"type": "message_stop"}]
    yield from (_event(event, named=True) for event in events)


def _message_usage(usage: Usage) -> Json:
    read, written = usage.cached, usage.cache_write
    cache = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    output = {"output_tokens": usage.output, "output_tokens_details": {"thinking_tokens": usage.reasoning}}
    return {"input_tokens": usage.input - read - written} | cache | output


# Google, https://ai.google.dev/api/generate-content


def _content(asked: _Asked) -> Json:
    call = asked.call
    part: Json = {"functionCall": {"name": call.name, "args": call.arguments}} if call else {"text": ANSWER}
    return _content_chunk(asked, part, asked.usage, finish="STOP")


def _content_stream(asked: _Asked) -> Iterator[str]:
    if asked.call:
        yield _event(_content(asked))  # in one chunk, as Google does
        return
    pieces = _pieces(ANSWER)
    for number, piece in enumerate(pieces, 1):
        # Every chunk has the totals so far.
        visible = (asked.usage.output - asked.usage.reasoning) * number // len(pieces)
        so_far = replace(asked.usage, output=asked.usage.reasoning + visible)
        yield _event(_content_chunk(asked, {"text": piece}, so_far, finish="STOP" if number == len(pieces) else None))


def _content_chunk(asked: _Asked, part: Json, usage: Usage, finish: str | None) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": [part]}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    output = {"candidatesTokenCount": usage.output - usage.reasoning, "thoughtsTokenCount": usage.reasoning}
    prompt = {"promptTokenCount": usage.input, "cachedContentTokenCount": usage.cached}
    counted = prompt | output | {"totalTokenCount": usage.total}
    metadata = {name: number for name, number in counted.items() if number}  # proto3 leaves zeros out
    return {"candidates": [candidate], "usageMetadata": metadata, "modelVersion": asked.model, "responseId": "fake"}


# Failures, as the providers word them: the status, and the fields of the error.

_OPENAI: dict[Failure, tuple[int, str | None, str | None, str | None, str]] = {
    401: (401, "invalid_request_error", "invalid_api_key", None, "Incorrect API key provided: sk-test."),
    429: (429, "tokens", "rate_limit_exceeded", None, "Rate limit reached on tokens per min (TPM)."),
    500: (500, "server_error", None, None, "The server had an error while processing your request."),
    529: (503, "server_error", None, None, "The engine is currently overloaded, please try again later"),
    "context_length_exceeded": (
        *(400, "invalid_request_error", "context_length_exceeded", "messages"),
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 140000 tokens.",
    ),
    # Azure's; OpenAI itself answers 200 with the finish reason content_filter.
    "content_filter": (
        *(400, None, "content_filter", "prompt"),
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
    ),
}
_ANTHROPIC: dict[Failure, tuple[int, str, str]] = {
    401: (401, "authentication_error", "invalid x-api-key"),
    429: (429, "rate_limit_error", "This request would exceed your organization's rate limit."),
    500: (500, "api_error", "Internal server error"),
    529: (529, "overloaded_error", "Overloaded"),
    "context_length_exceeded": (400, "invalid_request_error", "prompt is too long: 215000 tokens > 200000 maximum"),
    "content_filter": (400, "invalid_request_error", "Output blocked by content filtering policy"),
}
_TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048575)."
_GOOGLE: dict[Failure, tuple[int, str, str, Json]] = {
    401: (400, "INVALID_ARGUMENT", "API key not valid.", {"@type": "ErrorInfo", "reason": "API_KEY_INVALID"}),
    429: (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", {"@type": "RetryInfo", "retryDelay": "1s"}),
    500: (500, "INTERNAL", "An internal error has occurred. Please retry.", {}),
    529: (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", {}),
    "context_length_exceeded": (400, "INVALID_ARGUMENT", _TOO_LONG, {}),
}


def _openai_failure(failure: Failure) -> tuple[int, Json]:
    status, kind, code, param, message = _OPENAI[failure]
    return status, {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _anthropic_failure(failure: Failure) -> tuple[int, Json]:
    status, kind, message = _ANTHROPIC[failure]
    return status, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fake"}


def _google_failure(failure: Failure) -> tuple[int, Json]:
    if failure == "content_filter":
        prompt = {"promptTokenCount": 9, "totalTokenCount": 9}
        return 200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": prompt}
    code, status, message, detail = _GOOGLE[failure]
    error: Json = {"code": code, "message": message, "status": status}
    if detail:
        error["details"] = [detail | {"@type": f"type.googleapis.com/google.rpc.{detail['@type']}"}]
    return code, {"error": error}


class _Api(NamedTuple):
    answer: Callable[[_Asked], Json]
    stream: Callable[[_Asked], Iterator[str]] | None
    failed: Callable[[Failure], tuple[int, Json]]
    request_id: str  # the header that has it


_APIS = {
    "/v1/chat/completions": _Api(_chat, _chat_stream, _openai_failure, "x-request-id"),
    "/v1/responses": _Api(_response, _response_stream, _openai_failure, "x-request-id"),
    "/v1/embeddings": _Api(_embeddings, None, _openai_failure, "x-request-id"),
    "/v1/messages": _Api(_message, _message_stream, _anthropic_failure, "request-id"),
    "/{version}/models/{model}:generateContent": _Api(_content, _content_stream, _google_failure, "x-request-id"),
    "/{version}/models/{model}:streamGenerateContent": _Api(_content, _content_stream, _google_failure, "x-request-id"),
}
