"""``/metrics`` for an agent that has no web server of its own."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry


def start_metrics_server(port: int, *, host: str = "127.0.0.1", registry: CollectorRegistry = REGISTRY) -> int:
    """Serve the metrics from a daemon thread. Returns the port, which is a free one for ``port=0``."""
    from prometheus_client import start_http_server

    server, _ = start_http_server(port, addr=host, registry=registry)
    return int(server.server_port)
