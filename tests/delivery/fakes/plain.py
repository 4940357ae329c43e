"""A service on loopback that takes JSON, for libraries that bring their own HTTP client."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Service:
    """What came, and what to answer."""

    status: int = 200
    answer: str = "{}"
    location: str | None = None
    hang: threading.Event | None = None
    requests: list[str] = field(default_factory=list)
    """Method and path."""
    bodies: list[Any] = field(default_factory=list)


@contextmanager
def running(service: Service) -> Iterator[int]:
    """Yields its port."""

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            service.requests.append(f"{self.command} {self.path}")
            service.bodies.append(json.loads(body) if body else None)
            if service.hang is not None:
                service.hang.wait(20)
            self.send_response(service.status)
            if service.location is not None:
                self.send_header("location", service.location)
            self.send_header("content-length", str(len(service.answer)))
            self.end_headers()
            self.wfile.write(service.answer.encode())

        do_GET = do_POST = do_PATCH = _take  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
