"""``POST /webhooks/alertmanager``: commit the bytes, answer 2xx, parse them later.

Alertmanager retries 5xx and network errors, and nothing else: a 4xx is a lost notification. So whatever comes is
stored, and the answers are 2xx, or 503 when the store cannot commit. Only a wrong token, and what no Alertmanager
sends, gets a 4xx: a body above the cap.
"""

from __future__ import annotations

import asyncio
import time

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from slo_engine import telemetry
from slo_engine.store import StoreError, inbox
from slo_engine.web.authorization import is_authorized
from slo_engine.web.services import NeedsServices

router = APIRouter()

MAX_BODY_BYTES = 16 * 1024 * 1024
"""1,000 alerts with 5 KB of annotations each are 5 MB; Alertmanager itself has no limit."""

BODY_SECONDS = 10.0
"""For a body to arrive: a sender that trickles does not hold a place for ever."""

COMMIT_SECONDS = 5.0
"""Alertmanager's HA peers send again after 15 s without an answer."""


@router.post("/webhooks/alertmanager")
async def take(request: Request, services: NeedsServices) -> JSONResponse:
    """Receive a notification of Alertmanager (webhook version 4)."""
    if not is_authorized(request, services.webhook_token):
        return _answer(401, "refused", "the bearer token is missing or wrong: set http_config.authorization")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read(request)
    except TimeoutError:
        return _answer(503, "failed", f"the body did not arrive within {BODY_SECONDS:g} s")
    except ClientDisconnect:
        return _answer(400, "failed", "client disconnected")  # nobody reads it; a sender that is there tries again
    if body is None:
        return _answer(413, "refused", f"the body is larger than {MAX_BODY_BYTES} bytes: set max_alerts")
    try:
        async with asyncio.timeout(COMMIT_SECONDS):
            committed = services.database.submit(lambda connection: inbox.accept(connection, body, time.time()))
            await asyncio.wrap_future(committed)
    except (StoreError, TimeoutError):
        return _answer(503, "failed", "the store cannot commit now: send it again")
    services.on_posted()
    return _answer(200, "accepted", "stored")


async def _read(request: Request) -> bytes | None:
    """The body; None when it is above the cap, which is found out without keeping it."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _answer(status: int, result: str, message: str) -> JSONResponse:
    telemetry.WEBHOOKS.labels(result).inc()
    return JSONResponse({"status": result, "message": message}, status_code=status)
