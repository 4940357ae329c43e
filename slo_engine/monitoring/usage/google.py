"""Google's ``generate_content``: Gemini and Vertex, by the SDK or by REST."""

from __future__ import annotations

from typing import Any

from slo_engine.monitoring.usage.fields import number, of, told, word
from slo_engine.monitoring.usage.model import LLMUsage


def read(response: Any) -> LLMUsage | None:
    """Of an answer, or a piece of one; None if it is none of these, or says nothing of its usage."""
    usage = of(response, "usage_metadata") or of(response, "usageMetadata")
    if told(usage, "prompt_token_count", "promptTokenCount", "total_token_count", "totalTokenCount") is None:
        return None
    thoughts = number(usage, "thoughts_token_count", "thoughtsTokenCount")
    input_tokens = number(usage, "prompt_token_count", "promptTokenCount") + number(
        usage, "tool_use_prompt_token_count", "toolUsePromptTokenCount"
    )
    said = number(usage, "candidates_token_count", "candidatesTokenCount", "response_token_count", "responseTokenCount")
    total = told(usage, "total_token_count", "totalTokenCount")
    # What was said leaves the thoughts out, but for some models; the total says which.
    output_tokens = said if total == input_tokens + said and thoughts <= said else said + thoughts
    text, calls = parts(response)
    found = LLMUsage(
        word(response, "model_version") or word(response, "modelVersion"),
        input_tokens,
        output_tokens,
        number(usage, "cached_content_token_count", "cachedContentTokenCount"),
        0,
        thoughts,
        service_tier=(word(usage, "traffic_type") or word(usage, "trafficType") or "").lower() or None,
        call_type="tool_call" if calls else None,
        output=text or None,
    )
    # Sound that is heard, and all but text that is said, has a price of its own.
    heard = _kinds(usage, "prompt_tokens_details", "promptTokensDetails") & {"AUDIO"}
    shown = _kinds(usage, "candidates_tokens_details", "candidatesTokensDetails") - {"TEXT", "MODALITY_UNSPECIFIED"}
    found.is_priced = not (heard or shown)
    return found


def _kinds(usage: Any, *names: str) -> set[str]:
    details = next((each for name in names if (each := of(usage, name))), ())
    return {word(each, "modality") or "TEXT" for each in details if number(each, "token_count", "tokenCount")}


def parts(response: Any) -> tuple[str, bool]:
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
