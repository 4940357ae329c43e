"""Fake sinks: HTTP servers whose behaviour can be switched at any time, and which log all that they receive."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from deploy.stack.processes import free_port
from tests.fault.history import Disruption, History, Received
from tests.fault.loop import Loop


@dataclass(frozen=True)
class Request:
    """What a sink was sent."""

    at: float
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def payload(self) -> Mapping[str, Any]:
        """The JSON object that the body is; empty when it is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Answer:
    """What a sink answers, and when."""

    status: int | None = 204
    """None: it never answers."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: float = 0.0
    is_taken: bool | None = None
    """Whether it has the message; None: as the status says."""


Behaviour = Callable[[Request], Answer]


def ok(_: Request) -> Answer:
    """Take it."""
    return Answer()


def hang(_: Request) -> Answer:
    """Read it, and never answer."""
    return Answer(status=None)


def answering(status: int, body: bytes = b"", *, is_taken: bool | None = None, **headers: str) -> Behaviour:
    """Always the same. ``headers``: with _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Answer(status, sent, body, is_taken=is_taken)


def slow(seconds: float) -> Behaviour:
    """Take it at once, and say so late."""
    return lambda _: Answer(after=seconds)


def limited(per_second: int, retry_after: int = 1) -> Behaviour:
    """Take so many a second, and answer 429 with Retry-After to the others."""
    taken: deque[float] = deque()

    def take(request: Request) -> Answer:
        while taken and taken[0] <= request.at - 1.0:
            taken.popleft()
        if len(taken) >= per_second:
            return Answer(429, {"retry-after": str(retry_after)})
        taken.append(request.at)
        return Answer()

    return take


class FakeSink:
    """One sink on a port of its own."""

    def __init__(self, name: str, loop: Loop, history: History, behaviour: Behaviour = ok) -> None:
        self.name = name
        self._behaviour = behaviour
        self._outage: Disruption | None = None
        self.port = free_port()
        self.requests: list[Request] = []
        self._loop = loop
        self._history = history
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.listen()
        self.behave(behaviour)
        loop.at_end(self._close)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def received(self) -> list[Received]:
        """What it got so far, whatever it answered."""
        return [each for each in list(self._history.received) if each.sink == self.name]

    @property
    def taken(self) -> list[Received]:
        """What it has taken so far."""
        return self._history.taken_by(self.name)

    def behave(self, behaviour: Behaviour) -> None:
        """From now on; anything but :func:`ok` is an outage."""
        self._behaviour = behaviour
        if behaviour is ok and self._outage is not None:
            self._outage.until = time.time()
            self._outage = None
        elif behaviour is not ok and self._outage is None:
            self._outage = Disruption(self.name, time.time())
            self._history.outages.append(self._outage)

    def listen(self) -> None:
        """Accept connections (again), and take what comes."""
        self.behave(ok)
        if self._server is None:
            self._server = self._loop.run(asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**20))

    def refuse(self) -> None:
        """Accept no connection any more, and reset those that are open."""
        self.behave(hang)
        self._loop.run(self._close())

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while request := await read_request(reader):
                    await self._answer(request, reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = self._behaviour(request)
        taken = answer.is_taken if answer.is_taken is not None else 200 <= (answer.status or 500) < 300
        # Logged before it is answered: the one behind the sink has it, though the sender may never learn.
        self.requests.append(request)
        key = request.headers.get("webhook-id", "")
        self._history.received.append(Received(request.at, self.name, key, request.payload, answer.status, taken))
        if answer.status is None:
            await reader.read()  # until the client has gone
            return
        await asyncio.sleep(answer.after)
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}", f"content-length: {len(answer.body)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
        await writer.drain()


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request on a connection that is kept; None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(time.time(), first.split(" ")[1], headers, body)
