"""Which observations are read of a subject: what went wrong, and what went well in the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from slo_engine.definitions.traces import Event, Failed, LowScore, Slow, TraceQuery
from slo_engine.evidence.failing_step import Verdicts, failed_calls, failed_runs
from slo_engine.evidence.subject import Subject
from slo_engine.traces import (
    HEALTHY_LEVELS,
    Count,
    Observation,
    Observations,
    Selection,
    TraceScore,
    TraceScores,
    TracesError,
    UnsupportedError,
)

MOST_FAILING = 2500
"""Rows of failing runs, and as many of failing steps: beyond that, shares change by less than two percent."""

MOST_IN_A_STORM = 1000
STORM = 4
"""Subjects that are read at the same time; beyond, each gets less."""

MOST_HEALTHY = 2000
SLICES = 4
"""Healthy runs are read evenly from so many parts of the window: the newest alone would be those after the incident."""

MOST_TRACES = 100
"""Trace ids in one request: they stand in its address."""

ITS_OWN = "langfuse-"
"""The beginning of LangFuse's own environments."""

MOST_STEPS = 2000
MOST_RUNS_OF_CALLS = 2 * MOST_TRACES
MOST_SCORES = 300
SCORED_LATER = timedelta(hours=1)
"""How long before its score a run may have begun."""


_TYPES: dict[Event, str] = {"tool": "TOOL", "model_call": "GENERATION", "first_token": "GENERATION"}


class Traces(Protocol):
    """What knows the traces: :class:`slo_engine.traces.LangFuse`, or a test."""

    async def observations(
        self, wanted: Selection, *, most: int, deadline: float, with_metadata: bool = False
    ) -> Observations:
        """The newest observations of a selection. Raises SloEngineError."""
        ...

    async def counts(self, wanted: Selection, *, by: Sequence[str] = (), deadline: float) -> list[Count]:
        """How many there are, counted by the server. Raises SloEngineError."""
        ...

    async def scores(
        self, name: str, since: datetime, until: datetime, *, at_most: float | None, most: int, deadline: float
    ) -> TraceScores:
        """The newest scores of a name. Raises SloEngineError."""
        ...

    def url_of(self, observation: Observation) -> str:
        """Where people look at its run."""
        ...

    def filtered_url(self, project_id: str, wanted: Selection) -> str:
        """Where people look at the observations of a selection."""
        ...


@dataclass(frozen=True)
class FailedRows:
    """What failed in a window."""

    wanted: Selection
    """What was asked for, and counted: failing runs, or calls."""
    verdicts: Verdicts
    is_partial: bool
    """There was more than was read: these are the newest."""
    total: int | None
    """How many failed, counted by the server, where rows were cut off; None: not known."""
    unasked: int
    """Rows that were sent without being asked for."""
    without_steps: str | None = None
    """Why the steps of the runs could not be read; None: they were."""


def selection(query: TraceQuery, since: datetime, until: datetime, *, event: Event = "run") -> Selection:
    """What a query asks for in a window: runs or, with an ``observation``, a ``model`` or another event, calls."""
    is_call = event != "run" or query.observation is not None or query.model is not None
    kind = _TYPES.get(event)
    return Selection(
        since=since,
        until=until,
        tags=query.tags,
        # A step that is named may be of any type.
        type=kind if kind and not query.observation else None,
        is_root=None if is_call else True,
        name=query.observation,
        model=query.model,
        environment=query.environment,
        trace_name=query.name,
        user=query.user,
        session=query.session,
        metadata=query.metadata,
    )


