"""``POST /mcp``: the tools over streamable HTTP.

Whoever may read the API may ask here: the answers hold no more than it does. But for pages in a browser, which could
otherwise ask on behalf of whoever has them open, whatever their host name leads to.

Without sessions and streams: a request is answered by one JSON document, and nothing is kept in between. So any replica
answers, and nobody holds a place among the readers for longer than an answer takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from slo_engine.web.authorization import is_from_a_page
from slo_engine.web.services import Services

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

    from slo_engine.web.assistants.tools import Reply

PATH = "/mcp"

MAX_BODY_BYTES = 256 * 1024
"""The longest draft, each character of which JSON may escape."""

BODY_SECONDS = 5.0
"""For a client to send its question: it holds one of the few places of readers meanwhile."""


class AssistantsEndpoint:
    """An ASGI application."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._server: Server[Any] | None = None
        self._turn: asyncio.Semaphore | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            body = await _body(scope, receive)
        except HTTPException as refusal:
            answer = JSONResponse({"detail": refusal.detail}, refusal.status_code, refusal.headers)
            await answer(scope, receive, send)
            return
        await self._services.precedence.give_way()
        await self._answer(scope, _again(body, receive), send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._server is None:
            # In a thread, and not before somebody asks: the SDK takes half a second to load.
            self._server = await to_thread.run_sync(self._loaded)
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        # One for each request: then there is nothing to start and to stop with the engine.
        manager = StreamableHTTPSessionManager(self._server, json_response=True, stateless=True)
        async with manager.run():
            await manager.handle_request(scope, receive, send)

    def _loaded(self) -> Server[Any]:
        from slo_engine.web.assistants.protocol import server

        return server(self._ask)

    async def _ask(self, name: str, arguments: Mapping[str, Any]) -> Reply:
        from slo_engine.web.assistants.tools import reply

        if self._turn is None:
            self._turn = asyncio.Semaphore(1)
        async with self._turn:  # an answer is computed, and each that is competes for the interpreter with the webhook
            return await to_thread.run_sync(partial(reply, name, arguments, self._services))


async def _body(scope: Scope, receive: Receive) -> bytes:
    """What was posted. Raises HTTPException for what is not taken."""
    if scope["method"] != "POST":
        said = "POST messages of the Model Context Protocol here; there are no sessions and no streams"
        raise HTTPException(405, said, {"allow": "POST"})
    if is_from_a_page(scope["headers"]):
        raise HTTPException(403, "this is not for pages in a browser")
    body = bytearray()
    more = True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > MAX_BODY_BYTES:
                    raise HTTPException(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {BODY_SECONDS:g} s") from None
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    is_read = False

    async def received() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received
