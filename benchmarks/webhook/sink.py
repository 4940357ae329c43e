"""A sink that notes when each notification came: ``python -m benchmarks.webhook.sink --port 9000 --delay 12``.

``GET`` is answered with what has come: ``{number: [seconds of the monotonic clock, requests]}``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from typing import cast

import uvloop

from benchmarks.webhook.bodies import number_in


class _Sink(asyncio.Protocol):
    def __init__(self, came: dict[int, list[float]], delay: float) -> None:
        self._came, self._delay = came, delay
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._received) < end + 4 + length:
                return
            body = bytes(self._received[end + 4 : end + 4 + length])
            del self._received[: end + 4 + length]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get"):
            found = json.dumps(self._came).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(found), found))
            return
        if (number := number_in(body)) is not None:
            self._came.setdefault(number, [time.monotonic(), 0])[1] += 1
        asyncio.get_running_loop().call_later(self._delay, self._transport.write, b"HTTP/1.1 204 No Content\r\n\r\n")


async def _serve(port: int, delay: float) -> None:
    came: dict[int, list[float]] = {}
    server = await asyncio.get_running_loop().create_server(lambda: _Sink(came, delay), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="A sink that notes when each notification came.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before it answers")
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.port, arguments.delay))


if __name__ == "__main__":
    main()
