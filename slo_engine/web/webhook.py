"""``POST /webhooks/alertmanager``: commit the bytes, answer 2xx, parse them later.

Alertmanager retries 5xx and network errors, and nothing else: a 4xx is a lost notification. So whatever comes is
stored, and the answers are 2xx, or 503 when the store cannot commit. Only what no Alertmanager that may post sends gets
a 4xx: wrong credentials, a body above the cap, a page in a browser.

This stands before FastAPI: in a storm, what a request costs beside its commit decides how many are taken, and a flood
without credentials must cost next to nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.types import ASGIApp, Receive, Scope, Send

from slo_engine import telemetry
from slo_engine.precedence import Precedence
from slo_engine.store import Database, StoreError, inbox
from slo_engine.store.together import Together
from slo_engine.web.authorization import Doors, Header, is_from_a_page

logger = logging.getLogger(__name__)

PATH = "/webhooks/alertmanager"

MAX_BODY_BYTES = 16 * 1024 * 1024
"""1,000 alerts with 5 KB of annotations each are 5 MB; Alertmanager itself has no limit."""

MAX_BYTES_IN_FLIGHT = 64 * 1024 * 1024
"""Of all bodies that are arriving or wait for their commit."""

BODY_SECONDS = 10.0
"""For a body to arrive: a sender that trickles does not hold a place for ever."""

MOST_AT_ONCE = 1000
"""Bodies in one commit; of their bytes there is a limit as well."""

COMMIT_SECONDS = 5.0
"""Alertmanager's HA peers send again after 15 s without an answer."""

REST_SECONDS = 10.0
REST_PAUSE_SECONDS = 1.0
REST_BYTES = 256 * 1024 * 1024
"""Of a body that is not wanted. Most clients read no answer before they have sent all of theirs, and a connection that
is closed under them is a reset: the reason is lost. So what still comes is read and thrown away, for so long, while it
comes without a pause, up to so much."""

UNREAD_BYTES = 64 * 1024
"""A body that is not wanted and no larger is left to the server, which throws it away and keeps the connection."""

LONGEST_SOURCE = 63
"""Characters, as in the settings."""

SAID_EVERY_SECONDS = 60.0

_HEADERS = (
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_CLOSE = (b"connection", b"close")

_ACCEPTED, _REFUSED, _FAILED = map(telemetry.WEBHOOKS.labels, ("accepted", "refused", "failed"))


class _RefusedError(Exception):
    """The sender has to change something."""

    def __init__(self, status: int, message: str, *headers: Header) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class _UnavailableError(Exception):
    """The sender has to try again."""

    def __init__(self, message: str, *headers: Header) -> None:
        super().__init__(message)
        self.headers = headers


class _DisconnectedError(Exception):
    """Nobody reads an answer; a sender that is still there tries again."""


class WebhookDoor:
    """Middleware that answers what comes to :data:`PATH` and below it, and hands on everything else."""

    def __init__(
        self, app: ASGIApp, database: Database, doors: Doors, on_posted: Callable[[], None], precedence: Precedence
    ) -> None:
        self._app = app
        self._precedence = precedence
        self._doors = doors
        self._on_posted = on_posted
        # Whatever comes while a commit runs goes into the next one: one write, one fsync and one change of threads for
        # many bodies.
        self._arrived: Together[inbox.Arrived, None] = Together(database, _accept, is_urgent=True, most=MOST_AT_ONCE)
        self._in_flight = 0
        self._refusals = _Tally()
        self._strays = _Tally()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        path: str = scope["path"] if scope["type"] == "http" else ""
        if path == PATH or path.startswith(f"{PATH}/"):
            await self._answer(scope, receive, send, path[len(PATH) :].strip("/"))
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, source: str) -> None:
        try:
            await self._take(scope, receive, source)
        except _RefusedError as error:
            _REFUSED.inc()
            if number := self._refusals.add():
                text = "%d requests to the webhook refused, the last from %s: %d, %s"
                logger.warning(text, number, (scope.get("client") or ["?"])[0], error.status, error)
            await _refuse(scope, receive, send, error)
        except _UnavailableError as error:
            _FAILED.inc()
            await _send(send, 503, "failed", str(error), error.headers)
        except _DisconnectedError:
            _FAILED.inc()
        else:
            _ACCEPTED.inc()
            await _send(send, 200, "accepted", "stored")

    async def _take(self, scope: Scope, receive: Receive, source: str) -> None:
        """Return when the body is on disk."""
        headers: Iterable[Header] = scope["headers"]
        known = self._doors.named.get(source)
        if scope["method"] != "POST":
            raise _RefusedError(405, "notifications are posted", (b"allow", b"POST"))
        if not (known or self._doors.unnamed).open_to(headers):
            raise _RefusedError(401, "the credentials are missing or wrong: set http_config", *_CHALLENGES)
        if is_from_a_page(headers):
            raise _RefusedError(403, "this is for Alertmanager, not for pages in a browser")
        if (_declared(headers) or 0) > MAX_BODY_BYTES:
            raise _TOO_LARGE
        if source and known is None:
            source = self._stray(source)
        chunks: list[bytes] = []
        try:
            await self._read(receive, chunks)
            with self._precedence:
                await self._store(inbox.Arrived(time.time(), b"".join(chunks), source))
            self._on_posted()
        finally:
            self._in_flight -= sum(map(len, chunks))

    async def _store(self, arrived: inbox.Arrived) -> None:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await self._arrived.add(arrived)
        except (StoreError, TimeoutError):
            raise _UnavailableError("the store cannot commit now: send it again") from None
        except Exception:
            logger.exception("a notification could not be stored")
            raise _UnavailableError("the store cannot commit now: send it again") from None

    async def _read(self, receive: Receive, chunks: list[bytes]) -> None:
        size = 0
        is_whole = False
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while not is_whole:
                    message = await receive()
                    if message["type"] != "http.request":
                        raise _DisconnectedError
                    chunk: bytes = message.get("body", b"")
                    is_whole = not message.get("more_body", False)
                    size += len(chunk)
                    self._in_flight += len(chunk)
                    chunks.append(chunk)
                    if size > MAX_BODY_BYTES:
                        raise _TOO_LARGE
                    if self._in_flight > MAX_BYTES_IN_FLIGHT:
                        raise _UnavailableError("too many notifications are arriving at once: send it again", _CLOSE)
        except TimeoutError:
            raise _UnavailableError(f"the body did not arrive within {BODY_SECONDS:g} s", _CLOSE) from None

    def _stray(self, name: str) -> str:
        """A source that the settings do not name, and whose sender may post to the unnamed one. To refuse it would lose
        the notification for a mistake in an address; and under the name of another source, or none, its incidents could
        be taken for theirs."""
        telemetry.WEBHOOK_UNKNOWN_SOURCES.inc()
        source = "".join(letter if letter.isprintable() else "?" for letter in name[:LONGEST_SOURCE])
        if number := self._strays.add():
            text = "%d notifications from sources that webhook.sources does not name, the last one %r: accepted"
            logger.warning(text, number, source)
        return source


