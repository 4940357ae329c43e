"""What a call of a model used, read from the answers of OpenAI, Anthropic, Google and LiteLLM without their SDKs."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from datetime import UTC, datetime
from typing import Any, Final

UNKNOWN_MODEL: Final = "unknown"
"""The name of a model that nobody named."""


class LLMUsage:
    """Tokens and money of one call.

    ``input_tokens`` are all of the input: ``cached_tokens`` of them were read from a cache and ``cache_write_tokens``
    written to one. ``reasoning_tokens`` are a part of ``output_tokens``. ``cost_usd`` None: not known.
    """

    __slots__ = (
        *("cache_write_tokens", "cached_tokens", "call_type", "cost_usd", "input_tokens", "model", "output"),
        *("output_tokens", "reasoning_tokens"),
    )

    def __init__(
        self,
        model: str | None,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        cost_usd: float | None = None,
    ) -> None:
        self.model = model
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.cached_tokens = cached_tokens
        self.cache_write_tokens = cache_write_tokens
        self.reasoning_tokens = reasoning_tokens
        self.cost_usd = cost_usd
        self.call_type: str | None = None
        self.output: Any = None

    def name(self) -> str:
        """The model's, or what stands for it."""
        return str(self.model) if self.model else UNKNOWN_MODEL

    def tokens(self) -> tuple[int, int, int, int, int]:
        """Input, output, cached, written to a cache, reasoning."""
        return (
            self.input_tokens,
            self.output_tokens,
            self.cached_tokens,
            self.cache_write_tokens,
            self.reasoning_tokens,
        )

    def for_trace(self, start_ns: int, time_to_first_token: float | None) -> dict[str, Any]:
        """As the attributes of a generation in LangFuse, where the types of tokens add up to the total."""
        read, written, cached, cache_write, reasoning = map(_whole, self.tokens())
        details = {
            "input": max(0, read - cached - cache_write),
            "input_cached_tokens": cached,
            "input_cache_creation": cache_write,
            "output": max(0, written - reasoning),
            "output_reasoning_tokens": reasoning,
        }
        attributes: dict[str, Any] = {
            "model": self.name(),
            "usage_details": {
                name: amount for name, amount in details.items() if amount or name in {"input", "output"}
            },
        }
        if self.cost_usd is not None:
            attributes["cost_details"] = {"total": float(self.cost_usd)}
        if time_to_first_token is not None:
            first = datetime.fromtimestamp(start_ns / 1e9 + time_to_first_token, UTC)
            attributes["completion_start_time"] = first.isoformat()
        return attributes


def _whole(tokens: Any) -> int:
    try:
        return int(tokens)
    except (TypeError, ValueError, OverflowError):
        return 0


def usage_of(response: Any) -> LLMUsage | None:
    """What an answer says of itself; None if it is of no kind that is known. Raises nothing.

    Known: OpenAI chat completions and responses (also as LiteLLM and the many who imitate them answer), Anthropic
    messages, Google ``generate_content``; as objects of the SDKs, or as the JSON they were made from.
    """
    try:
        for read in (_google, _anthropic, _openai_responses, _openai_chat):
            found = read(response)
            if found is not None:
                found.cost_usd = _litellm_cost(response)
                return found
    except Exception:  # noqa: BLE001 - an answer's attributes may be properties, which may raise anything
        return None
    return None


def is_stream(answer: Any) -> bool:
    """Whether an answer comes piece by piece: an iterator, which a list, a mapping or a pydantic model is not."""
    kind = type(answer)
    return (hasattr(kind, "__next__") or hasattr(kind, "__anext__")) and not isinstance(answer, Sized)


