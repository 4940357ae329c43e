"""Ask once: who asks for the same at the same time, or soon after, gets the same answer."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_SECONDS = 60.0
"""A storm of alerts about one thing comes within a minute or two; an incident changes in that time as well."""

EMPTY_SECONDS = 15.0
"""For an answer that nothing was found: it may come any moment."""

MOST_KEPT = 256

SAME_TIME = timedelta(seconds=90)
"""Two windows whose beginnings and ends lie so close to each other are one."""


@dataclass
class _Asked(Generic[T]):
    span: tuple[datetime, datetime]
    task: asyncio.Task[T]
    kept_until: float | None = None
    """None: it goes on."""


class Once(Generic[T]):
    """Answers by what was asked. A failure is given to those who wait for it, and is not kept."""

    def __init__(self, *, kept: float = KEPT_SECONDS, is_empty: Callable[[T], bool] = lambda _: False) -> None:
        """``kept``: seconds; 0: only while the question goes on, for answers that are large. ``is_empty``: whether an
        answer says that nothing was found."""
        self._kept = kept
        self._is_empty = is_empty
        self._asked: OrderedDict[Hashable, _Asked[T]] = OrderedDict()

    async def answer(self, key: Hashable, span: tuple[datetime, datetime], ask: Callable[[], Awaitable[T]]) -> T:
        """The answer for ``key`` and a window. Who is cancelled while waiting does not take the answer from the
        others."""
        self._forget(time.monotonic())
        found = self._asked.get(key)
        if found is None or any(abs(one - other) > SAME_TIME for one, other in zip(found.span, span, strict=True)):
            found = self._asked[key] = _Asked(span, asyncio.ensure_future(ask()))
            found.task.add_done_callback(lambda task: self._note(key, task))
        return await asyncio.shield(found.task)

    def _note(self, key: Hashable, task: asyncio.Task[T]) -> None:
        found = self._asked.get(key)
        if found is None or found.task is not task:
            return
        if task.cancelled() or task.exception() is not None or not self._kept:
            del self._asked[key]
        else:
            kept = EMPTY_SECONDS if self._is_empty(task.result()) else self._kept
            found.kept_until = time.monotonic() + min(kept, self._kept)

    def _forget(self, now: float) -> None:
        old = [key for key, each in self._asked.items() if each.kept_until is not None and each.kept_until < now]
        for key in old:
            del self._asked[key]
        while len(self._asked) > MOST_KEPT:
            self._asked.popitem(last=False)
