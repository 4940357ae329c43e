"""The requests session below prometheus-api-client: one server, its TLS and proxy, an end in time."""

from __future__ import annotations

import io
import json
import threading
import time
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InsecureRequestWarning

from slo_engine.connect import Connection
from slo_engine.connect.failure import TooLargeError

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
"""10,000 groups with ten windows are about 25 MB; beyond this something else is answering."""


class Session(requests.Session):
    """Sends a query in the body, never goes elsewhere, ends in time, and remembers its response."""

    def __init__(self, connection: Connection) -> None:
        """Raises TlsError."""
        super().__init__()
        self.trust_env = False  # no .netrc, which would replace the bearer token, and no proxy of the environment
        self.headers.update(connection.sent_headers)
        if connection.proxy is not None:
            self.proxies = {"http": connection.proxy, "https": connection.proxy}
        if connection.insecure_skip_verify:
            urllib3.disable_warnings(InsecureRequestWarning)  # one with each query, about what was asked for
        self._adapter = _Adapter(connection)
        self._thread = threading.local()

    def get_adapter(self, url: str | bytes) -> HTTPAdapter:  # noqa: ARG002
        """Ours, whatever prometheus-api-client mounts: its own retries."""
        return self._adapter

    def request(self, method: str | bytes, url: str | bytes, **options: Any) -> requests.Response:  # type: ignore[override]
        """One request, its answer read to the end."""
        timeout = float(options["timeout"])
        deadline = time.monotonic() + timeout
        if method == "POST":
            options["data"] = options.pop("params", None)
        response = super().request(method, url, **{**options, "allow_redirects": False, "stream": True})
        with response:
            body = _read(response, deadline)
        response.raw = io.BytesIO(body)
        self._thread.response = response
        self._thread.body = body
        return response

    def last_response(self) -> requests.Response:
        """What was answered to the last request of this thread."""
        response: requests.Response = self._thread.response
        return response

    def last_warnings(self) -> tuple[str, ...]:
        """The warnings in it."""
        # Warnings are rare and stand beside the data: a large answer is not parsed a second time to find none.
        if b'"warnings"' not in self._thread.body:
            return ()
        return tuple(str(warning) for warning in json.loads(self._thread.body).get("warnings") or ())

    def close(self) -> None:
        """Close the connections; the session is not used afterwards."""
        self._adapter.close()
        super().close()


class _Adapter(HTTPAdapter):
    """requests takes certificates as file names, one set for each request; here an SSLContext decides alone."""

    def __init__(self, connection: Connection) -> None:
        self._tls = connection.ssl_context()
        self._proxy_authorization = connection.proxy_authorization
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {"ssl_context": self._tls}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: it would add the CAs of requests to the context."""

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, proxy_ssl_context=self._tls, **options)

    def proxy_headers(self, proxy: str) -> dict[str, str]:  # noqa: ARG002
        return {"Proxy-Authorization": self._proxy_authorization} if self._proxy_authorization else {}


def _read(response: requests.Response, deadline: float) -> bytes:
    # A timeout of requests counts from byte to byte: a server that trickles would hold the thread for ever.
    body = bytearray()
    while chunk := response.raw.read1(64 * 1024, decode_content=True):
        body += chunk
        if time.monotonic() > deadline:
            raise TimeoutError
        if len(body) > MAX_RESPONSE_BYTES:
            raise TooLargeError(f"more than {MAX_RESPONSE_BYTES:,} bytes")
    return bytes(body)
