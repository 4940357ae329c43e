"""Bodies that people and their scripts post: small, and there within some seconds."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

SECONDS: Final = 10.0


async def read(request: Request, most: int) -> bytes:
    """The whole body. Raises HTTPException: 413 for more than ``most`` bytes, 408 where it does not come."""
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise HTTPException(413, f"the body is larger than {most} bytes")
    except (TimeoutError, ClientDisconnect):
        raise HTTPException(408, f"the body did not arrive within {SECONDS:.0f} s") from None
    return bytes(body)
