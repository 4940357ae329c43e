"""``/metrics``, ``/healthz`` and ``/readyz`` for an agent, with a server of their own or inside one that is there."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from slo_engine.monitoring.defaults import default_metrics

Ready = Callable[[], bool]
Answer = tuple[int, Iterable[tuple[str, str]], bytes]
Encoder = Callable[[CollectorRegistry], bytes]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]

REQUEST_TIMEOUT: Final = 10.0
"""Seconds that a client may take to ask, so that one that says nothing holds no thread for ever."""

RENDER_TIMEOUT: Final = 10.0
"""Seconds that a scrape waits for one before it."""

_TEXT: Final = "text/plain; charset=utf-8"


class MetricsServer:
    """A running server. ``port``: the one it listens on."""

    def __init__(self, server: ThreadingHTTPServer, thread: threading.Thread) -> None:
        self._server = server
        self._thread = thread
        self.port = int(server.server_port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_metrics_server(
    port: int,
    host: str = "127.0.0.1",
    *,
    registry: CollectorRegistry | None = None,
    is_ready: Ready = lambda: True,
) -> MetricsServer:
    """Serve ``/metrics`` (OpenMetrics with exemplars for who asks), ``/healthz`` and ``/readyz`` from daemon threads.

    ``port`` 0: a free one, to be read off the result. ``host``: give ``0.0.0.0`` to be scraped from elsewhere.
    ``registry`` None: that of `configure`, or of all processes when ``PROMETHEUS_MULTIPROC_DIR`` is set.
    ``is_ready``: what ``/readyz`` asks before it answers 200. Raises OSError when the port is taken.
    """
    render = _Renderer(registry)

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        do_HEAD = do_GET  # noqa: N815 - http.server's names

        def _answer(self) -> None:
            status, headers, body = _answer(render, is_ready, self.path, self.headers.get, self.command)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            if self.headers.get("content-length") or self.headers.get("transfer-encoding"):
                self.close_connection = True  # a body that nobody reads is not the next request

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Scrapes are no news."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A scraper that hangs up is no news either."""

    server = Server((host, port), Handler)
    thread = threading.Thread(target=server.serve_forever, name="slo-engine-metrics", daemon=True)
    thread.start()
    return MetricsServer(server, thread)


def metrics_app(*, registry: CollectorRegistry | None = None, is_ready: Ready = lambda: True) -> Any:
    """The same three pages as an ASGI application, to be mounted in a server of yours.

    Renders in a thread, since a large registry takes a tenth of a second and more to render; scrapes that
    come while one is being rendered share it.
    """
    render = _Renderer(registry)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        asked = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        if path == "/":
            path = "/metrics"  # mounted at /metrics itself

        def answer() -> Answer:
            return _answer(render, is_ready, path, lambda name: asked.get(name.lower()), scope["method"])

        # Only what may take its time is asked elsewhere: a collector that hangs must not take /healthz along.
        status, headers, body = await _in_a_thread(answer) if path in {"/metrics", "/readyz"} else answer()
        wire = [(name.encode(), value.encode()) for name, value in headers]
        wire.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": wire})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return app


async def _in_a_thread(answer: Callable[[], Answer]) -> Answer:
    """In a daemon thread: those of an executor are waited for when the process ends, however long a collector hangs."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def resolve(found: Answer) -> None:
        if not future.done():
            future.set_result(found)

    def work() -> None:
        found = answer()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(resolve, found)

    threading.Thread(target=work, name="slo-engine-metrics", daemon=True).start()
    return await future


class _Renderer:
    """Renders a registry, once for all who ask at the same time."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._begun = 0
        self._rendered: dict[Encoder, bytes] = {}

    def __call__(self, accept: str) -> tuple[bytes, str]:
        """The metrics, and their content type. Raises TimeoutError when a rendering before this one does not end."""
        encode, content_type = choose_encoder(accept)
        seen = self._begun
        if not self._lock.acquire(timeout=RENDER_TIMEOUT):
            raise TimeoutError("a collector has not answered an earlier scrape yet")
        try:
            # A rendering that began after this scrape came is as good as one of its own.
            if self._begun == seen or encode not in self._rendered:
                self._begun += 1
                self._rendered.clear()
                self._rendered[encode] = encode(self._current())
            return self._rendered[encode], content_type
        finally:
            self._lock.release()

    def _current(self) -> CollectorRegistry:
        if self._registry is not None:
            return self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            from prometheus_client.multiprocess import MultiProcessCollector

            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return registry
        return default_metrics().registry


def _answer(render: _Renderer, is_ready: Ready, path: str, header: Callable[[str], str | None], method: str) -> Answer:
    if method not in {"GET", "HEAD"}:
        return 405, [("content-type", _TEXT), ("allow", "GET, HEAD")], b"only GET and HEAD\n"
    path = path.partition("?")[0]
    if path == "/metrics":
        return _metrics(render, header)
    if path == "/healthz":
        return 200, [("content-type", _TEXT)], b"ok\n"
    if path == "/readyz":
        return _readiness(is_ready)
    return 404, [("content-type", _TEXT)], b"not found: /metrics, /healthz and /readyz are here\n"


def _metrics(render: _Renderer, header: Callable[[str], str | None]) -> Answer:
    try:
        body, content_type = render(header("Accept") or "")
    except TimeoutError as error:
        return 503, [("content-type", _TEXT)], f"{error}\n".encode()
    except Exception as error:  # noqa: BLE001 - a collector of the user's: the scrape says so, and the agent goes on
        return 500, [("content-type", _TEXT)], f"a collector failed: {type(error).__name__}: {error}\n".encode()
    headers = [("content-type", content_type), ("vary", "accept, accept-encoding")]
    if "gzip" in (header("Accept-Encoding") or ""):
        body = gzip.compress(body, 1)
        headers.append(("content-encoding", "gzip"))
    return 200, headers, body


def _readiness(is_ready: Ready) -> Answer:
    try:
        ready = is_ready()
    except Exception as error:  # noqa: BLE001 - a question of the user's: what cannot answer is not ready
        return 503, [("content-type", _TEXT)], f"not ready: {type(error).__name__}: {error}\n".encode()
    return (200, [("content-type", _TEXT)], b"ready\n") if ready else (503, [("content-type", _TEXT)], b"not ready\n")


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
