"""What reading the page and the API may cost.

Anybody who reaches the port may read, and an answer can be megabytes that take a tenth of a second to write.
Notifications come first: so only a few answers are written at once, and only so much waits for slow readers.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

AT_ONCE = 4
"""Answers that are written side by side. They compete for the interpreter with the webhook."""

MAX_READERS = 64
"""Requests that are being answered, or wait for their turn."""

MAX_BYTES = 64 * 1024 * 1024
"""Of answers that are being read."""

PIECE_BYTES = 64 * 1024

FREE = ("/healthz", "/readyz", "/metrics", "/static")
"""What is asked by those who watch the engine, and costs little."""

_BUSY = b'{"detail": "too many requests at once: try again in some seconds"}'


class FewReaders:
    """Middleware before everything but the webhook."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._readers = 0
        self._bytes = 0
        self._places: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"].startswith(FREE):
            await self._app(scope, receive, send)
        elif self._readers >= MAX_READERS or self._bytes >= MAX_BYTES:
            length = (b"content-length", str(len(_BUSY)).encode())
            headers = [(b"content-type", b"application/json"), length, (b"retry-after", b"5")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": _BUSY})
        else:
            self._readers += 1
            try:
                if scope["method"] == "POST":
                    # Its body may take its time to come; and what is done with it is not to be waited for by readers.
                    await self._app(scope, receive, send)
                else:
                    await self._answer(scope, receive, send)
            finally:
                self._readers -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._places is None:
            self._places = asyncio.Semaphore(AT_ONCE)
        places = self._places
        await places.acquire()
        is_writing = True

        async def sent(message: Message) -> None:
            nonlocal is_writing
            if message["type"] != "http.response.body":
                await send(message)
                return
            if is_writing:  # the answer is there; how fast it is read is for the reader to say
                is_writing = False
                places.release()
            await self._send_in_pieces(message, send)

        try:
            await self._app(scope, receive, sent)
        finally:
            if is_writing:
                places.release()

    async def _send_in_pieces(self, message: Message, send: Send) -> None:
        # The server waits before a piece until the client has read those before it. Whole, it would keep it in memory
        # for as long as the client likes, and say that it is sent.
        body: bytes = message.get("body", b"")
        self._bytes += len(body)
        try:
            for start in range(0, max(len(body), 1), PIECE_BYTES):
                end = start + PIECE_BYTES
                more = message.get("more_body", False) or end < len(body)
                await send({**message, "body": body[start:end], "more_body": more})
        finally:
            self._bytes -= len(body)
