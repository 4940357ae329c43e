"""Answers of all known kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from typing import Any, Final

from slo_engine.monitoring.usage import (
    anthropic,
    bedrock,
    cohere,
    google,
    langchain,
    ollama,
    openai_chat,
    openai_responses,
)
from slo_engine.monitoring.usage.fields import of
from slo_engine.monitoring.usage.model import LLMUsage

READERS: Final[tuple[Callable[[Any], LLMUsage | None], ...]] = (
    langchain.read,
    google.read,
    anthropic.read,
    openai_responses.read,
    openai_chat.read,
    bedrock.read,
    cohere.read,
    ollama.read,
)
"""Each knows its own; the first that does is believed."""


def usage_of(response: Any) -> LLMUsage | None:
    """What an answer says of itself; None if it is of no kind that is known. Raises nothing.

    As an object of an SDK, or as the JSON it was made from.
    """
    try:
        for read in READERS:
            found = read(response)
            if found is not None:
                cost = _litellm_cost(response)
                found.cost_usd = found.cost_usd if cost is None else cost
                return found
    except Exception:  # noqa: BLE001 - an answer's attributes may be properties, which may raise anything
        return None
    return None


def is_stream(answer: Any) -> bool:
    """Whether an answer comes piece by piece: an iterator, which a list, a mapping or a pydantic model is not."""
    kind = type(answer)
    return (hasattr(kind, "__next__") or hasattr(kind, "__anext__")) and not isinstance(answer, Sized)


def _litellm_cost(response: Any) -> float | None:
    hidden = of(response, "_hidden_params")
    cost = hidden.get("response_cost") if isinstance(hidden, Mapping) else None
    return float(cost) if isinstance(cost, int | float) and cost > 0 else None
