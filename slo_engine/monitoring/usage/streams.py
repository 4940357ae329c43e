"""An answer that comes in pieces, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from slo_engine.monitoring.usage import anthropic, bedrock, cohere, google, ollama, openai_chat, openai_responses
from slo_engine.monitoring.usage.fields import of, told
from slo_engine.monitoring.usage.model import LLMUsage

TEXT_KEPT: Final = 65_536
"""Characters of a stream that are kept for the trace."""


class StreamReader:
    """Puts an answer together from the chunks of a stream, in the order in which they came."""

    def __init__(self) -> None:
        self._usage = LLMUsage(None)
        self._told: list[Any] = []
        self._text: list[str] = []
        self._characters = 0
        self._is_tool_call = False
        self._is_whole = False

    def read(self, chunk: Any) -> bool:
        """Take a chunk. Whether it brings something of the answer itself, text or a tool call. Raises nothing."""
        try:
            return next(take(self, chunk) for is_one, take in READERS if is_one(chunk))
        except Exception:  # noqa: BLE001 - a chunk's attributes may be properties, which may raise anything
            return False

    def usage(self, keep_text: bool) -> LLMUsage:
        """What is known by now."""
        found = self._usage
        if not self._is_whole and (found.input_tokens or found.output_tokens):
            found.is_priced = False  # some of it may have been made, and billed, that nobody has read
        if found.call_type is None and self._is_tool_call:
            found.call_type = "tool_call"
        if found.output is None and keep_text and self._text:
            found.output = "".join(self._text)
        return found

    def end(self) -> None:
        """The stream has come to its end."""
        self._is_whole = True

    def openai_chat_chunk(self, chunk: Any) -> bool:
        """A chunk of a chat completion, or of an older completion; Mistral's SDK has it in another one."""
        if of(chunk, "choices") is None and of(of(chunk, "data"), "choices") is not None:
            chunk = of(chunk, "data")
        self._usage.model = self._usage.model or of(chunk, "model")
        brings = False
        # The whole usage comes with the last chunk; some tell it inside of the last choice.
        usages = [of(chunk, "usage"), of(of(chunk, "x_groq"), "usage")]
        for choice in of(chunk, "choices") or ():
            delta = of(choice, "delta")
            if of(delta, "tool_calls"):
                self._is_tool_call = brings = True
            brings = self._says(of(delta, "content") or of(choice, "text")) or brings
            usages.append(of(choice, "usage"))
        for usage in usages:
            if told(usage, "prompt_tokens") is not None or told(usage, "completion_tokens") is not None:
                whole = openai_chat.read({"usage": usage, "model": of(chunk, "model")})
                if whole is not None:
                    whole.service_tier = of(chunk, "service_tier") or self._usage.service_tier
                    self._take(whole)
                    self._is_whole = True
        return brings

    def openai_event(self, event: Any) -> bool:
        """An event of a response."""
        kind = of(event, "type")
        if kind in {"response.completed", "response.incomplete", "response.failed"}:
            found = openai_responses.read(of(event, "response"))
            if found is not None:
                self._take(found)
                self._is_whole = True
            return False
        if kind == "response.created":
            self._usage.model = self._usage.model or of(of(event, "response"), "model")
        if kind == "response.output_text.delta":
            return self._says(of(event, "delta"))
        return str(kind).endswith(".delta")

    def anthropic_event(self, event: Any) -> bool:
        """An event of a message."""
        kind = of(event, "type")
        if kind == "message_start":
            found = anthropic.read(of(event, "message"))
            if found is not None:
                self._told.insert(0, of(of(event, "message"), "usage"))
                self._take(found)
        elif kind == "message_delta":
            if of(event, "usage") is not None:
                # Cumulative: the last one tells the whole, the input as well where a tool ran on the server.
                self._told.insert(0, of(event, "usage"))
                found = anthropic.read_usage(*self._told)
                self._take(found)
                self._is_whole = True
            if of(of(event, "delta"), "stop_reason") == "tool_use":
                self._is_tool_call = True
        elif kind == "content_block_start":
            return bool(of(of(event, "content_block"), "type") == "tool_use")
        elif kind == "content_block_delta":
            delta = of(event, "delta")
            return self._says(of(delta, "text")) or of(delta, "type") in {"input_json_delta", "thinking_delta"}
        return False

    def google_chunk(self, chunk: Any) -> bool:
        """A piece of a content. Each tells the totals so far, or nothing of them."""
        found = google.read(chunk)
        if found is not None:
            found.output = None
            self._take(found)
        text, calls = google.parts(chunk)
        self._is_tool_call = self._is_tool_call or calls
        return self._says(text) or calls

    def bedrock_event(self, event: Any) -> bool:
        """An event of a converse stream."""
        found = bedrock.read(event)
        if found is not None:
            self._take(found)
        if of(of(event, "messageStop"), "stopReason") == "tool_use":
            self._is_tool_call = True
        delta = of(of(event, "contentBlockDelta"), "delta")
        return self._says(of(delta, "text")) or of(delta, "toolUse") is not None

    def cohere_event(self, event: Any) -> bool:
        """An event of Cohere's chat."""
        found = cohere.read(of(event, "delta"))
        if found is not None:
            found.output = None
            self._take(found)
            self._is_whole = True
        message = of(of(event, "delta"), "message")
        self._is_tool_call = self._is_tool_call or bool(of(message, "tool_calls"))
        return self._says(of(of(message, "content"), "text"))

    def ollama_chunk(self, chunk: Any) -> bool:
        """A piece of Ollama's own."""
        found = ollama.read(chunk)
        if found is not None:
            found.output = None
            self._take(found)
        message = of(chunk, "message")
        self._is_tool_call = self._is_tool_call or bool(of(message, "tool_calls"))
        return self._says(of(message, "content") or of(chunk, "response"))

    def _take(self, found: LLMUsage) -> None:
        found.model = found.model or self._usage.model
        found.call_type = found.call_type or self._usage.call_type
        if found.output is None or not isinstance(found.output, str | list):
            found.output = self._usage.output
        if self._text:
            found.output = None
        self._usage = found

    def _says(self, text: Any) -> bool:
        if not isinstance(text, str) or not text:
            return False
        if self._characters < TEXT_KEPT:
            self._characters += len(text)
            self._text.append(text)
        return True


def _begins(*prefixes: str) -> Callable[[Any], bool]:
    def is_one(chunk: Any) -> bool:
        kind = of(chunk, "type")
        return isinstance(kind, str) and kind.startswith(prefixes)

    return is_one


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda chunk: any(of(chunk, name) is not None for name in names)


READERS: Final[tuple[tuple[Callable[[Any], bool], Callable[[StreamReader, Any], bool]], ...]] = (
    (_begins("response."), StreamReader.openai_event),
    (_begins("message_start", "message_delta", "message_stop", "content_block"), StreamReader.anthropic_event),
    (_begins("message-", "content-", "tool-"), StreamReader.cohere_event),
    (_has("candidates", "usage_metadata", "usageMetadata"), StreamReader.google_chunk),
    (_has("contentBlockStart", "contentBlockDelta", "messageStop"), StreamReader.bedrock_event),
    (lambda chunk: bedrock.read(chunk) is not None, StreamReader.bedrock_event),
    (_has("done"), StreamReader.ollama_chunk),
    (lambda _: True, StreamReader.openai_chat_chunk),
)
"""Whose a chunk is, and what takes it; the first that says yes does."""
