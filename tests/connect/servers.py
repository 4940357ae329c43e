"""Real servers on loopback: one that answers for all four backends, and a forward proxy."""

from __future__ import annotations

import base64
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

from tests.connect.certificates import Certificate

Answer = Callable[[BaseHTTPRequestHandler], tuple[int, str]]

ANSWERS = {
    "/api/v1/query": '{"status": "success", "data": {"resultType": "scalar", "result": [1, "0.5"]}}',
    "/api/public/v2/observations": '{"data": [], "meta": {}}',
    "/prometheus/config/v1/rules": "{}",
    "/hook": "",
}


def fine(handler: BaseHTTPRequestHandler) -> tuple[int, str]:
    """What each backend answers when nothing is wrong."""
    return 200, ANSWERS[urlsplit(handler.path).path]


def only_with(name: str, value: str) -> Answer:
    """The same for requests with this header; 401 for all others."""
    return lambda handler: fine(handler) if handler.headers[name] == value else (401, "")


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@contextmanager
def serving(
    answer: Answer,
    certificate: Certificate | None = None,
    *,
    client_ca: str | None = None,
    keeps_connections: bool = False,
) -> Iterator[int]:
    """A server with TLS, where it has a certificate; yields its port. ``client_ca``: whose certificates it wants."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keeps_connections else "HTTP/1.0"

        def _answer(self) -> None:
            self.rfile.read(int(self.headers["content-length"] or 0))
            status, body = answer(self)
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _running(_Server(("127.0.0.1", 0), Handler)) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.cert, certificate.key)
            if client_ca is not None:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_ca)
            # The handshake is made in the thread of the connection: one that fails must not end the server.
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        yield server.server_port


class ForwardProxy:
    """CONNECT for TLS, absolute addresses for plain HTTP. ``targets``: where it was asked to go."""

    def __init__(self, *, authorization: str | None = None, refuse: int | None = None) -> None:
        self.targets: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def _is_refused(self, target: str) -> bool:
                proxy.targets.append(target)
                status = refuse
                if authorization is not None and self.headers["proxy-authorization"] != authorization:
                    status = 407
                if status is not None:
                    self.send_response(status)
                    self.send_header("content-length", "0")
                    self.end_headers()
                return status is not None

            def do_CONNECT(self) -> None:
                if self._is_refused(self.path):
                    return
                host, _, port = self.path.rpartition(":")
                with socket.create_connection((host, int(port)), timeout=10) as server:
                    self.send_response(200)
                    self.end_headers()
                    _pump(self.connection, server)
                self.close_connection = True

            def _forward(self) -> None:
                parts = urlsplit(self.path)
                if self._is_refused(parts.netloc):
                    return
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                connection = http.client.HTTPConnection(parts.netloc, timeout=10)
                path = f"{parts.path}?{parts.query}" if parts.query else parts.path
                connection.request(self.command, path, body, dict(self.headers))
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                self.send_response(answer.status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _forward  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._running = _running(_Server(("127.0.0.1", 0), Handler))

    def __enter__(self) -> Self:
        self.address = f"http://127.0.0.1:{self._running.__enter__().server_port}"
        return self

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)


class _Server(ThreadingHTTPServer):
    def shutdown_request(self, request: Any) -> None:
        """Read what is left first: a reset would overtake the alert that says why a handshake failed."""
        try:
            request.settimeout(0.2)
            socket.socket.shutdown(request, socket.SHUT_WR)
            while socket.socket.recv(request, 65_536):
                pass
        except OSError:
            pass
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Handshakes that fail are what the tests are about."""


@contextmanager
def _running(server: _Server) -> Iterator[_Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    while True:
        ready, _, _ = select.select([one, other], [], [], 10)
        if not ready:
            return
        for each in ready:
            data = each.recv(65_536)
            if not data:
                return
            (other if each is one else one).sendall(data)
