"""A client for thousands of requests side by side: nothing but POST, a status, and connections that are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Client:
    """Keeps connections that were answered, as Go's client does. Close it in the loop that has used it."""

    def __init__(self, headers: Mapping[str, str], side_by_side: int = 128) -> None:
        """``side_by_side``: requests; what goes beyond waits."""
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._places = asyncio.Semaphore(side_by_side)
        self._idle: dict[str, list[Connection]] = {}

    async def post(self, url: str, body: bytes, *, seconds: float) -> int | None:
        """The status; None: refused, reset, cut off, or no answer in time."""
        async with self._places:
            try:
                async with asyncio.timeout(seconds):
                    return await self._post(url, body)
            except (OSError, asyncio.IncompleteReadError, ValueError):  # TimeoutError is an OSError
                return None

    async def _post(self, url: str, body: bytes) -> int:
        parts = urlsplit(url)
        idle = self._idle.setdefault(parts.netloc, [])
        reader, writer = idle.pop() if idle else await asyncio.open_connection(parts.hostname, parts.port)
        is_whole = False
        try:
            head = f"POST {parts.path or '/'} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: {len(body)}\r\n"
            writer.write(f"{head}{self._headers}\r\n".encode() + body)
            await writer.drain()
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            await reader.readexactly(int(headers.get("content-length", "0")))
            is_whole = headers.get("connection", "").lower() != "close"
            return int(status.split(" ")[1])
        finally:
            if is_whole:
                idle.append((reader, writer))
            else:
                writer.transport.abort()

    async def close(self) -> None:
        """Close what is kept."""
        for _, writer in (each for some in self._idle.values() for each in some):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
