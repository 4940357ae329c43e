"""httpx clients for a connection, and answers that are read in time and no further than they may go."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from slo_engine.connect.connection import Connection
from slo_engine.connect.failure import TooLargeError

ERRORS = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, TooLargeError)
"""What a request may raise: an alert of TLS 1.3 comes with the first read, which httpx lets through as it is."""

KEPT_SECONDS = 5.0
"""For which a connection is kept for the next request, as httpx does it."""


@dataclass(frozen=True)
class Answer:
    """A response that was read."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in any case."""
    body: bytes = field(repr=False)
    is_whole: bool = True
    """False: what stands here is its beginning."""


def client(connection: Connection) -> httpx.Client:
    """A client that goes where the connection says and nowhere else: no redirects, no proxy and no ``.netrc`` of the
    environment. Raises TlsError."""
    return httpx.Client(**_options(connection), **_way(connection))


def async_client(connection: Connection, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """The same for asyncio. ``transport``: instead of the network, for tests. Raises TlsError."""
    way = _way(connection)
    return httpx.AsyncClient(
        **_options(connection), transport=transport or _OneEach(lambda: httpx.AsyncHTTPTransport(**way))
    )


def _options(connection: Connection) -> dict[str, Any]:
    return {
        "headers": dict(connection.sent_headers),
        "timeout": connection.timeout,
        "trust_env": False,
        "follow_redirects": False,
    }


def _way(connection: Connection) -> dict[str, Any]:
    tls = connection.ssl_context()
    proxy = None
    if connection.proxy is not None:
        is_tls = connection.proxy.lower().startswith("https:")
        proxy = httpx.Proxy(connection.proxy, auth=connection.proxy_auth, ssl_context=tls if is_tls else None)
    return {"verify": tls, "proxy": proxy}


class _OneEach(httpx.AsyncBaseTransport):
    """A transport with one connection for each request under way. One that has many looks at each of them for each
    request: with sixty that takes longer than the rest of it."""

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport]) -> None:
        self._make = make
        self._idle: deque[tuple[float, httpx.AsyncBaseTransport]] = deque()
        """Since when, the newest last."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        old = self._idle_before(time.monotonic() - KEPT_SECONDS)
        one = self._idle.pop()[1] if self._idle else self._make()
        try:
            for each in old:
                await each.aclose()
            response = await one.handle_async_request(request)
        except BaseException:
            await one.aclose()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Returning(response.stream, one, self._idle)
        return response

    async def aclose(self) -> None:
        for each in self._idle_before(float("inf")):
            await each.aclose()

    def _idle_before(self, instant: float) -> list[httpx.AsyncBaseTransport]:
        found = []
        while self._idle and self._idle[0][0] < instant:
            found.append(self._idle.popleft()[1])
        return found


class _Returning(httpx.AsyncByteStream):
    """A body with whose end its connection is idle again."""

    def __init__(
        self,
        stream: httpx.AsyncByteStream,
        one: httpx.AsyncBaseTransport,
        idle: deque[tuple[float, httpx.AsyncBaseTransport]],
    ) -> None:
        self._stream = stream
        self._one = one
        self._idle = idle

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        except BaseException:
            await self._one.aclose()
            raise
        self._idle.append((time.monotonic(), self._one))


def fetch(request: httpx.Request, through: httpx.Client, *, seconds: float, max_bytes: int) -> Answer:
    """The answer to a request. Raises one of ``ERRORS``. A server that trickles its headers can outlast ``seconds``:
    see :class:`slo_engine.connect.Deadline`."""
    deadline = time.monotonic() + seconds
    body = bytearray()
    response = through.send(request, stream=True)
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if time.monotonic() > deadline:  # httpx' own timeout counts from byte to byte
                raise TimeoutError
            _check_size(body, max_bytes)
    finally:
        response.close()
    return Answer(response.status_code, response.headers, bytes(body))


async def fetch_async(
    request: httpx.Request,
    through: httpx.AsyncClient,
    *,
    seconds: float,
    max_bytes: int,
    keep_beginning: bool = False,
) -> Answer:
    """The answer to a request, within ``seconds``. ``keep_beginning``: of an answer that is longer than ``max_bytes``
    the beginning is returned; else it is an error. Raises one of ``ERRORS``."""
    async with answered(request, through, seconds=seconds) as response:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if keep_beginning and len(body) > max_bytes:
                return Answer(response.status_code, response.headers, bytes(body[:max_bytes]), is_whole=False)
            _check_size(body, max_bytes)
    return Answer(response.status_code, response.headers, bytes(body))


@asynccontextmanager
async def answered(
    request: httpx.Request, through: httpx.AsyncClient, *, seconds: float
) -> AsyncIterator[httpx.Response]:
    """A response whose body is still to be read, or left. All of the block within ``seconds``."""
    async with asyncio.timeout(seconds):
        response = await through.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()


def _check_size(body: bytearray, max_bytes: int) -> None:
    if len(body) > max_bytes:
        raise TooLargeError(f"more than {max_bytes:,} bytes")
