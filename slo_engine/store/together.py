"""Writes of one kind that share a statement: in a storm, what a write costs beside its rows decides how many are done.

What comes while one is being committed goes with the next. So nothing waits for company, and the more there is to do,
the more is done at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection

from slo_engine.store.backends import StoreError, StoreRefusedError
from slo_engine.store.database import Database

T = TypeVar("T")
R = TypeVar("R")

MOST = 64
"""Of them in one write: what is urgent waits for no more."""


class Together(Generic[T, R]):
    """Of one event loop."""

    def __init__(
        self,
        database: Database,
        work: Callable[[Connection, Sequence[T]], Sequence[R]],
        *,
        is_urgent: bool = False,
        most: int = MOST,
    ) -> None:
        """``work``: writes some of them, in their order, and returns what came of each. ``is_urgent``: see
        :meth:`Database.submit`."""
        self._database = database
        self._work = work
        self._is_urgent = is_urgent
        self._most = most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, item: T) -> R:
        """What came of it, when it is committed. Raises StoreError. Who is cancelled before it is written does not want
        it done."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all(), name="writes")
        return await done

    async def _write_all(self) -> None:
        while self._waiting:
            group = [each for each in self._waiting[: self._most] if not each[1].done()]
            del self._waiting[: self._most]
            if group:
                await self._write(group)

    async def _write(self, group: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        items = [item for item, _ in group]
        try:
            submitted = self._database.submit(
                lambda connection: self._work(connection, items), is_urgent=self._is_urgent
            )
            results = await asyncio.wrap_future(submitted)
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait, who get it through their futures
            if len(group) > 1 and (isinstance(error, StoreRefusedError) or not isinstance(error, StoreError)):
                # One that is wrong must not take down the others.
                for each in group:
                    if not each[1].done():
                        await self._write([each])
                return
            for _, done in group:
                if not done.done():
                    done.set_exception(error)
        else:
            for (_, done), result in zip(group, results, strict=True):
                if not done.done():
                    done.set_result(result)
