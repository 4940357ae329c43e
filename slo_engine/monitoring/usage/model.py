"""Tokens and money of one call, in the terms that all providers are brought to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

UNKNOWN_MODEL: Final = "unknown"
"""The name of a model that nobody named."""


_LONGEST: Final = 1e9
"""Seconds: thirty years, which a time can be moved by."""


class TokenDetails(NamedTuple):
    """Of which kinds the tokens of a call are, and how it was served: what its price depends on beside their number."""

    cached: int = 0
    """Of the input, read from a cache."""
    cache_write: int = 0
    """Of the input, written to a cache."""
    reasoning: int = 0
    """Of the output."""
    cache_write_1h: int = 0
    """Of ``cache_write``, to be kept for an hour."""
    service_tier: str | None = None
    """As the provider calls it; None: its standard one."""
    is_priced: bool = True
    """False: the tokens have prices of their own kind (sound, pictures), or not all of them are known."""


class LLMUsage:
    """Tokens and money of one call.

    ``input_tokens`` are all of the input: ``cached_tokens`` of them were read from a cache and ``cache_write_tokens``
    written to one, ``cache_write_1h_tokens`` of these for an hour. ``reasoning_tokens`` are a part of
    ``output_tokens``. ``cost_usd`` None: not known.
    """

    __slots__ = (
        *("cache_write_1h_tokens", "cache_write_tokens", "cached_tokens", "call_type", "cost_usd", "input_tokens"),
        *("is_priced", "model", "output", "output_tokens", "reasoning_tokens", "service_tier"),
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
        *,
        cache_write_1h_tokens: int = 0,
        service_tier: str | None = None,
        call_type: str | None = None,
        output: Any = None,
    ) -> None:
        self.model = model
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        self.cached_tokens = cached_tokens
        self.cache_write_tokens = cache_write_tokens
        self.cache_write_1h_tokens = cache_write_1h_tokens
        self.reasoning_tokens = reasoning_tokens
        self.cost_usd = cost_usd
        self.service_tier = service_tier
        self.call_type = call_type
        self.output = output
        self.is_priced = True
        """False: its tokens are not all known, or not all of text, so that no list says what it costs."""

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

    def details(self) -> TokenDetails | None:
        """What its price depends on beside the number of its tokens; None: nothing."""
        if self.is_priced and not (
            self.cached_tokens or self.cache_write_tokens or self.reasoning_tokens or self.service_tier
        ):
            return None
        return TokenDetails(
            self.cached_tokens,
            self.cache_write_tokens,
            self.reasoning_tokens,
            self.cache_write_1h_tokens,
            self.service_tier,
            self.is_priced,
        )

    def for_trace(self, start_ns: int, time_to_first_token: float | None) -> dict[str, Any]:
        """As the attributes of a generation in LangFuse, where the types of tokens add up to the total."""
        read, written, cached, cache_write, reasoning = map(_whole, self.tokens())
        details = {"input": max(0, read - cached - cache_write), "output": max(0, written - reasoning)}
        if cached:
            details["input_cached_tokens"] = cached
        if cache_write:
            details["input_cache_creation"] = cache_write
        if reasoning:
            details["output_reasoning_tokens"] = reasoning
        attributes: dict[str, Any] = {"model": self.name(), "usage_details": details}
        if self.cost_usd is not None:
            attributes["cost_details"] = {"total": float(self.cost_usd)}
        time_to_first_token = plausible(time_to_first_token)
        if time_to_first_token is not None:
            first = datetime.fromtimestamp(start_ns / 1e9 + time_to_first_token, UTC)
            attributes["completion_start_time"] = first.isoformat()
        return attributes


def plausible(seconds: Any) -> float | None:
    """Seconds that something can have taken; None for anything else."""
    try:
        found = float(seconds)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if 0 <= found < _LONGEST else None


def _whole(tokens: Any) -> int:
    if type(tokens) is int:
        return max(0, tokens)
    try:
        return max(0, int(tokens))
    except (TypeError, ValueError, OverflowError):
        return 0
