"""Taking in goes before working off.

Whoever posts a notification waits for the answer, and an Alertmanager that waits for long sends it again. What works in
the background shares the interpreter and the writer of the store with that, and in a storm it would take most of both.
So while many wait, it goes slowly; afterwards, as fast as it can.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

MANY = 8
"""Notifications that wait for their answer at the same time. One after another, even hundreds a second are fewer."""

LASTING_SECONDS = 0.25
"""How long it counts that many waited: between two answers there are moments in which nobody does."""

PAUSE_SECONDS = 0.05
"""Between two pieces of background work while many wait: it gets on, by twenty a second."""


LONGEST_PAUSE_SECONDS = 1.0


class Precedence:
    """One for an engine, on its event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waiting = 0
        self._many_until = 0.0
        self._next_at = 0.0
        self.is_behind = False
        """Whether what was taken in waits to be read: there may be pages in it."""

    def __enter__(self) -> None:
        """Somebody waits, until the block ends."""
        self._waiting += 1

    def __exit__(self, *_: object) -> None:
        if self._waiting >= MANY:
            self._many_until = self._now() + LASTING_SECONDS
        self._waiting -= 1

    @property
    def is_claimed(self) -> bool:
        """Whether many wait."""
        return self._waiting >= MANY or self._now() < self._many_until

    async def give_way(self, pieces: int = 1) -> None:
        """Before as many pieces of background work: return at once, or, while many wait, when it is their turn."""
        if not self.is_claimed:
            return
        now = self._now()
        self._next_at = max(self._next_at, now) + pieces * PAUSE_SECONDS
        # By then it may be quiet again: then what has waited goes on a little late, and what comes next at once.
        await asyncio.sleep(min(self._next_at - now, LONGEST_PAUSE_SECONDS))
