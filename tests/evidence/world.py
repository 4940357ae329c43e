"""Runs of agents as LangFuse shows them, and something that answers like its reader."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from slo_engine.status.model import SloStatus
from slo_engine.traces import Count, Observation, Observations, Selection, TraceScore, TraceScores

NOW = datetime(2026, 11, 27, 14, 30, tzinfo=UTC)


def observation(
    trace: str,
    name: str = "support_agent",
    *,
    id: str | None = None,  # noqa: A002 - LangFuse's name
    kind: str = "AGENT",
    level: str = "ERROR",
    message: str = "boom",
    at: float = -60.0,
    seconds: float = 1.0,
    parent: str = "",
    root: bool | None = None,
    **more: Any,
) -> Observation:
    """One row. ``at``: seconds after NOW at which it began."""
    start = NOW + timedelta(seconds=at)
    known: dict[str, Any] = {
        "environment": "production",
        "tags": ("agent_type:support_agent",),
        "trace_name": "support_agent",
        "metadata": {},
        "user": "",
        "session": "",
    }
    return Observation(
        id=id or f"{trace}-{name}",
        trace_id=trace,
        project_id="project",
        is_root=not parent if root is None else root,
        type=kind,
        name=name,
        level=level,
        status_message=message if level == "ERROR" else "",
        model=more.pop("model", ""),
        start_time=start,
        parent_id=parent,
        end_time=start + timedelta(seconds=seconds),
        latency=seconds,
        **{**known, **more},
    )


def step(trace: str, name: str, *, kind: str = "TOOL", parent: str | None = None, **more: Any) -> Observation:
    """A step of a run, below its root unless told otherwise."""
    return observation(trace, name, kind=kind, parent=f"{trace}-support_agent" if parent is None else parent, **more)


def failed_run(
    trace: str, *, tool: str = "crm_lookup", message: str = "boom", at: float = -60.0, **more: Any
) -> list[Observation]:
    """A run that failed in a tool."""
    said = more.pop("said", message)
    return [
        observation(trace, message=said, at=at, **more),
        step(trace, tool, message=message, at=at + 0.1, seconds=0.8),
    ]


def healthy_run(trace: str, *, at: float = -60.0, **more: Any) -> list[Observation]:
    """A run that did not fail."""
    return [observation(trace, level="DEFAULT", at=at, **more)]


def url_of(row: Observation) -> str:
    """Where people look at a run."""
    return f"http://langfuse/{row.trace_id}"


class RowTraces:
    """Answers from rows as LangFuse's reader does; or raises, or hangs."""

    def __init__(
        self,
        rows: Iterable[Observation] = (),
        scores: Iterable[TraceScore] = (),
        *,
        error: Exception | None = None,
        hangs: bool = False,
    ) -> None:
        self.rows = sorted(rows, key=lambda row: row.start_time, reverse=True)
        self.all_scores = sorted(scores, key=lambda each: each.at, reverse=True)
        self._error, self._hangs = error, hangs
        self.asked: list[Selection] = []
        self.calls: Counter[str] = Counter()

    async def observations(
        self, wanted: Selection, *, most: int, deadline: float, with_metadata: bool = False
    ) -> Observations:
        await self._misbehave("observations")
        self.asked.append(wanted)
        found = [row for row in self.rows if wanted.holds(row)]
        shown = found if with_metadata or wanted.metadata else [replace(row, metadata=None) for row in found]
        return Observations(tuple(shown[:most]), is_partial=len(found) > most)

    async def counts(self, wanted: Selection, *, by: Sequence[str] = (), deadline: float) -> list[Count]:
        await self._misbehave("counts")
        keys = {"name": "name", "type": "type", "providedModelName": "model"}
        found = Counter(
            tuple((each, getattr(row, keys[each])) for each in by) for row in self.rows if wanted.holds(row)
        )
        return [Count(number, dict(values)) for values, number in found.items()]

    async def scores(
        self, name: str, since: datetime, until: datetime, *, at_most: float | None, most: int, deadline: float
    ) -> TraceScores:
        await self._misbehave("scores")
        found = [
            each
            for each in self.all_scores
            if each.name == name and since <= each.at < until and (at_most is None or each.value <= at_most)
        ]
        return TraceScores(tuple(found[:most]), is_partial=len(found) > most)

    def url_of(self, observation: Observation) -> str:
        return url_of(observation)

    def filtered_url(self, project_id: str, wanted: Selection) -> str:
        return f"http://langfuse/{project_id}?{len(wanted.conditions())}"

    async def _misbehave(self, call: str) -> None:
        self.calls[call] += 1
        await asyncio.sleep(0)
        if self._hangs:
            await asyncio.Event().wait()
        if self._error:
            raise self._error


class NoStatuses:
    """Knows no status."""

    async def statuses(self) -> Sequence[SloStatus]:
        return []
