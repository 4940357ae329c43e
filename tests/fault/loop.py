"""An asyncio loop in a thread of its own, for senders and sinks; the test itself is plain code that waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Loop:
    """Runs coroutines until the block ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._endings: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="senders and sinks", daemon=True)

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T], within: float = 60.0) -> T:
        """Wait for its result."""
        return self.start(work).result(within)

    def at_end(self, ending: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Something to close."""
        self._endings.append(ending)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for ending in self._endings:
            await ending()
        others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.05)  # sockets close in the round after
