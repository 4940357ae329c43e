"""What a connection may cost before it has asked anything.

uvicorn waits for ever for the head of a request, and takes one of any size: a stranger could hold every connection that
the system gives, or fill the memory. Here a head has a time and a size; and when there are too many connections, the
one whose client has taken longest over its request makes room. So Alertmanager, which asks at once, always gets in.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import TimerHandle
from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS = 512
"""More than all the Alertmanagers, Prometheus servers and browsers of a company; few enough for the usual limit of
1,024 open files."""

HEAD_SECONDS = 10.0
"""From the connection, or the answer before, to the end of a request's headers."""

GRACE_SECONDS = 0.2

READING_SECONDS = 30.0
"""For a client to read anything of an answer that waits for it."""

MAX_HEAD_BYTES = 64 * 1024
"""Of the request line and headers; what comes in one piece with their end is not cut off."""

# uvicorn warns of every malformed request: whoever reaches the port could fill the log. No child of its logger: to set
# that up anew would undo it.
_QUIET = logging.getLogger("slo_engine.web.requests")
_QUIET.setLevel(logging.ERROR)


class GuardedProtocol(HttpToolsProtocol):
    """A connection. Its server's have a class of their own: :func:`guarded_protocol`."""

    max_connections: ClassVar[int]
    head_seconds: ClassVar[float]
    reading_seconds: ClassVar[float]
    waiting: ClassVar[dict[GuardedProtocol, None]]
    """The connections from which more of a request must come, or a new one; the longest first."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """asyncio's."""
        super().connection_made(transport)
        self.logger = _QUIET
        self._head_bytes = 0
        self._is_in_head = True
        self._waited = 0.0
        self._timer: TimerHandle | None = None
        self._reading: TimerHandle | None = None
        self._wait()
        while len(self.connections) > self.max_connections and self.waiting:
            longest = next(iter(self.waiting))
            longest._stop_waiting()
            self.connections.discard(longest)
            longest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        self._stop_waiting()
        self._stop_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """asyncio's: the client does not read what is sent."""
        super().pause_writing()
        self._stop_reading()
        self._reading = self.loop.call_later(self.reading_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """asyncio's."""
        super().resume_writing()
        self._stop_reading()

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        if self._is_in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode())
            self.transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's."""
        if self._is_in_head:  # after it they are trailers: nobody reads them, and there may be any number of them
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The parser's."""
        self._is_in_head = False
        self._stop_waiting()
        self.waiting[self] = None  # for the body, whose time is the application's to limit
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser's."""
        super().on_message_complete()
        self.waiting.pop(self, None)
        self._is_in_head = True
        self._head_bytes = 0

    def on_response_complete(self) -> None:
        """uvicorn's."""
        super().on_response_complete()
        is_closed = self.transport.is_closing() and not self.transport.get_write_buffer_size()
        if self.cycle.response_complete and not is_closed:  # else a request that was sent ahead has begun
            self._wait()

    def _wait(self) -> None:
        self._stop_waiting()
        self._waited = 0.0
        self.waiting[self] = None
        self._timer = self.loop.call_later(self.head_seconds, self._look_once_more)

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _look_once_more(self) -> None:
        # Where all was held up, the timer is up before what has come meanwhile is read.
        self._timer = self.loop.call_later(GRACE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._waited += self.head_seconds
        if self.transport.get_write_buffer_size() and self._waited < self.reading_seconds:
            self._timer = self.loop.call_later(self.head_seconds, self._give_up)
        else:
            self.transport.abort()


def guarded_protocol(
    max_connections: int = MAX_CONNECTIONS,
    head_seconds: float = HEAD_SECONDS,
    reading_seconds: float = READING_SECONDS,
) -> type[GuardedProtocol]:
    """The protocol of one server, for ``uvicorn.Config(http=...)``."""

    class Guarded(GuardedProtocol):
        pass

    Guarded.max_connections, Guarded.waiting = max_connections, {}
    Guarded.head_seconds, Guarded.reading_seconds = head_seconds, reading_seconds
    return Guarded
