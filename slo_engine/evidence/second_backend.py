"""A backend that a source asks beside its own. The source says what it knows without it when it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from slo_engine.traces import TracesError

T = TypeVar("T")

PART = 0.9
"""Of the time that is left: what the source's own backend has said must still be put into words."""

REST_SECONDS = 30.0
"""After no answer: the breaker of that backend does not see who asks here, and in a storm notifications leave at
once."""

SHORTEST_WAIT = 0.5
"""Seconds of waiting from which on no answer says something about the backend."""


class SecondBackend:
    """LangFuse, asked by a source whose backend is another."""

    def __init__(self) -> None:
        self._rests_until = 0.0

    async def answer(self, ask: Callable[[], Awaitable[T]], deadline: float) -> T:
        """What ``ask`` answers before ``deadline`` (of ``time.monotonic``). Raises TracesError, and nothing later."""
        now = time.monotonic()
        if now < self._rests_until:
            raise TracesError("LangFuse did not answer a moment ago, and is left alone for a while")
        wait = PART * max(0.0, deadline - now)
        try:
            async with asyncio.timeout(wait):
                return await ask()
        except TimeoutError:
            if wait >= SHORTEST_WAIT:
                self._rests_until = time.monotonic() + REST_SECONDS
            raise TracesError("LangFuse did not answer in time", is_outage=True) from None
        except TracesError as error:
            if error.is_outage:
                self._rests_until = time.monotonic() + REST_SECONDS
            raise
