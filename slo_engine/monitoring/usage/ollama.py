"""Ollama's own API: chat and generate."""

from __future__ import annotations

from typing import Any

from slo_engine.monitoring.usage.fields import number, of, told, word
from slo_engine.monitoring.usage.model import LLMUsage


def read(response: Any) -> LLMUsage | None:
    """Of an answer, or of the last piece of a stream; None if it is none of these."""
    if told(response, "eval_count") is None and told(response, "prompt_eval_count") is None:
        return None
    message = of(response, "message")
    return LLMUsage(
        word(response, "model"),
        number(response, "prompt_eval_count"),
        number(response, "eval_count"),
        call_type="tool_call" if of(message, "tool_calls") else None,
        # What runs here has no price of a seller's, whose model may have the same name: your own, or none.
        service_tier="local",
        output=of(message, "content") or of(response, "response"),
    )
