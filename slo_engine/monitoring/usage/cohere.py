"""Cohere's chat: what is billed, and not the larger number of tokens that its models read."""

from __future__ import annotations

from typing import Any

from slo_engine.monitoring.usage.fields import number, of
from slo_engine.monitoring.usage.model import LLMUsage


def read(response: Any) -> LLMUsage | None:
    """Of an answer; None if it is none of these."""
    usage = of(response, "usage") or of(response, "meta")
    billed = of(usage, "billed_units")
    if billed is None:
        return None
    message = of(response, "message")
    return LLMUsage(
        None,
        number(billed, "input_tokens"),
        number(billed, "output_tokens"),
        number(usage, "cached_tokens"),
        call_type="tool_call" if of(message, "tool_calls") else None,
        output=of(message, "content") or of(response, "text"),
    )
