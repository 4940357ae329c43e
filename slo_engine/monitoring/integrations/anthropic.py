"""Anthropic's client: messages, streamed or not, also beta and on Bedrock and Vertex."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from slo_engine.monitoring.integrations.clients import Endpoint, monitor_client

Client = TypeVar("Client")

ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "/v1/messages": Endpoint("messages"),
    "/v1/complete": Endpoint("prompt"),
}


def monitor_anthropic(client: Client) -> Client:
    """Record the model calls of an ``Anthropic`` or ``AsyncAnthropic`` client (also on Bedrock, Vertex), and of its
    copies. Returns the client."""
    monitor_client(client, ENDPOINTS)
    return client
