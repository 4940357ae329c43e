"""OpenAI's responses, also as LiteLLM gives them, with the usage of a chat completion in them."""

from __future__ import annotations

from typing import Any

from slo_engine.monitoring.usage import openai_chat
from slo_engine.monitoring.usage.fields import number, of, told, word
from slo_engine.monitoring.usage.model import LLMUsage


def read(response: Any) -> LLMUsage | None:
    """Of an answer; None if it is none of these, or says nothing of its usage."""
    usage = of(response, "usage")
    if of(response, "object") != "response" or usage is None:
        return None
    found = read_usage(usage)
    found.model = word(response, "model")
    found.service_tier = word(response, "service_tier")
    items = of(response, "output") or ()
    if any(of(item, "type") in {"function_call", "custom_tool_call"} for item in items):
        found.call_type = "tool_call"
    found.output = of(response, "output_text") or list(items) or None
    return found


def read_usage(usage: Any) -> LLMUsage:
    """Of the ``usage`` of an answer."""
    if told(usage, "input_tokens") is None and told(usage, "prompt_tokens") is not None:
        return openai_chat.read_usage(usage)
    inputs, outputs = of(usage, "input_tokens_details"), of(usage, "output_tokens_details")
    input_tokens, output_tokens = number(usage, "input_tokens"), number(usage, "output_tokens")
    reasoning = number(outputs, "reasoning_tokens")
    if (total := told(usage, "total_tokens")) is not None and total > input_tokens + output_tokens:
        outside = total - input_tokens - output_tokens
        output_tokens += outside
        reasoning = max(reasoning, outside)
    return LLMUsage(
        None,
        input_tokens,
        output_tokens,
        number(inputs, "cached_tokens"),
        number(inputs, "cache_write_tokens"),
        min(reasoning, output_tokens),
    )
