"""Anthropic's messages, on its own API, Bedrock and Vertex. Their ``input_tokens`` leave out what went through the
cache."""

from __future__ import annotations

from typing import Any

from slo_engine.monitoring.usage.fields import number, of, told, word
from slo_engine.monitoring.usage.model import LLMUsage


def read(response: Any) -> LLMUsage | None:
    """Of an answer; None if it is none of these, or says nothing of its usage."""
    usage = of(response, "usage")
    if of(response, "type") != "message" or usage is None:
        return None
    found = read_usage(usage)
    found.model = word(response, "model")
    if of(response, "stop_reason") == "tool_use":
        found.call_type = "tool_call"
    found.output = list(of(response, "content") or ()) or None
    return found


def read_usage(*usages: Any) -> LLMUsage:
    """Of the ``usage`` of an answer; of a stream, whose numbers are cumulative, of all that have come by now, the last
    one first: each number is the last that was told."""

    def last(*names: str) -> int:
        return next((amount for usage in usages if (amount := told(usage, *names)) is not None), 0)

    cache_read, written = last("cache_read_input_tokens"), last("cache_creation_input_tokens")
    lives = next((each for usage in usages if (each := of(usage, "cache_creation")) is not None), None)
    for_an_hour = number(lives, "ephemeral_1h_input_tokens")
    written = max(written, for_an_hour + number(lives, "ephemeral_5m_input_tokens"))
    details = next((each for usage in usages if (each := of(usage, "output_tokens_details")) is not None), None)
    tier = next((each for usage in usages if (each := word(usage, "service_tier"))), None)
    speed = next((each for usage in usages if (each := word(usage, "speed"))), None)
    place = next((each for usage in usages if (each := word(usage, "inference_geo"))), None)
    if place not in {None, "global", "not_available"}:
        tier = f"inference_geo:{place}"  # a tenth dearer, for some models
    return LLMUsage(
        None,
        last("input_tokens") + cache_read + written,
        last("output_tokens"),
        cache_read,
        written,
        number(details, "thinking_tokens", "reasoning_tokens"),
        cache_write_1h_tokens=for_an_hour,
        service_tier=f"speed:{speed}" if speed not in {None, "standard"} else tier,
    )
