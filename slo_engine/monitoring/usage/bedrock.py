"""Amazon Bedrock's Converse. Its ``inputTokens`` leave out what went through the cache; it does not name its model."""

from __future__ import annotations

from typing import Any

from slo_engine.monitoring.usage.fields import number, of, told, word
from slo_engine.monitoring.usage.model import LLMUsage


def read(response: Any) -> LLMUsage | None:
    """Of an answer, or of the ``metadata`` of a stream; None if it is none of these."""
    usage = of(response, "usage") or of(of(response, "metadata"), "usage")
    if told(usage, "inputTokens") is None:
        return None
    cache_read = number(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = number(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    for_an_hour = sum(
        number(each, "inputTokens") for each in of(usage, "cacheDetails") or () if of(each, "ttl") == "1h"
    )
    return LLMUsage(
        None,
        number(usage, "inputTokens") + cache_read + written,
        number(usage, "outputTokens"),
        cache_read,
        written,
        cache_write_1h_tokens=for_an_hour,
        service_tier=word(of(response, "serviceTier"), "type"),
        call_type="tool_call" if of(response, "stopReason") == "tool_use" else None,
        output=of(of(of(response, "output"), "message"), "content"),
    )
