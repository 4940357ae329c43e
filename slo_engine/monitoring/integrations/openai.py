"""OpenAI's client, and those of whoever uses its SDK or one that is generated like it (Groq, Together, Cerebras)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from slo_engine.monitoring.integrations.clients import Endpoint, monitor_client

Client = TypeVar("Client")

ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "/chat/completions": Endpoint("messages"),
    "/v1/chat/completions": Endpoint("messages"),
    "/openai/v1/chat/completions": Endpoint("messages"),
    "/completions": Endpoint("prompt"),
    "/responses": Endpoint("input"),
    "/responses/compact": Endpoint("input"),
    "/embeddings": Endpoint("input", "embedding"),
    "/openai/v1/embeddings": Endpoint("input", "embedding"),
    "/images/generations": Endpoint("prompt", "image"),
    "/images/edits": Endpoint("prompt", "image"),
    "/audio/speech": Endpoint("input", "audio"),
    "/audio/transcriptions": Endpoint("prompt", "audio"),
    "/audio/translations": Endpoint("prompt", "audio"),
}
"""Pictures and sound have prices of their own kind: they are counted, and unpriced where their usage is not known."""


def monitor_openai(client: Client) -> Client:
    """Record the model calls of an ``OpenAI``, ``AsyncOpenAI`` or Azure client, and of its copies. Returns the client.

    A streamed chat completion tells its tokens only with ``stream_options={"include_usage": True}``, which is yours to
    set, since it adds a chunk without choices; without it the call is counted as unpriced.
    """
    monitor_client(client, ENDPOINTS)
    return client