@dataclass
class _Tally:
    """Counts what is said once a minute at most."""

    number: int = 0
    next_at: float = 0.0

    def add(self) -> int:
        """How many there were since it was last said; 0 while that is less than a minute ago."""
        self.number += 1
        now = time.monotonic()
        if now < self.next_at:
            return 0
        self.next_at = now + SAID_EVERY_SECONDS
        found, self.number = self.number, 0
        return found


def _accept(connection: Connection, arrived: Sequence[inbox.Arrived]) -> Sequence[None]:
    inbox.accept_all(connection, arrived)
    return [None] * len(arrived)


_TOO_LARGE = _RefusedError(413, f"the body is larger than {MAX_BODY_BYTES} bytes: set max_alerts")
_CHALLENGES = ((b"www-authenticate", b"Bearer"), (b"www-authenticate", b'Basic realm="slo-engine"'))


def _value(headers: Iterable[Header], name: bytes) -> bytes | None:
    return next((value for found, value in headers if found == name), None)


def _declared(headers: Iterable[Header]) -> int | None:
    length = _value(headers, b"content-length")
    return int(length) if length is not None and length.isdigit() else None


async def _refuse(scope: Scope, receive: Receive, send: Send, error: _RefusedError) -> None:
    headers: Iterable[Header] = scope["headers"]
    is_small = (_declared(headers) or 0) <= UNREAD_BYTES and _value(headers, b"transfer-encoding") is None
    if is_small or _value(headers, b"expect") is not None:  # who waits to be asked for the body does not send it
        await _send(send, error.status, "refused", str(error), error.headers if is_small else (*error.headers, _CLOSE))
        return
    await _send(send, error.status, "refused", str(error), (*error.headers, _CLOSE), more=True)
    with suppress(TimeoutError):
        async with asyncio.timeout(REST_SECONDS):
            await _throw_away(receive)
    await send({"type": "http.response.body", "body": b""})


async def _throw_away(receive: Receive) -> None:
    seen = 0
    while seen < REST_BYTES:
        async with asyncio.timeout(REST_PAUSE_SECONDS):
            message = await receive()
        if not message.get("more_body", False):  # the end, or the client has gone
            return
        seen += len(message.get("body", b""))


async def _send(
    send: Send, status: int, result: str, message: str, headers: Iterable[Header] = (), *, more: bool = False
) -> None:
    body = json.dumps({"status": result, "message": message}).encode()
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*_HEADERS, length, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": more})


_ANSWER = {"application/json": {"schema": {"$ref": "#/components/schemas/WebhookAnswer"}}}
_OPERATION = {
    "summary": "Receive a notification of Alertmanager",
    "description": "Webhook version 4. Whatever the body holds, it is stored before the answer, and read after it.",
    "security": [{}, {"bearer": []}, {"basic": []}],
    "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
    "responses": {
        "200": {"description": "The body is on disk.", "content": _ANSWER},
        "401": {"description": "The credentials are missing or wrong.", "content": _ANSWER},
        "403": {"description": "The request comes from a page in a browser.", "content": _ANSWER},
        "413": {"description": f"The body is larger than {MAX_BODY_BYTES} bytes.", "content": _ANSWER},
        "503": {"description": "The body cannot be stored now: send it again.", "content": _ANSWER},
    },
}
OPENAPI = {
    "paths": {
        PATH: {"post": {**_OPERATION, "operationId": "post_notification", "tags": ["webhook"]}},
        f"{PATH}/{{source}}": {
            "post": {**_OPERATION, "operationId": "post_notification_of_source", "tags": ["webhook"]},
            "parameters": [
                {
                    "name": "source",
                    "in": "path",
                    "required": True,
                    "description": "One of `webhook.sources`.",
                    "schema": {"type": "string", "maxLength": LONGEST_SOURCE},
                }
            ],
        },
    },
    "components": {
        "schemas": {
            "WebhookAnswer": {
                "type": "object",
                "required": ["status", "message"],
                "properties": {
                    "status": {"type": "string", "enum": ["accepted", "refused", "failed"]},
                    "message": {"type": "string"},
                },
            }
        },
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "basic": {"type": "http", "scheme": "basic"},
        },
    },
}
"""What FastAPI does not see, in the form of the rest of the description."""