class StreamReader:
    """Puts an answer together from the chunks of a stream, in the order in which they came."""

    def __init__(self) -> None:
        self._usage = LLMUsage(None)
        self._text: list[str] = []
        self._characters = 0
        self._is_tool_call = False

    def read(self, chunk: Any) -> bool:
        """Take a chunk. Whether it brings something of the answer itself, text or a tool call. Raises nothing."""
        try:
            return self._read(chunk)
        except Exception:  # noqa: BLE001 - a chunk's attributes may be properties, which may raise anything
            return False

    def usage(self, keep_text: bool) -> LLMUsage:
        """What is known by now."""
        found = self._usage
        if found.call_type is None and self._is_tool_call:
            found.call_type = "tool_call"
        if found.output is None and keep_text and self._text:
            found.output = "".join(self._text)
        return found

    def _read(self, chunk: Any) -> bool:
        kind = of(chunk, "type")
        if isinstance(kind, str) and kind.startswith(("response.", "message", "content_block")):
            return self._anthropic_event(kind, chunk) or self._openai_event(kind, chunk)
        if of(chunk, "candidates") is not None or of(chunk, "usage_metadata") is not None:
            return self._google_chunk(chunk)
        self._usage.model = self._usage.model or of(chunk, "model")
        if of(chunk, "usage") is not None:
            whole = _openai_chat(chunk)
            if whole is not None:
                self._take(whole)
        brings = False
        for choice in of(chunk, "choices") or ():
            delta = of(choice, "delta")
            if of(delta, "tool_calls"):
                self._is_tool_call = brings = True
            brings = self._said(of(delta, "content")) or brings
        return brings

    def _google_chunk(self, chunk: Any) -> bool:
        # Each tells the totals so far, or nothing of them.
        found = _google(chunk)
        if found is not None:
            found.output = None
            self._take(found)
        text, calls = _google_parts(chunk)
        self._is_tool_call = self._is_tool_call or calls
        return self._said(text) or calls

    def _anthropic_event(self, kind: str, event: Any) -> bool:
        usage = self._usage
        if kind == "message_start":
            found = _anthropic(of(event, "message"))
            if found is not None:
                self._take(found)
        elif kind == "message_delta":
            # Cumulative: the last one tells the whole.
            told = of(event, "usage")
            usage.output_tokens = number(told, "output_tokens") or usage.output_tokens
            if of(of(event, "delta"), "stop_reason") == "tool_use":
                self._is_tool_call = True
        elif kind == "content_block_start":
            return bool(of(of(event, "content_block"), "type") == "tool_use")
        elif kind == "content_block_delta":
            delta = of(event, "delta")
            return self._said(of(delta, "text")) or of(delta, "type") in {"input_json_delta", "thinking_delta"}
        return False

    def _openai_event(self, kind: str, event: Any) -> bool:
        if kind in {"response.completed", "response.incomplete", "response.failed"}:
            found = _openai_responses(of(event, "response"))
            if found is not None:
                self._take(found)
            return False
        if kind == "response.created":
            self._usage.model = self._usage.model or of(of(event, "response"), "model")
        if kind == "response.output_text.delta":
            return self._said(of(event, "delta"))
        return kind.endswith(".delta")

    def _take(self, found: LLMUsage) -> None:
        found.model = found.model or self._usage.model
        found.call_type = found.call_type or self._usage.call_type
        if found.output is None or not isinstance(found.output, str | list):
            found.output = self._usage.output
        if self._text:
            found.output = None
        self._usage = found

    def _said(self, text: Any) -> bool:
        if not isinstance(text, str) or not text:
            return False
        if self._characters < _TEXT_KEPT:
            self._characters += len(text)
            self._text.append(text)
        return True


_TEXT_KEPT: Final = 65_536
"""Characters of a stream that are kept for the trace."""


def of(owner: Any, name: str) -> Any:
    """An attribute of an object, or a key of a mapping; None if it has none."""
    if isinstance(owner, Mapping):
        return owner.get(name)
    return getattr(owner, name, None)


def number(owner: Any, *names: str) -> int:
    """The first of the names that is a number; 0 if none is."""
    for name in names:
        value = of(owner, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value)
    return 0


