"""A provider on a loopback port that answers what it is told, word for word, and the answers that it is told most."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

Json = dict[str, Any]
ASK: Any = [{"role": "user", "content": "How is the weather?"}]


class Failing(NamedTuple):
    """An answer with another status than 200."""

    status: int
    body: Json


Answer = Json | list[Json] | Failing
"""JSON; or events, which are streamed."""


class Saying:
    """Answers in turn; the last answer repeats. Runs while in its ``with`` block."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[Json] = []
        """The bodies of the requests."""
        self.closing = ExitStack()
        """What is closed with it: its clients."""

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                provider.asked.append(json.loads(body or b"{}"))
                answer = provider._next()
                if isinstance(answer, list):
                    self._stream(answer)
                else:
                    status, said = answer if isinstance(answer, Failing) else (200, answer)
                    self._say(status, "application/json", json.dumps(said).encode())

            def _stream(self, events: Sequence[Json]) -> None:
                lines = [f"event: {each['type']}\n" if "type" in each else "" for each in events]
                text = "".join(f"{line}data: {json.dumps(each)}\n\n" for line, each in zip(lines, events, strict=True))
                end = "" if "type" in events[0] else "data: [DONE]\n\n"
                self._say(200, "text/event-stream", f"{text}{end}".encode())

            def _say(self, status: int, kind: str, said: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.close()
        self._server.shutdown()
        self._server.server_close()

    def _next(self) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def chat(
    model: str = "gpt-5-mini",
    *,
    content: str = "sunny",
    finish: str = "stop",
    usage: Mapping[str, Any] | None = None,
    **more: Any,
) -> Json:
    """A chat completion of 1,000 and 50 tokens, unless told otherwise."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}],
        "usage": usage or {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050},
        **more,
    }


def chunks(model: str = "gpt-5-mini", *, usage: Mapping[str, Any] | None = None, in_choice: bool = False) -> list[Json]:
    """The pieces of one, the usage in a piece of its own or in the last choice."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    told = usage or {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
    said = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": each}, "finish_reason": None}]}
        for each in ("sun", "ny")
    ]
    end: Json = {"index": 0, "delta": {}, "finish_reason": "stop"}
    if in_choice:
        return [*said, {**head, "choices": [{**end, "usage": told}]}]
    return [*said, {**head, "choices": [end]}, {**head, "choices": [], "usage": told}]


def response(model: str = "gpt-5-mini", *, text: str = "sunny", usage: Mapping[str, Any] | None = None) -> Json:
    """A response of 1,000 and 50 tokens, unless told otherwise."""
    details: Json = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    said = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": model,
        "output": [{"id": "m", "type": "message", "status": "completed", "role": "assistant", "content": [said]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {"input_tokens": 1000, "output_tokens": 50, "total_tokens": 1050, **details, **(usage or {})},
    }


def response_events(**told: Any) -> list[Json]:
    """The events of one."""
    whole = response(**told)
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    item = whole["output"][0]
    part = item["content"][0]
    at = {"item_id": "m", "output_index": 0, "content_index": 0}
    events: list[tuple[str, Json]] = [
        ("created", {"response": begun}),
        ("output_item.added", {"output_index": 0, "item": {**item, "content": [], "status": "in_progress"}}),
        ("content_part.added", {**at, "part": {**part, "text": ""}}),
        ("output_text.delta", {**at, "delta": part["text"], "logprobs": []}),
        ("output_text.done", {**at, "text": part["text"], "logprobs": []}),
        ("content_part.done", {**at, "part": part}),
        ("output_item.done", {"output_index": 0, "item": item}),
        ("completed", {"response": whole}),
    ]
    return [{"type": f"response.{name}", "sequence_number": n, **rest} for n, (name, rest) in enumerate(events)]


def message(model: str = "claude-sonnet-5", *, text: str = "sunny", **usage: Any) -> Json:
    """A message of 10 and 50 tokens, unless told otherwise."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 50, **usage},
    }


def message_events(*, start: Json, end: Json, model: str = "claude-sonnet-5") -> list[Json]:
    """The events of one, with the usage at its start and at its end."""
    begun = {**message(model), "content": [], "stop_reason": None, "usage": start}
    delta = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": each}} for each in "ab"
    ]
    return [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *delta,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": end},
        {"type": "message_stop"},
    ]
