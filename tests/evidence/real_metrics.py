"""A real Prometheus as sources of evidence ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from slo_engine.prometheus import Exemplar, Prometheus, Result


class RealMetrics:
    """Its door, asked from asyncio."""

    def __init__(self, door: Prometheus) -> None:
        self._door = door

    async def query(self, expr: str, at: datetime) -> Result:
        return await asyncio.to_thread(self._door.query, expr, at)

    async def exemplars(self, expr: str, since: datetime, until: datetime) -> Sequence[Exemplar]:
        return await asyncio.to_thread(self._door.exemplars, expr, since, until)
