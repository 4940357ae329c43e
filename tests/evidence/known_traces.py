"""A LangFuse that knows some observations, and answers what is asked for of them as the real one does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from slo_engine.traces import Count, Observation, Observations, Selection, TraceScores, TracesError


class KnownTraces:
    """These observations. ``error``: raised instead of any answer. ``hangs``: no answer at all."""

    def __init__(
        self, rows: Sequence[Observation] = (), *, error: TracesError | None = None, hangs: bool = False
    ) -> None:
        self._rows = sorted(rows, key=lambda row: row.start_time, reverse=True)
        self._error, self._hangs = error, hangs
        self.asked: list[Selection] = []

    async def observations(
        self, wanted: Selection, *, most: int, deadline: float, with_metadata: bool = False
    ) -> Observations:
        await self._note(wanted)
        found = [row for row in self._rows if wanted.holds(row)]
        return Observations(tuple(found[:most]), is_partial=len(found) > most)

    async def counts(
        self, wanted: Selection, *, by: Sequence[str] = (), by_minute: bool = False, deadline: float
    ) -> list[Count]:
        await self._note(wanted)
        names = {"providedModelName": "model", "name": "name"}
        found = Counter(tuple(getattr(row, names[each]) for each in by) for row in self._rows if wanted.holds(row))
        return [
            Count(number, {name: value for name, value in zip(by, values, strict=True) if value})
            for values, number in found.items()
        ]

    async def scores(
        self, name: str, since: datetime, until: datetime, *, at_most: float | None, most: int, deadline: float
    ) -> TraceScores:
        return TraceScores((), is_partial=False)

    def url_of(self, observation: Observation) -> str:
        return f"http://langfuse/project/{observation.project_id}/traces/{observation.trace_id}"

    def filtered_url(self, project_id: str, wanted: Selection) -> str:
        return f"http://langfuse/project/{project_id}/observations"

    async def _note(self, wanted: Selection) -> None:
        self.asked.append(wanted)
        if self._hangs:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error


def step(trace: str, name: str, at: datetime, **values: Any) -> Observation:
    """A tool call that went well, unless ``values`` say otherwise; ids are made of trace and name."""
    own: dict[str, Any] = {
        "id": f"{trace}-{name}-{at.timestamp()}",
        "project_id": "project",
        "is_root": False,
        "type": "TOOL",
        "level": "DEFAULT",
        "status_message": "",
        "model": "",
        "tags": (),
    }
    return Observation(trace_id=trace, name=name, start_time=at, **{**own, **values})


def run(trace: str, at: datetime, **values: Any) -> Observation:
    """A run of an agent: the root of its trace."""
    return step(trace, "support_agent", at, **{"is_root": True, "type": "AGENT", **values})