async def failed(traces: Traces, subject: Subject, *, most: int, deadline: float) -> FailedRows:
    """What failed of a subject. Raises TracesError."""
    assert subject.query is not None  # which who asks has made sure of
    assert isinstance(subject.explained_by, Failed)
    wanted = replace(
        selection(subject.query, subject.since, subject.until, event=subject.explained_by.event), levels=("ERROR",)
    )
    if wanted.is_root is None:
        calls = await traces.observations(wanted, most=most, deadline=deadline, with_metadata=True)
        return await _counted(traces, wanted, failed_calls(calls.rows), calls, calls.is_partial, deadline)
    # A step has the tags, the environment and the user of its run, but not its metadata.
    below = replace(wanted, is_root=False, metadata=())
    roots, steps = await asyncio.gather(
        traces.observations(wanted, most=most, deadline=deadline, with_metadata=True),
        _or_error(traces.observations(below, most=most, deadline=deadline)),
    )
    named = (*subject.group.values(), *([wanted.trace_name] if wanted.trace_name else []))
    if isinstance(steps, TracesError):
        # What the runs say of themselves is better than nothing, and marked as such.
        verdicts = failed_runs(_of_agents(roots.rows, wanted), (), named=named)
        found = await _counted(traces, wanted, verdicts, roots, roots.is_partial, deadline)
        return replace(found, without_steps=str(steps))
    if not roots.rows and any(not row.is_root_known for row in steps.rows):
        roots, steps = _unmarked_roots(steps, named)
    known, inside = _whose_steps_are_known(_of_agents(roots.rows, wanted), steps)
    if len(known) < min(len(roots.rows), MOST_TRACES) and steps.is_partial:
        # A few runs with thousands of failing steps: the steps of the newest are asked for by themselves.
        known = roots.rows[:MOST_TRACES]
        ids = tuple(dict.fromkeys(row.trace_id for row in known))
        asked = await _or_error(traces.observations(replace(below, trace_ids=ids), most=most, deadline=deadline))
        inside = inside if isinstance(asked, TracesError) else asked.rows
    known, inside = await _with_steps_of_bare_runs(traces, wanted, known, inside, deadline)
    verdicts = failed_runs(known, inside, named=named)
    if verdicts.uncertain:
        beside = await _top_level(traces, wanted, (each.step.trace_id for each in verdicts.uncertain), deadline)
        verdicts = failed_runs(known, inside, named=named, others=beside)
        if alike := _names_of_runs(known, verdicts, beside):
            verdicts = failed_runs(known, inside, named=(*named, *alike), others=beside)
    is_partial = roots.is_partial or len(known) < len(roots.rows)
    return await _counted(traces, wanted, verdicts, roots, is_partial, deadline)


async def _or_error(reading: Awaitable[Observations]) -> Observations | TracesError:
    try:
        return await reading
    except TracesError as error:
        return error


def _of_agents(roots: Sequence[Observation], wanted: Selection) -> list[Observation]:
    """Without LangFuse's own: its evaluators run in environments that nobody else may have."""
    return [each for each in roots if wanted.environment or not (each.environment or "").startswith(ITS_OWN)]


def _unmarked_roots(steps: Observations, named: Sequence[str]) -> tuple[Observations, Observations]:
    """The steps that are runs, where the server does not say so and they hang below something of another service: those
    that are called as the agent is, or are agents, and whose parent is none of theirs."""
    ids = {row.id for row in steps.rows}
    runs = [
        row
        for row in steps.rows
        if not row.is_root_known and row.parent_id not in ids and (row.name in named or row.type == "AGENT")
    ]
    found = {id(row) for row in runs}
    rest = tuple(row for row in steps.rows if id(row) not in found)
    return replace(steps, rows=tuple(replace(row, is_root=True) for row in runs)), replace(steps, rows=rest)


def _names_of_runs(
    roots: Sequence[Observation], verdicts: Verdicts, beside: Mapping[str, Sequence[Observation]]
) -> set[str]:
    """What runs are called, by the traces that were looked at as a whole: for those that were not."""
    sure = {(each.root.trace_id, each.root.name) for each in verdicts.failures if each.root is not None}
    names = {name for trace_id, name in sure if trace_id in beside}
    caught = {root.name for root in roots if root.trace_id in beside and (root.trace_id, root.name) not in sure}
    return names - caught


