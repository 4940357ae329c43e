"""Chat completions of OpenAI, and of the many who imitate them; also their older completions, and embeddings.

The shape is one, the terms are not. OpenAI's ``completion_tokens`` hold the reasoning; those of xAI, and of Google
where it imitates OpenAI, leave it out, and ``total_tokens`` has it. DeepSeek and Moonshot tell cached tokens beside
the others. OpenRouter and Perplexity tell what the call cost. LiteLLM adds Anthropic's writes to a cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slo_engine.monitoring.usage.fields import number, of, told, word
from slo_engine.monitoring.usage.model import LLMUsage


def read(response: Any) -> LLMUsage | None:
    """Of an answer; None if it is none of these, or says nothing of its usage."""
    usage = of(response, "usage")
    if told(usage, "prompt_tokens") is None and told(usage, "completion_tokens") is None:
        return None
    found = read_usage(usage)
    found.model = word(response, "model")
    found.service_tier = word(response, "service_tier")
    choices = of(response, "choices")
    for choice in choices if isinstance(choices, Sequence) else ():
        message = of(choice, "message")
        if of(choice, "finish_reason") in {"tool_calls", "function_call"} or of(message, "tool_calls"):
            found.call_type = "tool_call"
        found.output = _spoken(choice, message)
        break
    return found


def read_usage(usage: Any) -> LLMUsage:
    """Of the ``usage`` of an answer."""
    prompt, completion = of(usage, "prompt_tokens_details"), of(usage, "completion_tokens_details")
    input_tokens, output_tokens = number(usage, "prompt_tokens"), number(usage, "completion_tokens")
    reasoning = told(completion, "reasoning_tokens")
    if reasoning is None:
        reasoning = number(usage, "reasoning_tokens")
    if (total := told(usage, "total_tokens")) is not None and total > input_tokens + output_tokens:
        # What is billed and is neither in the prompt nor in what was said is what the model thought.
        outside = total - input_tokens - output_tokens
        output_tokens += outside
        reasoning = max(reasoning, outside)
    cached = told(prompt, "cached_tokens")
    if cached is None:
        cached = number(usage, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    written = told(prompt, "cache_write_tokens", "cache_creation_tokens")
    if written is None:
        written = number(usage, "cache_creation_input_tokens")
    for_an_hour = of(prompt, "cache_creation_token_details")
    cost = of(usage, "cost")
    if (of_all := of(cost, "total_cost")) is not None:
        cost = of_all
    found = LLMUsage(
        None,
        input_tokens,
        output_tokens,
        cached,
        written,
        min(reasoning, output_tokens),
        float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) and cost > 0 else None,
        cache_write_1h_tokens=number(for_an_hour, "ephemeral_1h_input_tokens"),
    )
    # Sound, and pictures that are made, have prices of their own.
    found.is_priced = not (number(prompt, "audio_tokens") or number(completion, "audio_tokens", "image_tokens"))
    return found


def _spoken(choice: Any, message: Any) -> Any:
    calls, content = of(message, "tool_calls"), of(message, "content")
    if calls:
        return {"content": content, "tool_calls": calls}
    return content if content is not None else of(choice, "text")