def _openai_chat(response: Any) -> LLMUsage | None:
    told = of(response, "usage")
    if told is None or (of(told, "prompt_tokens") is None and of(told, "completion_tokens") is None):
        return None
    prompt, completion = of(told, "prompt_tokens_details"), of(told, "completion_tokens_details")
    found = LLMUsage(
        of(response, "model"),
        number(told, "prompt_tokens"),
        number(told, "completion_tokens"),
        number(prompt, "cached_tokens"),
        number(told, "cache_creation_input_tokens"),  # LiteLLM's, for Anthropic; part of its prompt_tokens
        number(completion, "reasoning_tokens"),
    )
    for choice in of(response, "choices") or ():
        message = of(choice, "message")
        if of(choice, "finish_reason") in {"tool_calls", "function_call"} or of(message, "tool_calls"):
            found.call_type = "tool_call"
        found.output = _spoken(message)
        break
    return found


def _openai_responses(response: Any) -> LLMUsage | None:
    told = of(response, "usage")
    if of(response, "object") != "response" or told is None:
        return None
    found = LLMUsage(
        of(response, "model"),
        number(told, "input_tokens"),
        number(told, "output_tokens"),
        number(of(told, "input_tokens_details"), "cached_tokens"),
        0,
        number(of(told, "output_tokens_details"), "reasoning_tokens"),
    )
    items = of(response, "output") or ()
    if any(of(item, "type") in {"function_call", "custom_tool_call"} for item in items):
        found.call_type = "tool_call"
    found.output = of(response, "output_text") or list(items) or None
    return found


def _anthropic(response: Any) -> LLMUsage | None:
    told = of(response, "usage")
    if of(response, "type") != "message" or told is None:
        return None
    read, written = number(told, "cache_read_input_tokens"), number(told, "cache_creation_input_tokens")
    # Anthropic's input_tokens leave out what went through the cache.
    found = LLMUsage(
        of(response, "model"),
        number(told, "input_tokens") + read + written,
        number(told, "output_tokens"),
        read,
        written,
        number(of(told, "output_tokens_details"), "thinking_tokens", "reasoning_tokens"),
    )
    if of(response, "stop_reason") == "tool_use":
        found.call_type = "tool_call"
    found.output = list(of(response, "content") or ()) or None
    return found


def _google(response: Any) -> LLMUsage | None:
    told = of(response, "usage_metadata") or of(response, "usageMetadata")
    if told is None:
        return None
    thoughts = number(told, "thoughts_token_count", "thoughtsTokenCount")
    found = LLMUsage(
        of(response, "model_version") or of(response, "modelVersion"),
        number(told, "prompt_token_count", "promptTokenCount")
        + number(told, "tool_use_prompt_token_count", "toolUsePromptTokenCount"),
        number(told, "candidates_token_count", "candidatesTokenCount") + thoughts,
        number(told, "cached_content_token_count", "cachedContentTokenCount"),
        0,
        thoughts,
    )
    text, calls = _google_parts(response)
    found.call_type = "tool_call" if calls else None
    found.output = text or None
    return found


def _google_parts(response: Any) -> tuple[str, bool]:
    """What a response says, and whether it calls a function."""
    texts: list[str] = []
    calls = False
    for candidate in of(response, "candidates") or ():
        for part in of(of(candidate, "content"), "parts") or ():
            if of(part, "function_call") or of(part, "functionCall"):
                calls = True
            elif isinstance(of(part, "text"), str) and not of(part, "thought"):
                texts.append(of(part, "text"))
    return "".join(texts), calls


def _spoken(message: Any) -> Any:
    calls, content = of(message, "tool_calls"), of(message, "content")
    return {"content": content, "tool_calls": calls} if calls else content


def _litellm_cost(response: Any) -> float | None:
    hidden = of(response, "_hidden_params")
    cost = hidden.get("response_cost") if isinstance(hidden, Mapping) else None
    return float(cost) if isinstance(cost, int | float) and cost > 0 else None
