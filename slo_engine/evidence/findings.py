"""What several sources conclude from the same observations: read once, concluded once, for all who ask about a subject
at the same time or soon after."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from slo_engine.definitions.traces import Failed, LowScore, Slow
from slo_engine.evidence.attributes import attributes_of, is_of_runs, sample_rate_of
from slo_engine.evidence.causes import MODEL_CALL, alike, causes_of, named, without_ids
from slo_engine.evidence.contrast import Contrast, Trait, explain
from slo_engine.evidence.crosstab import Cell
from slo_engine.evidence.failing_step import Failure
from slo_engine.evidence.model import Cause, Causes
from slo_engine.evidence.once import Once
from slo_engine.evidence.reading import (
    MOST_FAILING,
    MOST_IN_A_STORM,
    STORM,
    FailedRows,
    Scored,
    Traces,
    failed,
    good,
    healthy,
    runs_of,
    scored,
    selection,
    slow,
)
from slo_engine.evidence.subject import Subject
from slo_engine.traces import Observation, Observations, Selection, TracesError

_Key = tuple[tuple[str, str], ...]

CONCLUDING = 0.25
"""The part of the time that is left for concluding from what was read."""

MAX_CAUSES = 5
SHORTEST_PART = 8
"""Characters of a message that are worth asking for."""

ALPHA = 0.01
"""The share of false traits among those that are told."""

COMPARED_CAUSES = 2
RARER = 3.0
SMALLEST_COMPARED = 8
"""How many causes are compared by themselves, how much rarer (by odds) among healthy runs what they have must be, and
the failures that one must have."""

MOST_STEPS_BACK = 8
"""Requests for the first occurrence of a cause."""


@dataclass(frozen=True)
class Compared:
    """Bad runs beside good ones of the same subject and window."""

    contrast: Contrast
    sample_rate: float
    """At which the good ones were kept; 1.0: all of them, as far as the traces say."""
    examples: tuple[Observation, ...]
    """A bad run for each trait of the contrast, which has it."""
    wanted: Selection
    """The good ones."""
    names: tuple[str, ...]
    """The attributes that were compared."""
    cause: str | None = None
    """The failures of which cause are the bad ones, where those of all together have nothing in common: the others are
    among the good ones."""


class Findings:
    """The conclusions about subjects."""

    def __init__(self, traces: Traces) -> None:
        self.traces = traces
        self._rows: Once[FailedRows] = Once(kept=0)
        self._causes: Once[Causes] = Once(is_empty=lambda found: not found.failed)
        self._compared: Once[Compared | None] = Once(is_empty=lambda found: found is None)
        self._slow: Once[list[tuple[Observation, float]]] = Once(kept=0)
        self._good: Once[list[tuple[Observation, float]]] = Once(kept=0)
        self._scored: Once[Scored] = Once(kept=0)
        self._going_on = 0

    async def causes(self, subject: Subject, deadline: float) -> Causes:
        """Why what failed of a subject did. Raises TracesError."""
        return await self._causes.answer(
            subject.identity, subject.span, partial(self._conclude_causes, subject, deadline)
        )

    async def compared(self, subject: Subject, deadline: float) -> Compared | None:
        """What failed beside what did not; None: nothing failed, or nothing else was there. Raises TracesError."""
        return await self._compared.answer(subject.identity, subject.span, partial(self._compare, subject, deadline))

    async def _failed(self, subject: Subject, deadline: float) -> FailedRows:
        return await self._rows.answer(
            subject.identity, subject.span, partial(self._read, subject, _reading_ends(deadline))
        )

    async def _read(self, subject: Subject, deadline: float) -> FailedRows:
        self._going_on += 1
        try:
            most = MOST_FAILING if self._going_on <= STORM else MOST_IN_A_STORM
            return await failed(self.traces, subject, most=most, deadline=deadline)
        finally:
            self._going_on -= 1

    async def _conclude_causes(self, subject: Subject, deadline: float) -> Causes:
        rows = await self._failed(subject, deadline)
        # In a thread: thousands of rows must not hold up the webhook.
        found = await asyncio.to_thread(concluded, rows, subject, self.traces)
        if not rows.is_partial or not found.causes:
            return found
        first = await asyncio.gather(*(self._since_when(cause, rows, deadline) for cause in found.causes[:2]))
        return replace(found, causes=(*first, *(replace(each, is_first=False) for each in found.causes[2:])))

    async def _since_when(self, cause: Cause, rows: FailedRows, deadline: float) -> Cause:
        """The cause with its first occurrence, where it lies before what was read."""
        name, kind = _step_of(cause, rows)
        wanted = Selection(
            rows.wanted.since,
            cause.first_seen,
            levels=("ERROR",),
            tags=rows.wanted.tags,
            environment=rows.wanted.environment,
            name=name,
            type=kind,
            message_part=_common_part(cause.message),
        )
        try:
            at = await first_in(self.traces, wanted, deadline)
        except TracesError:
            return replace(cause, is_first=False)
        return cause if at is None else replace(cause, first_seen=at)

    async def slow(self, subject: Subject, deadline: float) -> list[tuple[Observation, float]]:
        """What was slow of a subject, each with how many it stands for. Raises TracesError."""
        reading_ends = _reading_ends(deadline)
        wanted, _ = slow(subject)
        return await self._slow.answer(
            subject.identity, subject.span, lambda: good(self.traces, wanted, deadline=reading_ends)
        )

    async def good(self, subject: Subject, deadline: float) -> list[tuple[Observation, float]]:
        """What went well of a subject, each with how many it stands for. Raises TracesError."""
        reading_ends = _reading_ends(deadline)
        return await self._good.answer(subject.identity, subject.span, lambda: self._read_good(subject, reading_ends))

    async def scored(self, subject: Subject, deadline: float) -> Scored:
        """The runs with low scores. Raises TracesError."""
        reading_ends = _reading_ends(deadline)
        return await self._scored.answer(
            subject.identity, subject.span, lambda: scored(self.traces, subject, low=True, deadline=reading_ends)
        )

    async def _read_good(self, subject: Subject, deadline: float) -> list[tuple[Observation, float]]:
        if isinstance(subject.explained_by, LowScore):
            return [(row, 1.0) for row, _ in (await scored(self.traces, subject, low=False, deadline=deadline)).runs]
        return await good(self.traces, good_of(subject), deadline=deadline)

    async def _read_bad(self, subject: Subject, deadline: float) -> list[Observation]:
        if isinstance(subject.explained_by, LowScore):
            return [row for row, _ in (await self.scored(subject, deadline)).runs]
        if isinstance(subject.explained_by, Slow):
            return [row for row, _ in await self.slow(subject, deadline)]
        rows = await self._failed(subject, deadline)
        return [failure.root or failure.step for failure in rows.verdicts.failures]

    async def _compare(self, subject: Subject, deadline: float) -> Compared | None:
        bad, good_runs = await asyncio.gather(self._read_bad(subject, deadline), self.good(subject, deadline))
        if not bad or not good_runs:
            return None
        wanted = good_of(subject)
        if wanted.is_root:
            found = await asyncio.to_thread(compare, bad, good_runs, wanted)
            if found.contrast.traits or not isinstance(subject.explained_by, Failed):
                return found
            rows = await self._failed(subject, deadline)
            return await asyncio.to_thread(compare_causes, rows.verdicts.failures, good_runs, wanted) or found
        with_bad, with_good = await asyncio.gather(
            runs_of(self.traces, bad, wanted, deadline=deadline),
            runs_of(self.traces, [row for row, _ in good_runs], wanted, deadline=deadline),
        )
        # What a run has, its call has; where both say something, the call knows better.
        bad = [merged for row in bad if (merged := _with_run(row, with_bad)) is not None]
        good_runs = [(merged, weight) for row, weight in good_runs if (merged := _with_run(row, with_good)) is not None]
        if not bad or not good_runs:
            return None
        return await asyncio.to_thread(compare, bad, good_runs, wanted)


def _with_run(call: Observation, runs: Mapping[str, Observation]) -> Observation | None:
    """A call with what its run says of itself; None: its run was not read."""
    run = runs.get(call.trace_id)
    if run is None:
        return None
    return replace(
        call,
        metadata={**(run.metadata or {}), **(call.metadata or {})},
        model=call.model or run.model,
        prompt=call.prompt or run.prompt,
        release=call.release or run.release,
        version=call.version or run.version,
    )


def good_of(subject: Subject) -> Selection:
    """What is asked for as having gone well."""
    assert subject.query is not None
    if isinstance(subject.explained_by, Slow):
        return slow(subject)[1]
    event = subject.explained_by.event if isinstance(subject.explained_by, Failed) else "run"
    return healthy(selection(subject.query, subject.since, subject.until, event=event))


def _reading_ends(deadline: float) -> float:
    return deadline - CONCLUDING * max(0.0, deadline - time.monotonic())


def concluded(rows: FailedRows, subject: Subject, traces: Traces) -> Causes:
    """The causes of what was read."""
    verdicts = rows.verdicts
    causes = causes_of(verdicts.failures, traces.url_of)
    first = next(iter((*verdicts.failures, *verdicts.uncertain)), None)
    return Causes(
        subject.since,
        subject.until,
        failed=len(verdicts.failures),
        causes=causes[:MAX_CAUSES],
        is_partial=rows.is_partial,
        event="run" if rows.wanted.is_root else "call",
        total=rows.total,
        uncertain=causes_of(verdicts.uncertain, traces.url_of)[:MAX_CAUSES],
        waiting=len(verdicts.waiting),
        query=rows.wanted,
        url=traces.filtered_url(first.step.project_id, rows.wanted) if first else None,
        unasked=rows.unasked,
        without_steps=rows.without_steps,
    )


def compare(
    bad: Sequence[Observation],
    good_runs: Sequence[tuple[Observation, float]],
    wanted: Selection,
    *,
    alpha: float = ALPHA,
) -> Compared:
    """What the bad runs have in common that the good ones lack."""
    good_attributes = [attributes_of(row, asked_tags=wanted.tags) for row, _ in good_runs]
    bad_attributes = [attributes_of(row, asked_tags=wanted.tags) for row in bad]
    # What no healthy run says at all is said about failures: it tells nothing apart.
    said = {name for each in good_attributes for name in each}
    names = sorted(said | {name for each in bad_attributes for name in each if is_of_runs(name)})
    failing = Counter(_key(each, names) for each in bad_attributes)
    rates = Counter(sample_rate_of(row) for row, _ in good_runs)
    healthy_rows: Counter[_Key] = Counter()
    weights: defaultdict[_Key, float] = defaultdict(float)
    for each, (row, weight) in zip(good_attributes, good_runs, strict=True):
        key = _key(each, names)
        healthy_rows[key] += 1
        weights[key] += weight / sample_rate_of(row)
    contrast = explain(
        (Cell(dict(key), failing[key], healthy_rows[key], weights[key]) for key in {**failing, **healthy_rows}),
        alpha=alpha,
    )
    examples = []
    for trait in contrast.traits:
        having = (
            row for row, each in zip(bad, bad_attributes, strict=True) if trait.attributes.items() <= each.items()
        )
        examples.append(next(having))
    return Compared(contrast, rates.most_common(1)[0][0], tuple(examples), wanted, tuple(names))


def compare_causes(
    failures: Sequence[Failure], good_runs: Sequence[tuple[Observation, float]], wanted: Selection
) -> Compared | None:
    """What the failures of one cause have in common that all other runs lack, those that failed otherwise included;
    None: those of none do."""
    for each in alike(failures)[:COMPARED_CAUSES]:
        count = len(each.failures)
        if count < SMALLEST_COMPARED or count == len(failures):
            continue
        own = {id(failure) for failure in each.failures}
        bad = [failure.root or failure.step for failure in each.failures]
        # All failing runs are kept.
        others = [(failure.root or failure.step, 1.0) for failure in failures if id(failure) not in own]
        found = compare(bad, [*good_runs, *others], wanted, alpha=ALPHA / COMPARED_CAUSES)
        # Beside runs that failed otherwise, those with whatever these have look rare: healthy ones must lack it, too.
        pairs = zip(found.contrast.traits, found.examples, strict=True)
        told = [(trait, example) for trait, example in pairs if _is_rare(trait, good_runs, wanted)]
        if told:
            traits, examples = zip(*told, strict=True)
            contrast = replace(found.contrast, traits=traits)
            return replace(found, contrast=contrast, examples=examples, cause=f"{named(each.failures)}: {each.message}")
    return None


def _is_rare(trait: Trait, good_runs: Sequence[tuple[Observation, float]], wanted: Selection) -> bool:
    """Whether healthy runs alone have a trait much less often."""
    having = sum(trait.attributes.items() <= attributes_of(row, asked_tags=wanted.tags).items() for row, _ in good_runs)
    odds = (having + 0.5) / (len(good_runs) - having + 0.5)
    share = min(trait.failing_share, 1 - 1e-6)
    return share / (1 - share) >= RARER * odds


async def first_in(traces: Traces, wanted: Selection, deadline: float) -> datetime | None:
    """When the first observation of a selection began; None: there is none. Rows come newest first, so the window is
    halved until what is left fits into one answer. Raises TracesError."""
    first: datetime | None = None
    for _ in range(MOST_STEPS_BACK):
        if wanted.since >= wanted.until:
            return first
        found: Observations = await traces.observations(wanted, most=100, deadline=deadline)
        if found.rows:
            first = min(row.start_time for row in found.rows)
            if not found.is_partial:
                return first
            middle = wanted.since + (first - wanted.since) / 2
            older = replace(wanted, until=middle)
            if (await traces.observations(older, most=1, deadline=deadline)).rows:
                wanted = older
            else:
                wanted = replace(wanted, since=middle, until=first)
        else:
            return first
    raise TracesError("the first occurrence was not found in time")


def _key(attributes: dict[str, str], names: Sequence[str]) -> _Key:
    return tuple([(name, attributes[name]) for name in names if name in attributes])


def _step_of(cause: Cause, rows: FailedRows) -> tuple[str | None, str]:
    ids = {example.id for example in cause.examples}
    failures: Iterable[Failure] = rows.verdicts.failures
    step = next(each.step for each in failures if each.step.trace_id in ids)
    is_one_name = step.type != MODEL_CALL and without_ids(step.name) == step.name
    return step.name if is_one_name else None, step.type


def _common_part(message: str) -> str | None:
    """The longest part of a message that all of its cause have, as they have it."""
    parts = re.split(r"<[a-z*]+>|…", message)
    longest = max((part.strip() for part in parts), key=len)
    return longest if len(longest) >= SHORTEST_PART else None
