"""A sink's other side: answers as it is told, and keeps what it got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from slo_engine.delivery import Outcome
from slo_engine.delivery.sink import Sink
from slo_engine.notifications import Message

Answers = Callable[[httpx.Request], httpx.Response]


class FakeServer:
    """``answer``: the same for each request, or what is made of it."""

    def __init__(self, answer: httpx.Response | Answers) -> None:
        self._answer = answer
        self.requests: list[httpx.Request] = []

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._take)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(each.content) for each in self.requests]

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self._answer if isinstance(self._answer, httpx.Response) else self._answer(request)


def send(sink: Sink, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:
    async def sending() -> Outcome:
        outcome = await sink.send(message, earlier)
        await sink.close()
        return outcome

    return asyncio.run(sending())
