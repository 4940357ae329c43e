"""The status of all SLOs, asked for once by all sources and subjects that ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from slo_engine.status.model import SloStatus


class Statuses(Protocol):
    """What knows the status of the SLOs."""

    async def statuses(self) -> Sequence[SloStatus]:
        """The status of every SLO group, now. Raises SloEngineError."""
        ...


class SharedStatuses:
    """One question at a time."""

    def __init__(self, statuses: Statuses) -> None:
        self._statuses = statuses
        self._asking: asyncio.Task[Sequence[SloStatus]] | None = None

    async def statuses(self) -> Sequence[SloStatus]:
        """The status of every SLO group, now. Raises SloEngineError."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        # Who gives up waiting must not take the answer from the others.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Sequence[SloStatus]:
        return await self._statuses.statuses()
