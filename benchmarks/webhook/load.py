"""Clients that cost little: kept connections, requests that are ready as bytes, and no more parsing than a status."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import quantiles
from typing import cast

import uvloop

PATH = "/webhooks/alertmanager"
RETRY_SECONDS = 0.5
"""As Alertmanager begins with, after an answer that is not 2xx."""


@dataclass
class Answers:
    """What was answered. Seconds and instants are of the monotonic clock, which all processes of a machine share."""

    seconds: list[float] = field(default_factory=list)
    """From the first byte of a request to its 2xx."""
    begun_at: dict[int, float] = field(default_factory=dict)
    """By the place of the body."""
    others: int = 0
    """Answers that were not 2xx; the request was sent again."""
    took: float = 0.0
    client: float = 0.0
    """Seconds of processor time that the clients took."""

    @property
    def rate(self) -> float:
        """2xx a second."""
        return len(self.seconds) / self.took

    def percentile(self, percent: int) -> float:
        """Seconds until the answer."""
        return percentile(self.seconds, percent)


def percentile(values: list[float], percent: int) -> float:
    """Of at least two values."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def post(port: int, bodies: list[bytes], *, connections: int, seconds: float = 0.0, rate: float = 0.0) -> Answers:
    """Post the bodies, each connection one after another: as fast as they are answered, or ``rate`` a second; all of
    them, or for so many ``seconds``."""
    return uvloop.run(_post(port, bodies, connections, seconds, rate))


async def _post(port: int, bodies: list[bytes], connections: int, seconds: float, rate: float) -> Answers:
    loop = asyncio.get_running_loop()
    answers = Answers()
    work = deque(enumerate(_requests(port, bodies)))
    started, cpu = time.monotonic(), time.process_time()
    clients = []
    for _number in range(connections):
        _, client = await loop.create_connection(
            lambda: _Client(work, answers, started + seconds if seconds else float("inf"), started, rate),
            "127.0.0.1",
            port,
        )
        clients.append(client)
    for client in clients:
        client.next()
    await asyncio.gather(*(client.done for client in clients))
    answers.took = time.monotonic() - started
    answers.client = time.process_time() - cpu
    return answers


def _requests(port: int, bodies: Iterable[bytes]) -> Iterable[bytes]:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: Alertmanager/0.28.1\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    return (b"%s%d\r\n\r\n%s" % (head, len(body), body) for body in bodies)


class _Client(asyncio.Protocol):
    def __init__(
        self, work: deque[tuple[int, bytes]], answers: Answers, until: float, started: float, rate: float
    ) -> None:
        self._work, self._answers, self._until, self._started, self._rate = work, answers, until, started, rate
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer = b""
        self._current: tuple[int, bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server has closed a connection that is in use"))

    def next(self) -> None:
        """Send the next one, when it is time."""
        now = time.monotonic()
        if not self._work or now > self._until:
            self.done.set_result(None)
            self._transport.close()
            return
        self._current = self._work.popleft()
        wait = self._started + self._current[0] / self._rate - now if self._rate else 0.0
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        assert self._current is not None
        self._at = time.monotonic()
        self._answers.begun_at.setdefault(self._current[0], self._at)
        self._transport.write(self._current[1])

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length:")
        if len(body) < int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return
        self._answer = b""
        assert self._current is not None
        if head[9:10] == b"2":
            self._answers.seconds.append(time.monotonic() - self._answers.begun_at[self._current[0]])
            self.next()
        else:
            self._answers.others += 1
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._begin)
