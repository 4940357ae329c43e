"""Google's client (``google-genai``): Gemini and Vertex, streamed or not, chats, and automatic function calling."""

from __future__ import annotations

from typing import Any, TypeVar

from slo_engine.monitoring.integrations.clients import monitor_method

Client = TypeVar("Client")


def monitor_google(client: Client) -> Client:
    """Record the model calls of a ``google.genai.Client``, sync and async. Returns the client."""
    for models in (client.models, client.aio.models):  # type: ignore[attr-defined]
        for name in ("generate_content", "generate_content_stream"):
            _monitor(models, name)
        monitor_method(models, "embed_content", input_key="contents", call_type="embedding")
    return client


def _monitor(models: Any, name: str) -> None:
    # Automatic function calling makes several calls within a public one, each of which is billed: all go through the
    # private method, where the SDK has one.
    private = f"_{name}"
    monitor_method(models, private if hasattr(models, private) else name, input_key="contents")
