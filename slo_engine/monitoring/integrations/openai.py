"""OpenAI's client, and whatever imitates it: chat completions, responses and embeddings, streamed or not."""

from __future__ import annotations

from typing import Any, TypeVar

from slo_engine.monitoring.integrations.clients import monitor_method

Client = TypeVar("Client")


def monitor_openai(client: Client) -> Client:
    """Record the model calls of an ``OpenAI``, ``AsyncOpenAI`` or Azure client. Returns the client.

    A streamed chat completion tells its tokens only with ``stream_options={"include_usage": True}``, which is yours to
    set, since it adds a chunk without choices; without it the call is counted as unpriced.
    """
    resources: Any = client
    for name in ("create", "parse"):
        monitor_method(resources.chat.completions, name, input_key="messages")
        monitor_method(resources.responses, name, input_key="input")
    monitor_method(resources.embeddings, "create", input_key="input", call_type="embedding")
    return client
