"""What LangFuse knows of money: how many calls a run makes, and which traces were the dearest."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from slo_engine.definitions.traces import TraceQuery
from slo_engine.evidence.causes import links
from slo_engine.evidence.model import TraceLink
from slo_engine.evidence.reading import Traces, selection
from slo_engine.evidence.subject import Subject
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.traces import Observation, Selection, UnsupportedError

MOST_CALLS = 1000
EXAMPLES = 2

LOOP_FACTOR = 5
LOOP_CALLS = 10
"""A trace loops that has so many times as many calls as the median, and so many at least."""

MORE = 1.5
"""How many times as many calls or runs as before are told."""

_BY_MODEL = "providedModelName"


@dataclass(frozen=True)
class Counted:
    """Runs and their calls by model in a window, as LangFuse counts them. Traces may be sampled, which leaves the calls
    a run as they are."""

    runs: int
    calls: Mapping[str, int]

    def per_run(self, model: str) -> float:
        """Calls of a model in a run."""
        return self.calls.get(model, 0) / self.runs if self.runs else 0.0

    @property
    def most_called(self) -> str | None:
        """The model with the most calls."""
        return max(self.calls, key=lambda model: (self.calls[model], model), default=None)

    def as_json(self) -> dict[str, Any]:
        """``calls``: by model."""
        return {"runs": self.runs, "calls": dict(self.calls)}


@dataclass(frozen=True)
class Dearest:
    """Traces by what their calls cost."""

    traces: int
    """How many were read, of which these are."""
    calls: int
    is_partial: bool
    """There were more: these are those of the newest calls."""
    examples: tuple[tuple[TraceLink, float, int], ...]
    """The dearest, with US dollars and calls."""
    median: float
    """Calls of a trace."""
    loops: int
    """Traces that call far more often."""
    most: int
    """Calls of the one that does most often."""

    def as_json(self) -> dict[str, Any]:
        """``cost_usd`` is what LangFuse says."""
        return {
            "traces_read": self.traces,
            "calls_read": self.calls,
            "partial": self.is_partial,
            "dearest": [{**link.as_json(), "cost_usd": cost, "calls": calls} for link, cost, calls in self.examples],
            "median_calls": self.median,
            "loops": self.loops,
            "most_calls": self.most,
        }


@dataclass(frozen=True)
class Calls:
    """Both."""

    now: Counted | None
    before: Counted | None
    """None: this server does not count."""
    dearest: Dearest


async def calls_of(traces: Traces, subject: Subject, earlier_by: timedelta, deadline: float) -> Calls:
    """What is known of the window of a subject, and of one as long that began so much ``earlier_by``. Raises
    TracesError."""
    assert subject.query is not None
    calls, runs = _selections(subject, subject.query)
    found, now, before = await asyncio.gather(
        traces.observations(calls, most=MOST_CALLS, deadline=deadline),
        _counted(traces, calls, runs, timedelta(0), deadline),
        _counted(traces, calls, runs, earlier_by, deadline),
    )
    return Calls(now, before, _dearest(found.rows, found.is_partial, traces))


def more_often(found: Calls | None, model: str | None) -> str | None:
    """How many more calls of a model a run makes, ``30 calls a run instead of 1``, or how many more runs there are;
    None: not known, or as many as before."""
    if found is None or found.now is None or not found.now.runs:
        return None
    if found.before is None or not found.before.runs:
        most = max((number for _, _, number in found.dearest.examples), default=0)
        return f"up to {most:,} calls a run" if most >= LOOP_CALLS else None
    now, before = found.now, found.before
    if model is not None and now.calls.get(model):
        rate, earlier = now.per_run(model), before.per_run(model)
        if not earlier:
            return f"{_number(rate)} calls a run{_instead(now, before)}"
        if earlier and rate >= MORE * earlier:
            return f"{_number(rate)} calls a run instead of {_number(earlier)}"
    times = now.runs / before.runs
    return f"{_number(times)} times as many traced runs" if times >= MORE else None


def _instead(now: Counted, before: Counted) -> str:
    """What a new model was called instead of; where the one before it is called as ever, it is called beside that."""
    other = before.most_called
    if other is None or now.per_run(other) * 2 > before.per_run(other):
        return ", none before"
    return f" instead of {_number(before.per_run(other))} of {outgoing_text(other)}"


def _selections(subject: Subject, query: TraceQuery) -> tuple[Selection, Selection]:
    calls = selection(query, subject.since, subject.until, event="model_call")
    # What is said of single observations holds for calls; a run is found by what is said of its trace.
    runs = replace(calls, type=None, is_root=True, name=None, model=None, metadata=())
    return replace(calls, type="GENERATION", metadata=()), runs


async def _counted(traces: Traces, calls: Selection, runs: Selection, by: timedelta, deadline: float) -> Counted | None:
    """None: this server does not count."""
    calls, runs = (replace(each, since=each.since - by, until=each.until - by) for each in (calls, runs))
    try:
        by_model, roots = await asyncio.gather(
            traces.counts(calls, by=(_BY_MODEL,), deadline=deadline), traces.counts(runs, deadline=deadline)
        )
    except UnsupportedError:
        return None
    named: Counter[str] = Counter()
    for each in by_model:
        if model := each.values.get(_BY_MODEL):
            named[model] += each.number
    return Counted(sum(each.number for each in roots), named)


def _dearest(rows: Sequence[Observation], is_partial: bool, traces: Traces) -> Dearest:
    calls = Counter(row.trace_id for row in rows)
    cost: defaultdict[str, float] = defaultdict(float)
    for row in rows:
        cost[row.trace_id] += row.cost
    ordered = sorted((each for each in cost if cost[each] > 0), key=lambda each: (-cost[each], each))[:EXAMPLES]
    link = {each.id: each for each in links((row for row in rows if row.trace_id in ordered), traces.url_of)}
    median = float(statistics.median(calls.values())) if calls else 0.0
    loops = [number for number in calls.values() if number >= max(LOOP_CALLS, LOOP_FACTOR * median)]
    return Dearest(
        traces=len(calls),
        calls=len(rows),
        is_partial=is_partial,
        examples=tuple((link[each], cost[each], calls[each]) for each in ordered),
        median=median,
        loops=len(loops),
        most=max(loops, default=0),
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"
