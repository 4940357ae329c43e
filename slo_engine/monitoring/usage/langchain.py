"""LangChain's messages: whichever provider, in one shape."""

from __future__ import annotations

from typing import Any

from slo_engine.monitoring.usage.fields import number, of, told, word
from slo_engine.monitoring.usage.model import LLMUsage


def read(message: Any) -> LLMUsage | None:
    """Of an ``AIMessage``; None if it is none, or says nothing of its usage."""
    usage, about = of(message, "usage_metadata"), of(message, "response_metadata")
    if told(usage, "input_tokens") is None or about is None:
        return None
    inputs, outputs = of(usage, "input_token_details"), of(usage, "output_token_details")
    # Of Anthropic's writes to a cache it tells either the sum or the kinds.
    for_an_hour = number(inputs, "ephemeral_1h_input_tokens")
    written = number(inputs, "cache_creation", "cache_write")
    written += number(inputs, "ephemeral_5m_input_tokens") + for_an_hour
    found = LLMUsage(
        word(about, "model_name") or word(about, "model"),
        number(usage, "input_tokens"),
        number(usage, "output_tokens"),
        number(inputs, "cache_read"),
        written,
        number(outputs, "reasoning"),
        cache_write_1h_tokens=for_an_hour,
        service_tier=word(about, "service_tier"),
        call_type="tool_call" if of(message, "tool_calls") else None,
        output=of(message, "content") or of(message, "tool_calls"),
    )
    found.is_priced = not (number(inputs, "audio") or number(outputs, "audio"))
    return found
