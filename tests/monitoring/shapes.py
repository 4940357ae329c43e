"""Shapes of usage as providers give them, each with the provider's own total of input and output."""

from __future__ import annotations

from typing import Any, Final

from tests.monitoring.saying import chat, message, response

SHAPES: Final[dict[str, tuple[Any, int]]] = {
    "openai chat": (
        chat(
            usage={
                "prompt_tokens": 2006,
                "completion_tokens": 300,
                "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 192, "audio_tokens": 0},
            }
        ),
        2306,
    ),
    "openai responses": (
        response(
            usage={
                "input_tokens": 328,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 52,
                "output_tokens_details": {"reasoning_tokens": 20},
                "total_tokens": 380,
            }
        ),
        380,
    ),
    "anthropic": (
        message(input_tokens=4, output_tokens=503, cache_read_input_tokens=18_000, cache_creation_input_tokens=188),
        4 + 503 + 18_000 + 188,
    ),
    "gemini": (
        {
            "candidates": [{"content": {"parts": [{"text": "hi"}]}}],
            "usageMetadata": {
                "promptTokenCount": 100,
                "candidatesTokenCount": 20,
                "thoughtsTokenCount": 300,
                "toolUsePromptTokenCount": 40,
                "totalTokenCount": 460,
            },
            "modelVersion": "gemini-2.5-flash",
        },
        460,
    ),
    "gemini, thoughts in what was said": (
        {
            "candidates": [],
            "usage_metadata": {
                "prompt_token_count": 100,
                "candidates_token_count": 320,
                "thoughts_token_count": 300,
                "total_token_count": 420,
            },
        },
        420,
    ),
    "xai": (
        chat(
            "grok-4",
            usage={
                "prompt_tokens": 37,
                "completion_tokens": 9,
                "total_tokens": 240,
                "completion_tokens_details": {"reasoning_tokens": 194},
            },
        ),
        240,
    ),
    "deepseek": (
        chat(
            "deepseek-chat",
            usage={
                "prompt_tokens": 910,
                "completion_tokens": 40,
                "total_tokens": 950,
                "prompt_cache_hit_tokens": 896,
                "prompt_cache_miss_tokens": 14,
            },
        ),
        950,
    ),
    "moonshot": (
        chat("kimi-k2", usage={"prompt_tokens": 19, "completion_tokens": 21, "total_tokens": 40, "cached_tokens": 10}),
        40,
    ),
    "mistral": (
        chat("mistral-large-latest", usage={"prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50}),
        50,
    ),
    "groq": (
        chat(
            "llama-3.3-70b-versatile",
            usage={
                "queue_time": 0.05,
                "prompt_tokens": 18,
                "prompt_time": 0.001,
                "completion_tokens": 556,
                "completion_time": 0.46,
                "total_tokens": 574,
            },
        ),
        574,
    ),
    "openrouter": (
        chat(
            "anthropic/claude-sonnet-4.5",
            usage={
                "prompt_tokens": 10_339,
                "completion_tokens": 60,
                "total_tokens": 10_399,
                "cost": 0.0123,
                "prompt_tokens_details": {"cached_tokens": 10_318, "cache_write_tokens": 15},
            },
        ),
        10_399,
    ),
    "bedrock": (
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
            "stopReason": "end_turn",
            "usage": {
                "inputTokens": 11,
                "outputTokens": 47,
                "totalTokens": 2058,
                "cacheReadInputTokens": 1500,
                "cacheWriteInputTokens": 500,
            },
        },
        2058,
    ),
    "cohere": (
        {
            "id": "c",
            "finish_reason": "COMPLETE",
            "message": {"role": "assistant", "content": [{"type": "text", "text": "hi"}]},
            "usage": {
                "billed_units": {"input_tokens": 5, "output_tokens": 418},
                "tokens": {"input_tokens": 71, "output_tokens": 418},
            },
        },
        5 + 418,
    ),
    "ollama": (
        {
            "model": "llama3.2",
            "message": {"role": "assistant", "content": "hi"},
            "done": True,
            "prompt_eval_count": 26,
            "eval_count": 298,
        },
        26 + 298,
    ),
    "perplexity": (
        chat(
            "sonar",
            usage={"prompt_tokens": 14, "completion_tokens": 70, "total_tokens": 84, "search_context_size": "low"},
        ),
        84,
    ),
}