async def good(traces: Traces, wanted: Selection, *, deadline: float) -> list[tuple[Observation, float]]:
    """Runs of a selection, evenly from its window, each with how many it stands for: the newest rows of a part of the
    window stand for all of that part. Raises TracesError when none can be read."""
    length = (wanted.until - wanted.since) / SLICES
    parts = [
        replace(wanted, since=wanted.since + number * length, until=wanted.since + (number + 1) * length)
        for number in range(SLICES)
    ]
    reading = (
        traces.observations(part, most=MOST_HEALTHY // SLICES, deadline=deadline, with_metadata=True) for part in parts
    )
    answers = await asyncio.gather(*reading, return_exceptions=True)
    failures = [each for each in answers if isinstance(each, BaseException)]
    if len(failures) == len(answers) or any(not isinstance(each, TracesError) for each in failures):
        raise failures[0]
    found = []
    for part, answer in zip(parts, answers, strict=True):
        if isinstance(answer, Observations) and answer.rows:
            oldest = min(row.start_time for row in answer.rows)
            covered = (part.until - oldest) / (part.until - part.since) if answer.is_partial else 1.0
            found += [(row, 1 / max(covered, 1e-3)) for row in answer.rows]
    return found


def healthy(wanted: Selection) -> Selection:
    """The same without its failures."""
    return replace(wanted, levels=HEALTHY_LEVELS)


def _whose_steps_are_known(
    roots: Sequence[Observation], steps: Observations
) -> tuple[Sequence[Observation], Sequence[Observation]]:
    """The runs of which all failing steps were read: a run whose step was cut off would be blamed itself."""
    if not steps.is_partial or not steps.rows:
        return roots, steps.rows
    horizon = min(step.start_time for step in steps.rows)
    return [root for root in roots if root.start_time >= horizon], steps.rows


async def _with_steps_of_bare_runs(
    traces: Traces,
    wanted: Selection,
    roots: Sequence[Observation],
    steps: Sequence[Observation],
    deadline: float,
) -> tuple[Sequence[Observation], Sequence[Observation]]:
    """Where no failing step of a run was found, its steps may lack the tags, the user or the environment that the run
    got after they had begun: they are asked for by their trace."""
    has_steps = {step.trace_id for step in steps}
    bare = [root for root in roots if root.trace_id not in has_steps]
    if not bare:
        return roots, steps
    looked_at = bare[:MOST_TRACES]
    ids = tuple(dict.fromkeys(root.trace_id for root in looked_at))
    asked = Selection(wanted.since, wanted.until, levels=wanted.levels, is_root=False, trace_ids=ids)
    answer = await _or_error(traces.observations(asked, most=MOST_STEPS, deadline=deadline))
    found = () if isinstance(answer, TracesError) else answer.rows
    if found and len(bare) > len(looked_at):
        # The others are not blamed themselves for steps that nobody has seen.
        unseen = {root.trace_id for root in bare[MOST_TRACES:]}
        roots = [root for root in roots if root.trace_id not in unseen]
    return roots, (*steps, *found)


async def runs_of(
    traces: Traces, calls: Sequence[Observation], wanted: Selection, *, deadline: float
) -> dict[str, Observation]:
    """The runs in which some calls were made, by trace: a call has neither prompt nor release of its own. Evenly of
    all calls where there are many. Raises TracesError."""
    every = max(1, len(calls) // MOST_RUNS_OF_CALLS)
    ids = tuple(dict.fromkeys(call.trace_id for call in calls[::every]))[:MOST_RUNS_OF_CALLS]
    # A run began before its calls; it may be of any agent, and the tags are those of the calls.
    asked = Selection(wanted.since - SCORED_LATER, wanted.until, is_root=True)
    answers = await asyncio.gather(
        *(
            traces.observations(
                replace(asked, trace_ids=ids[start : start + MOST_TRACES]),
                most=10 * MOST_TRACES,
                deadline=deadline,
                with_metadata=True,
            )
            for start in range(0, len(ids), MOST_TRACES)
        )
    )
    return {row.trace_id: row for answer in answers for row in answer.rows}


async def _top_level(
    traces: Traces, wanted: Selection, trace_ids: Iterable[str], deadline: float
) -> dict[str, list[Observation]]:
    """What stands at the top level of some traces, whatever became of it."""
    ids = tuple(dict.fromkeys(trace_ids))[:MOST_TRACES]
    asked = Selection(wanted.since, wanted.until, tags=wanted.tags, is_root=True, trace_ids=ids)
    try:
        found = await traces.observations(asked, most=10 * MOST_TRACES, deadline=deadline)
    except TracesError:
        return {}  # they stay uncertain
    beside: dict[str, list[Observation]] = {}
    for row in found.rows:
        beside.setdefault(row.trace_id, []).append(row)
    return beside


async def _counted(
    traces: Traces, wanted: Selection, verdicts: Verdicts, read: Observations, is_partial: bool, deadline: float
) -> FailedRows:
    total = None
    if is_partial:
        try:
            total = sum(each.number for each in await traces.counts(wanted, deadline=deadline))
        except (TracesError, UnsupportedError):
            total = None  # said as "of the newest"
    return FailedRows(wanted, verdicts, is_partial, total, read.unasked)


def slow(subject: Subject) -> tuple[Selection, Selection]:
    """What was slow of a subject, and what was not."""
    assert subject.query is not None
    assert isinstance(subject.explained_by, Slow)
    seconds, event = subject.explained_by.seconds, subject.explained_by.event
    wanted = selection(subject.query, subject.since, subject.until, event=event)
    if event == "first_token":
        return replace(wanted, first_token_after=seconds), replace(wanted, first_token_until=seconds)
    return replace(wanted, slower_than=seconds), replace(wanted, at_most=seconds)


async def steps_of(
    traces: Traces, wanted: Selection, runs: Sequence[Observation], *, deadline: float
) -> dict[str, list[Observation]]:
    """All steps of some runs, by trace. Raises TracesError."""
    ids = tuple(dict.fromkeys(run.trace_id for run in runs))[:MOST_TRACES]
    asked = Selection(wanted.since, wanted.until, tags=wanted.tags, trace_ids=ids)
    found: dict[str, list[Observation]] = {}
    for row in (await traces.observations(asked, most=MOST_STEPS, deadline=deadline)).rows:
        found.setdefault(row.trace_id, []).append(row)
    return found


@dataclass(frozen=True)
class Scored:
    """Runs with a score of a name."""

    runs: tuple[tuple[Observation, TraceScore], ...]
    is_partial: bool


async def scored(traces: Traces, subject: Subject, *, low: bool, deadline: float) -> Scored:
    """The runs of a subject with low scores, or with the others. Raises TracesError."""
    query, wanted = subject.query, subject.explained_by
    assert query is not None
    assert isinstance(wanted, LowScore)
    # Scores carry the time at which LangFuse received them; evaluators take their time.
    found = await traces.scores(
        query.score or "",
        subject.since,
        subject.until,
        at_most=wanted.above if low else None,
        most=MOST_SCORES,
        deadline=deadline,
    )
    scores = {each.trace_id: each for each in found.rows if low or each.value > wanted.above}
    asked = selection(query, subject.since - SCORED_LATER, subject.until)
    ids = tuple(scores)
    parts = [ids[start : start + MOST_TRACES] for start in range(0, len(ids), MOST_TRACES)]
    answers = await asyncio.gather(
        *(
            traces.observations(
                replace(asked, trace_ids=part), most=10 * MOST_TRACES, deadline=deadline, with_metadata=True
            )
            for part in parts
        )
    )
    rows = {row.trace_id: row for answer in answers for row in answer.rows}
    return Scored(tuple((row, scores[trace_id]) for trace_id, row in rows.items()), found.is_partial)
