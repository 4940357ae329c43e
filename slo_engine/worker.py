"""What the loops that work off the store have in common: they look, work, and rest until told or for a while."""

from __future__ import annotations

import asyncio

POLL_SECONDS = 2.0
"""How often a worker looks without having been told: what is in the store after a crash told nobody."""


class Worker:
    """A loop that can be woken and stopped::

    while self.begin_round():
        ...
        await self.rest()
    """

    def __init__(self) -> None:
        self._told = asyncio.Event()
        self._stopping = asyncio.Event()

    def tell(self) -> None:
        """There is something to do."""
        self._told.set()

    def stop(self) -> None:
        """End after what is in hand."""
        self._stopping.set()
        self._told.set()

    def begin_round(self) -> bool:
        """Whether to go on. A `tell` from now on ends the next rest."""
        self._told.clear()
        return not self._stopping.is_set()

    async def rest(self, seconds: float = POLL_SECONDS) -> None:
        """Wait until told, or for so long; not at all once stopped."""
        if self._stopping.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return
